# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a revocation and a rollback end: which key is off, which is in force and from where, what is left to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import agree, days, listed

NO_STORE = (
    "No store was named, so that none knows of it, and a rollback could bring the key back: the same command with "
    "rotation_vault_file notes it."
)

IN_FORCE_BY = ("verify", "put_back")
"""The steps of a revocation that end with another key in force."""


def of_a_revocation(
    settings: Mapping[str, Any],
    check_mode: bool,
    off: Mapping[str, Any],
    left: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What is so after a revocation: `off` is the result of the task that revoked the key, `left` what was left to be
    done then, `results` what came of it. Right behind that task, when nobody has looked yet, `left` is null.
    """
    key = off["access_key"]
    name, path = key["user_name"], settings.get("vault_file")
    is_off = "would be" if check_mode and off.get("changed") else "is"
    said = f"Access key {key['access_key_id']} of user {name} {is_off} Inactive."
    first = said if path else f"{said} {NO_STORE}"
    sessions = (
        f"Sessions that were made with {key['access_key_id']} before live on until they expire: "
        "docs/incident.md says how to end them."
    )
    if left is None:
        return [first]
    return [first, _in_force(name, path, check_mode, left, results), sessions]


def _in_force(
    name: str, path: str | None, check_mode: bool, left: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> str:
    """Which key is in force now, and where consumers have it from."""
    steps = [step["action"] for step in left["steps"]]
    is_so = "would be" if check_mode else "is"
    if left["problem"] or any(result["failed"] for result in results):
        where = f" in {path}" if path else ""
        return f"No other key of user {name} {is_so} in force{where}: what is to be done is said below."
    if check_mode and steps:
        what = "The previous key would be put back in force" if "put_back" in steps else "A new key would be in force"
        return f"{what}, in {_place(name, path)}, from where whatever has the old one takes it."
    put_in_force = [result["access_key_id"] for result in results if result["action"]["action"] in IN_FORCE_BY]
    if steps and not put_in_force:
        return f"No other key of user {name} is in force yet: run the same again."
    if steps:
        key_id = put_in_force[-1]
        said = f"In force: access key {key_id}, in {_place(name, path)}."
        return f"{said} Whatever has the old key takes this one from there."
    return _in_force_before(name, path, is_so, left["info"])


def _in_force_before(name: str, path: str | None, is_so: str, info: Mapping[str, Any]) -> str:
    """What nothing was done about, as it was not needed or not wanted."""
    active = [key for key in info["access_keys"] if key["status"] == "Active"]
    current = [key["access_key_id"] for key in active if key["stage"] == "current"]
    if current:
        return f"In force: access key {current[0]}, in {_place(name, path)}. Consumers that read it need nothing."
    where = f" in {path}" if path else ""
    if active:
        keys = f"{agree(active, 'key', 'keys')} {listed(key['access_key_id'] for key in active)}"
        works = agree(active, "works", "work")
        return f"Access {keys} of user {name} {works} as before; none {is_so} current{where or ' in a store'}."
    again = "the same without rotation_replace=false makes one" if path else "rotation_vault_file gives it a new one"
    return f"No key of user {name} {is_so} in force{where}: {again}."


def _place(name: str, path: str | None) -> str:
    return f"{path} (iam_access_keys['{name}'])"


def of_a_rollback(
    settings: Mapping[str, Any],
    check_mode: bool,
    chosen: Mapping[str, Any],
    put: Mapping[str, Any],
    look: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What is so now, after a rollback: `chosen` is the key that was chosen, `put` the result of the task that put it
    back, `look` what was seen before, `results` what came of carrying it.
    """
    key_id, name, path = chosen["access_key_id"], chosen["user_name"], settings["vault_file"]
    would = check_mode and bool(put.get("changed"))
    is_so = "would be" if would else "is"
    said = f"Access key {key_id} of user {name} {is_so}"
    if chosen["stored"]:
        first = f"{said} the current one in {path}, from where consumers take it."
    else:
        first = f"{said} Active; its secret is not in {path}, whose current key stays what it is."
    changed = bool(put.get("changed"))
    carried = [f"It {'would be' if check_mode else 'was'} carried to where it is used."] if results else []
    hold = _hold(settings["hold_days"], name, changed, would, look)
    return [first, *carried, *_beside(key_id, chosen, would, look), hold]


def _beside(key_id: str, chosen: Mapping[str, Any], would: bool, look: Mapping[str, Any]) -> list[str]:
    """What was current works on, so that nobody is cut off."""
    beside = [
        key["access_key_id"]
        for key in look["access_keys"]
        if key["status"] == "Active" and key["access_key_id"] != key_id and key["stored"]
    ]
    if not chosen["stored"] or not beside:
        return []
    works = "would work" if would else agree(beside, "works", "work")
    how = agree(beside, "as a previous one", "as previous ones")
    return [f"{listed(beside)} {works} on {how}: who has it already is not cut off, and reads {key_id} the next time."]


def _hold(hold_days: float, name: str, changed: bool, would: bool, look: Mapping[str, Any]) -> str:
    if not hold_days:
        return f"The rotation {'would go' if would else 'goes'} on with user {name}, as nothing holds it."
    end = "The same with rotation_hold_days=0 ends that."
    if not changed:
        until = ((look["users"][0].get("store") or {}).get("hold_until")) or "the hold ends"
        return f"The rotation leaves user {name} alone until {until}. {end}"
    leaves = "would leave" if would else "leaves"
    return f"The rotation {leaves} user {name} alone for {days(hold_days)}: mend what broke in that time. {end}"
