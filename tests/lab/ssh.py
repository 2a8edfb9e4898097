# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another host: an SSH server on a loopback port that runs what it is told in a home of its own, and notes it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

# What the `systemd_service` module asks; restarts are noted.
SYSTEMCTL = """#!/bin/sh
case "$*" in
  *show*) printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\n' ;;
  *restart*) echo "$@" >> "$HOME/restarted" ;;
  *is-system-running*) echo running ;;
esac
"""


POSTMAP = """#!/bin/sh
echo "$@" >> "$HOME/mapped"
"""


@dataclass
class Host:
    """One host. `commands` are all that it was told to run, `home` is where."""

    folder: Path
    commands: list[str]
    port: int = 0

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def variables(self) -> str:
        """The host's variables in an inventory."""
        options = "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlMaster=no"
        return (
            f"ansible_host=127.0.0.1 ansible_port={self.port} ansible_user=app "
            f"ansible_ssh_private_key_file={self.folder / 'key'} ansible_ssh_args='{options}' "
            f"ansible_python_interpreter={sys.executable}"
        )

    def start(self) -> Host:
        bin_folder = self.folder / "bin"
        for folder in (self.home, bin_folder):
            folder.mkdir(parents=True)
        for name, script in (("systemctl", SYSTEMCTL), ("postmap", POSTMAP)):
            (bin_folder / name).write_text(script)
            (bin_folder / name).chmod(0o755)
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(self.folder / "key"))
        key.write_public_key(str(self.folder / "key.pub"))
        (self.folder / "key").chmod(0o600)
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        assert ready.wait(20), "the SSH server did not listen"
        return self

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            authorized_client_keys=str(self.folder / "key.pub"),
            process_factory=self._run,
            sftp_factory=True,
            encoding=None,
        )
        self.port = server.get_port()
        ready.set()
        await server.wait_closed()

    async def _run(self, process: Any) -> None:
        command = process.command.decode() if isinstance(process.command, bytes) else process.command
        self.commands.append(command)
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        child = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", command),
            env={"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8"},
            cwd=self.home,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        feeding = asyncio.create_task(_pump(process.stdin, child.stdin, last=True))
        await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
        process.exit(await child.wait())
        feeding.cancel()


async def _pump(source: Any, target: Any, last: bool = False) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        if last:
            target.close()
