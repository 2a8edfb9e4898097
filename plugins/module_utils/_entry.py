# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the store knows of one user, and the few ways in which that may change.

Every change is a pure step from one entry to the next. A key leaves an entry in `without` only, which is
called after the key was deleted (or a person said so); no step overwrites a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ._time import ASKED_WINDOW, from_iso, to_iso

_IDS = ("account_id", "user_id", "access_key_id")
_DATES = ("create_date", "promote_date", "carry_date", "deactivate_date", "revoke_date")


def _date(fields: Mapping[str, Any], name: str) -> datetime | None:
    """A date of the file. Raises ValueError without what the file says: a person may have put a secret there."""
    try:
        return from_iso(fields[name]) if fields.get(name) else None
    except (ValueError, OverflowError):
        raise ValueError(f"has a value of {name} that is not an ISO 8601 date") from None


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, (dict, list)):
        raise ValueError(f"has a value of {name} that is not text")
    return value or None


def _without_secret(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What `public` shows, as the file would have it but for the secret.

    Raises ValueError for what is not a mapping.
    """
    if not isinstance(shown, Mapping):
        raise ValueError("has other_keys that are not a mapping of mappings")
    return {name: value for name, value in shown.items() if name not in ("stored", "secret_access_key")}


@dataclass(frozen=True)
class StoredKey:
    """What the store holds of one key; without a secret it is a key made by hand that we switched off."""

    secret_access_key: str | None = field(default=None, repr=False)
    create_date: datetime | None = None
    promote_date: datetime | None = None
    deactivate_date: datetime | None = None
    revoke_date: datetime | None = None
    carry_date: datetime | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    secret_withheld: bool = field(default=False, repr=False)
    """There is a secret, and it is not shown here: in what info returned, in what check mode predicts."""

    @property
    def has_secret(self) -> bool:
        return self.secret_withheld or bool(self.secret_access_key)

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> StoredKey:
        known = ("secret_access_key", *_DATES)
        return cls(
            _text(fields, "secret_access_key"),
            create_date=_date(fields, "create_date"),
            promote_date=_date(fields, "promote_date"),
            carry_date=_date(fields, "carry_date"),
            deactivate_date=_date(fields, "deactivate_date"),
            revoke_date=_date(fields, "revoke_date"),
            extra={name: value for name, value in fields.items() if name not in known},
        )

    def to_mapping(self) -> dict[str, Any]:
        """The key as the file has it. Raises ValueError where that would lose the secret."""
        if self.secret_withheld:
            raise ValueError("has a key whose secret is not known here")
        fields: dict[str, Any] = {"secret_access_key": self.secret_access_key} if self.secret_access_key else {}
        fields.update(self.dates())
        return {**fields, **self.extra}

    def dates(self) -> dict[str, str]:
        dates = {name: getattr(self, name) for name in _DATES}
        return {name: to_iso(moment) for name, moment in dates.items() if moment}


def _that_was_current(key: StoredKey, now: datetime) -> StoredKey:
    """The record of a key that leaves current: it always says since when it was, lest it be taken for next.

    Where it was carried to, another key is carried now.
    """
    return replace(key, promote_date=key.promote_date or key.create_date or now, carry_date=None)


@dataclass(frozen=True)
class Asked:
    """A CreateAccessKey that was about to be sent: when, and which keys the user had then."""

    date: datetime
    known: tuple[str, ...]

    def explains(self, access_key_id: str, create_date: datetime | None) -> bool:
        """Whether the key may be what that request made: not there before, and made at that time."""
        return (
            access_key_id not in self.known and create_date is not None and abs(create_date - self.date) <= ASKED_WINDOW
        )


@dataclass(frozen=True)
class Entry:
    """One user of the store. `current` is the key that consumers read, `others` are all other keys."""

    account_id: str | None = None
    user_id: str | None = None
    current_id: str | None = None
    current: StoredKey = field(default_factory=StoredKey)
    asked: Asked | None = None
    hold_until: datetime | None = None
    others: Mapping[str, StoredKey] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    # -- reading ---------------------------------------------------------------------------------------------

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> Entry:
        """An entry as the file has it. Raises ValueError where its structure is not ours."""
        if not isinstance(fields, Mapping):
            raise ValueError("is not a mapping")
        rest = dict(fields)
        others, asked = rest.pop("other_keys", None) or {}, rest.pop("asked", None)
        if not isinstance(others, Mapping) or not all(isinstance(key, Mapping) for key in others.values()):
            raise ValueError("has other_keys that are not a mapping of mappings")
        if asked and not (isinstance(asked, Mapping) and asked.get("date") and isinstance(asked.get("known"), list)):
            raise ValueError("has an 'asked' without date and known keys")
        asked_date = _date(asked, "date") if asked else None
        account_id, user_id, current_id = (str(value) if (value := _text(rest, name)) else None for name in _IDS)
        hold_until = _date(rest, "hold_until")
        rest = {name: value for name, value in rest.items() if name not in (*_IDS, "hold_until")}
        current = StoredKey.from_mapping(rest)
        if current_id is None and current.secret_access_key:
            raise ValueError("has a secret_access_key without an access_key_id")
        if current_id and current_id in others:
            raise ValueError(f"names {current_id} both as its current key and in other_keys")
        return cls(
            account_id=account_id,
            user_id=user_id,
            current_id=current_id,
            current=replace(current, extra={}),
            asked=Asked(asked_date, tuple(str(key) for key in asked["known"])) if asked and asked_date else None,
            hold_until=hold_until,
            others={str(key_id): StoredKey.from_mapping(key) for key_id, key in others.items()},
            extra=current.extra,
        )

    @classmethod
    def from_public(cls, shown: Mapping[str, Any]) -> Entry:
        """An entry as `public` shows it, or a person wrote it in an info. Raises ValueError where its structure is not
        ours.

        Without the word `stored` the current key's secret is there, and that of another key which we made, as its
        creation tells.
        """
        if not isinstance(shown, Mapping):
            raise ValueError("is not a mapping")
        others = shown.get("other_keys") or {}
        if not isinstance(others, Mapping):
            raise ValueError("has other_keys that are not a mapping of mappings")
        notes = {key_id: {} if note is None else note for key_id, note in others.items()}
        entry = cls.from_mapping(
            {**_without_secret(shown), "other_keys": {i: _without_secret(n) for i, n in notes.items()}}
        )
        stored = {str(key_id): note.get("stored") for key_id, note in notes.items()}
        return replace(
            entry,
            current=replace(entry.current, secret_withheld=bool(entry.current_id) and shown.get("stored") is not False),
            others={
                key_id: replace(
                    key, secret_withheld=bool(key.create_date if stored[key_id] is None else stored[key_id])
                )
                for key_id, key in entry.others.items()
            },
        )

    def to_mapping(self) -> dict[str, Any]:
        """The entry as the file has it, without what is not set. Raises ValueError where that would lose a secret."""
        fields = {**self._about_the_user(), **self.current.to_mapping(), **self._about_requests()}
        if self.others:
            fields["other_keys"] = {key_id: key.to_mapping() for key_id, key in self.others.items()}
        return {**fields, **self.extra}

    def public(self) -> dict[str, Any]:
        """What may be shown of the entry: dates and ids, and whether a secret is there, but no secret."""
        fields = {**self._about_the_user(), **self.current.dates(), **self._about_requests()}
        if self.others:
            fields["other_keys"] = {i: {**key.dates(), "stored": key.has_secret} for i, key in self.others.items()}
        return {**fields, "stored": bool(self.current_id and self.current.has_secret)}

    def _about_the_user(self) -> dict[str, Any]:
        ids = {"account_id": self.account_id, "user_id": self.user_id, "access_key_id": self.current_id}
        return {name: value for name, value in ids.items() if value is not None}

    def _about_requests(self) -> dict[str, Any]:
        """What was asked for, and until when nothing is to be done."""
        fields: dict[str, Any] = {}
        if self.asked:
            fields["asked"] = {"date": to_iso(self.asked.date), "known": list(self.asked.known)}
        if self.hold_until:
            fields["hold_until"] = to_iso(self.hold_until)
        return fields

    def key(self, access_key_id: str | None) -> StoredKey | None:
        """The record of a key, or None where the store has none of it."""
        if access_key_id is None:
            return None
        return self.current if access_key_id == self.current_id else self.others.get(access_key_id)

    @property
    def key_ids(self) -> tuple[str, ...]:
        return ((self.current_id,) if self.current_id else ()) + tuple(self.others)

    @property
    def next_id(self) -> str | None:
        """The newest key that was never current nor revoked, not older than the current one (AWS's dates are whole
        seconds).
        """
        oldest = datetime.min.replace(tzinfo=timezone.utc)
        newest, found = self.current.create_date or oldest, None
        for key_id, key in self.others.items():
            made = key.create_date or oldest
            never_current = not key.promote_date and not key.revoke_date
            if key.has_secret and never_current and made >= newest:
                newest, found = made, key_id
        return found

    def stage(self, access_key_id: str | None) -> str | None:
        """`current`, `next`, `previous` or None: the stages of AWS Secrets Manager (current, pending, previous)."""
        key = self.key(access_key_id)
        if key is None or key.revoke_date:
            return None
        if access_key_id == self.current_id:
            return "current"
        if access_key_id == self.next_id:
            return "next"
        return "previous" if key.has_secret and key.promote_date else None

    # -- changes ---------------------------------------------------------------------------------------------

    def of(self, account_id: str | None, user_id: str | None) -> Entry:
        """The entry with its owner noted, where a person left that out."""
        return replace(self, account_id=self.account_id or account_id, user_id=self.user_id or user_id)

    def ask(self, now: datetime, known: tuple[str, ...]) -> Entry:
        """CreateAccessKey is about to be sent."""
        return replace(self, asked=Asked(now, known))

    def stage_next(self, access_key_id: str, secret_access_key: str | None, create_date: datetime) -> Entry:
        """A new key's secret is kept (None: will be, as check mode predicts).

        `asked` stays until the key is current.
        """
        if access_key_id in self.key_ids:
            raise ValueError(f"{access_key_id} is in the store already")
        key = StoredKey(secret_access_key, create_date, secret_withheld=secret_access_key is None)
        return replace(self, others={**self.others, access_key_id: key})

    def promote(self, access_key_id: str, now: datetime) -> Entry:
        """The key becomes current; what was current stays beside it and is known to have been current."""
        if access_key_id == self.current_id:
            return self
        others = dict(self.others)
        key = others.pop(access_key_id)
        if self.current_id:
            others[self.current_id] = _that_was_current(self.current, now)
        return replace(
            self,
            current_id=access_key_id,
            current=replace(key, promote_date=now, carry_date=None),
            others=others,
            asked=None,
        )

    def adopt(self, access_key_id: str, secret_access_key: str, create_date: datetime, now: datetime) -> Entry:
        """A key that a person made is stored and current; what was current stays beside it as after a rollback."""
        record = self.key(access_key_id)
        if record and record.has_secret:
            raise ValueError(f"{access_key_id} is in the store already")
        key = replace(
            record or StoredKey(), secret_access_key=secret_access_key, create_date=create_date, deactivate_date=None
        )
        if access_key_id == self.current_id:  # a person wrote its id alone
            return replace(self, current=replace(key, promote_date=now))
        return replace(self, others={**self.others, access_key_id: key}).put_in_force(
            access_key_id, now, self.hold_until
        )

    def carried(self, moment: datetime | None) -> Entry:
        """The current key has been carried to where it is used; null takes that back."""
        return replace(self, current=replace(self.current, carry_date=moment))

    def put_in_force(self, access_key_id: str, now: datetime, hold_until: datetime | None) -> Entry:
        """The key is current by a person's word (a rollback), and until `hold_until` the user is left alone.

        `asked` stays where it is another key's. A key that had never become current and was passed over is not `next`
        because an older one is current now.
        """
        key, asked = self.key(access_key_id), self.asked
        its_own = bool(asked and key and asked.explains(access_key_id, key.create_date))
        after = replace(self.promote(access_key_id, now), asked=None if its_own else asked, hold_until=hold_until)
        while after.next_id not in (None, self.next_id):
            passed_over = after.others[str(after.next_id)]
            shelved = replace(passed_over, promote_date=passed_over.create_date or now)
            after = replace(after, others={**after.others, str(after.next_id): shelved})
        return after

    def deactivated(self, access_key_id: str, moment: datetime) -> Entry:
        """Our switching off a key is noted."""
        return self._with(access_key_id, replace(self.key(access_key_id) or StoredKey(), deactivate_date=moment))

    def activated(self, access_key_id: str) -> Entry:
        """The note that we switched the key off, for good perhaps, is taken back."""
        key = replace(self.key(access_key_id) or StoredKey(), deactivate_date=None, revoke_date=None)
        return self._with(access_key_id, key)

    def revoked(self, access_key_id: str, moment: datetime) -> Entry:
        """The key leaked: it is off for good and current for nobody, and what held the user as it was has ended.

        A hold that began after the revocation is another matter, and stays.
        """
        key = self.key(access_key_id) or StoredKey()
        entry = self if key.revoke_date else replace(self, hold_until=None)
        if access_key_id == self.current_id:
            key = _that_was_current(key, moment)
            entry = replace(entry, current_id=None, current=StoredKey())
        # What had been switched off before is kept for as long as any other key that is switched off now.
        off_since = key.deactivate_date if key.revoke_date else moment
        noted = replace(key, deactivate_date=off_since or moment, revoke_date=key.revoke_date or moment)
        return entry._with(access_key_id, noted)

    def _with(self, access_key_id: str, key: StoredKey) -> Entry:
        if access_key_id == self.current_id:
            return replace(self, current=key)
        others = {**self.others, access_key_id: key}
        if key == StoredKey():
            del others[access_key_id]
        return replace(self, others=others)

    def without(self, access_key_id: str, create_date: datetime | None = None) -> Entry:
        """The key was deleted; `asked` goes with the key that it explains."""
        key = self.key(access_key_id)
        create_date = create_date or (key.create_date if key else None)
        entry = self
        if self.asked and self.asked.explains(access_key_id, create_date):
            entry = replace(entry, asked=None)
        if access_key_id == self.current_id:
            return replace(entry, current_id=None, current=StoredKey(), hold_until=None)
        return replace(entry, others={key_id: key for key_id, key in self.others.items() if key_id != access_key_id})

    def wrong_owner(self, user_name: str, account_id: str | None, user_id: str | None, where: str) -> str | None:
        """Why the entry is not that user's, in one sentence with the way out; None where it is, as far as both are
        known.
        """
        if self.account_id and account_id and self.account_id != account_id:
            return (
                f"The keys of user {user_name} in {where} belong to account {self.account_id}, but these credentials "
                f"are for account {account_id}; use that account's credentials or another vault_file"
            )
        if self.user_id and user_id and self.user_id != user_id:
            return (
                f"The keys of user {user_name} in {where} belong to user id {self.user_id}, but IAM's user of that "
                "name is "
                f"{user_id}: deleted and made again; remove the old keys with state=absent, or rename their entry"
            )
        return None

    @property
    def empty(self) -> bool:
        """Nothing is left that anybody needs, so that the entry may go."""
        return not (self.key_ids or self.asked or self.hold_until or self.extra)
