# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`iam_access_key` without a vault file: in the controller's process, and where the two could differ also as a module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible.release import __version__ as ansible_core
from ansible_collections.amazon.aws.plugins.module_utils.common import AMAZON_AWS_COLLECTION_VERSION
from controller.runner import Controller, Run
from integration.helpers import (
    INFO,
    Task,
    actions,
    files,
    hashed,
    info_task,
    key_task,
    ok,
    pictured,
    play,
    refusal,
    returned,
    secrets,
    show,
    shown,
    writes,
)
from lab.client import Lab
from lab.messages import ADMIN_KEY, ADMIN_SECRET, Key, KeyState, User
from thorough import thorough

Play = Callable[..., Run]
AMAZON_AWS = tuple(map(int, AMAZON_AWS_COLLECTION_VERSION.split(".")[:2]))
CORE = tuple(map(int, ansible_core.split(".")[:2]))
# Where a module's many starts take their time.
MOSTLY_IN_PROCESS = pytest.mark.parametrize("run_both", ["in process", thorough("as a module")], indirect=True)


@pytest.fixture
def run(controller: Controller) -> Play:
    """Runs tasks; one that fails does not fail the run."""

    def start(*tasks: Task, args: tuple[str, ...] = (), **options: Any) -> Run:
        return controller.run(play(*tasks), *args, **options).ok()

    return start


@pytest.fixture(params=["in process", "as a module"])
def run_both(request: pytest.FixtureRequest, run: Play) -> Play:
    """Runs tasks either way, with the same results to come."""
    return partial(run, extra_vars={"keyturn_in_process": request.param == "in process"})


def ids(keys: tuple[KeyState, ...]) -> list[str]:
    return [key.access_key_id for key in keys]


def public(key: KeyState, **changes: Any) -> dict[str, Any]:
    """A key as a task returns it."""
    return {name: getattr(key, name) for name in ("access_key_id", "user_name", "status", "create_date")} | changes


def keys_of(lab: Lab, user_name: str) -> dict[str, str]:
    return {key.access_key_id: key.status for key in lab.state()[user_name].keys}


def test_a_key_is_made_once(lab: Lab, run_both: Play) -> None:
    lab.seed("ci")
    result = run_both(
        key_task("would", "ci", check=True),
        key_task("made", "ci"),
        show("made"),
        key_task("again", username="ci"),
        key_task("still", "ci", check=True),
    )
    (key,) = lab.state()["ci"].keys
    header = {"before_header": "access keys of ci", "after_header": "access keys of ci"}
    assert returned(ok(result, "would")) == {
        "changed": True,
        "access_key": {"user_name": "ci", "status": "Active"},
        "diff": {**header, "before": {}, "after": {"a new key": "Active"}},
    }
    assert shown(result, "made") == {
        "changed": True,
        "access_key": public(key),
        "secret_access_key": hashed(key.secret_access_key),
        "diff": {**header, "before": {}, "after": {key.access_key_id: "Active"}},
    }
    is_there = {key.access_key_id: "Active"}
    nothing_new = {
        "changed": False,
        "access_key": public(key),
        "diff": {**header, "before": is_there, "after": is_there},
    }
    assert returned(ok(result, "again")) == nothing_new == returned(ok(result, "still"))
    assert actions(lab) == ["ListAccessKeys", "ListAccessKeys", "CreateAccessKey", "ListAccessKeys", "ListAccessKeys"]
    assert result.tasks("would")[0].result["diff"]["after"] == "a new key  Active\n"
    assert "+a new key  Active\n" in result.output, "Ansible compares the lines"


