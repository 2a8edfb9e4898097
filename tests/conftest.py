# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controller.runner import Controller, Run, default_collections
from lab.client import Lab
from thorough import ALL

CHECKOUT = Path(__file__).resolve().parent.parent


def _collections() -> Path:
    """The folder that holds ansible_collections; a link of our own where none is set up."""
    try:
        return default_collections()
    except FileNotFoundError:
        folder = CHECKOUT / "tests" / "output" / "collections"
        link = folder / "ansible_collections" / "keyturn" / "iam"
        link.parent.mkdir(parents=True, exist_ok=True)
        # Several pytest workers do this at once.
        with contextlib.suppress(FileExistsError):
            link.symlink_to(CHECKOUT, target_is_directory=True)
        return folder


# Who starts the tests in the background has Ctrl-C ignored, and what they start would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
COLLECTIONS = _collections()
sys.path.insert(0, str(COLLECTIONS))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: one more of what others show too; run with all faults only")
    config.addinivalue_line("markers", "faults: of the fault suite, though not in its folder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """By default all but what is thorough; with all faults that and the fault suite, each in its full form."""
    found: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        found[_is_wanted(item)].append(item)
    config.hook.pytest_deselected(items=found[False])
    items[:] = found[True]


def _is_wanted(item: pytest.Item) -> bool:
    thorough = item.get_closest_marker("thorough") is not None
    if not ALL:
        return not thorough
    return thorough or item.path.parent.name == "faults" or item.get_closest_marker("faults") is not None


@pytest.fixture(scope="session")
def collections() -> Path:
    """The folder that holds ansible_collections/keyturn/iam as this checkout."""
    return COLLECTIONS


@pytest.fixture
def short_path() -> Iterator[Path]:
    """As tmp_path, by a short name: ansible-core 2.21 has a socket under TMPDIR, whose path may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def _laboratory() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture
def lab(_laboratory: Lab) -> Lab:
    """An empty AWS account with AWS's strictness, on this very day; one server a pytest worker."""
    _laboratory.reset()
    return _laboratory


@pytest.fixture
def controller(lab: Lab, tmp_path: Path, collections: Path) -> Controller:
    """A person's home and folder, with the laboratory's credentials in the environment."""
    return Controller(tmp_path / "controller", collections, lab)


@pytest.fixture
def playbook(controller: Controller) -> Callable[..., Run]:
    """`playbook(play, *args, **options)` runs ansible-playbook there; see `controller.runner.Controller.start` for the options."""
    return controller.run
