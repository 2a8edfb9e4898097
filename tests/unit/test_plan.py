# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract's table, row by row and clause by clause."""

from __future__ import annotations

import random
import re
from datetime import datetime
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.keyturn.iam.plugins.filter.rotation import FilterModule
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import DEFAULT
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from worlds import NOW, Info, Record, ago, apply, entry, info, key, note, user
from worlds import row as row_of

A, B, C, N, L = (f"AKIA{letter * 16}" for letter in "ABCNL")
HOUR = 1 / 24
MINUTE = HOUR / 60
UNUSED = {
    "number": "1.11",
    "title": "Ensure credentials unused for 45 days or more are disabled",
    "on_purpose": False,
}
ONE_KEY = {
    "number": "1.12",
    "title": "Ensure there is only one active access key for any single IAM user",
    "on_purpose": False,
}
ROTATED = {"number": "1.13", "title": "Ensure access keys are rotated every 90 days or less", "on_purpose": False}

rotation_plan = FilterModule().filters()["rotation_plan"]


def decided(seen: Info, user_name: str = "ci", **policy: Any) -> Record:
    """The one decision about a user."""
    (decision,) = [one for one in rotation_plan(seen, policy) if one["user_name"] == user_name]
    return decision


def does(decision: Record) -> list[tuple[str, str | None]]:
    return [(action["action"], action["access_key_id"]) for action in decision["actions"]]


def told(decision: Record) -> str:
    """All that a person is told: the reason and the ways out."""
    return "\n".join([decision["reason"], *(remedy["say"] for remedy in decision["remedies"])])


def tasks(decision: Record) -> list[Record]:
    """The options of the tasks that the ways out have."""
    return [remedy["task"]["keyturn.iam.iam_access_key"] for remedy in decision["remedies"] if "task" in remedy]


def ahead(days: float) -> str:
    return ago(-days)


# -- the first four rows: nothing is touched -------------------------------------------------------------------------

OVERDUE = entry(A, 200, 200, other_keys={B: note(300, 290, off=100)})


def overdue(**changes: Any) -> Info:
    """A user who is due for a new key and has one to delete; only the first four rows leave that alone."""
    keys = [key(B, 300, 110, "Inactive"), key(A, 200, 1)]
    return {**info(keys, OVERDUE), **changes}


def test_the_world_of_the_first_four_rows_has_something_to_do() -> None:
    assert does(decided(overdue())) == [("delete", B), ("create", None)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"users": [user(store=OVERDUE, error="ListAccessKeys was denied for user ci")]},
            ["ListAccessKeys was denied."],
        ),
        (
            {"access_keys": [key(A, 200, 1), key(B, 300, None, "Inactive", last_used_known=False)]},
            [B, "last use"],
        ),
        ({"users": [user(store={**OVERDUE, "account_id": "999999999999"})]}, ["999999999999", "123456789012"]),
        ({"users": [user(store={**OVERDUE, "user_id": "AIDABEFORE"})]}, ["AIDABEFORE", "AIDACI", "made again"]),
        ({"users": [user(store="gibberish")]}, ["entry", "not a mapping"]),
        ({"users": [user(store={**OVERDUE, "other_keys": [B]})]}, ["entry", "not a mapping"]),
        ({"users": [user(store={**OVERDUE, "other_keys": {B: "secret"}})]}, ["entry", "not a mapping of mappings"]),
        (
            {"users": [user(store={**OVERDUE, "promote_date": "yesterday"})]},
            ["promote_date", "not an ISO 8601 date"],
        ),
        ({"access_keys": [key(A, 200, 1, create_date=None)], "users": [user()]}, [A, "when", "made"]),
        ({"access_keys": [key(A, 200, 1, access_key_id=None)]}, ["no id"]),
        ({"users": []}, ["look again"]),
    ],
)
def test_what_cannot_be_read_or_belongs_to_another_is_an_error(changes: dict[str, Any], words: list[str]) -> None:
    decision = decided(overdue(**changes), exempt="*", now="ci")
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("error", [], None)
    for word in words:
        assert word.lower() in decision["reason"].lower()


def test_one_users_error_is_no_other_users() -> None:
    seen = info(
        [key(A, 1, 1, user="fine"), key(B, 1, 1, user="odd", last_used_known=False)], users=[user("odd"), user("fine")]
    )
    assert [(one["user_name"], one["status"]) for one in rotation_plan(seen)] == [
        ("fine", "compliant"),
        ("odd", "error"),
    ]


def test_the_account_is_known_from_the_users_arn_too() -> None:
    seen = overdue(users=[user(store={**OVERDUE, "account_id": "999999999999"})], account={"access_keys_quota": 2})
    assert decided(seen)["status"] == "error"


def test_an_entry_without_a_user_is_gone() -> None:
    seen = info(users=[])
    seen["store_only"] = [{"user_name": "old", "user_id": "AIDAOLD", "access_key_ids": [A, B]}]
    decision = decided(seen, "old", exempt=["*"])
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("gone", [], None)
    assert decision["about"] == [A, B]
    assert decision["reason"] == "The store has 2 keys of this user, whom IAM does not have."
    assert tasks(decision) == [{"user_name": "old", "access_key_id": one, "state": "absent"} for one in (A, B)]


def test_an_entry_without_a_user_and_without_keys_is_gone() -> None:
    seen = info(users=[])
    seen["store_only"] = [{"user_name": "old", "user_id": None, "access_key_ids": []}]
    assert decided(seen, "old")["status"] == "gone" and "ansible-vault edit" in told(decided(seen, "old"))


@pytest.mark.parametrize("user_id", ["AIDACI", None])
def test_a_renamed_user_is_gone_and_named(user_id: str | None) -> None:
    seen = info([key(A, 200, 1)])
    seen["store_only"] = [{"user_name": "old", "user_id": user_id, "access_key_ids": [A]}]
    decision = decided(seen, "old")
    assert (decision["status"], decision["actions"]) == ("gone", [])
    assert "now called ci" in decision["reason"] and "Rename the entry old in the store to ci" in told(decision)
    assert tasks(decision) == []


def test_a_renamed_user_gets_no_second_entry_unless_a_person_says_so() -> None:
    seen = info([key(A, 200, 100)])
    seen["store_only"] = [{"user_name": "old", "user_id": "AIDACI", "access_key_ids": [A]}]
    decision = decided(seen, unused_days=None)
    assert (decision["status"], decision["actions"]) == ("blocked", [])
    assert "old" in decision["reason"] and "Rename" in told(decision) and "rotation_now" in told(decision)
    assert decided(seen, unused_days=30)["status"] == "blocked"
    assert does(decided(seen, now=["ci"])) == [("create", None)]


def test_a_name_that_was_asked_for_and_that_iam_does_not_have_is_one_decision() -> None:
    seen = info(users=[user("old", error="There is no IAM user old", user_id=None)])
    seen["store_only"] = [{"user_name": "old", "user_id": "AIDAOLD", "access_key_ids": [A]}]
    assert [one["status"] for one in rotation_plan(seen)] == ["error"]


@pytest.mark.parametrize("exempt", ["ci", ["ci"], ["other", "c*"], "c?", "other,ci", "other ci", "CI", ["Other", "C*"]])
def test_exempt_users_are_left_alone_though_named(exempt: Any) -> None:
    decision = decided(overdue(), exempt=exempt, now=["ci"])
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("exempt", [], None)
    assert "rotation_now" in decision["reason"]


@pytest.mark.parametrize("exempt", ["c", "i", "cix", ["ci,other"], ["*-ci"]])
def test_exempt_is_a_whole_name(exempt: Any) -> None:
    assert decided(overdue(), exempt=exempt)["status"] == "due"


def test_held_after_a_rollback_though_named() -> None:
    seen = overdue(users=[user(store={**OVERDUE, "hold_until": ahead(3)})])
    decision = decided(seen, now=["ci"])
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("held", [], ahead(3))


def test_a_hold_ends_at_its_date() -> None:
    seen = overdue(users=[user(store={**OVERDUE, "hold_until": ahead(0)})])
    assert decided(seen)["status"] == "due"


# -- revoked ---------------------------------------------------------------------------------------------------------


def revoked(days: float = 3, **more: Any) -> Record:
    return {**note(100, off=days, **more), "revoke_date": ago(days)}


@pytest.mark.parametrize("policy", [{}, {"exempt": "*"}, {"now": "ci"}, {"unused_days": 1}])
@pytest.mark.parametrize("used", [0.1, None])
@pytest.mark.parametrize(
    "record", [revoked(), revoked(promoted=90), {"revoke_date": ago(3)}], ids=["next", "previous", "by hand"]
)
def test_a_revoked_key_that_works_is_switched_off_whatever_else(
    record: Record, used: float | None, policy: Record
) -> None:
    """Cases L1 to L3: the revocation was cut off, or somebody switched the key on."""
    store = entry(A, 20, 20, other_keys={B: record}, hold_until=ahead(7), asked={"date": ago(0.01), "known": []})
    decision = decided(info([key(B, 100, used), key(A, 20, 1)], store), **policy)
    assert (decision["status"], does(decision), decision["about"]) == ("revoked", [("deactivate", B)], [B])
    (action,) = decision["actions"]
    assert action["leaked"] is True and "replacement" not in action and action["min_idle_days"] is None
    assert action["reason"] == "revoked 3 days ago"
    assert decision["reason"] == "It works still: it is switched off for good."
    assert tasks(decision) == [{"user_name": "ci", "access_key_id": B, "active": True, "leaked": False}]


def test_the_run_does_not_switch_off_the_revoked_key_that_signs_it() -> None:
    store = entry(other_keys={B: revoked(), C: revoked()})
    decision = decided(info([key(B, 100, 1), key(C, 50, 1)], store, signing_access_key_id=B))
    assert (decision["status"], does(decision)) == ("revoked", [("deactivate", C)])
    assert f"{B} signs this run" in told(decision) and "one signs this run" in decision["reason"]
    alone = decided(info([key(B, 100, 1)], store, signing_access_key_id=B))
    assert (alone["status"], alone["actions"], alone["next_date"]) == ("revoked", [], None)


def test_a_revoked_key_is_nothing_else() -> None:
    off = key(N, 1, None, "Inactive")
    waiting = {N: {**note(1, off=1), "revoke_date": ago(1)}}
    assert (
        decided(info([key(A, 95, 1), off], entry(A, 95, 95, other_keys=waiting), access_keys_quota=3))["status"]
        == "due"
    )
    assert does(decided(info([key(A, 20, 1), off], entry(A, 20, 20, other_keys=waiting)))) == []
    unlisted = decided(
        info([key(A, 20, 1)], entry(A, 20, 20, other_keys={N: {**note(0.01), "revoke_date": ago(0.01)}}))
    )
    assert (unlisted["status"], unlisted["actions"]) == ("compliant", []), "a list will show it for nothing"
    current = decided(info([key(A, 20, 1, "Inactive")], {**entry(A, 20, 20), "revoke_date": ago(1)}))
    assert current["status"] == "no_active_key", (
        "somebody wrote that by hand: it is current for nobody, and so not broken"
    )


def test_a_revoked_key_that_is_off_is_deleted_as_others_that_we_switched_off() -> None:
    seen = info([key(B, 100, 60, "Inactive"), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: revoked(30)}))
    assert does(decided(seen)) == [("delete", B)] and decided(seen)["actions"][0]["noted"] is True
    waits = info([key(B, 100, 60, "Inactive"), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: revoked(29)}))
    assert (decided(waits)["status"], decided(waits)["next_date"]) == ("grace", ahead(1))


