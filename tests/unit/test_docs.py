# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the README and the guides name is there, in the repository and in what Galaxy gets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
# These are in the artifact too.
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
ROOMS = [CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "tests" / "README.md"]
SPECS = yaml.safe_load((CHECKOUT / "roles" / "rotation" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
OPTIONS = {name for spec in SPECS.values() for name in spec["options"]}
# What the role leaves behind, and what a playbook takes beside the role's options.
VARIABLES = OPTIONS | {"rotation_result", "rotation_hosts"}
FILTERS = {path.stem for path in (CHECKOUT / "plugins" / "filter").glob("*.yml")} | {"rotation_report"}


def links(page: Path) -> list[str]:
    """Where the page's links within the repository lead, from its top."""
    found = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    here = page.parent.relative_to(CHECKOUT)
    return [os.path.normpath(here / link) for link in found if link and not re.match(r"https?:", link)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all that Galaxy gets."""
    folder = tmp_path_factory.mktemp("artifact")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    build = [galaxy, "collection", "build", "--output-path", folder, CHECKOUT]
    subprocess.run(build, check=True, capture_output=True, env={**os.environ, "ANSIBLE_HOME": str(folder)})
    (file,) = folder.glob("*.tar.gz")
    with tarfile.open(file) as tar:
        return set(tar.getnames())


@pytest.mark.parametrize("page", [*PAGES, *ROOMS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (CHECKOUT / link).exists()] == []


def test_the_links_lead_somewhere_for_who_has_the_artifact_only(artifact: set[str]) -> None:
    assert [(page.name, link) for page in PAGES for link in links(page) if link not in artifact] == []


def test_galaxy_gets_what_runs_and_what_explains_it_and_nothing_else(artifact: set[str]) -> None:
    folders = ("docs", "meta", "playbooks", "plugins", "roles")
    there = {path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.is_file()}
    files = {str(path.relative_to(CHECKOUT)) for path in there if path.suffix != ".pyc"}
    assert files - artifact == set()
    top = {name.partition("/")[0] for name in artifact}
    assert top == {*folders, "CHANGELOG.md", "COPYING", "FILES.json", "MANIFEST.json", "README.md", "changelogs"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_playbook_and_variable_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    playbooks = set(re.findall(r"(?:ansible-playbook|import_playbook:) keyturn\.iam\.(\w+)", text))
    assert [name for name in playbooks if not (CHECKOUT / "playbooks" / f"{name}.yml").exists()] == []
    assert set(re.findall(r"(?<![\w.])rotation_[a-z_]+[a-z](?![\w.])", text)) - VARIABLES - FILTERS == set()


def test_every_make_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)*:", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"(?:`|^|&& )make ([a-z-]+)", (CHECKOUT / "README.md").read_text(), re.MULTILINE)) - targets
        == set()
    )
