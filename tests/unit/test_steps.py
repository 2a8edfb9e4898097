# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role does between one look and the next."""

from __future__ import annotations

from typing import Any

import pytest
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


def test_results_are_read_from_registered_loops() -> None:
    loop = {
        "results": [
            {"item": action("create", "ana"), "changed": True, "access_key": {"access_key_id": "NEW"}},
            {"item": action("deactivate", "dia", "IDLE"), "failed": True, "msg": "in use"},
            {"item": action("delete", "cem", "GONE"), "skipped": True},
        ]
    }
    assert steps.results([{}, {"results": [], "skipped_reason": "nothing"}, loop]) == [
        {"action": action("create", "ana"), "changed": True, "failed": False, "msg": None, "access_key_id": "NEW"},
        {
            "action": action("deactivate", "dia", "IDLE"),
            "changed": False,
            "failed": True,
            "msg": "in use",
            "access_key_id": "IDLE",
        },
    ]


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
