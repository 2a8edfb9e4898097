# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation plan is made from: each user's keys as IAM lists them beside the store's entry, read from what
`iam_access_key_info` hands over, and of each key what the table asks of it.

All times inside are AWS's; one that a record leaves out is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _answers
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._seen import Seen
from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import in_days, later
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain_text, shown


@dataclass(frozen=True)
class User:
    """A user, or an entry of the store that fits no user (`gone`).

    `seen`: IAM's keys beside the store's entry. `keys`: what IAM has, appearing keys too, the oldest first. `departed`:
    what only the store has. `current` is the store's, whether IAM has it or not, but never a revoked one. `error`: why
    nothing may be decided; `error_in_entry`: the entry has to be set right. `new_name`, `old_name`: of a renamed user,
    whose entry is still under the old one. `strangers`: keys of the entry that IAM shows with another user, and that
    user. `quota`: how many keys the account allows a user, null where that may not be read. `vault_file`: where the
    store is. `tags`: null where they were not read. `quarantined`: the policy by which AWS keeps the user, whose key
    leaked, from doing much.
    """

    name: str
    seen: Seen
    error: str | None = None
    error_in_entry: bool = False
    keys: tuple[Key, ...] = ()
    departed: tuple[Key, ...] = ()
    current: Key | None = None
    gone: bool = False
    gone_ids: tuple[str, ...] = ()
    new_name: str | None = None
    old_name: str | None = None
    strangers: tuple[tuple[str, str], ...] = ()
    quota: int | None = None
    vault_file: str | None = None
    tags: Mapping[str, str] | None = None
    quarantined: str | None = None

    def tag(self, name: str) -> str | None:
        """The value of a tag; IAM compares their names without case."""
        return next((value for key, value in (self.tags or {}).items() if key.lower() == name.lower()), None)

    @property
    def stale_notes(self) -> tuple[str, ...]:
        """Keys that work though the store says that we switched them off.

        A run died before its request, or a person has switched the key on again. Of what was switched off just now a
        list may not know yet; what was revoked is to be switched off again.
        """
        if self.error is not None:
            return ()
        on = [key for key in self.keys if key.status == "Active" and key.deactivated is not None]
        return tuple(key.id for key in on if not self.seen.off_by_note(key.id))


class _Unreadable(Exception):
    """A sentence: what of one user cannot be understood. Nothing is decided for that user."""

    in_entry = False


class _UnreadableEntry(_Unreadable):
    """The same, where the store's entry has to be set right."""

    in_entry = True


