# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account with one user, a store and a clock, in memory, for actors who get into each other's way.

Writes are applied at once, lists show what was so `lag` seconds ago. Each request takes its time. An actor can be held
up, or fail, at any of its events: a request, a write of the store, the store's lock. What no actor may ever do is
looked at when it does it (`broken` has what was found).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._answers import Key, LastUsed, User
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import IamError, StoreError, UnknownOutcome
from botocore.exceptions import ClientError, ReadTimeoutError

START = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
NAME, USER_ID, ACCOUNT, PATH = "ci", "AIDACI", "123456789012", "iam.yml"
USER = User(NAME, USER_ID, f"arn:aws:iam::{ACCOUNT}:user/{NAME}", "/", START - timedelta(days=400))
QUOTA = 2
REQUEST_SECONDS = 0.25
# A list is read so long before the write that follows it.
JUST_BEFORE = timedelta(seconds=3)
WRITES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "write of the store")
# Last uses show hours late.
USE_LAG = timedelta(hours=2)
DAY = timedelta(days=1)


class Killed(BaseException):
    """The actor's process is no more. Whatever it still tries raises this again."""


@dataclass
class Made:
    """An access key as it is. `lost`: nobody has its secret. `maker`: the run that made it, in this history."""

    id: str
    secret: str
    date: datetime
    active: bool = True
    switched: datetime = START - 400 * DAY
    switched_by: str = ""
    uses: list[datetime] = field(default_factory=list)
    lost: bool = False
    maker: str = ""

    @property
    def listed(self) -> Key:
        return Key(self.id, NAME, "Active" if self.active else "Inactive", self.date.replace(microsecond=0))


@dataclass
class Fault:
    """What happens to an actor at its n-th event (the first is 1).

    `meanwhile` is what others do then. `how`: it "goes on", "dies" before the event, its answer is "lost" (what it
    asked for was done) or its request was "dropped" (it was not), and it learns neither.
    """

    at: int = 0
    how: str = "goes on"
    meanwhile: Callable[[], None] = lambda: None


