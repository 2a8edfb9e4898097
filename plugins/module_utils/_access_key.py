# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the access key that a task describes comes about.

`ensure` goes one way for every task: under the store's lock it reads the entry and the user's keys afresh, decides,
and writes; what has to wait for STS waits without the lock. The same code runs as a module and in the controller's
process; a task without a vault file has `NoStore`, which knows nothing and keeps nothing.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from ._entry import Entry, StoredKey
from ._errors import IamError, KeyturnError, StoreError, UnknownOutcome
from ._iam import SDK_ERRORS, Iam, Key, User
from ._time import LEFTOVER_WAIT, LIST_LAG, LIST_SETTLES, NOTE_LEADS, to_iso
from ._want import Want

# STS must have answered for a new key this often in a row: new keys were seen to pass once and fail next.
ANSWERS_IN_A_ROW = 3
STS_PAUSE = 0.5


class Transaction(Protocol):
    """One user's entry while the store's lock is held."""

    entry: Entry

    def write(self, entry: Entry) -> None:
        """Puts the entry into the file, synced when it returns. Raises StoreError."""


class Store(Protocol):
    """Where secrets are kept."""

    path: str | None

    def locked(self, user_name: str, write: bool) -> AbstractContextManager[Transaction]:
        """The user's entry, freshly read; with `write` under the store's lock. Raises StoreError."""


@dataclass
class _Nothing:
    entry: Entry = field(default_factory=Entry)

    def write(self, entry: Entry) -> None:
        pass


class NoStore:
    """The store of a task without a vault file."""

    path: str | None = None

    @contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[Transaction]:
        yield _Nothing()


@dataclass
class Outcome:
    """What a task did or, in check mode, would do."""

    changed: bool = False
    access_key: dict[str, Any] | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    deleted_access_key_id: str | None = None
    stage: str | None = None
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


@dataclass
class _Task:
    iam: Iam
    store: Store
    want: Want
    check: bool
    done: Outcome = field(default_factory=Outcome)
    keys: list[Key] = field(default_factory=list)
    """The user's keys as far as this task has seen and changed them."""


def ensure(iam: Iam, store: Store, want: Want, check: bool) -> Outcome:
    """Brings about what the task wants; in check mode only reads and predicts. Raises KeyturnError."""
    task = _Task(iam, store, want, check)
    try:
        pending = _under_lock(task)
        if pending:
            _verify(task, pending)
    except KeyturnError as error:
        if not check:
            _tell_what_was_done(task.done, error)
        raise
    return task.done


def _tell_what_was_done(done: Outcome, error: KeyturnError) -> None:
    """A failed task may have deleted a key or made one before it failed."""
    if done.deleted_access_key_id:
        error.message = f"{error.message} (access key {done.deleted_access_key_id} was deleted before)"
    if done.changed or done.deleted_access_key_id:
        did = {name: getattr(done, name) for name in ("access_key", "deleted_access_key_id", "stage")}
        error.returns = {
            "changed": True,
            **{name: value for name, value in did.items() if value is not None},
            **error.returns,
        }


def _under_lock(task: _Task) -> str | None:
    """All that reads, decides and writes; returns the key that now waits for STS."""
    want = task.want
    with task.store.locked(want.user_name, write=not task.check) as stored:
        entry = stored.entry
        if (
            want.access_key_id == entry.next_id
            and want.state == "present"
            and want.active is None
            and want.access_key_id
            and not want.stage
        ):
            if not want.verify:
                return _keep_next(task, entry, None)
            if not task.check:
                return want.access_key_id  # STS answers whose key it is: IAM need not be asked
        try:
            keys = task.iam.keys(want.user_name)
        except IamError as error:
            if not error.missing:
                raise
            if want.state == "absent" and task.store.path is not None:
                return _forget(task, stored) if entry.key(want.access_key_id) else _unchanged(task, entry, None)
            raise KeyturnError(f"There is no IAM user {want.user_name}{_asked_as(task)}") from error
        task.done.before = _picture(keys, entry)
        if task.check:
            keys = _without_assumed(task, stored, keys)
        if want.state == "absent":
            pending = _absent(task, stored, keys)
        elif want.stage:
            pending = _put_in_force(task, stored, keys)
        elif want.access_key_id:
            pending = _present_key(task, stored, keys)
        else:
            pending = _present_any(task, stored, keys)
    return pending


def _without_assumed(task: _Task, stored: Transaction, keys: list[Key]) -> list[Key]:
    """The keys without those that an earlier task of this run would have deleted."""
    gone = task.want.assume_deleted
    for key in keys:
        if key.access_key_id in gone:
            stored.entry = stored.entry.without(key.access_key_id, key.create_date)
    return [key for key in keys if key.access_key_id not in gone]


