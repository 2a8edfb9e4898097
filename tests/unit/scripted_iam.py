# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An IAM, an STS, a store and a clock that play a script, and say where a task leaves it.

A script is the list of all that a task asks and writes, in its order, with what is answered. A request or a write that
the script does not have next ends the task. In check mode the same script is played without what writes, up to where
a real run makes a key or asks STS.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

from ansible_collections.keyturn.iam.plugins.module_utils._access_key.ensure import ensure
from ansible_collections.keyturn.iam.plugins.module_utils._access_key.work import NoStore, Outcome
from ansible_collections.keyturn.iam.plugins.module_utils._answers import Key, LastUsed, User
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Asked, Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._errors import (
    IamError,
    KeyturnError,
    StoreError,
    UnknownOutcome,
)
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from botocore.exceptions import ClientError, ReadTimeoutError

NOW = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
ACCOUNT, OTHER_ACCOUNT, USER_ID, NAME = "123456789012", "999999999999", "AIDACI", "ci"
PATH = "iam.yml"


def ago(days: float = 0, seconds: float = 0) -> datetime:
    """A moment before the script begins (or, negative, after)."""
    return NOW - timedelta(days=days, seconds=seconds)


def iso(days: float = 0, seconds: float = 0) -> str:
    """That moment, as results and sentences have it."""
    return ago(days, seconds).isoformat()


# -- keys and entries ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """A key of the user ci, made at some time."""

    name: str
    date: datetime

    @property
    def secret(self) -> str:
        return f"secret-of-{self.name}"

    @property
    def on(self) -> Key:
        return self.with_status("Active")

    @property
    def off(self) -> Key:
        return self.with_status("Inactive")

    def with_status(self, status: str) -> Key:
        return Key(self.name, NAME, status, self.date)

    def stored(self, **dates: datetime) -> tuple[str, StoredKey]:
        """The key in the store; `promoted`, `off` and `revoked` are its dates there."""
        return self.name, StoredKey(self.secret, self.date, **_dates(dates))

    def noted(self, **dates: datetime) -> tuple[str, StoredKey]:
        """The store's note of a key whose secret it does not have."""
        return self.name, StoredKey(**_dates(dates))


def _dates(dates: Mapping[str, datetime]) -> dict[str, datetime]:
    names = {"promoted": "promote_date", "carried": "carry_date", "off": "deactivate_date", "revoked": "revoke_date"}
    return {names[name]: moment for name, moment in dates.items()}


OLD, MID, NEXT, NEW = Made("OLD", ago(100)), Made("MID", ago(40)), Made("NEXT", ago(0.1)), Made("NEW", NOW)


def entry(
    current: tuple[str, StoredKey] | None = None,
    *others: tuple[str, StoredKey],
    asked: Asked | None = None,
    hold: datetime | None = None,
    account_id: str | None = ACCOUNT,
    user_id: str | None = USER_ID,
) -> Entry:
    """ci's entry: the current key (or None), then the others."""
    key_id, key = current or (None, StoredKey())
    return Entry(account_id, user_id, key_id, key, asked, hold, dict(others))


def asked(*known: Made, date: datetime = NOW) -> Asked:
    return Asked(date, tuple(key.name for key in known))


# -- what a script is made of --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One call and its answer, or what makes the error that it raises (one for each play: a task adds to its errors)."""

    call: str
    answer: Any = None
    reads: bool = False
    raises: Callable[[], Exception] | None = None


@dataclass(frozen=True)
class Meanwhile:
    """What another run has put into the store by the time that this one takes its lock again."""

    entry: Entry


@dataclass(frozen=True)
class Barred:
    """What the store says when the task asks for it the next time: it is locked by another run, or cannot be read."""

    sentence: str


Script = Sequence["Step | Meanwhile | Barred"]


def lists(*keys: Key) -> Step:
    return Step("keys ci", list(keys), reads=True)


def user(account_id: str = ACCOUNT, user_id: str = USER_ID) -> Step:
    return Step("user ci", User(NAME, user_id, f"arn:aws:iam::{account_id}:user/{NAME}", "/", ago(400)), reads=True)


def used(key: Made, days: float | None, owner: str | None = NAME) -> Step:
    """GetAccessKeyLastUsed; `days` None is never."""
    moment = None if days is None else ago(days)
    return Step(f"last_used {key.name}", LastUsed(owner, moment, "s3" if moment else None, None), reads=True)


def quota(limit: int | None) -> Step:
    return Step("quota", limit, reads=True)


STS_READY = Step("prepare_sts", reads=True)


def creates(key: Made = NEW) -> Step:
    return Step("create ci", (key.on, key.secret))


def switches_on(key: Made) -> Step:
    return Step(f"set_status ci {key.name} on")


def switches_off(key: Made) -> Step:
    return Step(f"set_status ci {key.name} off")


def deletes(key: Made) -> Step:
    return Step(f"delete ci {key.name}", True)


def finds_none(key: Made) -> Step:
    """DeleteAccessKey, answered with NoSuchEntity."""
    return Step(f"delete ci {key.name}", False)


