# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan says: for each action a phrase that follows it, for each row one sentence and what a person can do.

Nothing is decided here. A row's sentence has at most `REASON_MOST` characters and stands in a table, in the row of the
key that it is about: it repeats neither user nor key, neither status nor age. What it cannot hold the remedies do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.keyturn.iam.plugins.module_utils._time import LEFTOVER_WAIT
from ansible_collections.keyturn.iam.plugins.plugin_utils._gist import first_that_fits, gist
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan import remedies
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case, used_after_switch_off
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import LONG_AGO, Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import agree, count, date, days, listed, span
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import later
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.remedies import Remedy


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
        current = case.current.id if case.current else "of the store"
        return f"the stored current key {current} is not Active, and rotation_now names the user"
    named = " (the user is in rotation_now)" if case.named else ""
    return f"{span(case.age(old))} old, limit {case.max_age_days:g}{named}"


def stored_as_next(case: Case, key: Key) -> str:
    return f"stored as next, made {span(case.age(key))} ago"


def not_carried(case: Case, key: Key) -> str:
    return f"current for {span(case.since(key.current_since))}, not yet carried to where it is used"


# -- a row: why, and what a person can do; in the table's order ------------------------------------------------------


def not_read(case: Case, _keys: Sequence[Key]) -> Said:
    error = case.user.error or ""
    return Said(gist(error, case.user.name), remedies.of_an_error(case, error))


def gone(case: Case, keys: Sequence[Key]) -> Said:
    new_name = case.user.new_name
    if new_name:
        rename = remedies.rename_entry(case, case.user.name, new_name)
        return Said(f"This user is now called {new_name}, but not in the store.", [rename])
    if not keys:
        return Said("The store has an entry of this user, whom IAM does not have.", [remedies.remove_entry(case)])
    return Said(
        f"The store has {count(len(keys), 'key')} of this user, whom IAM does not have.",
        [remedies.delete(case, key.id, f"Remove {key.id} from the store if it is no longer needed.") for key in keys],
    )


def revoked(case: Case, keys: Sequence[Key]) -> Said:
    signing = [key for key in keys if key.signing]
    return Said(
        f"{agree(keys, 'It works', 'They work')} still: {_becomes_of_revoked(keys, signing)}.",
        [
            *(remedies.sign_otherwise(key) for key in signing),
            *(remedies.take_the_revocation_back(case, key) for key in keys),
        ],
    )


def _becomes_of_revoked(keys: Sequence[Key], signing: Sequence[Key]) -> str:
    if not signing:
        return f"{agree(keys, 'it is', 'they are')} switched off for good"
    if len(signing) == len(keys):
        return "it signs this run, which cannot switch it off"
    return "one signs this run and stays on, the rest is switched off for good"


def exempt(case: Case, _keys: Sequence[Key]) -> Said:
    pattern = case.policy.exempts(case.user.name) or ""
    named = ", although rotation_now has the user too" if case.named else ""
    by_name = f"Named in rotation_exempt{named}."
    if pattern.lower() == case.user.name.lower():
        return Said(by_name)
    return Said(first_that_fits(f"Left alone for {pattern} in rotation_exempt{named}.", by_name))


def exempt_by_its_tag(case: Case, _keys: Sequence[Key]) -> Said:
    until = date(case.exempt_until or case.now)
    named = ", although rotation_now has the user" if case.named else ""
    return Said(f"Left alone until {until}, for its tag keyturn:exempt-until{named}.")


def held(case: Case, _keys: Sequence[Key]) -> Said:
    until = date(case.seen.entry.hold_until or case.now)
    named = ", although rotation_now has the user" if case.named else ""
    return Said(f"Left alone after a rollback until {until}{named}.", remedies.end_the_hold(case))


def quarantined(case: Case, keys: Sequence[Key]) -> Said:
    return Said(
        f"AWS found a key of this user in public and attached {case.user.quarantined}: "
        "nothing is done until you decide.",
        remedies.leave_quarantine(case, keys),
    )