def test_the_age_that_satisfies(lab: Lab, run: Play) -> None:
    """An Active key that is max_age_days old or older does not; without max_age_days any Active key does, and no other."""
    lab.seed_users(
        [
            User("young", (Key(89.9),)),
            User("exactly", (Key(90),)),
            User("newest", (Key(200), Key(10))),
            User("inactive", (Key(1, "Inactive"),)),
            User("expired", (Key(1, "Expired"),)),
        ]
    )
    before = {name: ids(user.keys) for name, user in lab.state().items()}
    users = ["young", "exactly", "newest", "inactive", "expired"]
    over = {"loop": users, "loop_control": {"label": "{{ item }}"}}
    result = run(
        key_task("would", "{{ item }}", check=True, max_age_days=90, task=over),
        key_task("made", "{{ item }}", max_age_days=90, task=over),
        key_task("again", "{{ item }}", max_age_days="90", task=over),
        key_task("any", "{{ item }}", task=over),
        key_task("zero", "newest", max_age_days=0, at_limit="delete_oldest"),
        show("zero"),
        key_task("zero_again", "newest", max_age_days=0, at_limit="delete_oldest"),
        show("zero_again"),
    )
    needed = [False, True, False, True, True]
    assert [one.changed for one in result.tasks("would", items=True)] == needed
    assert [one.changed for one in result.tasks("made", items=True)] == needed
    assert not any(one.changed for one in result.tasks("again", items=True) + result.tasks("any", items=True))
    assert result.tasks("again", items=True)[2].result["access_key"]["access_key_id"] == before["newest"][1]
    for name in ("exactly", "inactive", "expired"):
        assert ids(lab.state()[name].keys)[:1] == before[name] and len(lab.state()[name].keys) == 2
    expired = pictured(result.tasks("again", items=True)[4].result)
    assert expired["diff"]["before"][before["expired"][0]] == "Expired"
    assert [shown(result, name)["deleted_access_key_id"] for name in ("zero", "zero_again")] == before["newest"]
    assert shown(result, "zero_again")["access_key"] in [public(key) for key in lab.state()["newest"].keys]


def test_a_key_replaces_an_active_one_or_none(lab: Lab, run: Play) -> None:
    (active,) = lab.seed("ci", Key(100)).keys
    (inactive,) = lab.seed("off", Key(100, "Inactive")).keys
    (young,) = lab.seed("young", Key(1)).keys
    gone = "AKIANOTTHEREATALL123"
    result = run(
        *(
            key_task(f"{name}_{mode}", user, check=mode == "check", max_age_days=90, replaces=replaces)
            for name, user, replaces in [("off", "off", inactive.access_key_id), ("gone", "ci", gone)]
            for mode in ("check", "real")
        ),
        key_task("young", "young", max_age_days=90, replaces=gone),
        key_task("would", "ci", check=True, max_age_days=90, replaces=active.access_key_id),
        key_task("made", "ci", max_age_days=90, replaces=active.access_key_id),
        key_task("both", "ci", replaces=active.access_key_id, access_key_id=active.access_key_id),
    )
    assert refusal(result, "off_check") == refusal(result, "off_real")
    assert f"user off: {inactive.access_key_id}, which it was to replace, is Inactive" in refusal(result, "off_real")
    assert refusal(result, "gone_check") == refusal(result, "gone_real")
    assert f"{gone}, which it was to replace, does not exist" in refusal(result, "gone_real")
    assert (
        ok(result, "young")["access_key"]["access_key_id"] == young.access_key_id and not ok(result, "young")["changed"]
    )
    assert ok(result, "would")["changed"] and ok(result, "made")["changed"]
    assert "replaces does not go with access_key_id" in refusal(result, "both")
    assert [(request.action, request.user) for request in writes(lab)] == [("CreateAccessKey", "ci")]


