# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real `ansible-playbook` as a user would, in an environment that holds nothing of the one that runs the tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from controller.store import PASSWORD, Passwords, passwords_by_id
from controller.warm import Start, Warm, start_anew
from lab import faults
from lab.client import ADMIN, Lab
from lab.messages import LAB_VARIABLE, RUN_VARIABLE, Credentials, Fault, KeyState, process_name

TIMEOUT = 120
Play = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TaskResult:
    """One task on one host, or one item of its loop, as callbacks see it: censored where Ansible censors."""

    play: str
    task: str
    action: str
    host: str
    status: str
    """ok, failed, skipped, unreachable"""
    ignored: bool
    item: bool
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.result.get("msg", ""))


@dataclass
class Run:
    """A playbook's run that has ended."""

    command: list[str]
    rc: int
    stdout: str
    stderr: str
    seconds: float
    results: list[TaskResult] = field(repr=False)
    """All results in order, those of loop items before their task's."""
    stats: dict[str, dict[str, int]]

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def changed(self) -> int:
        """Tasks that changed something, over all hosts, as the recap has it."""
        return sum(host["changed"] for host in self.stats.values())

    @property
    def failed(self) -> list[TaskResult]:
        """Failed tasks, not their items."""
        return [
            result
            for result in self.results
            if result.status in ("failed", "unreachable") and not result.item and not result.ignored
        ]

    @property
    def msg(self) -> str:
        """The messages of the failed tasks."""
        return "\n".join(result.msg for result in self.failed)

    def tasks(self, name: str, host: str | None = None, items: bool = False) -> list[TaskResult]:
        """Results of the tasks with this name, or whose action ends so (`iam_access_key`); `items`: those of their loop items."""
        return [
            result
            for result in self.results
            if result.item == items
            and host in (None, result.host)
            and (result.task == name or result.action.rpartition(".")[2] == name)
        ]

    def result(self, name: str, host: str | None = None) -> dict[str, Any]:
        """What the one task of that name returned; LookupError where there is none or more than one."""
        found = self.tasks(name, host)
        if len(found) != 1:
            raise LookupError(f"{len(found)} tasks are called {name}\n{self}")
        return found[0].result

    def ok(self) -> Run:
        """This run; AssertionError with all its output when it failed."""
        assert self.rc == 0, str(self)
        return self

    def __str__(self) -> str:
        return f"$ {' '.join(self.command)}\n{self.stdout}{self.stderr}-> {self.rc} after {self.seconds:.1f} s"


@dataclass
class Running:
    """A playbook that runs. `run_id` names all its processes, for a `kill` fault."""

    process: subprocess.Popen[bytes] | Warm
    run_id: str
    command: list[str]
    folder: Path
    started: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to ansible-playbook itself, as a terminal or a service manager does first."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End all its processes at once, as a power cut would."""
        faults.kill(Fault("kill", run=self.run_id, signal=signal.SIGKILL), "")

    def wait(self, timeout: float = TIMEOUT) -> Run:
        """Its end. One that takes longer than `timeout` seconds is killed and an AssertionError shows its output."""
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            raise AssertionError(f"not done within {timeout} seconds\n{self._collect(-1)}") from None
        return self._collect(rc)

    def _collect(self, rc: int) -> Run:
        results, stats = _read_results(self.folder / "results")
        return Run(
            command=self.command,
            rc=rc,
            stdout=(self.folder / "stdout").read_text(errors="replace"),
            stderr=(self.folder / "stderr").read_text(errors="replace"),
            seconds=time.monotonic() - self.started,
            results=results,
            stats=stats,
        )


