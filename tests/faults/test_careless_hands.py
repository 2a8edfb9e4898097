# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people do to the store and to the account between two runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fleet import ALL, STAGES, Fleet, executed_writes, key_task, recover
from lab.client import Lab
from lab.playbook import Controller, Run, open_store, write_store
from lab.shapes import Key, User

OTHER = "210987654321"
KNOWN = ["again", "waiting", "retiring", "parting", "busy"]


def decided(run: Run, name: str) -> dict[str, str]:
    """What the role's report says of a user."""
    (report,) = run.tasks("rotation_report")
    return next(decision for decision in report.result["decisions"] if decision["user_name"] == name)


def test_credentials_of_another_account(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, KNOWN).seed()
    other = lab.account(OTHER)
    lab.seed_users([User(name, (Key(100), Key(3))) for name in KNOWN], OTHER)
    before, here, there = fleet.store.read_bytes(), lab.state(), lab.state(OTHER)
    run = fleet.run(credentials=other)
    assert (fleet.store.read_bytes(), lab.state(), lab.state(OTHER)) == (before, here, there), str(run)
    assert run.rc == 2 and run.msg.startswith("again, busy, parting, retiring, waiting: not done"), str(run)
    assert not [request for request in lab.requests() if request.action.startswith(("Create", "Update", "Delete"))]
    for name in KNOWN:
        assert decided(run, name)["status"] == "error"
        assert f"account {OTHER}" in decided(run, name)["reason"] and "123456789012" in decided(run, name)["reason"]
    for task in (
        {"user_name": "again", "max_age_days": 90},
        {"user_name": "busy", "access_key_id": _key(fleet, "busy", "old"), "state": "absent"},
    ):
        refused = controller.run(key_task(**task), credentials=other)
        assert refused.rc == 2 and "belong to account 123456789012" in refused.msg, str(refused)
    assert (fleet.store.read_bytes(), lab.state(), lab.state(OTHER)) == (before, here, there)
    recover(fleet, run)


