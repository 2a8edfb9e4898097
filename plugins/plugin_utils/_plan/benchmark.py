# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules on access keys of the CIS AWS Foundations Benchmark, version by version.

They are the benchmark's, whatever the policy allows. Numbers and titles are those of the published versions; which of
them a user breaks is in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._values import is_left_out, plain_text, shown

UNUSED_FOR = timedelta(days=45)
ROTATED_WITHIN = timedelta(days=90)


@dataclass(frozen=True)
class Rule:
    """A rule of one version; `on_purpose`: it is broken by a rotation that is under way, and only until its end."""

    number: str
    title: str
    on_purpose: bool = False


@dataclass(frozen=True)
class Benchmark:
    """One version: no root key, none unused for 45 days, one active key, rotated within 90 days.

    A rule that the version does not have is null.
    """

    version: str
    no_root_key: Rule
    unused: Rule
    one_active_key: Rule | None
    rotated: Rule

    @property
    def short_name(self) -> str:
        """How a policy calls it."""
        return f"CIS {self.version}"

    @property
    def name(self) -> str:
        return f"CIS AWS Foundations Benchmark v{self.version}"

    def cite(self, rule: Rule) -> str:
        """The rule as a sentence names it."""
        return f'{self.name}, {rule.number} "{rule.title}"'


_ROOT = "Ensure no 'root' user account access key exists"
_UNUSED_OR_GREATER = "Ensure credentials unused for 45 days or greater are disabled"
_UNUSED = "Ensure credentials unused for 45 days or more are disabled"
_ONE_AVAILABLE = "Ensure there is only one active access key available for any single IAM user"
_ONE = "Ensure there is only one active access key for any single IAM user"
_ROTATED = "Ensure access keys are rotated every 90 days or less"


def _until_3(version: str) -> Benchmark:
    return Benchmark(
        version,
        Rule("1.4", _ROOT),
        Rule("1.12", _UNUSED_OR_GREATER),
        Rule("1.13", _ONE_AVAILABLE),
        Rule("1.14", _ROTATED),
    )


def _since_4(version: str, root: str, unused: str, one_active_key: str | None, rotated: str) -> Benchmark:
    one = Rule(one_active_key, _ONE) if one_active_key else None
    return Benchmark(version, Rule(root, _ROOT), Rule(unused, _UNUSED), one, Rule(rotated, _ROTATED))


BENCHMARKS = {
    benchmark.version: benchmark
    for benchmark in (
        *map(_until_3, ("1.4.0", "1.5.0", "2.0.0", "3.0.0")),
        _since_4("4.0.1", "1.4", "1.12", "1.13", "1.14"),
        _since_4("5.0.0", "1.3", "1.11", "1.12", "1.13"),
        _since_4("6.0.0", "2.3", "2.11", "2.12", "2.13"),
        _since_4("7.0.0", "2.4", "2.11", None, "2.12"),
    )
}
DEFAULT = BENCHMARKS["5.0.0"]


def benchmark_called(what: str, value: Any) -> Benchmark:
    """The benchmark that a person means by `CIS 5.0.0`, or `5.0`; the default where nothing is named.

    Raises ValueError, one sentence, for one that is not known.
    """
    if is_left_out(value):
        return DEFAULT
    name = (plain_text(value) or "").strip()
    version = name.upper().removeprefix("CIS").strip().removeprefix("V")
    meant = [one for one in BENCHMARKS.values() if f"{one.version}.".startswith(f"{version}.")]
    if len(meant) != 1:
        known = ", ".join(one.short_name for one in BENCHMARKS.values())
        raise ValueError(f"{what} must be one of {known}, not {shown(value)}")
    return meant[0]


def broken_by_account(account: Mapping[str, Any], benchmark: Benchmark) -> list[Rule]:
    """The rules that the account breaks, not one of its users: `account` is that of iam_access_key_info.

    Whether there is a root key may not be known; that breaks no rule.
    """
    return [benchmark.no_root_key] if account.get("root_access_key_present") is True else []
