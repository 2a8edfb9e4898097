# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any key that satisfies the task: one that is there, one that waits in the store, or a new one, whose secret is kept
at once.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from .._answers import Key
from .._entry import Entry
from .._errors import IamError, KeyturnError, StoreError, UnknownOutcome
from .._seen import NEW_KEY, Seen
from .._signals import held_back
from .._time import LEFTOVER_WAIT, LIST_LAG, to_iso
from . import guards, promote, remove
from .work import Transaction, Work


def any_that_satisfies(work: Work, stored: Transaction, seen: Seen) -> str | None:
    """The user is to have an Active key that satisfies the task; returns the key that now waits for STS."""
    if work.want.replaces:
        guards.refuse_held(work, seen, "made")
    fitting = _fitting(work, seen)
    if fitting:
        work.nothing_to_do(seen, fitting)
        return None
    seen = guards.owned(work, seen)
    if seen.waiting:
        return _go_on_with_next(work, seen, seen.waiting)
    guards.refuse_unanswered_request(work, seen)
    if not work.want.ask_again:  # who asks again knows of it, and may know better whose it is
        seen = _clear_leftover(work, stored, seen)
    guards.refuse_replaced_not_active(work, seen)
    if work.keeps:
        # Where STS does not answer no key becomes current, now or (verify=false) by a later task.
        work.iam.prepare_sts()
    quota = work.iam.quota() if seen.keys else None
    if quota is not None and len(seen.keys) >= quota:
        seen = _make_room(work, stored, seen, quota)
    if work.check:
        _predict(work, seen)
        return None
    return _create(work, stored, seen)


def _fitting(work: Work, seen: Seen) -> Key | None:
    """The key that satisfies the task: with a store only its current one."""
    want, now = work.want, work.iam.now
    found = [seen.current] if work.keeps else seen.keys
    candidates = [key for key in found if key and key.active]
    if want.max_age_days is None:
        young = candidates
    else:
        young = [key for key in candidates if now - key.create_date < timedelta(days=want.max_age_days)]
    if young:
        return young[-1]
    # After a rollback the current key is what a person wants, be it as old as it may.
    return seen.current if _held_by_word(work, seen) else None


def _held_by_word(work: Work, seen: Seen) -> bool:
    works = seen.current is not None and seen.current.active
    return seen.held and works and work.want.max_age_days != 0


def _go_on_with_next(work: Work, seen: Seen, access_key_id: str) -> str | None:
    """A next left from an earlier run is made current rather than another key made."""
    if not work.want.verify:
        promote.leave_next(work, seen.entry, seen)
        return None
    if work.check:
        promote.predict(work, seen)
        return None
    work.goes_on_with(seen, access_key_id)
    return access_key_id


def _clear_leftover(work: Work, stored: Transaction, seen: Seen) -> Seen:
    """Deletes what an interrupted CreateAccessKey left, once it has waited; until then the task waits.

    Raises KeyturnError.
    """
    key = seen.leftover
    if key is None or work.iam.last_used(key.access_key_id).date:  # a key that was used is somebody's
        return seen
    until = key.create_date + LEFTOVER_WAIT
    if work.iam.now < until:
        raise KeyturnError(_leftover_sentence(seen.user_name, key))
    return remove.delete(work, stored, seen, key.access_key_id)


def _leftover_sentence(user_name: str, key: Key) -> str:
    until = to_iso(key.create_date + LEFTOVER_WAIT)
    return (
        f"User {user_name} has access key {key.access_key_id}, which an interrupted run left: nobody holds its secret, "
        f"so it does no harm; the first run after {until} removes it, or remove it now with state=absent and "
        f"access_key_id={key.access_key_id}"
    )


# -- room ------------------------------------------------------------------------------------------------------------


def _make_room(work: Work, stored: Transaction, seen: Seen, quota: int) -> Seen:
    """Deletes the one key that at_limit allows. Raises KeyturnError where it allows none."""
    want, keys = work.want, seen.keys
    having = f"User {want.user_name} has {len(keys)} access keys and the quota is {quota}"
    ids = _with_status(keys)
    if want.at_limit == "fail":
        raise KeyturnError(f"{having}, so no other can be made: {ids}; delete one, or set at_limit")
    if len(keys) > quota:
        more = f"delete {len(keys) - quota + 1} with state=absent"
        raise KeyturnError(f"{having}, so deleting one makes no room for another: {ids}; {more}")
    victim = _victim(work, seen)
    if victim is None:
        which = "is Inactive" if want.at_limit == "delete_inactive" else "may be deleted"
        stay = "the stored current and next key and the one to be replaced stay"
        raise KeyturnError(f"{having}, and none {which} ({stay}): {ids}")
    guards.refuse_in_use(work, victim, "deleted")
    after = remove.delete(work, stored, seen, victim)
    work.done.changed = True
    return after


def _victim(work: Work, seen: Seen) -> str | None:
    """The oldest key that at_limit allows to be deleted."""
    want, entry = work.want, seen.entry
    spared = {entry.current_id, entry.next_id, want.replaces}
    allowed = [key for key in seen.keys if want.at_limit == "delete_oldest" or not key.active]
    return next((key.access_key_id for key in allowed if key.access_key_id not in spared), None)


def _with_status(keys: tuple[Key, ...]) -> str:
    return ", ".join(f"{key.access_key_id} ({key.status})" for key in keys)


