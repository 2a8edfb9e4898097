# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What refuses: a function for each promise that a task could break, asked just before it writes.

Each raises KeyturnError.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .._answers import Key, LastUsed
from .._entry import Entry
from .._errors import IamError, KeyturnError
from .._options import same_name
from .._seen import Seen
from .._time import NOTE_LEADS, to_iso
from .._want import Want
from .work import Work


def no_such_user_error(work: Work) -> KeyturnError:
    asked_with = f"asked with access key {work.iam.signing_access_key_id}: is it the right account?"
    return KeyturnError(f"There is no IAM user {work.want.user_name} ({asked_with})")


def keys_of_user(work: Work) -> tuple[Key, ...]:
    """The user's keys as IAM lists them."""
    try:
        return tuple(work.iam.keys(work.want.user_name))
    except IamError as error:
        if error.missing:
            raise no_such_user_error(work) from error
        raise


def owned(work: Work, seen: Seen) -> Seen:
    """The right account: the user with the entry's owner noted, once IAM has shown that it is that very user's."""
    if not work.keeps:
        return seen
    user = work.iam.user(work.want.user_name)
    if user.user_name != work.want.user_name:  # IAM compares names without case, and the store would have two entries
        raise KeyturnError(f"IAM's user {work.want.user_name} is called {user.user_name}: name it as IAM writes it")
    refuse_wrong_owner(work, seen.entry, user.account_id, user.user_id)
    return seen.with_entry(seen.entry.of(user.account_id, user.user_id))


def refuse_wrong_owner(work: Work, entry: Entry, account_id: str, user_id: str | None) -> None:
    wrong = entry.wrong_owner(work.want.user_name, account_id, user_id, str(work.store.path))
    if wrong:
        raise KeyturnError(wrong)


def refuse_unanswered_request(work: Work, seen: Seen) -> None:
    """No secret is lost: where a request for a key got no answer, lists may show its key for an hour, and no other is
    made.
    """
    until = seen.asked_in_vain
    if until and not work.want.ask_again:
        raise KeyturnError(
            f"No other access key is made for user {seen.user_name}: no answer came to the last request for one, and "
            f"its key may show until {to_iso(until)}; run again then, or ask_again=true makes one now"
        )


def refuse_signing(work: Work) -> None:
    """A run does not saw off its own branch."""
    key_id = work.want.access_key_id
    if key_id == work.iam.signing_access_key_id:
        raise KeyturnError(
            f"Access key {key_id} signs this run, which would lock itself out: run it with other credentials"
        )


def refuse_revoked(work: Work, seen: Seen, access_key_id: str) -> None:
    """A leaked key stays off: only a person's `leaked=false` switches it on again."""
    revoke_date = seen.record(access_key_id).revoke_date
    if revoke_date and work.want.leaked is not False:
        raise KeyturnError(
            f"Access key {access_key_id} of user {work.want.user_name} is not switched on: it was revoked on "
            f"{to_iso(revoke_date)}; leaked=false says that it is safe all the same"
        )


def refuse_held(work: Work, seen: Seen, what: str) -> None:
    """A person's word counts longer than a plan: what a plan decided is not done against a rollback that came
    meanwhile.
    """
    if work.want.planned and seen.held and seen.entry.hold_until:
        raise held_error(work.want, what, seen.entry.hold_until)


def held_error(want: Want, what: str, until: datetime) -> KeyturnError:
    key = f"Access key {want.access_key_id}" if want.access_key_id else "A new access key"
    return KeyturnError(
        f"{key} of user {want.user_name} is not {what}: the user's keys are held as they are until {to_iso(until)}, "
        "which hold_days=0 ends"
    )


def refuse_replacement_not_in_force(work: Work, seen: Seen) -> None:
    """No downtime: a person may have rolled back, or switched the new key off, since the plan was made."""
    want = work.want
    if not want.replacement:
        return
    current_id = seen.entry.current_id
    another = current_id is not None and current_id != want.replacement and seen.in_force(current_id)
    if another or _current_was_deleted(seen) or not seen.in_force(want.replacement):
        raise KeyturnError(
            f"Access key {want.access_key_id} of user {want.user_name} is not switched off: {want.replacement}, which "
            "replaced it, is no longer in force; look again and plan anew"
        )


def _current_was_deleted(seen: Seen) -> bool:
    """Whether the store has keys that were replaced, and the one that replaced them no longer: a list may show it for a
    while.
    """
    others = seen.entry.others.values()
    return seen.entry.current_id is None and any(key.promote_date and not key.revoke_date for key in others)


def refuse_off_by_another_hand(work: Work, seen: Seen, key: Key) -> None:
    """A playbook's choice is not switched on that a person or a revocation has switched off since: only a person who
    names it may.

    Without a rollback nothing is switched on at all: the note of a key that works is taken back.
    """
    want, key_id = work.want, key.access_key_id
    if not want.noted:
        return
    if not key.active and not seen.record(key_id).deactivate_date:
        raise KeyturnError(
            f"Access key {key_id} of user {seen.user_name} is not switched on: it was switched off by "
            "another hand meanwhile; look again, or name it"
        )
    rolls_back = bool(want.stage) or want.hold_days is not None
    if not rolls_back and (not key.active or seen.off_by_note(key_id)):
        raise KeyturnError(
            f"The note of its deactivation stays with access key {key_id} of user {seen.user_name}, which is not "
            "Active any more; look again"
        )


