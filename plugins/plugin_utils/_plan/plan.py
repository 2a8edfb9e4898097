# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done with the access keys of each user: one pure decision per user, no clock, no I/O.

The table is at the end, in `BEFORE_ALL` and `TABLE`: pairs of what is seen and what is decided, in order; the first that fits decides.
Above it stand, in this order, a user's case as the rows look at it, what each row sees, and what each row decides and says.

All times inside are seconds since the epoch, as AWS tells them; days are for people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, cast

from ansible_collections.keyturn.iam.plugins.module_utils import _time
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import DAY, HOUR, Key, User, read_info

ASKED_WINDOW = _time.ASKED_WINDOW.total_seconds()
LEFTOVER_WAIT = _time.LEFTOVER_WAIT.total_seconds()
NAMED_DAYS = 1.0
"""The `max_age_days`, and where room is needed the `delete_after_days`, of users whom a person named."""
UNKNOWN_QUOTA_FULL_AT = 2
"""Where the quota may not be read, AWS's answer decides; but no key is planned for a user who has as many as IAM's default allows."""

CIS_ONE_ACTIVE_KEY = 'CIS AWS Foundations Benchmark v3.0.0, 1.13 "Ensure there is only one active access key available for any single IAM user"'
CIS_ROTATED = 'CIS AWS Foundations Benchmark v3.0.0, 1.14 "Ensure access keys are rotated every 90 days or less"'


# What is decided


@dataclass(frozen=True)
class Action:
    """One task of the role. `reason` is a phrase that follows the action: "would make a new key: 120 days old, limit 90"."""

    action: str
    access_key_id: str | None
    reason: str
    replaces: str | None = None
    min_idle_days: float | None = None
    max_age_days: float | None = None
    replacement: str | None = None


@dataclass(frozen=True)
class Decision:
    """What a row decides. `next_date` only where the row knows better than a look at the same world later."""

    status: str
    reason: str
    actions: tuple[Action, ...] = ()
    next_date: float | None = None

    @property
    def does(self) -> tuple[str, list[tuple[str, str | None]]]:
        """What makes one decision another than the same user's at another time; ages in sentences do not."""
        return self.status, [(action.action, action.access_key_id) for action in self.actions]


