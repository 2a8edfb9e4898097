# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: one Ansible Vault file with the secrets, on the controller.

Reading needs no lock, for the file is only ever replaced whole; whoever decides and writes holds the lock. People's
editors hold none: an entry is written only over what was read, into the file as it is by then, and what was there
before stays beside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ansible.parsing.vault import VaultLib
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.beside import HEAD, beside, new_file
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.history import DELETE_AFTER_DAYS, History, LostKey
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.lock import LOCK_TIMEOUT, Lock
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.vault import Opened, Vault
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.vault import encrypted as _encrypted

# How often a write begins anew because another hand was faster.
_ATTEMPTS = 5


class VaultStore:
    """The vault file at `path`, opened with the vault secrets of the run.

    Raises StoreError for whatever is wrong with it.
    """

    def __init__(
        self, path: str, vault: VaultLib, vault_id: str | None = None, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.path: str = os.path.abspath(path)  # from where ansible-playbook was started
        self._file = Path(os.path.realpath(self.path))  # a symbolic link stays one
        self._vault, self.lock = Vault(self.path, vault, vault_id), Lock(self._file, self.path, lock_timeout)
        self._history = History(self._file, self._vault)
        self._opened: Opened | None = None

    def keep_deleted(self, clock: Callable[[], datetime], delete_after_days: float = DELETE_AFTER_DAYS) -> None:
        """By which clock, and for how many days at least, predecessors keep the secret of a key that was deleted for
        good.
        """
        self._history.clock, self._history.delete_after_days = clock, delete_after_days

    @contextlib.contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[Transaction]:
        self.check_folder()
        with self.lock.held() if write else contextlib.nullcontext():
            yield self.transaction(user_name, write, self)

    def transaction(self, user_name: str, write: bool, store: Writes) -> Transaction:
        """The user's entry as it is now, to be written by `store`; with `write` the lock is held."""
        entry = self.entry(user_name)
        self._check_writable()
        return Transaction(store, user_name, entry, write)

    def entry(self, user_name: str) -> Entry:
        """What the store knows of the user; an empty entry where it knows nothing."""
        fields = self._read().text.parsed.get(user_name)
        try:
            if isinstance(fields, ValueError):
                raise fields
            return Entry() if fields is None else Entry.from_mapping(fields)
        except ValueError as error:
            raise StoreError(f"The entry of user {user_name} in {self.path} {error}") from None

    def entries(self) -> dict[str, Entry | StoreError]:
        """All entries by user; an entry that cannot be read is its error."""
        found: dict[str, Entry | StoreError] = {}
        for user_name in self._read().text.parsed:
            try:
                found[user_name] = self.entry(user_name)
            except StoreError as error:
                found[user_name] = error
        return found

    def lost_keys(self) -> tuple[LostKey, ...]:
        """Keys that the store had and another hand's file lacks; whether IAM still knows them is not known here."""
        return self._history.lost_keys(self._read())

    def lost_error(self, lost: LostKey) -> StoreError:
        """What a person is told of such a key, with the way to put it back."""
        return StoreError(
            f"Access key {lost.access_key_id} of user {lost.user_name} is no longer in {self.path}, which another hand "
            f"has overwritten; its secret is in {lost.file.name} beside it: look it up with `ansible-vault view "
            f"{lost.file}`, put it back with `ansible-vault edit {self.path}`, and run again"
        )

    # -- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> Opened:
        """The file's text, decrypted again only where another has written it since."""
        self.check_folder()
        try:
            with open(self._file, "rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(HEAD)
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size, data)
                if self._opened and self._opened.stamp == stamp:
                    return self._opened
                data += file.read()
        except FileNotFoundError:
            if self._opened is None or self._opened.stamp is not None:
                self._opened = Opened(None, Text.parse("", self.path))
            return self._opened
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from None
        self._opened = self._vault.open(data, stamp)
        return self._opened

    def check_folder(self) -> None:
        if not self._file.parent.is_dir():
            raise StoreError(f"The folder {self._file.parent} of vault_file {self.path} does not exist")

    def _check_writable(self) -> None:
        """What reading can show of a write that would fail, before anything is asked of AWS."""
        self._vault.encrypt_with(self._read())
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise StoreError(f"{self.path} cannot be written: the folder {self._file.parent} is not writable")
        if self._file.exists() and not os.access(self._file, os.W_OK):
            raise StoreError(f"{self.path} cannot be written: the file is read-only")

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, user_name: str, entry: Entry, over: Collection[Entry]) -> None:
        """Replaces the user's entry, which is one of `over`; when this returns, the file and its folder are synced. The
        lock is held.

        What another hand has written meanwhile stays; where that is this very entry, nothing is written.
        """
        (error,) = self.write_all([Change(user_name, entry, over)])
        if error:
            raise error

    def write_all(self, changes: Sequence[Change]) -> list[StoreError | None]:
        """Several users' entries in one write; why one of them was not written, where it was not."""
        self.lock.renew()
        for _attempt in range(_ATTEMPTS):
            opened = self._read()
            refused = [self._refusal(change) for change in changes]
            due = [change for change, error in zip(changes, refused) if not error]
            if not due or self._write(due, opened):
                return refused
            self._opened = None
        raise StoreError(
            f"{self.path} cannot be written: another program writes it all the time; end that, and run again"
        )

    def _refusal(self, change: Change) -> StoreError | None:
        if _as_written(self.entry(change.user_name)) in [_as_written(one) for one in change.over]:
            return None
        return StoreError(
            f"The entry of user {change.user_name} in {self.path} was changed by another hand while this task worked "
            "on it, so it was not written over; run again"
        )

    def _write(self, changes: Sequence[Change], opened: Opened) -> bool:
        """Whether it was written: not where another hand was faster."""
        secret, label = self._vault.encrypt_with(opened)
        try:
            for change in changes:
                self._history.note(opened, self.entry(change.user_name), change.entry)
                opened.text.put(change.user_name, change.entry)
            stamp = self._replace(_encrypted(str(opened.text), secret, label), opened)
        except OSError as error:
            self._opened = None  # what the text says is not what the file says
            raise StoreError(f"{self.path} cannot be written: {_os_reason(error)}") from None
        except BaseException:
            self._opened = None
            raise
        if stamp:
            opened.stamp = stamp
            self._history.clean()
        return bool(stamp)

    def _replace(self, data: bytes, opened: Opened) -> tuple[Any, ...] | None:
        """The new file's stamp, or None where another hand was faster: then nothing was replaced."""
        temporary = beside(self._file, "tmp")
        with new_file(temporary, self._file) as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
            status = os.fstat(file.fileno())
            if self._stamp() != opened.stamp:
                temporary.unlink()
                return None
            self._put_in_place(temporary, data, opened)
        self._sync_folder()
        return status.st_ino, status.st_mtime_ns, status.st_size, data[:HEAD]

    def _put_in_place(self, temporary: Path, data: bytes, opened: Opened) -> None:
        try:
            self._history.keep(opened, data)
            os.replace(temporary, self._file)
        except BaseException:
            self._history.did_not_come_about()
            raise

    def _stamp(self) -> tuple[Any, ...] | None:
        """What tells whether the file is the one that was read."""
        try:
            with open(self._file, "rb") as file:
                status = os.fstat(file.fileno())
                return status.st_ino, status.st_mtime_ns, status.st_size, file.read(HEAD)
        except FileNotFoundError:
            return None

    def _sync_folder(self) -> None:
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems know no such thing
                raise
        finally:
            os.close(folder)