class TestTheQuotaIsFull:
    def test_what_each_way_out_does(self, lab: Lab, run: Play) -> None:
        """`delete_inactive` takes the oldest Inactive key, `delete_oldest` the oldest, neither the one that is being replaced."""
        lab.seed_users([User(name, (Key(100), Key(50))) for name in ("active", "oldest", "spared")])
        lab.seed("mixed", Key(100), Key(50, "Inactive"))
        lab.seed("three", Key(100), Key(50, "Inactive"), Key(40, "Inactive"))
        state = lab.state()
        need: dict[str, Any] = {"max_age_days": 30}
        oldest = {"at_limit": "delete_oldest", "replaces": state["spared"].keys[0].access_key_id}
        wanted: list[tuple[str, str, dict[str, Any]]] = [
            ("fail", "active", {}),
            ("none_inactive", "active", {"at_limit": "delete_inactive"}),
            ("too_many", "three", {"at_limit": "delete_inactive"}),
            ("inactive", "mixed", {"at_limit": "delete_inactive"}),
            ("oldest", "oldest", {"at_limit": "delete_oldest"}),
            ("spared", "spared", oldest),
        ]
        result = run(
            *(key_task(f"{name}_check", user, check=True, **need, **options) for name, user, options in wanted),
            *(key_task(f"{name}_real", user, **need, **options) for name, user, options in wanted),
            *(show(f"{name}_real") for name in ("inactive", "oldest", "spared")),
        )
        for name in ("fail", "none_inactive", "too_many"):
            assert refusal(result, f"{name}_check") == refusal(result, f"{name}_real")
        both = ", ".join(f"{key.access_key_id} (Active)" for key in state["active"].keys)
        assert f"User active has 2 access keys and the quota is 2, so no other can be made: {both}" in refusal(
            result, "fail_real"
        )
        assert "none is Inactive" in refusal(result, "none_inactive_real")
        assert "has 3 access keys and the quota is 2" in refusal(result, "too_many_real")
        assert "delete 2 with state=absent" in refusal(result, "too_many_real")
        for name, user, victim in [("inactive", "mixed", 1), ("oldest", "oldest", 0), ("spared", "spared", 1)]:
            gone = state[user].keys[victim].access_key_id
            stays = state[user].keys[1 - victim].access_key_id
            would, done = ok(result, f"{name}_check"), shown(result, f"{name}_real")
            assert would["changed"] and would["deleted_access_key_id"] == gone == done["deleted_access_key_id"]
            assert (
                would["diff"]["before"]
                == done["diff"]["before"]
                == {key.access_key_id: key.status for key in state[user].keys}
            )
            assert would["diff"]["after"] == {
                stays: state[user].keys[1 - victim].status,
                "a new key": "Active",
            }
            assert (
                done["diff"]["after"]
                == keys_of(lab, user)
                == {stays: would["diff"]["after"][stays], done["access_key"]["access_key_id"]: "Active"}
            )
            assert [request.action for request in writes(lab, user)] == ["DeleteAccessKey", "CreateAccessKey"]
        assert not writes(lab, "active") and not writes(lab, "three")

    def test_the_quota_is_the_accounts(self, lab: Lab, run: Play) -> None:
        lab.seed("two", Key(100), Key(50))
        three = lab.seed("three", Key(100), Key(50), Key(40)).keys
        lab.settings(quota=3)
        result = run(
            key_task("two", "two", max_age_days=30),
            key_task("full", "three", max_age_days=30, check=True),
            key_task("three", "three", max_age_days=30, at_limit="delete_oldest"),
            show("three"),
        )
        assert len(keys_of(lab, "two")) == 3
        assert "has 3 access keys and the quota is 3" in refusal(result, "full")
        assert (
            shown(result, "three")["deleted_access_key_id"] == three[0].access_key_id
            and len(keys_of(lab, "three")) == 3
        )

    def test_where_the_quota_is_secret_awss_answer_decides(self, lab: Lab, run: Play) -> None:
        lab.seed_users(
            [User("one", (Key(100),)), User("fail", (Key(100), Key(50))), User("room", (Key(100), Key(50, "Inactive")))]
        )
        inactive = lab.state()["room"].keys[1].access_key_id
        lab.deny("GetAccountSummary")
        result = run(
            key_task("would", "fail", check=True, max_age_days=30),
            key_task("one", "one", max_age_days=30),
            key_task("fail", "fail", max_age_days=30),
            key_task("room", "room", max_age_days=30, at_limit="delete_inactive"),
            show("room"),
        )
        assert ok(result, "would")["changed"] and ok(result, "one")["changed"]
        assert "User fail has as many access keys as the account allows" in refusal(result, "fail")
        assert "LimitExceeded" in refusal(result, "fail")
        assert shown(result, "room")["deleted_access_key_id"] == inactive and len(lab.state()["room"].active) == 2
        assert [request.action for request in writes(lab, "room")] == [
            "CreateAccessKey",
            "DeleteAccessKey",
            "CreateAccessKey",
        ]

    def test_a_deletion_that_made_room_in_vain_is_told(self, lab: Lab, run: Play) -> None:
        inactive = lab.seed("ci", Key(100), Key(50, "Inactive")).keys[1].access_key_id
        lab.deny("CreateAccessKey")
        result = run(key_task("made", "ci", max_age_days=30, at_limit="delete_inactive"))
        said = refusal(result, "made", changed=True)
        assert said.startswith(f"Could not make an access key for user ci (access key {inactive} was deleted before): ")
        assert result.tasks("made")[0].result["deleted_access_key_id"] == inactive

    def test_a_quota_that_cannot_be_read_otherwise_stops_the_task(self, lab: Lab, run: Play) -> None:
        lab.seed("ci", Key(100))
        lab.fault("throttle", "GetAccountSummary", count=0)
        result = run(key_task("made", "ci", max_age_days=30, aws_config={"retries": {"max_attempts": 1}}))
        assert refusal(result, "made").startswith("Could not read the account's quotas: ")
        assert not writes(lab)