def _asked_as(task: _Task) -> str:
    return f" (asked with access key {task.iam.signing_access_key_id}: is it the right account?)"


def _picture(keys: list[Key], entry: Entry) -> dict[str, str]:
    """A user's keys as the diff shows them: status and stage, no secret."""
    shown = {key.access_key_id: _shown(key.status, entry.stage(key.access_key_id)) for key in keys}
    return {**shown, "(held until)": to_iso(entry.hold_until)} if entry.hold_until else shown


def _shown(status: str, stage: str | None) -> str:
    return f"{status}, {stage}" if stage else status


def _find(keys: list[Key], access_key_id: str | None) -> Key | None:
    return next((key for key in keys if key.access_key_id == access_key_id), None)


def _changed(task: _Task, entry: Entry, keys: list[Key]) -> None:
    task.done.changed = True
    task.keys, task.done.after = keys, _picture(keys, entry)


def _unchanged(task: _Task, entry: Entry, key: Key | None) -> None:
    task.done.after = task.done.before
    if key:
        task.done.access_key, task.done.stage = key.public(), entry.stage(key.access_key_id)


# -- the right account ---------------------------------------------------------------------------------------------


def _owned(task: _Task, entry: Entry) -> Entry:
    """The entry with its owner, once IAM has shown that it is that very user's. Raises KeyturnError."""
    if task.store.path is None:
        return entry
    return _owned_by(task.iam.user(task.want.user_name), entry, task.store.path)


def _owned_by(user: User, entry: Entry, path: str | None) -> Entry:
    """The entry with its owner. Raises KeyturnError where it belongs to another account, or to an earlier user of that name."""
    if entry.account_id and entry.account_id != user.account_id:
        raise KeyturnError(
            f"The keys of user {user.user_name} in {path} belong to account {entry.account_id}, but these credentials are for "
            f"account {user.account_id}; use that account's credentials or another vault_file"
        )
    if entry.user_id and entry.user_id != user.user_id:
        raise KeyturnError(
            f"The keys of user {user.user_name} in {path} belong to user id {entry.user_id}, but IAM's user of that name is "
            f"{user.user_id}: deleted and made again; remove the old keys with state=absent, or rename their entry"
        )
    return entry.of(user.account_id, user.user_id)


# -- a key by its id -----------------------------------------------------------------------------------------------


def _present_key(task: _Task, stored: Transaction, keys: list[Key]) -> None:
    want, entry, iam = task.want, stored.entry, task.iam
    key = _find(keys, want.access_key_id)
    if want.active is None and want.access_key_id == entry.next_id:  # check mode only, see above
        _check_next(want, entry, str(want.access_key_id), keys, iam)
        owned = _owned(task, entry)
        return _predict_promotion(task, owned, key, keys)
    if key is None:
        raise KeyturnError(f"User {want.user_name} has no access key {want.access_key_id}")
    record = entry.key(key.access_key_id) or StoredKey()
    settled = want.active == key.active and not (key.active and record.deactivate_date)
    if (
        want.leaked and task.store.path is not None
    ):  # a list may lag behind a rollback, and a person may have been faster
        settled = settled and bool(record.deactivate_date and record.revoke_date) and not entry.hold_until
    hold_until = None if want.leaked else _hold(want, entry, iam.now, settled)
    if want.active is None or (settled and hold_until == entry.hold_until):
        return _unchanged(task, entry, key)
    entry = _owned(task, entry)
    if want.active:
        _check_not_revoked(task, entry, key.access_key_id)
    else:
        _check_not_held(task, entry, "switched off")
        _check_replacement(task, entry, keys)
        _check_idle(task, key.access_key_id, "switched off")
    _switch(task, stored, entry, key, keys, want.active, hold_until)
    return None


def _switch(
    task: _Task,
    stored: Transaction,
    entry: Entry,
    key: Key,
    keys: list[Key],
    active: bool,
    hold_until: datetime | None,
) -> Entry:
    """Switches the key on or off, and notes in the store that it was our hand, or that it no longer is."""
    after = replace(
        entry.deactivated(key.access_key_id, None if active else task.iam.now, bool(task.want.leaked)),
        hold_until=hold_until,
    )
    changed = replace(key, status="Active" if active else "Inactive")
    if not task.check:
        # The note of our own hand goes before a deactivation and after an activation: a crash between leaves an Active
        # key with a note, which the next run takes for what it is, never a key we switched off that looks like a person's.
        if not active:
            stored.write(after)
        if active != key.active or task.want.leaked:
            try:
                task.iam.set_status(key.user_name, key.access_key_id, active)
            except IamError as error:
                if not active and error.proves_nothing_done:
                    stored.write(entry)
                raise
        if active:
            stored.write(after)
    _changed(task, after, [changed if other is key else other for other in keys])
    task.done.access_key, task.done.stage = changed.public(), after.stage(key.access_key_id)
    return after


