# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person can do where the role may not or does not: a line that says it, with the task or command for it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._gist import denied_action, in_full
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case, used_after_switch_off
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import agree, date, days, span
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy

MODULE = "keyturn.iam.iam_access_key"
ROTATE = "ansible-playbook keyturn.iam.rotate"
EDIT = "ansible-vault edit"
VIEW = "ansible-vault view"


@dataclass(frozen=True)
class Remedy:
    """What can be done, and by what.

    `options` are those of the task that does it, `command` is what a person types: it ends the line, as it is to be
    typed. Both are null where it is done elsewhere.
    """

    say: str
    options: Mapping[str, Any] | None = None
    command: str | None = None

    def public(self) -> dict[str, Any]:
        if self.command:
            return {"say": f"{self.say}: {self.command}"}
        task = {"task": {MODULE: dict(self.options)}} if self.options else {}
        return {"say": self.say, **task}


# -- tasks -----------------------------------------------------------------------------------------------------------


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


def leave_quarantine(case: Case, keys: Sequence[Key]) -> list[Remedy]:
    """Each key that works is revoked, for IAM does not say which of them leaked (AWS Health does)."""
    return [
        _task(case, key.id, f"Revoke {key.id}, as it may be the key that leaked.", active=False, leaked=True)
        if not key.signing
        else Remedy(f"Run playbooks/revoke.yml for {key.id} with other credentials: it signs this run.")
        for key in keys
    ]


def _task(case: Case, key_id: str, say: str, **wish: Any) -> Remedy:
    """What is done to a key is noted in the store, where there is one."""
    store = {"vault_file": case.user.vault_file} if case.user.vault_file else {}
    return Remedy(say, {"user_name": case.user.name, "access_key_id": key_id, **wish, **store})


# -- commands --------------------------------------------------------------------------------------------------------


def name_for_a_key(case: Case) -> list[Remedy]:
    """A run with the user in rotation_now, where that leads to a new key."""
    named = _if_named(case)
    if case.named or not named.due:
        return []
    old = case.replacement
    in_place = f" in the place of {old.id}" if old and old.listed else ""
    later = "" if _has_room(named) else ", once there is room for it"
    return [_name(case, f"For a new key{in_place}{later}")]


def _has_room(case: Case) -> bool:
    return case.due_with_room() is not None or case.due_with_an_unused_key_to_delete() is not None


def delete_leftover_at_once(case: Case, key: Key) -> list[Remedy]:
    return [_name(case, f"To have {key.id} deleted at once, and a new key made if one is due")]


def _name(case: Case, what_for: str) -> Remedy:
    name = case.user.name
    return _run(case, what_for, f"name {name} in rotation_now", rotation_now=[name])


def _run(case: Case, what_for: str, do: str, **variables: Any) -> Remedy:
    """A run for this user, by the policy of this plan and these variables beside; where no store is known, in words."""
    if not case.user.vault_file:
        return Remedy(f"{what_for}, {do}.")
    given = {
        "rotation_users": [case.user.name],
        **({"rotation_now": [case.user.name]} if case.named else {}),
        **_own_days(case.policy),
        **variables,
        "rotation_vault_file": case.user.vault_file,
    }
    return Remedy(what_for, command=f"{ROTATE} -e {shlex.quote(json.dumps(given))}")


def _own_days(policy: Policy) -> dict[str, float]:
    """Where the policy has other days than the role by itself."""
    return {
        f"rotation_{field.name}": value
        for field in fields(policy)
        if field.name.endswith("_days") and (value := getattr(policy, field.name)) != field.default
    }


def _if_named(case: Case) -> Case:
    return _if(case, now=(*case.policy.now, case.user.name))


def _if(case: Case, **changes: Any) -> Case:
    """The same user at the same time under another policy."""
    return Case(case.user, replace(case.policy, **changes), case.now)


