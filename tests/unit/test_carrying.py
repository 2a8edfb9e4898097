# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key's carrying is made of: who gets what, what is told of a failure, and what is derived from a secret."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.vars.manager import VariableManager
from ansible_collections.keyturn.iam.plugins.filter.rotation import FilterModule
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._blot import without_secrets_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import carry
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.task_file import task_file_problems
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.pick import pick
from controller.store import PASSWORD, write_store

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # of AWS's documentation
FORMS = {
    "plain": SECRET,
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of a longer text": base64.b64encode(f"key:{SECRET}".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"ab{SECRET}z".encode()).decode(),
    "in a URL": quote(SECRET, safe=""),
    "in a URL, small": quote(SECRET, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "in JSON": json.dumps(SECRET).replace("/", "\\/"),
    "hexadecimal": SECRET.encode().hex(),
    "cut": SECRET[:17],
    "its end": SECRET[-10:],
    "for SMTP": FilterModule().filters()["ses_smtp_password"](SECRET, "eu-central-1"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_taken_out_however_it_is_written(form: str) -> None:
    text = without_secrets_of(f"refused: {FORMS[form]}!", [SECRET])
    assert text.startswith("refused: ") and "****" in text
    left = text.replace("*", "").removeprefix("refused: ")
    assert len(left) <= 12 and not any(FORMS[form][start : start + 8] in text for start in range(len(FORMS[form]) - 7))


def test_what_is_no_secret_stays() -> None:
    text = "Permission denied: /home/ci/.aws/credentials (AKIAIOSFODNN7EXAMPLE)"
    assert without_secrets_of(text, [SECRET, ""]) == text
    assert without_secrets_of("abc s3cret", ["s3cret"]) == "abc ********"


@pytest.mark.parametrize(
    ("failed", "task", "told"),
    [
        ({"msg": "no\nmore"}, {"name": "Write"}, "Write: no"),
        ({"msg": "Task failed: no"}, {"name": "Write", "delegate_to": "web1"}, "Write on web1: no"),
        ({"msg": "no"}, {"name": "", "delegate_to": "{{ item }}"}, "no"),
        ({"msg": "non-zero return code", "stderr": "\nnot found\n"}, {}, "non-zero return code: not found"),
        ({"msg": "MODULE FAILURE\nSee stdout", "module_stderr": "sudo: gone"}, {}, "MODULE FAILURE: sudo: gone"),
        ({"msg": "One or more items failed", "results": [{"msg": "ok"}, {"failed": True, "msg": "no"}]}, {}, "no"),
        ({}, {"name": "Write"}, "Write: it failed without a message"),
        (
            {"msg": "via ssh: <error censored due to no log>"},
            {"name": "Write", "delegate_to": "web1"},
            "Write on web1: via ssh: ansible web1 -m ansible.builtin.ping shows why",
        ),
        ({"msg": f"bad {SECRET}"}, {"name": f"Write {SECRET}"}, "Write ********: bad ********"),
    ],
)
def test_a_failure_is_told_in_a_line(failed: dict[str, Any], task: dict[str, Any], told: str) -> None:
    assert carry.failure(failed, task, [SECRET]) == told


ACTION = {"action": "carry", "user_name": "ci", "access_key_id": "A", "reason": ""}


def test_what_the_tasks_are_told() -> None:
    looked = {"users": [{"user_name": "ci", "tags": {"team": "web"}, "error": None}]}
    assert carry.promoted(ACTION, looked) == {"user_name": "ci", "access_key_id": "A", "tags": {"team": "web"}}
    denied = carry.promoted(ACTION, {"users": [{"user_name": "ci", "tags": None, "error": "denied"}]})
    assert denied == {"problem": "The tags of user ci could not be read: denied"}
    assert carry.promoted(ACTION, {"failed": True, "msg": "all denied"})["problem"].endswith("all denied")


def test_what_came_of_it_comes_to_the_results_so_far() -> None:
    done = {"action": ACTION, "changed": True, "failed": False, "msg": None, "access_key_id": ACTION["access_key_id"]}
    so_far = carry.carried([], ACTION)
    assert so_far == carry.would_carry([], [ACTION]) == [done]
    assert carry.carried(so_far, ACTION, "no") == [done, {**done, "changed": False, "failed": True, "msg": "no"}]


def test_where_a_delegated_task_runs() -> None:
    """A host's own ansible_connection counts more than either."""
    assert carry.connection({"web1": {"inventory_hostname": "web1"}}) == "ssh"
    assert carry.connection({}) == "local"


# -- the file of tasks -----------------------------------------------------------------------------------------------


@pytest.fixture
def including(tmp_path: Path) -> Task:
    """A task of a role that has a file called save.yml."""
    role = tmp_path / "collection" / "roles" / "rotation"
    (role / "tasks").mkdir(parents=True)
    for name in ("main.yml", "save.yml"):
        (role / "tasks" / name).write_text("- debug:\n")
    loader = DataLoader()
    variables = VariableManager(loader=loader, inventory=InventoryManager(loader=loader, sources=["localhost,"]))
    play = Play.load({"hosts": "localhost", "roles": [str(role)]}, variable_manager=variables, loader=loader)
    return next(task for block in play.compile() for task in block.block if task._role)


BESIDE = {"fine.yml": "- debug:", "bad.yml": "- [", "save.yml": "- debug:", "sub/one.yml": "- include_tasks: two.yml"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- debug:", None),
        ("- block: [{debug: }]\n  rescue: [{debug: }]", None),
        ("", "it is empty"),
        ("a: b", "a list of tasks"),
        ("- text", ""),
        ("- name: nothing", "no module/action detected"),
        ("- [", ""),
        ("- debug:\n  whenn: true", "whenn"),
        ("- block: [{debug: }]\n  loop: [1]", "'loop' is not a valid attribute for a Block"),
        ("- debug:\n  delegate_to: web1", None),
        ("- import_tasks: fine.yml\n- include_tasks: {file: fine.yml}", None),
        ("- import_tasks: none.yml", "none.yml"),
        ("- block: [{include_tasks: none.yml}]", "it includes none.yml, which does not exist"),
        ("- include_tasks: bad.yml", "bad.yml: "),
        ("- import_tasks: sub/one.yml", "it includes two.yml, which does not exist"),
        ("- include_tasks: sub/one.yml", "it includes two.yml, which does not exist"),
        ("- include_tasks: '{{ item }}'\n  loop: [fine.yml, none.yml]", "it includes none.yml"),
        ("- include_tasks: '{{ to }}'\n  loop: [none.yml]\n  loop_control: {loop_var: to}", "it includes none.yml"),
        ("- include_tasks: '{{ rotation_promoted.user_name }}.yml'", None),
        ("- include_tasks: save.yml", "the role has a file of that name"),
        ("- include_tasks: tasks.yml\n  when: false", None),
        ("- debug:\n  notify: restart", "notifies a handler"),
        ("- debug:\n  name: Write {{ key.secret_access_key }}", "names are shown as they are"),
        ("- debug:\n  name: Write {{ rotation_promoted.access_key_id }}", None),
        ("- meta: end_role", "meta: end_role would end the rotation"),
        ("- meta: reset_connection", None),
    ],
)
def test_a_file_of_tasks_is_read_before_a_key_is_made(
    tmp_path: Path, including: Task, text: str, problem: str | None
) -> None:
    path = tmp_path / "tasks.yml"
    (tmp_path / "sub").mkdir()
    for name, there in {**BESIDE, "tasks.yml": text}.items():
        (tmp_path / name).write_text(there)
    found = task_file_problems("rotation_on_promoted", str(path), including)
    assert len(found) == (problem is not None), found
    assert all(str(path) in one and problem in one and "\n" not in one for one in found if problem), found


# -- out of the store ------------------------------------------------------------------------------------------------


def test_a_key_is_taken_out_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "keys.yml"
    others = {
        "OLD": {"secret_access_key": "o", "promote_date": "2026-01-01T00:00:00+00:00"},
        "OLDER": {"secret_access_key": "p", "promote_date": "2025-01-01T00:00:00+00:00"},
    }
    ci = {"access_key_id": "A", "secret_access_key": "a", "other_keys": others}
    leaked = {"other_keys": {"L": {"secret_access_key": "l", "revoke_date": "2026-01-01T00:00:00+00:00"}}}
    write_store(path, {"iam_access_keys": {"ci": ci, "leaked": leaked}})
    store = VaultStore(str(path), VaultLib([("default", VaultSecret(PASSWORD.encode()))]))
    assert pick(store, "ci") == {"access_key_id": "A", "secret_access_key": "a"}
    assert pick(store, "ci", "previous") == {"access_key_id": "OLD", "secret_access_key": "o"}
    for user, stage, said in (
        ("di", "current", "no access key of user di"),
        ("ci", "next", "no next access key of user ci"),
        ("leaked", "current", "no current access key of user leaked; it has L (no stage)"),
    ):
        with pytest.raises(StoreError) as refused:
            pick(store, user, stage)
        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "region", "password"),
    [
        ("some+secret+key", "eu-central-1", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
        ("another+secret+key", "us-west-1", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"),
        ("another+secret+key", "eu-central-1", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"),
    ],
)
def test_the_smtp_password_is_the_documented_one(secret: str, region: str, password: str) -> None:
    derive = FilterModule().filters()["ses_smtp_password"]
    assert derive(secret, region) == password
    for nothing in (("", region), (secret, ""), (secret, None)):
        with pytest.raises(AnsibleFilterError, match="ses_smtp_password needs"):
            derive(*nothing)
