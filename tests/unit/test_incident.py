# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which key a rollback brings back, and what a revocation leaves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import incident
from worlds import ago, entry, info, key, note, user


def chosen(look: dict[str, Any], *given: str) -> tuple[str, bool] | None:
    found = incident.previous(look, *given)
    assert bool(found["problem"]) is ("access_key_id" not in found)
    return None if found["problem"] else (found["access_key_id"], found["stored"])


def of_ours(key_id: str, age: float, stage: str, **more: Any) -> dict[str, Any]:
    return key(key_id, age, stage=stage, stored=True, **more)


BY_HAND = key("HAND", 400, status="Inactive", deactivate_date=ago(1))
NOTES = {
    "OLD": note(200, promoted=100),
    "OLDER": note(250, promoted=190),
    "GONE": note(90, promoted=50),
    "NEXT": note(1),
    "HAND": note(off=1),
}
CURRENT = of_ours("NOW", 20, "current")


def test_the_key_that_was_current_last_is_rolled_back_to() -> None:
    look = info(
        [BY_HAND, of_ours("OLD", 200, "previous"), of_ours("OLDER", 250, "previous"), CURRENT],
        entry("NOW", 20, 20, other_keys=NOTES),
    )
    assert chosen(look) == ("OLD", True)
    assert chosen(look, "OLDER") == ("OLDER", True)
    assert chosen(look, "HAND") == ("HAND", False)
    assert chosen(info([BY_HAND, CURRENT], entry("NOW", 20, 20, other_keys=NOTES))) == ("HAND", False)


def test_a_rollback_does_not_toggle() -> None:
    """What is younger than the current key is what was current before the rollback, be the rollback's hold over or not."""
    store = entry("OLD", 200, 1, other_keys={"NEW": note(20, promoted=20)})
    assert chosen(info([of_ours("OLD", 200, "current"), of_ours("NEW", 20, "previous")], store)) == ("OLD", True)
    assert chosen(info([key("HAND", 400), CURRENT], entry("NOW", 20, 20))) == ("NOW", True)
    off = of_ours("OLD", 200, "current", status="Inactive")
    assert chosen(info([off, of_ours("NEW", 20, "previous")], store)) == ("NEW", True)


def test_a_revoked_key_does_not_come_back() -> None:
    revoked = {**note(200, promoted=100, off=1), "revoke_date": ago(1)}
    off = of_ours("OLD", 200, "previous", status="Inactive", deactivate_date=ago(1))
    assert chosen(info([off, CURRENT], entry("NOW", 20, 20, other_keys={"OLD": revoked}))) is None
    assert chosen(info([BY_HAND, off, CURRENT], entry("NOW", 20, 20, other_keys={**NOTES, "OLD": revoked}))) == (
        "HAND",
        False,
    )
    current = of_ours("NOW", 20, "current", status="Inactive", deactivate_date=ago(1))
    assert chosen(info([current], entry("NOW", 20, 20, off=1, revoke_date=ago(1)))) is None
    assert (
        "and that was not revoked"
        in incident.previous(info([current], entry("NOW", 20, 20, off=1, revoke_date=ago(1))))["problem"]
    )


def test_a_current_key_that_was_switched_off_as_unused_comes_back_first() -> None:
    off = of_ours("NOW", 20, "current", status="Inactive", deactivate_date=ago(1))
    assert chosen(info([of_ours("OLD", 200, "previous"), off], entry("NOW", 20, 20, off=1, other_keys=NOTES))) == (
        "NOW",
        True,
    )