def read_info(info: Any) -> tuple[list[User], datetime]:
    """All users of an info and the store's entries that fit none, ordered by name; and the time at which they were
    looked at.

    Raises ValueError, one sentence, for an info that no plan can be made from. What is wrong with one user is that
    user's error.
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
        replace(_read_gone(orphan, names_by_id, owners, now), vault_file=vault_file)
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
            unreadable = _unreadable(name, error, rows.get(name, []), world)
            users.append(replace(unreadable, tags=_tags(record)))
    for name in rows.keys() - records.keys():
        alone = _Unreadable(
            f"There are access keys of user {name}, but nothing else is known of that user: look again."
        )
        users.append(_unreadable(name, alone, rows[name], world))
    return sorted(users, key=lambda user: user.name)


def _unreadable(name: str, error: _Unreadable, rows: Sequence[Mapping[str, Any]], world: _World) -> User:
    return User(
        name,
        Seen(name, (), Entry(), world.now),
        error=str(error),
        error_in_entry=error.in_entry,
        keys=_active_keys(rows),
        vault_file=world.vault_file,
    )


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


def _read_gone(
    orphan: Mapping[str, Any], names_by_id: Mapping[str | None, str], owners: Mapping[str, str], now: datetime
) -> User:
    name = plain_text(orphan.get("user_name")) or ""
    ids = tuple(plain_text(key_id) or "" for key_id in orphan.get("access_key_ids") or ())
    user_id = plain_text(orphan.get("user_id"))
    # A key never moves to another user: where it is found, there the user is.
    new_name = (
        names_by_id.get(user_id) if user_id else next((owners[key_id] for key_id in ids if key_id in owners), None)
    )
    return User(name, Seen(name, (), Entry(), now), gone=True, gone_ids=ids, new_name=new_name)


def _read_user(name: str, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], world: _World) -> User:
    if record.get("error"):
        error = plain_text(record["error"]) or ""
        is_of_entry = f"The entry of user {name} in " in error  # as the store words it
        raise (_UnreadableEntry if is_of_entry else _Unreadable)(error)
    entry = _read_entry(name, record, rows, world)
    strangers = {key_id: owner for key_id in entry.key_ids if (owner := world.owners.get(key_id, name)) != name}
    entry = _without_strangers(entry, strangers)
    lost = {one.get("access_key_id"): plain_text(one.get("vault_file")) for one in _mappings(record, "lost_keys")}
    read = [_read_key(name, row, entry, world) for row in rows]
    listed = {key.id: replace(key, lost=lost.get(key.id)) for key in read}
    iams = tuple(_answers.Key(key.id, name, str(key.status), key.made) for key in listed.values())
    seen = Seen(name, tuple(sorted(iams, key=lambda key: (key.create_date, key.access_key_id))), entry, world.now)

    unlisted = {key_id: _unlisted_key(seen, key_id, world) for key_id in entry.key_ids if key_id not in listed}
    renamed = world.renamed.get(name)
    if renamed:
        listed.update((i, replace(listed[i], stored=True)) for i in renamed.gone_ids if i in listed)
    keys = {**listed, **unlisted}
    return User(
        name,
        seen,
        keys=tuple(sorted((key for key in keys.values() if key.exists), key=lambda key: (key.made, key.id))),
        departed=tuple(key for key in unlisted.values() if not key.exists and key.id not in strangers),
        current=keys[entry.current_id] if entry.current_id and not entry.current.revoke_date else None,
        old_name=renamed.name if renamed else None,
        strangers=tuple(strangers.items()),
        quota=world.quota,
        vault_file=world.vault_file,
        tags=_tags(record),
        quarantined=plain_text(record.get("quarantined")),
    )


def _tags(record: Mapping[str, Any]) -> dict[str, str] | None:
    tags = record.get("tags")
    if not isinstance(tags, Mapping):
        return None
    return {plain_text(name) or "": plain_text(value) or "" for name, value in tags.items()}


def _read_entry(name: str, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], world: _World) -> Entry:
    try:
        entry = _with_notes_of_rows(Entry.from_public(record.get("store") or {}), rows)
    except ValueError as error:
        raise _UnreadableEntry(f"The store's entry for user {name} {error}.") from None
    arn = (plain_text(record.get("arn")) or "").split(":")
    account_id = world.account_id or (arn[4] if len(arn) > 4 else None)
    wrong = entry.wrong_owner(name, account_id, plain_text(record.get("user_id")), "the store")
    if wrong:
        # Another account's entry may be right: then the credentials are not.
        raise (_UnreadableEntry if entry.account_id in (None, account_id) else _Unreadable)(wrong)
    return entry


def _with_notes_of_rows(entry: Entry, rows: Sequence[Mapping[str, Any]]) -> Entry:
    """With what the rows of the keys say of the store; only an info that a person wrote says it there alone."""
    for row in rows:
        key_id, stage = plain_text(row.get("access_key_id")), row.get("stage")
        stored = bool(stage or row.get("stored"))
        if not key_id or entry.key(key_id) or not (stored or row.get("deactivate_date")):
            continue
        promoted = {"promote_date": row.get("create_date")} if stage == "previous" else {}
        dates = {field: row.get(field) for field in ("create_date", "promote_date", "deactivate_date")}
        note = replace(StoredKey.from_mapping({**dates, **promoted}), secret_withheld=stored)
        if stage == "current" and entry.current_id is None:
            entry = replace(entry, current_id=key_id, current=note)
        else:
            entry = replace(entry, others={**entry.others, key_id: note})
    return entry


def _without_strangers(entry: Entry, strangers: Mapping[str, str]) -> Entry:
    """What is another user's is nothing to this one; its current key is broken then."""
    if entry.current_id in strangers:
        entry = replace(entry, current=replace(entry.current, secret_withheld=False))
    return replace(entry, others={key_id: key for key_id, key in entry.others.items() if key_id not in strangers})


def _unlisted_key(seen: Seen, key_id: str, world: _World) -> Key:
    """What only the store has; IAM may still show it."""
    return replace(
        _noted_key(seen.entry, key_id, world),
        created=seen.record(key_id).create_date,
        appearing=seen.in_force(key_id),
    )


def _noted_key(entry: Entry, key_id: str, world: _World) -> Key:
    """What the store knows of the key, and who signs this run."""
    record = entry.key(key_id) or StoredKey()
    return Key(
        key_id,
        promoted=record.promote_date,
        carried=record.carry_date,
        deactivated=record.deactivate_date,
        revoked=record.revoke_date,
        stored=record.has_secret,
        signing=key_id == world.signing_id,
    )


def _read_key(name: str, row: Mapping[str, Any], entry: Entry, world: _World) -> Key:
    key_id = plain_text(row.get("access_key_id"))
    if not key_id:
        raise _Unreadable(f"An access key of user {name} has no id: look again.")
    known = row.get("last_used_known")
    if known is None:
        # A field that was left out says nothing; the date, or its null, does.
        known = "last_used_date" in row
    if not known:
        raise _Unreadable(
            f"The last use of key {key_id} of user {name} could not be read: nothing is done until it is."
        )
    return replace(
        _noted_key(entry, key_id, world),
        status=plain_text(row.get("status")) or "unknown",
        created=_created(name, key_id, row, entry, world),
        last_used=_moment(row.get("last_used_date"), f"last_used_date of key {key_id} of user {name}"),
        service=plain_text(row.get("last_used_service")),
        region=plain_text(row.get("last_used_region")),
    )


def _created(name: str, key_id: str, row: Mapping[str, Any], entry: Entry, world: _World) -> datetime:
    created = _moment(row.get("create_date"), f"create_date of key {key_id} of user {name}")
    if created is None and isinstance(row.get("age_days"), (int, float)):
        created = later(world.now, -in_days(row["age_days"]))
    if created is None:
        created = (entry.key(key_id) or StoredKey()).create_date
    if created is None:
        raise _Unreadable(f"When key {key_id} of user {name} was made could not be read: nothing is done until it is.")
    return created


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
