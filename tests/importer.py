# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Galaxy does with the artifact when it is uploaded: builds it, and lets galaxy-importer read it.

The importer's exit code is 0 whatever it found, so its log is read: every error and warning fails, but for those of EXPECTED.
It has an environment of its own, .venv/importer, as it asks for an older ansible-core than the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ansible

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".venv" / "importer"
BIN = HOME / "bin"
REQUIREMENTS = CHECKOUT / "tests" / "importer-requirements.txt"

# What the importer complains of where that is its own lack, with the reason: a part of the line, and why it may stand.
# None: it knows no collection but ours, so amazon.aws, which ours depends on, is put where it looks.
EXPECTED: dict[str, str] = {
    "couldn't resolve module/action 'community.general.": "an example, for those who have that collection",
}
DONE = "Importer processing completed successfully"


def set_up() -> None:
    ready = HOME / "ready"
    if ready.exists() and ready.read_text() == REQUIREMENTS.read_text():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True)
    pip = [BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*pip, "-r", REQUIREMENTS], check=True, env=environment)
    ask = [BIN / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    beside = Path(subprocess.check_output(ask, text=True).strip(), "ansible_collections")
    beside.mkdir(exist_ok=True)
    (beside / "amazon").symlink_to(Path(ansible.__file__).parents[1] / "ansible_collections" / "amazon")
    ready.write_text(REQUIREMENTS.read_text())


def built(folder: Path) -> Path:
    """The artifact."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", folder, CHECKOUT], check=True, stdout=subprocess.DEVNULL
    )
    (artifact,) = folder.glob("*.tar.gz")
    return artifact


def imported(artifact: Path) -> list[str]:
    """The importer's log, line by line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = {**kept, "HOME": str(HOME), "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])}
    run = subprocess.run(
        [BIN / "python", "-m", "galaxy_importer.main", artifact],
        cwd=artifact.parent,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return run.stdout.splitlines()


def main() -> int:
    set_up()
    with tempfile.TemporaryDirectory() as folder:
        log = imported(built(Path(folder)))
    complaints = [line for line in log if line.startswith(("ERROR", "WARNING", "CRITICAL"))]
    unexpected = [line for line in complaints if not any(part in line for part in EXPECTED)]
    failed = bool(unexpected) or DONE not in log
    if failed:
        print("\n".join(log))
    for part, reason in EXPECTED.items():
        print(f"galaxy-importer, expected: {part} ({reason})")
    print(f"galaxy-importer: {len(unexpected)} complaints{', failed' if failed else ''}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
