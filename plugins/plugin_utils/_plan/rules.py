# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rules of the benchmark a user's Active keys break now, whatever the policy allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import (
    ROTATED_WITHIN,
    UNUSED_FOR,
    Benchmark,
    Rule,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User


def broken_rules(user: User, now: datetime, in_grace: bool, benchmark: Benchmark) -> list[Rule]:
    """In the order of their numbers. `in_grace`: the older keys wait to be switched off, as a rotation wants it."""
    active = [key for key in user.keys if key.active]
    broken = []
    # Of a user in error the last use may be what could not be read.
    if not user.error and any(_unused(key, now) for key in active):
        broken.append(benchmark.unused)
    if len(active) > 1 and benchmark.one_active_key:
        broken.append(replace(benchmark.one_active_key, on_purpose=in_grace))
    if any(now - key.made >= ROTATED_WITHIN for key in active):
        broken.append(benchmark.rotated)
    return broken


def _unused(key: Key, now: datetime) -> bool:
    """A key that was never used counts from its creation; the one that signs this run is in use."""
    return not key.signing and now - (key.last_used or key.made) >= UNUSED_FOR
