# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role does between one look and the next."""

from __future__ import annotations

from typing import Any

import pytest
import worlds
from ansible_collections.keyturn.iam.plugins.module_utils._argspec import ACCESS_KEY
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import steps

NOW = "2026-11-24T04:00:00+00:00"


def action(kind: str, user_name: str, access_key_id: str | None = None) -> dict[str, Any]:
    return {"action": kind, "user_name": user_name, "access_key_id": access_key_id, "reason": ""}


def decision(user_name: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {"user_name": user_name, "actions": list(actions)}


def result(done: dict[str, Any], failed: bool = False, access_key_id: str | None = None) -> dict[str, Any]:
    return {
        "action": done,
        "changed": not failed,
        "failed": failed,
        "msg": None,
        "access_key_id": access_key_id or done["access_key_id"],
    }


PLAN = [
    decision("ana", action("delete", "ana", "OLD"), action("create", "ana")),
    decision("ben", action("verify", "ben", "NEXT")),
    decision("cem", action("delete", "cem", "GONE")),
    decision("dia", action("deactivate", "dia", "IDLE"), action("create", "dia")),
    decision("eva"),
    decision("fay", action("put_back", "fay", "PREVIOUS")),
    decision("gus", action("carry", "gus", "HERE")),
]


def test_each_step_has_its_actions() -> None:
    due = {step: [(one["user_name"], one["access_key_id"]) for one in steps.steps(PLAN, step)] for step in steps.STEPS}
    assert due == {
        "make_room": [("ana", "OLD")],
        "create": [("ana", None), ("dia", None)],
        "verify": [("ben", "NEXT")],
        "put_back": [("fay", "PREVIOUS")],
        "carry": [("gus", "HERE")],
        "take_note_back": [],
        "deactivate": [("dia", "IDLE")],
        "delete": [("ana", "OLD"), ("cem", "GONE")],
    }


def test_what_was_made_is_verified_and_what_is_done_is_not_done_again() -> None:
    made = [result(action("delete", "ana", "OLD")), result(action("create", "ana"), access_key_id="NEW")]
    assert [(one["action"], one["user_name"], one["access_key_id"]) for one in steps.steps(PLAN, "verify", made)] == [
        ("verify", "ben", "NEXT"),
        ("verify", "ana", "NEW"),
    ]
    assert [one["user_name"] for one in steps.steps(PLAN, "delete", made)] == ["cem"]


def test_a_user_for_whom_a_step_failed_is_left_out() -> None:
    failed = [result(action("delete", "ana", "OLD"), failed=True)]
    assert [one["user_name"] for one in steps.steps(PLAN, "create", failed)] == ["dia"]


def test_a_create_that_check_mode_predicted_has_no_key_to_verify() -> None:
    predicted = [
        {"action": action("create", "dia"), "changed": True, "failed": False, "msg": None, "access_key_id": None}
    ]
    assert [one["user_name"] for one in steps.steps(PLAN, "verify", predicted)] == ["ben"]


def test_what_has_become_current_is_carried() -> None:
    came = [
        result(action("verify", "ben", "NEXT")),
        result(action("verify", "ana", "NEW"), failed=True),
        result(action("put_back", "fay", "PREVIOUS")),
        result(action("create", "dia")),  # as check mode predicts it
    ]
    due = [(one["action"], one["user_name"], one["access_key_id"]) for one in steps.steps(PLAN, "carry", came)]
    assert due == [
        ("carry", "gus", "HERE"),
        ("carry", "ben", "NEXT"),
        ("carry", "fay", "PREVIOUS"),
        ("carry", "dia", None),
    ]
    carried = [*came, result(action("carry", "gus", "HERE")), result(action("carry", "ben", "NEXT"), failed=True)]
    assert [one["user_name"] for one in steps.steps(PLAN, "carry", carried)] == ["fay", "dia"]


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="make_room"):
        steps.steps(PLAN, "rotate")


DUE = [action("create", "ana"), action("deactivate", "dia", "IDLE")]


def told(done: dict[str, Any], changed: bool, msg: str | None, access_key_id: str | None) -> dict[str, Any]:
    return {
        "action": done,
        "changed": changed,
        "failed": msg is not None,
        "msg": msg,
        "access_key_id": access_key_id,
    }


