# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` is what a newcomer sees first. It checks its own steps; here it is run as a whole."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[1] / "demo" / "demo.py"
WIDTH = 100


def start(folder: Path, collections: Path, **env: str) -> subprocess.Popen[str]:
    (folder / "home").mkdir()
    (folder / "tmp").mkdir()
    return subprocess.Popen(
        [sys.executable, str(DEMO)],
        # Nothing of the one who runs it may be needed, and what would lead elsewhere must not be heard.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "http_proxy": "http://127.0.0.1:9",
            "AWS_PROFILE": "somebody-else",
            **env,
        },
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        # A group of its own, as a terminal gives to what is started in it.
        process_group=0,
    )


def traces(folder: Path) -> list[str]:
    """What is left of a demonstration that has ended."""
    return sorted(str(path.relative_to(folder)) for part in ("home", "tmp") for path in (folder / part).iterdir())


def test_demo(short_path: Path, collections: Path) -> None:
    demo = start(short_path, collections)
    try:
        output, _errors = demo.communicate(timeout=240)
    finally:
        demo.kill()

    assert demo.returncode == 0, output
    steps = re.split(r"^==== (\d)\. ", output, flags=re.MULTILINE)
    said = dict(zip(steps[1::2], steps[2::2], strict=True))
    assert list(said) == list("123456789")
    assert "$ ansible-playbook keyturn.iam.rotate -e @rotation.yml --check --diff\n" in said["1"]
    assert re.search(r"^ci +AKIA\w{16} +120d +2h ago +s3 eu-west-1 +- +would make a new key", said["1"], re.MULTILINE)
    assert "Would make 2 keys, switch off 2, delete 0, carry 2." in said["1"]
    assert "Made 3 keys, switched off 2, deleted 0, carried 3." in said["3"]
    assert re.search(r"changed=0 .*failed=0 ", said["4"])
    assert "Made 1 key, switched off 4, deleted 1, carried 1." in said["5"]
    assert re.search(r"^deploy .* blocked:", said["5"], re.MULTILINE)
    assert "Made 1 key, switched off 2, deleted 7, carried 1." in said["6"]
    assert (
        said["7"].count("failed=0 ") == 2
        and "Switch it off for good" in said["7"]
        and "Made 1 key, switched off 1, deleted 0, carried 1." in said["7"]
    )
    assert "secret_access_key: (masked)" in said["8"]
    assert "--ask-vault-pass" in said["9"]
    # Ansible's own banners and recaps, and commands, are as wide as they are.
    ours = [line for line in output.splitlines() if not re.match(r"TASK \[|included: |localhost +:|Origin: |\$ ", line)]
    assert [line for line in ours if len(line) > WIDTH] == []
    assert traces(short_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(short_path: Path, collections: Path, number: signal.Signals, code: int) -> None:
    demo = start(short_path, collections)
    try:
        assert demo.stdout is not None
        url = next(found.group() for line in demo.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        # Into the account's past, where ansible-playbook runs.
        time.sleep(1.5)
        if number == signal.SIGINT:
            # Ctrl-C reaches the server too.
            os.killpg(demo.pid, number)
        else:
            demo.send_signal(number)
        output, _errors = demo.communicate(timeout=30)
    finally:
        demo.kill()

    assert demo.returncode == code, output
    assert "Traceback" not in output
    assert traces(short_path) == []
    port = url.rpartition(":")[2]
    listening = f":{int(port):04X} 00000000:0000 0A"
    assert listening not in Path("/proc/net/tcp").read_text()