def test_a_user_deleted_and_made_again(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    entry = fleet.entries()["again"]
    lab.recreate_user("again")
    lab.add_key("again", Key(100))
    run = fleet.run()
    assert decided(run, "again")["status"] == "error" and entry["user_id"] in decided(run, "again")["reason"], str(run)
    assert fleet.entries()["again"] == entry and len(lab.state()["again"].keys) == 1
    assert not fleet.astray("again"), f"{fleet.astray('again')}\n{run}"
    # The way out that the sentence names.
    for key_id in (entry["access_key_id"], *entry["other_keys"]):
        controller.run(key_task(user_name="again", access_key_id=key_id, state="absent")).ok()
    assert "again" not in fleet.entries() and len(lab.state()["again"].keys) == 1
    run = fleet.run().ok()
    assert fleet.entries()["again"]["user_id"] == lab.state()["again"].user_id, str(run)


def test_a_user_renamed(lab: Lab, controller: Controller) -> None:
    """With and without a look at everybody: no secret goes, and the entry is to be renamed."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    entry = fleet.entries()["parting"]
    lab.rename_user("parting", "moved")
    run = fleet.run()
    assert decided(run, "parting")["status"] == "gone" and "now called moved" in decided(run, "parting")["reason"], str(
        run
    )
    assert fleet.entries()["parting"] == entry and len(lab.state()["moved"].keys) == 2
    for key_id in (entry["access_key_id"], *entry["other_keys"]):
        refused = controller.run(key_task(user_name="parting", access_key_id=key_id, state="absent"))
        assert refused.rc == 2 and "moved" in refused.msg, str(refused)
    assert fleet.entries()["parting"] == entry and len(lab.state()["moved"].keys) == 2
    content = open_store(fleet.store)
    content["iam_access_keys"]["moved"] = content["iam_access_keys"].pop("parting")
    write_store(fleet.store, content)
    run = fleet.run().ok()
    assert [key.status for key in lab.state()["moved"].keys] == ["Active"] and len(
        fleet.entries()["moved"].get("other_keys", {})
    ) == 0, str(run)


def test_an_older_copy_of_the_store_put_back(lab: Lab, controller: Controller) -> None:
    """The keys made since are nobody's to the store: they are named, and neither touched nor joined by another."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    before = fleet.store.read_bytes()
    fleet.run().ok()
    after, secrets = lab.state(), dict(fleet.secrets)
    fleet.store.write_bytes(before)
    for days in (0, 1, 9, 30) if ALL else (0, 30):
        lab.clock(days=days)
        lab.clear_requests()
        run = fleet.run()
        fleet.secrets = dict(secrets)
        wrong = [sentence for sentence in fleet.harm() if "was stored and is gone" in sentence]
        assert not wrong, f"{wrong}\n{run}"
        assert not [action for action, _user in executed_writes(lab) if action == "CreateAccessKey"], str(run)
    new = {key.access_key_id for key in after["again"].keys} - set(fleet.labels)
    assert new <= {key.access_key_id for key in lab.state()["again"].active}, str(run)
    assert all(key_id in run.output for key_id in new), str(run)


def test_rekey_and_edit_between_runs(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    fleet.run().ok()
    _vault(controller, "rekey", fleet.store, fleet.password, new="another password")
    fleet.password = "another password"
    _vault(controller, "edit", fleet.store, fleet.password, append="# a person was here\nmine: {a: 1}\n")
    run = fleet.run()
    assert run.ok().changed == 0
    lab.clock(days=8)
    fleet.spared.clear()  # the old keys fell idle
    run = fleet.run().ok()
    assert [key.status for key in lab.state()["again"].keys] == ["Inactive", "Active"], str(run)
    assert open_store(fleet.store, fleet.password)["mine"] == {"a": 1} and not fleet.harm()
    text = _vault(controller, "view", fleet.store, fleet.password)
    assert "# a person was here" in text


def test_edit_while_a_key_is_made(lab: Lab, controller: Controller) -> None:
    """People hold no lock: what they wrote between the request and its answer is kept, and so is the new secret."""
    fleet = Fleet(lab, controller, ["first", "busy"]).seed()
    lab.fault("pause", "CreateAccessKey", when="after")
    running = fleet.start()
    lab.wait_paused()
    content = open_store(fleet.store)
    write_store(fleet.store, {**content, "mine": "kept"})
    lab.release()
    run = running.wait().ok()
    assert open_store(fleet.store)["mine"] == "kept" and not fleet.harm() and not fleet.astray(), str(run)


def test_two_controllers_with_a_copy_each(lab: Lab, controller: Controller, tmp_path: Path, collections: Path) -> None:
    """The second knows nothing of the keys that the first makes: it says so, and neither makes nor switches off any."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    second = Fleet(lab, Controller(tmp_path / "second", collections, lab), [])
    second.store.write_bytes(fleet.store.read_bytes())
    for days in (0, 8, 39) if ALL else (0, 39):
        lab.clock(days=days)
        run = fleet.run()
        assert not fleet.harm() or days, f"{fleet.harm()}\n{run}"
        lab.clear_requests()
        run = second.run()
        assert not executed_writes(lab), f"{executed_writes(lab)}\n{run}"
        fleet.spared.clear()  # the old keys fall idle with the days
        assert not fleet.harm(), f"{fleet.harm()}\n{run}"
        assert decided(run, "again")["status"] == ("blocked" if days == 0 else "broken"), str(run)


def test_the_key_that_signs_the_run(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    signing = lab.state()["retiring"].keys[0]
    lab.forget_uses(signing.access_key_id)
    run = fleet.run(credentials=signing)
    assert "signs this run" in decided(run, "retiring")["reason"], str(run)
    assert lab.state()["retiring"].keys[0].status == "Active" and not fleet.harm() and not fleet.astray("retiring"), (
        str(run)
    )


def test_all_keys_switched_off_or_deleted_by_a_person(lab: Lab, controller: Controller) -> None:
    """Nobody is armed again by a scheduled run; naming the user does it."""
    fleet = Fleet(lab, controller, ["first", *KNOWN]).seed()
    for name in ("first", "again", "busy"):
        for key in lab.state()[name].active:
            lab.set_key(key.access_key_id, status="Inactive")
    for name in ("waiting", "retiring"):
        for key in lab.state()[name].keys:
            lab.delete_key(key.access_key_id)
    lab.set_key(_key(fleet, "parting", "new"), status="Inactive")
    entries = fleet.entries()
    for days in (0, 1, 100) if ALL else (0, 100):
        lab.clock(days=days)
        run = fleet.run()
        assert {action for action, _user in executed_writes(lab)} <= {"DeleteAccessKey"}, str(run)
        assert not any(user.active for user in lab.state().values()), str(run)
        for name, entry in entries.items():
            assert fleet.entries()[name]["secret_access_key"] == entry["secret_access_key"]
        assert {name: decided(run, name)["status"] for name in ("first", "waiting", "busy")} == {
            "first": "no_active_key",
            "waiting": "broken",
            "busy": "broken",
        }, str(run)
    run = fleet.run(extra_vars={"rotation_now": ["waiting", "busy"]})
    for name in ("waiting", "retiring"):
        assert len(lab.state()[name].active) == (name == "waiting"), str(run)
    assert {user for action, user in executed_writes(lab) if action == "CreateAccessKey"} <= {"waiting", "busy"}


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_key_made_by_hand_within_the_minute_of_a_crash_and_used(lab: Lab, controller: Controller, crash: str) -> None:
    fleet = Fleet(lab, controller, ["first", "busy"]).seed()
    lab.settings(quota=5)
    lab.fault("kill", "CreateAccessKey", when=crash)
    fleet.run()
    lab.clear_faults()
    by_hand = lab.add_key("first", Key(0)).access_key_id
    fleet.labels[by_hand] = "by hand"
    soon = fleet.run()
    lab.use(by_hand)
    fleet.spared.add(by_hand)
    for days in (0.2, 1, 2):
        lab.clock(days=days)
        run = fleet.run()
        assert not fleet.harm() or crash == "after", f"{fleet.harm()}\n{soon}{run}"
        assert by_hand in {key.access_key_id for key in lab.state()["first"].active}, f"{soon}{run}"
    assert not [write for write in executed_writes(lab) if write[0] != "CreateAccessKey"], str(run)


@pytest.mark.parametrize("days", [-400, 400])
def test_a_wrong_clock_decides_nothing(lab: Lab, controller: Controller, days: float) -> None:
    lab.clock(days=days)
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    run = fleet.run().ok()
    assert not fleet.harm() and not fleet.astray(), f"{fleet.astray()}\n{run}"
    recover(fleet, run)


def _key(fleet: Fleet, name: str, label: str) -> str:
    return next(
        key.access_key_id for key in fleet.lab.state()[name].keys if fleet.labels.get(key.access_key_id) == label
    )


def _vault(
    controller: Controller, action: str, path: Path, password: str, *, new: str | None = None, append: str = ""
) -> str:
    """The real ansible-vault, with an editor that appends."""
    folder = controller.folder
    (folder / "old").write_text(password)
    (folder / "new").write_text(new or "")
    (folder / "appended").write_text(append)
    editor = folder / "editor"
    editor.write_text(f'#!/bin/sh\ncat "{folder / "appended"}" >> "$1"\n')
    editor.chmod(0o700)
    command = [
        str(Path(sys.executable).with_name("ansible-vault")),
        action,
        "--vault-password-file",
        str(folder / "old"),
    ]
    command += ["--new-vault-password-file", str(folder / "new")] if new else []
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(controller.folder),
        "EDITOR": str(editor),
        "ANSIBLE_PAGER": "cat",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run([*command, str(path)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
