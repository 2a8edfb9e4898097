# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a revocation and a rollback end: what is said is so, in a real run and in check mode."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import incident
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.outcome import of_a_revocation, of_a_rollback
from worlds import ago, entry, info, key, note

STORE = {"vault_file": "keys.yml", "hold_days": 7}
NAME = info([], None)["users"][0]["user_name"]
PLACE = f"in keys.yml (iam_access_keys['{NAME}'])"


def stored(key_id: str, age: float, stage: str, status: str = "Active") -> dict[str, Any]:
    return key(key_id, age, stage=stage, stored=True, status=status)


def revoked(key_id: str, changed: bool = True) -> dict[str, Any]:
    return {"access_key": {"access_key_id": key_id, "user_name": NAME}, "changed": changed}


def came_of(action: str, key_id: str, failed: bool = False) -> dict[str, Any]:
    return {"action": {"action": action, "user_name": NAME}, "access_key_id": key_id, "failed": failed}


def end(
    look: dict[str, Any], *results: dict[str, Any], check: bool = False, replace: bool = True, **settings: Any
) -> str:
    """The line on what is in force after the revocation of OLD."""
    left = incident.revoked(look, "OLD", replace)
    first, in_force, sessions = of_a_revocation({**STORE, **settings}, check, revoked("OLD"), left, results)
    assert first.startswith(f"Access key OLD of user {NAME} {'would be' if check else 'is'} Inactive.")
    assert sessions.startswith("Sessions that were made with OLD before live on until they expire")
    return in_force


ONE = info([stored("OLD", 20, "current")], entry("OLD", 20, 20))
TWO = info(
    [stored("OLD", 200, "previous"), stored("NOW", 20, "current")],
    entry("NOW", 20, 20, other_keys={"OLD": note(200, promoted=100)}),
)
FULL = info(
    [stored("PRE", 200, "previous"), stored("OLD", 20, "current")],
    entry("OLD", 20, 20, other_keys={"PRE": note(200, promoted=100)}),
)
HAND = info([key("HAND", 5), stored("OLD", 20, "current")], entry("OLD", 20, 20))


def test_a_new_key_is_named_once_it_is_in_force() -> None:
    assert end(ONE, came_of("create", "NEW"), came_of("verify", "NEW")) == (
        f"In force: access key NEW, {PLACE}. Whatever has the old key takes this one from there."
    )
    assert (
        end(ONE, check=True) == f"A new key would be in force, {PLACE}, from where whatever has the old one takes it."
    )
    assert end(FULL, came_of("put_back", "PRE")).startswith(f"In force: access key PRE, {PLACE}.")
    assert end(FULL, check=True).startswith(f"The previous key would be put back in force, {PLACE}")


def test_a_key_that_was_made_and_is_not_yet_current_is_not_in_force() -> None:
    assert end(ONE, came_of("create", "NEW")) == f"No other key of user {NAME} is in force yet: run the same again."
    failed = end(ONE, came_of("create", "NEW"), came_of("verify", "NEW", failed=True))
    assert failed == f"No other key of user {NAME} is in force in keys.yml: what is to be done is said below."


def test_what_was_in_force_before_stays() -> None:
    assert end(TWO) == f"In force: access key NOW, {PLACE}. Consumers that read it need nothing."
    assert end(HAND, replace=False) == f"Access key HAND of user {NAME} works as before; none is current in keys.yml."
    assert end(ONE, replace=False).endswith(
        "is in force in keys.yml: the same without rotation_replace=false makes one."
    )
    assert "would be in force in keys.yml" in end(ONE, replace=False, check=True)


def test_no_room_is_said_and_in_check_mode_in_the_conditional() -> None:
    assert end(HAND) == f"No other key of user {NAME} is in force in keys.yml: what is to be done is said below."
    assert end(HAND, check=True).startswith(f"No other key of user {NAME} would be in force in keys.yml")


def test_at_once_it_is_said_that_the_key_is_off_and_which_store_does_not_know() -> None:
    (first,) = of_a_revocation({"vault_file": None}, False, revoked("OLD"), None, [])
    assert "No store was named, so that none knows of it, and a rollback could bring the key back" in first
    assert of_a_revocation(STORE, False, revoked("OLD"), None, []) == [f"Access key OLD of user {NAME} is Inactive."]


def test_a_key_that_was_off_before_is_off_in_check_mode_too() -> None:
    first, *_others = of_a_revocation(STORE, True, revoked("OLD", changed=False), None, [])
    assert first == f"Access key OLD of user {NAME} is Inactive."


@pytest.mark.parametrize("check", [False, True])
def test_a_rollback_says_from_where_and_for_how_long(check: bool) -> None:
    chosen = {"access_key_id": "OLD", "user_name": NAME, "stored": True}
    lines = of_a_rollback(STORE, check, chosen, {"changed": True}, TWO, [])
    be, work, leave = ("would be", "would work", "would leave") if check else ("is", "works", "leaves")
    assert lines == [
        f"Access key OLD of user {NAME} {be} the current one in keys.yml, from where consumers take it.",
        f"NOW {work} on as a previous one: who has it already is not cut off, and reads OLD the next time.",
        f"The rotation {leave} user {NAME} alone for 7 days: mend what broke in that time. The same with "
        "rotation_hold_days=0 ends that.",
    ]
    carried = of_a_rollback(STORE, check, chosen, {"changed": True}, TWO, [came_of("carry", "OLD")])
    assert carried == [lines[0], f"It {'would be' if check else 'was'} carried to where it is used.", *lines[1:]]


def test_a_rollback_that_changes_nothing_says_until_when_the_hold_is() -> None:
    chosen = {"access_key_id": "NOW", "user_name": NAME, "stored": True}
    held = info([stored("NOW", 20, "current")], {**entry("NOW", 20, 20), "hold_until": ago(-3)})
    lines = of_a_rollback(STORE, True, chosen, {"changed": False}, held, [])
    assert lines[0].startswith(f"Access key NOW of user {NAME} is the current one") and f"until {ago(-3)}." in lines[1]
    ends = of_a_rollback({**STORE, "hold_days": 0}, False, chosen, {"changed": True}, held, [])
    assert ends[1:] == [f"The rotation goes on with user {NAME}, as nothing holds it."]


def test_a_key_made_by_hand_is_on_and_the_store_stays_what_it_is() -> None:
    chosen = {"access_key_id": "HAND", "user_name": NAME, "stored": False}
    lines = of_a_rollback(STORE, False, chosen, {"changed": True}, HAND, [])
    assert lines[0] == (
        f"Access key HAND of user {NAME} is Active; its secret is not in keys.yml, whose current key stays what it is."
    )
    assert len(lines) == 2