def _put_in_force(task: _Task, stored: Transaction, keys: list[Key]) -> str | None:
    """A stored key that a person wants as the current one (again): it is switched on here, and current once STS accepts it."""
    want, entry, now = task.want, stored.entry, task.iam.now
    record, key = entry.key(want.access_key_id), _find(keys, want.access_key_id)
    entry = _owned(task, entry)
    said = f"Access key {want.access_key_id} of user {want.user_name} cannot be made current"
    if not (record and record.secret_access_key):
        raise KeyturnError(f"{said}: {task.store.path} does not have its secret")
    if key is None:
        raise KeyturnError(f"{said}: IAM does not have it (any more); rotation_now gives the user a new key")
    _check_not_revoked(task, entry, key.access_key_id)
    if key.active and not record.deactivate_date and _current_by_word(want, entry, now) == entry:
        return _unchanged(task, entry, key)
    if not key.active or record.deactivate_date:
        keys = [replace(other, status="Active") if other is key else other for other in keys]
        entry = _switch(task, stored, entry, key, keys, True, entry.hold_until)
    task.done.changed = task.done.changed or task.check
    after = _current_by_word(want, entry, now) if task.check else entry
    task.keys, task.done.after = keys, _picture(keys, after)
    task.done.access_key, task.done.stage = replace(key, status="Active").public(), after.stage(key.access_key_id)
    return None if task.check else key.access_key_id


def _current_by_word(want: Want, entry: Entry, now: datetime) -> Entry:
    key_id = str(want.access_key_id)
    return entry.put_in_force(key_id, now, _hold(want, entry, now, key_id == entry.current_id))


def _hold(want: Want, entry: Entry, now: datetime, settled: bool) -> datetime | None:
    """Until when the user's keys are held: as it was where the task says nothing, or where all else is settled and they are held."""
    held = bool(entry.hold_until and entry.hold_until > now)
    if want.hold_days is None or (settled and held and want.hold_days):
        return entry.hold_until
    return now + timedelta(days=want.hold_days) if want.hold_days else None


def _check_not_revoked(task: _Task, entry: Entry, access_key_id: str) -> None:
    record = entry.key(access_key_id)
    if record and record.revoke_date and task.want.leaked is not False:
        raise KeyturnError(
            f"Access key {access_key_id} of user {task.want.user_name} is not switched on: it was revoked on {to_iso(record.revoke_date)}; "
            "leaked=false says that it is safe all the same"
        )


def _check_not_held(task: _Task, entry: Entry, what: str) -> None:
    """What a plan decided is not done against a rollback that came meanwhile; a person's own task has no `min_idle_days`."""
    want = task.want
    planned = want.min_idle_days is not None or want.replacement
    if planned and entry.hold_until and entry.hold_until > task.iam.now:
        raise _held(want, str(want.access_key_id), what, entry.hold_until)


def _held(want: Want, access_key_id: str, what: str, until: datetime) -> KeyturnError:
    return KeyturnError(
        f"Access key {access_key_id} of user {want.user_name} is not {what}: the user's keys are held as they are until {to_iso(until)}"
    )


def _check_replacement(task: _Task, entry: Entry, keys: list[Key]) -> None:
    """Promise 2, on what is there now: a person may have rolled back, or switched the new key off, since the plan was made."""
    want, iam = task.want, task.iam
    if not want.replacement:
        return
    current = entry.current_id if entry.current_id and _in_force(entry, keys, entry.current_id, iam) else None
    if not _in_force(entry, keys, want.replacement, iam) or (current and current != want.replacement):
        raise KeyturnError(
            f"Access key {want.access_key_id} of user {want.user_name} is not switched off: {want.replacement}, which replaced it, is no "
            "longer in force; look again and plan anew"
        )


def _in_force(entry: Entry, keys: list[Key], access_key_id: str, iam: Iam) -> bool:
    """Whether the key is Active, or so young that a list may leave it out; what was switched off just now, or revoked, is not, whatever a list says."""
    key, record = _find(keys, access_key_id), entry.key(access_key_id)
    if record and (record.revoke_date or (record.deactivate_date and iam.now - record.deactivate_date < NOTE_LEADS)):
        return False
    if key:
        return key.active
    return bool(record and record.secret_access_key and record.create_date and iam.now - record.create_date < LIST_LAG)


