# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dates, spans, numbers and lists as sentences have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ansible_collections.keyturn.iam.plugins.module_utils._time import DAY, to_iso

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def span(length: timedelta) -> str:
    """Whole days, or hours within the first two, or minutes within the first hour."""
    if length >= 2 * DAY:
        return count(length // DAY, "day")
    if length >= HOUR:
        return count(length // HOUR, "hour")
    return count(max(length // MINUTE, 0), "minute")


def date(moment: datetime) -> str:
    """ISO 8601, in UTC and in whole seconds."""
    return to_iso(whole_second(moment))


def whole_second(moment: datetime) -> datetime:
    """The first whole second at which the moment has come.

    AWS's times are whole, and a limit is reached with the first that is not below.
    """
    return moment.replace(microsecond=0) + SECOND if moment.microsecond else moment


def days(number: float) -> str:
    """A number of days of the policy."""
    return count_of(f"{number:g}", "day")


def count(number: int, noun: str) -> str:
    return count_of(str(number), noun)


def count_of(number: str, noun: str) -> str:
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def listed(items: Iterable[str]) -> str:
    """One, two and three: "a, b and c"."""
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def agree(items: Sequence[object], one: str, several: str) -> str:
    """The form that goes with so many."""
    return one if len(items) == 1 else several