class World:
    """All that there is. One actor moves at a time."""

    def __init__(self, lag: float) -> None:
        self.time = START
        self.lag, self.sts_lag = timedelta(seconds=lag), timedelta(seconds=min(lag, 3))
        self.keys: dict[str, Made] = {}
        self.past: list[tuple[datetime, tuple[Key, ...]]] = []
        self.entry: dict[str, Any] = {}
        self.numbers = iter(range(1, 1000))
        self.holder: Actor | None = None
        self.waits_for_lock: threading.Semaphore | None = None
        self.back = threading.Semaphore(0)
        self.log: list[tuple[datetime, str, str]] = []
        self.broken: list[str] = []
        self.crashes: list[Exception] = []
        self.only_writes_are_logged = False
        self.did_all = True
        # What people know, and the store may not.
        self.revoked: set[str] = set()
        self.unanswered: dict[str, datetime] = {}
        self.sent_deletions: set[str] = set()
        self.cut_off: set[str] = set()

    # -- IAM's own side ------------------------------------------------------------------------------------------

    def add(self, key: Made) -> Made:
        self.keys[key.id] = key
        self.remember()
        return key

    def remember(self) -> None:
        keys = sorted((key.listed for key in self.keys.values()), key=lambda key: (key.create_date, key.access_key_id))
        self.past.append((self.time, tuple(keys)))

    def seen_at(self, moment: datetime) -> tuple[Key, ...]:
        return next((keys for since, keys in reversed(self.past) if since <= moment), self.past[0][1])

    @property
    def working(self) -> set[str]:
        """The keys that work, or did so when the lists that show now were made: nobody can know better."""
        shown = [*self.seen_at(self.time), *self.seen_at(self.time - self.lag - JUST_BEFORE)]
        return {key.access_key_id for key in shown if key.active}

    def new_key(self, by: str) -> Made:
        number = next(self.numbers)
        made = Made(f"AKIANEW{number}", f"secret-{number}", self.time, switched=self.time, switched_by=by)
        return self.add(made)

    def switch(self, key: Made, active: bool, by: str) -> None:
        if key.active != active:
            key.active, key.switched, key.switched_by = active, self.time, by
            self.remember()

    def drop(self, key: Made) -> None:
        del self.keys[key.id]
        self.remember()

    # -- the store's own side --------------------------------------------------------------------------------------

    @property
    def stored(self) -> Entry:
        return Entry.from_mapping(self.entry)

    @property
    def picture(self) -> dict[str, tuple[bool, str | None]]:
        """Which keys there are, whether they work, and their stages."""
        return {key.id: (key.active, self.stored.stage(key.id)) for key in self.keys.values()}

    @property
    def held(self) -> bool:
        until = self.stored.hold_until
        return until is not None and until > self.now

    # -- the clock ---------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """AWS's dates are whole seconds."""
        return self.time.replace(microsecond=0)

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=max(seconds, 0))

    def monotonic(self) -> float:
        return (self.time - START).total_seconds()

    def unix_time(self) -> float:
        return self.time.timestamp()

    def note(self, who: str, what: str) -> None:
        self.log.append((self.time, who, what))

    def breaks(self, promise: str) -> None:
        self.broken.append(promise)
        self.note("!!!", promise)

    # -- who moves ---------------------------------------------------------------------------------------------

    def run_until_done_or_waiting(self, work: Callable[[], None]) -> None:
        """Others at work while one is held up: if they want the lock that it holds, it goes on until it has let go of that."""

        def run() -> None:
            try:
                work()
            except Exception as error:
                self.crashes.append(error)
            self.back.release()

        threading.Thread(target=run, daemon=True).start()
        self.back.acquire()

    def wait_for_lock(self, actor: Actor) -> None:
        if self.holder is None:
            return
        assert self.waits_for_lock is None, "two at once wait for the lock, so that three are at work"
        actor.note("waits for the store's lock")
        let_in = self.waits_for_lock = threading.Semaphore(0)
        self.back.release()
        let_in.acquire()

    def let_go_of_lock(self) -> None:
        self.holder = None
        if self.waits_for_lock:
            waiting, self.waits_for_lock = self.waits_for_lock, None
            waiting.release()
            self.back.acquire()

    def __str__(self) -> str:
        lines = [f"  {moment:%d %H:%M:%S.%f}"[:-4] + f"  {who:<12} {what}" for moment, who, what in self.log]
        return "\n".join(lines)


@dataclass
class Actor:
    """One run, or one person at work. `scheduled`: nobody named the user; a plan decides. `named`: the keys that a person named."""

    world: World
    name: str
    scheduled: bool = False
    named: frozenset[str] = frozenset()
    ask_again: bool = False
    fault: Fault = field(default_factory=Fault)
    events: int = 0
    writes: int = 0
    dead: bool = False
    failed: bool = False
    accepted: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    seen: list[tuple[str, bool]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.world.note(self.name, what)

    def event(self, what: str, execute: Callable[[], Any], lost: Callable[[], Exception] | None = None) -> Any:
        """One event of the actor, with what befalls it. `lost` makes the error of a request whose answer does not come."""
        if self.dead:
            raise Killed
        self.events += 1
        self.seen.append((what, what.startswith(WRITES)))
        self.world.time += timedelta(seconds=REQUEST_SECONDS)
        how = self.fault.how if self.events == self.fault.at else ""
        if how == "dies":
            self.note(f"dies before {what}")
            self.dead = True
            self.world.cut_off.add(self.name)
            raise Killed
        if how == "goes on":
            self.note(f"is held up before {what}")
            self.world.run_until_done_or_waiting(self.fault.meanwhile)
        if how in ("lost", "dropped") and lost:
            if how == "lost":
                execute()
            self.note(f"{what}: {'done, but' if how == 'lost' else 'not done, and'} no answer comes")
            self.world.run_until_done_or_waiting(self.fault.meanwhile)
            raise lost()
        written = self.writes
        answer = execute()
        if self.writes > written or not self.world.only_writes_are_logged:
            self.note(what + _shown(answer))
        return answer


def _shown(answer: Any) -> str:
    """What came of an event, for people."""
    if answer is False:
        return ": there is none"
    if isinstance(answer, list) and answer != [USER]:
        return ": " + (", ".join(f"{key.access_key_id} {key.status}" for key in answer) or "none")
    if isinstance(answer, LastUsed):
        return f": {answer}"
    return f": {answer[0].access_key_id}" if isinstance(answer, tuple) else ""


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "It")


