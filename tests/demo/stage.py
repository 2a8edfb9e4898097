# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of the demonstration: headings, commands as one would type them, their output as it comes, remarks."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WIDTH = 100
END_SECONDS = 10
BOLD, DIM, PLAIN = "\033[1m", "\033[2m", "\033[0m"


class Failed(Exception):
    """A step did not show what it says."""


@dataclass(frozen=True)
class Shown:
    """A command that has ended, and all that it wrote."""

    command: str
    rc: int
    output: str

    def expect(self, *texts: str) -> Shown:
        for text in texts:
            expect(text in self.output, f"`{self.command}` does not show: {text}")
        return self


def expect(condition: object, sentence: str) -> None:
    """The demonstration is a test too."""
    if not condition:
        raise Failed(sentence)


def end(process: subprocess.Popen[str]) -> None:
    """End a process with its group, and wait until none of them is left to write into our folder."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        for _turn in range(END_SECONDS * 20):
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Stage:
    """Runs commands in a folder, in an environment that holds nothing of the one who watches."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.environment = {
            **environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            ("ANSIBLE_FORCE_COLOR" if self.colours else "ANSIBLE_NOCOLOR"): "1",
        }
        self.heard: list[str] = []

    def heading(self, text: str) -> None:
        self._say(f"\n{self._styled(BOLD, f'==== {text} '.ljust(WIDTH, '='))}")

    def remark(self, text: str) -> None:
        self._say("\n" + textwrap.fill(text, WIDTH, initial_indent="-> ", subsequent_indent="   "))

    def text(self, text: str) -> None:
        self._say("\n" + textwrap.fill(text, WIDTH))

    def lines(self, text: str) -> None:
        self._say(textwrap.indent(text, "    "))

    def show(self, command: str) -> Shown:
        """Run a shell command before the reader's eyes."""
        self._say(f"\n{self._styled(BOLD, f'$ {command}')}")
        return self._run(command, aloud=True)

    def quietly(self, *command: str) -> Shown:
        return self._run(shlex.join(command), aloud=False)

    def _run(self, command: str, aloud: bool) -> Shown:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Of its own, so that a pipeline can be ended as a whole.
            process_group=0,
        )
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                # Empty lines at the end are left out.
                if aloud and line.strip():
                    self._output(lines, line.rstrip())
            rc = process.wait()
        except BaseException:
            end(process)
            raise
        self.heard.append("".join(lines))
        return Shown(command, rc, "".join(lines))

    def _output(self, lines: list[str], line: str) -> None:
        if len(lines) > 1 and not lines[-2].strip():
            self._say("")
        # Ansible does not fold its warnings.
        folds = len(line) > WIDTH and line.startswith("[")
        self._say(textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) if folds else line)

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{PLAIN}" if self.colours else text

    def _say(self, text: str) -> None:
        print(text, flush=True)
