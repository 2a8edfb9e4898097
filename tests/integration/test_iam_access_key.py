# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`iam_access_key` without a vault file, in the controller's process and as a module: the same results both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from integration.helpers import Task, actions, hashed, key_task, play, refusal, returned, secrets, show, shown, writes
from lab.client import Lab
from lab.playbook import Controller, Run
from lab.shapes import ACCOUNT, ADMIN_KEY, ADMIN_SECRET, Key, KeyState, User

Play = Callable[..., Run]


@pytest.fixture(params=["in process", "as a module"])
def run(request: pytest.FixtureRequest, controller: Controller) -> Play:
    """Runs tasks that way; a task that fails does not fail the run."""

    def start(*tasks: Task, args: tuple[str, ...] = (), **options: Any) -> Run:
        in_process = request.param == "in process"
        return controller.run(play(*tasks), *args, extra_vars={"keyturn_in_process": in_process}, **options).ok()

    return start


def ids(keys: tuple[KeyState, ...]) -> list[str]:
    return [key.access_key_id for key in keys]


def public(key: KeyState, **changes: Any) -> dict[str, Any]:
    """A key as a task returns it."""
    return {name: getattr(key, name) for name in ("access_key_id", "user_name", "status", "create_date")} | changes


def keys_of(lab: Lab, user_name: str) -> dict[str, str]:
    return {key.access_key_id: key.status for key in lab.state()[user_name].keys}