def test_a_key_that_was_revoked_this_very_second_does_not_take_the_room_of_another() -> None:
    now = {**note(100, promoted=99, off=0), "revoke_date": ago(0)}
    seen = info([key(B, 100, 1, "Inactive"), key(A, 95, 1)], entry(A, 95, 95, other_keys={B: now}), access_keys_quota=3)
    assert does(decided(seen)) == [("create", None)]


# -- a request without an answer -------------------------------------------------------------------------------------


def unanswered(minutes: float, age: float = 100, **store: Any) -> Info:
    asked = {"date": ago(minutes * MINUTE), "known": [A]}
    return info([key(A, age, 1)], entry(A, age, age, asked=asked, **store))


@pytest.mark.parametrize("age", [100, 20])
def test_no_key_is_made_while_one_may_still_show(age: float) -> None:
    """Case U3."""
    decision = decided(unanswered(59, age))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("due", [], ahead(MINUTE))
    assert decision["reason"] == (
        f"No answer came to a request for a key: unless that key shows, a run goes on after {ahead(MINUTE)}."
    )
    assert "rotation_now" in told(decision)


def test_after_an_hour_or_once_its_key_has_shown_a_run_goes_on() -> None:
    assert does(decided(unanswered(60))) == [("create", None)]
    assert "ask_again" not in decided(unanswered(60))["actions"][0]
    shown = unanswered(30)
    shown["access_keys"].append(key(L, 30 * MINUTE))
    assert decided(shown)["status"] == "leftover"
    assert does(decided(unanswered(30, other_keys={N: note(30 * MINUTE)}))) == [("verify", N)]


def test_a_person_who_names_the_user_gets_another_key() -> None:
    (action,) = decided(unanswered(30), now="ci")["actions"]
    assert (action["action"], action["ask_again"]) == ("create", True)
    assert decided(unanswered(30), exempt="ci")["status"] == "exempt"


# -- leftovers -------------------------------------------------------------------------------------------------------


def with_leftover(hours: float, **changes: Any) -> Info:
    """A young current key, and a key made by a request whose answer was lost."""
    asked = {"date": ago(hours=hours, seconds=3), "known": [A]}
    keys = [key(A, 10, 1), key(L, hours * HOUR, None)]
    return {**info(keys, entry(A, 10, 10, asked=asked)), **changes}


def test_a_young_leftover_waits() -> None:
    decision = decided(with_leftover(11.9))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("leftover", [], ago(hours=11.9 - 12))
    assert L in told(decision) and decision["next_date"] in decision["reason"]


def test_a_leftover_of_twelve_hours_is_deleted_and_the_rest_decided_without_it() -> None:
    decision = decided(with_leftover(12))
    assert (decision["status"], does(decision)) == ("compliant", [("delete", L)])
    assert decision["actions"][0]["min_idle_days"] == 7


def test_a_leftover_does_not_hold_up_named_users() -> None:
    decision = decided(with_leftover(1), now=["ci"])
    assert (decision["status"], does(decision)) == ("due", [("delete", L), ("create", None)])


def test_a_leftover_is_in_nobodys_way() -> None:
    seen = with_leftover(13)
    seen["access_keys"][0]["create_date"] = seen["users"][0]["store"]["create_date"] = ago(95)
    decision = decided(seen)
    assert (decision["status"], does(decision)) == ("due", [("delete", L), ("create", None)])
    assert decision["actions"][1]["replaces"] == A


def test_a_leftover_that_we_switched_off_is_deleted_once() -> None:
    seen = with_leftover(13)
    seen["access_keys"][1]["status"] = "Inactive"
    seen["users"][0]["store"]["other_keys"] = {L: note(off=0.1)}
    assert does(decided(seen, delete_after_days=0)) == [("delete", L)]
    assert decided({**seen, "now": ago(hours=2)}, delete_after_days=0)["status"] == "leftover"


def test_a_user_with_a_leftover_alone_has_no_active_key() -> None:
    seen = with_leftover(13)
    del seen["access_keys"][0]
    seen["users"] = [user(store={"asked": {"date": ago(hours=13), "known": []}})]
    decision = decided(seen)
    assert (decision["status"], does(decision)) == ("no_active_key", [("delete", L)])


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_leftover_is_made_within_five_minutes_of_asking(seconds: int) -> None:
    seen = with_leftover(13)
    seen["users"][0]["store"]["asked"]["date"] = ago(hours=13, seconds=seconds)
    assert does(decided(seen)) == [("delete", L)]


NO_LEFTOVERS: dict[str, dict[str, Any]] = {
    "made too early": {"asked": {"date": ago(hours=13, seconds=-301), "known": [A]}},
    "made too late": {"asked": {"date": ago(hours=13, seconds=301), "known": [A]}},
    "there before": {"asked": {"date": ago(hours=13), "known": [A, L]}},
    "never asked": {"asked": None},
    "nobody knows what was there before": {"asked": {"date": ago(hours=13)}},
    "nobody knows when": {"asked": {"known": [A]}},
    "its secret is stored": {"other_keys": {L: note(13 * HOUR)}, "access_key_id": None},
}


@pytest.mark.parametrize("store", NO_LEFTOVERS.values(), ids=NO_LEFTOVERS.keys())
def test_what_is_no_leftover_by_the_store(store: dict[str, Any]) -> None:
    seen = with_leftover(13)
    seen["users"][0]["store"].update(store)
    for named in ([], ["ci"]):
        assert ("delete", L) not in does(decided(seen, now=named))


def test_a_used_key_is_no_leftover() -> None:
    seen = with_leftover(13)
    seen["access_keys"][1] = key(L, 13 * HOUR, 12.5 * HOUR)
    for named in ([], ["ci"]):
        assert ("delete", L) not in does(decided(seen, now=named))


def test_the_key_that_signs_the_run_is_no_leftover_though_its_use_is_not_shown_yet() -> None:
    seen = with_leftover(13)
    seen["account"]["signing_access_key_id"] = L
    assert does(decided(seen)) == []


@pytest.mark.parametrize("used", [None, 12.5 * HOUR])
def test_of_two_keys_that_might_be_the_leftover_none_is(used: float | None) -> None:
    seen = with_leftover(13)
    seen["access_keys"].append(key(N, 13 * HOUR, used))
    seen["account"]["access_keys_quota"] = 5
    assert does(decided(seen, now=["ci"])) == [("create", None)]


# -- next ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [[], ["ci"]])
def test_an_active_next_is_verified(named: list[str]) -> None:
    decision = decided(info([key(A, 95, 1), key(N, 2)], entry(A, 95, 95, other_keys={N: note(2)})), now=named)
    assert (decision["status"], does(decision), decision["next_date"]) == ("due", [("verify", N)], None)
    assert decision["actions"][0]["replaces"] is None and decision["actions"][0]["min_idle_days"] is None


def test_a_next_that_lists_do_not_show_yet_is_verified() -> None:
    seen = info([key(A, 95, 1)], entry(A, 95, 95, other_keys={N: note(59 * MINUTE)}))
    assert does(decided(seen)) == [("verify", N)]


def test_a_next_that_is_deleted_gives_way_to_the_one_before_it() -> None:
    keys = [key(N, 60, 50, "Inactive"), key(B, 61)]
    seen = info(keys, entry(other_keys={B: note(61), N: note(60, off=31)}))
    assert does(decided(seen)) == [("delete", N), ("verify", B)]


def test_a_next_without_a_current_is_verified() -> None:
    assert does(decided(info([key(N, 2)], entry(other_keys={N: note(2)})))) == [("verify", N)]


def test_the_newest_of_several_is_next() -> None:
    seen = info(
        [key(A, 95, 1), key(B, 3), key(N, 2)],
        entry(A, 95, 95, other_keys={N: note(2), B: note(3)}),
        access_keys_quota=3,
    )
    assert does(decided(seen)) == [("verify", N)]


def test_a_key_made_in_the_same_second_as_the_current_one_and_never_current_is_next() -> None:
    assert does(decided(info([key(N, 5), key(A, 5, 1)], entry(A, 5, 5, other_keys={N: note(5)})))) == [("verify", N)]


@pytest.mark.parametrize(
    "record",
    [note(2, promoted=1), note(20), note(2, stored=False), note(2, off=1)],
    ids=["was current", "older than the current", "no secret", "switched off by us"],
)
def test_what_is_not_next(record: Record) -> None:
    status = "Inactive" if "deactivate_date" in record else "Active"
    seen = info(
        [key(A, 10, 1), key(N, 2, 1, status, create_date=record["create_date"])],
        entry(A, 10, 10, other_keys={N: record}),
    )
    assert "verify" not in [action for action, _rest in does(decided(seen))]


# -- broken ----------------------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[list[Record], Record]] = {
    "current is Inactive": (
        [key(A, 10, 1, "Inactive"), key(B, 100, 1)],
        entry(A, 10, 10, other_keys={B: note(100, 90)}),
    ),
    "current is Expired": ([key(A, 10, 1, "Expired"), key(B, 100, 1)], entry(A, 10, 10)),
    "current is missing": ([key(B, 100, 1)], entry(A, 10, 10)),
    "current is missing for an hour": ([key(B, 100, 1)], entry(A, HOUR, 0)),
    "current is missing, of an unknown age": ([key(B, 100, 1)], entry(A)),
    "the only key is Inactive": ([key(A, 10, 1, "Inactive")], entry(A, 10, 10)),
    "next is Inactive": ([key(A, 100, 1), key(N, 2, None, "Inactive")], entry(A, 100, 100, other_keys={N: note(2)})),
    "next is missing": ([key(A, 100, 1)], entry(A, 100, 100, other_keys={N: note(2)})),
    "an older copy of the store": ([key(B, 10, 1), key(A, 100, 9, "Inactive")], entry(A, 100, 100)),
}


@pytest.mark.parametrize(("keys", "store"), BROKEN.values(), ids=BROKEN.keys())
def test_stored_keys_that_a_person_switched_off_or_deleted(keys: list[Record], store: Record) -> None:
    decision = decided(info(keys, store))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("broken", [], None)
    assert decision["about"] == [N if "next" in decision["reason"] else A]
    assert "name ci in rotation_now" in told(decision)
    (about,) = decision["about"]
    way_out, *room = [task for task in tasks(decision) if task["access_key_id"] == about]
    assert room in ([], [{"user_name": "ci", "access_key_id": about, "state": "absent"}])
    listed = any(one["access_key_id"] == about for one in keys)
    assert way_out == {
        "user_name": "ci",
        "access_key_id": about,
        **({"active": True} if listed else {"state": "absent"}),
    }


def test_a_current_key_that_lists_do_not_show_yet_is_not_broken() -> None:
    assert decided(info([key(B, 100, 20)], entry(A, 59 * MINUTE, 50 * MINUTE)))["status"] == "grace"


def test_what_we_switched_off_is_not_broken() -> None:
    switched_off = info([key(A, 10, 9, "Inactive"), key(B, 5, 1)], entry(A, 10, 10, off=6))
    assert decided(switched_off)["status"] == "grace"
    next_too = info([key(A, 10, 1), key(N, 2, None, "Inactive")], entry(A, 10, 10, other_keys={N: note(2, off=1)}))
    assert decided(next_too)["status"] == "grace"


def test_a_missing_key_that_we_had_switched_off_is_not_broken() -> None:
    seen = info([key(A, 10, 1)], entry(A, 10, 10, other_keys={N: note(2, off=1)}))
    assert decided(seen)["status"] == "grace"


