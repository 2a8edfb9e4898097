# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the access key that a task describes comes about.

`ensure_steps` goes one way for every wish: under the store's lock it reads the entry and the user's keys afresh,
decides, and writes; what has to wait for STS waits without the lock. It hands its waiting out: `ensure` sleeps, a batch
goes on with other wishes meanwhile. The same code runs as a module and in the controller's process; a task without a
vault file has `NoStore`, which knows nothing and keeps nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .._entry import Entry
from .._errors import IamError, KeyturnError
from .._iam import Iam
from .._seen import Seen
from .._want import Want
from . import adopt, guards, make, promote, remove, revoke, switch
from .work import Outcome, Store, Transaction, Work


def ensure(iam: Iam, store: Store, want: Want, check: bool) -> Outcome:
    """Brings about what the task wants; in check mode only reads and predicts. Raises KeyturnError."""
    work = Work(iam, store, want, check)
    for seconds in ensure_steps(work):
        time.sleep(seconds)
    return work.done


def ensure_steps(work: Work) -> Iterator[float]:
    """The same in steps: gives the seconds for which there is nothing to do. Raises KeyturnError."""
    try:
        if work.want.leaked:
            revoke.revoke(work)
        elif waits := _under_lock(work):
            finish = adopt.finish if work.want.secret_access_key else promote.verify
            yield from finish(work, waits)
    except KeyturnError as error:
        if not work.check:
            _tell_what_was_done(work.done, error)
        raise


def _tell_what_was_done(done: Outcome, error: KeyturnError) -> None:
    """A failed task may have deleted a key or made one before it failed."""
    if done.deleted_access_key_id:
        error.message = f"{error.message} (access key {done.deleted_access_key_id} was deleted before)"
    if done.changed or done.deleted_access_key_id:
        did = {name: getattr(done, name) for name in ("access_key", "deleted_access_key_id", "stage")}
        known = {name: value for name, value in did.items() if value is not None}
        error.returns = {"changed": True, **known, **error.returns}


def _under_lock(work: Work) -> str | None:
    """All that reads, decides and writes; returns the key that now waits for STS."""
    want = work.want
    with work.store.locked(want.user_name, write=not work.check) as stored:
        if _names_next(want, stored.entry):
            if not want.verify:
                promote.leave_next(work, stored.entry, None)
                return None
            if not work.check:
                return want.access_key_id  # STS answers whose key it is: IAM need not be asked
        seen = _look(work, stored.entry)
        if seen is None:
            remove.from_a_store_without_its_user(work, stored)
            return None
        work.done.before = seen.picture()
        if want.state == "present":
            stored.refuse_lost([key.access_key_id for key in seen.keys])
        if work.check:
            seen = seen.without(key_id for key_id in want.assume_deleted if seen.listed(key_id))
        return _bring_about(work, stored, seen)


def _names_next(want: Want, entry: Entry) -> bool:
    """Whether the task names the stored next, to be verified and made current."""
    return want.may_name_next and want.access_key_id == entry.next_id


def _look(work: Work, entry: Entry) -> Seen | None:
    """The user's keys, or None for a user whom IAM does not have where that is no error."""
    want = work.want
    try:
        keys = work.iam.keys(want.user_name)
    except IamError as error:
        if not error.missing:
            raise
        if want.state == "absent" and work.keeps:
            return None
        raise guards.no_such_user_error(work) from error
    return Seen(want.user_name, tuple(keys), entry, work.iam.now)


def _bring_about(work: Work, stored: Transaction, seen: Seen) -> str | None:
    want = work.want
    if want.state == "absent":
        remove.absent(work, stored, seen)
        return None
    if want.stage:
        return promote.put_in_force(work, stored, seen)
    if want.secret_access_key:
        return adopt.begin(work, stored, seen)
    if want.carried is not None:
        adopt.note_carried(work, stored, seen)
        return None
    if not want.access_key_id:
        return make.any_that_satisfies(work, stored, seen)
    if _names_next(want, seen.entry):  # check mode: what STS would answer is not known, all else is looked at
        promote.predict_named_next(work, seen)
    else:
        switch.named_key(work, stored, seen)
    return None