def test_a_key_in_use_is_left_alone(lab: Lab, run: Play) -> None:
    """min_idle_days counts from the last use, not from the creation, and refuses where the use cannot be read."""
    lab.seed_users(
        [
            User("used", (Key(100, used_days=1, service="s3", region="eu-west-1"), Key(50, used_days=6.9))),
            User("idle", (Key(100, used_days=7), Key(50, used_days=30))),
            User("never", (Key(1), Key(0))),
            User("hidden", (Key(100), Key(50))),
            User("throttled", (Key(100), Key(50))),
            User("off", (Key(100, "Inactive", used_days=1),)),
        ]
    )
    lab.deny("GetAccessKeyLastUsed", "hidden")
    lab.fault("throttle", "GetAccessKeyLastUsed", user="throttled", count=0)
    first = {name: user.keys[0].access_key_id for name, user in lab.state().items()}
    idle: dict[str, Any] = {"min_idle_days": 7, "aws_config": {"retries": {"total_max_attempts": 2}}}
    wanted: dict[str, dict[str, Any]] = {
        "off": {"access_key_id": "{{ first[item] }}", "active": False},
        "gone": {"access_key_id": "{{ first[item] }}", "state": "absent"},
        "room": {"at_limit": "delete_oldest", "max_age_days": 0},
    }
    refused = ["used", "hidden", "throttled"]

    def over(*users: str) -> Task:
        return {"loop": list(users), "vars": {"first": first}}

    result = run(
        *(
            key_task(
                f"refused_{name}_{mode}",
                "{{ item }}",
                check=mode == "check",
                **idle,
                **options,
                task={"loop": refused, "vars": {"first": first}},
            )
            for name, options in wanted.items()
            for mode in ("check", "real")
        ),
        key_task("already", "off", access_key_id=first["off"], active=False, **idle),
        key_task(
            "off",
            "{{ item }}",
            access_key_id="{{ first[item] }}",
            active=False,
            **idle,
            task={"loop": ["idle", "never"], "vars": {"first": first}},
        ),
        key_task("gone", "idle", access_key_id=first["idle"], state="absent", **idle),
        key_task("room", "never", at_limit="delete_oldest", max_age_days=0, **idle),
        show("room"),
    )
    sentences = []
    for name, what in [("off", "switched off"), ("gone", "deleted"), ("room", "deleted")]:
        would, did = (result.tasks(f"refused_{name}_{mode}", items=True) for mode in ("check", "real"))
        assert [one.status for one in would + did] == ["failed"] * 6
        assert [one.msg for one in would] == [one.msg for one in did]
        used, hidden, throttled = (one.msg for one in did)
        assert (
            used.startswith(f"Access key {first['used']} of user used is not {what}: it was last used 20")
            and "(s3 eu-west-1)" in used
        )
        assert hidden.startswith(
            f"Access key {first['hidden']} of user hidden is not {what}: its last use is not known"
        )
        assert throttled.startswith(
            f"Access key {first['throttled']} of user throttled is not {what}: its last use is not known"
        )
        sentences += [used, hidden, throttled]
    assert all(sentence.count("last use is not known") <= 1 and len(sentence) < 600 for sentence in sentences)
    assert not any(writes(lab, user) for user in (*refused, "off"))
    assert ok(result, "already")["changed"] is False
    assert [one.changed for one in result.tasks("off", items=True)] == [True, True]
    assert ok(result, "gone")["changed"] and shown(result, "room")["deleted_access_key_id"] == first["never"]
    log = [(request.action, request.params.get("AccessKeyId")) for request in lab.requests() if request.user == "idle"]
    assert log == [
        (action, key and first["idle"])
        for action, key in [
            ("ListAccessKeys", None),
            ("GetAccessKeyLastUsed", True),
            ("UpdateAccessKey", True),
            ("ListAccessKeys", None),
            ("GetAccessKeyLastUsed", True),
            ("DeleteAccessKey", True),
        ]
    ]


