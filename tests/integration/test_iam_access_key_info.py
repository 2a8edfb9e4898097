# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`iam_access_key_info`: what it says of users and keys, what it says of what it could not read, and how much it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import write_store
from integration.helpers import Task, actions, files, info_task, ok, play, refusal, returned, secrets, writes
from lab.client import Lab
from lab.messages import ACCOUNT, ADMIN_KEY, Key, KeyState, User

Play = Callable[..., Run]
IN_PROCESS_AND_AS_A_MODULE = [True, False]


@pytest.fixture
def run(controller: Controller) -> Play:
    def start(*tasks: Task, args: tuple[str, ...] = (), **options: Any) -> Run:
        return controller.run(play(*tasks), *args, **options).ok()

    return start


def names(result: dict[str, Any]) -> list[str]:
    return [user["user_name"] for user in result["users"]]


def ids(result: dict[str, Any]) -> list[str]:
    return [row["access_key_id"] for row in result["access_keys"]]


def user_of(result: dict[str, Any], user_name: str) -> dict[str, Any]:
    return next(user for user in result["users"] if user["user_name"] == user_name)


def row_of(result: dict[str, Any], key: KeyState) -> dict[str, Any]:
    return next(row for row in result["access_keys"] if row["access_key_id"] == key.access_key_id)


@pytest.mark.parametrize("in_process", IN_PROCESS_AND_AS_A_MODULE)
def test_everything_that_is_said(lab: Lab, run: Play, in_process: bool) -> None:
    """Keys by user and creation, users without keys too, the account, AWS's time; the same in check mode."""
    lab.settings(quota=3, root_access_key_present=True)
    lab.seed("zoe")
    ci = lab.seed(
        "ci",
        Key(3, "Inactive"),
        Key(120, used_days=0.5, service="s3", region="eu-west-1"),
        Key(10, "Expired", used_days=10),
        path="/robots/",
        tags={"team": "a"},
        age_days=300,
    )
    lab.clock(days=40)
    result = run(
        info_task("look", tags=True),
        info_task("checked", task={"check_mode": True, "diff": True}, last_used=False),
        extra_vars={"keyturn_in_process": in_process},
    )
    look = returned(ok(result, "look"))
    assert set(look) == {"changed", "access_keys", "users", "account", "now", "store_only", "complete"}
    assert (look["changed"], look["complete"], look["store_only"]) == (False, True, [])
    assert look["account"] == {
        "account_id": ACCOUNT,
        "partition": "aws",
        "root_access_key_present": True,
        "access_keys_quota": 3,
        "signing_access_key_id": ADMIN_KEY,
    }
    assert lab.clock()[:10] == look["now"][:10]  # AWS's day, forty days after the controller's
    inactive, used, expired = ci.keys
    assert ids(look) == [key.access_key_id for key in (used, expired, inactive)]
    row = row_of(look, used)
    assert (round(row.pop("age_days"), 2), round(row.pop("idle_days"), 2)) == (160, 40.5)
    assert used.last_use
    assert row == {
        "user_name": "ci",
        "access_key_id": used.access_key_id,
        "status": "Active",
        "create_date": used.create_date,
        "last_used_date": used.last_use.date,
        "last_used_service": "s3",
        "last_used_region": "eu-west-1",
        "last_used_known": True,
        "stage": None,
        "deactivate_date": None,
        "stored": None,
    }
    never = row_of(look, inactive)
    assert [never[f"last_used_{what}"] for what in ("date", "service", "region", "known")] == [None, None, None, True]
    assert (
        round(never["idle_days"], 2) == round(never["age_days"], 2) == 43
        and row_of(look, expired)["status"] == "Expired"
    )
    assert names(look) == ["ci", "zoe"]
    assert look["users"][0] == {
        "user_name": "ci",
        "user_id": ci.user_id,
        "path": "/robots/",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/robots/ci",
        "create_date": ci.create_date,
        "tags": {"team": "a"},
        "quarantined": None,
        "error": None,
        "store": None,
    }
    assert look["users"][1]["tags"] == {}

    checked = ok(result, "checked")
    assert ids(checked) == ids(look) and checked["complete"] is False and "diff" not in checked
    for one in checked["access_keys"]:
        assert (one["last_used_known"], one["idle_days"], one["last_used_date"]) == (False, None, None)
    assert checked["users"][0]["tags"] is None
    assert not writes(lab)


