# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the store held before: kept beside it, looked up where another hand has overwritten it, cleaned of keys that are
gone for good.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible.parsing.vault import is_encrypted
from ansible.utils.display import Display
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError, StoreError
from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso, to_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.beside import (
    HEAD,
    Beside,
    Lost,
    Notes,
    fingerprint,
    head_of,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.vault import Opened, Vault, encrypted

display = Display()

DELETE_AFTER_DAYS = 30.0


@dataclass(frozen=True)
class LostKey:
    """A key whose secret the predecessor `file` has and the store has no more, though nothing of ours removed it."""

    user_name: str
    access_key_id: str
    file: Path


class History:
    """The predecessors of the vault file `file`. Trouble with them is a warning: the secret goes first."""

    def __init__(self, file: Path, vault: Vault) -> None:
        self._vault, self._beside = vault, Beside(file)
        self._found: tuple[Any, tuple[LostKey, ...]] | None = None
        self._warned = False
        self.clock: Callable[[], datetime] = _controllers_clock
        self.delete_after_days = DELETE_AFTER_DAYS

    # -- while the file is replaced, under its lock ------------------------------------------------------------

    def note(self, opened: Opened, before: Entry, after: Entry) -> None:
        """Before the file is replaced: which keys leave it by our hand, and which ones another hand's file lacks."""
        notes = self._beside.notes()
        known = str(notes)
        notes.lost = {**self._lost_since(opened), **notes.lost}
        if notes.lost:
            there = _secrets(opened)
            notes.lost = {key_id: lost for key_id, lost in notes.lost.items() if key_id not in there}
        for key_id in set(before.key_ids) - set(after.key_ids):
            notes.lost.pop(key_id, None)
            if _has_secret(before, key_id):
                notes.removed[key_id] = to_iso(self._now())
        if str(notes) != known:
            with self._trouble_is_a_warning():
                self._beside.write_notes(notes)

    def keep(self, opened: Opened, data: bytes) -> None:
        """What is about to be replaced stays, and so does a copy of `data`, which replaces it."""
        with self._trouble_is_a_warning():
            self._beside.sweep()
            pinned = {lost.predecessor for lost in self._beside.notes().lost.values()}
            self._beside.keep(self._is_overwritten(opened), pinned)
            self._beside.put(self._beside.last, data, synced=False)

    def did_not_come_about(self) -> None:
        """The file was not replaced: the copy of what was to replace it would be taken for ours."""
        with contextlib.suppress(OSError):
            self._beside.last.unlink()

    def clean(self) -> None:
        """Takes keys that were deleted for good, long enough ago, out of the predecessors."""
        notes = self._beside.notes()
        due = self._due(notes) if notes.removed else set()
        if not due:
            return
        with self._trouble_is_a_warning():
            for path in self._beside.numbered().values():
                self._strip(path, due, notes)
            notes.removed = {key_id: date for key_id, date in notes.removed.items() if key_id not in due}
            self._beside.write_notes(notes)

    def _due(self, notes: Notes) -> set[str]:
        until = self._now() - timedelta(days=self.delete_after_days)
        return {key_id for key_id, date in notes.removed.items() if from_iso(date) <= until}

    def _strip(self, path: Path, due: Collection[str], notes: Notes) -> None:
        """Encrypts a predecessor anew, with the password that opened it, without these keys."""
        old, opened = head_of(path), self._open(path)
        holding = {user_name for key_id, user_name in _secrets(opened).items() if key_id in due}
        if not holding:
            return
        for user_name in holding:
            entry = Entry.from_mapping(opened.text.parsed[user_name])
            for key_id in due:
                entry = entry.without(key_id) if entry.key(key_id) else entry
            opened.text.put(user_name, entry)
        data = encrypted(str(opened.text), opened.secret, opened.label)
        self._beside.put(path, data)
        for key_id, one in notes.lost.items():
            if one.predecessor == fingerprint(old or b""):
                notes.lost[key_id] = Lost(one.user_name, fingerprint(data[:HEAD]))

    def _now(self) -> datetime:
        try:
            return self.clock()
        except KeyturnError:  # AWS has not told the time yet
            return _controllers_clock()

    @contextlib.contextmanager
    def _trouble_is_a_warning(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._warned:
                display.warning(
                    f"What {self._vault.path} held before could not be kept beside it ({error.strerror}); the file "
                    "itself is written"
                )
            self._warned = True

    # -- what another hand has overwritten ---------------------------------------------------------------------

    def lost_keys(self, opened: Opened) -> tuple[LostKey, ...]:
        """Keys that the store had and the file now lacks, though we did not remove them."""
        notes = self._beside.notes()
        seen = (opened.head, head_of(self._beside.last), str(notes))
        if self._found is None or self._found[0] != seen:
            self._found = (seen, self._find(opened, {**self._lost_since(opened), **notes.lost}))
        return self._found[1]

    def _find(self, opened: Opened, lost: dict[str, Lost]) -> tuple[LostKey, ...]:
        there = _secrets(opened) if lost else {}
        missing = {key_id: one for key_id, one in lost.items() if key_id not in there}
        named = {fingerprint(head_of(path) or b""): path for path in self._files() if missing}
        return tuple(
            LostKey(one.user_name, key_id, named[one.predecessor])
            for key_id, one in missing.items()
            if one.predecessor in named
        )

    def _lost_since(self, opened: Opened) -> dict[str, Lost]:
        """The keys of what we wrote last that the file lacks, where another hand has written it since; and the newest
        predecessor with each.
        """
        if not self._is_overwritten(opened):
            return {}
        there = _secrets(opened)
        held = _secrets(self._open(self._beside.last))
        missing = {key_id: user_name for key_id, user_name in held.items() if key_id not in there}
        lost: dict[str, Lost] = {}
        for path in self._files() if missing else []:
            holding, predecessor = _secrets(self._open(path)), fingerprint(head_of(path) or b"")
            for key_id in holding.keys() & missing.keys():
                lost.setdefault(key_id, Lost(missing[key_id], predecessor))
        return lost

    def _files(self) -> list[Path]:
        """The predecessors, the newest first; then the copy of what we wrote last, whose name is another's after the
        next write.
        """
        return [*self._beside.numbered().values(), self._beside.last]

    def _is_overwritten(self, opened: Opened) -> bool:
        last = head_of(self._beside.last)
        return last is not None and is_encrypted(last) and last != opened.head

    def _open(self, path: Path) -> Opened:
        """A predecessor; one that cannot be opened (its password is an older one) says nothing."""
        try:
            return self._vault.open(path.read_bytes(), None)
        except (OSError, StoreError):
            return Opened(None, Text())


def _controllers_clock() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _secrets(opened: Opened) -> dict[str, str]:
    """The keys whose secret a file has, each with its user; an entry that cannot be read has none."""
    found = {}
    for user_name, fields in opened.text.parsed.items():
        with contextlib.suppress(ValueError):
            entry = Entry.from_mapping(fields or {})
            found.update({key_id: user_name for key_id in entry.key_ids if _has_secret(entry, key_id)})
    return found


def _has_secret(entry: Entry, key_id: str) -> bool:
    key = entry.key(key_id)
    return key is not None and key.has_secret