@dataclass(frozen=True)
class Change:
    """A user's entry that is to be written, over one of those that it may find."""

    user_name: str
    entry: Entry
    over: Collection[Entry]


class Writes(Protocol):
    """What a transaction needs of a store."""

    def write(self, user_name: str, entry: Entry, over: Collection[Entry]) -> None:
        """See `VaultStore.write`."""

    def lost_keys(self) -> tuple[LostKey, ...]:
        """See `VaultStore.lost_keys`."""

    def lost_error(self, lost: LostKey) -> StoreError:
        """See `VaultStore.lost_error`."""


@dataclass
class Transaction:
    """One user's entry while the lock is held (or, in check mode, just read)."""

    store: Writes
    user_name: str
    entry: Entry
    writable: bool
    _tried: list[Entry] = field(default_factory=list)
    """What may be in the file although its write failed."""

    @property
    def lost(self) -> tuple[LostKey, ...]:
        """This user's keys that another hand's file lacks, while a predecessor has their secret."""
        return tuple(key for key in self.store.lost_keys() if key.user_name == self.user_name)

    def refuse_lost(self, listed: Collection[str]) -> None:
        """Raises StoreError where a key that IAM lists (`listed`) is such a one: it is put back before the user is
        touched.
        """
        for key in self.lost:
            if key.access_key_id in listed:
                raise self.store.lost_error(key)

    def write(self, entry: Entry) -> None:
        if not self.writable:
            raise AssertionError("a write without the store's lock")
        over, self._tried = [self.entry, *self._tried], [*self._tried, entry]
        self.store.write(self.user_name, entry, over)
        self.entry, self._tried = entry, []


def _as_written(entry: Entry) -> dict[str, Any]:
    """What the file has of an entry."""
    return {} if entry.empty else entry.to_mapping()


def _os_reason(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "it cannot be replaced (a file mounted singly into a container? mount its folder instead)"
    return error.strerror or str(error)
