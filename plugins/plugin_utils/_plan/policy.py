# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of a rotation, read from what people write.

Role variables, extra variables (which are strings) or a mapping of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._options import names_user
from ansible_collections.keyturn.iam.plugins.plugin_utils._names import read_names
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import DEFAULT, Benchmark, benchmark_called
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import (
    plain_text,
    read_bool,
    read_days,
    read_optional_days,
    read_optional_key_count,
    read_text,
    shown,
)

END_OF_TIME = datetime(9999, 12, 31, tzinfo=timezone.utc)
"""What would be later than this never comes."""
LONGEST = timedelta(days=4_000_000)
"""Longer than any two dates lie apart."""
NAMED_DAYS = 1.0
"""The `max_age_days`, and where room is needed the `delete_after_days`, of users whom a person named."""
RENEWED_BEFORE = 14
"""The `renew_before_days` of a policy that says nothing of it, as far as `max_age_days` leaves so much."""


@dataclass(frozen=True)
class Policy:
    """What the users of the plan ask for; the defaults are those of the role. Ages are in days, fractions allowed.

    `renew_before_days` is null where nobody has set it.
    """

    max_age_days: float = 90
    renew_before_days: float | None = None
    warn_days: float = 14
    deactivate_after_days: float = 7
    idle_days: float = 7
    delete_after_days: float = 30
    unused_days: float | None = None
    carry: bool = False
    exempt: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    max_new_keys: int | None = None
    benchmark: Benchmark = DEFAULT
    owner_tag: str | None = None
    tag_policy: bool = False

    @classmethod
    def read(cls, given: Any) -> Policy:
        """The policy that a mapping describes. Raises ValueError, one sentence, for all that is not a policy."""
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise ValueError(f"The rotation policy must be a mapping, not {shown(given)}.")
        known = [field.name for field in fields(cls)]
        values: dict[str, Any] = {}
        for raw_name, value in given.items():
            name = plain_text(raw_name) or ""
            if name not in known:
                raise ValueError(f"The rotation policy has no key {shown(raw_name)}: it takes {', '.join(known)}.")
            read: Callable[[str, Any], Any] = _READ.get(name, read_days)
            values[name] = read(f"In the rotation policy, {name}", value)
        policy = cls(**values)
        wrong = renewal_error("max_age_days", policy.max_age_days, "renew_before_days", policy.renew_before_days)
        if wrong:
            raise ValueError(f"In the rotation policy, {wrong}.")
        return policy

    @property
    def renewed_at_days(self) -> float:
        """The age at which a key is due for a new one: `renew_before_days` before `max_age_days`.

        By default a key lives for as long as the one before it takes to go, if `max_age_days` leaves so much, and for a
        day at least: else a new key would be due while two keys are there, or in every run.
        """
        if self.renew_before_days is not None:
            return self.max_age_days - self.renew_before_days
        shortest = max(self.deactivate_after_days + self.idle_days, NAMED_DAYS)
        return max(self.max_age_days - RENEWED_BEFORE, min(self.max_age_days, shortest))

    def exempts(self, user_name: str) -> str | None:
        """The name or pattern that exempts the user, or null."""
        return next((pattern for pattern in self.exempt if names_user(pattern, user_name)), None)

    def names(self, user_name: str) -> bool:
        """Whether a person has named the user in `now`."""
        return user_name.lower() in self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.now)


def renewal_error(max_age: str, max_age_days: float, renew_before: str, renew_before_days: float | None) -> str | None:
    """Why a person's two numbers make no sense together, by the names that they have there; null where they do."""
    if not renew_before_days or renew_before_days < max_age_days:
        return None
    return (
        f"{renew_before} ({renew_before_days:g}) must be less than {max_age} ({max_age_days:g}): it says how many days "
        "before that age a new key is made"
    )


def in_days(number: float) -> timedelta:
    """A number of days of the policy as a span, be it greater than a calendar holds."""
    return timedelta(days=max(min(number, LONGEST.days), -LONGEST.days))


def later(moment: datetime, span: timedelta) -> datetime:
    """The moment so much later, and never after the end of time; a span may be below zero."""
    try:
        return min(moment + span, END_OF_TIME)
    except OverflowError:
        return END_OF_TIME if span > timedelta() else datetime.min.replace(tzinfo=timezone.utc)


# -- how a value is read ---------------------------------------------------------------------------------------------


def _names(what: str, value: Any) -> tuple[str, ...]:
    return read_names(what, value, patterns=False)


def _patterns(what: str, value: Any) -> tuple[str, ...]:
    return read_names(what, value, patterns=True)


_READ: dict[str, Callable[[str, Any], Any]] = {
    "renew_before_days": read_optional_days,
    "unused_days": read_optional_days,
    "exempt": _patterns,
    "now": _names,
    "max_new_keys": read_optional_key_count,
    "benchmark": benchmark_called,
    "carry": read_bool,
    "owner_tag": read_text,
    "tag_policy": read_bool,
}
"""The others are numbers of days."""