def _refused(what: str, code: str) -> IamError:
    error = IamError(f"Could not {what}", _client_error(code))
    error.proves_nothing_done = True
    return error


class SimulatedIam:
    """What the engine and a look use of `Iam`, for one actor."""

    signing_access_key_id = "AKIASIGNER"
    account_id, partition = ACCOUNT, "aws"

    def __init__(self, actor: Actor) -> None:
        self.actor, self.world = actor, actor.world
        self.knows_time = False
        self.sts = self

    @property
    def now(self) -> datetime:
        assert self.knows_time, "AWS's clock is read before AWS has answered"
        return self.world.now

    def noticed(self, response: Mapping[str, Any]) -> None:
        self.knows_time = self.knows_time or bool(response)

    def prepare_sts(self) -> None:
        pass

    def _ask(self, what: str, execute: Callable[[], Any], unknown: type[IamError] = IamError) -> Any:
        def lost() -> IamError:
            return unknown(f"Could not {what}", ReadTimeoutError(endpoint_url="https://iam"))

        answer = self.actor.event(what, execute, lost)
        self.knows_time = True
        return answer

    # -- reads -------------------------------------------------------------------------------------------------

    def users(self, path_prefix: str | None = None) -> list[User]:
        self._ask("ListUsers", lambda: True)
        return [USER]

    def user(self, user_name: str) -> User:
        assert user_name == NAME
        return self._ask("GetUser", lambda: USER)

    def summary(self) -> dict[str, int]:
        self._ask("GetAccountSummary", lambda: True)
        return {"AccountAccessKeysPresent": 0, "AccessKeysPerUserQuota": QUOTA}

    def quarantine_policies(self) -> dict[str, str]:
        return {}

    def quota(self) -> int:
        return QUOTA

    def keys(self, user_name: str) -> list[Key]:
        return self._ask("ListAccessKeys", lambda: list(self.world.seen_at(self.world.time - self.world.lag)))

    def last_used(self, access_key_id: str) -> LastUsed:
        def execute() -> LastUsed:
            key = self.world.keys.get(access_key_id)
            if key is None:
                raise _refused(f"read the last use of {access_key_id}", "AccessDenied")
            known = [use for use in key.uses if use <= self.world.now - USE_LAG]
            return LastUsed(NAME, max(known) if known else None, "s3" if known else None, None)

        return self._ask(f"GetAccessKeyLastUsed {access_key_id}", execute)

    def identity(self, access_key_id: str, secret_access_key: str) -> dict[str, Any]:
        """STS: it follows what IAM knows with a lag of its own, and counts as a use."""
        world = self.world

        def execute() -> dict[str, Any]:
            shown = {key.access_key_id: key.active for key in world.seen_at(world.time - world.sts_lag)}
            key = world.keys.get(access_key_id)
            if not shown.get(access_key_id) or key is None:
                raise _client_error("InvalidClientTokenId")
            assert key.secret == secret_access_key, "STS was asked with another key's secret"
            key.uses.append(world.now)
            self.actor.accepted.add(access_key_id)
            return {"Account": ACCOUNT, "Arn": USER.arn}

        return self.actor.event(f"GetCallerIdentity with {access_key_id}", execute)

    # -- writes ------------------------------------------------------------------------------------------------

    def create(self, user_name: str) -> tuple[Key, str]:
        world, actor = self.world, self.actor

        def execute() -> tuple[Key, str]:
            actor.writes += 1
            if len(world.keys) >= QUOTA:
                raise _refused("make a key", "LimitExceeded")
            made = world.new_key(actor.name)
            made.lost, made.maker = True, actor.name
            actor.made.add(made.id)
            return made.listed, made.secret

        _check_creation(world, actor)
        world.unanswered[actor.name] = world.time
        try:
            key, secret = self._ask("CreateAccessKey", execute, UnknownOutcome)
        except IamError as error:
            if isinstance(error, UnknownOutcome):
                world.cut_off.add(actor.name)
            else:
                del world.unanswered[actor.name]
            raise
        del world.unanswered[actor.name]
        return key, secret

    def set_status(self, user_name: str, access_key_id: str, active: bool) -> None:
        world, actor = self.world, self.actor
        what = f"UpdateAccessKey {access_key_id} {'Active' if active else 'Inactive'}"

        def execute() -> bool:
            actor.writes += 1
            key = world.keys.get(access_key_id)
            if key is None:
                raise _refused(f"switch {access_key_id}", "NoSuchEntity")
            if actor.name.startswith("revoke") and not active:
                world.revoked.add(access_key_id)
            _check_switch(world, actor, key, active)
            world.switch(key, active, actor.name)
            return True

        self._ask(what, execute)

    def delete(self, user_name: str, access_key_id: str) -> bool:
        world, actor = self.world, self.actor

        def execute() -> bool:
            actor.writes += 1
            key = world.keys.get(access_key_id)
            world.sent_deletions.add(access_key_id)
            if key is None:
                return False
            _check_deletion(world, actor, key)
            world.drop(key)
            return True

        return self._ask(f"DeleteAccessKey {access_key_id}", execute)