def test_broken_does_not_hold_up_named_users() -> None:
    seen = info([key(A, 10, 1, "Inactive")], entry(A, 10, 10))
    decision = decided(seen, now=["ci"])
    assert (decision["status"], does(decision)) == ("due", [("create", None)])
    assert decision["actions"][0]["replaces"] is None and decision["actions"][0]["max_age_days"] == 1
    missing = decided(info([key(B, 100, 1)], entry(A, 10, 10)), now=["ci"])
    assert does(missing) == [("create", None)] and missing["actions"][0]["replaces"] == B


def test_what_is_broken_is_said_of_named_users_too() -> None:
    seen = info([key(A, 0.5, 0.1)], entry(A, 0.5, 0.5, other_keys={N: note(0.4)}))
    decision = decided(seen, now=["ci"])
    assert (decision["status"], decision["actions"]) == ("due_soon", [])
    assert f"Remove {N} from the store" in told(decision) and "IAM no longer has it" in told(decision)


def test_an_active_next_mends_a_broken_current() -> None:
    seen = info([key(A, 95, 1, "Inactive"), key(N, 2)], entry(A, 95, 95, other_keys={N: note(2)}))
    assert does(decided(seen)) == [("verify", N)]


def test_a_stored_key_of_another_user_is_said_to_be_and_left_alone() -> None:
    keys = [key(A, 10, 1, user="other"), key(B, 100, 20, "Inactive", user="other")]
    store = entry(A, 10, 10, other_keys={B: note(100, 90, off=40)})
    decision = decided(info(keys, users=[user(store=store), user("other")]))
    assert (decision["status"], decision["actions"]) == ("broken", [])
    assert decision["reason"] == "The stored current key belongs to user other."
    assert f"{A}, which is user other's" in told(decision) and tasks(decision) == []


def test_a_stored_key_of_another_user_is_not_taken_for_gone_or_for_new() -> None:
    keys = [key(A, 20, 1), key(B, 100, 20, "Inactive", user="other"), key(N, 0.01, user="other")]
    store = entry(A, 20, 20, other_keys={B: note(100, 90, off=40), N: note(0.01)})
    decision = decided(info(keys, users=[user(store=store), user("other")]))
    assert (decision["status"], decision["actions"]) == ("compliant", [])
    assert f"{B}, which is user other's" in told(decision) and "no longer" not in told(decision)


# -- no Active key ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "store"),
    [
        ([], None),
        ([key(A, 10, 1, "Inactive")], None),
        ([key(A, 10, 1, "Inactive"), key(B, 100, 1, "Inactive")], None),
        ([key(A, 10, 1, "Expired")], None),
        ([key(A, 200, 150, "Inactive")], entry(A, 200, 200, off=20)),
        ([], entry()),
    ],
)
def test_nobody_is_armed_again(keys: list[Record], store: Record | None) -> None:
    decision = decided(info(keys, store), unused_days=5)
    assert (decision["status"], decision["actions"]) == ("no_active_key", [])
    assert "rotation_now" in told(decision) and {row["access_key_id"] for row in keys} == set(decision["about"])
    assert {(task["access_key_id"], task["state"]) for task in tasks(decision)} == {
        (row["access_key_id"], "absent") for row in keys
    }
    named = decided(info(keys, store, access_keys_quota=3), now=["ci"])
    assert (named["status"], does(named)) == ("due", [("create", None)])


def test_the_stored_current_key_that_was_unused_stays_until_a_person_decides() -> None:
    decision = decided(info([key(A, 200, 150, "Inactive")], entry(A, 200, 200, off=31)), unused_days=90)
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("no_active_key", [], None)
    assert tasks(decision) == [{"user_name": "ci", "access_key_id": A, "state": "absent"}]


def test_a_next_date_where_a_switched_off_key_will_be_deleted() -> None:
    decision = decided(info([key(A, 200, 50, "Inactive")], entry(other_keys={A: note(off=20)})))
    assert (decision["status"], decision["next_date"]) == ("no_active_key", ahead(10))


# -- unused ----------------------------------------------------------------------------------------------------------


def test_users_whose_keys_are_all_unused() -> None:
    seen = info([key(B, 300, 91), key(A, 100, 90)], entry(A, 100, 90))
    decision = decided(seen, unused_days=90)
    assert (decision["status"], does(decision), decision["next_date"]) == (
        "unused",
        [("deactivate", B), ("deactivate", A)],
        None,
    )
    assert [action["min_idle_days"] for action in decision["actions"]] == [90, 90]
    assert decided(seen)["status"] != "unused"
    assert decided(seen, unused_days=90, now=["ci"])["status"] != "unused"


@pytest.mark.parametrize(
    ("keys", "store"),
    [
        ([key(B, 300, 91), key(A, 100, 89)], entry(A, 100, 90)),
        ([key(B, 300, 89, "Inactive"), key(A, 100, 91)], entry(A, 100, 95)),
        ([key(A, 89, None)], None),
        ([key(A, 100, None)], entry(A, 100, 89)),
    ],
    ids=["used", "an Inactive one used", "made", "promoted"],
)
def test_users_with_one_sign_of_life(keys: list[Record], store: Record | None) -> None:
    assert decided(info(keys, store), unused_days=90, max_age_days=1000)["status"] != "unused"


def test_users_without_an_entry_can_be_unused() -> None:
    decision = decided(info([key(A, 100, None), key(B, 95, 92, "Inactive")]), unused_days=90)
    assert (decision["status"], does(decision)) == ("unused", [("deactivate", A)])


def test_when_a_user_will_be_unused() -> None:
    decision = decided(info([key(A, 60, 50)], entry(A, 60, 20)), unused_days=30, warn_days=0)
    assert (decision["status"], decision["next_date"]) == ("compliant", ahead(10))


def test_the_key_that_signs_the_run_is_not_unused() -> None:
    seen = info([key(A, 100, None)], signing_access_key_id=A)
    assert decided(seen, unused_days=90)["status"] == "due"


def test_a_small_unused_days_switches_off_nothing_in_use() -> None:
    assert decided(info([key(A, 50, 3)]), unused_days=2)["status"] == "compliant"
    decision = decided(info([key(A, 50, 8)]), unused_days=2)
    assert does(decision) == [("deactivate", A)] and decision["actions"][0]["min_idle_days"] == 7


def test_unused_keys_are_not_switched_off_twice() -> None:
    seen = info([key(B, 300, 91), key(A, 100, 90)], entry(A, 100, 90))
    after = apply(seen, rotation_plan(seen, {"unused_days": 90}))
    assert (decided(after, unused_days=90)["status"], decided(after, unused_days=90)["actions"]) == (
        "no_active_key",
        [],
    )


# -- due -------------------------------------------------------------------------------------------------------------


def test_a_stored_key_that_reached_its_age() -> None:
    seen = info([key(A, 76, 1)], entry(A, 76, 75))
    decision = decided(seen)
    assert (decision["status"], does(decision), decision["next_date"]) == ("due", [("create", None)], None)
    (action,) = decision["actions"]
    assert action == {
        "action": "create",
        "user_name": "ci",
        "access_key_id": None,
        "replaces": A,
        "min_idle_days": None,
        "max_age_days": 76,
        "reason": "76 days old, limit 90",
    }
    assert decided(seen, max_age_days=90.01)["status"] == "due_soon"
    assert decided(seen, renew_before_days=13.99)["status"] == "due_soon"


def test_where_nothing_is_stored_the_newest_active_key_counts() -> None:
    old_and_parked = [key(B, 90, 1), key(A, 200, 150, "Inactive")]
    decision = decided(info(old_and_parked, access_keys_quota=3))
    assert does(decision) == [("create", None)] and decision["actions"][0]["replaces"] == B
    assert decided(info([key(A, 75, 1), key(B, 200, 1)]))["status"] == "unmanaged"
    assert (
        decided(info([key(A, 89, 1, "Inactive"), key(B, 200, 1)], access_keys_quota=3))["actions"][0]["replaces"] == B
    )


def test_where_the_current_was_switched_off_by_us_the_newest_active_key_counts() -> None:
    seen = info([key(A, 10, 9, "Inactive"), key(B, 91, 1)], entry(A, 10, 10, off=5), access_keys_quota=3)
    decision = decided(seen)
    assert does(decision) == [("create", None)] and decision["actions"][0]["replaces"] == B


def test_named_users_get_a_key_after_a_day() -> None:
    decision = decided(info([key(A, 1, 0.1)], entry(A, 1, 1)), now="ci")
    assert does(decision) == [("create", None)]
    assert (decision["actions"][0]["max_age_days"], decision["actions"][0]["replaces"]) == (1, A)
    assert decided(info([key(A, 0.9, 0.1)], entry(A, 0.9, 0.9)), now="ci")["actions"] == []
    assert decided(info([key(A, 0.6, 0.1)]), now="ci", max_age_days=0.5)["actions"][0]["max_age_days"] == 0.5


def test_names_are_compared_without_case_as_iam_does() -> None:
    assert decided(info([key(A, 2, 1)], entry(A, 2, 2)), now=["Ci"])["status"] == "due"
    assert decided(info([key(A, 95, 1, user="CI")], users=[user("CI")]), "CI", exempt=["c*"])["status"] == "exempt"


def test_other_users_are_not_named() -> None:
    seen = info([key(A, 5, 0.1), key(B, 5, 0.1, user="other")], users=[user(), user("other")])
    assert [one["status"] for one in rotation_plan(seen, {"now": ["ci"]})] == ["due", "compliant"]


@pytest.mark.parametrize("off", [None, 3])
def test_named_users_whose_current_key_is_not_active_get_a_key_at_any_age(off: float | None) -> None:
    seen = info([key(A, 10, 9, "Inactive"), key(B, 0.2, 0.1)], entry(A, 10, 10, off=off), access_keys_quota=3)
    decision = decided(seen, now=["ci"])
    assert does(decision) == [("create", None)] and decision["actions"][0]["replaces"] == B


def test_named_users_of_whom_nothing_is_stored_are_due_by_the_age_of_their_newest_active_key() -> None:
    assert decided(info([key(A, 0.5, 0.1)]), now=["ci"])["actions"] == []
    assert does(decided(info([key(A, 1, 0.1)]), now=["ci"])) == [("create", None)]


@pytest.mark.parametrize("quota", [None, 2, 3, "3"])
def test_room_is_fewer_keys_than_the_quota(quota: Any) -> None:
    one = info([key(A, 100, 1)], entry(A, 100, 100), access_keys_quota=quota)
    assert does(decided(one)) == [("create", None)]
    two = info([key(B, 300, 1, "Inactive"), key(A, 100, 1)], entry(A, 100, 100), access_keys_quota=quota)
    assert decided(two)["status"] == ("due" if quota in (3, "3") else "blocked")


def test_a_user_may_have_more_keys_than_the_quota() -> None:
    keys = [key(A, 100, 1), key(B, 200, 1, "Inactive"), key(C, 300, 1, "Inactive")]
    assert decided(info(keys, entry(A, 100, 100)))["status"] == "blocked"


def test_a_replaced_key_that_is_still_active_leaves_no_room() -> None:
    seen = info([key(B, 300, 1), key(A, 100, 1)], entry(A, 100, 100), access_keys_quota=3)
    decision = decided(seen)
    assert (decision["status"], decision["actions"]) == ("blocked", [])
    assert decision["about"] == [B, A] and decision["rules"] == [ONE_KEY, ROTATED]
    assert "no room for a new key: 1 replaced key works still" in decision["reason"]
    # Made after the current key, and current once: a rollback replaced it.
    rolled_back = info(
        [key(B, 50, 1), key(A, 100, 1)], entry(A, 100, 10, other_keys={B: note(50, 45)}), access_keys_quota=3
    )
    assert decided(rolled_back)["status"] == "blocked"


def test_keys_made_by_hand_that_nothing_replaced_leave_room() -> None:
    seen = info([key(B, 300, 1), key(A, 100, 1)], access_keys_quota=3)
    assert does(decided(seen)) == [("create", None)]


