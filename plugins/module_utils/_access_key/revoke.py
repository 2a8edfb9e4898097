# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A leaked key: IAM is told first, whatever a list, a store or a lock says; then the store notes it, for good."""

from __future__ import annotations

from dataclasses import replace

from .._answers import Key
from .._entry import Entry
from .._errors import IamError, KeyturnError
from .._seen import Seen
from . import guards
from .work import Work


def revoke(work: Work) -> None:
    """Switches the key off for good. Nothing stands before the request but, where the task names no user, the question whose it is."""
    guards.refuse_signing(work)
    _name_the_owner(work)
    if work.check:
        _predict(work)
        return
    failed = _send(work)
    try:
        known = _note(work)
    except KeyturnError as error:
        raise _not_noted_error(work, failed, error) from error
    if failed:
        raise failed
    _show(work, known)


def _name_the_owner(work: Work) -> None:
    want = work.want
    if want.user_name:
        return
    try:
        owner = work.iam.last_used(str(want.access_key_id)).user_name
    except IamError as error:
        if error.missing or error.denied:  # AWS denies the request for a key that does not exist, too
            raise KeyturnError(
                f"No user of this account could be found for access key {want.access_key_id}: name the user (user_name), "
                "or use the credentials of the key's own account",
                error.exception,
            ) from error
        raise
    if not owner:
        raise KeyturnError(f"Access key {want.access_key_id} belongs to no IAM user (to the root user, perhaps)")
    work.want = replace(want, user_name=owner)


def _send(work: Work) -> IamError | None:
    """The request; why it failed, where it did: what a person has decided is noted all the same."""
    want = work.want
    try:
        work.iam.set_status(want.user_name, str(want.access_key_id), False)
    except IamError as error:
        if error.missing:
            raise KeyturnError(
                f"User {want.user_name} has no access key {want.access_key_id} (any more): nothing is left to be switched off",
                error.exception,
            ) from error
        return error
    work.done.changed = True
    return None


def _note(work: Work) -> bool:
    """Writes the note, and says whether it was there before."""
    want, key_id = work.want, str(work.want.access_key_id)
    with work.store.locked(want.user_name, write=True) as stored:
        record = stored.entry.key(key_id)
        known = bool(record and record.revoke_date)
        after = stored.entry.revoked(key_id, work.iam.now)
        if after != stored.entry:
            stored.write(after)
    return known


def _not_noted_error(work: Work, failed: IamError | None, error: KeyturnError) -> KeyturnError:
    """The store could not be written: said after what IAM answered, for that is what counts first."""
    key = f"Access key {work.want.access_key_id} of user {work.want.user_name}"
    now = f"{key} may still be Active ({failed.message})" if failed else f"{key} is Inactive"
    return KeyturnError(
        f"{now}, but the store does not know that it was revoked: {error.message}; run the same again once that is mended, "
        "lest a rollback bring the key back",
        failed.exception if failed else error.exception,
        returns={"changed": work.done.changed, "access_key": _shown(work)},
    )


def _show(work: Work, noted_before: bool) -> None:
    """What the lists show of it, where they can be read; a key that was revoked before and is off is no change."""
    want, key_id = work.want, str(work.want.access_key_id)
    work.done.access_key = _shown(work)
    try:
        keys = tuple(work.iam.keys(want.user_name))
    except IamError:
        return
    with work.store.locked(want.user_name, write=False) as stored:
        entry = stored.entry
    listed = Seen(want.user_name, keys, entry, work.iam.now)
    key = listed.listed(key_id)
    if key:
        work.done.access_key = replace(key, status="Inactive").public()
    work.done.changed = not (noted_before and key and not key.active)
    after = listed.revoked(key_id) if key else listed
    work.done.before = {**after.picture(), key_id: "Active"}
    work.done.after = after.picture()


def _shown(work: Work) -> dict[str, str]:
    want = work.want
    return {"access_key_id": str(want.access_key_id), "user_name": want.user_name, "status": "Inactive"}


def _predict(work: Work) -> None:
    want, key_id = work.want, str(work.want.access_key_id)
    with work.store.locked(want.user_name, write=False) as stored:
        entry = stored.entry
    seen = Seen(want.user_name, _keys(work), entry, work.iam.now)
    key = seen.listed(key_id)
    if key is None:
        raise KeyturnError(f"User {want.user_name} has no access key {key_id}")
    work.done.before = seen.picture()
    if not key.active and _is_noted(work, entry, key_id):
        work.nothing_to_do(seen, key)
        return
    work.changed_key(seen.revoked(key_id), key_id)


def _keys(work: Work) -> tuple[Key, ...]:
    try:
        return tuple(work.iam.keys(work.want.user_name))
    except IamError as error:
        if error.missing:
            raise guards.no_such_user_error(work) from error
        raise


def _is_noted(work: Work, entry: Entry, key_id: str) -> bool:
    record = entry.key(key_id)
    return not work.keeps or bool(record and record.revoke_date)