@pytest.mark.parametrize(
    "store", [None, entry(), entry("NOW", 20, 20), entry("NOW", 20, 20, other_keys={"GONE": note(90, promoted=80)})]
)
def test_without_a_key_that_was_in_force_there_is_no_rollback(store: Any) -> None:
    keys = [CURRENT] if store and "access_key_id" in store else []
    assert chosen(info([*keys, key("OFF", 90, status="Inactive")], store)) is None


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ([user(error="The entry is damaged")], "The entry is damaged"),
        (
            [user(store={**entry("NOW", 20, 20), "account_id": "999999999999"})],
            "belong to account 999999999999, but these credentials are for account 123",
        ),
        (
            [user(store={**entry("NOW", 20, 20), "user_id": "AIDAEARLIER"})],
            "belong to user id AIDAEARLIER, but IAM's user of that name is AIDACI",
        ),
        ([user("ci"), user("cj")], "must name one user"),
    ],
)
def test_what_is_wrong_with_the_user_is_said_first(users: list[dict[str, Any]], said: str) -> None:
    assert said in incident.previous(info([CURRENT], users=users))["problem"]


# -- what a revocation leaves ----------------------------------------------------------------------------------------


def left(keys: list[dict[str, Any]], store: dict[str, Any] | None = None, **account: Any) -> dict[str, Any]:
    return incident.revoked(info(keys, store, **account), "LEAKED")


def step_of(found: dict[str, Any]) -> tuple[str, str | None] | None:
    """The one step that gives the user a key in force; none where none is needed, or none helps."""
    steps = [(step["action"], step["access_key_id"]) for step in found["steps"]]
    assert len(steps) <= 1 and not (steps and found["problem"])
    assert all(step["user_name"] == "ci" and step["reason"] for step in found["steps"])
    return steps[0] if steps else None


OFF = {"status": "Inactive"}
LEAKED = of_ours("LEAKED", 20, "current")
STORE = entry("LEAKED", 20, 20)
"""What the store knows before the leaked key is revoked."""


@pytest.mark.parametrize(
    ("keys", "store"),
    [
        ([of_ours("LEAKED", 90, "previous"), CURRENT], entry("NOW", 20, 20, other_keys={"LEAKED": note(90, 90)})),
        ([of_ours("LEAKED", 1, "next"), CURRENT], entry("NOW", 20, 20, other_keys={"LEAKED": note(1)})),
        ([key("LEAKED", 90), key("HAND", 20)], entry()),
        ([key("LEAKED", 90), key("HAND", 20, stored=None)], None),
    ],
)
def test_who_has_another_key_in_force_needs_none(keys: list[dict[str, Any]], store: Any) -> None:
    found = left(keys, store)
    assert (found["steps"], found["problem"], found["user_name"]) == ([], None, "ci")
    done = found["revoked"]
    assert (done["action"], done["user_name"], done["access_key_id"]) == ("deactivate", "ci", "LEAKED")


def test_consumers_of_the_store_need_its_current_key() -> None:
    """A key that people made by hand is not what consumers read."""
    assert step_of(left([LEAKED, key("HAND", 90)], STORE, access_keys_quota=3)) == ("create", None)


@pytest.mark.parametrize(
    ("keys", "store"),
    [
        ([LEAKED], STORE),
        ([{**LEAKED, **OFF}], STORE),
        ([key("LEAKED", 90)], entry()),
        ([key("LEAKED", 90), key("HAND", 20, **OFF)], entry()),
    ],
)
def test_who_has_none_gets_a_new_one_where_there_is_room(keys: list[dict[str, Any]], store: Any) -> None:
    assert step_of(left(keys, store, access_keys_quota=3)) == ("create", None)


@pytest.mark.parametrize(("keys", "makes"), [(1, True), (2, False)])
def test_a_quota_that_may_not_be_read_is_iams_own(keys: int, makes: bool) -> None:
    found = left([LEAKED, key("OFF", 90, **OFF)][:keys], STORE, access_keys_quota=None)
    assert (step_of(found) == ("create", None)) is makes and bool(found["problem"]) is not makes


def test_a_next_that_waits_comes_before_a_new_one() -> None:
    store = entry("LEAKED", 20, 20, other_keys={"NEXT": note(1)})
    assert step_of(left([LEAKED, of_ours("NEXT", 1, "next")], store)) == ("verify", "NEXT")
    off = [LEAKED, of_ours("NEXT", 1, "next", **OFF)]
    assert step_of(left(off, store, access_keys_quota=3)) == ("create", None), "a person switched it off"
    assert (
        step_of(left([of_ours("LEAKED", 1, "next"), key("OLD", 20, **OFF)], entry(other_keys={"LEAKED": note(1)})))
        is None
    )


