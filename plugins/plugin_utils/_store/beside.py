# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies beside the vault file, all names beginning with a dot: its predecessors, encrypted as they were, and notes
on keys that left.

`.NAME.1` is what the last write replaced, `.NAME.2` what the one before it did, and so on to ten. `.NAME.last` is a
copy of what we wrote last: where the file is another one by now, another hand has written it, and the copy becomes a
predecessor. `.NAME.notes` (JSON, no secret) says which keys we removed and when, and which ones another hand's file
lacked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

KEPT = 10
# Bytes that tell two encryptions apart (header, salt, digest), whatever a file system's clock says.
HEAD = 1024


def beside(file: Path, what: str | int) -> Path:
    """The name of a file beside the store; the dot keeps it out of group_vars."""
    return file.with_name(f".{file.name}.{what}")


def give_to_owner(file: Path, handle: int) -> None:
    """Root writes, and locks, for the owner of the file."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            owner = file.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def new_file(path: Path, owner_of: Path) -> Iterator[BinaryIO]:
    """A new file that only the owner of `owner_of` may read, from its first byte; inside, it is written and renamed.

    Nothing stays under its own name where that fails.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # of a run that died
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            give_to_owner(owner_of, handle)
            yield file
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def head_of(path: Path) -> bytes | None:
    """The beginning of a file, None where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return None


def fingerprint(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:16]


@dataclass(frozen=True)
class Lost:
    """A key that another hand's file lacked: whose it is, and which predecessor has it."""

    user_name: str
    predecessor: str


@dataclass
class Notes:
    """Keys that we removed (id to date), and keys that another hand's file lacked (by id)."""

    removed: dict[str, str] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Notes:
        """Notes that cannot be read are none: they make things easier, and decide nothing."""
        try:
            fields = json.loads(text)
            removed = {str(key_id): str(date) for key_id, date in fields["removed"].items()}
            return cls(removed, {str(key_id): Lost(**lost) for key_id, lost in fields["lost"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"


class Beside:
    """The files beside the vault file `file`. Its lock is held by whoever changes them. Raises OSError."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.last, self._notes = beside(file, "last"), beside(file, "notes")
        ours = re.escape(f".{file.name}.")
        self._number = re.compile(rf"{ours}([1-9][0-9]*)")
        self._unfinished = re.compile(rf"{ours}(last|notes|[1-9][0-9]*)\.new")

    def numbered(self) -> dict[int, Path]:
        """The predecessors, the newest first."""
        found = [match for name in os.listdir(self._file.parent) if (match := self._number.fullmatch(name))]
        numbers = sorted(int(match[1]) for match in found)
        return {number: beside(self._file, number) for number in numbers}

    def sweep(self) -> None:
        """Removes what a run that died had begun."""
        for name in os.listdir(self._file.parent):
            if self._unfinished.fullmatch(name):
                self._file.with_name(name).unlink()

    def keep(self, overwritten: bool, pinned: Collection[str]) -> None:
        """Makes the file a predecessor, before another replaces it; `overwritten`: what we wrote last becomes one, too.

        The others move on by as many numbers, and what comes after the tenth goes. Those with a pinned fingerprint keep
        their numbers.
        """
        slots = self._slots(pinned)
        entering = [self._file] if self._is_new(slots[0]) else []
        entering += [self.last] if overwritten else []
        for index in reversed(range(len(slots))) if entering else []:
            if slots[index].exists():
                self._move(slots[index], slots[index + len(entering) :][:1])
        for path, slot in zip(entering, slots):
            if path == self._file:
                self._link(path, slot)
            else:
                os.rename(path, slot)

    def _slots(self, pinned: Collection[str]) -> list[Path]:
        """The names of the predecessors that are not pinned, ten of them, the newest first."""
        stay = [n for n, path in self.numbered().items() if pinned and fingerprint(head_of(path) or b"") in pinned]
        most = KEPT + len(stay)
        return [beside(self._file, number) for number in range(1, most + 1) if number not in stay]

    def _is_new(self, newest: Path) -> bool:
        """Not where a run died after this file had become a predecessor and before it was replaced."""
        return self._file.exists() and not (newest.exists() and os.path.samefile(newest, self._file))

    def _move(self, path: Path, to: list[Path]) -> None:
        if to:
            os.rename(path, to[0])
        else:
            path.unlink()

    def _link(self, path: Path, name: Path) -> None:
        """The very file under a second name: synced long ago. A copy where that cannot be, or others may read it."""
        status = path.stat()
        if status.st_mode & 0o077 == 0:
            with contextlib.suppress(OSError):
                os.link(path, name)
                return
        self.put(name, path.read_bytes())

    def put(self, path: Path, data: bytes, synced: bool = True) -> None:
        """Puts a file there that only the store's owner may read, at once.

        One that is not synced may go with the power, not with the process.
        """
        new = path.with_name(f"{path.name}.new")
        with new_file(new, self._file) as file:
            file.write(data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
            os.rename(new, path)

    def notes(self) -> Notes:
        try:
            return Notes.parse(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Notes()

    def write_notes(self, notes: Notes) -> None:
        if notes.removed or notes.lost:
            self.put(self._notes, str(notes).encode())
        else:
            self._notes.unlink(missing_ok=True)
