# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role and its playbooks, through the real ansible-playbook."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.settings import ENTRY_POINTS, SETTINGS
from controller.runner import Controller, Run
from controller.store import entry_of, open_store, stored, write_store
from integration.helpers import later
from lab.client import Lab
from lab.messages import Key, User

CHECKOUT = Path(__file__).resolve().parents[2]
WRITES = {"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"}
OLD, YOUNG = Key(age_days=120, used_days=1), Key(age_days=10, used_days=1)
Rotate = Callable[..., Run]


@pytest.fixture
def rotate(controller: Controller) -> Rotate:
    """Runs the rotation with extra variables; everyone and no wait for STS unless told otherwise."""

    def run(*args: str, playbook: str = "keyturn.iam.rotate", check: bool = False, **variables: Any) -> Run:
        given = {"rotation_users": ["*"], "rotation_vault_file": "store.yml", "rotation_verify_delay": 0, **variables}
        return controller.run(
            playbook, *args, check=check, extra_vars={k: v for k, v in given.items() if v is not None}
        )

    return run


def store(controller: Controller) -> dict[str, Any]:
    return open_store(controller.cwd / "store.yml")["iam_access_keys"]


def kept(controller: Controller, **entries: dict[str, Any]) -> None:
    write_store(controller.cwd / "store.yml", {"iam_access_keys": entries})


def writes(lab: Lab) -> Counter[tuple[str, str | None]]:
    return Counter((request.action, request.user) for request in lab.requests() if request.action in WRITES)


