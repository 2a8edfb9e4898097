# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account of many users and a store, in memory, for many threads at once; one event may go wrong, or the process die.

An event is a request or a write of the store. Whoever is killed does nothing any more, in whatever thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._access_key.batch import Item, Listener, ensure_all
from ansible_collections.keyturn.iam.plugins.module_utils._answers import Key, LastUsed, User
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import IamError, StoreError, UnknownOutcome
from ansible_collections.keyturn.iam.plugins.module_utils._pace import Pace
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from botocore.exceptions import ClientError, ReadTimeoutError

START = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
ACCOUNT, PATH = "123456789012", "iam.yml"


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Made:
    key: Key
    secret: str


@dataclass(frozen=True)
class Event:
    """The nth time that something is done for a user: a request by its operation, or `write`."""

    what: str
    user_name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.what}-{self.user_name}-{self.nth}"


@dataclass
class World:
    """`befalls`: what happens to an event. `lost`: it is done, and no answer comes; `dropped`: nor is it done; `refused`:
    AWS, or the disk, says no; `dies`, `dies_after`: the process is killed. `at` is called at each event.
    """

    befalls: dict[Event, str] = field(default_factory=dict)
    at: Callable[[Event], None] = lambda event: None
    now: datetime = START
    keys: dict[str, list[Made]] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    dead: bool = False
    time_is_known: bool = True
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.numbers = iter(range(1, 100_000))

    def add(self, user_name: str, days: float = 100, active: bool = True) -> Made:
        key_id = f"AKIA{next(self.numbers)}"
        made = self.now - timedelta(days=days)
        one = Made(Key(key_id, user_name, "Active" if active else "Inactive", made), f"secret-of-{key_id}")
        self.keys.setdefault(user_name, []).append(one)
        return one

    def event(self, what: str, user_name: str, execute: Callable[[], Any], error: Callable[[bool], Exception]) -> Any:
        """`error` makes what is raised, for a refusal (true) or an answer that does not come."""
        with self.lock:
            nth = 1 + sum(one.what == what and one.user_name == user_name for one in self.log)
            event = Event(what, user_name, nth)
            how = self.befalls.get(event, "")
            self.dead = self.dead or how == "dies"
            if self.dead:
                raise Killed
            self.log.append(event)
        self.at(event)
        with self.lock:
            if self.dead:
                raise Killed
            if how == "refused":
                raise error(True)
            answer = None if how == "dropped" else execute()
            if how == "dies_after":
                self.dead = True
                raise Killed
            if how in ("lost", "dropped"):
                raise error(False)
            return answer

    # -- what must hold

    def secrets(self) -> set[str]:
        """What the store has."""
        found = set()
        for entry in self.entries.values():
            for key_id in entry.key_ids:
                record = entry.key(key_id)
                if record and record.secret_access_key:
                    found.add(record.secret_access_key)
        return found

    def unstored(self) -> list[str]:
        """Keys whose secret nobody holds, that the store cannot explain either."""
        secrets = self.secrets()
        return [
            made.key.access_key_id
            for name, keys in self.keys.items()
            for made in keys
            if made.key.create_date >= START and made.secret not in secrets and not self._explained(name, made)
        ]

    def _explained(self, user_name: str, made: Made) -> bool:
        asked = self.entries.get(user_name, Entry()).asked
        return bool(asked and asked.explains(made.key.access_key_id, made.key.create_date))

    def in_force(self, user_name: str) -> bool:
        """Whether the store's current key is there, works, and has its secret."""
        entry = self.entries.get(user_name, Entry())
        return any(
            made.key.access_key_id == entry.current_id
            and made.key.active
            and made.secret == entry.current.secret_access_key
            for made in self.keys[user_name]
        )

    def working(self) -> dict[str, int]:
        return {name: sum(made.key.active for made in keys) for name, keys in self.keys.items()}


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "It")


