# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan says: for each action a phrase that follows it, for each row one sentence and what a person can do.

Nothing is decided here. A sentence does not repeat what a table of the user's keys shows: age, last use, status, stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.keyturn.iam.plugins.module_utils._time import LEFTOVER_WAIT
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan import remedies
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case, used_after_switch_off
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import agree, date, days, listed, span
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import later
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.remedies import Remedy
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import LONG_AGO, Key


@dataclass(frozen=True)
class Said:
    """What is seen and decided for a user, in one sentence, and the ways out."""

    reason: str
    remedies: Sequence[Remedy] = ()


# -- why an action: "would make a new key: 120 days old, limit 90" ---------------------------------------------------


def left_over(case: Case, key: Key) -> str:
    return f"made {span(case.age(key))} ago by a run that never got its secret, never used"


def finished(case: Case, key: Key) -> str:
    gone_too = "" if key.listed else ", no longer in IAM"
    return f"switched off {span(case.since(key.deactivated or LONG_AGO))} ago, not used since{gone_too}"


def in_the_way(case: Case, key: Key) -> str:
    return f"Inactive and unused for {span(case.since(key.last_sign_of_life))}, to make room for a new key"


def unused(case: Case, key: Key) -> str:
    return f"unused for {span(case.since(key.last_sign_of_life))}, limit {case.policy.unused_days or 0:g}"


def idle(case: Case, key: Key) -> str:
    how = "never used" if key.last_used is None else f"idle for {span(case.since(key.last_used))}"
    return f"{how}, replaced {_since_current(case)} ago"


def leaked(case: Case, key: Key) -> str:
    return f"revoked {span(case.since(key.revoked or LONG_AGO))} ago"


def due(case: Case) -> str:
    old = case.replacement
    if old is None:
        return "no Active key, and rotation_now names the user"
    if case.is_replaced_by_name:
        return f"the stored current key {_current_id(case)} is not Active, and rotation_now names the user"
    named = " (the user is in rotation_now)" if case.named else ""
    return f"{span(case.age(old))} old, limit {case.max_age_days:g}{named}"


def stored_as_next(case: Case, key: Key) -> str:
    return f"stored as next, made {span(case.age(key))} ago"


def not_carried(case: Case, key: Key) -> str:
    return f"current for {span(case.since(key.current_since))}, not yet carried to where it is used"


# -- a row: why, and what a person can do; in the table's order ------------------------------------------------------


def not_read(case: Case, _keys: Sequence[Key]) -> Said:
    text = case.user.error or ""
    return Said(text if text.endswith((".", "!", "?")) else f"{text}.")


def gone(case: Case, keys: Sequence[Key]) -> Said:
    name, new_name = case.user.name, case.user.new_name
    if new_name:
        rename = Remedy(f"Rename the entry in the vault file to {new_name} with ansible-vault edit.")
        return Said(f"User {name} is now called {new_name}, but its entry in the store is not renamed.", [rename])
    if not keys:
        edit = Remedy("Remove the entry with ansible-vault edit if it is no longer needed.")
        return Said(f"IAM has no user {name}, but the store has an entry.", [edit])
    return Said(
        f"IAM has no user {name}, but the store has an entry with {_ids(keys)}.",
        [remedies.delete(case, key.id, f"Remove {key.id} from the store if it is no longer needed.") for key in keys],
    )


def revoked(case: Case, keys: Sequence[Key]) -> Said:
    was, works = agree(keys, "was", "were"), agree(keys, "works", "work")
    signing = [key for key in keys if key.signing]
    end = ", but signs this run" if signing else f": {agree(keys, 'it is', 'they are')} switched off"
    return Said(
        f"{_keys_of_user(case, keys)} {was} revoked and {works} still{end}.",
        [
            *(Remedy(f"Run it with other credentials: {key.id} signs this run.") for key in signing),
            *(remedies.take_the_revocation_back(case, key) for key in keys),
        ],
    )


def exempt(case: Case, _keys: Sequence[Key]) -> Said:
    pattern = case.policy.exempts(case.user.name)
    return Said(f"User {case.user.name} is exempt (rotation_exempt has {pattern}){_though_named(case)}.")


def held(case: Case, _keys: Sequence[Key]) -> Said:
    until = date(case.seen.entry.hold_until or case.now)
    return Said(
        f"User {case.user.name} is held until {until}, after a rollback{_though_named(case)}.",
        remedies.end_the_hold(case),
    )