class Case:
    """One user, at one time, under one policy: what the rows of the table look at."""

    def __init__(self, user: User, policy: Policy, now: float) -> None:
        self.user = user
        self.policy = policy
        self.now = now
        self.named = user.name in policy.named
        self.max_age_days = min(policy.max_age_days, NAMED_DAYS) if self.named else policy.max_age_days
        self.leftover = _leftover(user)
        ours = [key for key in (*user.keys, *user.departed) if key.deactivated is not None and key is not self.leftover]
        self.finished = [key for key in ours if self.may_be_deleted(key, policy.delete_after_days)]
        # The rows are about what is left once the leftover and the keys that are due for deletion are gone.
        outgoing = {key.id for key in self.finished}
        if self.leftover:
            outgoing.add(self.leftover.id)
        self.keys = [key for key in user.keys if key.id not in outgoing] if outgoing else user.keys
        self.departed = [key for key in user.departed if key.id not in outgoing]
        self.active = [key for key in self.keys if key.active]
        self.current = user.current
        staged = [key for key in user.staged if key.id not in outgoing]
        self.next = staged[-1] if staged else None

    def since(self, date: float) -> float:
        return self.now - date

    def age(self, key: Key) -> float:
        return self.now - key.made

    def used_within(self, key: Key, days: float) -> bool:
        """The key that signs this run is in use now, although its last use may be known hours late."""
        return key.signing or (key.last_used is not None and self.since(key.last_used) < days * DAY)

    def in_use(self, key: Key) -> bool:
        return self.used_within(key, self.policy.idle_days)

    def unused(self, key: Key) -> bool:
        """Whether the key shows no sign of life for `unused_days`."""
        days = self.policy.unused_days
        return (
            days is not None and key.listed and self.since(key.last_sign_of_life) >= days * DAY and not self.in_use(key)
        )

    def may_be_deleted(self, key: Key, after_days: float) -> bool:
        """Whether we switched the key off so long ago; never the replacement, and not what was switched off this very second."""
        if key.deactivated is None or key.active or key is self.user.current or self.in_use(key):
            return False
        return (
            self.since(key.deactivated) >= after_days * DAY
            and key.deactivated < self.now
            and not _used_after_switch_off(key)
        )

    @cached_property
    def replacement(self) -> Key | None:
        """The key whose age counts: the current one, or the newest Active one where nothing is stored or the current one is off."""
        if self.current and self.current.active:
            return self.current
        return self.active[-1] if self.active else None

    @cached_property
    def due(self) -> bool:
        """Whether the user is to have a new key, room or not."""
        if self.named and self.current and not self.current.active:
            return True
        key = self.replacement
        if key is None:
            return self.named
        # What became current this very second is not replaced in the same breath, be it as old as it may (a next that waited for long).
        just_promoted = key.promoted is not None and key.promoted >= self.now
        return key.listed and self.age(key) >= self.max_age_days * DAY and not just_promoted

    @cached_property
    def older(self) -> list[Key]:
        """Active keys that the current one has replaced. A key of its very second is older only if it once was current."""
        if not (self.current and self.current.active):
            return []
        return [key for key in self.active if key.listed and self.was_made_before_current(key)]

    @cached_property
    def replaced(self) -> list[Key]:
        """Keys that still work (or did this very second) though another followed them; what a new key would replace is none of them."""
        still_active = [
            key for key in self.keys if key.active or (key.deactivated is not None and key.deactivated >= self.now)
        ]
        if (
            self.named and self.current and not self.current.active
        ):  # revoked: what a person wants replaced is in nobody's way
            still_active = [key for key in still_active if key is not self.current]
        others = [key for key in still_active if key is not self.replacement]
        return [key for key in others if key.promoted is not None or self.was_made_before_current(key)]

    def was_made_before_current(self, key: Key) -> bool:
        if self.current is None or key is self.current:
            return False
        made, of_current = self.age(key), self.age(self.current)
        return made > of_current or (made == of_current and key.promoted is not None)

    @property
    def in_grace(self) -> bool:
        """Whether the replacement is too young as the current key for an older one to be switched off (or not to be seen in IAM yet)."""
        current = self.current
        return current is not None and (
            not current.listed or self.since(current.current_since) < self.policy.deactivate_after_days * DAY
        )

    def may_be_in_grace(self, key: Key) -> bool:
        """Of a key of the current one's very second nobody can say that it is not the older one."""
        current = self.current
        return current is not None and current.active and self.in_grace and self.age(key) >= self.age(current)

    @property
    def excess(self) -> int:
        """How many keys have to go before IAM accepts one more; none where this is not positive."""
        quota = UNKNOWN_QUOTA_FULL_AT if self.user.quota is None else self.user.quota
        return len(self.keys) + 1 - quota

    @cached_property
    def room(self) -> list[Action] | None:
        """What has to be deleted for one more key, mostly nothing; null where there is no room."""
        if self.replaced or self.is_elsewhere:
            return None
        if self.excess <= 0:
            return []
        after_days = self.delete_after_days_for_room
        waiting = sorted(
            (key for key in self.keys if self.may_be_deleted(key, after_days)), key=lambda key: key.deactivated or 0.0
        )
        if len(waiting) < self.excess:
            return None
        return [delete_finished(self, key) for key in waiting[: self.excess]]

    @property
    def delete_after_days_for_room(self) -> float:
        return min(self.policy.delete_after_days, NAMED_DAYS) if self.named else self.policy.delete_after_days

    @property
    def is_elsewhere(self) -> bool:
        """A renamed user whose entry keeps the old name: a new key would be stored where nobody looks, and would be in the entry's way."""
        return self.user.old_name is not None and not self.named

    @cached_property
    def to_delete_unused(self) -> Key | None:
        """An Inactive key that nobody needs and that makes room by itself: not stored, not switched off by us, unused for long."""
        if self.excess > 1 or self.replaced:
            return None
        parked = [key for key in self.not_stored_and_unused if not key.active and not key.off_by_us]
        return min(parked, key=lambda key: key.last_sign_of_life, default=None)

    @cached_property
    def to_deactivate_unused(self) -> list[Key]:
        """Active keys that nobody needs and whose deletion will make room: as few as that takes, and never the last Active one."""
        candidates = [key for key in self.not_stored_and_unused if key.active and not self.may_be_in_grace(key)]
        candidates.sort(key=lambda key: (key not in self.replaced, key.last_sign_of_life))
        leaving = sum(
            key.off_by_us and key is not self.current and not _used_after_switch_off(key) for key in self.keys
        )
        chosen = candidates[: max(self.excess - leaving, len(self.replaced))]
        makes_room = all(key in chosen for key in self.replaced) and len(chosen) + leaving >= self.excess
        return chosen if makes_room and len(chosen) < len(self.active) else []

    @property
    def not_stored_and_unused(self) -> list[Key]:
        if self.policy.unused_days is None or self.is_elsewhere:
            return []
        return [key for key in self.keys if not key.stored and key is not self.current and self.unused(key)]

    @property
    def waiting(self) -> list[Key]:
        """Keys that we switched off and that are not due for deletion; the current one never is, but waits no longer than others."""
        after = self.policy.delete_after_days * DAY
        ours = [key for key in (*self.keys, *self.departed) if key.off_by_us]
        return [key for key in ours if not (self.since(key.deactivated or 0.0) >= after and key is self.current)]


