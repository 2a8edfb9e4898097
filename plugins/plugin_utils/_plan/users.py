# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation plan is made from: a view of each user, read from what `iam_access_key_info` hands over.

All times inside are AWS's; one that a record leaves out is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._time import LIST_LAG, from_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import in_days, later
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain_text, shown

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""When a key was made of which nobody noted when."""


@dataclass(frozen=True)
class Key:
    """One access key: what IAM says of it and what the store does.

    `status` is IAM's word, and null where IAM does not list the key. `created`, `last_used`, `promoted` (when it became current) and
    `deactivated` (by our hand) are null where there is none. `appearing`: not listed, but made so shortly ago that it may still be.
    `stored`: the store has its secret. `signing`: it signs the requests of this run.
    """

    id: str
    status: str | None = None
    created: datetime | None = None
    last_used: datetime | None = None
    service: str | None = None
    region: str | None = None
    promoted: datetime | None = None
    deactivated: datetime | None = None
    stored: bool = False
    signing: bool = False
    appearing: bool = False

    @property
    def listed(self) -> bool:
        return self.status is not None

    @property
    def exists(self) -> bool:
        return self.listed or self.appearing

    @property
    def active(self) -> bool:
        """Whether it works; a status that is neither Active nor Inactive counts as not Active."""
        return self.status == "Active" or self.appearing

    @property
    def off_by_us(self) -> bool:
        """A note beside an Active key is of the past.

        Somebody switched the key on again, or the request was never sent.
        """
        return self.deactivated is not None and not self.active

    @property
    def made(self) -> datetime:
        """When it was made; of a key that exists this is always known."""
        return self.created or LONG_AGO

    @property
    def current_since(self) -> datetime:
        """An entry that a person wrote has no promotion.

        It counts from the key's creation, as when the key leaves current.
        """
        return self.made if self.promoted is None else self.promoted

    @property
    def last_sign_of_life(self) -> datetime:
        return max(self.made, self.last_used or LONG_AGO, self.promoted or LONG_AGO)


@dataclass(frozen=True)
class Asked:
    """A request to make a key that was about to be sent: when, and the keys that existed then."""

    date: datetime
    known: frozenset[str]


@dataclass(frozen=True)
class User:
    """A user, or an entry of the store that fits no user (`gone`).

    `keys`: what IAM has, appearing keys too, the oldest first. `departed`: what only the store has. `current` is the store's, and the last
    of `staged` is next, whether IAM has them or not. `error`: why nothing may be decided. `new_name`, `old_name`: of a renamed user, whose
    entry is still under the old one. `strangers`: keys of the entry that IAM shows with another user, and that user. `quota`: how many keys the
    account allows a user, null where that may not be read. `vault_file`: where the store is.
    """

    name: str
    error: str | None = None
    keys: tuple[Key, ...] = ()
    departed: tuple[Key, ...] = ()
    current: Key | None = None
    staged: tuple[Key, ...] = ()
    asked: Asked | None = None
    hold_until: datetime | None = None
    gone: bool = False
    gone_ids: tuple[str, ...] = ()
    new_name: str | None = None
    old_name: str | None = None
    strangers: tuple[tuple[str, str], ...] = ()
    quota: int | None = None
    vault_file: str | None = None


class _Unreadable(Exception):
    """A sentence: what of one user cannot be understood. Nothing is decided for that user."""


def read_info(info: Any) -> tuple[list[User], datetime]:
    """All users of an info and the store's entries that fit none, ordered by name; and the time at which they were looked at.

    Raises ValueError, one sentence, for an info that no plan can be made from. What is wrong with one user is that user's error.
    """
    if not isinstance(info, Mapping):
        raise ValueError(f"The plan needs the result of keyturn.iam.iam_access_key_info, not {shown(info)}.")
    if info.get("complete") is not True:
        raise ValueError(
            "The plan needs all keys of each user with their last use, but this info is not complete: "
            "call keyturn.iam.iam_access_key_info without status, min_age_days, min_idle_days and last_used: false."
        )
    try:
        now = _moment(info.get("now"), "now of the info")
    except _Unreadable as error:
        raise ValueError(str(error)) from None
    if now is None:
        raise ValueError("The plan needs the time at which the keys were looked at, but this info has no now.")
    return _read_users(info, now), now


@dataclass(frozen=True)
class _World:
    """What one user's view needs to know of all the others."""

    now: datetime
    account_id: str | None
    signing_id: str | None
    quota: int | None
    vault_file: str | None
    owners: Mapping[str, str]
    renamed: Mapping[str, User]


