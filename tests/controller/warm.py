# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script ansible-playbook in a process that is forked from one that has imported much already, not started from nothing.

Half of what a short run costs is what it imports. All else is as if it had been started: a process of its own with the arguments,
the environment, the folder and the files that it is given, which runs the script to its end.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest.mock import patch

TESTS = Path(__file__).resolve().parent.parent
_starting = threading.Lock()


@dataclass(frozen=True)
class Start:
    """What a process is started with; `name`: what it is called, and each that it forks."""

    command: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    stdout: str
    stderr: str
    name: str


def start_anew(start: Start) -> subprocess.Popen[bytes]:
    """Started as a shell does."""
    with open(start.stdout, "wb") as stdout, open(start.stderr, "wb") as stderr:
        return subprocess.Popen(
            start.command, cwd=start.cwd, env=start.env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )


class Warm:
    """As much of subprocess.Popen as a run needs."""

    def __init__(self, start: Start, collections: Path) -> None:
        with _starting:
            context = _server(collections)
            self._process = context.Process(target=_run, args=(start,))
            self._process.start()
        assert self._process.pid
        self.pid: int = self._process.pid

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or the signal that ended it as a negative number; TimeoutExpired."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("ansible-playbook", timeout or 0)
        return code


@cache
def _server(collections: Path) -> ForkServerContext:
    """The process that they are forked from; one a pytest process. Up to Python 3.12 it does not look for imports where we do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["controller.early"])
    paths = {"PYTHONPATH": str(TESTS), "ANSIBLE_COLLECTIONS_PATH": str(collections)}
    with patch.dict(os.environ, paths):
        forkserver.ensure_running()
    return context


def _run(start: Start) -> None:
    """In the new process: become what a start would have made, and run the script."""
    from controller import early  # imported by the server; elsewhere it would take Ansible's place among the importers

    Path("/proc/self/comm").write_text(start.name)
    os.environ.clear()
    os.environ |= start.env
    os.chdir(start.cwd)
    time.tzset()
    tempfile.tempdir = None
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _put(0, os.devnull, os.O_RDONLY)
    _put(1, start.stdout, os.O_WRONLY | os.O_CREAT)
    _put(2, start.stderr, os.O_WRONLY | os.O_CREAT)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.path[:] = early.SCRIPT_PATH
    sys.argv = list(start.command)
    sys.dont_write_bytecode = True
    try:
        runpy.run_path(start.command[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


def _put(number: int, path: str, flags: int) -> None:
    """What the process has under that number."""
    file = os.open(path, flags, 0o666)
    os.dup2(file, number)
    os.close(file)
