# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as Ansible hands them out, made plain."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

_PLAIN = frozenset((str, bool, int, float, type(None)))
"""A fleet's report has a million such values: what is plain already is asked nothing more."""


def plain(value: Any) -> Any:
    """The value in plain Python types: since ansible-core 2.19 strings, numbers, lists and mappings may be tagged
    subclasses.

    What is none of these stays as it is.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if getattr(value, "__ENCRYPTED__", False):  # `!vault` in module_defaults, before ansible-core 2.19
        return str(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


def without_secrets(value: Any) -> Any:
    """The value as JSON can hold it, without anything that is named secret; a date is its text."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (str, int, float)):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(name)): without_secrets(item) for name, item in value.items() if not _names_a_secret(name)}
    if hasattr(value, "isoformat"):
        return plain(value.isoformat())
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [without_secrets(item) for item in value]
    return str(value)


def blotted(value: Any, secrets: Iterable[str]) -> Any:
    """The value with these secrets made unreadable, as Ansible does in a module's result.

    Ansible's own function for that, `remove_values`, warns from ansible-core 2.22 on.
    """
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)

    def blot(one: Any) -> Any:
        if isinstance(one, Mapping):
            return {name: blot(item) for name, item in one.items()}
        if isinstance(one, (list, tuple)):
            return [blot(item) for item in one]
        if one is None or isinstance(one, bool):
            return one
        text = str(one)
        if text in longest_first:
            return "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        clean = _with_stars(text, longest_first)
        return one if clean == text else clean

    return blot(value)


def _with_stars(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "********")
    return text


def _names_a_secret(name: Any) -> bool:
    return "secret" in str(name).lower()


def plain_text(value: Any) -> str | None:
    """The value as plain text; null stays null."""
    return None if value is None else str(plain(value))


def is_left_out(value: Any) -> bool:
    """Whether a variable has no value; extra variables given as `-e name=` and `-e name=null` are strings."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none"))


def read_number(what: str, value: Any, unit: str) -> float:
    """A number that is not negative; extra variables given as `-e name=90` are strings.

    Raises ValueError, one sentence.
    """
    number: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    if number is None or not math.isfinite(number) or number < 0:
        raise ValueError(f"{what} must be a number of {unit}, 0 or more, not {shown(value)}")
    return int(number) if number == int(number) else float(number)


def read_count(what: str, value: Any, unit: str) -> int:
    """A whole number that is not negative. Raises ValueError, one sentence."""
    number = read_number(what, value, unit)
    if not isinstance(number, int):
        raise ValueError(f"{what} must be a whole number of {unit}, not {shown(value)}")
    return number


def read_days(what: str, value: Any) -> float:
    """A number of days, as `read_number` reads it."""
    return read_number(what, value, "days")


def read_optional_days(what: str, value: Any) -> float | None:
    """The same; null where it is left out."""
    return None if is_left_out(value) else read_days(what, value)


def read_optional_key_count(what: str, value: Any) -> int | None:
    """How many keys, as `read_count` reads it; null where it is left out."""
    return None if is_left_out(value) else read_count(what, value, "keys")


def read_bool(what: str, value: Any) -> bool:
    """True or false in any of Ansible's spellings; what is left out is false. Raises ValueError, one sentence."""
    if is_left_out(value):
        return False
    try:
        return bool(boolean(value))
    except TypeError:
        raise ValueError(f"{what} must be true or false, not {shown(value)}") from None


def read_text(what: str, value: Any) -> str | None:
    """A text, without blanks around it; null where it is left out. Raises ValueError, one sentence."""
    if is_left_out(value):
        return None
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError(f"{what} must be a text, not {shown(value)}")
    return (plain_text(value) or "").strip()


def expanded(path: Any) -> str:
    """A path as a shell reads it: with `~` and `$HOME`."""
    return os.path.expanduser(os.path.expandvars(str(path)))


def shown(value: Any) -> str:
    """The value as an error shows it."""
    return repr(plain(value))