def _read_users(info: Mapping[str, Any], now: datetime) -> list[User]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    owners: dict[str, str] = {}
    for row in sorted(_mappings(info, "access_keys"), key=lambda row: plain_text(row.get("access_key_id")) or ""):
        name = plain_text(row.get("user_name")) or ""
        rows.setdefault(name, []).append(row)
        owners[plain_text(row.get("access_key_id")) or ""] = name
    records = {plain_text(record.get("user_name")) or "": record for record in _mappings(info, "users")}
    names_by_id = {plain_text(record.get("user_id")): name for name, record in records.items() if record.get("user_id")}
    vault_file = plain_text(info.get("vault_file"))
    orphans = [
        replace(_read_gone(orphan, names_by_id, owners), vault_file=vault_file)
        for orphan in _mappings(info, "store_only")
    ]
    account = info.get("account") or {}
    if not isinstance(account, Mapping):
        raise ValueError("This is no result of keyturn.iam.iam_access_key_info: its account is not a mapping.")
    world = _World(
        now=now,
        account_id=plain_text(account.get("account_id")),
        signing_id=plain_text(account.get("signing_access_key_id")),
        quota=_quota(account),
        vault_file=vault_file,
        owners=owners,
        renamed={orphan.new_name: orphan for orphan in orphans if orphan.new_name},
    )

    # A name that was asked for and that IAM does not have is among the users, with its error.
    users = [orphan for orphan in orphans if orphan.name not in records]
    for name, record in records.items():
        try:
            users.append(_read_user(name, record, rows.get(name, []), world))
        except _Unreadable as error:
            users.append(User(name, error=str(error), keys=_active_keys(rows.get(name, []))))
    for name in rows.keys() - records.keys():
        alone = f"There are access keys of user {name}, but nothing else is known of that user: look again."
        users.append(User(name, error=alone, keys=_active_keys(rows[name])))
    return sorted(users, key=lambda user: user.name)


def _active_keys(rows: Sequence[Mapping[str, Any]]) -> tuple[Key, ...]:
    """The Active keys of a user of whom something else could not be read.

    Nothing is decided of them, but they may break a rule.
    """
    keys = []
    for row in rows:
        with suppress(_Unreadable):
            key_id, created = plain_text(row.get("access_key_id")), _moment(row.get("create_date"), "create_date")
            if key_id and created and row.get("status") == "Active":
                keys.append(Key(key_id, status="Active", created=created))
    return tuple(keys)


def _read_gone(orphan: Mapping[str, Any], names_by_id: Mapping[str | None, str], owners: Mapping[str, str]) -> User:
    ids = tuple(plain_text(key_id) or "" for key_id in orphan.get("access_key_ids") or ())
    user_id = plain_text(orphan.get("user_id"))
    # A key never moves to another user: where it is found, there the user is.
    new_name = (
        names_by_id.get(user_id) if user_id else next((owners[key_id] for key_id in ids if key_id in owners), None)
    )
    return User(plain_text(orphan.get("user_name")) or "", gone=True, gone_ids=ids, new_name=new_name)


