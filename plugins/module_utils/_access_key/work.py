# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one task works with: whom it asks, where it keeps secrets, what it wants, and what it has done so far."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from .._answers import Key
from .._entry import Entry
from .._iam import Iam
from .._seen import Seen
from .._want import Want


class Transaction(Protocol):
    """One user's entry while the store's lock is held."""

    entry: Entry

    def write(self, entry: Entry) -> None:
        """Puts the entry into the file, synced when it returns. Raises StoreError."""

    def refuse_lost(self, listed: Collection[str]) -> None:
        """Raises StoreError for a key of IAM's that the store had, and that another hand's file lacks."""


class Store(Protocol):
    """Where secrets are kept; `path` is None where they are not."""

    @property
    def path(self) -> str | None:
        """The vault file; null where there is none."""

    def locked(self, user_name: str, write: bool) -> AbstractContextManager[Transaction]:
        """The user's entry, freshly read; with `write` under the store's lock. Raises StoreError."""


@dataclass
class _Nothing:
    entry: Entry = field(default_factory=Entry)

    def write(self, entry: Entry) -> None:
        pass

    def refuse_lost(self, listed: Collection[str]) -> None:
        pass


class NoStore:
    """The store of a task without a vault file."""

    path: str | None = None

    @contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[Transaction]:
        yield _Nothing()


@dataclass
class Outcome:
    """What a task did or, in check mode, would do."""

    changed: bool = False
    access_key: dict[str, Any] | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    deleted_access_key_id: str | None = None
    stage: str | None = None
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


@dataclass
class Work:
    """One task under way. `seen` are the user's keys as far as it has seen and changed them."""

    iam: Iam
    store: Store
    want: Want
    check: bool
    done: Outcome = field(default_factory=Outcome)
    seen: Seen | None = None

    @property
    def keeps(self) -> bool:
        """Whether there is a store, so that secrets are kept."""
        return self.store.path is not None

    def nothing_to_do(self, seen: Seen, key: Key | None) -> None:
        """All is as the task wants it; `key` is the one that satisfies it."""
        self.done.after = self.done.before
        if key:
            self._show(seen, key)

    def changed(self, seen: Seen) -> None:
        """The task made it so or, in check mode, would."""
        self.done.changed = True
        self.seen, self.done.after = seen, seen.picture()

    def changed_key(self, seen: Seen, access_key_id: str) -> None:
        """The task made this key so."""
        self.changed(seen)
        self.goes_on_with(seen, access_key_id)

    def goes_on_with(self, seen: Seen, access_key_id: str) -> None:
        """The key is there, and what is still to be done to it needs no other look."""
        self.seen = seen
        key = seen.listed(access_key_id)
        if key:
            self._show(seen, key)

    def _show(self, seen: Seen, key: Key) -> None:
        self.done.access_key, self.done.stage = key.public(), seen.entry.stage(key.access_key_id)