def accepts(key: Made, account_id: str = ACCOUNT, name: str = NAME) -> Step:
    return Step(
        f"sts {key.name} {key.secret}", {"Account": account_id, "Arn": f"arn:aws:iam::{account_id}:user/team/{name}"}
    )


def refuses(key: Made, code: str = "InvalidClientTokenId") -> Step:
    return replace(accepts(key), raises=lambda: client_error(code, 403))


def writes(what: Entry) -> Step:
    return Step(_written(what))


def sleeps(seconds: float) -> Step:
    return Step(f"sleep {seconds:g}")


def fails(step: Step, code: str, status: int = 400) -> Step:
    """The step, answered by AWS with an error that says that nothing was done (of 5xx nobody knows)."""
    assert code != "NoSuchEntity" or not step.call.startswith("delete"), "Iam.delete makes an answer of it: finds_none"

    def iam_error() -> Exception:
        error = IamError(f"Could not {step.call}", client_error(code, status))
        error.proves_nothing_done = status < 500
        return error

    return replace(step, raises=iam_error)


def is_lost(step: Step) -> Step:
    """The step, to which no answer comes."""
    lost = ReadTimeoutError(endpoint_url="https://iam")
    if step.call.startswith("sts"):
        return replace(step, raises=lambda: lost)
    kind = UnknownOutcome if step.call.startswith("create") else IamError
    return replace(step, raises=lambda: kind(f"Could not {step.call}", lost))


def refused(step: Step, sentence: str) -> Step:
    """The step, refused by our own code."""
    return replace(step, raises=lambda: KeyturnError(sentence))


def cannot_write(what: Entry) -> Step:
    return replace(writes(what), raises=lambda: StoreError(f"{PATH} cannot be written: no space left"))


def client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")


def _written(what: Entry) -> str:
    return f"write {json.dumps(what.to_mapping(), sort_keys=True)}"


# -- playing a script ----------------------------------------------------------------------------------------------


class OffScript(BaseException):
    """The task did what the script does not have next. No code of ours catches it, save to undo what it did."""


@dataclass
class Play:
    """A script being played: IAM, STS, the store and the clock keep to one list."""

    script: Script
    calls: list[str] = field(default_factory=list)
    passed: float = 0
    by_aws: float = 0
    done: int = 0

    @property
    def expected(self) -> list[str]:
        return [step.call for step in self.script if isinstance(step, Step)]

    def perform(self, call: str) -> Any:
        self.calls.append(call)
        step = self.script[self.done] if self.done < len(self.script) else None
        if not isinstance(step, Step) or step.call != call:
            raise OffScript(call)
        self.done += 1
        if step.raises:
            raise step.raises()
        return step.answer

    def meanwhile(self) -> Entry | None:
        """What another run wrote, where that is what the script has next. Raises StoreError where the store is barred then."""
        step = self.script[self.done] if self.done < len(self.script) else None
        if not isinstance(step, (Meanwhile, Barred)):
            return None
        self.done += 1
        if isinstance(step, Barred):
            raise StoreError(step.sentence)
        return step.entry

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.perform(f"sleep {seconds:g}")
            self.passed += seconds
            # The half seconds between STS's answers pass unseen by a clock of whole seconds, for the scripts' sake.
            self.by_aws += seconds if seconds != 0.5 else 0

    def monotonic(self) -> float:
        return 1000 + self.passed

    def local_time(self) -> float:
        """This machine's clock, which is a day behind AWS's."""
        return ago(1).timestamp() + self.passed


class ScriptedSts:
    def __init__(self, play: Play, store: ScriptedStore) -> None:
        self.play, self.store = play, store

    def identity(self, access_key_id: str, secret_access_key: str) -> Any:
        assert not self.store.held, "STS is asked under the store's lock"
        return self.play.perform(f"sts {access_key_id} {secret_access_key}")


class ScriptedIam:
    """What `ensure` uses of `Iam`."""

    signing_access_key_id = "SIGNER"

    def __init__(self, play: Play, store: ScriptedStore, account_id: str, leaked: bool) -> None:
        self.play, self.store, self.account_id, self.leaked = play, store, account_id, leaked
        self.sts = ScriptedSts(play, store)
        self.knows_time = False

    @property
    def now(self) -> datetime:
        assert self.knows_time, "AWS's clock is read before AWS has answered"
        return NOW + timedelta(seconds=int(self.play.by_aws))

    def noticed(self, response: Mapping[str, Any]) -> None:
        self.knows_time = self.knows_time or bool(response)

    def _ask(self, call: str) -> Any:
        try:
            answer = self.play.perform(call)
        except IamError as error:
            self.noticed(getattr(error.exception, "response", None) or {})  # a lost connection has none
            raise
        self.knows_time = True
        return answer

    def _write(self, call: str) -> Any:
        if self.leaked:
            first = not self.store.asked
            assert first or self.store.writable, "the store was asked before a leaked key was switched off"
        else:
            assert self.store.writable or self.store.path is None, "IAM is written to without the store's lock"
        return self._ask(call)

    def keys(self, user_name: str) -> Any:
        return self._ask(f"keys {user_name}")

    def user(self, user_name: str) -> Any:
        return self._ask(f"user {user_name}")

    def last_used(self, access_key_id: str) -> Any:
        return self._ask(f"last_used {access_key_id}")

    def quota(self) -> Any:
        return self._ask("quota")

    def prepare_sts(self) -> None:
        self.play.perform("prepare_sts")

    def create(self, user_name: str) -> Any:
        return self._write(f"create {user_name}")

    def set_status(self, user_name: str, access_key_id: str, active: bool) -> None:
        self._write(f"set_status {user_name} {access_key_id} {'on' if active else 'off'}")

    def delete(self, user_name: str, access_key_id: str) -> Any:
        return self._write(f"delete {user_name} {access_key_id}")