def _edit(case: Case, what_for: str) -> Remedy:
    if not case.user.vault_file:
        return Remedy(f"{what_for} with {EDIT}.")
    return Remedy(what_for, command=f"{EDIT} {shlex.quote(case.user.vault_file)}")


def put_back(case: Case) -> list[Remedy]:
    """Of keys whose secret lies beside the store: no other remedy is to switch them off or to delete them."""
    seen = [
        Remedy(
            f"See the secret of {key.id}, which the store lacks since another hand wrote it",
            command=f"{VIEW} {shlex.quote(key.lost)}",
        )
        for key in case.keys
        if key.lost
    ]
    return [*seen, _edit(case, f"Put {agree(seen, 'it', 'them')} back into the entry {case.user.name}")] if seen else []


def rename_entry(case: Case, old: str, new: str) -> Remedy:
    return _edit(case, f"Rename the entry {old} in the store to {new}")


def remove_entry(case: Case) -> Remedy:
    return _edit(case, f"Remove the entry {case.user.name} from the store if it is no longer needed")


def end_the_hold(case: Case) -> list[Remedy]:
    if not (case.current and case.current.stored and case.user.vault_file):
        return [_edit(case, f"To end the hold at once, take hold_until out of the entry {case.user.name}")]
    say = f"End the hold at once, with {case.current.id} as the current key."
    return [_task(case, case.current.id, say, stage="current", hold_days=0)]


def correct_strangers(case: Case) -> list[Remedy]:
    return [
        _edit(case, f"Take {key_id}, which is user {owner}'s, out of the entry {case.user.name}")
        for key_id, owner in case.user.strangers
    ]


# -- what could not be read ------------------------------------------------------------------------------------------


def of_an_error(case: Case, error: str) -> list[Remedy]:
    """What mends it, where the error tells that, and all its words where the table has less."""
    name = case.user.name
    mended = [_edit(case, f"Set the entry {name} of the store right")] if case.user.error_in_entry else []
    denied = denied_action(error)
    allowed = [Remedy(f"Allow {denied} to the credentials of the run.")] if denied else []
    words = in_full(error, name)
    told = [Remedy(f"In full: {words}")] if words else []
    return [*mended, *allowed, *told]


# -- stored keys that do not work though nobody of ours switched them off --------------------------------------------


def mend(case: Case, keys: Sequence[Key]) -> list[Remedy]:
    there = [key for key in keys if key.listed]
    again = [switch_on(case, key.id, f"Switch {key.id} on again.") for key in there]
    in_the_way = [] if _has_room(_if_named(case)) else there
    room = [delete(case, key.id, f"Delete {key.id} for room, if it is not to work again.") for key in in_the_way]
    departed = [forget(case, key) for key in keys if key in case.departed]
    return [*again, *room, *name_for_a_key(case), *departed]


def forget(case: Case, key: Key) -> Remedy:
    return delete(case, key.id, f"Remove {key.id} from the store, if it is not to come back: IAM no longer has it.")


# -- a key that is in use though another replaced it -----------------------------------------------------------------


def move_its_users(case: Case, key: Key) -> Remedy:
    if key.signing:
        return sign_otherwise(key)
    to = case.current.id if case.current else "the current key"
    return Remedy(f"Move what uses {key.id} ({use(case, key)}) to {to}: it is switched off once idle.")


def sign_otherwise(key: Key) -> Remedy:
    return Remedy(f"Run it with other credentials: {key.id} signs this run.")


def use(case: Case, key: Key, where: bool = True) -> str:
    """When a key was used last, and by what: `2 hours ago by ecr in eu-west-1`."""
    if key.last_used is None:
        return "never"
    by = f" by {key.service}" if key.service and key.service != "N/A" else ""
    region = f" in {key.region}" if where and key.region and key.region != "N/A" else ""
    return f"{span(case.since(key.last_used))} ago{by}{region}"


# -- a key in the way of a new one -----------------------------------------------------------------------------------