def leftover(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    when = date(later(key.made, LEFTOVER_WAIT))
    return Said(
        f"A run died before it had its secret: it is deleted after {when}.",
        remedies.delete_leftover_at_once(case, key),
    )


def waits_for_sts(_case: Case, _keys: Sequence[Key]) -> Said:
    return Said("Its secret is stored, and it becomes current once STS accepts it.")


def unanswered(case: Case, _keys: Sequence[Key]) -> Said:
    until = date(case.seen.asked_in_vain or case.now)
    return Said(
        f"No answer came to a request for a key: unless that key shows, a run goes on after {until}.",
        remedies.name_for_a_key(case),
    )


def broken(case: Case, keys: Sequence[Key]) -> Said:
    each = listed(f"the stored {_stage(case, key)} key {_how_broken(case, key)}" for key in keys)
    stages = listed(_stage(case, key) for key in keys)
    return Said(
        first_that_fits(
            f"{each[:1].upper()}{each[1:]}.",
            f"The stored keys ({stages}) do not work, and that was not done by this collection.",
        ),
        remedies.mend(case, keys),
    )


def _stage(case: Case, key: Key) -> str:
    return "current" if key is case.current else "next"


def _how_broken(case: Case, key: Key) -> str:
    owner = dict(case.user.strangers).get(key.id)
    if owner:
        return f"belongs to user {owner}"
    return "is no longer Active, not by this collection" if key.listed else "is no longer in IAM"


def no_active_key(case: Case, keys: Sequence[Key]) -> Said:
    unasked = "and nobody gets one unasked"
    return Said(
        f"No key works, {unasked}." if keys else f"There is no key, {unasked}.",
        [
            *(
                remedies.delete(case, key.id, f"Delete {key.id} if it is no longer needed.")
                for key in keys
                if not key.lost
            ),
            *remedies.name_for_a_key(case),
        ],
    )


def nothing_used(case: Case, keys: Sequence[Key]) -> Said:
    limit = days(case.policy.unused_days or 0)
    it, is_off = agree(keys, "it", "them"), agree(keys, "it is", "they are")
    keep = f"Name {case.user.name} in rotation_exempt to keep {it}."
    return Said(f"Nothing used {it} for {limit} (rotation_unused_days): {is_off} switched off.", [Remedy(keep)])


def uncarried(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    return Said(
        "The current key was never carried to where it is used; no older one is switched off before that.",
        [remedies.note_as_carried(case, key)],
    )


def new_key(case: Case, keys: Sequence[Key]) -> Said:
    """`keys` make room for it, mostly none."""
    room = f", once {count(len(keys), 'key')} {agree(keys, 'is', 'are')} deleted for room" if keys else ""
    return Said(f"{_why_due(case)}{room}.")


def _why_due(case: Case) -> str:
    if case.replacement is None:
        return "No key works, and rotation_now has the user: a new one is made"
    if case.is_replaced_by_name:
        return "The stored current key does not work, and rotation_now has the user: a new one is made"
    if case.named:
        return "A new key takes its place, for rotation_now has the user"
    return f"A new key takes its place: no key is to be {days(case.max_age_days)} old"


def put_off(case: Case) -> Said:
    most = case.policy.max_new_keys
    return Said(f"Due for a new key in a later run: one makes no more than {most} (rotation_max_new_keys).")


def room_later(case: Case, _keys: Sequence[Key]) -> Said:
    return Said(f"There is room for a new key on {date(case.room_date())}, when what is switched off now is deleted.")


def no_room(case: Case, keys: Sequence[Key]) -> Said:
    if case.is_elsewhere:
        old_name = str(case.user.old_name)
        rename = remedies.rename_entry(case, old_name, case.user.name)
        return Said(
            f"A new key has to wait: the store still calls this user {old_name}.",
            [rename, *remedies.name_for_a_key(case)],
        )
    return Said(
        f"There is no room for a new key: {_why_no_room(case, keys)}.",
        [remedy for key in case.spare for remedy in remedies.make_room(case, key)],
    )


def _why_no_room(case: Case, keys: Sequence[Key]) -> str:
    if case.excess <= 0:
        return f"{count(len(case.replaced), 'replaced key')} {agree(case.replaced, 'works', 'work')} still"
    if case.user.quota is None:
        return f"{count(len(keys), 'key')} {agree(keys, 'is', 'are')} there, and the quota is not known"
    return f"the quota of {case.user.quota} is full"


def grace(case: Case, keys: Sequence[Key]) -> Said:
    off = agree(keys, "It is", "They are")
    return Said(
        f"{off} switched off after {date(case.grace_ends)}, if then idle for {days(case.policy.idle_days)}.",
    )


def in_use(case: Case, keys: Sequence[Key]) -> Said:
    replaced = f"Replaced {_since_current(case)} ago, but still in use"
    signs = ": one signs this run" if any(key.signing for key in keys) else ""
    return Said(
        first_that_fits(
            f"{replaced}: {listed(_uses(case, keys, where=True))}.",
            f"{replaced}: {listed(_uses(case, keys, where=False))}.",
            f"{replaced}{signs}.",
        ),
        _move_users_of_older_keys(case),
    )


def _uses(case: Case, keys: Sequence[Key], where: bool) -> Iterator[str]:
    for key in keys:
        yield f"{agree(keys, 'it', 'one')} signs this run" if key.signing else remedies.use(case, key, where)


def retired(case: Case, keys: Sequence[Key]) -> Said:
    replaced = f"Replaced {_since_current(case)} ago"
    stays = len(keys) < len(case.older)
    return Said(
        f"{replaced}: what is idle is switched off, what is in use stays."
        if stays
        else f"{replaced} and idle: {agree(keys, 'it is', 'they are')} switched off.",
        _move_users_of_older_keys(case),
    )


def _move_users_of_older_keys(case: Case) -> list[Remedy]:
    return [remedies.move_its_users(case, key) for key in case.older if case.in_use(key)]


def until_deleted(case: Case, keys: Sequence[Key]) -> Said:
    return Said(
        f"{agree(keys, 'It was', 'They were')} switched off, {_becomes_of_switched_off(case, keys)}.",
        [remedies.delete_what_we_switched_off(case, key) for key in keys if len(keys) > 1 or remedies.stays(case, key)],
    )


def _becomes_of_switched_off(case: Case, keys: Sequence[Key]) -> str:
    dates = [case.deletion_date(key, case.policy.delete_after_days) for key in keys if not remedies.stays(case, key)]
    if dates:
        return f"and {agree(keys, 'is', 'the first is')} deleted after {date(min(dates))}"
    if all(used_after_switch_off(key) for key in keys):
        return f"but used after that, and so {agree(keys, 'is', 'are')} not deleted"
    return "and the store's current key stays until another replaces it"


def unmanaged(case: Case, keys: Sequence[Key]) -> Said:
    by_hand = [key for key in keys if not key.lost]
    why = "people made them by hand" if by_hand == [*keys] else "another hand has overwritten the store"
    return Said(
        f"None of the {len(keys)} keys that work is stored: {why}.",
        [
            *(remedies.switch_off(case, key.id, f"Switch off {key.id} if nothing needs it.") for key in by_hand),
            *remedies.name_for_a_key(case),
        ],
    )


def due_soon(case: Case, keys: Sequence[Key]) -> Said:
    (key,) = keys
    ends = case.due_date(key)
    if ends <= case.now:
        return Said(f"It is over the limit of {days(case.max_age_days)}{_not_stored(case, key)}.")
    return Said(f"It is to be replaced on {date(ends)}{_not_stored(case, key)}.")


def compliant(case: Case, keys: Sequence[Key]) -> Said:
    if not keys:
        return Said("Nothing has to be done.")
    (key,) = keys
    return Said(f"It is within the limit of {days(case.max_age_days)}{_not_stored(case, key)}.")


def deleted_too(reason: str, keys: Sequence[Key], first: bool) -> str:
    """The row's sentence where something is deleted beside, before what else is done."""
    when = " first" if first else ""
    more = f"{count(len(keys), 'key')} that nobody needs {agree(keys, 'is', 'are')} deleted{when}"
    return first_that_fits(f"{reason.rstrip('.')}; {more}.", reason)


# -- parts of sentences ----------------------------------------------------------------------------------------------


def _since_current(case: Case) -> str:
    return span(case.since(case.current.current_since if case.current else case.now))


def _not_stored(case: Case, key: Key) -> str:
    return "" if key is case.current else ", and not stored"