def test_a_key_lives_from_new_to_deleted(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    old = lab.seed("ci", Key(age_days=120, used_days=9)).keys[0].access_key_id

    report = rotate("--diff", check=True).ok()
    assert not writes(lab)
    assert "would make a new key: 120 days old, limit 90" in " ".join(report.stdout.split())
    assert not (controller.cwd / "store.yml").exists()

    assert rotate().ok().changed
    entry = store(controller)["ci"]
    new = next(key for key in lab.state()["ci"].keys if key.access_key_id != old)
    assert (entry["access_key_id"], entry["secret_access_key"]) == (new.access_key_id, new.secret_access_key)
    assert "asked" not in entry
    assert new.status == "Active"

    lab.clear_requests()
    again = rotate().ok()
    assert again.changed == 0
    assert not writes(lab)
    # What is not to be done is not included: some tasks, none of them skipped, and then the table.
    shown = again.stdout.partition(": Report]")[0]
    assert 1 < shown.count("TASK [") <= 7 and "skipping" not in shown, shown

    lab.clock(days=8)
    assert rotate().ok().changed == 1
    assert {key.access_key_id: key.status for key in lab.state()["ci"].keys} == {
        old: "Inactive",
        new.access_key_id: "Active",
    }
    assert list(store(controller)["ci"]["other_keys"]) == [old]

    lab.clock(days=45)
    rotate().ok()
    assert [key.access_key_id for key in lab.state()["ci"].keys] == [new.access_key_id]
    assert "other_keys" not in store(controller)["ci"]
    assert rotate().ok().changed == 0


def test_an_old_key_in_use_stays_and_is_named_with_its_use(lab: Lab, rotate: Rotate) -> None:
    old = lab.seed("ci", OLD).keys[0].access_key_id
    rotate().ok()
    lab.clock(days=8)
    lab.use(old, days_ago=0.2, service="s3", region="eu-west-1")
    run = rotate().ok()
    assert run.changed == 0
    assert len(lab.state()["ci"].active) == 2
    uses, said = "4 hours ago by s3 in eu-west-1", " ".join(run.stdout.split())
    assert "blocked: Replaced 8 days ago, but still in use: 4 hours ago by s3 in eu-west-1." in said
    assert "Nothing happens by itself before " in said
    assert f" UTC. - Move what uses {old} ({uses}) to" in said


def test_one_users_failure_is_that_users(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    for name in ("ana", "ben", "cem"):
        lab.seed(name, OLD)
    lab.deny("CreateAccessKey", "ben")
    run = rotate(rotation_users=["ana", "ben", "cem", "cme"])
    assert run.rc != 0
    assert run.msg == "ben, cme: not done, see the report above"
    assert "error: There is no such IAM user." in run.stdout
    assert set(store(controller)) == {"ana", "cem"}
    assert {name: len(user.keys) for name, user in lab.state().items()} == {"ana": 2, "ben": 1, "cem": 2}

    lab.allow_all()
    rotate(rotation_users=["ana", "ben", "cem"]).ok()
    assert set(store(controller)) == {"ana", "ben", "cem"}


def test_whom_a_second_look_cannot_read_is_an_error_of_its_own(
    lab: Lab, controller: Controller, rotate: Rotate
) -> None:
    lab.seed("ben", OLD)
    # After the first look, and the one before a key is made.
    lab.fault("error", "ListAccessKeys", user="ben", nth=3, code="AccessDenied", status=403, count=0)
    run = rotate()
    assert run.msg == "ben: not done, see the report above"
    (again,) = run.tasks("Look again")
    assert again.status == "ok" and "invocation" not in again.result
    (user,) = again.result["users"]
    assert user["error"].startswith("Could not be looked at again: Could not list the access keys of user ben")
    assert "In full: Could not be looked at again" in run.stdout
    assert list(store(controller)) == ["ben"] and "made a new key" in run.stdout


def test_accounts_with_little_in_them(lab: Lab, rotate: Rotate) -> None:
    assert "No user" in rotate().ok().stdout
    lab.seed("keyless")
    run = rotate().ok()
    assert run.changed == 0
    assert "1 user: 1 without an active key" in run.stdout


def test_names_patterns_and_paths(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    for name, path in (("ci-a", "/ci/"), ("ci-b", "/"), ("vendor", "/ci/"), ("other", "/")):
        lab.seed(name, OLD, path=path)
    rotate(rotation_users="ci-a").ok()
    assert set(store(controller)) == {"ci-a"}
    rotate(rotation_users=["ci-*"]).ok()
    assert set(store(controller)) == {"ci-a", "ci-b"}
    rotate(rotation_path_prefix="/ci/", rotation_exempt=["ven*"]).ok()
    assert set(store(controller)) == {"ci-a", "ci-b"}
    rotate(rotation_path_prefix="/ci/").ok()
    assert set(store(controller)) == {"ci-a", "ci-b", "vendor"}


def test_a_named_user_gets_a_new_key_at_once_and_once(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    lab.seed("ci", Key(age_days=3, used_days=1))
    lab.seed("off", Key(age_days=300, status="Inactive"))
    lab.seed("other", Key(age_days=3))
    rotate(rotation_now="ci,off").ok()
    assert set(store(controller)) == {"ci", "off"}
    assert rotate(rotation_now=["ci", "off"]).ok().changed == 0


def test_the_number_of_requests(lab: Lab, rotate: Rotate) -> None:
    lab.seed_users(User(f"u{n:03}", (YOUNG, Key(age_days=300, status="Inactive"))) for n in range(250))
    rotate().ok()
    assert Counter(request.action for request in lab.requests()) == {
        "ListUsers": 3,
        "ListAccessKeys": 250,
        "GetAccessKeyLastUsed": 500,
        "GetAccountSummary": 1,
        "ListPolicies": 1,
    }
    lab.seed("due", OLD)
    lab.clear_requests()
    rotate().ok()
    extra = Counter(request.action for request in lab.requests() if request.user == "due")
    assert extra["CreateAccessKey"] == 1
    assert (
        sum(
            count
            for action, count in Counter(request.action for request in lab.requests()).items()
            if action == "ListUsers"
        )
        == 3
    )


@pytest.mark.parametrize("empty", ["", None, "{{ lookup('ansible.builtin.env', 'NOT_SET') }}"])
def test_no_store_no_rotation(lab: Lab, controller: Controller, empty: str | None) -> None:
    """A key whose secret nobody keeps is worse than none."""
    lab.seed("ci", OLD)
    for check in (False, True):
        run = controller.run(
            "keyturn.iam.rotate", check=check, extra_vars={"rotation_users": ["*"], "rotation_vault_file": empty}
        )
        assert run.rc == 2 and "rotation_vault_file is empty" in run.msg
    assert not lab.requests()


def test_check_mode_predicts_what_a_planned_deletion_makes_room_for(
    lab: Lab, controller: Controller, rotate: Rotate
) -> None:
    """Where the key before the last goes, a stranger's key that nobody uses, and, for a user who is named, a leftover."""
    ours, theirs, left = (
        lab.seed(name, Key(95, used_days=1), second)
        for name, second in (
            ("ours", Key(200, "Inactive", used_days=150)),
            ("theirs", Key(200, "Inactive", used_days=150)),
            ("left", Key(0.2)),
        )
    )
    older = ours.keys[1]
    previous = stored(older, promote_date=older.create_date, deactivate_date=later(lab.clock(), days=-40))
    asked = {"date": left.keys[1].create_date, "known": [left.keys[0].access_key_id]}
    kept(
        controller,
        ours=entry_of(ours, ours.keys[0], other_keys={older.access_key_id: previous}),
        theirs=entry_of(theirs, theirs.keys[0]),
        left=entry_of(left, left.keys[0], asked=asked),
    )
    given: dict[str, Any] = {"rotation_unused_days": 100, "rotation_now": ["left"]}
    check = rotate(check=True, **given).ok()
    assert "Would make 3 keys, switch off 0, delete 3." in check.stdout and not writes(lab)
    rotate(**given).ok()
    done = writes(lab)
    assert {
        done[action, name] for action in ("CreateAccessKey", "DeleteAccessKey") for name in ("ours", "theirs", "left")
    } == {1} and sum(done.values()) == 6
    assert rotate(**given).ok().changed == 0


@pytest.mark.parametrize("what", ["off", "deleted", "held"])
def test_a_key_is_not_switched_off_when_its_replacement_went_meanwhile(
    lab: Lab, controller: Controller, rotate: Rotate, what: str
) -> None:
    """A person acts between the look and the deactivation: the last working key of the user stays, and the run says why."""
    for name in ("aaa", "ci"):
        lab.seed(name, Key(110, used_days=60), Key(20, used_days=1))
    entries = {}
    for name, user in lab.state().items():
        old, new = user.keys
        entries[name] = entry_of(user, new, other_keys={old.access_key_id: stored(old, promote_date=old.create_date)})
    kept(controller, **entries)
    # What is read last before the plan; a key that is gone by then would be seen to be.
    asked = {"action": "ListAccessKeys" if what == "deleted" else "GetAccessKeyLastUsed", "user": "ci", "nth": 2}
    lab.fault("pause", **asked)
    given = {"rotation_users": ["*"], "rotation_vault_file": "store.yml"}
    running = controller.start("keyturn.iam.rotate", extra_vars=given)
    lab.wait_paused()
    old, new = lab.state()["ci"].keys
    if what == "off":
        lab.set_key(new.access_key_id, "Inactive")
    elif what == "deleted":
        lab.delete_key(new.access_key_id)
    else:
        entries["ci"]["hold_until"] = later(lab.clock(), days=7)
        kept(controller, **entries)
    lab.release()
    run = running.wait()
    said = " ".join(run.output.split())
    assert run.rc == 2 and "ci: not done" in run.msg
    assert f"Access key {old.access_key_id} of user ci is not switched off: " in said
    assert next(key for key in lab.state()["ci"].keys if key.access_key_id == old.access_key_id).status == "Active"
    assert lab.state()["aaa"].keys[0].status == "Inactive"


def test_the_report_files(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    lab.seed("ci", OLD)
    lab.seed("=cmd", Key(age_days=2))
    for ending in ("json", "csv", "md", "html"):
        rotate(check=True, rotation_report_file=f"report.{ending}").ok()
    report = json.loads((controller.cwd / "report.json").read_text())
    assert report["totals"]["due"] == 1
    rows = list(csv.DictReader((controller.cwd / "report.csv").read_text().splitlines()))
    assert {row["user_name"] for row in rows} == {"ci", "'=cmd"}
    assert "| ci |" in (controller.cwd / "report.md").read_text()
    page = (controller.cwd / "report.html").read_text()
    assert "<h2>Drift: 1 user</h2>" in page and ">ci</th>" in page and ">=cmd</th>" in page
    lab.clear_requests()
    for wrong in ("report.txt", "nowhere/report.json"):
        run = rotate(rotation_report_file=wrong)
        assert run.rc != 0
        assert wrong in run.msg
    assert not lab.requests()


def test_a_revoked_key_that_works_again_is_switched_off(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    """Cases L1 to L3: the next run finishes what a revocation began, in use or not, exempt or not."""
    leaked = lab.seed("ci", Key(age_days=20, used_days=0)).keys[0].access_key_id
    kept(controller, ci={"other_keys": {leaked: {"revoke_date": "2026-01-01T00:00:00+00:00"}}})
    report = rotate(rotation_exempt=["ci"]).ok()
    assert "switched off: revoked" in " ".join(report.stdout.split())
    assert lab.state()["ci"].keys[0].status == "Inactive"
    lab.clear_requests()
    assert rotate(rotation_exempt=["ci"]).ok().changed == 0
    assert not writes(lab)


def test_drift_can_fail_a_check(lab: Lab, rotate: Rotate) -> None:
    lab.seed("ci", OLD)
    run = rotate(check=True, rotation_fail_on_drift=True)
    assert run.rc != 0
    assert run.msg == "Drift: ci"
    rotate(rotation_fail_on_drift=True).ok()
    # The old key works until its grace is over, and is over the limit.
    assert rotate(check=True, rotation_fail_on_drift=True).msg == "Drift: ci"
    rotate(check=True, rotation_fail_on_drift=True, rotation_max_age_days=1000).ok()


def test_an_audit_reads_only_and_needs_no_store(lab: Lab, controller: Controller, playbook: Callable[..., Run]) -> None:
    lab.seed("ci", OLD)
    run = playbook("keyturn.iam.audit", extra_vars={"rotation_report_file": "report.json"}).ok()
    assert run.changed == 0
    assert "would make a new key" in " ".join(run.stdout.split())
    assert (controller.cwd / "report.json").exists()
    assert not writes(lab)


@pytest.mark.parametrize("playbook_file", ["rotate.yml", "audit.yml", "rollback.yml", "revoke.yml"])
def test_the_playbooks_run_from_a_checkout(lab: Lab, rotate: Rotate, playbook_file: str) -> None:
    one = lab.seed("ci", YOUNG).keys[0].access_key_id
    about = {"rollback.yml": {"rotation_user_name": "ci"}, "revoke.yml": {"rotation_access_key_id": one}}.get(
        playbook_file, {}
    )
    ran = rotate(playbook=str(CHECKOUT / "playbooks" / playbook_file), **about)
    if playbook_file == "rollback.yml":
        assert "User ci has no access key that was replaced" in ran.msg
    else:
        ran.ok()


def test_the_result_is_left_in_a_variable(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", OLD)
    lab.seed("no", OLD)
    lab.deny("CreateAccessKey", "no")
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"rotation_users": ["ci", "no"], "rotation_vault_file": "store.yml", "rotation_verify_delay": 0},
            "tasks": [
                {
                    "block": [{"name": "Rotate", "ansible.builtin.include_role": {"name": "keyturn.iam.rotation"}}],
                    "rescue": [{"name": "Result", "ansible.builtin.debug": {"var": "rotation_result"}}],
                },
            ],
        }
    ]
    run = controller.run(play)
    result = run.result("Result")["rotation_result"]
    assert {decision["user_name"]: decision["status"] for decision in result["decisions"]} == {
        "ci": "grace",
        "no": "due",
    }
    assert [(done["action"], done["user_name"]) for done in result["done"]] == [("create", "ci"), ("verify", "ci")]
    assert [failure["user_name"] for failure in result["failed"]] == ["no"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"rotation_users": None}, "rotation_users"),
        ({"rotation_vault_file": None}, "rotation_vault_file"),
        ({"rotation_max_age_days": -1}, "max_age_days must be a number of days, 0 or more"),
        ({"rotation_max_age_days": "soon"}, "rotation_max_age_days"),
        ({"rotation_vault_file": "nowhere/store.yml"}, "does not exist"),
    ],
)
def test_bad_input_changes_nothing(lab: Lab, rotate: Rotate, variables: dict[str, Any], said: str) -> None:
    lab.seed("ci", OLD)
    run = rotate(**variables)
    assert run.rc != 0
    assert said in run.msg
    assert not writes(lab)


def test_defaults_and_argument_specs_agree() -> None:
    role = CHECKOUT / "roles" / "rotation"
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    for entry_point in specs.values():
        for name, option in entry_point["options"].items():
            if not option.get("required") and name in defaults:
                assert option.get("default") == defaults[name], name
    options = [(name, option) for entry_point in specs.values() for name, option in entry_point["options"].items()]
    required = {name for name, option in options if " ".join(option["description"]).startswith("Required.")}
    # What one entry point requires has no default for another either.
    assert {name for name, _option in options} - required == set(defaults)


def test_what_the_role_reads_and_its_argument_specs_agree() -> None:
    specs = yaml.safe_load((CHECKOUT / "roles" / "rotation" / "meta" / "argument_specs.yml").read_text())[
        "argument_specs"
    ]
    assert set(specs) == set(ENTRY_POINTS)
    for name, entry_point in specs.items():
        read = {setting.variable: setting for setting in SETTINGS if name in setting.entry_points}
        assert set(read) == set(entry_point["options"]), name
        for variable, setting in read.items():
            option = entry_point["options"][variable]
            # Ansible's own words for a mistake are a dump of all of this.
            assert option["type"] == "raw" and "required" not in option
            assert " ".join(option["description"]).startswith("Required.") == (name in setting.required_by), variable