def test_results_are_those_of_the_actions_in_their_order() -> None:
    results = [
        {"item": {}, "changed": True, "access_key": {"access_key_id": "NEW"}},
        {"item": {}, "changed": False, "failed": True, "msg": "in use"},
    ]
    registered = {
        "changed": True,
        "failed": False,
        "failed_when_result": False,
        "msg": "dia: in use",
        "results": results,
    }
    assert steps.results(registered, DUE) == [
        told(DUE[0], True, None, "NEW"),
        told(DUE[1], False, "in use", "IDLE"),
    ]


def test_a_task_that_failed_before_it_began_has_done_nothing_for_anyone() -> None:
    registered = {"failed": False, "failed_when_result": False, "msg": "no credentials"}
    assert steps.results(registered, DUE) == [
        told(DUE[0], False, "no credentials", None),
        told(DUE[1], False, "no credentials", "IDLE"),
    ]
    assert steps.results({"changed": False, "results": []}, []) == []


def run(check_mode: bool = False, on_stored: str | None = None, on_promoted: str | None = None) -> dict[str, Any]:
    return {"check_mode": check_mode, "settings": {"on_stored": on_stored, "on_promoted": on_promoted}}


def test_parts_are_those_that_have_something_to_do_in_the_order_of_the_role() -> None:
    nothing, due, gone = (
        decision("eva"),
        decision("dia", action("create", "dia")),
        decision("cem", action("delete", "cem")),
    )
    assert steps.parts(PLAN, "renew", run()) == ["make_room", "create", "verify", "look_again"]
    assert steps.parts(PLAN, "retire", run()) == ["deactivate", "delete", "settle"]
    assert steps.parts([due], "renew", run()) == ["create", "verify", "look_again"]
    assert steps.parts([due], "retire", run()) == []
    assert steps.parts([gone], "renew", run()) == []
    assert steps.parts([nothing], "renew", run()) == steps.parts([nothing], "retire", run()) == []
    assert steps.parts([due], "replace", run()) == ["create", "verify"]
    put_back = [decision("fay", action("put_back", "fay", "PREVIOUS"))]
    assert steps.parts(put_back, "replace", run()) == ["put_back"]
    with pytest.raises(ValueError, match="renew, retire, replace"):
        steps.parts(PLAN, "rotate", run())


def test_parts_of_a_person_who_carries_new_keys() -> None:
    for check_mode, again in ((False, ["look_again"]), (True, [])):
        carries = {"check_mode": check_mode, "settings": {"on_stored": None, "on_promoted": "carry.yml"}}
        assert steps.parts(PLAN, "renew", carries) == ["make_room", "create", "verify", "carry", *again]
        late = [decision("gus", action("carry", "gus", "HERE"))]
        assert steps.parts(late, "renew", carries) == ["carry", *again]
        put_back = [decision("fay", action("put_back", "fay", "PREVIOUS"))]
        assert steps.parts(put_back, "replace", carries) == ["put_back", "carry"]


def test_parts_of_a_person_who_saves_the_store() -> None:
    saves = run(on_stored="save.yml")
    assert steps.parts(PLAN, "renew", saves) == ["make_room", "create", "save", "verify", "look_again"]
    assert steps.parts(PLAN, "retire", saves) == ["deactivate", "delete", "settle", "save_since"]
    assert steps.parts([decision("dia", action("create", "dia"))], "retire", saves) == ["save_since"]
    assert steps.parts([decision("dia", action("create", "dia"))], "replace", saves) == [
        "create",
        "save",
        "verify",
        "save_since",
    ]


def test_parts_of_a_person_who_carries_keys() -> None:
    carries = run(on_promoted="carry.yml")
    assert steps.parts(PLAN, "renew", carries) == ["make_room", "create", "verify", "carry", "look_again"]
    put_back = [decision("fay", action("put_back", "fay", "PREVIOUS"))]
    assert steps.parts(put_back, "replace", carries) == ["put_back", "carry"]
    assert steps.parts([decision("gus", action("carry", "gus", "CUR"))], "renew", carries) == ["carry", "look_again"]
    assert steps.parts(PLAN, "renew", run(True, on_promoted="carry.yml")) == ["make_room", "create", "verify", "carry"]


def test_check_mode_looks_once_and_saves_nothing() -> None:
    check = run(True, "save.yml")
    assert steps.parts(PLAN, "renew", check) == ["make_room", "create", "verify"]
    assert steps.parts(PLAN, "retire", check) == ["deactivate", "delete"]