def test_a_current_key_that_lists_do_not_show_yet_is_not_due() -> None:
    assert decided(info([], entry(A, 0.02, 0.01)), max_age_days=0)["actions"] == []


def test_a_replaced_key_that_lists_do_not_show_yet_needs_its_room() -> None:
    seen = info([key(A, 0.03, 0.01)], entry(A, 0.03, 0.01, other_keys={B: note(0.04, 0.035)}))
    assert decided(seen, max_age_days=0.01)["status"] == "blocked"


def test_where_named_users_need_room_a_key_that_we_switched_off_a_day_ago_goes() -> None:
    seen = info([key(B, 100, 20, "Inactive"), key(A, 5, 1)], entry(A, 5, 5, other_keys={B: note(100, 90, off=1)}))
    decision = decided(seen, now=["ci"])
    assert (decision["status"], does(decision)) == ("due", [("delete", B), ("create", None)])
    assert decided(seen)["actions"] == []
    with_room = {**seen, "account": {**seen["account"], "access_keys_quota": 3}}
    assert does(decided(with_room, now=["ci"])) == [("create", None)]


@pytest.mark.parametrize(
    ("row", "record"),
    [
        (key(B, 100, 20, "Inactive"), note(100, 90, off=0.9)),
        (key(B, 100, 0.5, "Inactive"), note(100, 90, off=1)),
        (key(B, 100, 3, "Inactive"), note(100, 90, off=1)),
        (key(B, 100, 20, "Inactive"), note(100, 90)),
    ],
    ids=["not a day", "used since", "used within idle_days", "not by us"],
)
def test_where_named_users_need_room_not_every_key_goes(row: Record, record: Record) -> None:
    decision = decided(info([row, key(A, 5, 1)], entry(A, 5, 5, other_keys={B: record})), now=["ci"])
    assert (decision["status"], decision["actions"]) == ("blocked", [])


def test_where_named_users_need_room_no_more_goes_than_that_takes() -> None:
    keys = [key(C, 200, 20, "Inactive"), key(B, 100, 20, "Inactive"), key(A, 5, 1)]
    seen = info(
        keys, entry(A, 5, 5, other_keys={B: note(100, 90, off=3), C: note(200, 190, off=2)}), access_keys_quota=3
    )
    assert does(decided(seen, now=["ci"])) == [("delete", B), ("create", None)]
    assert does(decided({**seen, "account": {"access_keys_quota": 2}}, now=["ci"])) == [
        ("delete", B),
        ("delete", C),
        ("create", None),
    ]


def test_a_young_key_of_the_store_without_a_secret_needs_no_room() -> None:
    seen = info([key(A, 100, 1)], entry(A, 100, 100, other_keys={B: note(0.01, stored=False)}))
    assert does(decided(seen)) == [("create", None)]


def test_named_users_keep_what_would_not_make_room() -> None:
    keys = [key(C, 300, 1, "Inactive"), key(B, 100, 20, "Inactive"), key(A, 5, 1)]
    assert decided(info(keys, entry(A, 5, 5, other_keys={B: note(100, 90, off=2)})), now=["ci"])["actions"] == []


def test_a_next_that_waited_too_long_is_verified_and_not_replaced_in_the_same_breath() -> None:
    seen = info([key(N, 100)], entry(other_keys={N: note(100)}))
    after = apply(seen, rotation_plan(seen))
    assert decided(after)["actions"] == [] and decided(after)["next_date"] == ago(seconds=-1)
    later = {**after, "now": ago(seconds=-1)}
    assert does(decided(later)) == [("create", None)]


# -- room made by unused keys ----------------------------------------------------------------------------------------


def test_an_unused_inactive_key_is_deleted_for_room() -> None:
    seen = info([key(B, 300, 60, "Inactive"), key(A, 100, 1)], entry(A, 100, 100))
    decision = decided(seen, unused_days=60)
    assert (decision["status"], does(decision)) == ("due", [("delete", B), ("create", None)])
    assert decision["actions"][0]["min_idle_days"] == 60 and decision["actions"][1]["replaces"] == A
    assert decided(seen, unused_days=61)["status"] == "blocked"
    assert decided(seen)["status"] == "blocked"


def test_only_one_unused_inactive_key_is_deleted_and_only_where_room_is_needed() -> None:
    keys = [key(B, 300, 70, "Inactive"), key(C, 200, 80, "Inactive"), key(A, 100, 1)]
    decision = decided(info(keys, entry(A, 100, 100), access_keys_quota=3), unused_days=60)
    assert does(decision) == [("delete", C), ("create", None)]
    assert decided(info(keys, entry(A, 100, 100), access_keys_quota=2), unused_days=60)["status"] == "blocked"
    assert does(decided(info(keys, entry(A, 100, 100), access_keys_quota=4), unused_days=60)) == [("create", None)]
    assert (
        decided(info([*keys[:2], key(A, 50, 1)], entry(A, 50, 50), access_keys_quota=3), unused_days=60)["actions"]
        == []
    )


@pytest.mark.parametrize(
    "record", [note(300, 290), note(300, 290, off=20), note(off=20)], ids=["stored", "ours", "off by us"]
)
def test_an_inactive_key_that_is_stored_or_was_switched_off_by_us_is_not_deleted_for_room(record: Record) -> None:
    seen = info([key(B, 300, 60, "Inactive"), key(A, 100, 1)], entry(A, 100, 100, other_keys={B: record}))
    assert (decided(seen, unused_days=50)["status"], decided(seen, unused_days=50)["actions"]) == ("blocked", [])


def test_an_unused_active_key_is_switched_off_for_room_to_come() -> None:
    seen = info([key(B, 300, 60), key(A, 100, 1)])
    decision = decided(seen, unused_days=60)
    assert (decision["status"], does(decision), decision["next_date"]) == ("due", [("deactivate", B)], ahead(30))
    assert decision["actions"][0]["min_idle_days"] == 60 and decision["next_date"] in decision["reason"]
    after = decided(apply(seen, [decision]), unused_days=60)
    assert (after["status"], after["actions"], after["next_date"]) == ("blocked", [], ahead(30))


def test_of_two_keys_made_by_hand_the_unused_one_goes_be_it_the_newer() -> None:
    seen = info([key(B, 300, 1), key(A, 100, 60)])
    assert does(decided(seen, unused_days=60)) == [("deactivate", A)]


def test_a_replaced_unused_key_is_switched_off_for_room_whatever_the_quota() -> None:
    seen = info([key(B, 300, 60), key(A, 100, 1)], entry(A, 100, 100), access_keys_quota=3)
    assert does(decided(seen, unused_days=60)) == [("deactivate", B)]
    after = decided(apply(seen, rotation_plan(seen, {"unused_days": 60})), unused_days=60)
    assert (after["status"], after["actions"], after["next_date"]) == ("blocked", [], ago(seconds=-1))
    young = info([key(B, 300, 60), key(A, 100, 1)], entry(A, 100, 6))
    assert (decided(young, unused_days=60)["status"], decided(young, unused_days=60)["actions"]) == ("blocked", [])


def test_the_last_active_key_is_not_switched_off_for_room() -> None:
    keys = [key(A, 100, 50), key(B, 300, 1, "Inactive")]
    assert decided(info(keys), unused_days=45)["status"] == "blocked"
    both = [key(C, 300, 50), key(A, 100, 60), key(B, 300, 1, "Inactive")]
    decision = decided(info(both, access_keys_quota=3), unused_days=45)
    assert does(decision) == [("deactivate", A)]


def test_what_would_make_no_room_is_not_switched_off() -> None:
    in_use_too = [key(C, 300, 1), key(A, 100, 1), key(B, 90, 60)]
    assert decided(info(in_use_too, entry(A, 100, 100), access_keys_quota=3), unused_days=60)["actions"] == []


def test_a_key_that_is_stored_under_a_renamed_users_old_name_is_not_deleted_for_room() -> None:
    seen = info([key(B, 300, 60, "Inactive"), key(A, 100, 1)])
    assert does(decided(seen, unused_days=30, now="ci")) == [("delete", B), ("create", None)]
    seen["store_only"] = [{"user_name": "old", "user_id": "AIDACI", "access_key_ids": [A, B]}]
    assert decided(seen, unused_days=30, now="ci")["actions"] == []


# -- blocked ---------------------------------------------------------------------------------------------------------


def test_no_room_names_the_keys_and_the_way_out() -> None:
    decision = decided(info([key(B, 200, 2), key(A, 99, 0.05, last_used_service="ses")]))
    assert (decision["status"], decision["actions"], decision["about"]) == ("blocked", [], [B, A])
    assert "the quota of 2 is full." in decision["reason"] and decision["rules"] == [ONE_KEY, ROTATED]
    assert f"Move what uses {B} (2 days ago by s3 in eu-west-1) to another key" in told(decision)
    # Whoever pastes it too early switches nothing off.
    careful = {"user_name": "ci", "active": False, "min_idle_days": 7}
    assert tasks(decision) == [{**careful, "access_key_id": B}, {**careful, "access_key_id": A}]


@pytest.mark.parametrize(
    ("row", "record", "way_out"),
    [
        (key(B, 90, 60), None, "rotation_unused_days to 60 or less"),
        (key(B, 300, 60, "Inactive"), None, "rotation_unused_days to 60 or less"),
        (key(B, 300, 60, "Inactive"), note(300, 290), {"access_key_id": B, "state": "absent"}),
        (key(B, 300, 60, "Inactive"), note(300, 290, off=20), {"access_key_id": B, "state": "absent"}),
        (key(B, 300, 1, "Inactive"), note(300, 290, off=20), {"access_key_id": B, "state": "absent"}),
        (key(B, 300, 1, "Inactive"), note(300, 290), {"access_key_id": B, "state": "absent"}),
    ],
)
def test_no_room_names_what_would_make_it(row: Record, record: Record | None, way_out: str | Record) -> None:
    others = {} if record is None else {"other_keys": {B: record}}
    decision = decided(info([row, key(A, 100, 1)], entry(A, 100, 100, **others)))
    assert (decision["status"], decision["actions"]) == ("blocked", [])
    if isinstance(way_out, str):
        assert way_out in told(decision)
    else:
        assert {"user_name": "ci", **way_out} in tasks(decision)


def test_the_setting_that_is_named_does_make_room() -> None:
    for row in (key(B, 90, 60.5), key(B, 300, 60.5, "Inactive")):
        seen = info([row, key(A, 100, 1)], entry(A, 100, 100))
        named = re.search(r"rotation_unused_days to (\d+) or less", told(decided(seen)))
        assert named and decided(seen, unused_days=named[1])["status"] == "due"


@pytest.mark.parametrize("others", [{B: note(300, 200, stored=True)}, {}], ids=["previous", "made by hand"])
def test_an_older_key_that_is_idle_at_last_makes_room(others: dict[str, Any]) -> None:
    """Case P1. Else it would be in the way for good, as where max_age_days is a day, or a run comes once a quarter."""
    decision = decided(info([key(B, 300, 60), key(A, 100, 1)], entry(A, 100, 100, other_keys=others)))
    assert (decision["status"], [(action["action"], action["access_key_id"]) for action in decision["actions"]]) == (
        "retire",
        [("deactivate", B)],
    )
    assert decided(info([key(B, 300, 1), key(A, 100, 1)], entry(A, 100, 100, other_keys=others)))["status"] == "blocked"


