# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the README and the guides name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
SPECS = yaml.safe_load((CHECKOUT / "roles" / "rotation" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
OPTIONS = {name for spec in SPECS.values() for name in spec["options"]}
# What the role leaves behind, and what a playbook takes beside the role's options.
VARIABLES = OPTIONS | {"rotation_result", "rotation_hosts"}
FILTERS = {path.stem for path in (CHECKOUT / "plugins" / "filter").glob("*.yml")} | {"rotation_report"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if not re.match(r"https?:|#", link)]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []


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