def _leftover(user: User) -> Key | None:
    """The key that a request whose answer was lost has made: nobody holds its secret."""
    asked = user.asked
    if asked is None:
        return None
    explained = [key for key in user.keys if key.id not in asked.known and abs(key.made - asked.date) <= ASKED_WINDOW]
    if len(explained) != 1:
        return None
    key = explained[0]
    return None if key.stored or key.last_used is not None or key.signing or key is user.current else key


def _used_after_switch_off(key: Key) -> bool:
    return key.last_used is not None and key.deactivated is not None and key.last_used > key.deactivated


# Actions


def delete_leftover(case: Case, key: Key) -> Action:
    reason = f"made {_span(case.age(key))} ago by a run that never got its secret, never used"
    return Action("delete", key.id, reason, min_idle_days=case.policy.idle_days)


def delete_finished(case: Case, key: Key) -> Action:
    gone = "" if key.listed else ", no longer in IAM"
    reason = f"switched off {_span(case.since(key.deactivated or 0.0))} ago, not used since{gone}"
    return Action("delete", key.id, reason, min_idle_days=case.policy.idle_days)


def delete_unused(case: Case, key: Key) -> Action:
    reason = f"Inactive and unused for {_span(case.since(key.last_sign_of_life))}, to make room for a new key"
    return Action("delete", key.id, reason, min_idle_days=_unused_limit(case))


def deactivate_unused(case: Case, key: Key, replacement: Key | None = None) -> Action:
    reason = f"unused for {_span(case.since(key.last_sign_of_life))}, limit {_number(case.policy.unused_days or 0)}"
    return Action(
        "deactivate",
        key.id,
        reason,
        min_idle_days=_unused_limit(case),
        replacement=replacement.id if replacement else None,
    )


def deactivate_replaced(case: Case, key: Key) -> Action:
    idle = "never used" if key.last_used is None else f"idle for {_span(case.since(key.last_used))}"
    current = case.current
    reason = f"{idle}, replaced {_span(case.since(current.current_since if current else case.now))} ago"
    return Action(
        "deactivate",
        key.id,
        reason,
        min_idle_days=case.policy.idle_days,
        replacement=case.replacement.id if case.replacement else None,
    )


def create(case: Case) -> Action:
    old = case.replacement
    return Action(
        "create", None, _why_due(case), replaces=old.id if old and old.listed else None, max_age_days=case.max_age_days
    )


def _unused_limit(case: Case) -> float:
    """What is in use by `idle_days` is not unused, however small `unused_days` is."""
    return max(case.policy.unused_days or 0, case.policy.idle_days)


def _why_due(case: Case) -> str:
    old = case.replacement
    if old is None:
        return "no Active key, and rotation_now names the user"
    if case.named and case.current and not case.current.active:
        return f"the stored current key {case.current.id} is not Active, and rotation_now names the user"
    named = " (the user is in rotation_now)" if case.named else ""
    return f"{_span(case.age(old))} old, limit {_number(case.max_age_days)}{named}"


# What the rows see


def cannot_be_read(case: Case) -> bool:
    return case.user.error is not None


def is_gone(case: Case) -> bool:
    return case.user.gone


def is_exempt(case: Case) -> bool:
    return case.policy.exempts(case.user.name) is not None


def is_held(case: Case) -> bool:
    return case.user.hold_until is not None and case.user.hold_until > case.now


def leftover_is_young(case: Case) -> bool:
    return case.leftover is not None and not case.named and case.age(case.leftover) < LEFTOVER_WAIT


def leftover_goes(case: Case) -> bool:
    return case.leftover is not None and not leftover_is_young(case)


def next_is_active(case: Case) -> bool:
    return case.next is not None and case.next.active


def stored_key_is_broken(case: Case) -> bool:
    return not case.named and bool(_broken(case))


def no_key_is_active(case: Case) -> bool:
    return not case.named and not case.active


def nothing_is_used(case: Case) -> bool:
    return not case.named and not case.is_elsewhere and bool(case.active) and all(case.unused(key) for key in case.keys)


def is_due(case: Case) -> bool:
    return case.due


def is_due_with_room(case: Case) -> bool:
    return case.due and case.room is not None


def is_due_and_an_unused_inactive_key_is_in_the_way(case: Case) -> bool:
    return case.due and case.to_delete_unused is not None


def is_due_and_unused_active_keys_are_in_the_way(case: Case) -> bool:
    return case.due and bool(case.to_deactivate_unused)


def is_due_and_a_previous_key_is_idle(case: Case) -> bool:
    return is_due(case) and not case.in_grace and any(key.stored and not case.in_use(key) for key in case.older)