@pytest.mark.parametrize(
    ("every", "policy"), [(1, {"max_age_days": 1}), (91, {})], ids=["max_age_days 1", "once a quarter"]
)
def test_nobody_is_blocked_for_good_by_a_key_that_nobody_uses(every: int, policy: dict[str, Any]) -> None:
    """Case P1, over two years of runs: the user gets new keys again and again."""
    world = info([key(B, 300, 60), key(A, 100, 0)], entry(A, 100, 100))
    made = []
    for day in range(0, 730, every):
        world = {**world, "now": ahead(day)}
        if (current := row_of(world, world["users"][0]["store"]["access_key_id"])) is not None:
            current["last_used_date"] = ahead(day)
        for _look in range(2):
            decisions = rotation_plan(world, policy)
            made += [day for action in decisions[0]["actions"] if action["action"] == "create"]
            world = apply(world, decisions)
    assert row_of(world, B) is None
    pause = 7 + 7 + 30 + every  # grace, idle_days, delete_after_days
    assert len(made) >= 4 and max(later - earlier for earlier, later in zip(made, made[1:])) <= max(3 * every, pause)


def test_no_room_until_a_key_is_deleted() -> None:
    decision = decided(
        info([key(B, 300, 60, "Inactive"), key(A, 100, 1)], entry(A, 100, 100, other_keys={B: note(300, 290, off=20)}))
    )
    assert (decision["status"], decision["next_date"]) == ("blocked", ahead(10)) and ahead(10) in told(decision)


# -- older keys ------------------------------------------------------------------------------------------------------


def replaced(used: float | None, promoted: float, **account: Any) -> Info:
    return info([key(B, 100, used), key(A, 20, 1)], entry(A, 20, promoted, other_keys={B: note(100, 95)}), **account)


@pytest.mark.parametrize("used", [None, 1, 50])
def test_an_older_key_in_grace(used: float | None) -> None:
    decision = decided(replaced(used, 6.9))
    assert (decision["status"], decision["actions"]) == ("grace", [])
    unused = [] if used == 1 else [UNUSED]
    assert decision["rules"] == [*unused, {**ONE_KEY, "on_purpose": True}, ROTATED]
    assert decision["about"] == [B] and "It is switched off after" in decision["reason"]


def test_when_a_grace_ends() -> None:
    assert decided(replaced(50, 6))["next_date"] == ahead(1)
    assert decided(replaced(2, 6))["next_date"] == ahead(1)
    assert decided(replaced(2, 6), deactivate_after_days=20)["next_date"] == ahead(14)


@pytest.mark.parametrize("used", [None, 7, 50])
def test_an_idle_older_key_is_retired(used: float | None) -> None:
    decision = decided(replaced(used, 7))
    assert (decision["status"], does(decision), decision["next_date"]) == ("retire", [("deactivate", B)], None)
    assert decision["actions"][0]["min_idle_days"] == 7
    idle = "never used" if used is None else f"idle for {used} days"
    assert decision["actions"][0]["reason"] == f"{idle}, replaced 7 days ago"


def test_an_older_key_in_use_stays() -> None:
    decision = decided(replaced(6.9, 8))
    assert (decision["status"], decision["actions"]) == ("blocked", [])
    assert decision["reason"] == "Replaced 8 days ago, but still in use: 6 days ago by s3 in eu-west-1."
    assert decision["rules"] == [ONE_KEY, ROTATED] and f"Move what uses {B}" in told(decision)
    assert decision["next_date"] == ago(6.9 - 7)
    assert does(decided(replaced(6.9, 8), idle_days=6)) == [("deactivate", B)]


def test_the_key_that_signs_the_run_stays() -> None:
    decision = decided(replaced(50, 8, signing_access_key_id=B))
    assert (decision["status"], decision["actions"]) == (
        "blocked",
        [],
    ) and "still in use: it signs this run." in decision["reason"]
    assert f"Run it with other credentials: {B} signs this run." in told(decision)
    never = decided(replaced(None, 8, signing_access_key_id=B), idle_days=0)
    assert (never["status"], never["actions"]) == ("blocked", [])


def test_of_two_older_keys_the_idle_one_is_retired() -> None:
    keys = [key(C, 200, 2), key(B, 100, 9), key(A, 20, 1)]
    decision = decided(info(keys, entry(A, 20, 20), access_keys_quota=3))
    assert (decision["status"], does(decision)) == ("retire", [("deactivate", B)])
    assert decision["about"] == [B] and f"Move what uses {C} (2 days ago by s3 in eu-west-1)" in told(decision)
    assert decided(info(keys[:1] + keys[2:], entry(A, 20, 20)))["status"] == "blocked"


def test_all_idle_older_keys_are_retired() -> None:
    keys = [key(C, 200, 20), key(B, 100, 9), key(A, 20, 1)]
    assert does(decided(info(keys, entry(A, 20, 20)))) == [("deactivate", C), ("deactivate", B)]


def test_an_entry_that_a_person_wrote_counts_from_the_keys_creation() -> None:
    seen = info([key(B, 100, 9), key(A, 20, 1)], {"access_key_id": A, "stored": True})
    assert does(decided(seen)) == [("deactivate", B)]
    assert decided(info([key(B, 100, 9), key(A, 5, 1)], {"access_key_id": A}))["status"] == "grace"


def test_a_previous_key_that_a_person_switched_on_again_is_an_older_key() -> None:
    store = entry(A, 20, 20, other_keys={B: note(100, 95, off=40)})
    in_use = decided(info([key(B, 100, 1), key(A, 20, 1)], store))
    assert (in_use["status"], in_use["actions"]) == ("blocked", [])
    idle = decided(info([key(B, 100, 41), key(A, 20, 1)], store))
    assert (idle["status"], does(idle)) == ("retire", [("deactivate", B)])


def test_a_note_beside_an_active_key_says_nothing_of_today() -> None:
    older = decided(info([key(B, 100, 1), key(A, 20, 1)], entry(A, 20, 2, other_keys={B: note(100, 95, off=10)})))
    assert older["status"] == "grace" and "was switched off" not in told(older)
    younger = decided(info([key(A, 20, 1), key(B, 10, 1)], entry(A, 20, 20, other_keys={B: note(off=5)})))
    assert younger["status"] == "compliant" and f"Switch off {B} if nothing needs it" in told(younger)


def test_keys_that_are_not_older() -> None:
    younger = decided(info([key(A, 20, 1), key(B, 10, 9)], entry(A, 20, 20)))
    assert (younger["status"], younger["actions"]) == ("compliant", [])
    assert tasks(younger) == [{"user_name": "ci", "access_key_id": B, "active": False}] and younger["rules"] == [
        ONE_KEY
    ]
    same_second = decided(info([key(B, 20, 9), key(A, 20, 1)], entry(A, 20, 20)))
    assert same_second["actions"] == []
    rolled_back = decided(info([key(A, 20, 1), key(B, 10, 9)], entry(A, 20, 3, other_keys={B: note(10, 9)})))
    assert rolled_back["actions"] == []


def test_of_two_keys_of_the_same_second_the_one_that_was_current_is_older() -> None:
    seen = info([key(A, 20, 1), key(B, 20, 9)], entry(A, 20, 20, other_keys={B: note(20, 20)}))
    assert does(decided(seen)) == [("deactivate", B)]


@pytest.mark.parametrize("off", [None, 5])
def test_nothing_is_retired_for_a_key_that_does_not_work(off: float | None) -> None:
    seen = info([key(B, 70, 9), key(A, 20, 9, "Inactive")], entry(A, 20, 20, off=off), access_keys_quota=3)
    assert decided(seen)["actions"] == []
    named = does(decided(seen, now=["ci"]))
    assert ("deactivate", B) not in named
    not_listed = info([key(B, 80, 9)], entry(A, 0.02, 0.01))
    assert decided(not_listed, deactivate_after_days=0)["status"] == "grace"


def test_the_replacement_is_no_target_however_idle() -> None:
    assert decided(info([key(A, 80, None)], entry(A, 80, 80), access_keys_quota=1), idle_days=0)["actions"] == []


# -- keys that we switched off ---------------------------------------------------------------------------------------


def switched_off(off: float, used: float | None = 60, **more: Any) -> Info:
    return info(
        [key(B, 100, used, "Inactive"), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95, off=off)}, **more)
    )


def test_a_key_that_we_switched_off_waits() -> None:
    decision = decided(switched_off(29))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("grace", [], ahead(1))
    assert decision["about"] == [B] and ahead(1) in decision["reason"] and decision["rules"] == []


@pytest.mark.parametrize("record", [note(100, 95, off=30), note(off=30)], ids=["previous", "made by hand"])
def test_a_key_that_we_switched_off_long_ago_is_deleted(record: Record) -> None:
    seen = info([key(B, 100, 60, "Inactive"), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: record}))
    decision = decided(seen)
    assert (decision["status"], does(decision), decision["next_date"]) == ("retire", [("delete", B)], None)
    assert (
        decision["actions"][0]["min_idle_days"] == 7 and "switched off 30 days ago" in decision["actions"][0]["reason"]
    )
    assert does(decided(seen, delete_after_days=31)) == []


def test_listed_or_not() -> None:
    seen = info([key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95, off=30)}))
    assert (decided(seen)["status"], does(decided(seen))) == ("retire", [("delete", B)])
    waiting = info([key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95, off=29)}))
    assert (decided(waiting)["status"], decided(waiting)["next_date"]) == ("grace", ahead(1))


@pytest.mark.parametrize(
    ("row", "record"),
    [
        (key(B, 100, 20, "Inactive"), note(100, 95, off=40)),
        (key(B, 100, 60, "Inactive"), note(100, 95)),
        (key(B, 100, 60, "Inactive"), note(100, 95, off=0)),
    ],
    ids=["used since", "by a person", "just now"],
)
def test_other_switched_off_keys_are_not_deleted(row: Record, record: Record) -> None:
    seen = info([row, key(A, 20, 1)], entry(A, 20, 20, other_keys={B: record}))
    decision = decided(seen, delete_after_days=0)
    assert decision["actions"] == [] and (decision["about"] == [B] or B in told(decision))


def test_what_was_switched_off_this_second_waits_for_the_next() -> None:
    assert decided(switched_off(0), delete_after_days=0)["next_date"] == ago(seconds=-1)


def test_a_key_used_within_idle_days_is_not_deleted() -> None:
    decision = decided(switched_off(2, used=3), delete_after_days=1)
    assert (decision["actions"], decision["next_date"]) == ([], ahead(4))


def test_a_note_beside_an_active_key_deletes_nothing() -> None:
    seen = info([key(B, 100, 60), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95, off=40)}))
    assert does(decided(seen)) == [("deactivate", B)]


def test_the_current_key_is_not_deleted_though_we_switched_it_off() -> None:
    seen = info([key(A, 200, 60, "Inactive"), key(B, 10, 1)], entry(A, 200, 200, off=40))
    decision = decided(seen)
    assert (decision["status"], decision["actions"]) == ("compliant", [])
    assert decided(info(seen["access_keys"], entry(A, 200, 200, off=20)))["next_date"] == ahead(10)