def _check_idle(task: _Task, access_key_id: str, what: str) -> None:
    """Promise 3: the last use is read just before the write. Raises KeyturnError, also where it cannot be read."""
    want = task.want
    if want.min_idle_days is None:
        return
    try:
        used = task.iam.last_used(access_key_id)
    except IamError as error:
        raise KeyturnError(
            f"Access key {access_key_id} of user {want.user_name} is not {what}: its last use is not known",
            error.exception,
        ) from error
    if used.date and (task.iam.now - used.date) < timedelta(days=want.min_idle_days):
        raise KeyturnError(
            f"Access key {access_key_id} of user {want.user_name} is not {what}: it was last used {used}, within the "
            f"{want.min_idle_days:g} days of min_idle_days; move its user to the new key first"
        )


# -- deleting ------------------------------------------------------------------------------------------------------


def _absent(task: _Task, stored: Transaction, keys: list[Key]) -> None:
    want, entry = task.want, stored.entry
    key = _find(keys, want.access_key_id)
    if key is None and entry.key(want.access_key_id) is None:
        return _unchanged(task, entry, None)
    if key is None:
        return _absent_unlisted(task, stored, keys)
    entry = _owned(task, entry)
    _check_not_held(task, entry, "deleted")
    _check_idle(task, key.access_key_id, "deleted")
    record = entry.key(key.access_key_id)
    if want.min_idle_days is not None and key.active and record:
        since = (
            "it had been switched off and is Active again; keep it with active=true, or switch it off once more"
            if record.deactivate_date
            else "it is Active, and the store has its secret; switch it off first, or leave min_idle_days out"
        )
        raise KeyturnError(f"Access key {key.access_key_id} of user {want.user_name} is not deleted: {since}")
    _delete(task, stored, entry, key)
    _changed(task, entry, [other for other in keys if other is not key])
    task.done.deleted_access_key_id = key.access_key_id
    return None


def _delete(task: _Task, stored: Transaction, entry: Entry, key: Key) -> Entry:
    """Deletes the key; then its secret may leave the store. A key that a repeated request no longer finds is deleted."""
    after = entry.without(key.access_key_id, key.create_date)
    if not task.check:
        try:
            task.iam.delete(key.user_name, key.access_key_id)
        except IamError as error:
            if not error.missing:
                raise
        if after != stored.entry:
            stored.write(after)
    return after


def _absent_unlisted(task: _Task, stored: Transaction, keys: list[Key]) -> None:
    """A stored key that the list lacks: deleted by an earlier run that died before it noted so, by a person, or renamed away.

    That the list lacks it proves nothing, so the key is deleted all the same and IAM's answer is the proof.
    """
    want, iam = task.want, task.iam
    key_id = str(want.access_key_id)
    _check_not_elsewhere(task)
    user = iam.user(want.user_name)
    if user.account_id == stored.entry.account_id and stored.entry.user_id and user.user_id != stored.entry.user_id:
        return _forget(task, stored)  # deleted and made again: the user that had this key is gone
    after = _owned_by(user, stored.entry, task.store.path).without(key_id)
    if not task.check:
        try:
            iam.delete(want.user_name, key_id)
        except IamError as error:
            if not error.missing:
                raise
        stored.write(after)
    _changed(task, after, keys)
    task.done.deleted_access_key_id = key_id


def _forget(task: _Task, stored: Transaction) -> None:
    """A person says that the key of a user whom IAM no longer has may leave the store."""
    key_id, account_id = str(task.want.access_key_id), stored.entry.account_id
    if account_id and task.iam.account_id != account_id:
        raise KeyturnError(
            f"The keys of user {task.want.user_name} in {task.store.path} belong to account {account_id}, but these credentials are for "
            f"account {task.iam.account_id}; use that account's credentials or another vault_file"
        )
    _check_not_elsewhere(task)
    after = stored.entry.without(key_id)
    if not task.check:
        stored.write(after)
    task.done.before = {key_id: _shown("gone", stored.entry.stage(key_id))}
    task.done.changed = True


def _check_not_elsewhere(task: _Task) -> None:
    """Refuses to drop the secret of a key that works on under another user name, or of another account's."""
    want = task.want
    try:
        used = task.iam.last_used(str(want.access_key_id))
    except IamError as error:
        # AWS denies, and others say NoSuchEntity, for a key that does not exist; any other failure tells nothing.
        if error.missing or error.denied:
            return
        raise
    if used.user_name and used.user_name != want.user_name:
        raise KeyturnError(
            f"Access key {want.access_key_id} is not removed: it belongs to user {used.user_name} now, so user {want.user_name} was "
            f"renamed; rename the entry in {task.store.path}"
        )
    if want.min_idle_days is not None:
        _check_idle(task, str(want.access_key_id), "deleted")


