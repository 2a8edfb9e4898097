# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/inside.md shows the way of a key through the whole tree, and each promise with the file that keeps it."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "inside.md").read_text()
# Thin, and named as folders: each file of theirs is a plugin with documentation of its own.
DOCUMENTED = ("plugins/action/", "plugins/filter/", "plugins/lookup/", "plugins/modules/")


def named(text: str) -> set[str]:
    """The files and folders that a page names; in a row of a table one without a folder lies where the one before it does."""
    found = set()
    for line in text.splitlines():
        folder = ""
        for name in re.findall(r"`([\w./-]+(?:/|\.(?:py|yml|j2|css)))`", line):
            if name.startswith(("plugins/", "roles/", "playbooks/", "tests/")):
                folder = name if name.endswith("/") else name.rpartition("/")[0] + "/"
                found.add(name)
            elif line.startswith("|"):
                found.add(folder + name)
    return found


def test_every_file_of_the_plugins_is_on_the_page() -> None:
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "plugins").rglob("*.py")}
    on_page = named(PAGE)
    assert not [file for file in sorted(files - on_page) if not file.startswith(DOCUMENTED)]


def test_what_is_on_the_page_is_there() -> None:
    assert not [name for name in sorted(named(PAGE)) if not (CHECKOUT / name).exists()]


def test_the_promises_are_numbered_and_each_names_a_file() -> None:
    table = PAGE.partition("## What is promised")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", table, re.MULTILINE)
    assert [int(number) for number, _promise, _where in rows] == list(range(1, 17))
    assert not [number for number, _promise, where in rows if not named(where)]