def test_without_room_the_previous_key_is_put_back_and_none_is_deleted() -> None:
    """Case L8."""
    off = of_ours("OLD", 90, "previous", **OFF, deactivate_date=ago(1))
    store = entry("LEAKED", 20, 20, other_keys={"OLD": note(90, promoted=80, off=1)})
    assert step_of(left([off, LEAKED], store)) == ("put_back", "OLD")
    active = entry("LEAKED", 20, 20, other_keys={"OLD": note(90, promoted=80)})
    assert step_of(left([of_ours("OLD", 90, "previous"), LEAKED], active)) == ("put_back", "OLD")


def test_of_two_previous_keys_the_one_that_was_current_last_is_put_back() -> None:
    keys = [of_ours("OLDER", 200, "previous"), of_ours("OLD", 90, "previous"), LEAKED]
    notes = {"OLD": note(90, promoted=80), "OLDER": note(200, promoted=190)}
    store = entry("LEAKED", 20, 20, other_keys=notes)
    assert step_of(left(keys, store)) == ("put_back", "OLD")
    rolled_back = {**notes, "OLDER": note(200, promoted=50)}
    assert step_of(left(keys, {**store, "other_keys": rolled_back})) == ("put_back", "OLDER")


@pytest.mark.parametrize(
    "other",
    [
        of_ours("OLD", 90, "previous", **OFF),  # a person switched it off
        key("OLD", 90, **OFF),
        key("OLD", 90),
    ],
)
def test_what_people_made_or_switched_off_is_neither_put_back_nor_deleted(other: dict[str, Any]) -> None:
    stored = {"OLD": note(90, promoted=80)} if other["stored"] else {}
    found = left([other, LEAKED], entry("LEAKED", 20, 20, other_keys=stored))
    assert step_of(found) is None
    assert found["problem"] == (
        f"there is no room for a new one (OLD ({other['status']}), LEAKED (Inactive)); delete the one that nobody needs "
        "with iam_access_key (state: absent) and run the same again"
    )


def test_a_key_that_was_revoked_before_is_not_put_back() -> None:
    off = of_ours("OLD", 90, None, **OFF, deactivate_date=ago(1))  # type: ignore[arg-type]
    revoked = {**note(90, promoted=80, off=1), "revoke_date": ago(1)}
    found = left([off, LEAKED], entry("LEAKED", 20, 20, other_keys={"OLD": revoked}))
    assert step_of(found) is None and "no room" in found["problem"]


def test_what_may_be_a_persons_is_named_and_not_deleted() -> None:
    """Case L6: a run died before it asked, and a person made a key within five minutes of that."""
    asked = {"date": ago(0.01), "known": ["LEAKED"]}
    found = left([LEAKED, key("LEFT", 0.01)], {**STORE, "asked": asked})
    assert step_of(found) is None
    assert "delete LEFT, whose secret a run lost, unless a person made it, with iam_access_key" in found["problem"]


def test_what_an_interrupted_run_left_is_not_in_force() -> None:
    asked = {"date": ago(0.01), "known": ["LEAKED"]}
    keys = [key("LEAKED", 90), key("LEFT", 0.01)]
    assert step_of(left(keys, entry(asked=asked), access_keys_quota=3)) == ("create", None)
    stored = entry(asked=asked, other_keys={"LEFT": note(0.01)})
    assert step_of(left([keys[0], of_ours("LEFT", 0.01, "next")], stored)) == ("verify", "LEFT")
    found = left([keys[0], key("HAND", 10)], entry(asked={**asked, "known": ["LEAKED", "HAND"]}))
    assert (found["steps"], found["problem"]) == ([], None)


