# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of decisions: what is seen of a user, the status, what is done, and how it is said.

The first row that fits decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from ansible_collections.keyturn.iam.plugins.module_utils._time import LEFTOVER_WAIT
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan import remedies, words
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case, Sight
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.words import Said

STATUSES = (
    "revoked",
    "due",
    "uncarried",
    "unused",
    "retire",
    "blocked",
    "quarantined",
    "broken",
    "leftover",
    "gone",
    "unmanaged",
    "error",
    "no_active_key",
    "held",
    "grace",
    "due_soon",
    "compliant",
    "exempt",
)
"""What may be said of a user, in the order of a report's totals.

First what is done, then what a person has to see, then what is well.
"""
DRIFT = frozenset(
    ("error", "gone", "revoked", "quarantined", "leftover", "due", "uncarried", "broken", "unused", "blocked", "retire")
)
"""Statuses of users who are not as the policy wants them; so is whoever has an Active key over `max_age_days`."""


@dataclass(frozen=True)
class Action:
    """One task of the role. `reason` is a phrase that follows the action.

    `leaked`: it is switched off for good. `noted`, `ask_again`: what has to be so still, and what may be so, when it is
    done.
    """

    action: str
    access_key_id: str | None
    reason: str
    replaces: str | None = None
    min_idle_days: float | None = None
    max_age_days: float | None = None
    replacement: str | None = None
    leaked: bool = False
    noted: bool = False
    ask_again: bool = False

    @property
    def said_where_it_is_so(self) -> dict[str, str | bool]:
        """What most actions have nothing of."""
        some = {name: getattr(self, name) for name in ("replacement", "leaked", "noted", "ask_again")}
        return {name: value for name, value in some.items() if value}


@dataclass(frozen=True)
class Decision:
    """What becomes of one user.

    `about`: the ids of the keys that it is about, the key to be replaced and those of the row first. `in_grace`: it is
    the rotation that has more than one key Active, for a while. `next_date` only where the row knows better than a look
    at the same world later.
    """

    status: str
    actions: tuple[Action, ...]
    about: tuple[str, ...]
    says: Callable[[], Said]
    in_grace: bool = False
    next_date: datetime | None = None

    @property
    def makes_a_key(self) -> bool:
        return any(action.action == "create" for action in self.actions)

    @property
    def does(self) -> tuple[str, list[tuple[str, str | None]]]:
        """What makes one decision another than the same user's at another time; what is said does not."""
        return self.status, [(action.action, action.access_key_id) for action in self.actions]


class Row(NamedTuple):
    """What is seen (the keys that the row is about, or null where it does not fit), the status, what is done, what is
    said.

    `until`: when the decision changes though something is done now.
    """

    sees: Callable[[Case], Sight]
    status: str
    does: Callable[[Case, Sequence[Key]], list[Action]]
    says: Callable[[Case, Sequence[Key]], Said]
    until: Callable[[Case], datetime] | None = None


# -- what is done ----------------------------------------------------------------------------------------------------


def nothing(_case: Case, _keys: Sequence[Key]) -> list[Action]:
    return []