def _read_user(name: str, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], world: _World) -> User:
    if record.get("error"):
        raise _Unreadable(plain_text(record["error"]) or "")
    entry = {} if record.get("store") is None else record["store"]
    if not isinstance(entry, Mapping):
        raise _Unreadable(f"The store's entry for user {name} is not a mapping: repair it with ansible-vault edit.")
    _check_identity(name, record, entry, world.account_id)

    stages = {plain_text(row["stage"]): plain_text(row.get("access_key_id")) for row in rows if row.get("stage")}
    current_id = plain_text(entry.get("access_key_id")) or stages.get("current")
    notes = {**_notes_of_rows(name, rows), **_notes(name, entry)}
    if current_id:
        notes[current_id] = _note(name, current_id, {**entry, "stored": entry.get("stored") is not False})
    renamed = world.renamed.get(name)

    keys: dict[str, Key] = {}
    strangers = []
    for key_id, note in notes.items():
        owner = world.owners.get(key_id, name)
        if owner != name:
            strangers.append((key_id, owner))
            note = replace(note, stored=False)
        young = note.created is not None and world.now - note.created < LIST_LAG
        if (note.stored and young) or key_id == world.signing_id:
            note = replace(note, appearing=note.stored and young, signing=key_id == world.signing_id)
        keys[key_id] = note
    for row in rows:
        key = _read_key(name, row, notes, world)
        if renamed and key.id in renamed.gone_ids:
            key = replace(key, stored=True)
        keys[key.id] = key

    current = keys.get(current_id) if current_id else None
    elsewhere = {key_id for key_id, owner in strangers}
    return User(
        name,
        keys=tuple(sorted((key for key in keys.values() if key.exists), key=lambda key: (key.made, key.id))),
        departed=tuple(key for key in keys.values() if not key.exists and key.id not in elsewhere),
        current=current,
        staged=tuple(_staged([keys[key_id] for key_id in notes], current)),
        asked=_asked(name, entry),
        hold_until=_moment(entry.get("hold_until"), f"hold_until of user {name} in the store"),
        old_name=renamed.name if renamed else None,
        strangers=tuple(strangers),
        quota=world.quota,
        vault_file=world.vault_file,
    )


def _check_identity(name: str, record: Mapping[str, Any], entry: Mapping[str, Any], account_id: str | None) -> None:
    arn = (plain_text(record.get("arn")) or "").split(":")
    ours = account_id or (arn[4] if len(arn) > 4 else None)
    theirs = plain_text(entry.get("account_id"))
    if ours and theirs and ours != theirs:
        raise _Unreadable(
            f"The store's entry for user {name} belongs to account {theirs}, but these credentials to account {ours}: "
            "use that account's credentials, or this account's vault file."
        )
    seen, noted = plain_text(record.get("user_id")), plain_text(entry.get("user_id"))
    if seen and noted and seen != noted:
        raise _Unreadable(
            f"The store's entry for user {name} is of user id {noted}, but IAM's {name} has {seen}, so that the user was deleted and made "
            "again: remove the entry's keys with keyturn.iam.iam_access_key (state: absent, and the vault_file), or rename the entry."
        )


def _notes_of_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Key]:
    """What the rows of the keys say of the store; only an info that a person wrote says it there alone."""
    notes = {}
    for row in rows:
        key_id, stage = plain_text(row.get("access_key_id")), row.get("stage")
        stored = bool(stage or row.get("stored"))
        if key_id and (stored or row.get("deactivate_date")):
            promoted = {"promote_date": row.get("create_date")} if stage == "previous" else {}
            notes[key_id] = _note(name, key_id, {**row, **promoted, "stored": stored})
    return notes


def _notes(name: str, entry: Mapping[str, Any]) -> dict[str, Key]:
    """The store's keys beside the current one, as far as the store knows them."""
    others = entry.get("other_keys") or {}
    if not isinstance(others, Mapping):
        raise _Unreadable(
            f"other_keys of user {name} in the store is not a mapping: repair it with ansible-vault edit."
        )
    notes = {}
    for raw_id, raw_note in others.items():
        note = {} if raw_note is None else raw_note
        if not isinstance(note, Mapping):
            raise _Unreadable(
                f"The store's entry for key {raw_id} of user {name} is not a mapping: repair it with ansible-vault edit."
            )
        key_id = plain_text(raw_id) or ""
        notes[key_id] = _note(name, key_id, note)
    return notes


