# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine: those on PATH, and those that a version manager keeps beside the one that runs this.

As a program it prints the newest that `make test` can use; the matrix takes one for each ansible-core.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

Version = tuple[int, int]

# What ansible-core and the tests run on: the first that the tests are written for, the last that a released core supports.
FIRST, LAST = (3, 11), (3, 14)
_ASK = "import sys, venv, ensurepip; print(*sys.version_info[:2])"


def found() -> dict[Version, str]:
    """A Python that works and makes environments, for each version that this machine has."""
    names = [shutil.which(f"python3.{minor}") for minor in range(9, 20)] + [shutil.which("python3")]
    beside = [
        os.path.join(sys.base_prefix, "bin", "python3"),
        *glob.glob(os.path.join(os.path.dirname(sys.base_prefix), "3.*", "bin", "python3")),
    ]
    pythons: dict[Version, str] = {}
    for path in filter(None, [*names, *beside]):
        version = _version(path)
        if version:
            pythons.setdefault(version, path)
    return pythons


def _version(path: str) -> Version | None:
    """None for what is no Python: a version manager puts names on PATH that end in an error."""
    asked = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return None
    major, minor = asked.stdout.split()
    return int(major), int(minor)


def main() -> int:
    usable = {version: path for version, path in found().items() if FIRST <= version <= LAST}
    if not usable:
        return 1
    print(usable[max(usable)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
