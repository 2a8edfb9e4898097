# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on access keys of the CIS AWS Foundations Benchmark, and which of them a user breaks now.

They are the benchmark's, whatever the policy allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User

ROTATED_WITHIN = timedelta(days=90)


@dataclass(frozen=True)
class Rule:
    """A rule of one version; `on_purpose`: it is broken by a rotation that is under way, and only until its end."""

    number: str
    title: str
    on_purpose: bool = False


@dataclass(frozen=True)
class Benchmark:
    """One version; a rule that it does not have is null."""

    version: str
    one_active_key: Rule | None
    rotated: Rule

    @property
    def name(self) -> str:
        return f"CIS AWS Foundations Benchmark v{self.version}"

    def cite(self, rule: Rule) -> str:
        """The rule as a sentence names it."""
        return f'{self.name}, {rule.number} "{rule.title}"'


_ONE_AVAILABLE = "Ensure there is only one active access key available for any single IAM user"
_ONE = "Ensure there is only one active access key for any single IAM user"
_ROTATED = "Ensure access keys are rotated every 90 days or less"

BENCHMARKS = {
    benchmark.version: benchmark
    for benchmark in (
        Benchmark("1.4.0", Rule("1.13", _ONE_AVAILABLE), Rule("1.14", _ROTATED)),
        Benchmark("1.5.0", Rule("1.13", _ONE_AVAILABLE), Rule("1.14", _ROTATED)),
        Benchmark("2.0.0", Rule("1.13", _ONE_AVAILABLE), Rule("1.14", _ROTATED)),
        Benchmark("3.0.0", Rule("1.13", _ONE_AVAILABLE), Rule("1.14", _ROTATED)),
        Benchmark("4.0.1", Rule("1.13", _ONE), Rule("1.14", _ROTATED)),
        Benchmark("5.0.0", Rule("1.12", _ONE), Rule("1.13", _ROTATED)),
        Benchmark("6.0.0", Rule("2.12", _ONE), Rule("2.13", _ROTATED)),
        Benchmark("7.0.0", None, Rule("2.12", _ROTATED)),
    )
}
IN_USE = BENCHMARKS["3.0.0"]


def broken_rules(user: User, now: datetime, in_grace: bool, benchmark: Benchmark = IN_USE) -> list[Rule]:
    """The rules that the user's Active keys break.

    `in_grace`: the older ones wait to be switched off, as a rotation wants it.
    """
    active = [key for key in user.keys if key.active]
    broken = []
    if len(active) > 1 and benchmark.one_active_key:
        broken.append(replace(benchmark.one_active_key, on_purpose=in_grace))
    if any(now - key.made >= ROTATED_WITHIN for key in active):
        broken.append(benchmark.rotated)
    return broken