# -- any key that satisfies ----------------------------------------------------------------------------------------


def _present_any(task: _Task, stored: Transaction, keys: list[Key]) -> str | None:
    want, entry, iam = task.want, stored.entry, task.iam
    kept = task.store.path is not None
    fitting = [
        key
        for key in (_current(task, entry, keys) if kept else keys)
        if key.active and (want.max_age_days is None or iam.now - key.create_date < timedelta(days=want.max_age_days))
    ]
    if fitting:
        return _unchanged(task, entry, fitting[-1])
    held = entry.hold_until and entry.hold_until > iam.now and want.max_age_days != 0
    in_force = [key for key in _current(task, entry, keys) if key.active] if held else []
    if in_force:  # after a rollback the key is what a person wants, be it as old as it may
        return _unchanged(task, entry, in_force[-1])
    entry = _owned(task, entry)
    waiting = _waiting(entry, keys, iam)
    if waiting:
        if not want.verify:
            return _keep_next(task, entry, _find(keys, waiting))
        if task.check:
            return _predict_promotion(task, entry, _find(keys, waiting), keys)
        return waiting
    keys = _settled(task, entry, keys)
    entry, keys = _clear_leftover(task, stored, entry, keys)
    _check_replaced(want, keys)
    if kept and want.verify:
        iam.prepare_sts()  # a missing region or an unreachable profile is an error before a key is made
    quota = iam.quota() if keys else None
    if quota is not None and len(keys) >= quota:
        entry, keys = _make_room(task, stored, entry, keys, quota)
    if task.check:
        expected = {"user_name": want.user_name, "status": "Active" if want.active is not False else "Inactive"}
        _changed(task, entry, keys)
        task.done.access_key, task.done.stage = expected, ("current" if want.verify else "next") if kept else None
        task.done.after = {**task.done.after, "(a new access key)": _shown(expected["status"], task.done.stage)}
        if task.done.stage == "current":
            _superseded(task.done, entry.current_id)
        return None
    return _create(task, stored, entry, keys)


def _current(task: _Task, entry: Entry, keys: list[Key]) -> list[Key]:
    """The store's current key: as the list has it, or as the store does where it is so young that the list may leave it out."""
    key_id, record = entry.current_id, entry.current
    listed = _find(keys, key_id)
    if key_id is None or not record.secret_access_key:
        return []
    if listed and listed.active and not _in_force(entry, keys, key_id, task.iam):
        return [replace(listed, status="Inactive")]  # as of the store, which is ahead of the list
    if listed or record.create_date is None or not _in_force(entry, keys, key_id, task.iam):
        return [listed] if listed else []
    return [Key(key_id, task.want.user_name, "Inactive" if record.deactivate_date else "Active", record.create_date)]


def _waiting(entry: Entry, keys: list[Key], iam: Iam) -> str | None:
    """The stored `next` where it can still become current: Active, or too young for a list to be right that lacks it."""
    return entry.next_id if entry.next_id and _in_force(entry, keys, entry.next_id, iam) else None


def _check_replaced(want: Want, keys: list[Key]) -> None:
    replaced = _find(keys, want.replaces)
    if want.replaces and not (replaced and replaced.active):
        seen = f"is {replaced.status}" if replaced else "does not exist"
        raise KeyturnError(
            f"No access key is made for user {want.user_name}: {want.replaces}, which it was to replace, {seen}; "
            "somebody changed the user's keys meanwhile, so look again and plan anew"
        )


def _settled(task: _Task, entry: Entry, keys: list[Key]) -> list[Key]:
    """Lists lag by seconds: so soon after a request without an answer, IAM is asked once more before another key is made."""
    left = (entry.asked.date - task.iam.now + LIST_SETTLES).total_seconds() if entry.asked and not task.check else 0
    if left <= 0:
        return keys
    time.sleep(left)
    return task.iam.keys(task.want.user_name)


def _clear_leftover(task: _Task, stored: Transaction, entry: Entry, keys: list[Key]) -> tuple[Entry, list[Key]]:
    """Deletes what an interrupted CreateAccessKey left, once it has waited; until then the task waits. Raises KeyturnError."""
    iam, want, asked = task.iam, task.want, entry.asked
    if asked is None:
        return entry, keys
    found = [key for key in keys if asked.explains(key.access_key_id, key.create_date)]
    record = entry.key(found[0].access_key_id) if found else None
    if len(found) != 1 or (record and record.secret_access_key) or iam.last_used(found[0].access_key_id).date:
        return entry, keys  # a key that was used, or one of two such keys, is somebody's
    key, until = found[0], found[0].create_date + LEFTOVER_WAIT
    if iam.now < until:
        raise KeyturnError(_leftover_sentence(want.user_name, key.access_key_id, to_iso(until)))
    entry = _delete(task, stored, entry, key)
    task.done.deleted_access_key_id = key.access_key_id
    return entry, [other for other in keys if other is not key]


