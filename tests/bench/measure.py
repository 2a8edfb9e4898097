# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the figures are measured with: a fleet in the laboratory, plays over it, and how long they took."""

from __future__ import annotations

import math
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from controller.runner import Controller
from controller.store import entry_of, write_store
from lab.client import ADMIN, Lab
from lab.messages import LENIENT, Key, User, UserState

BARE = Path(__file__).with_name("bare.py")
ROTATE = "keyturn.iam.rotate"
AUDIT = "keyturn.iam.audit"
# The laboratory's own log of results would cost both sides time for each loop item; boto3 looks for no file of a person's.
QUIET = {"ANSIBLE_CALLBACKS_ENABLED": None, "ANSIBLE_CALLBACK_PLUGINS": None}
PATIENCE = 1800
MIB = 1024 * (1024 if sys.platform == "darwin" else 1)
YOUNG, DUE = 10.0, 100.0


@dataclass(frozen=True)
class Took:
    """How long a process took, and the most memory that it or one of its workers held."""

    seconds: float
    peak_mib: float


class Bench:
    """A laboratory, a controller beside it, and the users of the moment."""

    def __init__(self, lab: Lab, folder: Path, collections: Path) -> None:
        self.lab = lab
        self.controller = Controller(folder, collections, lab, anew=True)
        self.users: list[UserState] = []
        self._stores = 0

    @property
    def names(self) -> list[str]:
        return [user.user_name for user in self.users]

    def fleet(self, count: int, age_days: float, latency_ms: float = 0) -> None:
        """An account with so many users, each with one Active key of that age, and an empty request log."""
        self.lab.reset(**LENIENT, latency_ms=latency_ms)
        self.users = self.lab.seed_users(
            User(f"user-{number:04d}", (Key(age_days=age_days),)) for number in range(count)
        )
        self.lab.clear_requests()

    def store(self, users: Sequence[UserState] | None = None) -> Path:
        """A new vault file that has the keys of these users (left out: of all) as current."""
        self._stores += 1
        path = self.controller.cwd / f"store-{self._stores}.yml"
        users = self.users if users is None else users
        if users:
            write_store(path, {"iam_access_keys": {user.user_name: entry_of(user, user.keys[0]) for user in users}})
        return path

    def play(self, play: Any, env: Mapping[str, str] | None = None, **options: Any) -> Took:
        """Run a play; AssertionError with its output when it failed."""
        running = self.controller.start(play, env={**QUIET, **(env or {})}, **options)
        watchdog = threading.Timer(PATIENCE, running.kill)
        watchdog.daemon = True
        watchdog.start()
        _pid, status, usage = os.wait4(running.pid, 0)
        watchdog.cancel()
        running.process.returncode = os.waitstatus_to_exitcode(status)
        run = running.wait().ok()
        # A worker that was waited for counts in its parent's, as getrusage(2) has it.
        return Took(run.seconds, usage.ru_maxrss / MIB)

    def tasks(self, *tasks: dict[str, Any], **options: Any) -> float:
        """Seconds of a play with these tasks on this machine."""
        return self.play({"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}, **options).seconds

    def rotate(self, store: Path, **variables: Any) -> Took:
        given = {"rotation_users": ["*"], "rotation_vault_file": str(store), "rotation_verify_delay": 0, **variables}
        return self.play(ROTATE, extra_vars=given)

    def bare(self, what: str, *names: str, url: str | None = None) -> float:
        """Seconds of boto3 alone, as bare.py counts them."""
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **self.lab.env(ADMIN),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        answer = subprocess.run(
            [sys.executable, str(BARE), what, url or self.lab.url, *names],
            env=variables,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return float(answer.stdout)

    def requests(self, side: Callable[[], object]) -> int:
        """How many requests one side sends."""
        self.lab.clear_requests()
        side()
        return len(self.lab.requests())


@contextmanager
def moto_server(names: Sequence[str]) -> Iterator[str]:
    """moto's own server as it comes, in which each of these users has a key; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}"
        keys = {"aws_access_key_id": ADMIN.access_key_id, "aws_secret_access_key": ADMIN.secret_access_key}
        iam = boto3.client("iam", region_name="us-east-1", endpoint_url=url, **keys)
        for name in names:
            iam.create_user(UserName=name)
            iam.create_access_key(UserName=name)
        yield url
    finally:
        process.terminate()
        process.wait()


def interleaved(rounds: int, **sides: Callable[[], float]) -> dict[str, float]:
    """The median of each side; all of them take their turn in each round, every other round backwards."""
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            seen[name].append(sides[name]())
    return {name: statistics.median(values) for name, values in seen.items()}


def shown(seconds: float) -> str:
    """Seconds for people, with three digits that mean something: 4.21 ms, 512 ms, 1.53 s, 6 min 40 s."""
    if seconds >= 120:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    value, unit = (seconds * 1000, "ms") if seconds < 1 else (seconds, "s")
    places = max(2 - math.floor(math.log10(value)), 0) if value > 0 else 0
    return f"{value:.{places}f} {unit}"