def test_what_is_seen_has_the_revocation_in_it() -> None:
    """A list that lags calls the key Active, and check mode has done nothing."""
    store = {**STORE, "hold_until": ago(-1)}
    after = left([LEAKED, key("HAND", 90)], store)["info"]
    rows = {row["access_key_id"]: row for row in after["access_keys"]}
    assert (rows["LEAKED"]["status"], rows["LEAKED"]["stage"]) == ("Inactive", None)
    assert rows["LEAKED"]["deactivate_date"] == after["now"] and rows["HAND"] == key("HAND", 90)
    seen = after["users"][0]["store"]
    assert "access_key_id" not in seen and "hold_until" not in seen
    assert seen["other_keys"]["LEAKED"]["revoke_date"] == after["now"] and seen["other_keys"]["LEAKED"]["stored"]
    assert store["access_key_id"] == "LEAKED", "what was handed over stays as it is"


def test_without_a_store_it_says_what_it_takes() -> None:
    found = left([key("LEAKED", 20, stored=None), key("HAND", 90, stored=None, **OFF)])
    assert step_of(found) is None
    assert found["problem"] == "no store was named; give rotation_vault_file for a new one"
    assert found["info"]["users"][0]["store"] is None


def test_a_user_whom_a_store_does_not_know_yet_gets_a_key_in_it() -> None:
    assert step_of(left([key("LEAKED", 20, stored=False)])) == ("create", None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error": "The entry is damaged"}, "The entry is damaged"),
        ({"store": {**STORE, "account_id": "999999999999"}}, "belong to account 999999999999"),
        ({"store": {**STORE, "user_id": "AIDAEARLIER"}}, "belong to user id AIDAEARLIER"),
    ],
)
def test_an_entry_that_cannot_be_relied_on_gets_no_key(changes: dict[str, Any], said: str) -> None:
    users = [user(**{"store": STORE, **changes})]
    found = incident.revoked(info([LEAKED], users=users), "LEAKED")
    assert step_of(found) is None and said in found["problem"]


def test_a_person_may_want_no_other_key() -> None:
    found = incident.revoked(info([LEAKED], STORE), "LEAKED", False)
    assert (found["steps"], found["problem"]) == ([], None)


def tried(failed: bool, msg: str | None = None) -> dict[str, Any]:
    return {"action": {"action": "create", "user_name": "ci", "access_key_id": None}, "failed": failed, "msg": msg}


def test_a_user_who_is_left_without_a_key_is_told_why() -> None:
    no_room = left([LEAKED, key("OLD", 90)], STORE)
    before = "Access key LEAKED of user ci is switched off, but the user has no other one in force: "
    assert incident.unreplaced(no_room, []) == before + no_room["problem"]
    makes = left([LEAKED], STORE)
    assert incident.unreplaced(makes, [tried(True, "denied")]) == before + "denied"


def test_a_key_in_force_that_was_not_carried_is_told() -> None:
    action = {"action": "carry", "user_name": "ci", "access_key_id": "NEW"}
    failed = {"action": action, "failed": True, "msg": "no", "access_key_id": "NEW"}
    said = incident.unreplaced(left([LEAKED], STORE), [tried(False), failed])
    assert said == (
        "Access key LEAKED of user ci is switched off, but NEW, which is in force now, was not carried to where it is "
        "used: no"
    )


def test_a_user_with_a_key_in_force_is_told_nothing() -> None:
    assert incident.unreplaced(left([LEAKED], STORE), [tried(False)]) is None
    beside = left([key("LEAKED", 90), key("HAND", 20)], entry())
    assert incident.unreplaced(beside, []) is None


def test_the_revocation_itself_is_told_as_a_step() -> None:
    result = {"changed": True, "access_key": {"access_key_id": "LEAKED", "user_name": "ci", "status": "Inactive"}}
    (one,) = incident.revocation(result)
    assert one["changed"] and not one["failed"] and one["action"]["action"] == "deactivate"
    assert (one["action"]["user_name"], one["action"]["access_key_id"]) == ("ci", "LEAKED")