def _leftover_sentence(user_name: str, access_key_id: str, until: str) -> str:
    return (
        f"User {user_name} has access key {access_key_id}, which an interrupted run left: nobody holds its secret, so it does no harm; "
        f"the first run after {until} removes it, or remove it now with state=absent and access_key_id={access_key_id}"
    )


def _make_room(task: _Task, stored: Transaction, entry: Entry, keys: list[Key], quota: int) -> tuple[Entry, list[Key]]:
    """Deletes the one key that at_limit allows. Raises KeyturnError where it allows none."""
    want = task.want
    having = f"User {want.user_name} has {len(keys)} access keys and the quota is {quota}"
    ids = ", ".join(f"{key.access_key_id} ({key.status})" for key in keys)
    if want.at_limit == "fail":
        raise KeyturnError(f"{having}, so no other can be made: {ids}; delete one, or set at_limit")
    if len(keys) > quota:
        raise KeyturnError(
            f"{having}, so deleting one makes no room for another: {ids}; delete {len(keys) - quota + 1} with state=absent"
        )
    spared = {entry.current_id, entry.next_id, want.replaces}
    allowed = [
        key for key in keys if key.access_key_id not in spared and (want.at_limit == "delete_oldest" or not key.active)
    ]
    if not allowed:
        which = "is Inactive" if want.at_limit == "delete_inactive" else "may be deleted"
        raise KeyturnError(
            f"{having}, and none {which} (the stored current and next key and the one to be replaced stay): {ids}"
        )
    victim = allowed[0]
    _check_idle(task, victim.access_key_id, "deleted")
    entry = _delete(task, stored, entry, victim)
    task.done.deleted_access_key_id, task.done.changed = victim.access_key_id, True
    return entry, [key for key in keys if key is not victim]


# -- making a key --------------------------------------------------------------------------------------------------


def _create(task: _Task, stored: Transaction, entry: Entry, keys: list[Key]) -> str | None:
    """Makes a key and keeps its secret before anything else can happen; returns its id where it waits for STS."""
    want, iam = task.want, task.iam
    asked = entry.ask(iam.now, tuple(key.access_key_id for key in keys))
    stored.write(asked)
    with _undisturbed():
        try:
            key, secret = iam.create(want.user_name)
        except UnknownOutcome as error:
            raise _outcome_unknown(task, asked, error) from error
        except IamError as error:
            stored.write(entry)
            if error.over_quota and want.at_limit != "fail" and not task.done.deleted_access_key_id:
                # the quota could not be read, and AWS's answer tells it: what the user has is all there may be
                entry, keys = _make_room(task, stored, entry, keys, len(keys))
                return _create(task, stored, entry, keys)
            raise _not_made(task, keys, error) from error
        try:
            after = asked.stage_next(key.access_key_id, secret, key.create_date)
            stored.write(after)
        except BaseException as error:
            raise _not_kept(task, stored, entry, key, error) from error
    task.done.access_key, task.done.stage = key.public(), after.stage(key.access_key_id) if task.store.path else None
    _changed(task, after if task.store.path else entry, [*keys, key])
    if task.store.path:
        return key.access_key_id if want.verify else None
    task.done.secret_access_key = secret
    if want.active is False:
        _switch_off_new(task, key, keys)
    return None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds signals back (Ctrl-C, SIGTERM, the task keyword `timeout`) from the request to the synced file."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _outcome_unknown(task: _Task, asked: Entry, error: UnknownOutcome) -> KeyturnError:
    """One more look at the list, for the sentence that a person needs now. The store keeps what was asked."""
    want = task.want
    try:
        new = [
            key
            for key in task.iam.keys(want.user_name)
            if asked.asked and asked.asked.explains(key.access_key_id, key.create_date)
        ]
    except KeyturnError:
        new = []
    said = f"No answer came to the request for a new access key of user {want.user_name}, and it is never sent twice"
    if not new:
        return KeyturnError(
            f"{said}; no new key shows in IAM's list yet: run again later, which makes one or names what was left",
            error.exception,
        )
    names = ", ".join(key.access_key_id for key in new)
    if task.store.path is None:
        return KeyturnError(
            f"{said}; IAM's list shows {names}, which it may have made: nobody holds the secret, so it does no harm; if it is not "
            "somebody else's, remove it with state=absent and access_key_id, then run again",
            error.exception,
        )
    left = _leftover_sentence(want.user_name, new[0].access_key_id, to_iso(new[0].create_date + LEFTOVER_WAIT))
    return KeyturnError(f"{said}. {left}", error.exception)