def refuse_in_use(work: Work, access_key_id: str, what: str) -> None:
    """Nothing in use is switched off: the last use is read just before the write, and must be known."""
    if work.want.min_idle_days is None:
        return
    try:
        used = work.iam.last_used(access_key_id)
    except IamError as error:
        said = f"Access key {access_key_id} of user {work.want.user_name} is not {what}"
        raise KeyturnError(f"{said}: its last use is not known", error.exception) from error
    _refuse_used(work, access_key_id, what, used)


def _refuse_used(work: Work, access_key_id: str, what: str, used: LastUsed) -> None:
    days = work.want.min_idle_days
    if days is not None and used.date and (work.iam.now - used.date) < timedelta(days=days):
        raise KeyturnError(
            f"Access key {access_key_id} of user {work.want.user_name} is not {what}: it was last used {used}, within "
            f"the {days:g} days of min_idle_days; move its user to the new key first"
        )


def refuse_active_again(work: Work, seen: Seen, access_key_id: str) -> None:
    """A planned deletion takes no Active key but a leftover, nor one that somebody has taken back into use since, be it
    while this task asked whose the key is and when it was used: the list is read once more just before the write.
    """
    if not work.want.planned or not work.keeps:
        return
    _refuse_active(work, seen, access_key_id)
    if seen.listed(access_key_id):
        _refuse_active(work, seen.with_keys(keys_of_user(work)), access_key_id)


def _refuse_active(work: Work, seen: Seen, access_key_id: str) -> None:
    want, record, key = work.want, seen.record(access_key_id), seen.listed(access_key_id)
    if seen.leftover and seen.leftover is key:
        return
    said = f"Access key {access_key_id} of user {want.user_name} is not deleted"
    if key and key.active and record.deactivate_date:
        again = "keep it with active=true, or switch it off once more"
        raise KeyturnError(f"{said}: it had been switched off and is Active again; {again}")
    if key and key.active:
        raise KeyturnError(f"{said}: it is Active; switch it off first, or leave min_idle_days out")
    if want.noted and not record.deactivate_date:
        raise KeyturnError(
            f"{said}: somebody has taken it back into use since it was switched off; look again and plan anew"
        )
    if want.noted and record.revoke_date and work.iam.now - record.revoke_date < NOTE_LEADS:
        raise KeyturnError(f"{said}: it was revoked on {to_iso(record.revoke_date)}; look again and plan anew")


def refuse_elsewhere(work: Work, seen: Seen | None, access_key_id: str) -> None:
    """No secret is dropped of a key that works on under another user name, or of another account's."""
    want = work.want
    try:
        used = work.iam.last_used(access_key_id)
    except IamError as error:
        # AWS denies, and others say NoSuchEntity, for a key that does not exist; any other failure tells nothing.
        if error.missing or (error.denied and _may_read_last_uses(work, seen, access_key_id)):
            return
        if not error.denied:
            raise
        said = f"Access key {access_key_id} of user {want.user_name} is not removed: whose it is could not be read"
        raise KeyturnError(said, error.exception) from error
    if used.user_name and not same_name(used.user_name, want.user_name):
        raise KeyturnError(
            f"Access key {access_key_id} is not removed: it belongs to user {used.user_name} now, so user "
            f"{want.user_name} was renamed; rename the entry in {work.store.path}"
        )
    _refuse_used(work, access_key_id, "deleted", used)


def _may_read_last_uses(work: Work, seen: Seen | None, access_key_id: str) -> bool:
    """Whether a denial is about the key, which is gone then, and not about the permission: a key that exists is asked
    for.

    Where there is none to ask for, a person's word decides, and no plan's.
    """
    known = [key.access_key_id for key in seen.keys if key.access_key_id != access_key_id] if seen else []
    if not known:
        return not work.want.planned
    try:
        work.iam.last_used(known[0])
    except IamError as error:
        return error.missing
    return True


def refuse_replaced_not_active(work: Work, seen: Seen) -> None:
    """A planned key is made only while the key that it is to replace is still Active."""
    want = work.want
    replaced = seen.listed(want.replaces)
    if not want.replaces or (replaced and replaced.active):
        return
    found = f"is {replaced.status}" if replaced else "does not exist"
    raise KeyturnError(
        f"No access key is made for user {want.user_name}: {want.replaces}, which it was to replace, {found}; "
        "somebody changed the user's keys meanwhile, so look again and plan anew"
    )


def refuse_next_out_of_force(seen: Seen, access_key_id: str) -> None:
    """What waits in the store to become current must work."""
    if seen.in_force(access_key_id):
        return
    key = seen.listed(access_key_id)
    found = f"is {key.status}" if key else "does not exist in IAM (any more)"
    raise KeyturnError(
        f"Access key {access_key_id} of user {seen.user_name}, which waits in the store to become current, {found}; "
        "switch it on, or remove it with state=absent, then run again"
    )
