# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of a rotation, read from what people write.

Role variables, extra variables (which are strings) or a mapping of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._options import names_user
from ansible_collections.keyturn.iam.plugins.plugin_utils._names import read_names
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import (
    is_left_out,
    plain_text,
    read_bool,
    read_number,
    shown,
)

END_OF_TIME = datetime(9999, 12, 31, tzinfo=timezone.utc)
"""What would be later than this never comes."""
LONGEST = timedelta(days=4_000_000)
"""Longer than any two dates lie apart."""


@dataclass(frozen=True)
class Policy:
    """What the users of the plan ask for; the defaults are those of the role. Ages are in days, fractions allowed."""

    max_age_days: float = 90
    warn_days: float = 14
    deactivate_after_days: float = 7
    idle_days: float = 7
    delete_after_days: float = 30
    unused_days: float | None = None
    carry: bool = False
    exempt: tuple[str, ...] = ()
    now: tuple[str, ...] = ()

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
            name = plain_text(raw_name)
            if name not in known:
                raise ValueError(f"The rotation policy has no key {shown(raw_name)}: it takes {', '.join(known)}.")
            if name == "exempt":
                values[name] = read_names(f"In the rotation policy, {name}", value, patterns=True)
            elif name == "now":
                values[name] = read_names(f"In the rotation policy, {name}", value, patterns=False)
            elif name == "carry":
                values[name] = read_bool(f"In the rotation policy, {name}", value)
            elif name == "unused_days" and is_left_out(value):
                values[name] = None
            else:
                values[name] = read_number(f"In the rotation policy, {name}", value, "days")
        return cls(**values)

    def exempts(self, user_name: str) -> str | None:
        """The name or pattern that exempts the user, or null."""
        return next((pattern for pattern in self.exempt if names_user(pattern, user_name)), None)

    def names(self, user_name: str) -> bool:
        """Whether a person has named the user in `now`."""
        return user_name.lower() in self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.now)


def in_days(number: float) -> timedelta:
    """A number of days of the policy as a span, be it greater than a calendar holds."""
    return timedelta(days=max(min(number, LONGEST.days), -LONGEST.days))


def later(moment: datetime, span: timedelta) -> datetime:
    """The moment so much later, and never after the end of time; a span may be below zero."""
    try:
        return min(moment + span, END_OF_TIME)
    except OverflowError:
        return END_OF_TIME if span > timedelta() else datetime.min.replace(tzinfo=timezone.utc)