def older_key_in_grace(case: Case) -> bool:
    return bool(case.older) and case.in_grace


def older_keys_all_in_use(case: Case) -> bool:
    return bool(case.older) and all(case.in_use(key) for key in case.older)


def older_key_is_idle(case: Case) -> bool:
    return any(not case.in_use(key) for key in case.older)


def switched_off_key_waits(case: Case) -> bool:
    return bool(case.waiting)


def several_made_by_hand(case: Case) -> bool:
    return case.current is None and len(case.active) > 1


def is_due_soon(case: Case) -> bool:
    key = case.replacement
    return key is not None and case.age(key) >= (case.max_age_days - case.policy.warn_days) * DAY


def anything(case: Case) -> bool:
    return True


def _broken(case: Case) -> list[Key]:
    return [key for key in (case.next, case.current) if key and not key.active and key.deactivated is None]


# What the rows decide


def error(case: Case) -> Decision:
    return Decision("error", _sentence(case.user.error or ""))


def gone(case: Case) -> Decision:
    name, new_name = case.user.name, case.user.new_name
    if new_name:
        reason = f"User {name} is now called {new_name}: rename its entry in the vault file to {new_name} with ansible-vault edit."
    elif case.user.gone_ids:
        reason = (
            f"IAM has no user {name}, but the store has an entry with {_and(case.user.gone_ids)}: if it is no longer needed, remove it "
            f"with {_task(name, ' and '.join(case.user.gone_ids), 'state: absent')}."
        )
    else:
        reason = f"IAM has no user {name}, but the store has an entry: if it is no longer needed, remove it with ansible-vault edit."
    return Decision("gone", reason)


def exempt(case: Case) -> Decision:
    pattern = case.policy.exempts(case.user.name)
    though = ", although rotation_now names it" if case.named else ""
    return Decision("exempt", f"User {case.user.name} is exempt (rotation_exempt has {pattern}){though}.")


def held(case: Case) -> Decision:
    though = ", although rotation_now names it" if case.named else ""
    until = case.user.hold_until or case.now
    return Decision(
        "held", f"User {case.user.name} is held until {_date(until)} after a rollback: nothing is done before{though}."
    )


def leftover_waits(case: Case) -> Decision:
    key = cast(Key, case.leftover)
    reason = (
        f"Key {key.id} of user {case.user.name} was made {_span(case.age(key))} ago by a run that never got its secret: nobody holds it, so "
        f"it does no harm; it is deleted after {_date(key.made + LEFTOVER_WAIT)}, or at once with {case.user.name} in rotation_now."
    )
    return Decision("leftover", _join(reason, _left_as_they_are(case, case.keys, " before")))


def verify_next(case: Case) -> Decision:
    key = cast(Key, case.next)
    made = f"made {_span(case.age(key))} ago"
    reason = (
        f"Key {key.id} of user {case.user.name}, {made}, is stored as next: it becomes current once STS accepts it."
    )
    others = _left_as_they_are(case, [other for other in case.keys if other is not key], " before")
    return Decision("due", _join(reason, others), (Action("verify", key.id, f"stored as next, {made}"),))


def broken(case: Case) -> Decision:
    name = case.user.name
    sentences = []
    for key in _broken(case):
        stage = "current" if key is case.current else "next"
        owner = dict(case.user.strangers).get(key.id)
        what = (
            f"belongs to user {owner}"
            if owner
            else f"is {key.status}, not by this collection"
            if key.listed
            else "is no longer in IAM"
        )
        sentences.append(f"The stored {stage} key {key.id} of user {name} {what}.")
    again = [key.id for key in _broken(case) if key.listed]
    switch_on = f"switch it on again with {_task(name, again[0], 'active: true')}, or " if again else ""
    way_out = f"Nobody is given a new key against that: {switch_on}name {name} in rotation_now for a new key."
    others = [key for key in case.keys if key not in _broken(case)]
    return Decision("broken", _join(*sentences, way_out, _left_as_they_are(case, others)))


def no_active_key(case: Case) -> Decision:
    name = case.user.name
    if not case.keys:
        return Decision(
            "no_active_key",
            _join(f"User {name} has no access key; name {name} in rotation_now for one.", _loose_ends(case)),
        )
    keys = _and(_described(case, key) for key in case.keys)
    reason = (
        f"User {name} has no Active key: {keys}; name {name} in rotation_now for a new one, or delete what is no longer needed with "
        f"{_task(name, '…', 'state: absent')}."
    )
    return Decision("no_active_key", reason)