@dataclass
class ScriptedStore:
    """A store with one entry, which is told what it will be given to write."""

    play: Play
    entry: Entry
    path: str | None = PATH
    asked: bool = False
    held: bool = False
    writable: bool = False

    @contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[ScriptedStore]:
        assert user_name == NAME and not self.held
        self.asked = True
        self.entry = self.play.meanwhile() or self.entry
        self.held, self.writable = True, write
        try:
            yield self
        finally:
            self.held = self.writable = False

    def refuse_lost(self, listed: object) -> None:
        """No other hand writes to this store."""

    def write(self, entry: Entry) -> None:
        assert self.writable, "the store is written to without its lock"
        self.play.perform(_written(entry))
        self.entry = entry


def secrets_of(what: Entry | None) -> set[str]:
    """The secrets that an entry keeps."""
    keys = [what.key(key_id) for key_id in what.key_ids] if what else []
    return {key.secret_access_key for key in keys if key and key.secret_access_key}


@dataclass
class Played:
    """How a task ended."""

    outcome: Outcome | None
    error: Exception | None
    play: Play
    store: ScriptedStore


def play(script: Script, before: Entry | None, wants: Mapping[str, Any], check: bool, account_id: str) -> Played:
    """Plays the script to a task; `before` is ci's entry, or None for a task without a vault file."""
    playing = Play(script)
    store = ScriptedStore(playing, before or Entry(), PATH if before is not None else None)
    want = Want.of({"user_name": NAME, "verify_delay": 0, "vault_file": store.path, **wants})
    iam: Any = ScriptedIam(playing, store, account_id, bool(want.leaked))
    outcome, failure = None, None
    with (
        patch.object(time, "sleep", playing.sleep),
        patch.object(time, "monotonic", playing.monotonic),
        patch.object(time, "time", playing.local_time),
    ):
        try:
            outcome = ensure(iam, store if store.path else NoStore(), want, check)
        except OffScript:
            pass
        except Exception as error:
            failure = error
    return Played(outcome, failure, playing, store)


def as_checked(script: Script) -> list[Step]:
    """The part of a script that check mode plays: what reads, up to where a real run makes a key or asks STS."""
    part: list[Step] = []
    for step in script:
        if isinstance(step, Step):
            if step.call.startswith(("create ", "sts ")):
                break
            if step.reads:
                part.append(step)
    return part


# -- what is expected ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """A task that ended well. Without `after` it changed nothing."""

    key: Key | dict[str, Any] | None
    stage: str | None
    before: dict[str, str]
    after: dict[str, str] | None = None
    deleted: Made | None = None
    secret: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether the key is one that the task makes, so that check mode cannot know its id."""
        return isinstance(self.key, Key) and self.key.access_key_id == NEW.name and self.after is not None

    def returned(self) -> dict[str, Any]:
        """The fields of Outcome."""
        return {
            "changed": self.after is not None,
            "access_key": self.key.public() if isinstance(self.key, Key) else self.key,
            "secret_access_key": self.secret,
            "deleted_access_key_id": self.deleted.name if self.deleted else None,
            "stage": self.stage,
            "before": self.before,
            "after": self.before if self.after is None else self.after,
        }

    def predicted(self) -> dict[str, Any]:
        """The same with what nobody knows before a new key is made left out."""
        fields = self.returned()
        if self.is_new:
            fields["after"] = {
                "a new key" if name == NEW.name else name: shown for name, shown in fields["after"].items()
            }
            fields["access_key"] = {name: fields["access_key"][name] for name in ("user_name", "status")}
        return {**fields, "secret_access_key": None}


@dataclass(frozen=True)
class Fails:
    """A task that failed. `returns` is what its failed result carries all the same."""

    sentence: str
    returns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What a task does in one world: `before` is ci's entry (None: no vault file), `wants` the task's options.

    `checked` is how check mode ends where that is rightly something else, `checked_script` what it then reads.
    `wrong` names, for "run" or "check", what is not said as it ought to be today; with `wrong_calls` a run does not
    even ask and write as it ought to.
    """

    about: str
    before: Entry | None
    wants: dict[str, Any]
    script: Script
    ends: Done | Fails
    checked: Done | Fails | None = None
    checked_script: Script | None = None
    account_id: str = ACCOUNT
    wrong: dict[str, str] = field(default_factory=dict)
    wrong_calls: bool = False
