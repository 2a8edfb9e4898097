# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory as tests and the demo see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from lab.messages import (
    ACCOUNT,
    ADMIN_KEY,
    ADMIN_SECRET,
    Credentials,
    Fault,
    Key,
    KeyState,
    LastUse,
    Request,
    Settings,
    User,
    UserState,
)

ADMIN = Credentials(ADMIN_KEY, ADMIN_SECRET)
START_SECONDS = 60


class LabError(Exception):
    """The laboratory could not do what it was told."""


class Lab:
    """A laboratory that runs, by its URL. `Lab.start()` makes one as a process that ends with this one."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
        self.url = url
        self.process = process
        self._making = threading.Lock()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.id: str = self._do("lab_id")

    @classmethod
    def start(cls, strict: bool = True, **settings: Any) -> Lab:
        """Start a server process. `settings`: see `messages.Settings`; `strict` false: moto's ways for what they leave out."""
        with tempfile.TemporaryDirectory() as folder:
            port_file = Path(folder, "url")
            command = [
                sys.executable,
                str(Path(__file__).with_name("server.py")),
                "--port-file",
                str(port_file),
                "--parent",
                str(os.getpid()),
            ]
            command += ["--strict" if strict else "--no-strict", "--settings", json.dumps(settings)]
            # moto is a botocore user too: the caller's profile and endpoints are not its business
            own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BOTO_", "MOTO_"))}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=own)
            end = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None:
                    raise LabError(f"the laboratory ended with code {process.returncode} before it listened")
                if time.monotonic() > end:
                    process.kill()
                    raise LabError(f"the laboratory did not listen within {START_SECONDS} seconds")
                time.sleep(0.02)
            return cls(port_file.read_text(), process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- rules

    def reset(self, **settings: Any) -> None:
        """An empty account, today, the default settings but these, no faults, an empty log."""
        self._do("reset", **settings)

    def settings(self, **changes: Any) -> Settings:
        return Settings(**self._do("settings", **changes))

    def clock(self, days: float | None = None, advance: float = 0) -> str:
        """Put the server so many days ahead of the real time (negative: behind), or forward from where it is; its date now, ISO 8601."""
        return str(self._do("clock", offset_days=days, advance_days=advance)["now"])

    def deny(self, action: str, user: str | None = None) -> None:
        """Answer AccessDenied to an action (a name or pattern), about one user or all."""
        self._do("deny", action=action, user=user)

    def allow_only(self, actions: Iterable[str] | None) -> None:
        """Answer AccessDenied to all but these actions (`iam:ListUsers`, patterns); None lifts it."""
        self._do("allow_only", actions=list(actions) if actions is not None else None)

    def allow_all(self) -> None:
        self._do("allow_all")

    # -- users and keys

    def account(self, account_id: str) -> Credentials:
        """Credentials that may do everything in another account."""
        return Credentials(**self._do("account", account_id=account_id))

    def seed(
        self,
        user_name: str,
        *keys: Key,
        path: str = "/",
        tags: dict[str, str] | None = None,
        age_days: float = 400,
        user_id: str | None = None,
        account_id: str = ACCOUNT,
    ) -> UserState:
        """A user with keys of any age, status and number."""
        return self.seed_users([User(user_name, keys, path, tags or {}, age_days, user_id)], account_id)[0]

    def seed_users(self, users: Iterable[User], account_id: str = ACCOUNT) -> list[UserState]:
        """Many users in one go."""
        return [
            _user_state(user)
            for user in self._do("seed", users=[asdict(user) for user in users], account_id=account_id)
        ]

    def add_key(self, user_name: str, key: Key, account_id: str = ACCOUNT) -> KeyState:
        """One more key for a user, by hand, quota or not."""
        return _key_state(self._do("add_key", user_name=user_name, key=asdict(key), account_id=account_id))

    def set_key(
        self, access_key_id: str, status: str | None = None, age_days: float | None = None, account_id: str = ACCOUNT
    ) -> KeyState:
        """Switch a key on or off by hand, or make it older."""
        return _key_state(
            self._do("set_key", access_key_id=access_key_id, status=status, age_days=age_days, account_id=account_id)
        )

    def delete_key(self, access_key_id: str, account_id: str = ACCOUNT) -> None:
        self._do("delete_key", access_key_id=access_key_id, account_id=account_id)

    def use(self, access_key_id: str, days_ago: float = 0, service: str = "s3", region: str = "us-east-1") -> None:
        """A consumer uses the key; GetAccessKeyLastUsed tells of it at once."""
        self._do("use", access_key_id=access_key_id, days_ago=days_ago, service=service, region=region)

    def forget_uses(self, access_key_id: str) -> None:
        """As if the key had never been used."""
        self._do("forget_uses", access_key_id=access_key_id)

    def rename_user(self, user_name: str, new_name: str, account_id: str = ACCOUNT) -> UserState:
        return _user_state(self._do("rename_user", user_name=user_name, new_name=new_name, account_id=account_id))

    def delete_user(self, user_name: str, account_id: str = ACCOUNT) -> None:
        """The user and its keys."""
        self._do("delete_user", user_name=user_name, account_id=account_id)

    def recreate_user(self, user_name: str, account_id: str = ACCOUNT) -> UserState:
        """Delete the user and make another one of the same name."""
        return _user_state(self._do("recreate_user", user_name=user_name, account_id=account_id))

    def attach(self, user_name: str, policy: str, account_id: str = ACCOUNT) -> None:
        """Attach a policy of AWS's own to the user, such as AWSCompromisedKeyQuarantineV3."""
        self._do("attach", user_name=user_name, policy=policy, account_id=account_id)

    def state(self, account_id: str = ACCOUNT) -> dict[str, UserState]:
        """All users of an account by name, as they truly are, secrets too."""
        return {user["user_name"]: _user_state(user) for user in self._do("state", account_id=account_id)}

    # -- requests and faults

    def requests(self, action: str | None = None, user: str | None = None) -> list[Request]:
        """What was asked since the last reset or `clear_requests`, in order."""
        found = [Request(**request) for request in self._do("requests")]
        return [request for request in found if action in (None, request.action) and user in (None, request.user)]

    def clear_requests(self) -> None:
        self._do("clear_requests")

    def fault(self, kind: str, action: str | None = None, **details: Any) -> None:
        """Let something go wrong: see `messages.Fault` for kinds and details."""
        self._do("fault", **asdict(Fault(kind=kind, action=action, **details)))

    def faults(self) -> list[Fault]:
        """The faults laid so far, with how many requests each has met (`fired`)."""
        return [Fault(**fault) for fault in self._do("faults")]

    def clear_faults(self) -> None:
        self._do("clear_faults")

    def wait_paused(self, timeout: float = 30) -> None:
        """Wait until a request is held by a `pause` fault."""
        if not self._do("wait_paused", timeout=timeout):
            raise LabError(f"no request came to a pause within {timeout} seconds")

    def release(self, count: int = 1) -> None:
        """Let a held request go on."""
        self._do("release", count=count)

    # -- clients

    def env(self, credentials: Credentials = ADMIN) -> dict[str, str]:
        """What amazon.aws's modules and ours read to work against the laboratory."""
        found = {
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_REGION": "us-east-1",
            "AWS_URL": self.url,
        }
        return {**found, "AWS_SESSION_TOKEN": credentials.session_token} if credentials.session_token else found

    def boto(self, service: str, credentials: Credentials | KeyState = ADMIN, **config: Any) -> Any:
        """A boto3 client; `config` goes to botocore's Config. Not retried unless the config says so."""
        from botocore.config import Config

        with self._making:
            return self._session.client(
                service,
                region_name="us-east-1",
                endpoint_url=self.url,
                aws_access_key_id=credentials.access_key_id,
                aws_secret_access_key=credentials.secret_access_key,
                aws_session_token=getattr(credentials, "session_token", None),
                config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
            )

    @cached_property
    def _session(self) -> Any:
        """One for all clients, since it takes most of the time; blind to the profile and files of the person who runs the tests."""
        import boto3
        import botocore.session

        variables = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        variables["credentials_file"] = variables["config_file"]
        return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=variables))

    def _do(self, operation: str, **arguments: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_lab/{operation}", json.dumps(arguments).encode(), {"Content-Type": "application/json"}
        )
        end = time.monotonic() + 10
        while True:
            try:
                with self._opener.open(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                with error:
                    raise LabError(f"{operation}: {json.load(error)['error']}") from None
            except urllib.error.URLError as error:
                # A `refuse` fault closes the port for a while, to us too.
                if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > end or self._ended():
                    raise
                time.sleep(0.05)

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def _key_state(key: dict[str, Any]) -> KeyState:
    return KeyState(**{**key, "last_use": LastUse(**key["last_use"]) if key["last_use"] else None})


def _user_state(user: dict[str, Any]) -> UserState:
    return UserState(**{**user, "keys": tuple(_key_state(key) for key in user["keys"])})