def _note(name: str, key_id: str, note: Mapping[str, Any]) -> Key:
    what = f"of key {key_id} of user {name} in the store"
    stored = note.get("stored")
    return Key(
        key_id,
        created=_moment(note.get("create_date"), f"create_date {what}"),
        promoted=_moment(note.get("promote_date"), f"promote_date {what}"),
        deactivated=_moment(note.get("deactivate_date"), f"deactivate_date {what}"),
        # Without the word, a record with a creation is that of a key which we made.
        stored=note.get("create_date") is not None if stored is None else bool(stored),
    )


def _read_key(name: str, row: Mapping[str, Any], notes: Mapping[str, Key], world: _World) -> Key:
    key_id = plain_text(row.get("access_key_id"))
    if not key_id:
        raise _Unreadable(f"An access key of user {name} has no id: look again.")
    known = row.get("last_used_known")
    if known is None:
        # A field that was left out says nothing; the date, or its null, does.
        known = "last_used_date" in row
    if not known:
        raise _Unreadable(
            f"The last use of key {key_id} of user {name} could not be read, so that nothing is done for {name} until it can be."
        )
    created = _moment(row.get("create_date"), f"create_date of key {key_id} of user {name}")
    if created is None and isinstance(row.get("age_days"), (int, float)):
        created = later(world.now, -in_days(row["age_days"]))
    note = notes.get(key_id) or Key(key_id)
    if created is None:
        created = note.created
    if created is None:
        raise _Unreadable(
            f"When key {key_id} of user {name} was made could not be read, so that nothing is done for {name} until it can be."
        )
    return Key(
        key_id,
        status=plain_text(row.get("status")) or "unknown",
        created=created,
        last_used=_moment(row.get("last_used_date"), f"last_used_date of key {key_id} of user {name}"),
        service=plain_text(row.get("last_used_service")),
        region=plain_text(row.get("last_used_region")),
        promoted=note.promoted,
        deactivated=note.deactivated,
        stored=note.stored,
        signing=key_id == world.signing_id,
    )


def _staged(keys: Sequence[Key], current: Key | None) -> list[Key]:
    """The stored keys that were never current and are not older than the current one, the newest last.

    Dates are whole seconds: of keys of the same second, the one that was never current, or that was stored last, came later.
    """
    oldest = current.made if current else LONG_AGO
    ours = [key for key in keys if key.stored and key.created is not None]
    never_current = [key for key in ours if key is not current and key.promoted is None]
    return sorted((key for key in never_current if key.made >= oldest), key=lambda key: key.made)


def _asked(name: str, entry: Mapping[str, Any]) -> Asked | None:
    asked = entry.get("asked")
    if not isinstance(asked, Mapping) or asked.get("known") is None:
        return None
    date = _moment(asked.get("date"), f"asked of user {name} in the store")
    return None if date is None else Asked(date, frozenset(plain_text(key_id) or "" for key_id in asked["known"]))


def _quota(account: Mapping[str, Any]) -> int | None:
    quota = account.get("access_keys_quota")
    try:
        return None if quota is None else int(quota)
    except (TypeError, ValueError):
        raise ValueError(f"The account's access_keys_quota must be a number, not {shown(quota)}.") from None


def _mappings(info: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = info.get(name)
    if rows is None:
        return []
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise ValueError(f"This is no result of keyturn.iam.iam_access_key_info: its {name} is not a list.")
    rows = list(rows)
    if not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(
            f"This is no result of keyturn.iam.iam_access_key_info: not every item of its {name} is a mapping."
        )
    return rows


def _moment(value: Any, what: str) -> datetime | None:
    """An ISO 8601 date (or what YAML made of it); a date without a zone is UTC."""
    if value is None:
        return None
    try:
        if isinstance(value, (str, datetime)):
            return from_iso(value).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        pass
    raise _Unreadable(f"The {what} is not a date but {shown(value)}.")