@MOSTLY_IN_PROCESS
def test_a_named_key_is_switched_and_deleted(lab: Lab, run_both: Play) -> None:
    key, other = lab.seed("ci", Key(100), Key(50)).keys
    (expired,) = lab.seed("odd", Key(100, "Expired")).keys
    one: dict[str, Any] = {"access_key_id": key.access_key_id}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("off", {**one, "active": False}),
        ("on", {**one, "active": True}),
        ("gone", {**one, "state": "absent"}),
    ]
    result = run_both(
        key_task("kept", "ci", **one),
        *(
            task
            for name, options in steps
            for task in (
                key_task(f"{name}_check", "ci", check=True, **options),
                key_task(name, "ci", **options),
                key_task(f"{name}_again", "ci", **options),
            )
        ),
        key_task("aliases", username="ci", id=other.access_key_id, enabled="no"),
        key_task("expired", "odd", access_key_id=expired.access_key_id),
        key_task("expired_off", "odd", access_key_id=expired.access_key_id, active=False, check=True),
    )
    before = {key.access_key_id: "Active", other.access_key_id: "Active"}
    assert returned(ok(result, "kept"))["access_key"] == public(key) and not ok(result, "kept")["changed"]
    for name, status in [("off", "Inactive"), ("on", "Active")]:
        after = {**before, key.access_key_id: status}
        for step in (name, f"{name}_check"):
            done = returned(ok(result, step))
            assert set(done) == {"changed", "access_key", "diff"} and done["changed"]
            assert done["access_key"] == public(key, status=status)
            assert (done["diff"]["before"], done["diff"]["after"]) == (before, after)
        before = after
    left = {other.access_key_id: "Active"}
    for step in ("gone", "gone_check"):
        done = returned(ok(result, step))
        assert set(done) == {"changed", "deleted_access_key_id", "diff"} and done["changed"]
        assert done["deleted_access_key_id"] == key.access_key_id
        assert (done["diff"]["before"], done["diff"]["after"]) == (before, left)
    for name, _options in steps:
        again = returned(ok(result, f"{name}_again"))
        assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    assert returned(ok(result, "gone_again")).keys() == {"changed", "diff"}
    assert [request.action for request in writes(lab, "ci")] == [
        "UpdateAccessKey",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "UpdateAccessKey",
    ]
    assert keys_of(lab, "ci") == {other.access_key_id: "Inactive"}
    assert returned(ok(result, "expired"))["access_key"] == public(expired)


def test_what_is_not_there(lab: Lab, run: Play) -> None:
    """A missing key is what `absent` wants; a missing user, or a missing key that is to be present, is an error that names it."""
    gone = "AKIANOTTHEREATALL123"
    lab.seed("ci", Key(1))
    modes = [("check", True), ("real", False)]
    result = run(
        *(key_task(f"absent_{mode}", "ci", check=check, access_key_id=gone, state="absent") for mode, check in modes),
        *(key_task(f"present_{mode}", "ci", check=check, access_key_id=gone) for mode, check in modes),
        *(key_task(f"off_{mode}", "ci", check=check, access_key_id=gone, active=False) for mode, check in modes),
        *(key_task(f"user_{mode}", "nobody", check=check) for mode, check in modes),
        *(
            key_task(f"user_absent_{mode}", "nobody", check=check, access_key_id=gone, state="absent")
            for mode, check in modes
        ),
    )
    for mode, _check in modes:
        assert ok(result, f"absent_{mode}")["changed"] is False
        for name in ("present", "off"):
            assert refusal(result, f"{name}_{mode}") == f"User ci has no access key {gone}"
        for name in ("user", "user_absent"):
            assert refusal(result, f"{name}_{mode}").startswith(
                f"There is no IAM user nobody (asked with access key {ADMIN_KEY}"
            )
    assert not writes(lab)


@MOSTLY_IN_PROCESS
def test_a_new_key_that_is_to_be_inactive(lab: Lab, run_both: Play) -> None:
    """It is made, returned and then switched off; where that fails its secret is not lost, and the reason can be read."""
    lab.seed("parked")
    lab.seed("stuck")
    lab.deny("UpdateAccessKey", "stuck")
    new: dict[str, Any] = {"max_age_days": 0, "active": False}
    result = run_both(
        key_task("would", "parked", check=True, **new),
        key_task("parked", "parked", **new),
        show("parked"),
        key_task("stuck", "stuck", **new),
        show("stuck"),
        args=("-vvvv",),
    )
    state = lab.state()
    (parked,), (stuck,) = state["parked"].keys, state["stuck"].keys
    assert (parked.status, stuck.status) == ("Inactive", "Active")
    assert ok(result, "would")["access_key"] == {"user_name": "parked", "status": "Inactive"}
    assert ok(result, "would")["diff"]["after"] == {"a new key": "Inactive"}
    done = shown(result, "parked")
    assert (done["access_key"], done["secret_access_key"]) == (public(parked), hashed(parked.secret_access_key))
    assert done["diff"]["after"] == {parked.access_key_id: "Inactive"}
    failed = shown(result, "stuck")
    assert (failed["access_key"], failed["secret_access_key"]) == (public(stuck), hashed(stuck.secret_access_key))
    reason = f"Access key {stuck.access_key_id} of user stuck was made and returned, but it is still Active: switching it off failed"
    assert failed["msg"].startswith(reason) and "not authorized to perform: iam:UpdateAccessKey" in failed["msg"]
    assert [one.status for one in result.tasks("stuck")] == ["failed"] and failed["changed"]
    assert reason in result.stderr + result.stdout
    assert not [secret for secret in secrets(state.values()) if secret in result.output]


