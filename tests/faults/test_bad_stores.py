# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores that are not what they should be, places where none can be written, and users of unusual shape."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller
from controller.store import open_store, vault_id_of, write_store
from fleet import STAGES, Fleet, executed_writes, key_task, recover
from lab.client import ADMIN, Lab
from lab.messages import Key
from thorough import ALL, thorough

VAULT_PASSWORD = "a password that is typed"
NAME = "A_b+c=d,e.f@g-" + "x" * 50


def cut_in_half(fleet: Fleet) -> str:
    content = fleet.store.read_bytes()
    fleet.store.write_bytes(content[: len(content) // 2])
    return "keys.yml cannot be opened"


def without_its_last_line(fleet: Fleet) -> str:
    content = fleet.store.read_bytes()
    fleet.store.write_bytes(content[: content.rstrip().rindex(b"\n") + 1])
    return "keys.yml cannot be opened"


def decrypted(fleet: Fleet) -> str:
    fleet.store.write_text("iam_access_keys: {}\n")
    return "keys.yml is not encrypted with Ansible Vault"


def empty(fleet: Fleet) -> str:
    fleet.store.write_bytes(b"")
    return "keys.yml is empty"


def a_list(fleet: Fleet) -> str:
    write_store(fleet.store, "- a\n- b\n")
    return "keys.yml is not a mapping inside"


def keys_in_a_list(fleet: Fleet) -> str:
    write_store(fleet.store, {"iam_access_keys": ["first"]})
    return "is not a mapping of users"


def no_yaml(fleet: Fleet) -> str:
    write_store(fleet.store, "a: [b\nc: }")
    return "is encrypted, but not YAML inside"


def of_another_password(fleet: Fleet) -> str:
    write_store(fleet.store, open_store(fleet.store), "another password")
    return "keys.yml cannot be opened"


BAD: list[Callable[[Fleet], str]] = [
    cut_in_half,
    without_its_last_line,
    decrypted,
    empty,
    a_list,
    keys_in_a_list,
    no_yaml,
    of_another_password,
]


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_store_that_cannot_be_read_stops_all(lab: Lab, controller: Controller, spoil: Callable[[Fleet], str]) -> None:
    fleet = Fleet(lab, controller, ["first", "again", "retiring"]).seed()
    good, before = fleet.store.read_bytes(), lab.state()
    said = spoil(fleet)
    bad = fleet.store.read_bytes()
    run = fleet.run()
    assert run.rc == 2 and said in run.msg and "Traceback" not in run.output, str(run)
    assert not any(secret in run.output for secret in fleet.secrets.values())
    assert (fleet.store.read_bytes(), lab.state(), executed_writes(lab)) == (bad, before, []), str(run)
    if ALL:
        fleet.store.write_bytes(good)
        recover(fleet, run)


FOREIGN: list[Any] = [
    "a word",
    ["a", "list"],
    {"access_key_id": "AKIAFOREIGN", "other_keys": ["x"]},
    {"secret_access_key": "alone"},
    {"asked": 3},
]


def test_an_entry_of_foreign_structure_is_that_users_error(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, [*STAGES, *(f"again.{number}" for number in range(len(FOREIGN)))]).seed()
    whole = open_store(fleet.store)
    spoilt = {f"again.{number}": foreign for number, foreign in enumerate(FOREIGN)}
    write_store(fleet.store, {"iam_access_keys": {**whole["iam_access_keys"], **spoilt}})
    before = lab.state()
    run = fleet.run()
    after = open_store(fleet.store)["iam_access_keys"]
    assert {name: after[name] for name in spoilt} == spoilt and {name: lab.state()[name] for name in spoilt} == {
        name: before[name] for name in spoilt
    }, str(run)
    report = run.result("rotation_report")["decisions"]
    assert {decision["user_name"] for decision in report if decision["status"] == "error"} == set(spoilt), str(run)
    write_store(
        fleet.store, {"iam_access_keys": {**after, **{name: whole["iam_access_keys"][name] for name in spoilt}}}
    )
    assert not fleet.harm() and not fleet.astray(*spoilt), str(run)
    recover(fleet, run)


@pytest.mark.parametrize(
    "asking",
    [["--ask-vault-pass"], thorough(["--vault-id", "prod@prompt"])],
    ids=["pass", "id"],
)
def test_a_new_store_and_a_password_typed_once(lab: Lab, controller: Controller, asking: list[str]) -> None:
    """A slip of the finger would make each new secret unreadable. The file that ansible-vault made, which asks twice, proves the password."""
    lab.seed("ci", Key(100))
    play = key_task(user_name="ci", max_age_days=90)
    store = controller.cwd / "keys.yml"
    for check in ([], ["--check"]):
        output = _at_a_terminal(controller, play, *asking, *check)
        assert "keys.yml is not made: the vault password was typed once" in output, output
        assert f"ansible-vault create {store}" in output, output
        assert len(lab.state()["ci"].keys) == 1 and not lab.requests("CreateAccessKey") and not store.exists(), output
    write_store(store, "", VAULT_PASSWORD)
    output = _at_a_terminal(controller, play, *asking)
    assert len(lab.state()["ci"].keys) == 2 and "failed=0" in output, output
    assert open_store(store, VAULT_PASSWORD)["iam_access_keys"]["ci"]["secret_access_key"]


def _at_a_terminal(controller: Controller, play: Any, *arguments: str) -> str:
    """What a person sees who types the vault password."""
    folder = controller.folder / "runs" / f"terminal-{time.monotonic_ns()}"
    folder.mkdir(parents=True)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), controller._playbook(play, folder), *arguments]
    environment = controller._environment("terminal", folder, ADMIN, {})
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(controller.cwd)
            os.execve(command[0], command, environment)
        finally:
            os._exit(127)
    output = b""
    typed = False
    with contextlib.suppress(OSError):  # the terminal of a process that has ended
        while data := os.read(terminal, 4096):
            output += data
            if not typed and b"password" in output:
                typed = True
                os.write(terminal, f"{VAULT_PASSWORD}\n".encode())
    os.waitpid(pid, 0)
    os.close(terminal)
    return output.decode(errors="replace").replace("\r", "")