@dataclass
class Controller:
    """A folder in which one person works: home, current folder, vault password. Runs in it share what they leave there.

    `lab` is the laboratory whose administrator's credentials the environment holds, `collections` where ansible_collections lies.
    `anew`: each ansible-playbook is started as a shell does; else it is forked from a process that has imported much (warm.py).
    """

    folder: Path
    collections: Path
    lab: Lab | None = None
    env: dict[str, str] = field(default_factory=dict)
    anew: bool = field(default_factory=lambda: os.environ.get("KEYTURN_START") == "anew")

    @property
    def cwd(self) -> Path:
        """Where playbooks are started: relative paths count from here."""
        return _made(self.folder / "work")

    @cached_property
    def tmp(self) -> Path:
        """The folder of temporary files by a short name: ansible-core 2.21 has a socket there, whose path may have 107 characters."""
        short = Path(tempfile.mkdtemp(prefix="lab-"))
        weakref.finalize(self, shutil.rmtree, short, ignore_errors=True)
        (short / "tmp").symlink_to(_made(self.folder / "tmp").resolve())
        return short / "tmp"

    def run(self, play: Play, *args: str, timeout: float = TIMEOUT, **options: Any) -> Run:
        """Run to the end; options: see `start`."""
        return self.start(play, *args, **options).wait(timeout)

    def start(
        self,
        play: Play,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        credentials: Credentials | KeyState = ADMIN,
        extra_vars: Mapping[str, Any] | None = None,
        vault_password: Passwords = PASSWORD,
        inventory: Sequence[str] | str | None = None,
        check: bool = False,
        diff: bool = False,
        cwd: Path | None = None,
        run_id: str | None = None,
    ) -> Running:
        """Start a playbook without waiting for it.

        `play`: a path, the name of a collection's playbook (`keyturn.iam.rotate`), YAML text, one play or a list of plays.
        `env`: variables to set; None as a value removes one. `vault_password`: one, none, or one by vault id.
        `inventory`: host names (all on this machine), or the text of an inventory file; left out: Ansible's implicit localhost.
        """
        run_id = run_id or uuid.uuid4().hex
        folder = _made(self.folder / "runs" / run_id)
        command = [str(Path(sys.executable).with_name("ansible-playbook")), self._playbook(play, folder)]
        command += _vault_arguments(vault_password, folder)
        if inventory is not None:
            (folder / "inventory").write_text(_inventory(inventory))
            command += ["-i", str(folder / "inventory")]
        if extra_vars:
            (folder / "vars.json").write_text(json.dumps(extra_vars))
            command += ["-e", f"@{folder / 'vars.json'}"]
        command += ["--check"] * check + ["--diff"] * diff + list(args)
        (folder / "results").touch()
        changes = {**self.env, **(env or {})}
        start = Start(
            command,
            str(cwd or self.cwd),
            self._environment(run_id, folder, credentials, changes),
            str(folder / "stdout"),
            str(folder / "stderr"),
            process_name(self.lab.id if self.lab else "", run_id),
        )
        process = start_anew(start) if self._imports_otherwise(changes) else Warm(start, self.collections)
        return Running(process, run_id, command, folder, time.monotonic())

    def _imports_otherwise(self, changes: Mapping[str, str | None]) -> bool:
        """Whether ansible-playbook would import something else than what has been imported for it."""
        of_python = [name for name in changes if name == "PATH" or name.startswith(("PYTHON", "LD_"))]
        return self.anew or bool(of_python) or self.collections != default_collections()

    def type(self, line: str, **env: str) -> subprocess.Popen[str]:
        """Start a line of a shell in the current folder, as it is typed there; the store's password is in the environment."""
        run_id = uuid.uuid4().hex
        folder = _made(self.folder / "runs" / run_id)
        (folder / "password").write_text(PASSWORD)
        changes = {"ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "password"), **env}
        return subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=self.cwd,
            env=self._environment(run_id, folder, ADMIN, {**self.env, **changes}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _playbook(self, play: Play, folder: Path) -> str:
        if isinstance(play, Path):
            return str(play)
        if isinstance(play, str) and "\n" not in play:
            return play
        text = (
            play
            if isinstance(play, str)
            else yaml.safe_dump([play] if isinstance(play, Mapping) else list(play), sort_keys=False)
        )
        # Beside the current folder, not below: a test of what a run leaves there finds nothing of ours.
        path = folder / "play.yml"
        path.write_text(text)
        return str(path)

    def _environment(
        self, run_id: str, folder: Path, credentials: Credentials | KeyState, changes: Mapping[str, str | None]
    ) -> dict[str, str]:
        home = _made(self.folder / "home")
        (folder / "ansible.cfg").touch()
        found: dict[str, str | None] = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.tmp),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callback")),
            "ANSIBLE_CALLBACKS_ENABLED": "lab_results",
            "KEYTURN_LAB_RESULTS": str(folder / "results"),
            RUN_VARIABLE: run_id,
            # Else the SDK looks for a machine's role at a link-local address, for seconds.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self.lab is not None:
            as_credentials = (
                Credentials(credentials.access_key_id, credentials.secret_access_key)
                if isinstance(credentials, KeyState)
                else credentials
            )
            found |= self.lab.env(as_credentials) | {LAB_VARIABLE: self.lab.id}
        found |= changes
        return {name: value for name, value in found.items() if value is not None}


def run_playbook(
    play: Play, *args: str, lab: Lab | None = None, folder: Path, collections: Path | None = None, **options: Any
) -> Run:
    """Run a playbook once in a folder; options: those of `Controller.start`, and `timeout`."""
    return Controller(folder, collections or default_collections(), lab).run(play, *args, **options)


def default_collections() -> Path:
    """The folder that holds ansible_collections/keyturn/iam as this checkout: of ANSIBLE_COLLECTIONS_PATH, else the environment's own.

    FileNotFoundError where neither does.
    """
    checkout = Path(__file__).resolve().parents[2]
    if checkout.parts[-3:] == ("ansible_collections", "keyturn", "iam"):
        return checkout.parents[2]
    named = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep)
    for candidate in [
        *(Path(path) for path in named if path),
        Path(sys.prefix, "collections"),
        checkout / ".venv" / "collections",
    ]:
        link = candidate / "ansible_collections" / "keyturn" / "iam"
        if link.exists() and link.resolve() == checkout:
            return candidate.absolute()
    raise FileNotFoundError(f"no collections folder links to {checkout}")


def _vault_arguments(password: Passwords, folder: Path) -> list[str]:
    arguments = []
    for name, secret in passwords_by_id(password).items():
        path = folder / f"password-{re.sub(r'[^A-Za-z0-9]', '_', name)}"
        path.write_text(secret)
        path.chmod(0o600)
        arguments += (
            ["--vault-password-file", str(path)] if isinstance(password, str) else ["--vault-id", f"{name}@{path}"]
        )
    return arguments


def _inventory(inventory: Sequence[str] | str) -> str:
    if isinstance(inventory, str):
        return inventory
    hosts = "".join(f"{name}\n" for name in inventory)
    return (
        f"{hosts}[all:vars]\nansible_connection=local\nansible_python_interpreter={{{{ ansible_playbook_python }}}}\n"
    )


def _read_results(path: Path) -> tuple[list[TaskResult], dict[str, dict[str, int]]]:
    results = []
    stats: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            # The last line of a run that was killed.
            break
        if "stats" in record:
            stats = record["stats"]
        else:
            results.append(TaskResult(**record))
    return results, stats


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
