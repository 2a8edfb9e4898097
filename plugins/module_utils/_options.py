# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several options have in common: numbers that are not negative, names and patterns of users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ._errors import KeyturnError

# IAM allows none of these in a user name.
PATTERN_CHARACTERS = "*?["


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern for users' names."""
    return any(character in name for character in PATTERN_CHARACTERS)


def same_name(one: str | None, other: str | None) -> bool:
    """Whether both name the same user: IAM keeps capitals and compares without them (User Guide, "IAM identifiers")."""
    return one is not None and other is not None and one.lower() == other.lower()


def names_user(name: str, user_name: str) -> bool:
    """Whether a name or pattern names the user."""
    if is_pattern(name):
        return fnmatchcase(user_name.lower(), name.lower())
    return same_name(name, user_name)


def refuse_negative(params: Mapping[str, Any], names: Iterable[str], most: float = float("inf")) -> None:
    """Raises KeyturnError for a number that is negative, no number, or beyond `most`."""
    for name in names:
        value = params.get(name)
        # a NaN compares false with everything and would satisfy no limit and every limit
        if value is not None and not 0 <= value < float("inf"):
            raise KeyturnError(f"{name} must be a number that is not negative, not {value}")
        if value is not None and value > most:
            raise KeyturnError(f"{name} must be at most {most}, not {value:g}")
