# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input to the two modules: one clear sentence each, a failed task, and no change at all, neither in AWS nor on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import write_store
from integration.helpers import WRITES, Task, files, info_task, key_task, play, refusal, writes
from lab.client import Lab
from lab.messages import ADMIN_KEY, Credentials, Key

Cases = Mapping[str, tuple[Task, str]]
Refused = Callable[..., Run]
GONE = "AKIANOTTHEREATALL123"


def contents(controller: Controller) -> dict[str, bytes | None]:
    """The files where the run was started; locks hold nothing."""
    return {name: content for name, content in files(controller.cwd).items() if not name.endswith(".lock")}


@pytest.fixture
def refused(lab: Lab, controller: Controller) -> Refused:
    """Runs tasks of which each has to be refused with its sentence (a part of it), in check mode too, while nothing changes."""

    def start(cases: Cases, args: tuple[str, ...] = (), **options: Any) -> Run:
        before, state = contents(controller), lab.state()
        checks = [
            {**task, "name": f"{name}_check", "register": f"{name}_check", "check_mode": True}
            for name, (task, _rest) in cases.items()
        ]
        result = controller.run(play(*checks, *(task for task, _rest in cases.values())), *args, **options).ok()
        for name, (_task, sentence) in cases.items():
            assert sentence in refusal(result, name), f"{name}: {refusal(result, name)}"
            assert refusal(result, f"{name}_check") == refusal(result, name)
        assert not writes(lab) and lab.state() == state, result
        assert contents(controller) == before
        return result

    return start


def named(*cases: tuple[Task, str]) -> Cases:
    return {task["name"]: (task, sentence) for task, sentence in cases}


def test_a_failed_task_ends_the_run(lab: Lab, controller: Controller) -> None:
    task = {**key_task("made", "nobody"), "ignore_errors": False}
    result = controller.run(play(task))
    assert result.rc == 2 and result.msg.startswith("There is no IAM user nobody")


def test_options(lab: Lab, refused: Refused) -> None:
    key = lab.seed("ci", Key(100)).keys[0].access_key_id
    inactive = lab.seed("off", Key(100, "Inactive")).keys[0].access_key_id
    number = "must be a number that is not negative, not"
    refused(
        named(
            (key_task("unknown_user", "nobody"), "There is no IAM user nobody (asked with access key"),
            (key_task("unknown_key", "ci", access_key_id=GONE), f"User ci has no access key {GONE}"),
            (
                key_task("others_key", "ci", access_key_id=inactive, active=True),
                f"User ci has no access key {inactive}",
            ),
            (key_task("no_user"), "missing required arguments: user_name"),
            (key_task("empty_user", " "), "user_name must not be empty"),
            (key_task("negative", "ci", max_age_days=-1), f"max_age_days {number} -1.0"),
            (key_task("not_a_number", "ci", max_age_days="nan"), f"max_age_days {number} nan"),
            (key_task("endless", "ci", max_age_days="inf"), f"max_age_days {number} inf"),
            (key_task("huge", "ci", max_age_days=1e300), "max_age_days must be at most 1000000, not 1e+300"),
            (
                key_task("words", "ci", max_age_days="ninety"),
                "'max_age_days' is of type str and we were unable to convert to float",
            ),
            (key_task("idle", "ci", access_key_id=key, active=False, min_idle_days=-7), f"min_idle_days {number} -7.0"),
            (key_task("delay", "ci", verify_delay=-1), f"verify_delay {number} -1.0"),
            (key_task("timeout", "ci", verify_timeout="nan"), f"verify_timeout {number} nan"),
            (key_task("state", "ci", state="gone"), "value of state must be one of: present, absent, got: gone"),
            (
                key_task("limit", "ci", at_limit="delete"),
                "value of at_limit must be one of: fail, delete_inactive, delete_oldest",
            ),
            (
                key_task("absent_which", "ci", state="absent"),
                "state=absent needs access_key_id: which key is to be deleted",
            ),
            (
                key_task("off_which", "ci", active=False),
                "active=false needs access_key_id (which key is to be switched off)",
            ),
            (
                key_task("age_of_one", "ci", access_key_id=key, max_age_days=9),
                "max_age_days does not go with access_key_id",
            ),
            (
                key_task("replaces_one", "ci", access_key_id=key, replaces=key),
                "replaces does not go with access_key_id",
            ),
            (key_task("replaced", "off", replaces=inactive), f"{inactive}, which it was to replace, is Inactive"),
            (
                key_task("inactive_kept", "ci", active=False, max_age_days=0, vault_file="keys.yml"),
                "active=false for a new key does not go with vault_file",
            ),
            (
                key_task("typo", "ci", max_age=9),
                "Unsupported parameters for (keyturn.iam.iam_access_key) module: max_age.",
            ),
            (
                info_task("info_typo", user="ci"),
                "Unsupported parameters for (keyturn.iam.iam_access_key_info) module: user.",
            ),
            (info_task("info_unknown", user_name="nobody"), "There is no IAM user nobody"),
            (info_task("info_negative", min_age_days=-1), f"min_age_days {number} -1.0"),
            (info_task("info_nan", min_idle_days="nan"), f"min_idle_days {number} nan"),
            (info_task("info_concurrency", max_concurrency=0), "max_concurrency must be at least 1, not 0"),
            (
                info_task("info_both", user_name="ci", access_key_id=key),
                "parameters are mutually exclusive: access_key_id|user_name",
            ),
            (
                info_task("info_status", status="active"),
                "value of status must be one of: Active, Inactive, Expired, got: active",
            ),
        )
    )