def unused(case: Case) -> Decision:
    days = _number(case.policy.unused_days or 0)
    actions = tuple(deactivate_unused(case, key) for key in case.active)
    quiet = _span(min(case.since(key.last_sign_of_life) for key in case.keys))
    reason = (
        f"No key of user {case.user.name} was used for {quiet} (rotation_unused_days {days}): {_and(key.id for key in case.active)} "
        f"{_is(case.active)} switched off; name {case.user.name} in rotation_exempt to keep them."
    )
    return Decision("unused", reason, actions)


def make_key(case: Case) -> Decision:
    return _due(case, case.room or [])


def delete_unused_then_make_key(case: Case) -> Decision:
    return _due(case, [delete_unused(case, cast(Key, case.to_delete_unused))])


def _due(case: Case, for_room: list[Action]) -> Decision:
    old = case.replacement
    whose = f"Key {old.id} of user {case.user.name}" if old else f"User {case.user.name}"
    room = (
        f" {_and(action.access_key_id or '' for action in for_room)} makes room: {for_room[0].reason}."
        if for_room
        else ""
    )
    reason = f"{whose} is due for a new key: {_why_due(case)}.{room}"
    return Decision(
        "due",
        _join(reason, _loose_ends(case, but=[action.access_key_id for action in for_room])),
        (*for_room, create(case)),
    )


def switch_off_unused(case: Case) -> Decision:
    keys = case.to_deactivate_unused
    there_is_room = case.now + max(case.delete_after_days_for_room * DAY, 1)
    ids = _and(key.id for key in keys)
    reason = (
        f"User {case.user.name} is due for a new key ({_why_due(case)}) and has no room for it: {ids}, unused for "
        f"{_span(min(case.since(key.last_sign_of_life) for key in keys))} (rotation_unused_days {_number(case.policy.unused_days or 0)}), "
        f"{_is(keys)} switched off now, and there is room once deleted, on {_date(there_is_room)}."
    )
    actions = tuple(deactivate_unused(case, key, case.replacement) for key in keys)
    return Decision("due", _join(reason, _one_key_rule(case)), actions, next_date=there_is_room)


def no_room(case: Case) -> Decision:
    name = case.user.name
    if case.is_elsewhere:
        reason = (
            f"User {name} is due for a new key ({_why_due(case)}), but its entry in the store has the old name {case.user.old_name}: "
            f"rename the entry in the vault file with ansible-vault edit first, or name {name} in rotation_now."
        )
        return Decision("blocked", reason)
    keys = "; ".join(_described(case, key) for key in case.keys)
    count = _count(len(case.keys), "key")
    why = (
        f"{count}, quota {case.user.quota if case.user.quota is not None else 'unknown'}"
        if case.excess > 0
        else "a replaced key still works"
    )
    spare = [key for key in case.keys if not (key.active and (key is case.current or len(case.active) == 1))]
    ways_out = " ".join(_way_to_room(case, key) for key in spare)
    reason = f"User {name} is due for a new key ({_why_due(case)}) and has no room for it ({why}): {keys}."
    return Decision("blocked", _join(reason, ways_out, _one_key_rule(case)))


def _way_to_room(case: Case, key: Key) -> str:
    """How the key would make room, in one sentence."""
    name = case.user.name
    if key.off_by_us and _used_after_switch_off(key):
        return f"{key.id} was used after it was switched off: delete it with {_task(name, key.id, 'state: absent')}."
    if key.off_by_us and key is not case.current:
        when = max((key.deactivated or 0.0) + case.delete_after_days_for_room * DAY, case.now)
        sooner = (
            ""
            if case.named
            else f" (a smaller rotation_delete_after_days, or {name} in rotation_now, makes that sooner)"
        )
        return f"{key.id} makes room when it is deleted, on {_date(when)}{sooner}."
    if key.off_by_us:
        by_hand = _task(name, key.id, "state: absent")
        return f"{key.id} was switched off and stays as the store's current key until another replaces it: delete it with {by_hand}, and there is room."
    if key.appearing or key.signing:
        return (
            f"{key.id} is not in IAM's lists yet."
            if key.appearing
            else f"{key.id} signs this run: run it with the current key."
        )
    switch_off = f"switch it off with {_task(name, key.id, 'active: false')}; there is room once it is deleted (rotation_delete_after_days)"
    if case.in_use(key):
        return f"{key.id} is in use: move its users to another key, then {switch_off}."
    by_hand = switch_off if key.active else f"delete it with {_task(name, key.id, 'state: absent')}"
    days = int(case.since(key.last_sign_of_life) / DAY)
    if key.stored or key is case.current or days < case.policy.idle_days:
        return f"{key.id} is not in use: {by_hand}."
    return f"{key.id} is not in use: set rotation_unused_days to {days} or less, or {by_hand}."