def test_an_item_says_all_that_it_wants_lest_a_default_of_the_caller_has_a_say() -> None:
    settings = {"vault_file": "keys.yml", "vault_id": None, "verify_delay": 10, "verify_timeout": 60, "users": ["*"]}
    planned = {**action("deactivate", "dia", "IDLE"), "min_idle_days": 7, "replacement": "CUR"}
    (item,) = steps.items([planned], settings)
    assert set(item) == set(ACCESS_KEY)
    assert {name: value for name, value in item.items() if value is not None} == {
        "user_name": "dia",
        "access_key_id": "IDLE",
        "active": False,
        "min_idle_days": 7,
        "replacement": "CUR",
        "vault_file": "keys.yml",
        "verify_delay": 10,
        "verify_timeout": 60,
    }


def test_each_step_is_a_wish_that_makes_sense() -> None:
    """What the plan says of a new key is nothing that its verification wants."""
    made = {**action("create", "ana"), "max_age_days": 90, "replaces": "OLD"}
    results = [result(made, access_key_id="NEW")]
    for step in set(steps.STEPS) - {"carry"}:  # a person's tasks do that
        for item in steps.items(steps.steps(PLAN, step, results), {"vault_file": "keys.yml"}):
            Want.of(item)


def test_why_a_run_fails() -> None:
    failed = {"failed": [{"user_name": "ben"}, {"user_name": "ana"}, {"user_name": "ben"}], "drift": ["cem"]}
    assert steps.wrong(failed, True) == "ben, ana: not done, see the report above"
    assert steps.wrong({"failed": [], "drift": ["cem", "dia"]}, True) == "Drift: cem, dia"
    assert steps.wrong({"failed": [], "drift": ["cem"]}) == steps.wrong({"failed": [], "drift": []}, True) == ""


def row(user_name: str, access_key_id: str) -> dict[str, Any]:
    return {
        "user_name": user_name,
        "access_key_id": access_key_id,
        "create_date": NOW,
        "status": "Active",
        "deactivate_date": None,
    }


def info(**fields: Any) -> dict[str, Any]:
    users = [{"user_name": name, "error": None, "store": None} for name in ("ana", "ben")]
    rows = [row("ana", "A"), row("ben", "B")]
    return {
        "account": {},
        "store_only": [],
        "users": users,
        "access_keys": rows,
        "now": NOW,
        "complete": True,
        **fields,
    }


def test_a_later_look_takes_the_place_of_the_earlier() -> None:
    again = info(
        users=[{"user_name": "ben", "error": None, "store": {"account_id": "1"}}],
        access_keys=[row("ben", "C"), row("ben", "B")],
        now="later",
    )
    seen = steps.look(info(), again, ["ben"])
    assert [(one["user_name"], one["access_key_id"]) for one in seen["access_keys"]] == [
        ("ana", "A"),
        ("ben", "B"),
        ("ben", "C"),
    ]
    assert (seen["now"], seen["users"][1]["store"]) == ("later", {"account_id": "1"})


def test_a_user_whom_the_later_look_lacks_is_an_error() -> None:
    seen = steps.look(info(), {"failed": True, "msg": "denied"}, ["ben"])
    assert [user["error"] for user in seen["users"]] == [None, "Could not be looked at again: denied"]
    assert [one["user_name"] for one in seen["access_keys"]] == ["ana"]


def test_what_was_done_is_applied() -> None:
    store = {"access_key_id": "A", "other_keys": {"P": {"stored": True}, "Q": {"deactivate_date": NOW}}}
    rows = [row("ana", "A"), row("ana", "H"), row("ana", "Q")]
    seen = info(
        users=[{"user_name": "ana", "error": None, "store": store}, {"user_name": "ben", "error": None, "store": None}],
        access_keys=rows,
    )
    done = [
        result(action("deactivate", "ana", "H")),
        result(action("delete", "ana", "Q")),
        result(action("deactivate", "ana", "A"), failed=True),
    ]
    after = steps.applied(seen, done)
    assert [(one["access_key_id"], one["status"]) for one in after["access_keys"]] == [
        ("A", "Active"),
        ("H", "Inactive"),
    ]
    assert after["users"][0]["store"]["other_keys"] == {
        "P": {"stored": True},
        "H": {"stored": False, "deactivate_date": NOW},
    }
    assert after["users"][1]["store"] is None
    assert list(store["other_keys"]) == ["P", "Q"]