def test_what_is_denied(lab: Lab, controller: Controller, refused: Refused) -> None:
    """The sentence names the request that was denied and the user that it was about."""
    key = lab.seed("ci", Key(100)).keys[0].access_key_id
    lab.seed("hidden", Key(1))
    lab.deny("ListAccessKeys", "hidden")
    listing = "Could not list the access keys of user hidden"
    result = refused(
        named((key_task("list", "hidden"), listing), (info_task("info_list", user_name="hidden"), listing))
    )
    assert all("iam:ListAccessKeys" in refusal(result, name) for name in ("list", "info_list"))

    for action in WRITES:
        lab.deny(action)
    state = lab.state()
    result = controller.run(
        play(
            key_task("CreateAccessKey", "ci", max_age_days=9),
            key_task("UpdateAccessKey", "ci", access_key_id=key, active=False),
            key_task("DeleteAccessKey", "ci", access_key_id=key, state="absent"),
        )
    ).ok()
    for name, sentence in [
        ("CreateAccessKey", "Could not make an access key for user ci"),
        ("UpdateAccessKey", f"Could not set access key {key} of user ci to Inactive"),
        ("DeleteAccessKey", f"Could not delete access key {key} of user ci"),
    ]:
        assert refusal(result, name).startswith(sentence) and f"iam:{name}" in refusal(result, name)
    assert lab.state() == state


def test_credentials_region_and_endpoint(lab: Lab, refused: Refused) -> None:
    lab.seed("ci", Key(100))
    tasks = {
        "made": key_task("made", "ci", max_age_days=9, vault_file="keys.yml"),
        "look": info_task("look", user_name="ci"),
    }
    nothing = "no AWS credentials were found; set access_key and secret_key, profile, or AWS_* variables"
    refused(
        {name: (task, nothing) for name, task in tasks.items()},
        env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
    )
    refused({"made": (tasks["made"], "region")}, env={"AWS_REGION": None})
    unknown, wrong = Credentials("AKIANOBODYSKEY123456", "secret"), Credentials(ADMIN_KEY, "wrong/secret")
    refused({name: (task, "InvalidClientTokenId") for name, task in tasks.items()}, credentials=unknown)
    refused({name: (task, "SignatureDoesNotMatch") for name, task in tasks.items()}, credentials=wrong)
    away: dict[str, Any] = {"endpoint_url": "http://127.0.0.1:9", "aws_config": {"retries": {"total_max_attempts": 1}}}
    refused(
        named(
            (
                key_task("away", "ci", **away),
                "Could not list the access keys of user ci: Could not connect to the endpoint URL",
            ),
            (info_task("info_away", user_name="ci", **away), "Could not connect to the endpoint URL"),
        )
    )
    profile = key_task("profile", "ci", profile="nobody")
    no_keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    refused({"profile": (profile, "The config profile (nobody) could not be found")}, env=no_keys)


def test_vault_passwords(lab: Lab, controller: Controller, refused: Refused) -> None:
    lab.seed("ci", Key(100))
    old, new = controller.cwd / "old.yml", controller.cwd / "new.yml"
    write_store(old, {"iam_access_keys": {}}, {"prod": "the password"}, "prod")
    tasks = {"old": key_task("old", "ci", vault_file="old.yml"), "look": info_task("look", vault_file="old.yml")}
    none = "no vault password was given; use --ask-vault-pass, --vault-password-file or --vault-id"
    unopened = {name: (task, f"{old} cannot be opened: {none}") for name, task in tasks.items()}
    refused(
        {**unopened, "new": (key_task("new", "ci", vault_file="new.yml"), f"{new} cannot be made: {none}")},
        vault_password=None,
    )
    wrong = f"{old} cannot be opened with the vault password of this run (its vault id is prod): the password is another one"
    refused({name: (task, wrong) for name, task in tasks.items()}, vault_password="another one")
    unknown = key_task("unknown", "ci", vault_file="old.yml", vault_id="qa")
    refused(
        {"unknown": (unknown, "vault_id qa is not among the vault ids of this run (prod)")},
        vault_password={"prod": "the password"},
    )