class SimulatedStore:
    """The store in one actor's hand: its entry lies in the world, as a file has it."""

    path = PATH

    def __init__(self, actor: Actor) -> None:
        self.actor, self.world = actor, actor.world

    def entries(self) -> dict[str, Entry]:
        return {NAME: self.world.stored} if self.world.entry else {}

    @contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[_Transaction]:
        if not write:
            yield _Transaction(self, self.world.stored, False)
            return
        self.actor.event("the store's lock", lambda: True)
        self.world.wait_for_lock(self.actor)
        assert self.world.holder is None
        self.world.holder = self.actor
        try:
            yield _Transaction(self, self.world.stored, True)
        finally:
            self.world.let_go_of_lock()


@dataclass
class _Transaction:
    store: SimulatedStore
    entry: Entry
    writable: bool

    def refuse_lost(self, listed: object) -> None:
        """No other hand writes to this store."""

    def write(self, entry: Entry) -> None:
        world, actor = self.store.world, self.store.actor
        assert self.writable and world.holder is actor, "the store is written to without its lock"

        def execute() -> bool:
            actor.writes += 1
            _check_store(world, actor, world.stored, entry)
            world.entry = {} if entry.empty else entry.to_mapping()
            for key_id in entry.key_ids:
                if key_id in world.keys and world.keys[key_id].secret == _secret(entry, key_id):
                    world.keys[key_id].lost = False
            return True

        shown = ", ".join(f"{key_id} {entry.stage(key_id) or 'kept'}" for key_id in entry.key_ids)
        self.store.actor.event(f"write of the store ({shown})", execute, lambda: StoreError(f"{PATH}: no space left"))
        self.entry = entry


def _secret(entry: Entry, access_key_id: str) -> str | None:
    record = entry.key(access_key_id)
    return record.secret_access_key if record else None


# -- what no actor may ever do ---------------------------------------------------------------------------------------