def test_two_vault_ids(lab: Lab, controller: Controller) -> None:
    """The file keeps the one that it has; a run that lacks it changes nothing."""
    passwords = {"dev": "the one", "prod": "the other"}
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    write_store(fleet.store, open_store(fleet.store), passwords, vault_id="prod")
    fleet.password = "the other"
    before = lab.state()
    run = fleet.run(vault_password={"dev": "the one"})
    assert run.rc == 2 and "keys.yml cannot be opened" in run.msg and lab.state() == before, str(run)
    run = fleet.run(vault_password=passwords).ok()
    assert vault_id_of(fleet.store) == "prod" and not fleet.harm() and not fleet.astray(), str(run)


def test_a_symbolic_link_stays_one(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    elsewhere = controller.folder / "elsewhere"
    elsewhere.mkdir()
    real = fleet.store.rename(elsewhere / "real.yml")
    fleet.store.symlink_to(real)
    run = fleet.run().ok()
    assert (
        fleet.store.is_symlink() and fleet.store.resolve() == real.resolve() and not fleet.harm() and not fleet.astray()
    ), str(run)
    recover(fleet, run)


def test_a_file_system_that_is_read_only(lab: Lab, controller: Controller) -> None:
    """Found out before a key is made; without root it is the folder that is read-only."""
    fleet = Fleet(lab, controller, ["first", "again", "retiring"], variables={"rotation_vault_file": "stores/keys.yml"})
    fleet.store.parent.mkdir()
    fleet.seed()
    folder, before = str(fleet.store.parent), lab.state()
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0 and subprocess.run(["mount", "--bind", folder, folder], check=False).returncode == 0:
            stack.callback(subprocess.run, ["umount", folder], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        else:
            fleet.store.parent.chmod(0o500)
            stack.callback(fleet.store.parent.chmod, 0o700)
        run = fleet.run()
        assert run.rc == 2 and lab.state() == before and not executed_writes(lab), str(run)
        assert "keys.yml cannot be written" in run.output, str(run)
    assert not fleet.harm()
    recover(fleet, run)


@pytest.mark.thorough
def test_a_name_with_every_character_and_64_of_them(lab: Lab, controller: Controller) -> None:
    assert len(NAME) == 64
    lab.seed(NAME, Key(100, used_days=0.2))
    fleet = Fleet(lab, controller, ["first"]).seed()
    fleet.run().ok()
    entry = fleet.entries()[NAME]
    old, new = lab.state()[NAME].keys
    assert (entry["access_key_id"], entry["secret_access_key"]) == (new.access_key_id, new.secret_access_key)
    assert fleet.run(extra_vars={"rotation_users": [NAME]}).ok().changed == 0
    lab.clock(days=8)
    run = fleet.run(extra_vars={"rotation_users": [NAME]}).ok()
    assert [key.status for key in lab.state()[NAME].keys] == ["Inactive", "Active"], str(run)
    lab.clock(days=39)
    run = fleet.run(extra_vars={"rotation_users": [NAME]}).ok()
    assert [key.access_key_id for key in lab.state()[NAME].keys] == [new.access_key_id], str(run)
    assert old.access_key_id not in fleet.store.read_text()


def test_a_user_with_three_keys(lab: Lab, controller: Controller) -> None:
    """As an account has them whose quota was lowered: none is taken for room, and the others go on."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    lab.seed("three", Key(120, used_days=1), Key(110, "Inactive"), Key(100, used_days=1))
    before = lab.state()["three"]
    run = fleet.run().ok()
    assert lab.state()["three"] == before and "three" not in fleet.entries(), str(run)
    decisions = {decision["user_name"]: decision for decision in run.result("rotation_report")["decisions"]}
    assert decisions["three"]["status"] == "blocked" and all(
        key.access_key_id in decisions["three"]["about"] for key in before.keys
    ), str(run)
    lab.delete_user("three")
    assert not fleet.harm() and not fleet.astray(), str(run)