def grace(case: Case) -> Decision:
    current = cast(Key, case.current)
    ends = current.current_since + case.policy.deactivate_after_days * DAY
    reason = (
        f"Key {current.id} of user {case.user.name} became current {_span(case.since(current.current_since))} ago: "
        f"{_and(_described(case, key) for key in case.older)} {_is(case.older)} switched off after {_date(ends)} if idle for "
        f"{_number(case.policy.idle_days)} days by then (rotation_deactivate_after_days {_number(case.policy.deactivate_after_days)})."
    )
    return Decision("grace", _join(reason, _one_key_rule(case, on_purpose=True), _loose_ends(case)))


def older_in_use(case: Case) -> Decision:
    return Decision("blocked", _join(_older_in_use(case), _one_key_rule(case), _loose_ends(case)))


def retire_idle(case: Case) -> Decision:
    idle = [key for key in case.older if not case.in_use(key)]
    current = cast(Key, case.current)
    reason = (
        f"Key {current.id} of user {case.user.name} became current {_span(case.since(current.current_since))} ago: "
        f"{_and(_described(case, key) for key in idle)} {_is(idle)} idle and switched off."
    )
    actions = tuple(deactivate_replaced(case, key) for key in idle)
    return Decision("retire", _join(reason, _older_in_use(case), _loose_ends(case)), actions)


def _older_in_use(case: Case) -> str:
    sentences = []
    for key in case.older:
        if key.signing:
            sentences.append(
                f"Key {key.id} of user {case.user.name} signs this run, so that it stays: run it with the current key."
            )
        elif case.in_use(key):
            since = case.current.current_since if case.current else case.now
            sentences.append(
                f"Key {key.id} of user {case.user.name} was replaced {_span(case.since(since))} ago but is in use "
                f"({_last_use(case, key)}): move what uses it to {case.current.id if case.current else 'the current key'}; it is switched off once idle for "
                f"{_number(case.policy.idle_days)} days."
            )
    return " ".join(sentences)


def grace_until_deleted(case: Case) -> Decision:
    sentences = [_switched_off(case, key) for key in case.waiting]
    made_by_hand = (
        _age_and_limit(case, case.replacement) if case.replacement and case.replacement is not case.current else ""
    )
    loose_ends = _loose_ends(case, but=[key.id for key in case.waiting])
    return Decision("grace", _join(*sentences, made_by_hand, _one_key_rule(case), loose_ends))


def _switched_off(case: Case, key: Key) -> str:
    """What becomes of a key that we switched off."""
    off = key.deactivated or 0.0
    ago = f"Key {key.id} of user {case.user.name} was switched off {_span(case.since(off))} ago"
    if _used_after_switch_off(key):
        by_hand = _task(case.user.name, key.id, "state: absent")
        return f"{ago} but was used after that ({_last_use(case, key)}), so that it is not deleted: delete it with {by_hand}."
    if key is case.current:
        return f"{ago}; it stays, as the store's current key, until another key replaces it."
    due = max(off + case.policy.delete_after_days * DAY, case.now)
    return f"{ago}{'' if key.listed else ' and IAM no longer has it'}: it is deleted after {_date(due)} (rotation_delete_after_days)."


def unmanaged(case: Case) -> Decision:
    keys = _and(_described(case, key) for key in case.active)
    old = [key.id for key in case.active if case.age(key) >= case.max_age_days * DAY]
    too_old = (
        f"{_and(old)} {_is(old)} over the limit of {_number(case.max_age_days)} days ({CIS_ROTATED})." if old else ""
    )
    reason = (
        f"User {case.user.name} has {len(case.active)} Active keys made by hand, and none of them is stored: {keys}. Switch off what is no "
        f"longer used with {_task(case.user.name, '…', 'active: false')}; name {case.user.name} in rotation_now for a stored key."
    )
    loose_ends = _loose_ends(case, but=[key.id for key in case.active])
    return Decision("unmanaged", _join(reason, too_old, _one_key_rule(case), loose_ends))


def due_soon(case: Case) -> Decision:
    key = cast(Key, case.replacement)
    due = key.made + case.max_age_days * DAY
    when = (
        f"due for a new key on {_date(due)}"
        if due > case.now
        else f"over the limit of {_number(case.max_age_days)} days"
    )
    reason = f"Key {key.id} of user {case.user.name} is {_span(case.age(key))} old and {when}{_not_stored(case, key)}."
    return Decision("due_soon", _join(reason, _one_key_rule(case), _loose_ends(case)))


def compliant(case: Case) -> Decision:
    key = case.replacement
    if key is None:
        return Decision("compliant", _join(f"User {case.user.name} needs nothing.", _loose_ends(case)))
    return Decision("compliant", _join(_age_and_limit(case, key), _one_key_rule(case), _loose_ends(case)))


