# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a key that exists is switched on and off, and for how long a person's word keeps every plan away."""

from __future__ import annotations

from datetime import datetime, timedelta

from .._answers import Key
from .._errors import IamError, KeyturnError
from .._seen import Seen
from .._want import Want
from . import guards
from .work import Transaction, Work


def named_key(work: Work, stored: Transaction, seen: Seen) -> None:
    """The named key is to be there and, where the task says so, Active or Inactive."""
    want = work.want
    key = seen.listed(want.access_key_id)
    if key is None:
        raise KeyturnError(f"User {want.user_name} has no access key {want.access_key_id}")
    settled = _is_settled(work, seen, key)
    hold_until = None if want.leaked else hold(want, seen, work.iam.now, settled)
    if want.active is None or (settled and hold_until == seen.entry.hold_until):
        work.nothing_to_do(seen, key)
        return
    seen = guards.owned(work, seen)
    if want.active:
        guards.refuse_revoked(work, seen, key.access_key_id)
    else:
        guards.refuse_held(work, seen, "switched off")
        guards.refuse_replacement_not_in_force(work, seen)
        guards.refuse_in_use(work, key.access_key_id, "switched off")
    switch(work, stored, seen, key, want.active, hold_until)


def _is_settled(work: Work, seen: Seen, key: Key) -> bool:
    """Whether the key is as the task wants it, and the store has the note that goes with that."""
    want, record = work.want, seen.record(key.access_key_id)
    as_wanted = want.active == key.active and not (key.active and record.deactivate_date)
    if not (want.leaked and work.keeps):
        return as_wanted
    # A list may lag behind a rollback, and a person may have been faster.
    noted = record.deactivate_date is not None and record.revoke_date is not None
    return as_wanted and noted and not seen.entry.hold_until


def hold(want: Want, seen: Seen, now: datetime, settled: bool) -> datetime | None:
    """Until when the user is held: as it was where the task says nothing, or where all else is settled and the user is held."""
    until = seen.entry.hold_until
    if want.hold_days is None or (settled and seen.held and want.hold_days):
        return until
    return now + timedelta(days=want.hold_days) if want.hold_days else None


def switch(work: Work, stored: Transaction, seen: Seen, key: Key, active: bool, hold_until: datetime | None) -> Seen:
    """Switches the key on or off, and notes in the store that it was our hand, or that it no longer is."""
    key_id, leaked = key.access_key_id, bool(work.want.leaked)
    after = seen.at(work.iam.now).switched(key_id, active, leaked).held_until(hold_until)
    if not work.check:
        must_be_sent = active != key.active or leaked
        if active:
            _switch_on(work, stored, after, key_id, must_be_sent)
        else:
            _switch_off(work, stored, seen, after, key_id, must_be_sent)
    work.changed_key(after, key_id)
    return after


# The note of our own hand goes before a deactivation and after an activation: a crash between leaves an Active key with
# a note, which the next run takes for what it is, never a key we switched off that looks like a person's.


def _switch_on(work: Work, stored: Transaction, after: Seen, key_id: str, must_be_sent: bool) -> None:
    if must_be_sent:
        work.iam.set_status(after.user_name, key_id, True)
    stored.write(after.entry)


def _switch_off(work: Work, stored: Transaction, before: Seen, after: Seen, key_id: str, must_be_sent: bool) -> None:
    stored.write(after.entry)
    if not must_be_sent:
        return
    try:
        work.iam.set_status(after.user_name, key_id, False)
    except IamError as error:
        if error.proves_nothing_done:
            stored.write(before.entry)
        raise