def leftover(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    when = date(later(key.made, LEFTOVER_WAIT))
    return Said(
        f"Nobody has the secret of key {key.id} of user {case.user.name}: it is deleted after {when}.",
        [Remedy(f"Name {case.user.name} in rotation_now to have it deleted, and to go on, at once.")],
    )


def waits_for_sts(case: Case, keys: Sequence[Key]) -> Said:
    return Said(f"{_keys_of_user(case, keys)} is stored as next and becomes current once STS accepts it.")


def unanswered(case: Case, _keys: Sequence[Key]) -> Said:
    until = date(case.seen.asked_in_vain or case.now)
    return Said(
        f"No answer came to a request for a key of user {case.user.name}: unless its key shows, a run goes on after "
        f"{until}.",
        [remedies.name_for_a_key(case)],
    )


def broken(case: Case, keys: Sequence[Key]) -> Said:
    said = [f"the stored {_stage(case, key)} key {key.id} {_how_broken(case, key)}" for key in keys]
    again = [remedies.switch_on(case, key.id, f"Switch {key.id} on again.") for key in keys if key.listed]
    departed = [remedies.forget(case, key) for key in keys if key in case.departed]
    return Said(f"Of user {case.user.name}, {listed(said)}.", [*again, remedies.name_for_a_key(case), *departed])


def _stage(case: Case, key: Key) -> str:
    return "current" if key is case.current else "next"


def _how_broken(case: Case, key: Key) -> str:
    owner = dict(case.user.strangers).get(key.id)
    if owner:
        return f"belongs to user {owner}"
    return "is no longer Active, not by this collection" if key.listed else "is no longer in IAM"


def no_active_key(case: Case, keys: Sequence[Key]) -> Said:
    no_key = "no Active key, and gets none unasked" if keys else "no access key, and gets none unasked"
    return Said(
        f"User {case.user.name} has {no_key}.",
        [
            remedies.name_for_a_key(case),
            *(remedies.delete(case, key.id, f"Delete {key.id} if it is no longer needed.") for key in keys),
        ],
    )


def nothing_used(case: Case, keys: Sequence[Key]) -> Said:
    limit, are = days(case.policy.unused_days or 0), agree(keys, "is", "are")
    return Said(
        f"No key of user {case.user.name} was used for {limit} (rotation_unused_days): {_ids(keys)} {are} switched "
        "off.",
        [Remedy(f"Name {case.user.name} in rotation_exempt to keep {agree(keys, 'it', 'them')}.")],
    )


def uncarried(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    return Said(
        f"{_keys_of_user(case, keys)} was never carried.",
        [remedies.note_as_carried(case, key)],
    )


def new_key(case: Case, keys: Sequence[Key]) -> Said:
    """`keys` make room for it, mostly none."""
    room = f", with {_ids(keys)} deleted for room" if keys else ""
    return Said(f"User {case.user.name} is due for a new key: {_why_due(case)}{room}.")


def room_later(case: Case, keys: Sequence[Key]) -> Said:
    are, when = agree(keys, "is", "are"), date(case.room_date())
    return Said(f"User {case.user.name} gets a new key once {_ids(keys)}, switched off now, {are} deleted on {when}.")


def no_room(case: Case, keys: Sequence[Key]) -> Said:
    name = case.user.name
    if case.is_elsewhere:
        rename = Remedy(f"Rename the entry {case.user.old_name} in the vault file to {name} with ansible-vault edit.")
        return Said(
            f"User {name} is due for a new key, but its entry in the store has its old name {case.user.old_name}.",
            [rename, remedies.name_for_a_key(case)],
        )
    return Said(
        f"User {name} needs a new key and has no room for it: {_why_no_room(case, keys)}.",
        [remedy for key in case.spare for remedy in remedies.make_room(case, key)],
    )


def _why_no_room(case: Case, keys: Sequence[Key]) -> str:
    if case.excess <= 0:
        return f"{_ids(case.replaced)} {agree(case.replaced, 'works', 'work')} still, though replaced"
    quota = "unknown" if case.user.quota is None else case.user.quota
    return f"{_ids(keys)}, quota {quota}"


def grace(case: Case, keys: Sequence[Key]) -> Said:
    are, when = agree(keys, "is", "are"), date(case.grace_ends)
    idle_by_then = f"if then idle for {days(case.policy.idle_days)}"
    return Said(f"{_keys_of_user(case, keys)} {are} switched off after {when} {idle_by_then}.")


def in_use(case: Case, keys: Sequence[Key]) -> Said:
    uses = listed(f"{key.id} ({_last_use(case, key)})" for key in keys)
    return Said(
        f"User {case.user.name} has {_current_id(case)} now, but {uses} {agree(keys, 'is', 'are')} still in use.",
        _move_users_of_older_keys(case),
    )


def retired(case: Case, keys: Sequence[Key]) -> Said:
    return Said(
        f"{_keys_of_user(case, keys)} {agree(keys, 'was', 'were')} replaced {_since_current(case)} ago, "
        f"{agree(keys, 'is', 'are')} idle and {agree(keys, 'is', 'are')} switched off.",
        _move_users_of_older_keys(case),
    )


def _move_users_of_older_keys(case: Case) -> list[Remedy]:
    return [remedies.move_its_users(case, key, _last_use(case, key)) for key in case.older if case.in_use(key)]


def until_deleted(case: Case, keys: Sequence[Key]) -> Said:
    becomes = listed(f"{agree(keys, 'it', key.id)} {_becomes_of_switched_off(case, key)}" for key in keys)
    used = [key for key in keys if used_after_switch_off(key)]
    return Said(
        f"{_keys_of_user(case, keys)} {agree(keys, 'was', 'were')} switched off: {becomes}.",
        [remedies.delete(case, key.id, f"Delete {key.id} if nothing needs it any more.") for key in used],
    )


def _becomes_of_switched_off(case: Case, key: Key) -> str:
    if used_after_switch_off(key):
        return "was used after that and stays"
    if key is case.current:
        return "stays, as the store's current key, until another replaces it"
    return f"is deleted after {date(case.deletion_date(key, case.policy.delete_after_days))}"


def unmanaged(case: Case, keys: Sequence[Key]) -> Said:
    return Said(
        f"User {case.user.name} has {len(keys)} Active keys made by hand, and none of them is stored.",
        [
            *(remedies.switch_off(case, key.id, f"Switch off {key.id} if nothing needs it.") for key in keys),
            Remedy(f"Name {case.user.name} in rotation_now for a stored key."),
        ],
    )


def due_soon(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    ends = case.due_date(key)
    if ends <= case.now:
        return Said(
            f"{_keys_of_user(case, keys)} is over the limit of {days(case.max_age_days)}{_not_stored(case, key)}."
        )
    return Said(f"{_keys_of_user(case, keys)} is due for a new one on {date(ends)}{_not_stored(case, key)}.")


def compliant(case: Case, keys: Sequence[Key]) -> Said:
    if not keys:
        return Said(f"User {case.user.name} needs nothing.")
    (key,) = keys
    return Said(
        f"{_keys_of_user(case, keys)} is within the limit of {days(case.max_age_days)}{_not_stored(case, key)}."
    )


def deleted_too(reason: str, keys: Sequence[Key], first: bool) -> str:
    """The row's sentence where something is deleted beside, before what else is done."""
    when = " first" if first else ""
    return f"{reason.rstrip('.')}; {_ids(keys)} {agree(keys, 'is', 'are')} deleted{when}."


# -- parts of sentences ----------------------------------------------------------------------------------------------


def _keys_of_user(case: Case, keys: Sequence[Key]) -> str:
    return f"{agree(keys, 'Key', 'Keys')} {_ids(keys)} of user {case.user.name}"


def _why_due(case: Case) -> str:
    old = case.replacement
    if old is None:
        return "it has no Active key, and rotation_now names it"
    if case.is_replaced_by_name:
        return f"the stored {_current_id(case)} is not Active, and rotation_now names it"
    named = " of rotation_now" if case.named else ""
    return f"{old.id} has reached the limit of {days(case.max_age_days)}{named}"


def _current_id(case: Case) -> str:
    return case.current.id if case.current else "the current key"


def _since_current(case: Case) -> str:
    return span(case.since(case.current.current_since if case.current else case.now))


def _though_named(case: Case) -> str:
    return ", although rotation_now names it" if case.named else ""


def _last_use(case: Case, key: Key) -> str:
    if key.signing:
        return "signs this run"
    if key.last_used is None:
        return "never used"
    by = f" by {key.service}" if key.service and key.service != "N/A" else ""
    where = f" in {key.region}" if key.region and key.region != "N/A" else ""
    return f"last used {span(case.since(key.last_used))} ago{by}{where}"


def _not_stored(case: Case, key: Key) -> str:
    return "" if key is case.current else ", but not stored"


def _ids(keys: Sequence[Key]) -> str:
    return listed(key.id for key in keys)
