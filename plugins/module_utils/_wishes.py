# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of `iam_access_keys`: each item with the task's own options as its defaults, and what makes no sense in it.

All of it is said before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ._argspec import ACCESS_KEY
from ._errors import KeyturnError
from ._want import Want

# So many mistakes are read.
MOST_MISTAKES = 5
_NAMES = {alias: name for name, option in ACCESS_KEY.items() for alias in (name, *option.get("aliases", ()))}


@dataclass(frozen=True)
class Wish:
    """One item: as the task gives it, with all its options, and what it wants."""

    number: int
    given: Mapping[str, Any]
    params: Mapping[str, Any]
    want: Want

    @property
    def fate(self) -> str | None:
        """What is to become of the named key, as far as the item says."""
        want = self.want
        if not want.access_key_id:
            return None
        if want.state == "absent":
            return "absent"
        if want.stage or want.active:
            return "Active"
        return "Inactive" if want.active is False else "there"


def wishes(params: Mapping[str, Any], secrets: set[str]) -> list[Wish]:
    """The items of a task with validated options. Raises KeyturnError, with all that is wrong.

    What no log may show of them is added to `secrets`.
    """
    if params["max_concurrency"] < 1:
        raise KeyturnError(f"max_concurrency must be at least 1, not {params['max_concurrency']}")
    defaults = {name: params[name] for name in ACCESS_KEY if params.get(name) is not None}
    found, mistakes = [], []
    validator = ArgumentSpecValidator(ACCESS_KEY)
    for number, given in enumerate(params["access_keys"], 1):
        try:
            found.append(_wish(number, given, defaults, validator, secrets))
        except KeyturnError as error:
            mistakes.append(f"Item {number} of access_keys{_whose(given)}: {error.message}")
    mistakes = mistakes or list(_contradictions(found))
    if mistakes:
        more = len(mistakes) - MOST_MISTAKES
        raise KeyturnError("; ".join(mistakes[:MOST_MISTAKES]) + (f"; and {more} more" if more > 0 else ""))
    return found


def _whose(given: Mapping[str, Any]) -> str:
    name = given.get("user_name") or given.get("username")
    return f" (user {name})" if name else ""


def _wish(
    number: int, given: Mapping[str, Any], defaults: Mapping[str, Any], validator: Any, secrets: set[str]
) -> Wish:
    own: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _NAMES:
            raise KeyturnError(_unknown_option(name))
        if _NAMES[name] in own:
            raise KeyturnError(f"{_NAMES[name]} is given twice, once by its alias")
        own[_NAMES[name]] = value
    given_now = {name: value for name, value in {**defaults, **own}.items() if value is not None}
    result = validator.validate(given_now)
    secrets |= result._no_log_values
    if result.error_messages:
        raise KeyturnError("; ".join(result.error_messages))
    params = result.validated_parameters
    return Wish(number, given, params, Want.of(params))


def _unknown_option(name: Any) -> str:
    meant = get_close_matches(str(name), list(_NAMES), n=1)
    if meant:
        return f"{name} is no option; {meant[0]} is meant, perhaps"
    return f"{name} is no option of an item; options of the connection stand beside access_keys"


def _contradictions(found: Sequence[Wish]) -> Iterator[str]:
    """Two wishes for one user of which only one can be so in the end."""
    of_user: dict[str, list[Wish]] = {}
    for wish in found:
        if wish.want.access_key_id:
            of_user.setdefault(wish.want.user_name.lower(), []).append(wish)
    for own in of_user.values():
        for one, other in combinations(own, 2) if len(own) > 1 else ():
            why = _contradiction(one, other)
            if why:
                whose = f" of user {one.want.user_name}" if one.want.user_name else ""
                yield f"Items {one.number} and {other.number} of access_keys contradict each other: {why}{whose}"


def _contradiction(one: Wish, other: Wish) -> str | None:
    key_id, other_id = one.want.access_key_id, other.want.access_key_id
    if one.want.stage and other.want.stage and key_id != other_id:
        return f"only one of the access keys {key_id} and {other_id} can be the current one"
    fates = {one.fate, other.fate}
    if key_id != other_id or len(fates) == 1 or (fates >= {"there"} and "absent" not in fates):
        return None
    return f"one wants access key {key_id} {one.fate}, the other {other.fate},"