EVERY_OTHER_ROW: dict[str, tuple[list[Record], dict[str, Any], dict[str, Any], str, list[tuple[str, str | None]]]] = {
    "leftover": ([key(A, 20, 1), key(L, 0.1)], {"asked": {"date": ago(0.1), "known": [A]}}, {}, "retire", []),
    "verify": ([key(A, 20, 1), key(N, 2)], {"other_keys": {N: note(2)}}, {}, "due", [("verify", N)]),
    "broken": ([key(A, 20, 1, "Inactive")], {}, {}, "retire", []),
    "no Active key": ([key(A, 20, 1, "Inactive")], {"deactivate_date": ago(1)}, {}, "retire", []),
    "unused": ([key(A, 20, 20)], {"promote_date": ago(20)}, {"unused_days": 15}, "unused", [("deactivate", A)]),
    "due": ([key(A, 20, 1)], {}, {"max_age_days": 20}, "due", [("create", None)]),
    "blocked": ([key(C, 50, 1), key(A, 20, 1)], {}, {"max_age_days": 20}, "retire", []),
    "grace": ([key(C, 50, 1), key(A, 20, 1)], {}, {"deactivate_after_days": 21}, "retire", []),
    "in use": ([key(C, 50, 1), key(A, 20, 1)], {}, {}, "retire", []),
    "retire": ([key(C, 50, 9), key(A, 20, 1)], {}, {}, "retire", [("deactivate", C)]),
    "due soon": ([key(A, 20, 1)], {}, {"max_age_days": 35}, "retire", []),
}


@pytest.mark.parametrize(
    ("keys", "store", "policy", "status", "actions"), EVERY_OTHER_ROW.values(), ids=EVERY_OTHER_ROW.keys()
)
def test_the_deletion_comes_first_in_every_row_but_the_first_four(
    keys: list[Record],
    store: dict[str, Any],
    policy: dict[str, Any],
    status: str,
    actions: list[tuple[str, str | None]],
) -> None:
    others = {B: note(100, 95, off=30), **store.pop("other_keys", {})}
    decision = decided(
        info([key(B, 100, 60, "Inactive"), *keys], {**entry(A, 20, 20, other_keys=others), **store}), **policy
    )
    assert (decision["status"], does(decision)) == (status, [("delete", B), *actions])
    # The reason of the row itself is not lost.
    alone = decided(
        info(keys, {**entry(A, 20, 20, other_keys={k: v for k, v in others.items() if k != B}), **store}), **policy
    )
    assert alone["reason"][:-1] in decision["reason"] and "; 1 key that nobody needs is deleted" in decision["reason"]
    assert decision["about"] == [*alone["about"], B] and decision["remedies"] == alone["remedies"]
    assert alone["status"] != ("retire" if not actions else "compliant")


def test_what_we_switched_off_is_deleted_only_while_the_store_says_so_still() -> None:
    gone = {B: note(100, 95, off=30)}
    (delete, create) = decided(info([key(B, 100, 60, "Inactive"), key(A, 95, 1)], entry(A, 95, 95, other_keys=gone)))[
        "actions"
    ]
    assert delete["noted"] is True and "noted" not in create
    for_room = info([key(B, 100, 60, "Inactive"), key(A, 5, 1)], entry(A, 5, 5, other_keys={B: note(100, 95, off=2)}))
    assert decided(for_room, now="ci")["actions"][0]["noted"] is True
    assert "noted" not in decided(with_leftover(13))["actions"][0]
    parked = info([key(B, 300, 60, "Inactive"), key(A, 100, 1)])
    assert "noted" not in decided(parked, unused_days=30)["actions"][0]


def test_actions_are_in_order() -> None:
    asked = {"date": ago(1), "known": [A, B]}
    keys = [key(B, 300, 60, "Inactive"), key(A, 100, 1), key(L, 1)]
    decision = decided(
        info(keys, entry(A, 100, 100, asked=asked, other_keys={B: note(300, 290, off=31)}), access_keys_quota=2)
    )
    assert does(decision) == [("delete", L), ("delete", B), ("create", None)]


def test_a_deletion_makes_room() -> None:
    seen = info(
        [key(B, 300, 60, "Inactive"), key(A, 100, 1)], entry(A, 100, 100, other_keys={B: note(300, 290, off=30)})
    )
    assert does(decided(seen)) == [("delete", B), ("create", None)]


# -- the last rows ---------------------------------------------------------------------------------------------------


def test_keys_made_by_hand_are_reported_and_not_retired() -> None:
    decision = decided(info([key(B, 100, 60), key(A, 20, 1)]))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("unmanaged", [], ahead(56))
    assert decision["about"] == [B, A] and decision["rules"] == [UNUSED, ONE_KEY, ROTATED]
    assert [(task["access_key_id"], task["active"]) for task in tasks(decision)] == [(B, False), (A, False)]
    assert decided(info([key(B, 80, 44), key(A, 20, 1)]))["rules"] == [ONE_KEY]


def overwritten(*lost: str, keys: list[Record], store: Record | None = None) -> Info:
    """The store was put back as it was before these keys: their secrets lie beside it."""
    beside = [{"access_key_id": key_id, "vault_file": f"/keys/.keys.yml.{key_id[-1]}"} for key_id in lost]
    return {**info(keys, users=[user(store=store, lost_keys=beside)]), "vault_file": "keys.yml"}


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        ("unmanaged", overwritten(A, keys=[key(B, 100, 60), key(A, 1)])),
        ("blocked", overwritten(A, keys=[key(B, 100, 1), key(A, 1)], store=entry(B, 100, 100))),
        ("compliant", overwritten(A, keys=[key(B, 50, 1), key(A, 1)], store=entry(B, 50, 50))),
        ("no_active_key", overwritten(A, keys=[key(A, 1, status="Inactive")])),
    ],
)
def test_a_key_whose_secret_was_overwritten_is_put_back_and_nothing_else(status: str, seen: Info) -> None:
    decision = decided(seen)
    assert decision["status"] == status and "by hand" not in decision["reason"]
    assert [remedy["say"] for remedy in decision["remedies"]][:2] == [
        f"See the secret of {A}, which the store lacks since another hand wrote it: ansible-vault view /keys/.keys.yml.A",
        "Put it back into the entry ci: ansible-vault edit keys.yml",
    ]
    assert A not in [task["access_key_id"] for task in tasks(decision)]


@pytest.mark.parametrize(
    "seen",
    [
        # What the store was put back to asks for a key: this one looks like a leftover.
        overwritten(A, keys=[key(B, 50, 1), key(A, 1)], store=entry(B, 50, 50, asked={"date": ago(1), "known": [B]})),
        # Unused for long, and in the way of a new key.
        overwritten(A, keys=[key(B, 100, 1), key(A, 400, status="Inactive")], store=entry(B, 100, 100)),
    ],
)
def test_a_key_whose_secret_was_overwritten_is_not_deleted(seen: Info) -> None:
    assert A not in [action["access_key_id"] for action in decided(seen, unused_days=365)["actions"]]
    del seen["users"][0]["lost_keys"]
    assert ("delete", A) in does(decided(seen, unused_days=365))


def test_due_soon() -> None:
    decision = decided(info([key(A, 62, 1)], entry(A, 62, 62)))
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("due_soon", [], ahead(14))
    assert decided(info([key(A, 61.9, 1)], entry(A, 61.9, 61.9)))["status"] == "compliant"
    assert decided(info([key(A, 62, 1)], entry(A, 62, 62)), warn_days=13)["status"] == "compliant"


def test_compliant() -> None:
    stored = decided(info([key(A, 20, 1)], entry(A, 20, 20)))
    assert (stored["status"], stored["actions"], stored["next_date"]) == ("compliant", [], ahead(42))
    by_hand = decided(info([key(A, 20, 1)]))
    assert by_hand["status"] == "compliant"
    assert "not stored" in by_hand["reason"] and "not stored" not in stored["reason"]


def test_the_reason_says_what_is_seen_and_decided_in_one_sentence() -> None:
    """Of the usual worlds, in at most 120 characters."""
    name, stored = "build-server-1", entry(A, 20, 20, user_id="AIDABUILD-SERVER-1")
    worlds = [
        ([key(A, 20, 1)], stored),
        ([key(A, 100, 1)], None),
        ([key(A, 80, 1)], None),
        ([key(A, 100, 1), key(B, 20, 1)], None),
        ([key(A, 100, 1), key(B, 95, 1)], None),
        ([key(A, 20, 1), key(B, 100, 60, "Inactive")], {**stored, "other_keys": {B: note(100, 95, off=5)}}),
        ([key(A, 20, 1), key(B, 100, 9)], stored),
        ([key(A, 20, 1), key(B, 100, 9)], {**stored, "promote_date": ago(2)}),
        ([key(A, 20, 1), key(N, 2)], {**stored, "other_keys": {N: note(2)}}),
        ([key(A, 20, 1, "Inactive")], stored),
        ([], stored),
        ([], None),
    ]
    for keys, store in worlds:
        mine = [{**one, "user_name": name} for one in keys]
        reason = decided(info(mine, users=[user(name, store)]), name)["reason"]
        assert len(reason) <= 120 and reason.endswith(".") and ". " not in reason, reason


def test_a_hold_can_be_ended() -> None:
    seen = {**info([key(A, 20, 1)], entry(A, 20, 1, hold_until=ahead(3))), "vault_file": "keys.yml"}
    assert tasks(decided(seen)) == [
        {"user_name": "ci", "access_key_id": A, "stage": "current", "hold_days": 0, "vault_file": "keys.yml"}
    ]


def test_a_task_names_the_store_where_the_info_does() -> None:
    """So that what it does is noted there, and what the store has is removed from it."""
    seen = info([key(C, 300, 60, "Inactive"), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95)}))
    seen["vault_file"] = "group_vars/all/keys.yml"
    assert tasks(decided(seen)) == [
        {"user_name": "ci", "access_key_id": one, "state": "absent", "vault_file": "group_vars/all/keys.yml"}
        for one in (C, B)
    ]


@pytest.mark.parametrize("error", [None, "GetAccessKeyLastUsed was denied"])
def test_rules_are_broken_in_whatever_status(error: str | None) -> None:
    keys = [key(B, 90, 9), key(A, 20, 1), key(C, 300, 1, "Inactive")]
    seen = info(keys, users=[user(error=error)], access_keys_quota=4)
    for policy in ({}, {"exempt": ["ci"]}, {"max_age_days": 1000}):
        assert decided(seen, **policy)["rules"] == [ONE_KEY, ROTATED]
    seen["access_keys"][0]["create_date"] = ago(89.9)
    assert decided(seen)["rules"] == [ONE_KEY]
    seen["access_keys"][0]["status"] = "Inactive"
    assert decided(seen)["rules"] == []


def test_more_keys_than_a_rotation_needs_are_not_on_purpose() -> None:
    keys = [key(B, 80, 9), key(A, 20, 1), key(C, 10, 1)]
    decision = decided(info(keys, entry(A, 20, 2), access_keys_quota=4))
    assert (decision["status"], decision["rules"]) == ("grace", [ONE_KEY])


def test_the_key_to_be_replaced_and_those_that_make_room_are_what_it_is_about() -> None:
    seen = info([key(B, 300, 60, "Inactive"), key(A, 100, 1)], entry(A, 100, 100))
    assert decided(seen, unused_days=60)["about"] == [A, B]
    assert decided(info([key(A, 100, 1)]))["about"] == [A]
    assert decided(seen)["about"] == [B, A] and decided(seen, exempt="ci")["about"] == []


def test_parked_keys_are_reported() -> None:
    decision = decided(info([key(B, 100, 60, "Inactive"), key(A, 20, 1)], entry(A, 20, 20)))
    assert (decision["status"], decision["actions"]) == ("compliant", [])
    assert f"Delete {B} if nothing needs it: it is left alone" in told(decision)
    assert tasks(decision) == [{"user_name": "ci", "access_key_id": B, "state": "absent"}]


def test_stored_keys_that_iam_no_longer_has_are_reported() -> None:
    decision = decided(info([key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(100, 95)})))
    assert (decision["status"], decision["actions"]) == ("compliant", [])
    assert f"Remove {B} from the store" in told(decision)
    assert tasks(decision) == [{"user_name": "ci", "access_key_id": B, "state": "absent"}]


