# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation goes by, through the real ansible-playbook: numbers, tags, quarantine, and notes that are no longer so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import open_store, write_store
from integration.helpers import writes
from lab.client import Lab
from lab.messages import ACCOUNT, Key, KeyState

Rotate = Callable[..., Run]
DUE = Key(age_days=76, used_days=1)
LONG_AGO = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def rotate(controller: Controller) -> Rotate:
    """Runs the rotation of everyone, with a report as JSON."""

    def run(check: bool = False, **variables: Any) -> Run:
        given = {
            "rotation_users": ["*"],
            "rotation_vault_file": "store.yml",
            "rotation_verify_delay": 0,
            "rotation_report_file": "report.json",
        }
        return controller.run("keyturn.iam.rotate", check=check, extra_vars={**given, **variables})

    return run


def report(controller: Controller) -> dict[str, Any]:
    users: list[dict[str, Any]] = json.loads((controller.cwd / "report.json").read_text())["users"]
    return {user["user_name"]: user for user in users}


def statuses(controller: Controller) -> dict[str, str]:
    return {name: user["status"] for name, user in report(controller).items()}


def test_users_own_tags_and_quarantine_and_the_oldest_first(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    for name, key, tags in (
        ("exempt", DUE, {"keyturn:exempt-until": "2999-12-31"}),
        ("no-longer", Key(age_days=89, used_days=1), {"keyturn:exempt-until": "2020-01-01"}),
        ("misspelt", DUE, {"keyturn:exempt-untill": "2999-12-31"}),
        ("nonsense", DUE, {"keyturn:max-age-days": "ninety"}),
        ("longer", DUE, {"keyturn:max-age-days": "365"}),
        ("sooner", Key(age_days=16, used_days=1), {"keyturn:max-age-days": "30"}),
        ("leaked", DUE, {"team": "blue"}),
        ("young", Key(age_days=75.9, used_days=1), {}),
    ):
        lab.seed(name, key, tags=tags)
    lab.attach("leaked", "AWSCompromisedKeyQuarantineV3")
    by_tags: dict[str, Any] = {"rotation_tag_policy": True, "rotation_owner_tag": "Team"}

    run = rotate(rotation_max_new_keys=1, rotation_benchmark="CIS 7.0.0", **by_tags)
    assert run.msg == "misspelt, nonsense: not done, see the report above"
    assert statuses(controller) == {
        "exempt": "exempt",
        "no-longer": "grace",
        "misspelt": "error",
        "nonsense": "error",
        "longer": "compliant",
        "sooner": "due",
        "leaked": "quarantined",
        "young": "due_soon",
    }
    told = report(controller)
    # Tags and quarantine are as the first look had them, and what the run has made counts.
    assert not told["sooner"]["actions"] and "rotation_max_new_keys" in told["sooner"]["reason"]
    assert "keyturn:exempt-untill" in told["misspelt"]["reason"] and "ninety" in told["nonsense"]["reason"]
    assert told["no-longer"]["rules"] == [] and [request.user for request in writes(lab)] == ["no-longer"]
    requests = [request.action for request in lab.requests()]
    assert requests.count("ListUserTags") == 8 and requests.count("ListPolicies") == 1

    rotate(**by_tags)
    assert statuses(controller)["sooner"] == "grace" and set(
        open_store(controller.cwd / "store.yml")["iam_access_keys"]
    ) == {
        "no-longer",
        "sooner",
    }
    # A task with the age that the plan has for it makes no other.
    lab.clear_requests()
    rotate(**by_tags)
    assert not writes(lab)
    lab.deny("ListUserTags", "young")
    rotate(check=True, **by_tags)
    assert statuses(controller)["young"] == "error" and "iam:ListUserTags" in report(controller)["young"]["reason"]


def entry_of(lab: Lab, user_name: str, current: KeyState, noted: KeyState, **more: Any) -> dict[str, Any]:
    """The noted key once was the current one, and was switched off by a run."""
    return {
        "account_id": ACCOUNT,
        "user_id": lab.state()[user_name].user_id,
        "access_key_id": current.access_key_id,
        "secret_access_key": current.secret_access_key,
        "create_date": current.create_date,
        "promote_date": current.create_date,
        "other_keys": {
            noted.access_key_id: {
                "secret_access_key": noted.secret_access_key,
                "create_date": noted.create_date,
                "promote_date": noted.create_date,
                "deactivate_date": LONG_AGO,
                **more.pop("note", {}),
            }
        },
        **more,
    }


def notes(controller: Controller) -> dict[str, list[str]]:
    """By user, the keys that the store says we switched off."""
    entries = open_store(controller.cwd / "store.yml")["iam_access_keys"]
    return {
        name: [key_id for key_id, key in entry["other_keys"].items() if key.get("deactivate_date")]
        for name, entry in entries.items()
    }


def test_the_note_of_a_key_that_works_is_taken_back(lab: Lab, controller: Controller, rotate: Rotate) -> None:
    """Whatever is decided of the user, but of a revoked key, one that is off, and one that this run switches off again."""
    entries = {}
    for name, used, status, more in (
        ("exempt", 1, "Active", {}),
        ("held", 1, "Active", {"hold_until": "2999-01-01T00:00:00+00:00"}),
        ("in-use", 1, "Active", {}),
        ("idle", 9, "Active", {}),
        ("off", 60, "Inactive", {}),
        ("revoked", 1, "Active", {"note": {"revoke_date": LONG_AGO}}),
    ):
        old, new = lab.seed(name, Key(40, status, used_days=used), Key(20, used_days=0)).keys
        entries[name] = entry_of(lab, name, new, old, **more)
    write_store(controller.cwd / "store.yml", {"iam_access_keys": entries})
    before = notes(controller)

    rotate(check=True, rotation_exempt=["exempt", "off"]).ok()
    assert notes(controller) == before and not writes(lab)
    planned = {
        name: [(step["action"], step["outcome"]) for step in user["actions"]]
        for name, user in report(controller).items()
    }
    for name in ("exempt", "held", "in-use"):
        assert planned[name] == [("take_note_back", "planned")]

    run = rotate(rotation_exempt=["exempt", "off"]).ok()
    assert {name: bool(ids) for name, ids in notes(controller).items()} == {
        **dict.fromkeys(("exempt", "held", "in-use"), False),
        **dict.fromkeys(("idle", "off", "revoked"), True),
    }
    assert {request.user for request in writes(lab)} == {"idle", "revoked"}
    assert "took back the note" in " ".join(run.stdout.split())
    statuses_by_user = {name: [key.status for key in user.keys] for name, user in lab.state().items()}
    on, off = ["Active", "Active"], ["Inactive", "Active"]
    assert statuses_by_user == {"exempt": on, "held": on, "in-use": on, "idle": off, "off": off, "revoked": off}
    assert rotate(rotation_exempt=["exempt", "off"]).ok().changed == 0


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"rotation_renew_before_days": 90, "rotation_benchmark": "CIS 9", "rotation_max_new_keys": 1.5},
            [
                "rotation_renew_before_days (90) must be less than rotation_max_age_days (90)",
                "rotation_benchmark must be one of CIS 1.4.0, ",
                "rotation_max_new_keys must be a whole number of keys, not 1.5",
            ],
        ),
        ({"rotation_tag_policy": "perhaps"}, ["rotation_tag_policy must be true or false, not 'perhaps'"]),
    ],
)
def test_bad_numbers_are_told_before_anything_is_done(
    lab: Lab, rotate: Rotate, variables: dict[str, Any], said: list[str]
) -> None:
    lab.seed("ci", DUE)
    run = rotate(**variables)
    assert run.rc != 0 and all(words in run.msg for words in said), run.msg
    assert not lab.requests()
