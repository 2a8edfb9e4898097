# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of a batch: many are inside its lock at once, and entries that are ready at the same time are one write.

For others the batch is one run: it has the file's lock while any of its threads is inside, and gives it back every few
seconds. Inside, each user's entry is its own task's, and whoever writes goes on when the file with its entry is synced.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from threading import Condition, Lock

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import Change, Transaction, VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.history import LostKey
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.lock import LONGEST_PAUSE
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.lock import Lock as FileLock

# Seconds after which nobody is let in any more, so that those inside leave and another run has its turn; and for how
# long the lock is left alone then: others look again within that time.
LEASE_SECONDS, TURN_SECONDS = 3.0, LONGEST_PAUSE + 0.05


class Lease:
    """One hold of the lock for all who are inside, `room` of them at most."""

    def __init__(self, lock: FileLock, room: Callable[[], int]) -> None:
        self._lock, self._room = lock, room
        self._changed = Condition()
        self._inside, self._held, self._taking = 0, False, False
        # Since when nobody else could have had the lock, and since when it is not held.
        self._ours_since, self._released = 0.0, 0.0
        self._patience: float | None = None
        self._refusal: str | None = None

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Raises StoreError where the lock cannot be had in time: who comes after that does not wait for it again."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def refuse(self, sentence: str) -> None:
        """Nobody is let in any more."""
        with self._changed:
            self._refusal = sentence
            self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            while True:
                if self._refusal:
                    raise StoreError(self._refusal)
                if self._held and not self._is_due and self._inside < max(self._room(), 1):
                    self._inside += 1
                    return
                if not self._held and not self._taking:
                    self._taking = True
                    break
                self._changed.wait()
        self._take()

    @property
    def _is_due(self) -> bool:
        """Whether it is another run's turn."""
        return time.monotonic() - self._ours_since >= LEASE_SECONDS

    def _take(self) -> None:
        """Waits for the lock; whoever comes meanwhile waits for this."""
        try:
            if self._is_due:
                time.sleep(max(self._released + TURN_SECONDS - time.monotonic(), 0))
            self._lock.acquire(self._patience, lambda: self._refusal is not None)
        except StoreError:
            self._patience = 0
            raise
        finally:
            with self._changed:
                self._taking, self._held = False, self._lock.is_held
                if self._held:
                    self._inside, now = 1, time.monotonic()
                    self._ours_since = now if now - self._released >= TURN_SECONDS else self._ours_since
                self._changed.notify_all()

    def _leave(self) -> None:
        with self._changed:
            self._inside -= 1
            if self._inside == 0:
                self._lock.release()
                self._held, self._released = False, time.monotonic()
            self._changed.notify_all()


@dataclass
class _Pending:
    """An entry that is ready to be written."""

    change: Change
    written: bool = False
    error: StoreError | None = None


class SharedStore:
    """The vault file of `store` for the threads of a batch, `room` of them inside its lock at a time."""

    def __init__(self, store: VaultStore, room: Callable[[], int]) -> None:
        self.path = store.path
        self._store, self._lease = store, Lease(store.lock, room)
        # Whoever reads or changes what `store` has in memory.
        self._alone = Lock()
        self._users: dict[str, Lock] = {}
        self._committed = Condition()
        self._pending: list[_Pending] = []
        self._committing = False

    @contextlib.contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[Transaction]:
        if not write:
            with self._alone:
                transaction = self._store.transaction(user_name, False, self)
            yield transaction
            return
        self._store.check_folder()
        with self._users.setdefault(user_name, Lock()), self._lease.inside():
            with self._alone:
                transaction = self._store.transaction(user_name, True, self)
            yield transaction

    def stop(self, why: str) -> None:
        """Nobody is let in any more; who is inside finishes."""
        self._lease.refuse(f"Nothing was done: the task was stopped by {why} while it waited for {self.path}")

    def lost_keys(self) -> tuple[LostKey, ...]:
        with self._alone:
            return self._store.lost_keys()

    def lost_error(self, lost: LostKey) -> StoreError:
        return self._store.lost_error(lost)

    def write(self, user_name: str, entry: Entry, over: Collection[Entry]) -> None:
        """As VaultStore's, with what else is ready: whoever comes first writes for all who wait by then."""
        own = _Pending(Change(user_name, entry, over))
        with self._committed:
            self._pending.append(own)
            while not own.written and self._committing:
                self._committed.wait()
            if not own.written:
                self._committing = True
                together, self._pending = self._pending, []
        if not own.written:
            self._commit(together)
        if own.error:
            raise own.error

    def _commit(self, together: list[_Pending]) -> None:
        try:
            with self._alone:
                errors = self._write_all([one.change for one in together])
        except BaseException as error:
            sentence = error.message if isinstance(error, StoreError) else type(error).__name__
            errors = [StoreError(sentence) for _one in together]
            if not isinstance(error, Exception):
                raise
        finally:
            with self._committed:
                for number, one in enumerate(together):
                    one.written, one.error = True, errors[number]
                self._committing = False
                self._committed.notify_all()

    @cached_property
    def _write_all(self) -> Callable[[Sequence[Change]], list[StoreError | None]]:
        """Writes in one thread, whoever is first: what a thread frees the C library keeps for the next time, and that
        would be the file several times over for each of them.
        """
        write_all, writer = self._store.write_all, ThreadPoolExecutor(1, "keyturn-store")
        try:
            writer.submit(int).result()
        except RuntimeError:  # this machine gives no other thread
            return write_all
        return lambda changes: writer.submit(write_all, changes).result()