def test_a_secret_is_censored_on_screen_and_registered(lab: Lab, controller: Controller, run_both: Play) -> None:
    """At -vvvv with --diff, in loops too; nothing of it stays in a file. A result without a secret is shown."""
    lab.seed_users([User("ci"), User("one"), User("two", (Key(1),))])
    hash_all = "{{ over.results | map(attribute='secret_access_key', default='') | map('hash', 'sha256') }}"
    result = run_both(
        key_task("made", "ci"),
        show("made"),
        key_task("over", "{{ item }}", task={"loop": ["one", "two"]}),
        {"name": "hashes", "ansible.builtin.debug": {"msg": hash_all}},
        key_task("again", "ci"),
        args=("-vvvv", "--diff"),
    )
    state = lab.state()
    (made,), (one,), _rest = (state[name].keys for name in ("ci", "one", "two"))
    assert shown(result, "made")["secret_access_key"] == hashed(made.secret_access_key)
    assert ok(result, "hashes")["msg"] == [hashed(one.secret_access_key), hashed("")]
    assert returned(ok(result, "made")).keys() == {"censored", "changed"}
    assert ok(result, "again")["access_key"] == public(made)
    left = b"".join(content or b"" for content in files(controller.folder).values())
    for secret in (*secrets(state.values()), ADMIN_SECRET):
        assert secret not in result.output and secret.encode() not in left


def test_no_log_hides_the_rest_too(lab: Lab, run_both: Play) -> None:
    lab.seed("ci", Key(1))
    result = run_both(
        key_task("kept", "ci", task={"no_log": True}),
        key_task("failed", "nobody", task={"no_log": True}),
        args=("-vvv",),
    )
    assert "censored" in ok(result, "kept") and "censored" in result.result("failed")
    assert lab.state()["ci"].keys[0].access_key_id not in result.output


