# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of users' names, as they reach Ansible: from YAML, from an INI inventory, from `-e name=…`, from a survey."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from ansible_collections.keyturn.iam.plugins.module_utils._options import is_pattern
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain, shown

LONGEST_NAME = 64
_ALLOWED = "letters, digits and _+=,.@-"
_NAME = re.compile(r"[\w+=,.@-]+", re.ASCII)
_ONE_IN_BRACKETS = re.compile(r"\[[^\[\]\"',]+\]")
_PATTERN = re.compile(r"[\w+=,.@\-*?\[\]!]+", re.ASCII)


def read_names(what: str, value: Any, patterns: bool) -> tuple[str, ...]:
    """The names, or patterns where those are allowed, that a person gave as `what`: a list, or a text.

    A text is JSON or YAML where it begins as a list of those, else names with commas, blanks or line breaks between
    them. Raises ValueError, one sentence, for what is no list of names and for a name that no IAM user can have.
    """
    if patterns and isinstance(value, str) and _ONE_IN_BRACKETS.fullmatch(value.strip()):
        raise ValueError(
            f"{what} is {shown(value)}, which may be a list or a pattern: put the name in quotes for a list"
        )
    names = tuple(dict.fromkeys(_read_name(what, item) for item in _items(what, value)))
    for name in filter(None, names):
        _check(what, name, patterns)
    return tuple(filter(None, names))


def read_name(what: str, value: Any) -> str | None:
    """One user's name, whatever is in it that IAM allows; null where there is none. Raises ValueError."""
    name = _read_name(what, value) if value is not None else ""
    if is_pattern(name):
        raise ValueError(f"{what} must name one user, not be a pattern like {name!r}")
    if name:
        _check(what, name, patterns=False)
    return name or None


def _items(what: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return _split(str(plain(value)))
    if isinstance(value, (bool, int, float)):
        return [value]
    if isinstance(value, (Mapping, bytes)) or not isinstance(value, Iterable):
        raise ValueError(f"{what} must be a list of user names, not {shown(value)}")
    return list(value)


def _split(text: str) -> list[str]:
    text = text.strip()
    if text.startswith(("[", "- ")) and not _ONE_IN_BRACKETS.fullmatch(text):
        try:
            # Every scalar stays a string: a user may be called 0123.
            found = yaml.load(text, yaml.BaseLoader)
        except yaml.YAMLError:
            found = None
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return found
    return re.split(r"[\s,]+", text)


def _read_name(what: str, item: Any) -> str:
    if isinstance(item, (bool, int, float)):
        raise ValueError(
            f"{what} must be a list of user names, but it holds {shown(item)}: put the name in quotes, "
            "for without them YAML reads 0123 as 83 and on as true"
        )
    if not isinstance(item, str):
        raise ValueError(f"{what} must be a list of user names, but it holds {shown(item)}")
    return str(plain(item)).strip()


def _check(what: str, name: str, patterns: bool) -> None:
    if is_pattern(name):
        # No user name has these characters, so that a pattern would quietly name nobody.
        if not patterns:
            raise ValueError(f"{what} takes user names, not patterns like {name!r}")
        if not _PATTERN.fullmatch(name):
            raise ValueError(f"{what} has {name!r}, which fits no IAM user: names are made of {_ALLOWED}")
    elif not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValueError(f"{what} has {name!r}, which no IAM user can be called: names are 1 to 64 of {_ALLOWED}")
