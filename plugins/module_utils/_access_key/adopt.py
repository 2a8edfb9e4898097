# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person brings: a key that exists, or the word that the current key has been carried.

The key's secret is stored once STS accepts the pair; the word is a date in the store.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._answers import Key
from .._entry import Entry
from .._errors import IamError, KeyturnError
from .._options import same_name
from .._seen import Seen
from .._time import to_iso
from . import guards, promote
from .work import Transaction, Work


def begin(work: Work, stored: Transaction, seen: Seen) -> str | None:
    """Sees that the key is the user's own, works, and is not stored yet; returns it, since it now waits for STS."""
    key = seen.listed(work.want.access_key_id)
    if key is None:
        raise _not_the_users_error(work)
    if _is_adopted(work, seen.entry):
        work.nothing_to_do(seen, key)
        return None
    _refuse_what_is_known(work, seen.entry)
    if not key.active:
        raise KeyturnError(
            f"{_not_adopted(work)}: it is {key.status}, and STS accepts none that is; switch it on first"
        )
    seen = guards.owned(work, seen)
    if work.check:
        work.changed_key(_adopted(work, seen, key), key.access_key_id)
        return None
    work.goes_on_with(seen, key.access_key_id)
    work.done.after = work.done.before
    return key.access_key_id


def finish(work: Work, access_key_id: str) -> Iterator[float]:
    """Waits, without the lock, until STS accepts the pair as the user's own; then stores it, and it is current.

    Gives the seconds for which there is nothing to do.
    """
    seen = work.seen
    key = seen.listed(access_key_id) if seen else None
    if seen is None or key is None:
        raise AssertionError("begin has seen the key")
    yield from promote.await_sts(work, _adopted(work, seen, key).entry, access_key_id)
    with work.store.locked(work.want.user_name, write=True) as stored:
        if _is_adopted(work, stored.entry):  # another run was faster
            work.done.stage = "current"
            return
        _refuse_what_is_known(work, stored.entry)
        now_seen = seen.with_entry(stored.entry.of(seen.entry.account_id, seen.entry.user_id))
        guards.refuse_wrong_owner(work, now_seen.entry, str(seen.entry.account_id), seen.entry.user_id)
        after = _adopted(work, now_seen, key)
        stored.write(after.entry)
    work.changed_key(after, access_key_id)


def _adopted(work: Work, seen: Seen, key: Key) -> Seen:
    return seen.at(work.iam.now).adopted(key, str(work.want.secret_access_key))


def _is_adopted(work: Work, entry: Entry) -> bool:
    """Whether an earlier run did it: the pair is stored, and current."""
    same = entry.current.secret_access_key == work.want.secret_access_key
    return entry.current_id == work.want.access_key_id and same


def _refuse_what_is_known(work: Work, entry: Entry) -> None:
    """No secret is overwritten, and what was revoked stays so."""
    want = work.want
    record, stage = entry.key(want.access_key_id), entry.stage(want.access_key_id)
    if record is None:
        return
    if record.revoke_date:
        raise KeyturnError(
            f"{_not_adopted(work)}: it was revoked on {to_iso(record.revoke_date)}; active=true with leaked=false says "
            "that it is safe all the same"
        )
    if stage == "current" and record.has_secret:
        raise KeyturnError(
            f"{_not_adopted(work)}: it is the current one in {work.store.path} already, with another secret than the "
            "given one; if that one is wrong, correct it with ansible-vault edit"
        )
    if record.has_secret:
        raise KeyturnError(
            f"{_not_adopted(work)}: it is in {work.store.path} already, as {stage or 'a key that was passed over'}; "
            "stage=current, without secret_access_key, makes it the current one"
        )


def _not_adopted(work: Work) -> str:
    return f"Access key {work.want.access_key_id} of user {work.want.user_name} is not adopted"


def _not_the_users_error(work: Work) -> KeyturnError:
    """IAM does not list the key with the user: whose it is, as far as that can be read."""
    want = work.want
    key_id = str(want.access_key_id)
    try:
        owner = work.iam.last_used(key_id).user_name
    except IamError as error:
        if not (error.missing or error.denied):
            raise
        owner = None
    if owner and not same_name(owner, want.user_name):
        return KeyturnError(
            f"Access key {key_id} is not adopted for user {want.user_name}: it is user {owner}'s; name that one"
        )
    return KeyturnError(
        f"User {want.user_name} has no access key {key_id} in account {work.iam.account_id}, so that none is adopted: "
        "is it another account's, or was it deleted?"
    )


# -- carried ---------------------------------------------------------------------------------------------------------


def note_carried(work: Work, stored: Transaction, seen: Seen) -> None:
    """Notes that the current key has been carried to where it is used, or that it has to be carried (again)."""
    want, entry = work.want, seen.entry
    if entry.current_id is None:
        raise KeyturnError(
            f"{work.store.path} has no current access key of user {want.user_name}, so that none is noted as carried"
        )
    if want.access_key_id not in (None, entry.current_id):
        raise KeyturnError(
            f"Access key {want.access_key_id} of user {want.user_name} is not noted as carried: the current one is "
            f"{entry.current_id}; carry that one"
        )
    if not (seen.listed(entry.current_id) or seen.in_force(entry.current_id)):
        raise KeyturnError(
            f"User {want.user_name} has no access key {entry.current_id} (any more), so that it is not noted as carried"
        )
    if bool(entry.current.carry_date) == want.carried:
        work.nothing_to_do(seen, seen.listed(entry.current_id))
        return
    after = guards.owned(work, seen).at(work.iam.now).carried(bool(want.carried))
    if not work.check:
        stored.write(after.entry)
    work.changed_key(after, entry.current_id)