def _not_made(task: _Task, keys: list[Key], error: IamError) -> KeyturnError:
    if error.over_quota:
        ids = ", ".join(f"{key.access_key_id} ({key.status})" for key in keys)
        return KeyturnError(
            f"User {task.want.user_name} has as many access keys as the account allows, so no other can be made: {ids}; delete one, or set at_limit",
            error.exception,
        )
    return error


def _not_kept(task: _Task, stored: Transaction, before: Entry, key: Key, error: BaseException) -> KeyturnError:
    """The secret could not be stored. The key's id is known from the answer, so it is deleted again at once."""
    why = error.message if isinstance(error, StoreError) else type(error).__name__
    said = f"The new access key {key.access_key_id} of user {key.user_name} could not be stored ({why})"
    try:
        task.iam.delete(key.user_name, key.access_key_id)
    except IamError as failed:
        if not failed.missing:
            return StoreError(
                f"{said} and could not be deleted again: nobody holds its secret; delete it with state=absent and "
                f"access_key_id={key.access_key_id}, once the store can be written",
                failed.exception,
            )
    with suppress(StoreError):  # the failed write may have reached the file all the same
        stored.write(before)
    return StoreError(
        f"{said}, so it was deleted again; nothing else was changed: make the file writable and run again"
    )


def _switch_off_new(task: _Task, key: Key, keys: list[Key]) -> None:
    inactive = replace(key, status="Inactive")
    try:
        task.iam.set_status(key.user_name, key.access_key_id, False)
    except IamError as error:
        raise KeyturnError(
            f"Access key {key.access_key_id} of user {key.user_name} was made and returned, but it is still Active: switching it off failed",
            error.exception,
            returns={"changed": True, "access_key": key.public(), "secret_access_key": task.done.secret_access_key},
        ) from error
    task.done.access_key = inactive.public()
    task.done.after = _picture([*keys, inactive], Entry())


# -- from next to current ------------------------------------------------------------------------------------------


def _keep_next(task: _Task, entry: Entry, key: Key | None) -> None:
    """A stored `next` that the task leaves as it is."""
    record, want = entry.key(entry.next_id), task.want
    if key:
        return _unchanged(task, entry, key)
    task.done.access_key = {"access_key_id": entry.next_id, "user_name": want.user_name}
    if record and record.create_date:
        task.done.access_key["create_date"] = to_iso(record.create_date)
    task.done.stage = "next"
    return None


def _check_next(want: Want, entry: Entry, access_key_id: str, keys: list[Key], iam: Iam) -> None:
    """Raises KeyturnError where the key, which waits in the store, can no longer become current."""
    if _in_force(entry, keys, access_key_id, iam):
        return
    key = _find(keys, access_key_id)
    seen = f"is {key.status}" if key else "does not exist in IAM (any more)"
    raise KeyturnError(
        f"Access key {access_key_id} of user {want.user_name}, which waits in the store to become current, {seen}; "
        "switch it on, or remove it with state=absent, then run again"
    )


def _predict_promotion(task: _Task, entry: Entry, key: Key | None, keys: list[Key]) -> None:
    key_id = str(entry.next_id)
    _changed(task, entry.promote(key_id, task.iam.now), keys)
    task.done.access_key = key.public() if key else {"access_key_id": key_id, "user_name": task.want.user_name}
    task.done.stage = "current"


def _verify(task: _Task, access_key_id: str) -> None:
    """Waits, without the lock, until STS accepts the key; then makes it current under the lock."""
    want, iam = task.want, task.iam
    with task.store.locked(want.user_name, write=False) as stored:
        asked_with = stored.entry
    if asked_with.current_id != access_key_id or want.stage:  # else another run was faster
        asked_with = _owned_for_sts(task, asked_with)
        _await_sts(task, asked_with, access_key_id)
    with task.store.locked(want.user_name, write=True) as stored:
        before = stored.entry
        entry, record, then = (
            before.of(asked_with.account_id, asked_with.user_id),
            before.key(access_key_id),
            asked_with.key(access_key_id),
        )
        if record is None:
            raise KeyturnError(
                f"Access key {access_key_id} of user {want.user_name} left the store while STS was asked: run again"
            )
        if record.deactivate_date and not (then and then.deactivate_date == record.deactivate_date):
            raise KeyturnError(
                f"Access key {access_key_id} of user {want.user_name} was switched off while STS was asked: run again"
            )
        if want.stage:
            after = _current_by_word(want, entry, iam.now)
        elif access_key_id not in (entry.current_id, entry.next_id):
            raise KeyturnError(
                f"Access key {access_key_id} of user {want.user_name} is no longer the newest in the store: run again"
            )
        elif entry.hold_until and entry.hold_until > iam.now and entry.hold_until != asked_with.hold_until:
            raise _held(
                want, access_key_id, "made current", entry.hold_until
            )  # a person rolled back while STS was asked
        else:
            after = entry.promote(access_key_id, iam.now)
        if after != entry:
            stored.write(after)
            task.done.changed = True
    _after_promotion(task, before, after, access_key_id)


