# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-test sanity, on a machine that reaches a package index and nothing else: `make sanity`.

    .venv/bin/python tests/sanity.py --test validate-modules    # what follows goes to ansible-test

ansible-test wants a checkout under ansible_collections/keyturn/iam, so it gets a copy, and a script that puts pip into its own
environments, which it would fetch from a server of its own: pip's wheel can do that too. Both are kept in .venv/sanity, with the environments.
Everything is compiled and imported on each Python that tests/config.yml asks for, that this ansible-test knows and that is here; the others are named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import ansible
import pythons
import yaml
from ansible_test._internal.python_requirements import get_venv_packages
from ansible_test._util.target.common.constants import CONTROLLER_PYTHON_VERSIONS, REMOTE_ONLY_PYTHON_VERSIONS

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".venv" / "sanity"
LINKS = HOME / "bin"
KNOWN = {tuple(map(int, name.split("."))) for name in (*REMOTE_ONLY_PYTHON_VERSIONS, *CONTROLLER_PYTHON_VERSIONS)}
OLDEST = yaml.safe_load((CHECKOUT / "tests" / "config.yml").read_text())["modules"]["python_requires"].removeprefix(
    ">="
)

BOOTSTRAP = """\
import sys

sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main

sys.exit(main(["install", "--upgrade", "--force-reinstall", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]))
"""


def bootstrap() -> None:
    """The script under the name by which ansible-test looks for what it fetched earlier, for each pip that it wants."""
    for version in {get_venv_packages(SimpleNamespace(version=python))["pip"] for python in _named(KNOWN)}:
        script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
        if not script.exists():
            script.parent.mkdir(parents=True, exist_ok=True)
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--dest", script.parent, f"pip=={version}"], check=True)
            script.write_text(BOOTSTRAP.format(wheel=str(next(script.parent.glob(f"pip-{version}-*.whl")))))


def link_pythons() -> None:
    """A folder of pythonX.Y that make environments of their own: on PATH may be wrappers that choose among versions."""
    oldest = tuple(map(int, OLDEST.split(".")))
    here = {version: path for version, path in pythons.found().items() if version >= oldest}
    shutil.rmtree(LINKS, ignore_errors=True)
    LINKS.mkdir(parents=True)
    for version in here.keys() & KNOWN:
        (LINKS / f"python{version[0]}.{version[1]}").symlink_to(os.path.realpath(here[version]))
    wanted = {version for version in KNOWN | here.keys() if version >= oldest}
    for why, left_out in (
        ("not here", wanted - here.keys()),
        ("not known to the ansible-test of this ansible-core", here.keys() - KNOWN),
    ):
        if left_out:
            print(f"Left out, {why}: Python {', '.join(_named(left_out))}", flush=True)


def _named(versions: Iterable[pythons.Version]) -> list[str]:
    return [f"{major}.{minor}" for major, minor in sorted(versions)]


def copy() -> Path:
    """The files that git knows, or would take, where ansible-test looks for a collection."""
    folder = HOME / "ansible_collections" / "keyturn" / "iam"
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    # Without a repository of its own it would be taken for a part of this one, in which git ignores it.
    subprocess.run("git init --quiet && git add --all", shell=True, cwd=folder, check=True)
    amazon = folder.parents[1] / "amazon"
    amazon.unlink(missing_ok=True)
    amazon.symlink_to(Path(ansible.__file__).parents[1] / "ansible_collections" / "amazon")
    return folder


def main() -> int:
    bootstrap()
    link_pythons()
    command = [Path(sys.executable).with_name("ansible-test"), "sanity", "--venv", "--color", "no", *sys.argv[1:]]
    path = os.pathsep.join([str(LINKS), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "HOME": str(HOME), "PATH": path}
    return subprocess.run(command, cwd=copy(), env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