def test_a_key_is_made_once(lab: Lab, run: Play) -> None:
    lab.seed("ci")
    result = run(
        key_task("would", "ci", check=True),
        key_task("made", "ci"),
        show("made"),
        key_task("again", username="ci"),
        key_task("still", "ci", check=True),
    )
    (key,) = lab.state()["ci"].keys
    header = {"before_header": "access keys of ci", "after_header": "access keys of ci"}
    assert returned(result.result("would")) == {
        "changed": True,
        "access_key": {"user_name": "ci", "status": "Active"},
        "diff": {**header, "before": {}, "after": {"(a new access key)": "Active"}},
    }
    assert shown(result, "made") == {
        "changed": True,
        "access_key": public(key),
        "secret_access_key": hashed(key.secret_access_key),
        "diff": {**header, "before": {}, "after": {key.access_key_id: "Active"}},
    }
    is_there = {key.access_key_id: "Active"}
    nothing_new = {"changed": False, "access_key": public(key), "diff": {**header, "before": is_there, "after": is_there}}
    assert returned(result.result("again")) == nothing_new == returned(result.result("still"))
    assert actions(lab) == ["ListAccessKeys", "ListAccessKeys", "CreateAccessKey", "ListAccessKeys", "ListAccessKeys"]


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
    assert result.tasks("again", items=True)[4].result["diff"]["before"][before["expired"][0]] == "Expired"
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
    assert result.result("young")["access_key"]["access_key_id"] == young.access_key_id and not result.result("young")["changed"]
    assert result.result("would")["changed"] and result.result("made")["changed"]
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
        assert f"User active has 2 access keys and the quota is 2, so no other can be made: {both}" in refusal(result, "fail_real")
        assert "none is Inactive" in refusal(result, "none_inactive_real")
        assert "has 3 access keys and the quota is 2" in refusal(result, "too_many_real")
        assert "delete 2 with state=absent" in refusal(result, "too_many_real")
        for name, user, victim in [("inactive", "mixed", 1), ("oldest", "oldest", 0), ("spared", "spared", 1)]:
            gone = state[user].keys[victim].access_key_id
            stays = state[user].keys[1 - victim].access_key_id
            would, done = result.result(f"{name}_check"), shown(result, f"{name}_real")
            assert would["changed"] and would["deleted_access_key_id"] == gone == done["deleted_access_key_id"]
            assert would["diff"]["before"] == done["diff"]["before"] == {key.access_key_id: key.status for key in state[user].keys}
            assert would["diff"]["after"] == {stays: state[user].keys[1 - victim].status, "(a new access key)": "Active"}
            assert done["diff"]["after"] == keys_of(lab, user) == {stays: would["diff"]["after"][stays], done["access_key"]["access_key_id"]: "Active"}
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
        assert shown(result, "three")["deleted_access_key_id"] == three[0].access_key_id and len(keys_of(lab, "three")) == 3

    def test_where_the_quota_is_secret_awss_answer_decides(self, lab: Lab, run: Play) -> None:
        lab.seed_users([User("one", (Key(100),)), User("fail", (Key(100), Key(50))), User("room", (Key(100), Key(50, "Inactive")))])
        inactive = lab.state()["room"].keys[1].access_key_id
        lab.deny("GetAccountSummary")
        result = run(
            key_task("would", "fail", check=True, max_age_days=30),
            key_task("one", "one", max_age_days=30),
            key_task("fail", "fail", max_age_days=30),
            key_task("room", "room", max_age_days=30, at_limit="delete_inactive"),
            show("room"),
        )
        assert result.result("would")["changed"] and result.result("one")["changed"]
        assert "User fail has as many access keys as the account allows" in refusal(result, "fail")
        assert "LimitExceeded" in refusal(result, "fail")
        assert shown(result, "room")["deleted_access_key_id"] == inactive and len(lab.state()["room"].active) == 2
        assert [request.action for request in writes(lab, "room")] == ["CreateAccessKey", "DeleteAccessKey", "CreateAccessKey"]

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
    wanted = {
        "off": {"access_key_id": "{{ first[item] }}", "active": False},
        "gone": {"access_key_id": "{{ first[item] }}", "state": "absent"},
        "room": {"at_limit": "delete_oldest", "max_age_days": 0},
    }
    refused = ["used", "hidden", "throttled"]
    result = run(
        *(
            key_task(f"refused_{name}_{mode}", "{{ item }}", check=mode == "check", **idle, **options, task={"loop": refused, "vars": {"first": first}})
            for name, options in wanted.items()
            for mode in ("check", "real")
        ),
        key_task("already", "off", access_key_id=first["off"], active=False, **idle),
        key_task("off", "{{ item }}", access_key_id="{{ first[item] }}", active=False, **idle, task={"loop": ["idle", "never"], "vars": {"first": first}}),
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
        assert used.startswith(f"Access key {first['used']} of user used is not {what}: it was last used 20") and "(s3 eu-west-1)" in used
        assert hidden.startswith(f"Access key {first['hidden']} of user hidden is not {what}: its last use is not known")
        assert throttled.startswith(f"Access key {first['throttled']} of user throttled is not {what}: its last use is not known")
        sentences += [used, hidden, throttled]
    assert all(sentence.count("last use is not known") <= 1 and len(sentence) < 600 for sentence in sentences)
    assert not any(writes(lab, user) for user in (*refused, "off"))
    assert result.result("already")["changed"] is False
    assert [one.changed for one in result.tasks("off", items=True)] == [True, True]
    assert result.result("gone")["changed"] and shown(result, "room")["deleted_access_key_id"] == first["never"]
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


def test_a_named_key_is_switched_and_deleted(lab: Lab, run: Play) -> None:
    key, other = lab.seed("ci", Key(100), Key(50)).keys
    (expired,) = lab.seed("odd", Key(100, "Expired")).keys
    one = {"access_key_id": key.access_key_id}
    steps = [("off", {**one, "active": False}), ("on", {**one, "active": True}), ("gone", {**one, "state": "absent"})]
    result = run(
        key_task("kept", "ci", **one),
        *(
            task
            for name, options in steps
            for task in (
                key_task(f"{name}_check", "ci", check=True, **options),
                key_task(name, "ci", **options),
                key_task(f"{name}_again", "ci", **options),
                key_task(f"{name}_again_check", "ci", check=True, **options),
            )
        ),
        key_task("aliases", username="ci", id=other.access_key_id, enabled="no"),
        key_task("expired", "odd", access_key_id=expired.access_key_id),
        key_task("expired_off", "odd", access_key_id=expired.access_key_id, active=False, check=True),
    )
    before = {key.access_key_id: "Active", other.access_key_id: "Active"}
    assert returned(result.result("kept"))["access_key"] == public(key) and not result.result("kept")["changed"]
    for name, status in [("off", "Inactive"), ("on", "Active")]:
        after = {**before, key.access_key_id: status}
        for step in (name, f"{name}_check"):
            done = returned(result.result(step))
            assert set(done) == {"changed", "access_key", "diff"} and done["changed"]
            assert done["access_key"] == public(key, status=status)
            assert (done["diff"]["before"], done["diff"]["after"]) == (before, after)
        before = after
    left = {other.access_key_id: "Active"}
    for step in ("gone", "gone_check"):
        done = returned(result.result(step))
        assert set(done) == {"changed", "deleted_access_key_id", "diff"} and done["changed"]
        assert done["deleted_access_key_id"] == key.access_key_id
        assert (done["diff"]["before"], done["diff"]["after"]) == (before, left)
    for name, _options in steps:
        for step in (f"{name}_again", f"{name}_again_check"):
            done = returned(result.result(step))
            assert done["changed"] is False and done["diff"]["before"] == done["diff"]["after"]
    assert returned(result.result("gone_again")).keys() == {"changed", "diff"}
    assert [request.action for request in writes(lab, "ci")] == ["UpdateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "UpdateAccessKey"]
    assert keys_of(lab, "ci") == {other.access_key_id: "Inactive"}
    assert returned(result.result("expired"))["access_key"] == public(expired)


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
        *(key_task(f"user_absent_{mode}", "nobody", check=check, access_key_id=gone, state="absent") for mode, check in modes),
    )
    for mode, _check in modes:
        assert result.result(f"absent_{mode}")["changed"] is False
        for name in ("present", "off"):
            assert refusal(result, f"{name}_{mode}") == f"User ci has no access key {gone}"
        for name in ("user", "user_absent"):
            assert refusal(result, f"{name}_{mode}").startswith(f"There is no IAM user nobody (asked with access key {ADMIN_KEY}")
    assert not writes(lab)


def test_a_new_key_that_is_to_be_inactive(lab: Lab, run: Play) -> None:
    """It is made, returned and then switched off; where that fails its secret is not lost, and the reason can be read."""
    lab.seed("parked")
    lab.seed("stuck")
    lab.deny("UpdateAccessKey", "stuck")
    new: dict[str, Any] = {"max_age_days": 0, "active": False}
    result = run(
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
    assert result.result("would")["access_key"] == {"user_name": "parked", "status": "Inactive"}
    assert result.result("would")["diff"]["after"] == {"(a new access key)": "Inactive"}
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
