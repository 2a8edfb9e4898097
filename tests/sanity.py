# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-test sanity, on a machine that reaches a package index and nothing else.

ansible-test wants a checkout under ansible_collections/keyturn/iam, so it gets a copy, and a script that puts pip into its own
environments, which it would fetch from a server of its own: pip's wheel can do that too. Both are kept in .venv/sanity, with the environments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ansible
from ansible_test._internal.python_requirements import get_venv_packages

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".venv" / "sanity"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

BOOTSTRAP = """\
import sys

sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main

sys.exit(main(["install", "--upgrade", "--force-reinstall", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]))
"""


def bootstrap() -> None:
    """The script under the name by which ansible-test looks for what it fetched earlier."""
    version = get_venv_packages(SimpleNamespace(version=PYTHON))["pip"]
    script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--dest",
            str(script.parent),
        ]
        subprocess.run([*pip, f"pip=={version}"], check=True)
        script.write_text(BOOTSTRAP.format(wheel=str(next(script.parent.glob(f"pip-{version}-*.whl")))))


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
    command = [
        str(Path(sys.executable).with_name("ansible-test")),
        "sanity",
        "--venv",
        "--python",
        PYTHON,
        "--color",
        "no",
        *sys.argv[1:],
    ]
    # A pythonX.Y that it finds must be one that makes environments of its own, not a wrapper that chooses among versions.
    path = os.pathsep.join([str(Path(sys.base_prefix, "bin")), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        command, cwd=copy(), env={**os.environ, "HOME": str(HOME), "PATH": path}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