def test_who_is_looked_at(lab: Lab, run: Play) -> None:
    """Names, patterns, one or a list, a path, a key's owner; a name twice is one user, and nobody else is asked about."""
    lab.seed_users(
        [
            User("ci-a", (Key(1),), "/robots/"),
            User("ci-b", (Key(1),), "/robots/deep/"),
            User("ci-c", (Key(1),), "/people/"),
            User("web", (Key(1),)),
            User("a+b=c,d.e@f-g_h" + "x" * 49, (Key(1),)),
        ]
    )
    strange = "a+b=c,d.e@f-g_h" + "x" * 49
    key = lab.state()["ci-b"].keys[0]
    everyone = sorted(["ci-a", "ci-b", "ci-c", "web", strange])
    cases: list[tuple[str, dict[str, Any], list[str]]] = [
        ("everyone", {}, everyone),
        ("star", {"user_name": "*"}, everyone),
        ("one", {"username": "web"}, ["web"]),
        ("strange", {"user_name": [strange]}, [strange]),
        ("several", {"user_name": ["web", "ci-a", "web"]}, ["ci-a", "web"]),
        ("pattern", {"user_name": "ci-*"}, ["ci-a", "ci-b", "ci-c"]),
        ("mixed", {"user_name": ["ci-[ab]", "ci-b", "web"]}, ["ci-a", "ci-b", "web"]),
        ("path", {"path_prefix": "/robots/"}, ["ci-a", "ci-b"]),
        ("path_pattern", {"path_prefix": "/robots/", "user_name": "*-b"}, ["ci-b"]),
        ("path_name", {"path_prefix": "/robots/", "user_name": ["ci-a"]}, ["ci-a"]),
        ("owner", {"id": key.access_key_id}, ["ci-b"]),
        ("nobody", {"user_name": "nobody-*"}, []),
    ]
    result = run(*(info_task(name, **options) for name, options, _rest in cases))
    for name, _options, expected in cases:
        look = ok(result, name)
        assert names(look) == expected, name
        assert [row["user_name"] for row in look["access_keys"]] == expected and look["complete"] is True
    assert ok(result, "nobody")["warnings"] == ["No user matches nobody-*"]
    assert not any("warnings" in ok(result, name) for name, _rest, _rest in cases if name != "nobody")


def test_filters_leave_keys_out_and_say_so(lab: Lab, run: Play) -> None:
    lab.seed("ci", Key(100, used_days=2), Key(90, "Inactive", used_days=80), Key(3, "Expired"))
    lab.seed("hidden", Key(100))
    lab.deny("GetAccessKeyLastUsed", "hidden")
    old, off, expired = lab.state()["ci"].keys
    cases: list[tuple[str, dict[str, Any], list[KeyState]]] = [
        ("active", {"status": "Active"}, [old]),
        ("inactive", {"status": "Inactive"}, [off]),
        ("expired", {"status": "Expired"}, [expired]),
        ("age", {"min_age_days": 90}, [old, off]),
        ("idle", {"min_idle_days": 2.9}, [off, expired]),
        ("all", {"min_age_days": 0, "min_idle_days": 0}, [old, off, expired]),
        ("both", {"min_age_days": 1, "status": "Active", "min_idle_days": 1.5}, [old]),
        ("nothing", {"min_age_days": 1000}, []),
    ]
    result = run(
        *(info_task(name, user_name="ci", **options) for name, options, _rest in cases),
        info_task("unknown", min_idle_days=0),
    )
    for name, _options, expected in cases:
        assert ids(ok(result, name)) == [key.access_key_id for key in expected], name
        assert names(ok(result, name)) == ["ci"] and ok(result, name)["complete"] is (name == "all")
    assert "hidden" not in [row["user_name"] for row in ok(result, "unknown")["access_keys"]]


