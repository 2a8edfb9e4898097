# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that people have: taken into the store, and rotated by themselves."""

from __future__ import annotations

import json
import os
from pathlib import Path

from controller.runner import Controller
from controller.store import open_store
from helpers import key_task, ok, play, refusal, secrets, writes
from lab.client import Lab
from lab.messages import Key, KeyState

CHECKOUT = Path(__file__).resolve().parents[2]
STORE = "keys.yml"


def of_policy(name: str) -> list[str]:
    policy = json.loads((CHECKOUT / "docs" / "policies" / f"{name}.json").read_text())
    return [action for statement in policy["Statement"] for action in statement["Action"]]


def test_a_key_that_exists_is_adopted(lab: Lab, controller: Controller) -> None:
    """By a task, whatever is wrong with it first; each time a sentence, and nothing is stored."""
    old, new = lab.seed("ci", Key(100), Key(10)).keys
    other = lab.seed("di", Key(5)).keys[0]

    def adopt(name: str, key: KeyState, check: bool = False, **options: object) -> dict[str, object]:
        pair = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        given = {**pair, "vault_file": STORE, "verify_timeout": 2, **options}
        return key_task(name, "ci", check=check, **given)

    wrong = {
        "wrong secret": {"secret_access_key": other.secret_access_key},
        "another user": {"access_key_id": other.access_key_id},
        "another account": {"access_key_id": "AKIAELSEWHERE0000000"},
        "no store": {"vault_file": None},
    }
    refused = [adopt(name.replace(" ", "_"), old, **options) for name, options in wrong.items()]
    for task in refused:
        options = task["keyturn.iam.iam_access_key"]
        task["keyturn.iam.iam_access_key"] = {name: value for name, value in options.items() if value is not None}
    run = controller.run(play(*refused), "-vvv").ok()
    said = {name: refusal(run, name.replace(" ", "_")) for name in wrong}
    assert "is not its secret, says STS" in said["wrong secret"]
    assert "it is user di's" in said["another user"]
    assert "no access key AKIAELSEWHERE0000000 in account" in said["another account"]
    assert "goes with access_key_id and vault_file" in said["no store"]
    assert not (controller.cwd / STORE).exists()
    assert not any(secret in run.output for secret in secrets(lab.state().values()))

    tasks = [
        adopt("predicted", old, check=True),
        adopt("first", old),
        adopt("again", old),
        adopt("second", new),
        adopt("back", old),
    ]
    run = controller.run(play(*tasks), "-vvv").ok()
    assert [ok(run, name)["changed"] for name in ("predicted", "first", "again", "second")] == [True, True, False, True]
    assert "as previous; stage=current" in refusal(run, "back")
    entry = open_store(controller.cwd / STORE)["iam_access_keys"]["ci"]
    assert (entry["access_key_id"], entry["secret_access_key"]) == (new.access_key_id, new.secret_access_key)
    assert entry["other_keys"][old.access_key_id]["secret_access_key"] == old.secret_access_key
    assert "secret_access_key" not in ok(run, "first") and not writes(lab)
    assert not any(secret in run.output for secret in secrets(lab.state().values()))


def test_a_key_is_adopted_from_where_a_person_has_it(lab: Lab, controller: Controller) -> None:
    old = lab.seed("ci", Key(100)).keys[0]
    csv = controller.cwd / "ci_accessKeys.csv"
    csv.write_bytes(
        f"\ufeffAccess key ID,Secret access key\r\n{old.access_key_id},{old.secret_access_key}\r\n".encode()
    )
    aws = controller.folder / "home" / ".aws"
    aws.mkdir(parents=True)
    (aws / "credentials").write_text(
        f"[work]\naws_access_key_id = {old.access_key_id}\naws_secret_access_key = {old.secret_access_key}\n"
    )
    variables = {"rotation_user_name": "ci", "rotation_vault_file": STORE, "rotation_verify_timeout": 2}
    missing = controller.run("keyturn.iam.adopt", extra_vars={**variables, "rotation_profile": "nope"})
    assert missing.rc == 2 and "There is no profile nope in" in missing.msg
    run = controller.run("keyturn.iam.adopt", extra_vars={**variables, "rotation_csv": csv.name}).ok()
    assert f"is the current one in {STORE}." in run.output and run.changed == 1
    again = controller.run("keyturn.iam.adopt", extra_vars={**variables, "rotation_profile": "work"}).ok()
    assert f"is the current one in {STORE} already." in again.output and again.changed == 0
    assert old.secret_access_key not in run.output + again.output


CREDENTIALS = """# mine
[default]
region = eu-central-1
aws_secret_access_key={secret}
AWS_ACCESS_KEY_ID : {key}

[other]
aws_access_key_id = AKIAOTHER00000000000
aws_secret_access_key = other
"""


def test_a_key_rotates_itself(lab: Lab, controller: Controller) -> None:
    """With its own permissions; the profile gets the new one, which signs what switches the old one off."""
    user = lab.seed("ci", Key(100), path="/team/")
    old = user.keys[0]
    lab.seed("di", Key(100))
    lab.allow_only(of_policy("rotate-self"))
    aws = controller.folder / "home" / ".aws"
    aws.mkdir(parents=True)
    real = aws / "real"
    real.write_bytes(
        CREDENTIALS.format(secret=old.secret_access_key, key=old.access_key_id).replace("\n", "\r\n").encode()
    )
    real.chmod(0o640)
    (aws / "credentials").symlink_to("real")
    before = real.read_bytes().decode()
    env = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_PROFILE": "default"}
    variables = {
        "rotation_vault_file": STORE,
        "rotation_users": ["*"],  # of other playbooks' variables: it is the signer's keys that are rotated
        "rotation_verify_delay": 0,
        "rotation_deactivate_after_days": 0,
        "rotation_profile": "default",
    }

    def rotate(**more: object) -> object:
        return controller.run("keyturn.iam.rotate_self", "-vvv", env=env, extra_vars={**variables, **more})

    for profile, said in (("nope", "There is no profile nope in"), ("other", "is none of the user's whose key signs")):
        run = rotate(rotation_profile=profile)
        assert run.rc == 2 and said in run.msg and not writes(lab), run
    real.chmod(0o440)
    assert "is read-only" in rotate().msg and not writes(lab)
    real.chmod(0o640)

    run = rotate().ok()

    entry = open_store(controller.cwd / STORE)["iam_access_keys"]["ci"]
    state = lab.state()["ci"]
    assert [key.access_key_id for key in state.active] == [entry["access_key_id"]] != [old.access_key_id]
    assert real.read_bytes().decode() == before.replace(old.access_key_id, entry["access_key_id"]).replace(
        old.secret_access_key, entry["secret_access_key"]
    )
    assert real.stat().st_mode & 0o777 == 0o640 and os.readlink(aws / "credentials") == "real"
    assert len(lab.state()["di"].keys) == 1
    off = next(request for request in lab.requests("UpdateAccessKey"))
    assert off.access_key == entry["access_key_id"]
    assert not any(secret in run.output for secret in (old.secret_access_key, entry["secret_access_key"]))
    assert rotate().ok().changed == 0  # signed by what the profile has now