def _check_creation(world: World, actor: Actor) -> None:
    recent = [moment for moment in world.unanswered.values() if world.time - moment < timedelta(hours=1)]
    lost = [key for key in world.keys.values() if key.lost]
    if recent and lost and not actor.ask_again:
        world.breaks("1: another key is asked for while the outcome of a request is not known")
    if actor.scheduled and not world.working:
        world.breaks("13: a scheduled run arms a user who has no working key")


def _check_switch(world: World, actor: Actor, key: Made, active: bool) -> None:
    entry = world.stored
    record = entry.key(key.id)
    if active:
        # Where a revocation died before its note, nobody knows of it but by the key that is off without a note of ours.
        our_note = record is not None and record.deactivate_date is not None
        if key.id in world.revoked and key.id not in actor.named and not our_note:
            world.breaks(f"14: {actor.name} switches on {key.id}, which was revoked")
        if record and record.revoke_date and not actor.name.startswith("release"):
            world.breaks(f"14: {actor.name} switches on {key.id}, which the store knows as revoked")
        return
    if not actor.scheduled or (record and record.revoke_date):
        return
    if world.held:
        world.breaks(f"16: the plan switches off {key.id} while the user is held")
    since = entry.current.promote_date or entry.current.create_date
    if entry.current_id in (None, key.id) or since is None or world.now - since < 7 * DAY:
        world.breaks(f"2: {key.id} is switched off by the plan, with {entry.current_id} current since {since}")
    elif entry.current_id not in world.working:
        world.breaks(f"2: {key.id} is switched off by the plan while the current {entry.current_id} does not work")
    if any(world.now - 7 * DAY < use <= world.now - USE_LAG for use in key.uses):
        world.breaks(f"3: {key.id}, which is in use, is switched off by the plan")


def _check_deletion(world: World, actor: Actor, key: Made) -> None:
    if key.id in actor.made:  # its secret could not be kept
        return
    if actor.name.startswith("revoke"):
        world.breaks(f"3: a revocation deletes {key.id}")
    if not actor.scheduled or key.lost:
        return
    if world.held:
        world.breaks(f"16: the plan deletes {key.id} while the user is held")
    record = world.stored.key(key.id)
    off_since = record.deactivate_date if record else None
    # A list that lags says Inactive, and the note of our hand is there still: nobody can know better.
    just_now = off_since is not None and world.time - key.switched <= world.lag
    if key.active and not just_now:
        world.breaks(f"3: the plan deletes {key.id}, which is Active")
    if off_since is None or world.now - off_since < 30 * DAY:
        world.breaks(f"3: the plan deletes {key.id}, which we switched off on {off_since}")


def _check_store(world: World, actor: Actor, before: Entry, after: Entry) -> None:
    for key_id in before.key_ids:
        secret = _secret(before, key_id)
        if secret and _secret(after, key_id) is None and (key_id in world.keys or key_id not in world.sent_deletions):
            world.breaks(f"1: {actor.name} drops the secret of {key_id}")
        if secret and _secret(after, key_id) not in (None, secret):
            world.breaks(f"1: {actor.name} overwrites the secret of {key_id}")
        old, new = before.key(key_id), after.key(key_id)
        released = actor.name.startswith("release")
        if old and old.revoke_date and new and not new.revoke_date and not released:
            world.breaks(f"14: {actor.name} forgets that {key_id} was revoked")
    for key_id in after.key_ids:
        record = after.key(key_id)
        if record and record.revoke_date and key_id in (after.current_id, after.next_id):
            world.breaks(f"14: {actor.name} makes {key_id} current or next, which was revoked")
    if after.current_id not in (None, before.current_id):
        if after.current_id not in actor.accepted:
            world.breaks(f"2: {after.current_id} becomes current, and STS has not accepted it")
        if actor.scheduled and world.held:
            world.breaks(f"16: the plan makes {after.current_id} current while the user is held")
