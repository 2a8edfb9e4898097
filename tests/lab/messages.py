# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the laboratory's server and its clients say to each other. Imports nothing heavy: every test loads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"
ADMIN_KEY = "AKIAADMINLABORATORY1"
ADMIN_SECRET = "the/admin/secret/of/the/laboratory+12345"
LAB_VARIABLE = "KEYTURN_LAB"
RUN_VARIABLE = "KEYTURN_LAB_RUN"


def process_name(lab_id: str = "", run_id: str = "") -> str:
    """What a run's processes are called where their environment is that of the one they were forked from.

    15 bytes are kept of it: see PR_SET_NAME in prctl(2).
    """
    return f"{lab_id:-<7.7}{run_id:-<8.8}"


@dataclass(frozen=True)
class Credentials:
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    account_id: str = ACCOUNT
    session_token: str | None = None


@dataclass(frozen=True)
class Key:
    """An access key to put into an account: ages in days before the laboratory's now, `used_days` None for never used."""

    age_days: float = 0
    status: str = "Active"
    used_days: float | None = None
    service: str = "s3"
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = None


@dataclass(frozen=True)
class User:
    """A user to put into an account."""

    user_name: str
    keys: tuple[Key, ...] = ()
    path: str = "/"
    tags: dict[str, str] = field(default_factory=dict)
    age_days: float = 400
    user_id: str | None = None


@dataclass(frozen=True)
class LastUse:
    date: str
    service: str
    region: str


@dataclass(frozen=True)
class KeyState:
    """A key as it truly is, whatever a list that lags shows, with the last use that AWS may not tell of yet. Dates are ISO 8601."""

    access_key_id: str
    secret_access_key: str
    user_name: str
    status: str
    create_date: str
    last_use: LastUse | None


@dataclass(frozen=True)
class UserState:
    user_name: str
    user_id: str
    account_id: str
    path: str
    arn: str
    create_date: str
    tags: dict[str, str]
    keys: tuple[KeyState, ...]

    @property
    def active(self) -> tuple[KeyState, ...]:
        return tuple(key for key in self.keys if key.status == "Active")


@dataclass
class Settings:
    """How strict the laboratory is. The defaults are AWS's ways; `LENIENT` has moto's."""

    page_size: int = 100
    """The most users that one ListUsers answer holds, whatever MaxItems asks."""
    keys_page_size: int = 100
    """The same for ListAccessKeys."""
    check_signatures: bool = True
    """Refuse requests of unknown and Inactive keys, and those that are wrongly signed."""
    new_key_refused_seconds: float = 0
    """How long (real seconds) a key made by CreateAccessKey is refused."""
    new_key_answers: list[bool] = field(default_factory=list)
    """How a new key fares after that, request by request ([true, false]: works once, fails next); then always well."""
    hide_new_keys_seconds: float = 0
    """How long (real seconds) ListAccessKeys leaves a new key out."""
    hide_new_keys_requests: int = 0
    """Out of how many ListAccessKeys answers a new key is left."""
    stale_lists_seconds: float = 0
    """ListAccessKeys shows a user's keys as requests had left them so long (real seconds) ago."""
    last_use_lag_hours: float | None = 4
    """When a use by a request to the laboratory shows in GetAccessKeyLastUsed; 0: at once, null: never."""
    unknown_key_denied: bool = True
    """GetAccessKeyLastUsed of a key that does not exist: AccessDenied, as AWS has it, or NoSuchEntity."""
    quota: int = 2
    """AccessKeysPerUserQuota, enforced."""
    root_access_key_present: bool = False
    latency_ms: float = 0
    """Added to each request, in its own thread."""


LENIENT: dict[str, Any] = {
    "page_size": 1_000_000,
    "check_signatures": False,
    "last_use_lag_hours": 0,
    "unknown_key_denied": False,
}


@dataclass
class Fault:
    """What goes wrong, and with which requests.

    `kind` is one of: throttle, rate_exceeded, error500, concurrent_modification, temporarily_unmodifiable, error (with `code`,
    `status`, `message`), foreign, date, cut, hang, delay, refuse, pause, kill.
    Requests match by `action` (a name or pattern) and `user` (named by the request, owner of the key it names, or signer).
    The `nth` that matches is met first, `count` in a row (0: all from then on); with `every` 3 each third of them.
    `when`: before the request is executed, after it, or (cut only) during the answer.

    What each does beside the errors that it is named after:
    foreign: an answer that is not AWS's, with status 200 unless another is given: `message`, or the page of a captive portal.
    date: an answer as it should be, its Date header `seconds` ahead (negative: behind).
    cut: the connection ends without an answer, or during it, once that `part` of the body is sent.
    hang: no answer for `seconds` (left out: 300), or until the client gives up; then cut.
    delay: an answer, `seconds` late. pause: an answer, once `Lab.release()` is called.
    refuse: nobody listens for `seconds`; before: as this request comes; after: once it is answered, so that the next finds a closed port.
    kill: `signal` to `target` (all: every process; main: ansible-playbook itself) of the run with the id `run`, or to the process `pid` and its
    descendants, or to all runs of this laboratory. After SIGKILL no answer is sent, after another signal the request goes on.
    """

    kind: str
    action: str | None = None
    user: str | None = None
    nth: int = 1
    count: int = 1
    every: int = 1
    when: str = "before"
    seconds: float = 0
    code: str | None = None
    status: int = 400
    message: str | None = None
    pid: int | None = None
    run: str | None = None
    part: float = 0.5
    signal: int = 9
    target: str = "all"
    seen: int = 0
    fired: int = 0


@dataclass
class Request:
    """A request as the server saw it: `status` is the HTTP status answered (None: no answer), `executed` whether it took effect."""

    n: int
    service: str
    action: str
    params: dict[str, str]
    access_key: str | None
    account_id: str | None
    user: str | None
    at: float
    in_flight: int
    status: int | None = None
    error: str | None = None
    fault: str | None = None
    executed: bool = False
    connection: int | None = None
    """The client's port: two requests with the same one came over the same connection."""