# -- what comes in and what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize("complete", [False, None, "yes"])
def test_an_info_that_is_not_complete_is_refused(complete: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="not complete"):
        rotation_plan({**info(), "complete": complete}, {})


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ("nonsense", "nonsense"),
        (None, "None"),
        ([], "iam_access_key_info"),
        ({}, "not complete"),
        ({**info(), "now": None}, "no now"),
        ({**info(), "now": "noon"}, "noon"),
        ({**info(), "users": "ci"}, "users is not a list"),
        ({**info(), "users": {"ci": {}}}, "users is not a list"),
        ({**info(), "access_keys": ["AKIA"]}, "access_keys is a mapping"),
        ({**info(), "access_keys": 3}, "access_keys is not a list"),
        ({**info(), "account": "123456789012"}, "account is not a mapping"),
        (info(access_keys_quota="many"), "access_keys_quota"),
    ],
)
def test_other_input_is_refused_in_one_sentence(seen: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        rotation_plan(seen, {})
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["max_age_days", "warn_days", "deactivate_after_days", "idle_days", "delete_after_days", "unused_days"]
)
@pytest.mark.parametrize(
    "value", [-1, -0.001, "-1", "ninety", "90d", float("nan"), "nan", float("inf"), "-inf", True, [90], {}]
)
def test_numbers_of_days_are_checked(name: str, value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name} must be a number of days, 0 or more, not "):
        rotation_plan(info(), {name: value})


@pytest.mark.parametrize(
    "name", ["max_age_days", "warn_days", "deactivate_after_days", "idle_days", "delete_after_days"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_only_unused_days_may_be_left_empty(name: str, value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=name):
        rotation_plan(info(), {name: value})
    assert rotation_plan(info(), {"unused_days": value})


@pytest.mark.parametrize("value", ["91", "91.0", " 91 ", 91.0, 91])
def test_numbers_may_be_strings(value: Any) -> None:
    assert decided(info([key(A, 76.5, 1)]), max_age_days=value)["status"] == "due_soon"
    assert decided(info([key(A, 91, 1)]), max_age_days=value)["actions"][0]["max_age_days"] == 77


@pytest.mark.parametrize("name", ["exempt", "now"])
@pytest.mark.parametrize("value", [True, 1.5, {"ci": True}, [None], [["ci"]], [True], [{"name": "ci"}]])
def test_lists_of_users_are_checked(name: str, value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name} must be a list of user names"):
        rotation_plan(info(), {name: value})


@pytest.mark.parametrize("value", [None, "", [], ()])
def test_lists_of_users_may_be_empty(value: Any) -> None:
    assert decided(info([key(A, 20, 1)]), exempt=value, now=value)["status"] == "compliant"


def test_a_user_may_be_called_a_number() -> None:
    seen = info([key(A, 20, 1, user="1234")], users=[user("1234")])
    assert decided(seen, "1234", exempt=["1234"])["status"] == "exempt"
    assert decided(seen, "1234", now="1234")["status"] == "due"


@pytest.mark.parametrize("name", ["exempt", "now"])
@pytest.mark.parametrize("value", [83, [83], True, ["ci", 83]])
def test_a_name_that_yaml_took_for_something_else_is_refused(name: str, value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name} must be a list of user names, but it holds .* in quotes"):
        rotation_plan(info(), {name: value})


def test_a_user_is_named_whatever_the_capitals() -> None:
    assert decided(info([key(A, 2, 0.1)], entry(A, 2, 2)), now="CI")["status"] == "due"


@pytest.mark.parametrize("value", ["*", ["ci-*"], ["c?"], "[ab]"])
def test_now_takes_no_patterns(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="now takes user names, not patterns"):
        rotation_plan(info(), {"now": value})


def test_an_unknown_key_of_the_policy_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"no key 'max_age': it takes max_age_days, renew_before_days, .*"):
        rotation_plan(info(), {"max_age": 30})


@pytest.mark.parametrize("policy", ["90", 90, [], ["max_age_days"]])
def test_a_policy_is_a_mapping(policy: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="must be a mapping"):
        rotation_plan(info(), policy)


# -- carried to where it is used -------------------------------------------------------------------------------------


def test_a_current_key_that_was_never_carried_is_carried() -> None:
    seen = info([key(B, 200, 30), key(A, 20, 1)], entry(A, 20, 20, other_keys={B: note(200, 190)}))
    decision = decided(seen, carry=True)
    assert (decision["status"], does(decision), decision["about"]) == ("uncarried", [("carry", A)], [A])
    assert decision["reason"].startswith("The current key was never carried to where it is used")
    assert "carried=true" in told(decision) and tasks(decision) == []
    (task,) = tasks(decided({**seen, "vault_file": "keys.yml"}, carry=True))
    assert task == {"user_name": "ci", "access_key_id": A, "carried": True, "vault_file": "keys.yml"}
    assert decided(seen)["status"] == decided(seen, carry="false")["status"] == "retire"


@pytest.mark.parametrize(("carried", "status"), [(3, "grace"), (7, "retire")])
def test_the_days_until_an_older_key_is_switched_off_count_from_when_the_new_one_was_carried(
    carried: float, status: str
) -> None:
    store = entry(A, 20, 20, other_keys={B: note(200, 190)}, carry_date=ago(carried))
    seen = info([key(B, 200, 30), key(A, 20, 1)], store)
    decision = decided(seen, carry=True)
    assert decision["status"] == status
    assert decision["next_date"] == (ahead(4) if status == "grace" else None)
    # Nobody carries, so that a note of it means nothing.
    assert decided(seen)["status"] == "retire"


def test_what_is_not_active_is_carried_nowhere() -> None:
    off = info([key(A, 20, 1, "Inactive"), key(B, 10, 1)], entry(A, 20, 20, off=1))
    assert decided(off, carry=True)["status"] != "uncarried"
    by_hand = info([key(A, 20, 1)])
    assert decided(by_hand, carry=True)["status"] == "compliant"


def test_carrying_comes_before_a_new_key_and_after_what_a_person_has_to_see() -> None:
    assert decided(info([key(A, 100, 1)], entry(A, 100, 100)), carry=True)["status"] == "uncarried"
    held = info([key(A, 20, 1)], entry(A, 20, 20, hold_until=ahead(1)))
    assert decided(held, carry=True)["status"] == "held"
    assert decided(info([key(A, 20, 1)], entry(A, 20, 20)), carry=True, exempt=["ci"])["status"] == "exempt"


def test_what_was_carried_this_second_is_not_replaced_in_the_same_breath() -> None:
    seen = info([key(A, 100, 1)], entry(A, 100, 100, carry_date=ago(0)))
    decision = decided(seen, carry=True)
    assert decision["status"] == "due_soon" and decision["next_date"] == ahead(1 / 86400)
    assert decided(info([key(A, 100, 1)], entry(A, 100, 100, carry_date=ago(1))), carry=True)["status"] == "due"


def test_the_defaults_are_the_roles() -> None:
    assert rotation_plan(info([key(A, 90, 1)])) == rotation_plan(info([key(A, 90, 1)]), {})
    assert Policy() == Policy(90, None, 14, 7, 7, 30, None, False, (), (), None, DEFAULT, None, False)
    assert Policy().renewed_at_days == 90 - 14


def test_what_is_left_out_or_null_is_read_leniently() -> None:
    row = {"user_name": "ci", "access_key_id": A, "status": "Active", "create_date": ago(20), "last_used_date": None}
    seen: Info = {"access_keys": [row], "users": [{"user_name": "ci"}], "now": NOW.isoformat(), "complete": True}
    assert decided(seen)["status"] == "compliant"
    nulls = dict.fromkeys(("user_id", "path", "arn", "tags", "error", "store"))
    store = dict.fromkeys(
        ("promote_date", "deactivate_date", "asked", "hold_until", "other_keys", "stored", "account_id", "user_id")
    )
    seen = {
        **seen,
        "users": [{"user_name": "ci", **nulls, "store": {**store, "access_key_id": A}}],
        "account": None,
        "store_only": None,
    }
    assert decided(seen)["status"] == "compliant" and "not stored" not in decided(seen)["reason"]


def test_a_row_that_says_nothing_of_its_last_use_is_not_never_used() -> None:
    row = {"user_name": "ci", "access_key_id": A, "status": "Active", "create_date": ago(20)}
    assert decided(info([row]))["status"] == "error"


def test_the_rows_alone_can_say_what_the_store_knows() -> None:
    rows = [
        key(B, 100, 60, "Inactive", stage="previous", deactivate_date=ago(30), stored=True),
        key(A, 20, 1, stage="current", stored=True),
    ]
    assert (decided(info(rows))["status"], does(decided(info(rows)))) == ("retire", [("delete", B)])
    assert does(decided(info([key(A, 20, 1, stage="current"), key(N, 1, stage="next")]))) == [("verify", N)]


@pytest.mark.parametrize(
    "now", ["2026-11-24T04:00:00Z", "2026-11-24T05:00:00+01:00", "2026-11-24T04:00:00", datetime(2026, 11, 24, 4)]
)
def test_dates_may_be_written_otherwise(now: Any) -> None:
    seen = {**info([key(A, 20, 1, create_date="2026-11-04T04:00:00Z")]), "now": now}
    assert decided(seen)["next_date"] == ahead(42)


def test_rows_and_users_come_in_any_order() -> None:
    names = ["zoe", "ci", "Ada", "bob"]
    keys = [key(f"{letter * 4}{name}", age, 1, user=name) for name in names for letter, age in (("O", 100), ("Y", 20))]
    stores = {name: entry(f"YYYY{name}", 20, 20, user_id=f"AIDA{name.upper()}") for name in names}
    expected = rotation_plan(info(keys, users=[user(name, stores[name]) for name in names]))
    assert [one["user_name"] for one in expected] == sorted(names)
    for seed in range(5):
        shuffled = random.Random(seed)
        shuffled.shuffle(keys)
        shuffled.shuffle(names)
        assert rotation_plan(info(keys, users=[user(name, stores[name]) for name in names])) == expected


def test_an_account_with_nobody() -> None:
    assert rotation_plan(info(users=[])) == []


class Tagged(str):
    """As the strings of ansible-core 2.19 and later: a subclass that plain dumpers refuse."""


def tagged(value: Any) -> Any:
    if isinstance(value, str):
        return Tagged(value)
    if isinstance(value, dict):
        return {tagged(name): tagged(item) for name, item in value.items()}
    return [tagged(item) for item in value] if isinstance(value, list) else value


def types(value: Any) -> set[type]:
    if isinstance(value, dict):
        return {dict}.union(*(types(item) for pair in value.items() for item in pair))
    if isinstance(value, list):
        return {list}.union(*(types(item) for item in value))
    return {type(value)}


def test_what_comes_out_is_plain() -> None:
    asked = {"date": ago(1), "known": [A, B]}
    seen = info(
        [key(B, 300, 60, "Inactive"), key(A, 100, 1), key(L, 1)],
        entry(A, 100, 100, asked=asked, other_keys={B: note(300, 290, off=31)}),
    )
    seen["users"].append(user("broken", error="denied"))
    seen["store_only"] = [{"user_name": "gone", "user_id": "AIDAGONE", "access_key_ids": [C]}]
    policy = {"exempt": ["nobody"], "max_age_days": "90"}
    plain = rotation_plan(seen, policy)
    result = rotation_plan(tagged(seen), tagged(policy))
    assert result == plain
    assert types(result) <= {dict, list, str, int, float, bool, type(None)}


def test_nothing_that_was_handed_over_is_changed() -> None:
    seen, policy = overdue(), {"exempt": ["x"], "now": []}
    before = repr((seen, policy))
    rotation_plan(seen, policy)
    assert repr((seen, policy)) == before


def test_reasons_are_sentences() -> None:
    worlds = [info(keys, store) for keys, store in BROKEN.values()]
    worlds += [
        with_leftover(1),
        with_leftover(13),
        overdue(),
        replaced(1, 1),
        replaced(1, 9),
        replaced(9, 9),
        switched_off(5),
        info(),
    ]
    worlds += [
        info([key(A, 20, 1)]),
        info([key(A, 80, 1)]),
        info([key(A, 100, 1), key(B, 20, 1)]),
        info([key(A, 100, 1), key(B, 95, 1)]),
    ]
    for seen in worlds:
        reason = decided(seen)["reason"]
        assert reason.endswith(".") and ". " not in reason and reason[0].isupper() and "  " not in reason, reason


# -- when a new key is made ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "due_at"),
    [
        ({}, 76),
        ({"max_age_days": 30}, 16),
        ({"max_age_days": 20}, 14),  # the key before it needs 7 days of grace and 7 idle ones to go
        ({"max_age_days": 10}, 10),
        ({"max_age_days": 1}, 1),
        ({"max_age_days": 0.5}, 0.5),
        ({"max_age_days": 20, "deactivate_after_days": 0, "idle_days": 0}, 6),
        ({"max_age_days": 10, "deactivate_after_days": 0, "idle_days": 0}, 1),
        ({"max_age_days": 90, "idle_days": 60, "deactivate_after_days": 40}, 90),
        ({"renew_before_days": 0}, 90),
        ({"renew_before_days": "30"}, 60),
        ({"renew_before_days": None}, 76),
        ({"renew_before_days": 3, "max_age_days": 10}, 7),  # what a person says is so
        ({"now": ["ci"]}, 1),
        ({"now": ["ci"], "renew_before_days": 30}, 1),
        ({"now": ["ci"], "max_age_days": 0.5}, 0.5),
    ],
)
def test_when_a_new_key_is_made(policy: dict[str, Any], due_at: float) -> None:
    young = decided(info([key(A, due_at - MINUTE, 0)], entry(A, due_at - MINUTE, due_at - MINUTE)), **policy)
    assert young["actions"] == [] and young["next_date"] <= ahead(MINUTE)
    (create,) = decided(info([key(A, due_at, 0)], entry(A, due_at, due_at)), **policy)["actions"]
    assert (create["action"], create["max_age_days"]) == ("create", due_at)


