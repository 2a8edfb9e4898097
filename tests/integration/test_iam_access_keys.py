# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`iam_access_keys`: many in one task, with and without a vault file; what is refused before anything is done."""

from __future__ import annotations

import re
from typing import Any

from controller.runner import Controller
from controller.store import open_store
from helpers import files, ok, play, returned, secrets, writes
from lab.client import Lab
from lab.messages import Key, User

KEYS = "keyturn.iam.iam_access_keys"
STORE = "keys.yml"
NAMES = ("ada", "ben", "cem")


def task(name: str, items: Any, check: bool = False, keywords: dict[str, Any] | None = None, **beside: Any) -> Any:
    options = {"access_keys": items, **beside}
    given = {"register": name, "ignore_errors": True, "check_mode": check, "diff": True, **(keywords or {})}
    return {"name": name, KEYS: options, **given}


def users(*names: str, **options: Any) -> list[dict[str, Any]]:
    return [{"user_name": name, **options} for name in names]


def outcome(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    """For each item whose, whether it changed and its key's stage, or that it failed."""
    return [
        (one["item"]["user_name"], one["changed"], "failed" if one.get("failed") else one.get("stage"))
        for one in result["results"]
    ]


def entries(controller: Controller) -> dict[str, Any]:
    return dict(open_store(controller.cwd / STORE)["iam_access_keys"])


def test_many_keys_go_into_the_vault(lab: Lab, controller: Controller) -> None:
    lab.seed_users([*(User(name, (Key(100),)) for name in NAMES), User("late", (Key(100),))])
    olds = {name: user.keys[0].access_key_id for name, user in lab.state().items()}
    rotate: dict[str, Any] = {"vault_file": STORE, "verify_delay": 0, "max_age_days": 90}
    left_out = {"user_name": "ben", "access_key_id": "{{ nothing | default(omit) }}"}
    run = controller.run(
        play(
            task("made", [*users("nobody", "ada"), left_out, *users("cem")], **rotate),
            task("again", users(*NAMES), **rotate),
            task("predicted", users("late", "ada"), check=True, **rotate),
            task("nothing", [], **rotate),
            task(
                "switched",
                [
                    {"user_name": "ada", "access_key_id": olds["ada"]},
                    {"user_name": "ben", "access_key_id": olds["ben"], "state": "absent", "active": None},
                    {"user_name": "cem", "access_key_id": "AKIANOBODYS"},
                ],
                vault_file=STORE,
                active=False,
            ),
        ),
        "-v",
    ).ok()
    state, stored = lab.state(), entries(controller)
    news = {name: user.keys[-1] for name, user in state.items() if name in NAMES}

    made = run.tasks("made")[0]
    assert made.status == "failed" and made.changed
    missing = "There is no IAM user nobody (asked with access key "
    assert made.msg.startswith(f"nobody: not done ({missing}")
    assert outcome(made.result) == [
        ("nobody", False, "failed"),
        ("ada", True, "current"),
        ("ben", True, "current"),
        ("cem", True, "current"),
    ]
    assert made.result["results"][0]["msg"].startswith(missing)
    assert made.result["results"][2]["item"] == {"user_name": "ben"}
    assert made.result["results"][1]["access_key"]["access_key_id"] == news["ada"].access_key_id
    assert {name: stored[name]["access_key_id"] for name in NAMES} == {
        name: key.access_key_id for name, key in news.items()
    }
    # A line for each, and its diff, as a loop has them.
    said = run.stdout
    assert f"failed: [localhost] => nobody: {missing}" in said
    for name in NAMES:
        assert f"changed: [localhost] => {name}: {news[name].access_key_id} Active current" in said
        assert f"--- before: access keys of {name}" in said

    assert outcome(ok(run, "again")) == [(name, False, "current") for name in NAMES]
    assert not ok(run, "again")["changed"]
    assert outcome(ok(run, "predicted")) == [("late", True, "current"), ("ada", False, "current")]
    assert returned(ok(run, "nothing")) == {"changed": False, "results": []}
    switched = run.tasks("switched")[0].result
    assert [one["changed"] for one in switched["results"]] == [True, True, False]
    assert switched["results"][1]["deleted_access_key_id"] == olds["ben"]
    assert switched["results"][2]["msg"] == "User cem has no access key AKIANOBODYS"

    assert [(len(state[name].keys), len(state[name].active)) for name in (*NAMES, "late")] == [
        (2, 1),
        (1, 1),
        (2, 2),
        (1, 1),
    ]
    assert [request.action for request in writes(lab)].count("CreateAccessKey") == 3
    left = b"".join(content or b"" for content in files(controller.folder).values())
    for secret in secrets(state.values()):
        assert secret not in run.output and secret.encode() not in left


def _hashes(name: str) -> Any:
    """Prints what the registered variable has of secrets: hashed, for the result itself is censored."""
    hashed = f"{{{{ {name}.results | selectattr('secret_access_key', 'defined') | map(attribute='secret_access_key') | map('hash', 'sha256') }}}}"
    return {"name": f"show {name}", "ansible.builtin.debug": {"msg": hashed}}


def test_without_a_vault_file_both_ways(lab: Lab, controller: Controller) -> None:
    lab.seed_users(User(name) for name in (*NAMES, "dia"))
    module = {"vars": {"keyturn_in_process": False}}
    run = controller.run(
        play(
            task("here", users("ada", "nobody", "ben")),
            _hashes("here"),
            task("module", users("cem", "nobody", "dia"), keywords=module),
            _hashes("module"),
            task("module_again", users(*NAMES, "dia"), keywords=module, max_concurrency=2),
            task("module_typo", users("ada", typo=1), keywords=module),
        ),
        "-vv",
    ).ok()
    state = lab.state()
    for name, pair in (("here", ("ada", "ben")), ("module", ("cem", "dia"))):
        (found,) = run.tasks(name)
        assert found.status == "failed" and "secret_access_key" not in str(found.result)
        assert "nobody: not done (There is no IAM user nobody" in run.output
        shown = ok(run, f"show {name}")["msg"]
        assert len(set(shown)) == 2
        for user in pair:
            assert f"changed: [localhost] => {user}: {state[user].keys[0].access_key_id} Active" in run.stdout
    assert not ok(run, "module_again")["changed"]
    assert "Item 1 of access_keys (user ada): typo is no option" in run.tasks("module_typo")[0].msg
    for secret in secrets(state.values()):
        assert secret not in run.output
    assert all(len(user.keys) == 1 for user in state.values())


def test_what_is_refused_before_anything_is_done(lab: Lab, controller: Controller) -> None:
    """Each in one sentence, without a request."""
    key = {"user_name": "ci", "access_key_id": "AKIA1"}
    remote = {"vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}}
    refused = {
        "typo": (
            task("typo", [*users("web"), {"user_name": "ci", "max_age_day": 3}]),
            "Item 2 of access_keys (user ci)",
        ),
        "contradiction": (
            task("contradiction", [{**key, "state": "absent"}, *users("web"), {**key, "active": True}]),
            "Items 1 and 3 of access_keys contradict each other",
        ),
        "zero": (task("zero", users("ci"), max_concurrency=0), "max_concurrency must be at least 1, not 0"),
        "text": (task("text", users("ci"), max_concurrency="many"), "max_concurrency"),
        "no_list": (task("no_list", "ci"), "access_keys"),
        "remote": (
            task("remote", users("ci", vault_file=STORE), keywords=remote),
            "A task with vault_file runs in the controller's process",
        ),
        "become": (
            task("become", users("ci"), keywords={"become": True}, vault_file=STORE),
            "A task with vault_file runs in the controller's process",
        ),
        "folder": (task("folder", users("ci", "web"), vault_file="nowhere/keys.yml"), "does not exist"),
    }
    run = controller.run(play(*(one for one, _told in refused.values()))).ok()
    for name, (_task, told) in refused.items():
        (found,) = run.tasks(name)
        assert found.status == "failed" and told in found.msg and "Traceback" not in found.msg, f"{name}\n{run}"
    assert not lab.requests()


def test_how_far_it_is(lab: Lab, controller: Controller) -> None:
    """What takes longer than some seconds says so, where people read it; a machine gets its JSON."""
    names = [f"user{number:02}" for number in range(6)]
    lab.seed_users(User(name) for name in names)
    lab.fault("delay", "ListAccessKeys", user="user05", seconds=6)
    both = {"tasks": [task("made", users(*names), vault_file=STORE, verify=False)]}
    run = controller.run({"hosts": "localhost", "gather_facts": False, **both}).ok()
    assert re.search(r"^5 done, 0 failed, 1 left$", run.stdout, re.MULTILINE), str(run)
