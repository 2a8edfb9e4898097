# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a key, both modules and the incidents on each ansible-core that the collection runs on: `make matrix`.

    make matrix                    # all of TESTS on the oldest and the newest core, the tests of PART on those between
    make matrix CORES=2.17,2.20    # these cores only, all of TESTS
    .venv/bin/python tests/matrix.py 2.22 -k revoked    # what follows goes to pytest

Each core gets an environment in .venv/matrix, made once, with a Python of this machine that the core supports (see pythons.py).
A core without one is named as left out; where all are left out, or a test fails, the exit code is 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pythons

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / ".venv" / "matrix"
INTEGRATION = Path("tests", "integration")
LIFE = str(INTEGRATION / "test_rotation.py::test_a_key_lives_from_new_to_deleted")
TESTS = [
    LIFE,
    *(
        str(INTEGRATION / f"test_{name}.py")
        for name in ("iam_access_key", "iam_access_key_vault", "iam_access_key_info", "incidents", "carry")
    ),
]
# What a core does differently shows here first: both ways to run a module, what is censored, the vault, the screen, an incident.
PART = [
    LIFE,
    *(
        str(INTEGRATION / f"test_{name}")
        for name in (
            "iam_access_key.py",
            "iam_access_key_info.py::test_everything_that_is_said",
            "iam_access_key_info.py::test_what_the_store_adds",
            "iam_access_key_info.py::test_what_cannot_be_read_is_said_to_be_unknown",
            "iam_access_key_vault.py::test_a_key_goes_into_the_vault",
            "iam_access_key_vault.py::test_the_stages_of_a_rotation",
            "iam_access_key_vault.py::test_vault_ids",
            "iam_access_key_vault.py::test_where_the_file_lies",
            "iam_access_key_vault.py::test_only_in_the_controllers_process",
            "iam_access_key_vault.py::test_one_connection_serves_a_loop",
            "incidents.py::test_the_previous_key_is_put_back_in_force",
            "incidents.py::test_a_leaked_key_is_switched_off_and_replaced",
            "incidents.py::test_an_interrupted_revocation_goes_on",
            "carry.py",
            "rotation_report.py::test_the_screen_is_as_wide_as_the_terminal_and_has_ansibles_colours",
        )
    ),
]
# Of tests/requirements.txt, what these tests need; the rest are other tools.
WANTED = ("boto3", "moto", "pytest", "pytest-xdist")


@dataclass(frozen=True)
class Core:
    """A release of ansible-core, the `ansible` package that brings amazon.aws with it, and Pythons: the first that is here is taken."""

    name: str
    ansible: str
    pythons: tuple[int, ...]
    release: str = ""

    @property
    def requirement(self) -> str:
        return f"ansible-core=={self.release or self.name + '.*'}"

    @property
    def python(self) -> str | None:
        return next((FOUND[3, minor] for minor in self.pythons if (3, minor) in FOUND), None)

    @property
    def environment(self) -> Path:
        return FOLDER / self.name


FOUND = pythons.found()
# The order of the Pythons is chosen so that all of them have a turn. 2.17 supports 3.10 too, but the tests are written for 3.11.
CORES = [
    Core("2.17", "10.7.0", (11, 12)),
    Core("2.18", "11.13.0", (12, 11, 13)),
    Core("2.19", "12.3.0", (11, 12, 13)),
    Core("2.20", "13.8.0", (12, 13, 14)),
    Core("2.21", "14.5.0", (12, 13, 14)),
    Core("2.22", "14.5.0", (13, 14), release="2.22.0rc1"),  # the package ansible 15 is not out yet
]


def set_up(core: Core, python: str) -> None:
    """The core's environment. One that was made with another wish or another Python is made anew."""
    wish = "\n".join([python, core.ansible, core.requirement, *_requirements()])
    ready = core.environment / "ready"
    if ready.exists() and ready.read_text() == wish:
        return
    subprocess.run([python, "-m", "venv", "--clear", str(core.environment)], check=True)
    # Of this package only the collections: which core comes is said below. Ansible compiles collections itself.
    _pip(core, "--no-deps", "--no-compile", f"ansible=={core.ansible}")
    _pip(core, core.requirement, *_requirements())
    ready.write_text(wish)


def _requirements() -> list[str]:
    lines = (CHECKOUT / "tests" / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0].partition("[")[0] in WANTED]


def _pip(core: Core, *what: str) -> None:
    pip = [str(core.environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Python files of a package are compiled once here; a test's ansible-playbook writes none.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*pip, *what], check=True, env=environment)


def versions(core: Core) -> str:
    """What is in the core's environment, in words."""
    code = (
        "import json, pathlib, platform, ansible.release, ansible_collections as c;"
        "aws = pathlib.Path(list(c.__path__)[0], 'amazon', 'aws', 'MANIFEST.json');"
        "print(f'ansible-core {ansible.release.__version__}, amazon.aws',"
        " json.loads(aws.read_text())['collection_info']['version'] + ', Python', platform.python_version())"
    )
    return subprocess.check_output([str(core.environment / "bin" / "python"), "-c", code], text=True).strip()


def run(core: Core, tests: list[str], arguments: list[str]) -> int:
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "4", "--dist", "worksteal"]
    command = [str(core.environment / "bin" / "python"), *pytest]
    # What a core imports, and in which order, is a matter of this core.
    environment = {**os.environ, "KEYTURN_START": "anew"}
    return subprocess.run([*command, *tests, *arguments], cwd=CHECKOUT, env=environment, check=False).returncode


def main() -> int:
    named = sys.argv[1] if len(sys.argv) > 1 else ""
    wanted = named.replace(",", " ").split()
    unknown = set(wanted) - {core.name for core in CORES}
    if unknown:
        print(f"No such core: {', '.join(sorted(unknown))}. There are {', '.join(core.name for core in CORES)}.")
        return 1
    chosen = [core for core in CORES if not wanted or core.name in wanted]
    said, codes = [], []
    for core in chosen:
        python = core.python
        if python is None:
            needed = " or ".join(f"3.{minor}" for minor in sorted(core.pythons))
            said.append(f"ansible-core {core.name}: left out, Python {needed} is not here")
            continue
        started = time.monotonic()
        set_up(core, python)
        everything = bool(wanted) or core in (CORES[0], CORES[-1])
        what = f"{versions(core)}: {'all of its tests' if everything else 'a part of its tests'}"
        print(f"\n{what}", flush=True)
        codes.append(run(core, TESTS if everything else PART, sys.argv[2:]))
        said.append(f"{what}, {'failed' if codes[-1] else 'passed'} after {time.monotonic() - started:.0f} s")
    print("\n" + "\n".join(said))
    if not codes:
        print("No core was tested.")
    return 0 if codes and not any(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