def make_room(case: Case, key: Key) -> list[Remedy]:
    """How the key would make room for a new one."""
    if key.off_by_us:
        return [_delete_for_room(case, key)]
    if key.appearing:
        return [Remedy(f"Run it again once IAM lists {key.id}.")]
    if key.signing:
        return [sign_otherwise(key)]
    if not key.active:
        needless = f"if what used it ({use(case, key)}) needs it no more" if case.in_use(key) else "which is not in use"
        return [delete(case, key.id, f"Delete {key.id}, {needless}."), *_by_setting(case, key)]
    after = days(case.policy.delete_after_days)
    there_is_room = f"it makes room once it is deleted, by hand or {after} later by a run"
    if case.in_use(key):
        # Whoever pastes it too early switches nothing off.
        say = f"Move what uses {key.id} ({use(case, key)}) to another key, then switch it off; {there_is_room}."
        return [_task(case, key.id, say, active=False, min_idle_days=case.policy.idle_days)]
    say = f"Switch off {key.id}, which is not in use; {there_is_room}."
    return [switch_off(case, key.id, say), *_by_setting(case, key)]


def _by_setting(case: Case, key: Key) -> list[Remedy]:
    """A run that takes the key for unused, where the key makes room then; no setting makes room of a stored key."""
    unused_days = case.unused_for(key)
    if key.stored or key is case.current or unused_days < case.policy.idle_days:
        return []
    then = _if(case, unused_days=unused_days)
    makes_room = then.due_with_an_unused_key_to_delete() or then.due_with_unused_keys_to_switch_off() or ()
    if then.only_unused_keys() is not None or key.id not in (one.id for one in makes_room):
        return []
    do = f"set rotation_unused_days to {unused_days} or less"
    return [
        _run(case, f"For a run to take {key.id} for unused, and out of the way", do, rotation_unused_days=unused_days)
    ]


def _delete_for_room(case: Case, key: Key) -> Remedy:
    if stays(case, key):
        return delete_what_we_switched_off(case, key)
    when = date(case.deletion_date(key, case.delete_after_days_for_room))
    return delete(case, key.id, f"Delete {key.id} for room at once: the role does so on {when}.")


# -- keys that no row is about ---------------------------------------------------------------------------------------


def loose_ends(case: Case, but: Sequence[Key]) -> list[Remedy]:
    """Keys made, parked or switched off by people, or gone from IAM: they are left alone, and not passed over."""
    waiting = [case.next] if case.next and case.next.active else []
    settled = [case.replacement, *waiting, *case.older, *but]
    listed = [_loose_end(case, key) for key in case.keys if key not in settled and not key.lost]
    departed = [forget(case, key) for key in case.departed if key.deactivated is None and key not in but]
    return [*listed, *departed, *correct_strangers(case)]


def _loose_end(case: Case, key: Key) -> Remedy:
    if key.off_by_us:
        return delete_what_we_switched_off(case, key)
    if key.active:
        beside = case.replacement.id if case.replacement else "the others"
        return switch_off(case, key.id, f"Switch off {key.id} if nothing needs it: it works beside {beside}.")
    return delete(case, key.id, f"Delete {key.id} if nothing needs it: it is left alone.")


def delete_what_we_switched_off(case: Case, key: Key) -> Remedy:
    if used_after_switch_off(key):
        why = "it was used after it was switched off, so that the role does not."
        return delete(case, key.id, f"Delete {key.id}: {why}")
    if key is case.current:
        why = "as the store's current key it stays until another replaces it."
        return delete(case, key.id, f"Delete {key.id} if nothing needs it: {why}")
    when = date(case.deletion_date(key, case.policy.delete_after_days))
    return delete(case, key.id, f"Delete {key.id} at once if nothing needs it: the role does so on {when}.")


def stays(case: Case, key: Key) -> bool:
    """Whether the role does not delete the key, though it switched it off."""
    return used_after_switch_off(key) or key is case.current