def _after_promotion(task: _Task, before: Entry, after: Entry, access_key_id: str) -> None:
    record, done = after.key(access_key_id), task.done
    done.stage = "current"
    if (
        done.access_key is None
    ):  # a key of an earlier run: IAM was not asked, so the store's stages are what there is to show
        done.access_key = {"access_key_id": access_key_id, "user_name": task.want.user_name, "status": "Active"}
        if record and record.create_date:
            done.access_key["create_date"] = to_iso(record.create_date)
        done.before = {key_id: before.stage(key_id) or "stored" for key_id in before.key_ids}
        done.after = {key_id: after.stage(key_id) or "stored" for key_id in after.key_ids}
        return
    done.after = _picture(task.keys, after)


def _superseded(done: Outcome, access_key_id: str | None) -> None:
    if access_key_id and access_key_id in done.after:
        done.after[access_key_id] = done.after[access_key_id].replace(", current", ", previous")


def _owned_for_sts(task: _Task, entry: Entry) -> Entry:
    """STS answers with account and name; only an entry that a person wrote needs IAM's word for whose it is."""
    if entry.account_id:
        return entry
    user = task.iam.user(task.want.user_name)
    return entry.of(user.account_id, user.user_id)


def _await_sts(task: _Task, entry: Entry, access_key_id: str) -> None:
    """Returns when STS answered three times in a row for the user's own key. Raises KeyturnError when it gives up."""
    want, iam, sts = task.want, task.iam, task.iam.sts
    record = entry.key(access_key_id)
    if record is None or not record.secret_access_key:
        raise KeyturnError(
            f"Access key {access_key_id} of user {want.user_name} left the store while its turn came: run again"
        )
    deadline: float | None = None
    answers, looked, last = 0, False, None
    if iam.knows_time:
        time.sleep(max(_too_early(want, record, iam), 0))
    while answers < ANSWERS_IN_A_ROW:
        try:
            answer = sts.identity(access_key_id, record.secret_access_key)
        except SDK_ERRORS as error:
            answers, last = 0, error
            iam.noticed(getattr(error, "response", None) or {})  # a lost connection has none
        else:
            iam.noticed(answer)
            _check_identity(want.user_name, entry, access_key_id, answer)
            answers += 1
        wait = _too_early(want, record, iam)
        if deadline is None:
            deadline = time.monotonic() + max(wait, 0) + want.verify_timeout
        if wait > 0:
            answers = 0  # too early to count
            time.sleep(wait)
        elif answers == 0:
            if not looked and not want.stage:  # of a key that was just switched on the list may still say Inactive
                looked = True
                _check_next(want, entry, access_key_id, _listed(task), iam)
            if time.monotonic() >= deadline:
                then = (
                    "it is switched on, but not current: run again"
                    if want.stage
                    else "it stays in the store as next and the next run goes on with it"
                )
                raise KeyturnError(
                    f"STS did not accept access key {access_key_id} of user {want.user_name} within {want.verify_timeout:g} seconds; {then}",
                    last,
                )
            time.sleep(STS_PAUSE)


def _too_early(want: Want, record: StoredKey, iam: Iam) -> float:
    """Seconds until an answer counts: verify_delay after the key was made, by AWS's clock."""
    return (
        want.verify_delay - (iam.now - record.create_date).total_seconds()
        if record.create_date and want.verify_delay
        else 0
    )


def _listed(task: _Task) -> list[Key]:
    try:
        return task.iam.keys(task.want.user_name)
    except IamError as error:
        if error.missing:
            raise KeyturnError(f"There is no IAM user {task.want.user_name}{_asked_as(task)}") from error
        raise


def _check_identity(user_name: str, entry: Entry, access_key_id: str, answer: Mapping[str, Any]) -> None:
    account_id, name = answer["Account"], answer["Arn"].rsplit("/", 1)[-1]
    if (account_id, name) != (entry.account_id, user_name):
        raise KeyturnError(
            f"Access key {access_key_id}, stored for user {user_name} of account {entry.account_id}, belongs to user {name} of "
            f"account {account_id}; rename the entry, or remove the key from it"
        )