@pytest.mark.parametrize("now", [[], ["ci"]])
def test_with_a_limit_of_nothing_each_run_makes_a_key(now: list[str]) -> None:
    seen = info([key(A, 0.001, 0)], entry(A, 0.001, 0.001))
    assert does(decided(seen, max_age_days=0, now=now)) == [("create", None)]
    after = apply(seen, rotation_plan(seen, {"max_age_days": 0, "now": now}))
    assert decided(after, max_age_days=0, now=now)["actions"] == []


@pytest.mark.parametrize(("max_age", "before"), [(90, 90), (90, "91"), (7, 14), (14, 14), (0, 1)])
def test_a_new_key_cannot_be_made_before_the_old_one(max_age: float, before: float) -> None:
    with pytest.raises(
        AnsibleFilterError, match=rf"renew_before_days \({before}\) must be less than max_age_days \({max_age}\)"
    ):
        rotation_plan(info(), {"max_age_days": max_age, "renew_before_days": before})


def test_who_is_over_the_limit_of_the_benchmark_is_told_by_its_rule() -> None:
    seen = info([key(A, 95, 0), key(B, 3, 0)], entry(B, 3, 3, other_keys={A: note(95, 90)}))
    assert decided(seen)["rules"] == [{**ONE_KEY, "on_purpose": True}, ROTATED]
    assert [rule["number"] for rule in decided(seen, benchmark="CIS 1.4")["rules"]] == ["1.13", "1.14"]
    assert [rule["number"] for rule in decided(seen, benchmark="CIS 7.0.0")["rules"]] == ["2.12"]
    assert decided(info([key(A, 60, 45)]))["rules"] == decided(info([key(A, 45, None)]))["rules"] == [UNUSED]
    assert decided(info([key(A, 60, 44.9)]))["rules"] == []


# -- no more than so many keys ---------------------------------------------------------------------------------------


def several(**ages: float) -> Info:
    """Users with one key of that age each."""
    return info(
        [key(f"AKIA{name.upper():A<16}", age, 0, user=name) for name, age in ages.items()], users=map(user, ages)
    )


def who_gets_one(seen: Info, **policy: Any) -> list[str]:
    decisions = rotation_plan(seen, policy)
    return [one["user_name"] for one in decisions if any(action["action"] == "create" for action in one["actions"])]


def test_the_oldest_come_first_and_those_that_a_person_named_before() -> None:
    seen = several(ana=80, ben=300, cem=3, dia=100, eva=20)
    assert who_gets_one(seen) == ["ana", "ben", "dia"]
    assert who_gets_one(seen, max_new_keys=2) == ["ben", "dia"]
    assert who_gets_one(seen, max_new_keys="1", now=["cem"]) == ["cem"]
    assert who_gets_one(seen, max_new_keys=2, now=["cem"]) == ["ben", "cem"]
    assert who_gets_one(seen, max_new_keys=0) == []
    # The role's second look says how many there are by then.
    assert who_gets_one({**seen, "new_keys": 1}, max_new_keys=2) == ["ben"]
    assert who_gets_one({**seen, "new_keys": 3}, max_new_keys=2) == []
    assert who_gets_one({**seen, "new_keys": 3}) == ["ana", "ben", "dia"]


def test_the_others_stay_due_and_say_so() -> None:
    decision = decided(several(ci=80), max_new_keys=0)
    assert (decision["status"], decision["actions"], decision["next_date"]) == ("due", [], None)
    assert "rotation_max_new_keys" in decision["reason"] and decision["about"] == ["AKIACIAAAAAAAAAAAAAA"]


def test_what_makes_no_key_does_not_wait() -> None:
    off = entry(A, 100, 100, other_keys={B: note(300, 290, off=40)})
    seen = info([key(B, 300, 110, "Inactive"), key(A, 100, 1)], off)
    late = decided(seen, max_new_keys=0)
    assert (late["status"], does(late)) == ("due", [("delete", B)])
    waiting = info([key(A, 20, 1), key(N, 2)], entry(A, 20, 20, other_keys={N: note(2)}))
    assert does(decided(waiting, max_new_keys=0)) == [("verify", N)]


@pytest.mark.parametrize("value", [-1, 1.5, "few", True, [3]])
def test_a_number_of_keys_is_a_whole_number(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="max_new_keys must be a "):
        rotation_plan(info(), {"max_new_keys": value})


# -- quarantine, owners and tags -------------------------------------------------------------------------------------

QUARANTINED = user(store=entry(A, 100, 100), quarantined="AWSCompromisedKeyQuarantineV3")


def test_a_quarantined_user_is_a_persons() -> None:
    seen = info([key(B, 50, 60, "Inactive"), key(A, 100, 1)], users=[QUARANTINED])
    decision = decided(seen)
    assert (decision["status"], decision["actions"], decision["about"]) == ("quarantined", [], [A])
    assert "AWSCompromisedKeyQuarantineV3" in decision["reason"] and len(decision["reason"]) <= 120
    assert tasks(decision)[0] == {"user_name": "ci", "access_key_id": A, "active": False, "leaked": True}
    assert decided(seen, now="ci")["status"] == "blocked"
    assert decided(seen, exempt="ci")["status"] == "exempt"
    assert tasks(decided({**seen, "account": {"signing_access_key_id": A}}))[0]["access_key_id"] == B


def with_tags(age: float = 80, store: Record | None = None, **tags: str) -> Info:
    named = {f"keyturn:{name.replace('_', '-')}": value for name, value in tags.items()}
    return info([key(A, age, 3)], users=[user(store=store, tags=named)])


def test_a_users_own_tags_come_before_the_policy() -> None:
    assert decided(with_tags(max_age_days="365"), tag_policy=True)["status"] == "compliant"
    assert decided(with_tags(max_age_days="365"))["status"] == "due"
    assert decided(with_tags(16, max_age_days="30"), tag_policy="yes")["actions"][0]["max_age_days"] == 16
    # A person's renew_before_days is for the policy's own number; a smaller one leaves what it leaves.
    assert decided(with_tags(9, max_age_days="10"), tag_policy=True, renew_before_days=40)["status"] == "due_soon"
    two = [key(B, 60, 3), key(A, 20, 0)]
    for days, status in (("2", "retire"), ("4", "blocked")):
        tags = {"KeyTurn:idle-days": days}
        seen = info(two, users=[user(store=entry(A, 20, 20, other_keys={B: note(60, 59)}), tags=tags)])
        assert decided(seen, tag_policy=True)["status"] == status


def test_a_decision_says_where_a_tag_has_another_age_than_the_policy() -> None:
    assert decided(with_tags(max_age_days="365"), tag_policy=True)["max_age_days"] == 365
    for decision in (
        decided(with_tags(max_age_days="365")),
        decided(with_tags(idle_days="3"), tag_policy=True),
        decided(with_tags(max_age_days="365", idle_days="x"), tag_policy=True),
    ):
        assert "max_age_days" not in decision


def test_a_user_can_be_exempt_until_a_date() -> None:
    until = decided(with_tags(exempt_until="2026-12-04"), tag_policy=True, now="ci")
    assert (until["status"], until["next_date"]) == ("exempt", "2026-12-04T00:00:00+00:00")
    assert "2026-12-04T00:00:00+00:00" in until["reason"]
    for date in ("2026-11-24", "2026-11-24T04:00:00Z", "2020-01-01"):
        assert decided(with_tags(exempt_until=date), tag_policy=True)["status"] == "due"
    assert decided(with_tags(exempt_until="2026-11-24T05:00:01+01:00"), tag_policy=True)["status"] == "exempt"


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"exempt_until": "for ever"}, "keyturn:exempt-until must be a date like 2027-01-31 or "),
        ({"exempt_until": ""}, "keyturn:exempt-until must be a date"),
        ({"exempt_until": "0"}, "keyturn:exempt-until must be a date"),
        ({"max_age_days": "-1"}, "keyturn:max-age-days must be a number of days, 0 or more, not '-1'"),
        ({"idle_days": "a week"}, "keyturn:idle-days must be a number of days"),
        ({"max_age_days": "nan"}, "keyturn:max-age-days must be a number of days"),
        ({"exempt": "2027-01-31"}, "'keyturn:exempt' is none of keyturn:max-age-days, keyturn:idle-days, "),
    ],
)
def test_a_tag_that_makes_no_sense_is_that_users_error(tags: dict[str, str], words: str) -> None:
    decision = decided(with_tags(**tags), tag_policy=True)
    assert (decision["status"], decision["actions"]) == ("error", []) and words in decision["reason"]
    assert decided(with_tags(**tags))["status"] == "due"


def test_tags_that_were_not_read_are_an_error_and_no_absence() -> None:
    seen = info([key(A, 80, 0)])
    assert decided(seen, tag_policy=True)["status"] == "error"
    assert decided(seen, owner_tag="team")["owner"] is None


def test_the_owner_is_a_tag() -> None:
    seen = info(users=[user(tags={"Team": "build"}), user("gone", tags={}), user("odd", error="denied")])
    owners = [one["owner"] for one in rotation_plan(seen, {"owner_tag": "team"})]
    assert owners == ["build", None, None] and "owner" not in decided(seen)
    # An owner may stand in a tag that begins as ours do.
    assert decided(with_tags(20, owner="build"), owner_tag="keyturn:owner", tag_policy=True)["owner"] == "build"
