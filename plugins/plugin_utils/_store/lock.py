# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One at a time, on this machine and over whatever of its file systems carry flock.

The lock is the file that the path names: one that was removed, or replaced, keeps nobody out, so it is none.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.beside import beside, give_to_owner

LOCK_TIMEOUT = 120.0
# Seconds after which one who waits looks again.
LONGEST_PAUSE = 0.1


class Lock:
    """The lock of the vault file `file`, which errors call `shown`.

    Raises StoreError where it cannot be had in time.
    """

    def __init__(self, file: Path, shown: str, timeout: float = LOCK_TIMEOUT) -> None:
        self._file, self._shown, self._timeout = file, shown, timeout
        self._path = beside(file, "lock")
        self._handle: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Waits for the lock and holds it."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    @property
    def is_held(self) -> bool:
        return self._handle is not None

    def renew(self) -> None:
        """Where somebody has removed the lock file, another run may be in: waits in line once more."""
        if self._handle is not None and not self._is_named(self._handle):
            self.release()
            self.acquire()

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def acquire(self, timeout: float | None = None, given_up: Callable[[], bool] = lambda: False) -> None:
        """Waits for the lock, not longer than `timeout` seconds (left out: its own), nor once it is `given_up`."""
        deadline, pause = time.monotonic() + (self._timeout if timeout is None else timeout), 0.002
        while not self._try():
            if given_up():
                raise StoreError(f"{self._shown} is locked by another run, which was waited for no longer")
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"{self._shown} is locked by another run for more than {self._timeout:g} seconds; wait for it, or "
                    f"see with `fuser {self._path}` who holds it, and run again"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _try(self) -> bool:
        """Opened anew each time, for the path may name another file by now."""
        handle = self._open()
        try:
            if _is_locked(handle) and self._is_named(handle):
                give_to_owner(self._file, handle)
                self._handle, handle = handle, -1
        finally:
            if handle >= 0:
                os.close(handle)
        return handle < 0

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            folder, why = self._file.parent, error.strerror
            raise StoreError(f"{self._shown} cannot be written: no lock file in {folder} ({why})") from None

    def _is_named(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self._path, follow_symlinks=False))
        except OSError:
            return False


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StoreError(f"The lock of the store cannot be had: {error.strerror}") from None
        return False
    return True
