# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's access keys as IAM lists them, beside what the store knows of them: which of the two is to be believed.

IAM's lists lag behind what was done, and the store knows only what we did. What follows from the two together stands
here once, for the task that acts and for the plan that decides. Every change returns another `Seen`: check mode
predicts with the call that a run makes, and a diff is two pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ._answers import Key
from ._entry import Entry, StoredKey
from ._time import LIST_LAG, NOTE_LEADS, to_iso

# How a key that check mode predicts is called, in place of the id that it does not have yet.
NEW_KEY = "a new key"


@dataclass(frozen=True)
class Seen:
    """One user at one time, by AWS's clock. `keys` are IAM's, the oldest first; `entry` is empty without a store."""

    user_name: str
    keys: tuple[Key, ...]
    entry: Entry
    now: datetime

    # -- what is so ----------------------------------------------------------------------------------------------

    def listed(self, access_key_id: str | None) -> Key | None:
        """The key as IAM lists it."""
        return next((key for key in self.keys if key.access_key_id == access_key_id), None)

    def record(self, access_key_id: str | None) -> StoredKey:
        """What the store knows of the key; an empty record where that is nothing."""
        return self.entry.key(access_key_id) or StoredKey()

    @property
    def held(self) -> bool:
        """Whether a person's word keeps every plan away from the user."""
        return bool(self.entry.hold_until and self.entry.hold_until > self.now)

    def too_young_for_a_list(self, access_key_id: str) -> bool:
        """Whether a list that lacks the key proves nothing: we stored it so shortly ago."""
        record = self.record(access_key_id)
        young = record.create_date is not None and self.now - record.create_date < LIST_LAG
        return record.has_secret and young

    def off_by_note(self, access_key_id: str) -> bool:
        """Whether the store is ahead of a list that calls the key Active: revoked, or switched off by us just now."""
        record = self.record(access_key_id)
        just_now = record.deactivate_date is not None and self.now - record.deactivate_date < NOTE_LEADS
        return bool(record.revoke_date) or just_now

    def in_force(self, access_key_id: str) -> bool:
        """Whether the key works: Active, or too young for the list that lacks it.

        Never where the store knows better.
        """
        if self.off_by_note(access_key_id):
            return False
        key = self.listed(access_key_id)
        return key.active if key else self.too_young_for_a_list(access_key_id)

    @property
    def current(self) -> Key | None:
        """The store's current key, as IAM lists it, or as the store has it where that is ahead; None without one."""
        key_id, record = self.entry.current_id, self.entry.current
        if key_id is None or not record.has_secret:
            return None
        listed = self.listed(key_id)
        if listed:
            return replace(listed, status="Inactive") if listed.active and self.off_by_note(key_id) else listed
        if record.create_date is None or not self.in_force(key_id):
            return None
        status = "Inactive" if record.deactivate_date else "Active"
        return Key(key_id, self.user_name, status, record.create_date)

    @property
    def waiting(self) -> str | None:
        """The id of the stored `next` where it can still become current."""
        key_id = self.entry.next_id
        return key_id if key_id and self.in_force(key_id) else None

    @property
    def explained(self) -> tuple[Key, ...]:
        """The keys that a request whose answer never came may have made."""
        asked = self.entry.asked
        return tuple(key for key in self.keys if asked and asked.explains(key.access_key_id, key.create_date))

    @property
    def asked_in_vain(self) -> datetime | None:
        """Until when a request for a key may still turn out to have made one: no list shows it, and lists lag by an
        hour.
        """
        asked = self.entry.asked
        until = asked.date + LIST_LAG if asked else None
        return until if until and until > self.now and not self._has_shown else None

    @property
    def _has_shown(self) -> bool:
        """Whether the key that was asked for is there, in a list or in the store."""
        return bool(self.explained) or self._is_kept

    @property
    def _is_kept(self) -> bool:
        """Whether the store has the key that was asked for."""
        asked = self.entry.asked
        return any(asked and asked.explains(key_id, self.record(key_id).create_date) for key_id in self.entry.key_ids)

    @property
    def leftover(self) -> Key | None:
        """The key that such a request has made, as far as lists tell: the only one, and the store has none of that
        request.

        Whether it was ever used is for whoever asks: a key that was used is somebody's.
        """
        explained = self.explained
        alone = len(explained) == 1 and not self._is_kept and not self.record(explained[0].access_key_id).has_secret
        return explained[0] if alone else None

    def picture(self) -> dict[str, str]:
        """The user's keys as a diff shows them: status and stage, no secret."""
        shown = {key.access_key_id: in_words(key.status, self.entry.stage(key.access_key_id)) for key in self.keys}
        return {**shown, "held until": to_iso(self.entry.hold_until)} if self.entry.hold_until else shown

    # -- what becomes of it --------------------------------------------------------------------------------------

    def with_entry(self, entry: Entry) -> Seen:
        return replace(self, entry=entry)

    def with_keys(self, keys: tuple[Key, ...]) -> Seen:
        """IAM was asked for them once more."""
        return replace(self, keys=keys)

    def at(self, now: datetime) -> Seen:
        """The same a little later: requests take their time."""
        return replace(self, now=now)

    def held_until(self, moment: datetime | None) -> Seen:
        """Until when no plan may touch the user; None ends that."""
        return self.with_entry(replace(self.entry, hold_until=moment))

    def without(self, access_key_ids: Iterable[str]) -> Seen:
        """The keys were deleted."""
        after = self
        for key_id in access_key_ids:
            key = after.listed(key_id)
            entry = after.entry.without(key_id, key.create_date if key else None)
            after = replace(after, keys=tuple(other for other in after.keys if other is not key), entry=entry)
        return after

    def switched(self, access_key_id: str, active: bool) -> Seen:
        """The key was switched on or off: off by our hand is noted, on takes that note back."""
        entry = self.entry.activated(access_key_id) if active else self.entry.deactivated(access_key_id, self.now)
        return self._with_status(access_key_id, active).with_entry(entry)

    def revoked(self, access_key_id: str) -> Seen:
        """The key was switched off for good."""
        return self._with_status(access_key_id, False).with_entry(self.entry.revoked(access_key_id, self.now))

    def _with_status(self, access_key_id: str, active: bool) -> Seen:
        status = "Active" if active else "Inactive"
        keys = (replace(key, status=status) if key.access_key_id == access_key_id else key for key in self.keys)
        return replace(self, keys=tuple(keys))

    def asked(self) -> Seen:
        """A request for a new key is about to be sent."""
        return self.with_entry(self.entry.ask(self.now, tuple(key.access_key_id for key in self.keys)))

    def with_key(self, key: Key) -> Seen:
        """A key was made, and its secret is kept nowhere."""
        return replace(self, keys=(*self.keys, key))

    def with_next(self, key: Key, secret_access_key: str | None) -> Seen:
        """A key was made, and waits in the store as next; None in place of its secret is a prediction."""
        entry = self.entry.stage_next(key.access_key_id, secret_access_key, key.create_date)
        return self.with_key(key).with_entry(entry)

    def promoted(self, access_key_id: str) -> Seen:
        """STS accepted the key, and it became current."""
        return self.with_entry(self.entry.promote(access_key_id, self.now))

    def adopted(self, key: Key, secret_access_key: str) -> Seen:
        """STS accepted a key that a person made, and it is stored and current."""
        return self.with_entry(self.entry.adopt(key.access_key_id, secret_access_key, key.create_date, self.now))

    def carried(self, done: bool) -> Seen:
        """The current key has been carried to where it is used, or is to be carried again."""
        return self.with_entry(self.entry.carried(self.now if done else None))

    def put_in_force(self, access_key_id: str, hold_until: datetime | None) -> Seen:
        """A person's word made the key current, and until `hold_until` no plan touches the user."""
        return self.with_entry(self.entry.put_in_force(access_key_id, self.now, hold_until))


def in_words(status: str, stage: str | None) -> str:
    """A key's status and stage as a diff shows them."""
    return f"{status}, {stage}" if stage else status


def as_lines(picture: Mapping[str, str]) -> str:
    """A picture as a diff has it, a line for each key: Ansible shows how two texts differ, and two mappings as JSON."""
    return "".join(f"{what}  {state}\n" for what, state in picture.items())