def test_vault_files(lab: Lab, controller: Controller, refused: Refused) -> None:
    """What is not a store is neither taken for an empty one nor written over."""
    lab.seed("ci", Key(100))
    folder = controller.cwd
    (folder / "plain.yml").write_text("iam_access_keys: {}\n")
    (folder / "empty.yml").write_text("")
    (folder / "folder.yml").mkdir()
    texts = {
        "list": ("- a list\n", "is not a mapping inside"),
        "scalar": ("just words\n", "is not a mapping inside"),
        "broken": ("iam_access_keys: [\n", "is encrypted, but not YAML inside (line "),
        "users": ("iam_access_keys: [ci]\n", "iam_access_keys in "),
        "twice": ("iam_access_keys:\n  ci: {}\n  ci: {}\n", "names a user twice under iam_access_keys"),
        "entry": ("iam_access_keys:\n  ci: words\n", "The entry of user ci in "),
        "others": ("iam_access_keys:\n  ci: {other_keys: [a]}\n", "has other_keys that are not a mapping of mappings"),
        "asked": ("iam_access_keys:\n  ci: {asked: yes}\n", "has an 'asked' without date and known keys"),
        "secret": (
            "iam_access_keys:\n  ci: {secret_access_key: the/secret}\n",
            "has a secret_access_key without an access_key_id",
        ),
        "date": (
            "iam_access_keys:\n  ci: {access_key_id: A, secret_access_key: the/secret, create_date: yesterday}\n",
            "The entry of user ci in ",
        ),
    }
    for name, (text, _sentence) in texts.items():
        write_store(folder / f"{name}.yml", text)
    write_store(folder / "cut.yml", {"iam_access_keys": {}})
    half = (folder / "cut.yml").read_bytes()
    (folder / "cut.yml").write_bytes(half[: len(half) // 2])
    sentences = {name: sentence for name, (_text, sentence) in texts.items()} | {
        "plain": f"{folder / 'plain.yml'} is not encrypted with Ansible Vault; encrypt it with ansible-vault, or name another vault_file",
        "empty": f"{folder / 'empty.yml'} is empty; encrypt it with ansible-vault, or name another vault_file",
        "cut": "the password is another one, or the file is damaged",
        "folder": f"{folder / 'folder.yml'} cannot be read: Is a directory",
    }
    cases = {name: (key_task(name, "ci", vault_file=f"{name}.yml"), sentence) for name, sentence in sentences.items()}
    result = refused(cases, args=("-vvvv",))
    assert "the/secret" not in result.output
    missing = f"The folder {folder / 'nowhere'} of vault_file {folder / 'nowhere' / 'keys.yml'} does not exist"
    refused(
        named(
            (key_task("nowhere", "ci", vault_file="nowhere/keys.yml"), missing),
            (info_task("info_nowhere", vault_file="nowhere/keys.yml"), missing),
            (info_task("info_plain", vault_file="plain.yml"), sentences["plain"]),
            (info_task("info_list", vault_file="list.yml"), sentences["list"]),
            (key_task("no_folder", "ci", vault_file="plain.yml/keys.yml"), "does not exist"),
        )
    )


def test_a_file_that_cannot_be_written_is_found_before_a_key_is_made(lab: Lab, controller: Controller) -> None:
    """Folders stand where the temporary file and the lock are to be made, which stops root too."""
    lab.seed("ci", Key(100))
    folder = controller.cwd
    (folder / ".keys.yml.tmp").mkdir()
    (folder / ".other.yml.lock").mkdir()
    result = controller.run(play(*(key_task(name, "ci", vault_file=f"{name}.yml") for name in ("keys", "other")))).ok()
    assert refusal(result, "keys").startswith(f"{folder / 'keys.yml'} cannot be written: ")
    assert refusal(result, "other").startswith(f"{folder / 'other.yml'} cannot be written: no lock file in {folder} ")
    assert not writes(lab) and not (folder / "keys.yml").exists()


def test_the_plan_and_the_role(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", Key(1))
    write_store(controller.cwd / "keys.yml", {"iam_access_keys": {}})

    def plan(name: str, policy: str) -> Task:
        return {
            "name": name,
            "ansible.builtin.debug": {"msg": f"{{{{ look | keyturn.iam.rotation_plan({policy}) }}}}"},
            "ignore_errors": True,
        }

    def role(name: str, **variables: Any) -> Task:
        return {
            "name": name,
            "ansible.builtin.include_role": {"name": "keyturn.iam.rotation"},
            "vars": variables,
            "ignore_errors": True,
        }

    before = contents(controller)
    result = controller.run(
        play(
            info_task("look"),
            plan("unknown", "{'max_age': 9}"),
            plan("negative", "{'max_age_days': -1}"),
            plan("words", "{'max_age_days': 'ninety'}"),
            info_task("look", last_used=False),
            plan("incomplete", "{}"),
            role("nobody", rotation_vault_file="keys.yml"),
        )
    )
    for name, words in [
        ("unknown", "max_age"),
        ("negative", "max_age_days"),
        ("words", "max_age_days"),
        ("incomplete", "complete"),
    ]:
        (found,) = result.tasks(name)
        assert found.status == "failed" and words in found.msg and "Traceback" not in result.output
    assert "rotation_users is not set: it takes names of users" in result.output
    assert not writes(lab) and contents(controller) == before