def _age_and_limit(case: Case, key: Key) -> str:
    limit = f"{_span(case.age(key))} old, limit {_number(case.max_age_days)} days"
    return f"Key {key.id} of user {case.user.name} is {limit}{_not_stored(case, key)}."


def _not_stored(case: Case, key: Key) -> str:
    return "" if key is case.current else ", and not stored: the role stores the key that replaces it"


# The table

Row = tuple[Callable[[Case], bool], Callable[[Case], Decision]]

BEFORE_ALL: tuple[Row, ...] = (
    (cannot_be_read, error),
    (is_gone, gone),
    (is_exempt, exempt),
    (is_held, held),
)
"""The rows that touch nothing at all."""
UNTOUCHED = frozenset(decision for _fits, decision in BEFORE_ALL)

TABLE: tuple[Row, ...] = (
    (leftover_is_young, leftover_waits),
    # "A leftover otherwise" is no row: its deletion comes first, and the rows below do not see it.
    (next_is_active, verify_next),
    (stored_key_is_broken, broken),
    (no_key_is_active, no_active_key),
    (nothing_is_used, unused),
    (is_due_with_room, make_key),
    (is_due_and_an_unused_inactive_key_is_in_the_way, delete_unused_then_make_key),
    (is_due_and_unused_active_keys_are_in_the_way, switch_off_unused),
    # Else a previous key that was in use until now would be in the way for good: no setting makes room of a stored key.
    (is_due_and_a_previous_key_is_idle, retire_idle),
    (is_due, no_room),
    (older_key_in_grace, grace),
    (older_keys_all_in_use, older_in_use),
    (older_key_is_idle, retire_idle),
    (switched_off_key_waits, grace_until_deleted),
    (several_made_by_hand, unmanaged),
    (is_due_soon, due_soon),
    (anything, compliant),
)
"""The rows before which a key that we switched off long ago is deleted."""


ROWS = BEFORE_ALL + TABLE


def decide(case: Case) -> Decision:
    """The decision for one user at one time: the first row that fits, and the deletions that go before it."""
    row = first_fit(case)
    decided = row(case)
    if row in UNTOUCHED:
        return decided
    if case.finished:
        deletions = [delete_finished(case, key) for key in case.finished]
        sentences = [
            f"Key {delete.access_key_id} of user {case.user.name} is deleted: {delete.reason}." for delete in deletions
        ]
        decided = _first(decided, deletions, " ".join(sentences), decided.status if decided.actions else "retire")
    if leftover_goes(case):
        delete = delete_leftover(case, cast(Key, case.leftover))
        decided = _first(
            decided,
            [delete],
            f"Key {delete.access_key_id} of user {case.user.name} is deleted: {delete.reason}.",
            decided.status,
        )
    return decided


def first_fit(case: Case) -> Callable[[Case], Decision]:
    return next(decision for fits, decision in ROWS if fits(case))


def _first(decision: Decision, actions: list[Action], sentence: str, status: str) -> Decision:
    return Decision(status, _join(sentence, decision.reason), (*actions, *decision.actions), decision.next_date)


def _next_date(case: Case, decided: Decision) -> float | None:
    """When the same user, with nothing but time gone by, is decided otherwise. Where there is something to do, that comes first."""
    if decided.next_date is not None or decided.actions:
        return decided.next_date
    row = first_fit(case)
    for date in _turning_points(case.user, case.policy, case.now):
        later = Case(case.user, case.policy, date)
        same_row = first_fit(later) is row and not later.finished and not leftover_goes(later)
        if not same_row and decide(later).does != decided.does:
            return date
    return None


def _turning_points(user: User, policy: Policy, now: float) -> list[float]:
    """Every date ahead at which one of the rows may begin or cease to fit, in order."""
    if user.error is not None or user.gone:
        return []
    named = user.name in policy.named
    max_age = min(policy.max_age_days, NAMED_DAYS) if named else policy.max_age_days
    dates: set[float] = set() if user.hold_until is None else {user.hold_until}
    for key in (*user.keys, *user.departed):
        for date, days in (
            (
                key.created,
                (max_age, max_age - policy.warn_days, LEFTOVER_WAIT / DAY if user.asked else None, policy.unused_days),
            ),
            (key.last_used, (policy.idle_days, policy.unused_days)),
            (key.promoted, (policy.unused_days,)),
            (key.deactivated, (policy.delete_after_days, NAMED_DAYS if named else None)),
        ):
            if date is not None:
                dates.update(date + span * DAY for span in days if span is not None)
        # What was promoted or switched off this very second counts from the next.
        dates.update(date + 1 for date in (key.promoted, key.deactivated) if date is not None)
    if user.current:
        dates.add(user.current.current_since + policy.deactivate_after_days * DAY)
    # Times are whole seconds, and a decision changes with the first that reaches the limit.
    return sorted({float(math.ceil(date)) for date in dates if now < date < _END_OF_TIME})