def test_what_the_store_adds(lab: Lab, controller: Controller, run: Play) -> None:
    """Stages, our own deactivations, whether a secret is there; entries that fit no user, where everyone was looked at; no secret."""
    previous, current, waiting, by_hand = lab.seed("ci", Key(200), Key(20), Key(1), Key(50, "Inactive")).keys
    bare = lab.seed("bare", Key(5)).keys[0]
    lab.seed("plain", Key(5))
    user_id = lab.state()["ci"].user_id
    date = "2026-11-01T00:00:00+00:00"
    gone = {
        "account_id": ACCOUNT,
        "user_id": "AIDAGONE",
        "access_key_id": "AKIAGONE",
        "secret_access_key": "gone/secret",
    }
    entries = {
        "ci": {
            "account_id": ACCOUNT,
            "user_id": user_id,
            "access_key_id": current.access_key_id,
            "secret_access_key": current.secret_access_key,
            "create_date": current.create_date,
            "promote_date": date,
            "asked": {"date": date, "known": [previous.access_key_id]},
            "hold_until": date,
            "team": "extra",
            "other_keys": {
                previous.access_key_id: {
                    "secret_access_key": "p/secret",
                    "create_date": previous.create_date,
                    "promote_date": date,
                },
                waiting.access_key_id: {"secret_access_key": "w/secret", "create_date": waiting.create_date},
                by_hand.access_key_id: {"deactivate_date": date},
            },
        },
        "bare": {"access_key_id": bare.access_key_id, "secret_access_key": bare.secret_access_key},
        "gone": gone,
        "elsewhere": {**gone, "account_id": "999999999999"},
        "broken": {"other_keys": ["no mapping"]},
    }
    path = controller.cwd / "keys.yml"
    write_store(path, {"iam_access_keys": entries})
    lab.seed("broken", Key(1))
    before = files(controller.cwd)
    result = run(
        info_task("all", vault_file="keys.yml"),
        info_task("one", vault_file="keys.yml", user_name="ci"),
        info_task("pattern", vault_file="keys.yml", user_name="*i"),
        info_task("star", vault_file="keys.yml", user_name="*"),
        info_task("path", vault_file="keys.yml", path_prefix="/"),
        info_task("new", vault_file="not-yet.yml", user_name="ci"),
        args=("-vvvv",),
    )
    look = ok(result, "all")
    told = {row["access_key_id"]: (row["stage"], row["stored"], row["deactivate_date"]) for row in look["access_keys"]}
    assert [told[key.access_key_id] for key in (previous, current, waiting, by_hand, bare)] == [
        ("previous", True, None),
        ("current", True, None),
        ("next", True, None),
        (None, False, date),
        ("current", True, None),
    ]
    assert told[lab.state()["plain"].keys[0].access_key_id] == (None, False, None)
    store = user_of(look, "ci")["store"]
    assert {name: value for name, value in store.items() if value is not None} == {
        "account_id": ACCOUNT,
        "user_id": user_id,
        "access_key_id": current.access_key_id,
        "create_date": current.create_date,
        "promote_date": date,
        "asked": {"date": date, "known": [previous.access_key_id]},
        "hold_until": date,
        "stored": True,
        "other_keys": {
            previous.access_key_id: {"create_date": previous.create_date, "promote_date": date, "stored": True},
            waiting.access_key_id: {"create_date": waiting.create_date, "stored": True},
            by_hand.access_key_id: {"deactivate_date": date, "stored": False},
        },
    }
    assert user_of(look, "plain")["store"] is None and user_of(look, "bare")["store"]["stored"] is True
    broken = user_of(look, "broken")
    said = f"The entry of user broken in {path} has other_keys that are not a mapping of mappings"
    assert broken["error"] == said and said in look["warnings"]
    only = [{"user_name": "gone", "user_id": "AIDAGONE", "access_key_ids": ["AKIAGONE"]}]
    assert look["store_only"] == ok(result, "star")["store_only"] == only
    for name in ("one", "pattern", "path", "new"):
        assert ok(result, name)["store_only"] == [] or name == "path"
    assert ok(result, "new")["access_keys"][0]["stored"] is False
    for secret in (*secrets(lab.state().values()), "p/secret", "w/secret", "gone/secret"):
        assert secret not in result.output
    assert files(controller.cwd) == before


