# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a revocation and a rollback end: which key is off, which is in force and from where, and what is left to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import agree, days, listed

NO_STORE = (
    "No store was named, so that none knows of it, and a rollback could bring the key back: the same command with "
    "rotation_vault_file notes it."
)


def of_a_revocation(
    settings: Mapping[str, Any],
    check_mode: bool,
    off: Mapping[str, Any],
    left: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What is so now, after a revocation, be it that a later step failed: `off` is the result of the task that revoked
    the key, `left` what was left to be done then (null where nobody could look), `results` what came of it.
    """
    key = off["access_key"]
    name, path = key["user_name"], settings.get("vault_file")
    is_off = "would be" if check_mode and off.get("changed") else "is"
    said = f"Access key {key['access_key_id']} of user {name} {is_off} Inactive."
    first = said if path else f"{said} {NO_STORE}"
    sessions = (
        f"Sessions that were made with {key['access_key_id']} before live on until they expire: docs/incident.md says how "
        "to end them."
    )
    if left is None or left["revoked"]["access_key_id"] != key["access_key_id"]:  # of an earlier one
        return [first, f"Which other key {name} has in force could not be seen: run the same again.", sessions]
    return [first, _in_force(name, path, check_mode, left, results), sessions]


def _in_force(
    name: str, path: str | None, check_mode: bool, left: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> str:
    """Which key is in force now, and where consumers have it from."""
    steps = [step["action"] for step in left["steps"]]
    if left["problem"] or any(result["failed"] for result in results):
        where = f" in {path}" if path else ""
        return f"No other key of user {name} is in force{where}: what is to be done is said below."
    if check_mode and steps:
        what = "The previous key would be put back in force" if "put_back" in steps else "A new key would be in force"
        return f"{what}, in {_place(name, path)}, from where whatever has the old one takes it."
    current, others = _active(left["info"], results)
    if current:
        taken = (
            "Whatever has the old key takes this one from there." if steps else "Consumers that read it need nothing."
        )
        return f"In force: access key {current}, in {_place(name, path)}. {taken}"
    if others:
        has = agree(others, "its secret is", "their secrets are")
        return f"In force: access key {listed(others)}, as before; {has} in no store that this run knows."
    again = "the same without rotation_replace=false makes one" if path else "rotation_vault_file gives it a new one"
    return f"User {name} has no key in force: {again}."


def _active(info: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> tuple[str | None, list[str]]:
    """The store's current key, be it so new that the look does not have it, and the Active ones beside."""
    made = [result["access_key_id"] for result in results if result["action"]["action"] in ("verify", "put_back")]
    keys = [key for key in info["access_keys"] if key["status"] == "Active"]
    current = next((key["access_key_id"] for key in keys if key["stage"] == "current"), None)
    return (made[-1] if made else current), [key["access_key_id"] for key in keys if key["stage"] != "current"]


def _place(name: str, path: str | None) -> str:
    return f"{path} (iam_access_keys['{name}'])"


def of_a_rollback(
    settings: Mapping[str, Any],
    check_mode: bool,
    chosen: Mapping[str, Any],
    put: Mapping[str, Any],
    look: Mapping[str, Any],
) -> list[str]:
    """What is so now, after a rollback: `chosen` is the key that was chosen, `put` the result of the task that put it
    back, `look` what was seen before.
    """
    key_id, name, path = chosen["access_key_id"], chosen["user_name"], settings["vault_file"]
    would = check_mode and bool(put.get("changed"))
    is_so = "would be" if would else "is"
    said = f"Access key {key_id} of user {name} {is_so}"
    if chosen["stored"]:
        first = f"{said} the current one in {path}, from where consumers take it."
    else:
        first = f"{said} Active; its secret is not in {path}, whose current key stays what it is."
    return [first, *_beside(key_id, chosen, look), _hold(settings["hold_days"], name, would, bool(put.get("changed")))]


def _beside(key_id: str, chosen: Mapping[str, Any], look: Mapping[str, Any]) -> list[str]:
    """What was current works on, so that nobody is cut off."""
    beside = [
        key["access_key_id"]
        for key in look["access_keys"]
        if key["status"] == "Active" and key["access_key_id"] != key_id and key["stored"]
    ]
    if not chosen["stored"] or not beside:
        return []
    works = agree(beside, "works on as a previous one", "work on as previous ones")
    return [f"{listed(beside)} {works}: who has it already is not cut off, and reads {key_id} with the next look."]


def _hold(hold_days: float, name: str, would: bool, changed: bool) -> str:
    if not hold_days:
        return f"The rotation {'would go' if would else 'goes'} on with user {name}, as nothing holds it."
    if not changed:
        return f"The rotation leaves user {name} alone until the hold ends: rotation_hold_days=0 ends it at once."
    leaves = "would leave" if would else "leaves"
    return (
        f"The rotation {leaves} user {name} alone for {days(hold_days)}: mend what broke in that time. The same with "
        "rotation_hold_days=0 ends that."
    )