_END_OF_TIME = datetime(9999, 12, 31, tzinfo=timezone.utc).timestamp()


def plan(info: Any, policy: Any = None) -> list[dict[str, Any]]:
    """One decision per user, ordered by name: what the `rotation_plan` filter returns.

    `info` is the result of `iam_access_key_info`, `policy` a mapping of what differs from the role's defaults.
    Raises ValueError, one sentence, for a policy or an info that cannot be used at all.
    """
    rules = Policy.read(policy)
    users, now = read_info(info)
    return [_as_result(Case(user, rules, now)) for user in users]


def _as_result(case: Case) -> dict[str, Any]:
    decision = decide(case)
    next_date = _next_date(case, decision)
    return {
        "user_name": case.user.name,
        "status": decision.status,
        "reason": decision.reason,
        "next_date": None if next_date is None or next_date > _END_OF_TIME else _date(next_date),
        "actions": [
            {
                "action": action.action,
                "user_name": case.user.name,
                "access_key_id": action.access_key_id,
                "replaces": action.replaces,
                "min_idle_days": action.min_idle_days,
                "max_age_days": action.max_age_days,
                "reason": action.reason,
                **({"replacement": action.replacement} if action.replacement else {}),
            }
            for action in decision.actions
        ],
    }


# Words


def _described(case: Case, key: Key) -> str:
    status = "not listed yet" if key.appearing else key.status or "not in IAM"
    off = (
        f", switched off by this collection {_span(case.since(key.deactivated))} ago"
        if key.off_by_us and key.deactivated
        else ""
    )
    return f"{key.id} ({status}, {_span(case.age(key))} old, {_last_use(case, key)}{off})"


def _last_use(case: Case, key: Key) -> str:
    if key.signing:
        return "signs this run"
    if key.last_used is None:
        return "never used"
    by = f" by {key.service}" if key.service and key.service != "N/A" else ""
    where = f" in {key.region}" if key.region and key.region != "N/A" else ""
    return f"last used {_span(case.since(key.last_used))} ago{by}{where}"


def _loose_ends(case: Case, but: Sequence[str | None] = ()) -> str:
    """Keys that no row is about: made, parked or switched off by people, or gone from IAM. They are left alone, and not passed over."""
    name = case.user.name
    sentences = []
    for key in case.keys:
        if key in (case.replacement, case.next) or key in case.older or key.id in but:
            continue
        if key.off_by_us:
            sentences.append(_switched_off(case, key))
        elif key.active:
            end = f"switch it off with {_task(name, key.id, 'active: false')} if nothing needs it"
            sentences.append(
                f"{_described(case, key)} works beside {case.replacement.id if case.replacement else 'it'}: {end}."
            )
        else:
            end = f"delete it with {_task(name, key.id, 'state: absent')} if nothing needs it"
            sentences.append(f"{_described(case, key)} is left alone: {end}.")
    for key in case.departed:
        if key.deactivated is None:
            sentences.append(
                f"The store has {key.id}, which IAM no longer has: remove it with {_task(name, key.id, 'state: absent')}."
            )
    for key_id, owner in case.user.strangers:
        sentences.append(
            f"The store's entry for {name} has {key_id}, which belongs to user {owner}: correct it with ansible-vault edit."
        )
    return " ".join(sentences)


def _left_as_they_are(case: Case, keys: Sequence[Key], until: str = "") -> str:
    return f"Nothing is done{until} with {_and(_described(case, key) for key in keys)}." if keys else ""


def _one_key_rule(case: Case, on_purpose: bool = False) -> str:
    if len(case.active) < 2:
        return ""
    how = ", on purpose until then" if on_purpose else ""
    return f"{len(case.active)} Active keys break {CIS_ONE_ACTIVE_KEY}{how}."


def _task(name: str, key_id: str, option: str) -> str:
    return f"iam_access_key (user_name: {name}, access_key_id: {key_id}, {option})"


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _and(items: Iterable[str]) -> str:
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _is(items: Sequence[object]) -> str:
    return "is" if len(items) == 1 else "are"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _number(days: float) -> str:
    return f"{days:g}"


def _span(seconds: float) -> str:
    """Whole days, or hours within the first two, or minutes within the first hour."""
    if seconds >= 2 * DAY:
        return _count(int(seconds / DAY), "day")
    if seconds >= HOUR:
        return _count(int(seconds / HOUR), "hour")
    return _count(max(int(seconds / 60), 0), "minute")


def _date(seconds: float) -> str:
    """ISO 8601, in whole seconds, UTC."""
    return datetime.fromtimestamp(math.ceil(min(seconds, _END_OF_TIME)), tz=timezone.utc).isoformat()