@pytest.mark.parametrize("in_process", IN_PROCESS_AND_AS_A_MODULE)
def test_what_cannot_be_read_is_said_to_be_unknown(lab: Lab, run: Play, in_process: bool) -> None:
    """One user's error is that user's, and a warning; never is it taken for a key or a use that is not there."""
    users = ["fine", "use_denied", "use_throttled", "keys_denied", "tags_denied"]
    lab.seed_users([User(name, (Key(9, used_days=1),)) for name in users])
    lab.deny("GetAccessKeyLastUsed", "use_denied")
    lab.fault("throttle", "GetAccessKeyLastUsed", user="use_throttled", count=0)
    lab.deny("ListAccessKeys", "keys_denied")
    lab.deny("ListUserTags", "tags_denied")
    result = run(
        info_task("look", tags=True, aws_config={"retries": {"total_max_attempts": 2}}),
        info_task("named", user_name=[*users, "typo", "missing"], aws_config={"retries": {"total_max_attempts": 1}}),
        extra_vars={"keyturn_in_process": in_process},
    )
    for name in ("look", "named"):
        look = ok(result, name)
        rows = {row["user_name"]: row for row in look["access_keys"]}
        for user in ("use_denied", "use_throttled"):
            row = rows[user]
            assert (row["last_used_known"], row["idle_days"], row["last_used_date"], row["last_used_service"]) == (
                False,
                None,
                None,
                None,
            )
            said = f"Could not read the last use of access key {row['access_key_id']}"
            assert user_of(look, user)["error"].startswith(said)
            assert "max retries: 0" not in user_of(look, user)["error"]
        assert (
            "Throttling" in user_of(look, "use_throttled")["error"]
            and "AccessDenied" in user_of(look, "use_denied")["error"]
        )
        assert "keys_denied" not in rows
        assert user_of(look, "keys_denied")["error"].startswith("Could not list the access keys of user keys_denied")
        assert rows["fine"]["last_used_known"] and user_of(look, "fine")["error"] is None
        errors = [user["error"] for user in look["users"] if user["error"]]
        assert sorted(look["warnings"]) == sorted(errors)
    assert user_of(ok(result, "look"), "tags_denied")["error"].startswith("Could not list the tags of user tags_denied")
    for name in ("typo", "missing"):
        typed = user_of(ok(result, "named"), name)
        assert typed["error"].startswith(f"There is no IAM user {name}") and (typed["user_id"], typed["arn"]) == (
            None,
            None,
        )


def test_it_fails_where_nothing_named_could_be_read(lab: Lab, run: Play) -> None:
    lab.seed("ci", Key(1))
    lab.deny("ListAccessKeys", "ci")
    gone = "AKIANOTTHEREATALL123"
    result = run(
        info_task("missing", user_name="nobody"),
        info_task("both_missing", user_name=["nobody", "no-one"]),
        info_task("denied", user_name="ci"),
        info_task("key", access_key_id=gone),
        info_task("elsewhere", user_name="ci", path_prefix="/robots/"),
    )
    assert refusal(result, "missing").startswith("There is no IAM user nobody")
    both = refusal(result, "both_missing")
    assert "nobody" in both and "1 more" in both
    assert refusal(result, "denied").startswith("Could not list the access keys of user ci")
    assert refusal(result, "key").startswith(f"No user of this account could be found for access key {gone}")
    assert refusal(result, "elsewhere") == "There is no IAM user ci under the path /robots/"
    lab.deny("ListUsers")
    result = run(info_task("list", user_name="*"), info_task("everyone"))
    for name in ("list", "everyone"):
        assert refusal(result, name).startswith("Could not list the users") and "iam:ListUsers" in refusal(result, name)


def test_an_account_without_users_is_no_error(lab: Lab, run: Play) -> None:
    look = ok(run(info_task("look")), "look")
    assert (look["users"], look["access_keys"], look["complete"]) == ([], [], True)
    assert look["account"]["account_id"] == ACCOUNT


def test_a_quota_that_may_not_be_read_is_null(lab: Lab, run: Play) -> None:
    lab.seed("ci", Key(1))
    lab.deny("GetAccountSummary")
    result = run(info_task("look"))
    account = ok(result, "look")["account"]
    assert (account["access_keys_quota"], account["root_access_key_present"], account["account_id"]) == (
        None,
        None,
        ACCOUNT,
    )


def test_a_user_or_key_that_vanishes_meanwhile(lab: Lab, controller: Controller) -> None:
    """A user is left out with a warning; a key that another run deleted is left out."""
    lab.seed_users([User("a", (Key(1),)), User("b", (Key(1),)), User("c", (Key(2), Key(1)))])
    deleted, kept = lab.state()["c"].keys
    lab.fault("pause", "ListAccessKeys", user="b")
    running = controller.start(play(info_task("look", max_concurrency=1)))
    lab.wait_paused()
    lab.delete_user("b")
    lab.fault("pause", "GetAccessKeyLastUsed", user="c")
    lab.release()
    lab.wait_paused()
    lab.delete_key(deleted.access_key_id)
    lab.release()
    look = ok(running.wait().ok(), "look")
    assert names(look) == ["a", "c"] and look["warnings"] == ["User b vanished meanwhile"]
    assert ids(look) == [lab.state()["a"].keys[0].access_key_id, kept.access_key_id]
    assert [user["error"] for user in look["users"]] == [None, None]


