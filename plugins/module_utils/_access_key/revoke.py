# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A leaked key: IAM is told first, whatever a list, a store or a lock says; then the store notes it, for good."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone

from .._answers import Key
from .._entry import Entry
from .._errors import IamError, KeyturnError
from .._iam import owner_of
from .._options import same_name
from .._seen import Seen, in_words
from . import guards
from .work import Work


def revoke(work: Work) -> None:
    """Switches the key off for good.

    Nothing stands before the request but, where the task names no user, the question whose it is.
    """
    guards.refuse_signing(work)
    _name_the_owner(work)
    if work.check:
        _predict(work)
        return
    failed = _send(work)
    try:
        before, keys, again = _note(work, failed)
    except KeyturnError as error:
        raise _not_noted_error(work, failed, error) from error
    failed = failed or again
    if failed:
        raise failed
    _show(work, before, keys)


def _name_the_owner(work: Work) -> None:
    if work.want.user_name:
        return
    way_out = ": name the user (user_name), or use the credentials of the key's own account"
    work.want = replace(work.want, user_name=owner_of(work.iam, str(work.want.access_key_id), way_out))


def _send(work: Work) -> IamError | None:
    """The request; why it failed, where it did: what a person has decided is noted all the same."""
    want = work.want
    try:
        work.iam.set_status(want.user_name, str(want.access_key_id), False)
    except IamError as error:
        if error.missing:
            _refuse_another_owner(work, error)
        return error
    work.done.changed = True
    return None


def _refuse_another_owner(work: Work, error: IamError) -> None:
    """IAM found no such key of that user: a slip, a key that is gone, or a replica that lags, whose error stands."""
    want = work.want
    said = f"User {want.user_name} has no access key {want.access_key_id}"
    try:
        owner = work.iam.last_used(str(want.access_key_id)).user_name
    except IamError as unread:
        if unread.missing or unread.denied:  # what is said of a key that does not exist
            raise KeyturnError(f"{said} (any more): nothing is left to be switched off", error.exception) from error
        return
    if not same_name(owner, want.user_name):
        whose = f"user {owner}'s: name that user, or leave user_name out" if owner else "no IAM user's"
        raise KeyturnError(f"{said}, which is {whose}", error.exception) from error


def _note(work: Work, failed: IamError | None) -> tuple[Entry, tuple[Key, ...] | None, IamError | None]:
    """Writes the note; returns the entry as it was before, the keys as IAM lists them, and why the key may be Active
    again.

    A task that held the lock may have switched the key on since the request; from now on none will. So a list is read
    under the lock, and where it shows the key Active (it may lag, too) the request goes out again.
    """
    with work.store.locked(work.want.user_name, write=True) as stored:
        before = stored.entry
        after = _owned(work, before).revoked(str(work.want.access_key_id), _now(work))
        if after != before:
            stored.write(after)
            work.done.changed = work.done.changed or work.keeps
        keys = None if failed else _listed(work)
        active = any(key.active for key in keys or () if key.access_key_id == work.want.access_key_id)
        return before, keys, _send_again(work) if active and work.keeps else None


def _listed(work: Work) -> tuple[Key, ...] | None:
    try:
        return tuple(work.iam.keys(work.want.user_name))
    except IamError:
        return None


def _send_again(work: Work) -> IamError | None:
    try:
        work.iam.set_status(work.want.user_name, str(work.want.access_key_id), False)
    except IamError as error:
        return None if error.missing else error
    return None


def _owned(work: Work, entry: Entry) -> Entry:
    """The entry with its owner, as far as IAM may be asked. Raises KeyturnError where it is another user's."""
    if not work.keeps or (entry.account_id and entry.user_id):
        return entry
    try:
        user = work.iam.user(work.want.user_name)
    except IamError:
        return entry
    guards.refuse_wrong_owner(work, entry, user.account_id, user.user_id)
    return entry.of(user.account_id, user.user_id)


def _now(work: Work) -> datetime:
    """AWS's time; where AWS has never answered this machine's, for that there is a note counts more than what its date
    is.
    """
    return work.iam.now if work.iam.knows_time else datetime.fromtimestamp(int(time.time()), timezone.utc)


def _not_noted_error(work: Work, failed: IamError | None, error: KeyturnError) -> KeyturnError:
    """The store could not be written: said after what IAM answered, for that is what counts first."""
    key = f"Access key {work.want.access_key_id} of user {work.want.user_name}"
    now = f"{key} may still be Active ({failed.message})" if failed else f"{key} is Inactive"
    return KeyturnError(
        f"{now}, but the store does not know that it was revoked: {error.message}; run the same again once that is "
        "mended, lest a rollback bring the key back",
        failed.exception if failed else error.exception,
        returns={} if failed else {"changed": True, "access_key": _shown(work)},
    )


def _show(work: Work, stored: Entry, keys: tuple[Key, ...] | None) -> None:
    """What the lists show of it, where they can be read; a key that was revoked before and is off is no change."""
    want, key_id, now = work.want, str(work.want.access_key_id), _now(work)
    work.done.access_key = _shown(work)
    if keys is None:
        return
    before = Seen(want.user_name, keys, stored, now)
    after, key, record = before.revoked(key_id), before.listed(key_id), before.record(key_id)
    if key:
        work.done.access_key = replace(key, status="Inactive").public()
    was_off = bool(record.deactivate_date) and not (key and key.active)  # lists come after the request, and lag
    work.done.changed = not was_off or after.entry != stored
    status = "Inactive" if was_off else "Active"
    work.done.before = {**before.picture(), key_id: in_words(status, stored.stage(key_id))}
    work.done.after = {**after.picture(), key_id: "Inactive"}


def _shown(work: Work) -> dict[str, str]:
    want = work.want
    return {"access_key_id": str(want.access_key_id), "user_name": want.user_name, "status": "Inactive"}


def _predict(work: Work) -> None:
    want, key_id = work.want, str(work.want.access_key_id)
    with work.store.locked(want.user_name, write=False) as stored:
        entry = stored.entry
    keys = guards.keys_of_user(work)
    seen = Seen(want.user_name, keys, _owned(work, entry), work.iam.now)
    key = seen.listed(key_id)
    if key is None:
        raise KeyturnError(f"User {want.user_name} has no access key {key_id}")
    work.done.before = seen.picture()
    after = seen.revoked(key_id)
    if not key.active and (after.entry == entry or not work.keeps):
        work.nothing_to_do(seen, key)
        return
    work.changed_key(after, key_id)
