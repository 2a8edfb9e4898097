# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person can do where the role may not or does not: a line that says it, and the task that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case, used_after_switch_off
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import date
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import Key

MODULE = "keyturn.iam.iam_access_key"


@dataclass(frozen=True)
class Remedy:
    """What can be done.

    `options` are those of the task that does it, null where it is done in a policy, an editor or elsewhere.
    """

    say: str
    options: Mapping[str, Any] | None = None

    def public(self) -> dict[str, Any]:
        task = {"task": {MODULE: dict(self.options)}} if self.options else {}
        return {"say": self.say, **task}


def delete(case: Case, key_id: str, say: str) -> Remedy:
    return _task(case, key_id, say, state="absent")


def switch_off(case: Case, key_id: str, say: str) -> Remedy:
    return _task(case, key_id, say, active=False)


def switch_on(case: Case, key_id: str, say: str) -> Remedy:
    return _task(case, key_id, say, active=True)


def take_the_revocation_back(case: Case, key: Key) -> Remedy:
    say = f"Take the revocation of {key.id} back, if that key is safe all the same."
    return _task(case, key.id, say, active=True, leaked=False)


def note_as_carried(case: Case, key: Key) -> Remedy:
    if not case.user.vault_file:
        return Remedy(f"Note it with carried=true, where a person has put {key.id} to where it is used.")
    return _task(case, key.id, f"Note it, where a person has put {key.id} to where it is used.", carried=True)


def name_for_a_key(case: Case) -> Remedy:
    old = case.replacement
    in_place = f" in the place of {old.id}" if old and old.listed else ""
    return Remedy(f"Name {case.user.name} in rotation_now for a new key{in_place}.")


def end_the_hold(case: Case) -> list[Remedy]:
    if not (case.current and case.current.stored and case.user.vault_file):
        return []
    say = f"End the hold at once, with {case.current.id} as the current key."
    return [_task(case, case.current.id, say, stage="current", hold_days=0)]


def correct_strangers(case: Case) -> list[Remedy]:
    return [
        Remedy(f"Correct the store's entry for {case.user.name} with ansible-vault edit: {key_id} is user {owner}'s.")
        for key_id, owner in case.user.strangers
    ]


def _task(case: Case, key_id: str, say: str, **wish: Any) -> Remedy:
    """What is done to a key is noted in the store, where there is one."""
    store = {"vault_file": case.user.vault_file} if case.user.vault_file else {}
    return Remedy(say, {"user_name": case.user.name, "access_key_id": key_id, **wish, **store})


# -- a key that is in use though another replaced it -----------------------------------------------------------------


def move_its_users(case: Case, key: Key, last_use: str) -> Remedy:
    if key.signing:
        return Remedy(f"Run the rotation with the current key: {key.id} signs this run.")
    to = case.current.id if case.current else "the current key"
    return Remedy(f"Move what uses {key.id} ({last_use}) to {to}: it is switched off once idle.")


# -- a key in the way of a new one -----------------------------------------------------------------------------------


def make_room(case: Case, key: Key) -> list[Remedy]:
    """How the key would make room for a new one."""
    if key.off_by_us:
        return [_delete_what_we_switched_off(case, key)]
    if key.appearing:
        return [Remedy(f"Run it again once IAM lists {key.id}.")]
    if key.signing:
        return [Remedy(f"Run the rotation with the current key: {key.id} signs this run.")]
    there_is_room = "there is room once it is deleted (rotation_delete_after_days)"
    if case.in_use(key):
        say = f"Move what uses {key.id} to another key, then switch it off; {there_is_room}."
        return [_task(case, key.id, say, active=False, min_idle_days=case.policy.idle_days)]
    by_hand = (
        switch_off(case, key.id, f"Switch off {key.id}, which is not in use; {there_is_room}.")
        if key.active
        else delete(case, key.id, f"Delete {key.id}, which is not in use.")
    )
    return [*_by_setting(case, key), by_hand]


def _by_setting(case: Case, key: Key) -> list[Remedy]:
    """No setting makes room of a stored key."""
    days = case.unused_for(key)
    if key.stored or key is case.current or days < case.policy.idle_days:
        return []
    return [Remedy(f"Set rotation_unused_days to {days} or less, and {key.id} makes room.")]


def _delete_what_we_switched_off(case: Case, key: Key) -> Remedy:
    if used_after_switch_off(key):
        return delete(
            case, key.id, f"Delete {key.id}: it was used after it was switched off, so that the role does not."
        )
    if key is case.current:
        return delete(case, key.id, f"Delete {key.id}: as the store's current key it stays until another replaces it.")
    when = date(case.deletion_date(key, case.delete_after_days_for_room))
    sooner = (
        "" if case.named else f", sooner with a smaller rotation_delete_after_days or {case.user.name} in rotation_now"
    )
    return delete(case, key.id, f"Delete {key.id} for room at once: the role does so on {when}{sooner}.")


# -- keys that no row is about ---------------------------------------------------------------------------------------


def loose_ends(case: Case, but: Sequence[Key]) -> list[Remedy]:
    """Keys made, parked or switched off by people, or gone from IAM: they are left alone, and not passed over."""
    waiting = [case.next] if case.next and case.next.active else []
    settled = [case.replacement, *waiting, *case.older, *but]
    listed = [_loose_end(case, key) for key in case.keys if key not in settled]
    departed = [forget(case, key) for key in case.departed if key.deactivated is None and key not in but]
    return [*listed, *departed, *correct_strangers(case)]


def forget(case: Case, key: Key) -> Remedy:
    return delete(case, key.id, f"Remove {key.id} from the store, if it is not to come back: IAM no longer has it.")


def _loose_end(case: Case, key: Key) -> Remedy:
    if key.off_by_us and used_after_switch_off(key):
        return delete(
            case, key.id, f"Delete {key.id}: it was used after it was switched off, so that the role does not."
        )
    if key.off_by_us and key is case.current:
        say = f"Delete {key.id} if nothing needs it: as the store's current key it stays until another replaces it."
        return delete(case, key.id, say)
    if key.off_by_us:
        when = date(case.deletion_date(key, case.policy.delete_after_days))
        return delete(case, key.id, f"Delete {key.id} at once if nothing needs it: the role does so on {when}.")
    if key.active:
        beside = case.replacement.id if case.replacement else "the others"
        return switch_off(case, key.id, f"Switch off {key.id} if nothing needs it: it works beside {beside}.")
    return delete(case, key.id, f"Delete {key.id} if nothing needs it: it is left alone.")