def test_250_users_over_three_pages(lab: Lab, run: Play) -> None:
    """One request a page, one a user, one a key, at most two more; never more at once than max_concurrency."""
    lab.seed_users(
        User(
            f"user-{number:03}",
            (Key(number, used_days=number / 2),) if number % 5 else (),
            "/odd/" if number % 2 else "/even/",
        )
        for number in range(250)
    )
    result = run(info_task("look"))
    look = ok(result, "look")
    assert names(look) == [f"user-{number:03}" for number in range(250)] and len(look["access_keys"]) == 200
    count = Counter(actions(lab))
    assert (
        count.pop("ListUsers") == 3 and count.pop("ListAccessKeys") == 250 and count.pop("GetAccessKeyLastUsed") == 200
    )
    assert count.total() <= 2
    assert max(request.in_flight for request in lab.requests()) <= 16

    lab.clear_requests()
    lab.settings(latency_ms=20)
    run(info_task("narrow", path_prefix="/odd/", max_concurrency=3, last_used=False))
    assert max(request.in_flight for request in lab.requests()) == 3
    count = Counter(actions(lab))
    assert (count["ListUsers"], count["ListAccessKeys"], count["GetAccessKeyLastUsed"]) == (2, 125, 0)

    lab.clear_requests()
    lab.settings(latency_ms=0)
    named = ok(run(info_task("named", user_name=["user-001", "user-002"])), "named")
    assert len(named["access_keys"]) == 2
    count = Counter(actions(lab))
    assert (count["ListUsers"], count["GetUser"], count["ListAccessKeys"], count["GetAccessKeyLastUsed"]) == (
        0,
        2,
        2,
        2,
    )


def test_whom_aws_has_quarantined(lab: Lab, run: Play) -> None:
    """One request an account where it is nobody; over pages; who may not ask, and whom IAM does not answer."""
    lab.seed_users([User(name, (Key(9),)) for name in ("ana", "ben", "cem", "dia")])
    for user_name, policy in (("ana", "ReadOnlyAccess"), ("ben", "ReadOnlyAccess")):
        lab.attach(user_name, policy)
    run(info_task("look"))
    assert Counter(actions(lab))["ListPolicies"] == 1 and "ListEntitiesForPolicy" not in actions(lab)

    lab.settings(page_size=1)
    for user_name, policy in (("ben", "V2"), ("cem", "V3"), ("dia", "V3")):
        lab.attach(user_name, f"AWSCompromisedKeyQuarantine{policy}")
    result = run(info_task("look"), info_task("one", user_name="dia"), info_task("unasked", quarantined=False))
    two, three = (f"AWSCompromisedKeyQuarantine{version}" for version in ("V2", "V3"))
    assert [user["quarantined"] for user in ok(result, "look")["users"]] == [None, two, three, three]
    assert [user["quarantined"] for user in ok(result, "one")["users"]] == [three]
    assert [user["quarantined"] for user in ok(result, "unasked")["users"]] == [None] * 4
    lab.clear_requests()
    lab.deny("ListEntitiesForPolicy")
    told = ok(run(info_task("look")), "look")
    assert {(user["quarantined"], user["error"]) for user in told["users"]} == {(None, None)}
    assert told["warnings"] == [
        f"AWS has quarantined a user of this account ({policy}), but which one may not be read: permit "
        "iam:ListEntitiesForPolicy"
        for policy in (two, three)
    ]
    lab.fault("error", "ListPolicies", code="ValidationError", count=0)
    unread = ok(run(info_task("look", user_name=["ana", "ben"])), "look")
    errors = [user["error"] for user in unread["users"]]
    assert (
        errors[0].startswith("Could not list the policies of AWS that are attached") and "ValidationError" in errors[0]
    )
    assert errors == [errors[0]] * 2 and unread["warnings"] == [errors[0]] and len(unread["access_keys"]) == 2


def test_keys_over_two_pages(lab: Lab, run: Play) -> None:
    keys = lab.seed("ci", Key(3), Key(2), Key(1)).keys
    lab.settings(keys_page_size=2)
    assert ids(ok(run(info_task("look")), "look")) == [key.access_key_id for key in keys]


def test_it_is_the_same_way_that_a_vault_file_asks_for(lab: Lab, controller: Controller) -> None:
    """With vault_file elsewhere it is refused before any request."""
    lab.seed("ci", Key(1))
    inventory = "far ansible_host=192.0.2.1 ansible_connection=ansible.builtin.ssh\n"
    tasks = [
        info_task("remote", vault_file="keys.yml"),
        info_task("become", {"delegate_to": "localhost", "become": True}, vault_file="keys.yml"),
    ]
    result = controller.run(play(*tasks, hosts="far"), inventory=inventory).ok()
    for name, way in [("remote", "use a local connection"), ("become", "set become: false")]:
        assert refusal(result, name).startswith(
            f"A task with vault_file runs in the controller's process, where the secret stays: {way}"
        )
    assert not lab.requests()