class BusyIam:
    """What a batch uses of `Iam`."""

    signing_access_key_id = "SIGNER"

    def __init__(self, world: World, at_once: int = 4) -> None:
        self.world, self.pace = world, Pace(at_once)
        self.knows_time = world.time_is_known
        self.sts = self

    @property
    def now(self) -> datetime:
        return self.world.now

    def noticed(self, response: Any) -> None:
        self.knows_time = True

    def prepare_sts(self) -> None:
        if not self.knows_time:
            self.knows_time = True
            self.world.log.append(Event("own sts", "", 1))

    def quota(self) -> int:
        return 2

    def _ask(self, what: str, user_name: str, execute: Callable[[], Any], unknown: type[IamError] = IamError) -> Any:
        def error(refused: bool) -> Exception:
            if not refused:
                return unknown(f"Could not {what}", ReadTimeoutError(endpoint_url="https://iam"))
            failure = IamError(f"Could not {what}", _client_error("AccessDenied"))
            failure.proves_nothing_done = True
            return failure

        with self.pace.turn():
            with self.world.lock:
                self.world.under_way += 1
                self.world.most_under_way = max(self.world.most_under_way, self.world.under_way)
            try:
                return self.world.event(what, user_name, execute, error)
            finally:
                with self.world.lock:
                    self.world.under_way -= 1

    def _keys(self, user_name: str) -> list[Made]:
        if user_name not in self.world.keys:
            raise IamError(f"Could not list the keys of {user_name}", _client_error("NoSuchEntity"))
        return self.world.keys[user_name]

    def keys(self, user_name: str) -> list[Key]:
        return self._ask("keys", user_name, lambda: [made.key for made in self._keys(user_name)])

    def user(self, user_name: str) -> User:
        arn = f"arn:aws:iam::{ACCOUNT}:user/{user_name}"
        return self._ask("user", user_name, lambda: User(user_name, f"AIDA{user_name}", arn, "/", START))

    def last_used(self, access_key_id: str) -> LastUsed:
        owners = {made.key.access_key_id: name for name, keys in self.world.keys.items() for made in keys}
        name = owners[access_key_id]
        return self._ask("last_used", name, lambda: LastUsed(name, None, None, None))

    def create(self, user_name: str) -> tuple[Key, str]:
        def execute() -> tuple[Key, str]:
            made = self.world.add(user_name, days=0)
            return made.key, made.secret

        return self._ask("create", user_name, execute, UnknownOutcome)

    def set_status(self, user_name: str, access_key_id: str, active: bool) -> None:
        def execute() -> None:
            for made in self._keys(user_name):
                if made.key.access_key_id == access_key_id:
                    made.key = replace(made.key, status="Active" if active else "Inactive")

        self._ask("set_status", user_name, execute)

    def delete(self, user_name: str, access_key_id: str) -> bool:
        def execute() -> bool:
            keys = self._keys(user_name)
            left = [made for made in keys if made.key.access_key_id != access_key_id]
            keys[:], found = left, len(left) < len(keys)
            return found

        return self._ask("delete", user_name, execute)

    def identity(self, access_key_id: str, secret_access_key: str) -> dict[str, Any]:
        (name,) = {name for name, keys in self.world.keys.items() for made in keys if made.secret == secret_access_key}
        answer = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/{name}"}
        lost = ReadTimeoutError(endpoint_url="https://sts")
        with self.pace.turn():
            return self.world.event(
                "sts", name, lambda: answer, lambda refused: _client_error("InvalidClientTokenId") if refused else lost
            )


class BusyStore:
    """A store in memory, each write at once and synced."""

    path = PATH

    def __init__(self, world: World) -> None:
        self.world = world
        self._users: dict[str, threading.Lock] = {}

    @contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[_Transaction]:
        with self._users.setdefault(user_name, threading.Lock()):
            yield _Transaction(self.world, user_name, self.world.entries.get(user_name, Entry()))


@dataclass
class _Transaction:
    world: World
    user_name: str
    entry: Entry

    def refuse_lost(self, listed: object) -> None:
        pass

    def write(self, entry: Entry) -> None:
        def execute() -> None:
            self.world.entries[self.user_name] = entry

        self.world.event("write", self.user_name, execute, lambda refused: StoreError(f"{PATH}: no space left"))
        self.entry = entry


def play(
    world: World, wants: Sequence[Want], at_once: int = 4, stopped: Callable[[str], None] = lambda why: None
) -> Any:
    """What became of each; None where the process died."""
    items = [Item(want, BusyStore(world)) for want in wants]
    iam: Any = BusyIam(world, at_once)
    try:
        why = ensure_all(iam, items, False, Listener(stopped=stopped))
    except Killed:
        return None
    return why, items
