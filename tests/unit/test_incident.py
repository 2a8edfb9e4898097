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


@pytest.mark.parametrize(
    ("keys", "needs"),
    [
        ([key("LEAKED", 20, stage="current")], True),
        ([key("LEAKED", 20, stage="current"), key("OLD", 90, stage="previous")], True),
        ([key("LEAKED", 90, stage="previous"), key("NEW", 20, stage="current")], False),
        ([key("LEAKED", 90), key("HAND", 20)], False),
        ([key("LEAKED", 90), key("HAND", 20, status="Inactive")], True),
        ([key("LEAKED", 90, status="Inactive", stage="current"), key("HAND", 20, status="Inactive")], True),
    ],
)
def test_who_has_another_key_in_force_needs_none(keys: list[dict[str, Any]], needs: bool) -> None:
    found = incident.revoked(info(keys), "LEAKED")
    assert (found["user_name"], found["needs_replacement"], found["problem"]) == ("ci", needs, None)


def test_what_an_interrupted_run_left_is_not_in_force() -> None:
    keys = [key("LEAKED", 90, status="Inactive"), key("LEFT", 0.01)]
    asked = {"asked": {"date": ago(0.01), "known": ["LEAKED"]}}
    assert incident.revoked(info(keys, entry(**asked)), "LEAKED")["needs_replacement"]
    keys[1] = of_ours("LEFT", 0.01, "next")
    assert incident.revoked(info(keys, entry(**asked, other_keys={"LEFT": note(0.01)})), "LEAKED")["needs_replacement"]
    keys[1] = key("HAND", 10)
    asked["asked"]["known"] = ["LEAKED", "HAND"]
    assert not incident.revoked(info(keys, entry(**asked)), "LEAKED")["needs_replacement"]


def test_why_a_key_may_not_be_revoked() -> None:
    assert (
        "signs this run"
        in incident.revoked(info([key("LEAKED", 9)], signing_access_key_id="LEAKED"), "LEAKED")["problem"]
    )
    assert "LEAKED was deleted meanwhile" in incident.revoked(info([]), "LEAKED")["problem"]


def outcome(made: int = 0, verified: int = 0) -> dict[str, Any]:
    """What a rotation leaves in rotation_result."""
    remedies = [{"say": "Delete OLD if it is no longer needed."}]
    decision = {"user_name": "ci", "reason": "User ci has no room.", "remedies": remedies}
    return {"totals": {"made": made, "verified": verified}, "decisions": [decision]}


def test_a_user_who_is_left_without_a_key_is_told_why_and_what_to_do() -> None:
    left = info([key("LEAKED", 20, status="Inactive", stage="current")])
    said = incident.unreplaced(left, "ci", "LEAKED", outcome())
    assert said == (
        "Access key LEAKED is switched off, but user ci has no new one. User ci has no room. "
        "Delete OLD if it is no longer needed."
    )
    assert "would be switched off" in str(incident.unreplaced(left, "ci", "LEAKED", outcome(), True))
    for nothing in (None, ""):
        alone = incident.unreplaced(left, "ci", "LEAKED", nothing)  # type: ignore[arg-type]
        assert alone and alone.endswith("has no new one. Give rotation_vault_file for one.")
    assert incident.unreplaced(info([]), "ci", "LEAKED", outcome())


def test_a_user_with_a_key_in_force_is_told_nothing() -> None:
    left = info([key("LEAKED", 20, status="Inactive", stage="current")])
    assert incident.unreplaced(left, "ci", "LEAKED", outcome(made=1)) is None
    assert incident.unreplaced(left, "ci", "LEAKED", outcome(verified=1)) is None
    beside = info([key("LEAKED", 90, status="Inactive", stage="previous"), key("NEW", 20, stage="current")])
    assert incident.unreplaced(beside, "ci", "LEAKED", outcome()) is None