def verify(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [Action("verify", key.id, words.stored_as_next(case, key)) for key in keys]


def carry(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [Action("carry", key.id, words.not_carried(case, key)) for key in keys]


def create(case: Case) -> Action:
    old = case.replacement
    return Action(
        "create",
        None,
        words.due(case),
        replaces=old.id if old and old.listed else None,
        max_age_days=case.due_at_days,
        ask_again=case.seen.asked_in_vain is not None,  # only of a user whom a person named
    )


def make_room_and_create(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [*(_delete_what_we_switched_off(case, key) for key in keys), create(case)]


def delete_unused_and_create(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [*(_delete(case, key, words.in_the_way, _unused_limit(case)) for key in keys), create(case)]


def deactivate_all(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [_deactivate(case, key, words.unused, None, _unused_limit(case)) for key in keys]


def deactivate_unused(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [_deactivate(case, key, words.unused, case.replacement, _unused_limit(case)) for key in keys]


def deactivate_idle(case: Case, keys: Sequence[Key]) -> list[Action]:
    return [_deactivate(case, key, words.idle, case.replacement) for key in keys]


def switch_off_for_good(case: Case, keys: Sequence[Key]) -> list[Action]:
    """But for the key that signs this run, which the module refuses."""
    return [Action("deactivate", key.id, words.leaked(case, key), leaked=True) for key in keys if not key.signing]


def _delete_what_we_switched_off(case: Case, key: Key) -> Action:
    return replace(_delete(case, key, words.finished), noted=True)


def _delete(case: Case, key: Key, why: Callable[[Case, Key], str], min_idle_days: float | None = None) -> Action:
    return Action(
        "delete",
        key.id,
        why(case, key),
        min_idle_days=case.policy.idle_days if min_idle_days is None else min_idle_days,
    )


def _deactivate(
    case: Case, key: Key, why: Callable[[Case, Key], str], replacement: Key | None, min_idle_days: float | None = None
) -> Action:
    idle_days = case.policy.idle_days if min_idle_days is None else min_idle_days
    return Action(
        "deactivate",
        key.id,
        why(case, key),
        min_idle_days=idle_days,
        replacement=replacement.id if replacement else None,
    )


def _unused_limit(case: Case) -> float:
    """What is in use by `idle_days` is not unused, however small `unused_days` is."""
    return max(case.policy.unused_days or 0, case.policy.idle_days)


# -- the table -------------------------------------------------------------------------------------------------------

DELETES_NOTHING = (
    Row(Case.cannot_be_read, "error", nothing, words.not_read),
    Row(Case.is_gone, "gone", nothing, words.gone),
    Row(Case.revoked_keys_that_work, "revoked", switch_off_for_good, words.revoked),
    Row(Case.is_exempt, "exempt", nothing, words.exempt),
    Row(Case.is_exempt_by_its_tag, "exempt", nothing, words.exempt_by_its_tag),
    Row(Case.is_held, "held", nothing, words.held),
)
TABLE = (
    *DELETES_NOTHING,
    # Before the rows from here on, what `goes_first` names is deleted: a leftover that is not young, what we switched
    # off long ago.
    Row(Case.is_quarantined, "quarantined", nothing, words.quarantined),
    Row(Case.a_young_leftover, "leftover", nothing, words.leftover),
    Row(Case.next_that_is_active, "due", verify, words.waits_for_sts),
    Row(Case.a_request_without_an_answer, "due", nothing, words.unanswered),
    Row(Case.a_broken_stored_key, "broken", nothing, words.broken),
    Row(Case.no_active_key, "no_active_key", nothing, words.no_active_key),
    Row(Case.only_unused_keys, "unused", deactivate_all, words.nothing_used),
    Row(Case.current_that_was_never_carried, "uncarried", carry, words.uncarried),
    Row(Case.due_with_room, "due", make_room_and_create, words.new_key),
    Row(Case.due_with_an_unused_key_to_delete, "due", delete_unused_and_create, words.new_key),
    Row(Case.due_with_unused_keys_to_switch_off, "due", deactivate_unused, words.room_later, until=Case.room_date),
    Row(Case.due_with_an_idle_key_to_switch_off, "retire", deactivate_idle, words.retired),
    Row(Case.due_without_room, "blocked", nothing, words.no_room),
    Row(Case.older_keys_in_grace, "grace", nothing, words.grace),
    Row(Case.older_keys_all_in_use, "blocked", nothing, words.in_use),
    Row(Case.idle_older_keys, "retire", deactivate_idle, words.retired),
    Row(Case.keys_that_we_switched_off, "grace", nothing, words.until_deleted),
    Row(Case.several_made_by_hand, "unmanaged", nothing, words.unmanaged),
    Row(Case.due_soon, "due_soon", nothing, words.due_soon),
    Row(Case.anything, "compliant", nothing, words.compliant),
)


def first_fit(case: Case) -> tuple[Row, Sequence[Key]]:
    return next((row, keys) for row in TABLE if (keys := row.sees(case)) is not None)


def goes_first(case: Case) -> list[tuple[Key, Action]]:
    """What is deleted before anything is made.

    A leftover that is no longer young, and what we switched off long ago.
    """
    leftover = case.leftover
    if leftover and not case.named and case.age(leftover) < LEFTOVER_WAIT:
        leftover = None
    gone = [(leftover, _delete(case, leftover, words.left_over))] if leftover else []
    return [*gone, *((key, _delete_what_we_switched_off(case, key)) for key in case.finished)]


def decide(case: Case) -> Decision:
    """The decision for one user at one time: the first row that fits, and the deletions that go before it."""
    row, keys = first_fit(case)
    actions = row.does(case, keys)
    first = [] if row in DELETES_NOTHING else goes_first(case)
    outgoing = [key for key, _delete in first]

    def say() -> Said:
        said = row.says(case, keys)
        if row in DELETES_NOTHING:
            return said
        reason = words.deleted_too(said.reason, outgoing, bool(actions)) if outgoing else said.reason
        return _with_loose_ends(case, reason, said, keys)

    replaced = [action.replaces for action in actions if action.replaces]
    return Decision(
        status="retire" if case.finished and first and not actions else row.status,
        actions=(*(delete for _key, delete in first), *actions),
        about=tuple(dict.fromkeys([*replaced, *(key.id for key in (*keys, *outgoing))])),
        says=say,
        in_grace=row.sees is Case.older_keys_in_grace and len(case.active) == 1 + len(keys),
        next_date=row.until(case) if row.until else None,
    )


def _with_loose_ends(case: Case, reason: str, said: Said, keys: Sequence[Key]) -> Said:
    return Said(reason, [*remedies.put_back(case), *said.remedies, *remedies.loose_ends(case, keys)])


def put_off(case: Case, decision: Decision) -> Decision:
    """The decision for a user whose new key a later run makes: nothing is done for it now.

    What goes first in any case still does.
    """
    first = tuple(delete for _key, delete in goes_first(case))
    outgoing = [key for key, _delete in goes_first(case)]

    def say() -> Said:
        said = words.put_off(case)
        reason = words.deleted_too(said.reason, outgoing, False) if outgoing else said.reason
        return _with_loose_ends(case, reason, said, outgoing)

    return replace(decision, actions=first, says=say)