# -- a new key -------------------------------------------------------------------------------------------------------


def _predict(work: Work, seen: Seen) -> None:
    """Check mode: a key would be made, and be next or current as in the run."""
    want, now = work.want, work.iam.now
    status = "Inactive" if want.active is False else "Active"
    key = Key(NEW_KEY, seen.user_name, status, now)
    after = seen.at(now).asked().with_next(key, None) if work.keeps else seen.with_key(key)
    if work.keeps and want.verify:
        after = after.promoted(NEW_KEY)
    work.changed(after)
    work.done.access_key = {"user_name": seen.user_name, "status": status}
    work.done.stage = after.entry.stage(NEW_KEY)


def _create(work: Work, stored: Transaction, seen: Seen) -> str | None:
    """Makes a key and keeps its secret before anything else can happen; returns its id where it waits for STS."""
    asked = seen.at(work.iam.now).asked()
    stored.write(asked.entry)
    with held_back():  # from the request to the synced file
        try:
            key, secret = work.iam.create(seen.user_name)
        except UnknownOutcome as error:
            raise _outcome_unknown_error(work, asked, error) from error
        except IamError as error:
            stored.write(seen.entry)
            if _may_make_room_after_all(work, error):
                return _create(work, stored, _make_room(work, stored, seen, len(seen.keys)))
            raise _not_made_error(seen, error) from error
        try:
            after = asked.with_next(key, secret) if work.keeps else seen.with_key(key)
            stored.write(after.entry)
        except BaseException as error:
            raise _not_kept_error(work, stored, seen.entry, key, error) from error
    work.changed_key(after, key.access_key_id)
    if work.keeps:
        return key.access_key_id if work.want.verify else None
    work.done.secret_access_key = secret
    if work.want.active is False:
        _switch_off_new(work, after, key)
    return None


def _may_make_room_after_all(work: Work, error: IamError) -> bool:
    """The quota could not be read, and AWS's answer tells it: what the user has is all there may be."""
    return error.over_quota and work.want.at_limit != "fail" and not work.done.deleted_access_key_id


def _switch_off_new(work: Work, seen: Seen, key: Key) -> None:
    try:
        work.iam.set_status(key.user_name, key.access_key_id, False)
    except IamError as error:
        raise KeyturnError(
            f"Access key {key.access_key_id} of user {key.user_name} was made and returned, but it is still Active: "
            "switching it off failed",
            error.exception,
            returns={
                "changed": True,
                "access_key": key.public(),
                "secret_access_key": work.done.secret_access_key,
            },
        ) from error
    inactive = replace(key, status="Inactive")
    work.done.access_key = inactive.public()
    work.done.after = seen.without([key.access_key_id]).with_key(inactive).picture()


# -- where that failed -----------------------------------------------------------------------------------------------


def _outcome_unknown_error(work: Work, asked: Seen, error: UnknownOutcome) -> KeyturnError:
    """One more look at the list, for the sentence that a person needs now. The store keeps what was asked."""
    name = asked.user_name
    try:
        new = replace(asked, keys=tuple(work.iam.keys(name))).explained
    except KeyturnError:
        new = ()
    said = f"No answer came to the request for a new access key of user {name}, and it is never sent twice"
    if not new:
        then = "no new key shows in IAM's list yet: run again later, which makes one or names what was left"
        if work.keeps:
            until = to_iso(work.iam.now + LIST_LAG)
            then = f"no new key shows in IAM's list yet: a run after {until} makes one, or names what was left"
        return KeyturnError(f"{said}; {then}", error.exception)
    if work.keeps:
        return KeyturnError(f"{said}. {_leftover_sentence(name, new[0])}", error.exception)
    names = ", ".join(key.access_key_id for key in new)
    return KeyturnError(
        f"{said}; IAM's list shows {names}, which it may have made: nobody holds the secret, so it does no harm; if it "
        "is not somebody else's, remove it with state=absent and access_key_id, then run again",
        error.exception,
    )


def _not_made_error(seen: Seen, error: IamError) -> KeyturnError:
    if not error.over_quota:
        return error
    return KeyturnError(
        f"User {seen.user_name} has as many access keys as the account allows, so no other can be made: "
        f"{_with_status(seen.keys)}; delete one, or set at_limit",
        error.exception,
    )


def _not_kept_error(work: Work, stored: Transaction, before: Entry, key: Key, error: BaseException) -> KeyturnError:
    """The secret could not be stored. The key's id is known from the answer, so it is deleted again at once."""
    why = error.message if isinstance(error, StoreError) else type(error).__name__
    said = f"The new access key {key.access_key_id} of user {key.user_name} could not be stored ({why})"
    failed: IamError | None = None
    try:
        deleted = work.iam.delete(key.user_name, key.access_key_id)
    except IamError as failure:
        deleted, failed = False, failure
    if not deleted:  # not found a second after it was made: IAM lags, and the key is there
        return StoreError(
            f"{said} and could not be deleted again: nobody holds its secret; delete it with state=absent and "
            f"access_key_id={key.access_key_id}, once the store can be written",
            failed.exception if failed else None,
            returns={"changed": True, "access_key": key.public()},
        )
    with suppress(StoreError):  # the failed write may have reached the file all the same
        stored.write(before)
    return StoreError(
        f"{said}, so it was deleted again; nothing else was changed: make the file writable and run again"
    )
