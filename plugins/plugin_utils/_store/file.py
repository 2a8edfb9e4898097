# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: one Ansible Vault file with the secrets, on the controller.

Reading needs no lock, for the file is only ever replaced whole; whoever decides and writes holds the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import (
    VaultAES256,
    VaultLib,
    format_vaulttext_envelope,
    is_encrypted,
    match_encrypt_secret,
    match_secrets,
)
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text

LOCK_TIMEOUT = 120.0
_NO_PASSWORD = "no vault password was given; use --ask-vault-pass, --vault-password-file or --vault-id"
# Bytes that tell two encryptions apart (header, salt, digest), whatever a file system's clock says.
_FINGERPRINT = 1024


@dataclass
class _Opened:
    """The file as it was read: its text, and how to encrypt it again as it was found."""

    stamp: tuple[Any, ...] | None
    text: Text
    secret: Any = None
    label: str | None = None


class VaultStore:
    """The vault file at `path`, opened with the vault secrets of the run. Raises StoreError for whatever is wrong with it."""

    def __init__(
        self, path: str, vault: VaultLib, vault_id: str | None = None, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.path: str = path
        self._file = Path(os.path.realpath(path))  # a symbolic link stays one
        self._vault, self._vault_id, self._lock_timeout = vault, vault_id, lock_timeout
        self._opened: _Opened | None = None

    @contextlib.contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[_Transaction]:
        with self._lock() if write else contextlib.nullcontext():
            entry = self.entry(user_name)
            self._check_writable()
            yield _Transaction(self, user_name, entry, write)

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

    # -- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> _Opened:
        """The file's text, decrypted again only where another has written it since."""
        self._check_folder()
        try:
            with open(self._file, "rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(_FINGERPRINT)
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size, data)
                if self._opened and self._opened.stamp == stamp:
                    return self._opened
                data += file.read()
        except FileNotFoundError:
            self._opened = _Opened(None, Text.parse("", self.path))
            return self._opened
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from None
        self._opened = self._decrypt(data, stamp)
        return self._opened

    def _check_folder(self) -> None:
        if not self._file.parent.is_dir():
            raise StoreError(f"The folder {self._file.parent} of vault_file {self.path} does not exist")

    def _check_writable(self) -> None:
        """What reading can show of a write that would fail, before anything is asked of AWS."""
        self._encrypt_with(self._read())
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise StoreError(f"{self.path} cannot be written: the folder {self._file.parent} is not writable")
        if self._file.exists() and not os.access(self._file, os.W_OK):
            raise StoreError(f"{self.path} cannot be written: the file is read-only")

    def _decrypt(self, data: bytes, stamp: tuple[Any, ...]) -> _Opened:
        if not is_encrypted(data):
            what = "is empty" if not data.strip() else "is not encrypted with Ansible Vault"
            raise StoreError(f"{self.path} {what}; encrypt it with ansible-vault, or name another vault_file")
        if not self._vault.secrets:
            raise StoreError(f"{self.path} cannot be opened: {_NO_PASSWORD}")
        header = data.split(b"\n", 1)[0].decode("ascii", "replace").split(";")
        label = header[3].strip() if len(header) > 3 else None
        try:
            plain, _vault_id, secret = self._vault.decrypt_and_get_vault_id(data)
        except AnsibleError:
            whose = f" (its vault id is {label})" if label else ""
            raise StoreError(
                f"{self.path} cannot be opened with the vault password of this run{whose}: "
                "the password is another one, or the file is damaged"
            ) from None
        try:
            text = Text.parse(plain.decode("utf-8-sig"), self.path)
        except UnicodeDecodeError:
            raise StoreError(f"{self.path} is encrypted, but not text inside") from None
        return _Opened(stamp, text, secret, label)

    def _encrypt_with(self, opened: _Opened) -> tuple[Any, str | None]:
        """The secret and the label to encrypt with: vault_id's, else the file's own, else what `ansible-vault encrypt` would take."""
        secrets = self._vault.secrets or []
        if self._vault_id:
            found = match_secrets(secrets, [self._vault_id])
            if not found:
                raise StoreError(f"vault_id {self._vault_id} is not among the vault ids of this run ({_ids(secrets)})")
            return found[0][1], self._vault_id
        if opened.secret is not None:
            return opened.secret, opened.label
        if not secrets:
            raise StoreError(f"{self.path} cannot be made: {_NO_PASSWORD}")
        configured = C.DEFAULT_VAULT_ENCRYPT_IDENTITY
        if not configured and len({vault_id for vault_id, _secret in secrets}) > 1:
            given = f"several vault ids were given ({_ids(secrets)})"
            raise StoreError(f"{self.path} cannot be made: {given}; say with vault_id which to encrypt with")
        try:
            vault_id, secret = match_encrypt_secret(secrets, encrypt_vault_id=configured or None)
        except AnsibleError as error:
            raise StoreError(f"{self.path} cannot be made: {_reason(error)}") from None
        return secret, vault_id

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, user_name: str, entry: Entry) -> None:
        """Replaces the user's entry; when this returns, the file and its folder are synced. The lock is held."""
        opened = self._read()
        secret, label = self._encrypt_with(opened)
        try:
            opened.text.put(user_name, entry)
            opened.stamp = self._replace(_encrypted(str(opened.text), secret, label))
        except OSError as error:
            self._opened = None  # what the text says is not what the file says
            raise StoreError(f"{self.path} cannot be written: {_os_reason(error)}") from None
        except BaseException:
            self._opened = None
            raise

    def _replace(self, data: bytes) -> tuple[Any, ...]:
        temporary = self._file.with_name(f".{self._file.name}.tmp")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()  # of a run that died; the lock is ours
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o600)
                self._give_to_owner(file.fileno())
                os.fsync(file.fileno())
                status = os.fstat(file.fileno())
            os.replace(temporary, self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._sync_folder()
        return status.st_ino, status.st_mtime_ns, status.st_size, data[:_FINGERPRINT]

    def _give_to_owner(self, handle: int) -> None:
        """Root writes, and locks, for the owner of the file."""
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                owner = self._file.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)

    def _sync_folder(self) -> None:
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems know no such thing
                raise
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One at a time, on this machine and over whatever of its file systems carry flock."""
        self._check_folder()
        name = self._file.with_name(f".{self._file.name}.lock")
        try:
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written: no lock file in {self._file.parent} ({error.strerror})"
            ) from None
        try:
            self._give_to_owner(handle)
            _acquire(
                handle,
                self._lock_timeout,
                lambda: StoreError(
                    f"{self.path} is locked by another run for more than {self._lock_timeout:g} seconds; wait for it, or see with "
                    f"`fuser {name}` who holds it, and run again"
                ),
            )
            yield
        finally:
            os.close(handle)


@dataclass
class _Transaction:
    """One user's entry while the lock is held (or, in check mode, just read)."""

    store: VaultStore
    user_name: str
    entry: Entry
    writable: bool

    def write(self, entry: Entry) -> None:
        if not self.writable:
            raise AssertionError("a write without the store's lock")
        self.store.write(self.user_name, entry)
        self.entry = entry


def _encrypted(text: str, secret: Any, label: str | None) -> bytes:
    """What VaultLib.encrypt gives; it cuts the lines in Python, which takes longer than all else for a large file."""
    header = format_vaulttext_envelope(b"", "AES256", vault_id=label)
    encrypted: bytes = VaultAES256.encrypt(text.encode(), secret)
    return bytes(header) + hexlify(unhexlify(encrypted), b"\n", -40) + b"\n"


def _acquire(handle: int, timeout: float, late: Callable[[], Exception]) -> None:
    deadline, pause = time.monotonic() + timeout, 0.002
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreError(f"The lock of the store cannot be had: {error.strerror}") from None
        if time.monotonic() >= deadline:
            raise late()
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def _ids(secrets: list[tuple[str, Any]]) -> str:
    return ", ".join(sorted({str(vault_id) for vault_id, _secret in secrets})) or "none"


def _reason(error: AnsibleError) -> str:
    """Ansible's reason without the file's content."""
    return str(getattr(error, "message", error)).split("\n", 1)[0]


def _os_reason(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "it cannot be replaced (a file mounted singly into a container? mount its folder instead)"
    return error.strerror or str(error)
