# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store cannot be written once the key was made: the key is deleted again in the same task, or its id is said."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from controller.runner import Controller, Run, Running
from fleet import Fleet, recover, workers
from lab.client import Lab
from thorough import ALL, thorough

# What makes a write of the store fail, from when it begins until it ends.
Trouble = Callable[[Fleet, Running], AbstractContextManager[None]]


@contextlib.contextmanager
def folder_removed(fleet: Fleet, running: Running) -> Iterator[None]:
    kept = fleet.store.parent.with_name("kept")
    shutil.move(fleet.store.parent, kept)
    try:
        yield
    finally:
        shutil.rmtree(fleet.store.parent, ignore_errors=True)
        shutil.move(kept, fleet.store.parent)


@contextlib.contextmanager
def folder_not_writable(fleet: Fleet, running: Running) -> Iterator[None]:
    """Root may write whatever the mode says, but not into a file system that is read-only now."""
    if _mount("--bind", str(fleet.store.parent), str(fleet.store.parent)):
        try:
            assert _mount("-o", "remount,bind,ro", str(fleet.store.parent))
            yield
        finally:
            _unmount(fleet.store.parent)
        return
    fleet.store.parent.chmod(0o500)
    try:
        yield
    finally:
        fleet.store.parent.chmod(0o700)


@contextlib.contextmanager
def disk_full(fleet: Fleet, running: Running) -> Iterator[None]:
    """Where nothing can be mounted, a limit on what a process may write stands in."""
    content = fleet.store.read_bytes()
    if _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(fleet.store.parent)):
        try:
            fleet.store.write_bytes(content)
            with contextlib.suppress(OSError), (fleet.store.parent / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(1024))
            yield
        finally:
            _unmount(fleet.store.parent)
        return
    for worker in workers(running):
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (100, 100))
    yield


@contextlib.contextmanager
def cannot_be_replaced(fleet: Fleet, running: Running) -> Iterator[None]:
    """As a file that is mounted singly into a container; elsewhere, something that is no file stands in its place."""
    if _mount("--bind", str(fleet.store), str(fleet.store)):
        try:
            yield
        finally:
            _unmount(fleet.store)
        return
    kept = fleet.store.with_name("kept.yml")
    shutil.move(fleet.store, kept)
    fleet.store.mkdir()
    try:
        yield
    finally:
        fleet.store.rmdir()
        shutil.move(kept, fleet.store)


@contextlib.contextmanager
def torn(fleet: Fleet, running: Running) -> Iterator[None]:
    """Somebody else writes half a file into its place."""
    content = fleet.store.read_bytes()
    fleet.store.write_bytes(content[: len(content) // 2])
    try:
        yield
    finally:
        fleet.store.write_bytes(content)


TROUBLES = [
    folder_not_writable,
    disk_full,
    cannot_be_replaced,
    torn,
    thorough(folder_removed),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_the_key_is_deleted_again(lab: Lab, controller: Controller, trouble: Trouble) -> None:
    fleet = _with_folder(Fleet(lab, controller, ["again", "first", "left"])).seed()
    before = lab.state()["first"]
    lab.fault("pause", "CreateAccessKey", user="first", when="after")
    running = fleet.start()
    lab.wait_paused()
    _wait_until_stored(fleet, "again", "left")
    made = next(key.access_key_id for key in lab.state()["first"].keys if key not in before.keys)
    with trouble(fleet, running):
        lab.release()
        run = running.wait()
        said = _refusals(run)
        assert made in said["first"] and "deleted again" in said["first"], str(run)
        assert lab.state()["first"] == before
    assert not list(fleet.store.parent.glob(".*.tmp"))
    assert not fleet.harm() and not fleet.unknown(), f"{fleet.harm()}\n{run}"
    assert list(said) == ["first"], str(run)  # the others' keys were stored before
    if ALL or trouble is torn:
        recover(fleet, run, most=2)


@pytest.mark.parametrize(
    "trouble",
    [cannot_be_replaced, thorough(folder_removed)],
    ids=lambda trouble: trouble.__name__,
)
def test_where_even_that_fails_the_key_is_named(lab: Lab, controller: Controller, trouble: Trouble) -> None:
    fleet = _with_folder(Fleet(lab, controller, ["again", "first", "left"])).seed()
    lab.deny("DeleteAccessKey", user="first")
    lab.fault("pause", "CreateAccessKey", user="first", when="after")
    running = fleet.start()
    lab.wait_paused()
    _wait_until_stored(fleet, "again", "left")
    with trouble(fleet, running):
        lab.release()
        run = running.wait()
    lab.allow_all()
    (left,) = fleet.unknown()["first"]
    said = _refusals(run)
    assert left in said["first"] and "could not be deleted again" in said["first"], str(run)
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    recover(fleet, run, most=2)


def _refusals(run: Run) -> dict[str, str]:
    """Why a key was not made or not kept, by user."""
    results = run.result("Create and store")["results"]
    return {one["item"]["user_name"]: one["msg"] for one in results if one.get("failed")}


def _wait_until_stored(fleet: Fleet, *names: str) -> None:
    """Others are in flight beside the one whose request is held."""
    end = time.monotonic() + 30
    while not all("next" in _stages(fleet, name) for name in names):
        assert time.monotonic() < end, "the others wait for the one that is held"
        time.sleep(0.05)
    time.sleep(0.2)  # the last file is in its place


def _stages(fleet: Fleet, name: str) -> list[str | None]:
    return [stage for _status, stage in fleet.picture(fleet.lab.state()[name], fleet.entries().get(name, {})).values()]


def _with_folder(fleet: Fleet) -> Fleet:
    """A folder of its own for the store, so that trouble with it is no trouble for anything else."""
    fleet.variables["rotation_vault_file"] = "stores/keys.yml"
    fleet.store.parent.mkdir()
    return fleet


def _mount(*arguments: str) -> bool:
    """Whether something is mounted now: only root can."""
    return os.geteuid() == 0 and subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def _unmount(path: Path) -> None:
    subprocess.run(["umount", str(path)], check=True)