class TestBothWaysAreAlike:
    """Pairs of tasks that differ in keyturn_in_process only."""

    def pair(self, run: Play, *tasks: Task, **options: Any) -> tuple[Run, list[tuple[dict[str, Any], dict[str, Any]]]]:
        both = [{**task, "vars": {"keyturn_in_process": way}} for task in tasks for way in (True, False)]
        found = run(*both, **options)
        results = [one.result for one in found.results]
        return found, list(zip(results[::2], results[1::2], strict=True))

    def test_the_words_of_a_mistake(self, lab: Lab, run: Play) -> None:
        lab.seed("ci", Key(1))
        _run, pairs = self.pair(
            run,
            key_task("typo", "ci", max_age_day=90),
            key_task("missing", max_age_days=90),
            key_task("number", "ci", max_age_days="old"),
            key_task("negative", "ci", max_age_days=-1),
            key_task("choice", "ci", state="gone"),
            key_task("together", "ci", max_age_days=1, access_key_id="AKIANOTTHEREATALL123"),
            key_task("twice", "ci", username="ci"),
            {
                "name": "exclusive",
                INFO: {"user_name": "ci", "access_key_id": "AKIANOTTHEREATALL123"},
                "ignore_errors": True,
            },
        )
        for in_process, module in pairs:
            assert in_process.get("msg") == module.get("msg")
            assert in_process.get("warnings") == module.get("warnings")
            assert in_process["changed"] is module["changed"] is False
        messages = [in_process.get("msg", "") for in_process, _module in pairs]
        assert messages[0].startswith(
            "Unsupported parameters for (keyturn.iam.iam_access_key) module: max_age_day. Supported parameters include: "
        )
        assert messages[1] == "missing required arguments: user_name"
        assert (
            "argument 'max_age_days' is of type " in messages[2] and "we were unable to convert to float" in messages[2]
        )
        assert messages[3] == "max_age_days must be a number that is not negative, not -1.0"
        assert messages[4] == "value of state must be one of: present, absent, got: gone"
        assert messages[5].startswith("max_age_days does not go with access_key_id")
        assert messages[6] == "" and pairs[6][0]["warnings"] == [
            "Both option user_name and its alias username are set."
        ]
        assert messages[7] == "parameters are mutually exclusive: access_key_id|user_name"
        assert actions(lab) == ["ListAccessKeys"] * 2

    def test_what_very_verbose_shows(self, lab: Lab, run: Play) -> None:
        lab.seed("ci", Key(1))
        credentials: dict[str, Any] = {
            "access_key": ADMIN_KEY,
            "secret_key": ADMIN_SECRET,
            "aws_config": {"connect_timeout": 9},
        }
        result, pairs = self.pair(
            run,
            key_task("kept", "ci", **credentials),
            # A module on amazon.aws before 9 stumbles over an endpoint without https in these logs.
            key_task("failed", "nobody", debug_botocore_endpoint_logs=AMAZON_AWS >= (9,)),
            args=("-vvv",),
            env={"ANSIBLE_INJECT_INVOCATION": "true"},  # asked for, from ansible-core 2.21 on
        )
        # What stands in a secret's place: in a module's result ansible-core 2.22 writes something else than the releases before.
        hidden = (None, "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "$REDACTED$")
        places = [one["invocation"]["module_args"].pop("secret_key") for pair in pairs for one in pair]
        assert set(places[:2]) <= {*hidden[1:]} and set(places) <= {*hidden}
        for in_process, module in pairs:
            assert in_process["invocation"] == module["invocation"]
            # Before ansible-core 2.19 an action has no traceback in its result; on 2.20 a module tells of amazon.aws's deprecations.
            apart = {"exception"} if CORE < (2, 19) else set()
            assert in_process.keys() ^ module.keys() <= apart | ({"deprecations"} if CORE == (2, 20) else set())
            assert in_process.get("resource_actions") == module.get("resource_actions")
        shown = pairs[0][0]["invocation"]["module_args"]
        assert "secret_key" not in shown and shown["user_name"] == "ci"
        assert ADMIN_SECRET not in result.output

    def test_where_the_credentials_come_from(self, lab: Lab, controller: Controller, run: Play) -> None:
        """environment:, module_defaults of the group (amazon.aws's modules too), a profile; nothing of it stays for the next task."""
        lab.seed("ci", Key(1))
        other = lab.account("999999999999")
        lab.seed("ci", Key(2), account_id=other.account_id)
        credentials = controller.cwd / "credentials"
        credentials.write_text(
            f"[theirs]\naws_access_key_id = {other.access_key_id}\naws_secret_access_key = {other.secret_access_key}\n"
        )
        theirs = {"access_key": other.access_key_id, "secret_key": other.secret_access_key}
        unset = dict.fromkeys(lab.env())
        place: dict[str, Any] = {"region": "us-east-1", "endpoint_url": lab.url}
        tasks = [
            key_task("environment", "ci", task={"environment": lab.env(other)}),
            key_task("defaults", "ci", task={"module_defaults": {"group/keyturn.iam.aws": {**theirs, **place}}}),
            key_task("profile", "ci", profile="theirs", **place),
            key_task("after", "ci"),
        ]
        profile = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        _run, pairs = self.pair(run, *tasks, env={**unset, **profile, "AWS_REGION": "us-east-1"})
        their_key = public(lab.state(other.account_id)["ci"].keys[0])
        for in_process, module in pairs[:3]:
            assert in_process["access_key"] == module["access_key"] == their_key
        assert pairs[3][0]["msg"] == pairs[3][1]["msg"]
        assert "no AWS credentials were found" in pairs[3][0]["msg"]
        assert {request.access_key for request in lab.requests()} == {other.access_key_id}
        defaults = {"group/keyturn.iam.aws": {**theirs, **place}}
        seen = run(
            {"name": "users", "amazon.aws.iam_user_info": {"name": "ci"}, "module_defaults": defaults}, env=unset
        ).result("users")
        assert seen["iam_users"][0]["arn"].split(":")[4] == other.account_id


class TestWhereATaskRuns:
    def ran_as_module(self, result: Run) -> list[bool]:
        """Of each task: whether a module file was used (shown at -vvv)."""
        return ["Using module file" in part for part in result.stdout.split("\nTASK [")[1:]]

    def test_in_the_controllers_process_where_that_is_the_same(self, lab: Lab, controller: Controller) -> None:
        lab.seed("ci", Key(1))
        other = controller.cwd / "python"
        other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        other.chmod(0o755)
        tasks = [
            key_task("plain", "ci"),
            key_task("delegated", "ci", task={"delegate_to": "localhost"}),
            key_task("same_interpreter", "ci", task={"vars": {"ansible_python_interpreter": sys.executable}}),
            key_task("switched_off", "ci", task={"vars": {"keyturn_in_process": "no"}}),
            key_task("other_interpreter", "ci", task={"vars": {"ansible_python_interpreter": str(other)}}),
            key_task("in_background", "ci", task={"async": 30, "poll": 1}),  # censored on screen, whatever it is
            {"name": "background", "ansible.builtin.debug": {"msg": "{{ in_background.access_key }}"}},
        ]
        result = controller.run(play(*tasks), "-vvv", env={"ANSIBLE_ASYNC_DIR": str(controller.folder / "async")}).ok()
        assert self.ran_as_module(result)[:-1] == [False, False, False, True, True, True]
        kept = public(lab.state()["ci"].keys[0])
        assert [ok(result, task["name"])["access_key"] for task in tasks[:-2]] == [kept] * 5
        assert result.result("background")["msg"] == kept

    def test_a_host_elsewhere_runs_the_module_there(self, lab: Lab, controller: Controller) -> None:
        lab.seed("ci", Key(1))
        inventory = "far ansible_host=192.0.2.1 ansible_connection=ansible.builtin.ssh ansible_ssh_executable=/nonexistent/ssh\n"
        tasks = [
            key_task("there", "ci", task={"ignore_unreachable": True}),
            key_task("here", "ci", task={"delegate_to": "localhost"}),
        ]
        result = controller.run(play(*tasks, hosts="far"), "-vvv", inventory=inventory)
        assert result.tasks("there")[0].status in ("unreachable", "failed")
        assert ok(result, "here")["access_key"] == public(lab.state()["ci"].keys[0])
        assert actions(lab) == ["ListAccessKeys"]


def test_an_independent_client_sees_what_the_modules_do_and_the_other_way_round(lab: Lab, run: Play) -> None:
    """Keys made, listed, switched and deleted by plain boto3."""
    lab.seed_users([User("ours"), User("theirs")])
    iam = lab.boto("iam")

    def listed(user_name: str) -> list[dict[str, Any]]:
        keys = iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return [
            {
                "access_key_id": key["AccessKeyId"],
                "user_name": user_name,
                "status": key["Status"],
                "create_date": key["CreateDate"].isoformat(),
            }
            for key in keys
        ]

    theirs = iam.create_access_key(UserName="theirs")["AccessKey"]
    result = run(key_task("made", "ours"), show("made"), key_task("seen", "theirs"))
    made = shown(result, "made")["access_key"]
    assert listed("ours") == [made] and listed("theirs") == [ok(result, "seen")["access_key"]]
    assert made["access_key_id"] == lab.state()["ours"].keys[0].access_key_id
    iam.update_access_key(UserName="theirs", AccessKeyId=theirs["AccessKeyId"], Status="Inactive")
    result = run(
        key_task("off", "ours", access_key_id=made["access_key_id"], active=False),
        key_task("is_off", "theirs", access_key_id=theirs["AccessKeyId"], active=False),
        info_task("look", user_name=["ours", "theirs"]),
    )
    assert listed("ours") == [ok(result, "off")["access_key"]] and listed("ours")[0]["status"] == "Inactive"
    assert ok(result, "is_off")["changed"] is False
    rows = ok(result, "look")["access_keys"]
    assert [{name: row[name] for name in made} for row in rows] == listed("ours") + listed("theirs")
    iam.delete_access_key(UserName="theirs", AccessKeyId=theirs["AccessKeyId"])
    result = run(
        key_task("gone", "ours", access_key_id=made["access_key_id"], state="absent"),
        key_task("is_gone", "theirs", access_key_id=theirs["AccessKeyId"], state="absent"),
    )
    assert listed("ours") == listed("theirs") == []
    assert ok(result, "gone")["changed"] and not ok(result, "is_gone")["changed"]