def test_what_was_done_is_noted_in_the_entry_as_the_store_would() -> None:
    """With what that means for `asked` and for a hold."""
    hold, asked = "2026-12-24T04:00:00+00:00", {"date": NOW, "known": ["A"]}
    store = {"account_id": "1", "access_key_id": "A", "stored": True, "hold_until": hold, "asked": asked}
    seen = info(users=[{"user_name": "ana", "error": None, "store": store}])
    seen["access_keys"] += [row("ana", "LEFT"), {**row("ana", "OFF"), "status": "Inactive", "deactivate_date": hold}]
    left = steps.applied(seen, [result(action("delete", "ana", "LEFT"))])["users"][0]["store"]
    assert left == {"account_id": "1", "access_key_id": "A", "stored": True, "hold_until": hold, "asked": asked}
    switched = [result(action("deactivate", "ana", "A")), result(action("deactivate", "ana", "OFF"))]
    off = steps.applied(seen, switched)["users"][0]["store"]
    assert (off["deactivate_date"], "hold_until" in off) == (NOW, False)
    assert off["other_keys"] == {"OFF": {"deactivate_date": hold, "stored": False}}


def test_where_the_store_is_outlasts_a_second_look() -> None:
    assert steps.look(info(vault_file="keys.yml"), info(), ["ben"])["vault_file"] == "keys.yml"


def noted(user_name: str, key_id: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A user with two keys, the older of which the store says that we switched off."""
    store = worlds.entry("AKIACURRENT", 20, 20, user_id=None, other_keys={key_id: worlds.note(100, 95, off=10)})
    return worlds.user(user_name, store, **more), worlds.key(key_id, 100, 1, user=user_name)


def notes_to_take_back(seen: dict[str, Any], decisions: Any, results: Any = ()) -> list[dict[str, Any]]:
    return steps.steps(steps.with_notes(decisions, seen), "take_note_back", results)


def test_notes_of_keys_that_work_are_taken_back() -> None:
    users, keys = zip(*(noted(name, f"AKIA{name.upper()}") for name in ("ana", "ben", "cem", "dia", "eva")))
    seen = worlds.info(keys, users=users)
    keys[4]["status"] = "Inactive"
    decisions = [decision("ben", action("deactivate", "ben", "AKIABEN")), *map(decision, ("ana", "cem", "dia", "eva"))]
    failed = [result(action("create", "cem"), failed=True)]
    left = notes_to_take_back(seen, decisions, failed)
    assert left == [
        {"action": "take_note_back", "user_name": name, "access_key_id": key_id, "reason": "it is Active"}
        for name, key_id in (("ana", "AKIAANA"), ("dia", "AKIADIA"))
    ]
    assert [one["user_name"] for one in notes_to_take_back(seen, decisions, [*failed, result(left[0])])] == ["dia"]
    after = steps.applied(seen, [result(one) for one in left])
    assert [one["user_name"] for one in notes_to_take_back(after, decisions, failed)] == []


def test_a_note_stays_with_what_was_revoked_or_cannot_be_read_or_was_switched_off_just_now() -> None:
    for change in ({"revoke_date": worlds.ago(10)}, {"deactivate_date": worlds.ago(seconds=299)}):
        one, row = noted("ana", "AKIAANA")
        one["store"]["other_keys"]["AKIAANA"].update(change)
        assert notes_to_take_back(worlds.info([row], users=[one]), [decision("ana")]) == []
    one, row = noted("ana", "AKIAANA", error="denied")
    assert notes_to_take_back(worlds.info([row], users=[one]), [decision("ana")]) == []


def test_new_keys_are_counted() -> None:
    first = worlds.info([worlds.key("AKIAOLD", 100, user="ana")], users=[worlds.user("ana"), worlds.user("ben")])
    later = worlds.info(
        [worlds.key("AKIAOLD", 100, user="ana"), worlds.key("AKIANEW", 0, user="ana")],
        users=[worlds.user("ana")],
    )
    seen = steps.look(first, later, ["ana"])
    assert seen["new_keys"] == 1
    # The store knows of a key that a list does not show yet, and a third look goes on counting.
    store = worlds.entry("AKIANEWER", 0, 0, other_keys={"AKIANEW": worlds.note(0)})
    again = worlds.info(later["access_keys"], users=[worlds.user("ana", store)])
    assert steps.look(seen, again, ["ana"])["new_keys"] == 2
