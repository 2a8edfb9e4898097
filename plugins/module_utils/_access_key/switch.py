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
    noted = seen.record(key.access_key_id).deactivate_date is not None
    settled = want.active == key.active and not (key.active and noted)
    hold_until = hold(want, seen, work.iam.now, settled)
    if want.active is None or (settled and hold_until == seen.entry.hold_until):
        work.nothing_to_do(seen, key)
        return
    seen = guards.owned(work, seen)
    if want.active:
        guards.refuse_revoked(work, seen, key.access_key_id)
        guards.refuse_off_by_another_hand(work, seen, key)
        switch_on(work, stored, seen, key, hold_until)
        return
    guards.refuse_held(work, seen, "switched off")
    guards.refuse_replacement_not_in_force(work, seen)
    guards.refuse_in_use(work, key.access_key_id, "switched off")
    switch_off(work, stored, seen, key)


def hold(want: Want, seen: Seen, now: datetime, settled: bool) -> datetime | None:
    """Until when the user is held: as it was where the task says nothing, or where all else is settled and the user is
    held.
    """
    until = seen.entry.hold_until
    if want.hold_days is None or (settled and seen.held and want.hold_days):
        return until
    return now + timedelta(days=want.hold_days) if want.hold_days else None


# The note of our own hand goes before a deactivation and after an activation: a crash between leaves an Active key with
# a note, which the next run takes for what it is, never a key we switched off that looks like a person's.


def switch_on(work: Work, stored: Transaction, seen: Seen, key: Key, hold_until: datetime | None) -> Seen:
    """Switches the key on.

    A hold is written first: what was planned before then leaves the user alone, whatever comes between.
    """
    key_id = key.access_key_id
    held = hold_first(work, stored, seen.at(work.iam.now), key_id, hold_until)
    after = held.switched(key_id, True)
    if not work.check and not key.active:
        work.iam.set_status(seen.user_name, key_id, True)
        work.changed_key(after, key_id)  # told even where the store cannot be written now
    if not work.check and after.entry != stored.entry:
        stored.write(after.entry)
    work.changed_key(after, key_id)
    return after


def hold_first(work: Work, stored: Transaction, seen: Seen, access_key_id: str, hold_until: datetime | None) -> Seen:
    """Holds the user, in a write of its own, before anything is done to the key."""
    held = seen.held_until(hold_until)
    if hold_until and held.entry != seen.entry and not work.check:
        stored.write(held.entry)
        work.changed_key(held, access_key_id)
    return held


def switch_off(work: Work, stored: Transaction, seen: Seen, key: Key) -> None:
    after = seen.at(work.iam.now).switched(key.access_key_id, False)
    if not work.check:
        stored.write(after.entry)
        if key.active:
            _send_off(work, stored, seen, key)
    work.changed_key(after, key.access_key_id)


def _send_off(work: Work, stored: Transaction, before: Seen, key: Key) -> None:
    try:
        work.iam.set_status(before.user_name, key.access_key_id, False)
    except IamError as error:
        work.done.changed = work.keeps  # the note is in the store
        if error.proves_nothing_done:
            stored.write(before.entry)
            work.done.changed = False
        raise
