# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people do to the store and to the account between two runs."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from controller.runner import Controller, Run
from controller.store import open_store, write_store
from fleet import STAGES, Fleet, executed_writes, key_task, records_of, recover
from lab.client import Lab
from lab.messages import Key, User
from thorough import ALL, thorough

OTHER = "210987654321"
KNOWN = ["again", "waiting", "retiring", "parting", "busy"]


def decided(run: Run, name: str) -> dict[str, Any]:
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
    for days in (0, 1, 9, 25) if ALL else (0, 25):  # from the 26th on the youngest key is due
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


def test_an_editor_open_while_a_rotation_runs(lab: Lab, controller: Controller) -> None:
    """Saved afterwards, it takes the new secrets with it. They are found again beside the file, which is said, and how to put them back."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    stale = _vault(controller, "view", fleet.store, fleet.password)
    fleet.run().ok()
    assert not fleet.harm()
    made = fleet.entries()["again"]
    _vault(controller, "edit", fleet.store, fleet.password, replaced=f"{stale}# saved too late\n")
    before = lab.state()
    run = fleet.run()
    said = next(line for line in run.output.splitlines() if made["access_key_id"] in line and "ansible-vault" in line)
    assert "of user again" in said and "another hand has overwritten" in said, str(run)
    assert lab.state()["again"] == before["again"], str(run)
    ways_out = decided(run, "again")["remedies"]
    assert ways_out[0]["say"].startswith(f"See the secret of {made['access_key_id']}"), str(run)
    assert not [one for one in ways_out if made["access_key_id"] in repr(one.get("task"))], str(run)
    (path,) = set(re.findall(r"`ansible-vault view (\S*\.keys\.yml\.[^\s`]+)`", said))
    found = yaml.safe_load(_vault(controller, "view", Path(path), fleet.password))["iam_access_keys"]["again"]
    assert records_of(found)[made["access_key_id"]]["secret_access_key"] == made["secret_access_key"]
    assert not any(secret in run.output for secret in fleet.secrets.values())
    # The way out, for all who are concerned.
    look = fleet.run(check=True).result("Look at the access keys")
    lost = {user["user_name"]: user["lost_keys"] for user in look["users"] if user.get("lost_keys")}
    assert {"first", "again", "left"} <= set(lost)
    content = open_store(fleet.store)
    for name, keys in lost.items():
        content["iam_access_keys"][name] = open_store(Path(keys[0]["vault_file"]))["iam_access_keys"][name]
    _vault(controller, "edit", fleet.store, fleet.password, replaced=yaml.safe_dump(content))
    run = fleet.run().ok()
    assert "another hand" not in run.output and not fleet.harm() and not fleet.astray(), f"{fleet.harm()}\n{run}"
    recover(fleet, run)


def test_a_copy_from_between_the_request_and_its_answer_put_back(lab: Lab, controller: Controller) -> None:
    """By that copy the new key looks like one whose secret nobody has. It lies beside the file: the key stays."""
    fleet = Fleet(lab, controller, ["busy"]).seed()
    lab.seed("solo", Key(100))
    lab.fault("pause", "CreateAccessKey", when="after")
    running = controller.start(key_task(user_name="solo", max_age_days=90, verify=False))
    lab.wait_paused()
    asking = fleet.store.read_bytes()
    lab.release()
    running.wait().ok()
    (made,), after = records_of(fleet.entries()["solo"]), fleet.store.read_bytes()
    fleet.store.write_bytes(asking)
    lab.clock(days=1)
    run = fleet.run()
    assert made in {key.access_key_id for key in lab.state()["solo"].active}, str(run)
    assert decided(run, "solo")["remedies"][0]["say"].startswith(f"See the secret of {made}"), str(run)
    fleet.store.write_bytes(after)
    fleet.run().ok()
    assert fleet.entries()["solo"]["access_key_id"] == made


def test_a_copy_written_into_the_file_by_a_second_writer(lab: Lab, controller: Controller) -> None:
    """`cp` writes into the very file; and many writes later the secret is still there and still said."""
    fleet = Fleet(lab, controller, ["retiring", "busy"]).seed()
    lab.seed("solo", Key(1))
    stale = fleet.store.read_bytes()
    controller.run(key_task(user_name="solo", max_age_days=0, verify=False)).ok()
    (lost,) = records_of(fleet.entries()["solo"])
    secret = fleet.entries()["solo"]["other_keys"][lost]["secret_access_key"]
    with fleet.store.open("r+b") as file:
        file.truncate()
        file.write(stale)
    key_id = _key(fleet, "retiring", "old")
    both = [key_task(user_name="retiring", access_key_id=key_id, active=active) for active in (False, True)]
    controller.run([*both] * 7).ok()
    look = {"keyturn.iam.iam_access_key_info": {"vault_file": "keys.yml"}, "register": "look"}
    run = controller.run({"hosts": "localhost", "gather_facts": False, "tasks": [look]})
    assert f"Access key {lost} of user solo is no longer in" in run.output, str(run)
    (shown,) = (user["lost_keys"][0] for user in run.results[0].result["users"] if user.get("lost_keys"))
    kept = open_store(Path(shown["vault_file"]))["iam_access_keys"]["solo"]["other_keys"]
    assert kept[lost]["secret_access_key"] == secret
    numbered = _predecessors(fleet.store)
    assert len(numbered) == 11 and Path(shown["vault_file"]) == numbered[1]  # the last ten, and it, in its place


def test_what_a_store_held_before(lab: Lab, controller: Controller) -> None:
    """Ten predecessors, private, opened by the same password, no variables of a play, and cleaned of keys once they are gone for good."""
    fleet = Fleet(lab, controller, list(STAGES), variables={"rotation_vault_file": "group_vars/all/keys.yml"})
    fleet.store.parent.mkdir(parents=True)
    fleet.seed()
    parted = _key(fleet, "parting", "old")
    secret = fleet.secrets[parted]
    first = fleet.store.read_bytes()
    controller.run(
        key_task(
            user_name="parting",
            access_key_id=_key(fleet, "parting", "new"),
            hold_days=0,
            active=True,
            vault_file="group_vars/all/keys.yml",
        )
    ).ok()
    run = fleet.run().ok()
    numbered = _predecessors(fleet.store)
    assert [path.name for path in numbered] == [f".keys.yml.{number}" for number in range(1, 11)], str(run)
    for path in fleet.store.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and (path == fleet.store or path.name.startswith(".")), path
        assert not any(secret.encode() in path.read_bytes() for secret in fleet.secrets.values()), path
    stored = open_store(fleet.store)["iam_access_keys"]
    assert open_store(numbered[0])["iam_access_keys"] != stored and first
    ids = "{{ iam_access_keys | dict2items | map(attribute='value.access_key_id') | list }}"
    show = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": ids}}]}
    (controller.cwd / "show.yml").write_text(yaml.safe_dump([show]))
    shown = controller.run(controller.cwd / "show.yml").ok()
    assert shown.result("debug")["msg"] == [entry["access_key_id"] for entry in stored.values()]

    def holds(path: Path) -> bool:
        return secret in repr(open_store(path))

    assert any(map(holds, numbered)) and not holds(fleet.store)
    key_id = _key(fleet, "busy", "old")

    def write_once(active: bool) -> None:
        controller.run(
            key_task(user_name="busy", access_key_id=key_id, active=active, vault_file="group_vars/all/keys.yml")
        ).ok()

    lab.clock(days=29)
    write_once(False)
    assert any(map(holds, _predecessors(fleet.store)))
    lab.clock(days=31)
    write_once(True)
    after = _predecessors(fleet.store)
    assert not any(map(holds, after)) and len(after) == 10
    notes = [path for path in fleet.store.parent.glob(".*") if path not in after and path.name.endswith(".notes")]
    assert not any(parted in path.read_text() for path in notes)


def test_predecessors_that_cannot_be_kept_stop_nothing(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    for name in (".keys.yml.last", ".keys.yml.1", ".keys.yml.notes"):
        (controller.cwd / name / "in").mkdir(parents=True)
    run = fleet.run().ok()
    assert "held before could not be kept beside it" in run.output.replace("\n", " "), str(run)
    assert not fleet.harm() and not fleet.astray(), str(run)
    recover(fleet, run)


def test_an_editor_that_saves_while_a_key_is_made(lab: Lab, controller: Controller) -> None:
    """What the editor wrote is kept. Where it is another's entry the new secret is stored beside it; where it is this very entry
    nothing is written over it: the new key is deleted again, and the user's turn comes with the next run.
    """
    fleet = Fleet(lab, controller, ["first", "again", "busy"]).seed()
    lab.fault("pause", "CreateAccessKey", user="first", when="after")
    lab.fault("delay", "CreateAccessKey", user="again", seconds=8)  # its secret comes after the editor, too
    running = fleet.start()
    lab.wait_paused()
    content = open_store(fleet.store)
    content["iam_access_keys"]["first"] = {"note": "written by a person"}
    _vault(controller, "edit", fleet.store, fleet.password, replaced=yaml.safe_dump({**content, "mine": "kept"}))
    lab.release()
    run = running.wait()
    assert run.rc == 2 and "The entry of user first in" in run.output and "by another hand" in run.output, str(run)
    assert "deleted again" in run.output and len(lab.state()["first"].keys) == 1, str(run)
    after = open_store(fleet.store)
    assert after["mine"] == "kept" and after["iam_access_keys"]["first"] == {"note": "written by a person"}, str(run)
    assert not fleet.unknown(), str(run)
    assert fleet.run().ok() and not fleet.astray() and fleet.entries()["first"]["note"] == "written by a person"


def test_a_lock_file_that_a_person_removes(lab: Lab, controller: Controller) -> None:
    """A second run goes on, and both end as one would."""
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    lab.fault("pause", "CreateAccessKey", user="first", when="after")
    running = fleet.start()
    lab.wait_paused()
    (controller.cwd / ".keys.yml.lock").unlink()
    second = fleet.start(extra_vars={"rotation_users": ["again", "retiring"]})
    time.sleep(3)
    lab.release()
    runs = [running.wait(), second.wait()]
    assert not fleet.harm() and not fleet.unknown() and not fleet.made_twice(), "\n".join(map(str, runs))
    recover(fleet, runs[0], most=1)


@pytest.mark.parametrize("playbook", ["rotate", thorough("audit")])
def test_a_report_in_the_place_of_a_vault_file(lab: Lab, controller: Controller, playbook: str) -> None:
    fleet = Fleet(lab, controller, list(STAGES), variables={"rotation_vault_file": "keys.json"}).seed()
    write_store(controller.cwd / "passwords.html", {"db": "a password"}, "another password")
    (controller.cwd / "report.md").symlink_to("passwords.html")
    os.link(controller.cwd / "passwords.html", controller.cwd / "linked.csv")
    variables = {
        "rotation_users": ["*"],
        "audit_users": ["*"],
        "rotation_vault_file": "keys.json",
        "rotation_verify_delay": 0,
    }
    other = (controller.cwd / "passwords.html").read_bytes()
    places = ("keys.json", "passwords.html", "report.md", "linked.csv", "./keys.json")
    for check in (True, False):
        for name in places if ALL or not check else places[:1]:
            run = controller.run(
                f"keyturn.iam.{playbook}", extra_vars={**variables, "rotation_report_file": name}, check=check
            )
            assert run.rc == 2 and "was not written, because that is " in run.msg, str(run)
            assert (controller.cwd / "passwords.html").read_bytes() == other
            open_store(fleet.store)
    assert not fleet.harm()


def test_a_report_in_the_place_of_a_store_that_is_not_made_yet(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", Key(1))
    (controller.cwd / "later.json").symlink_to("store.json")
    variables = {"rotation_users": ["*"], "rotation_vault_file": "store.json", "rotation_report_file": "later.json"}
    run = controller.run("keyturn.iam.rotate", extra_vars=variables)
    assert run.rc == 2 and "was not written, because that is the place of the store" in run.msg, str(run)
    assert not (controller.cwd / "store.json").exists()


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


@pytest.mark.parametrize("crash", [thorough("before"), "after"])
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


@pytest.mark.thorough
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


def _predecessors(store: Path) -> list[Path]:
    """What the store held before, the newest first."""
    found = [path for path in store.parent.iterdir() if re.fullmatch(rf"\.{re.escape(store.name)}\.\d+", path.name)]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def _vault(
    controller: Controller,
    action: str,
    path: Path,
    password: str,
    *,
    new: str | None = None,
    append: str = "",
    replaced: str | None = None,
) -> str:
    """The real ansible-vault, with an editor that appends, or that saves another text."""
    folder = controller.folder
    (folder / "old").write_text(password)
    (folder / "new").write_text(new or "")
    (folder / "appended").write_text(append if replaced is None else replaced)
    editor = folder / "editor"
    editor.write_text(f'#!/bin/sh\ncat "{folder / "appended"}" {">>" if replaced is None else ">"} "$1"\n')
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
