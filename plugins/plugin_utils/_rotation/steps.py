# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role does between one look and the next: which steps are due, what came of them, what is seen now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso

Action = Mapping[str, Any]
Decision = Mapping[str, Any]
# In the order in which the role takes them. A key that has to go so that another can be made goes first.
STEPS = ("make_room", "create", "verify", "put_back", "carry", "deactivate", "delete")


def steps(decisions: Iterable[Decision], step: str, results: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The actions of one step, without the users for whom a step failed before and what is done already.

    `verify` has the planned ones and those for the keys that `create` has just made, `carry` those for the keys that have
    just become current (in check mode: that would). Raises ValueError for an unknown
    step.
    """
    if step not in STEPS:
        raise ValueError(f"step must be one of {', '.join(STEPS)}, not {step}")
    results = list(results)
    failed = {result["action"]["user_name"] for result in results if result["failed"]}
    done = {_identity(result["action"]) for result in results}
    kind = "delete" if step == "make_room" else step
    due = [
        _with_deletions(action, decision)
        for decision in decisions
        for action in decision["actions"]
        if action["action"] == kind
        and (step != "make_room" or any(other["action"] == "create" for other in decision["actions"]))
    ]
    if step == "verify":
        due += [
            {**result["action"], "action": "verify", "access_key_id": result["access_key_id"]}
            for result in results
            if result["action"]["action"] == "create" and result["access_key_id"]
        ]
    if step == "carry":
        due += [_carry(result) for result in results if _makes_current(result)]
    return [action for action in due if action["user_name"] not in failed and _identity(action) not in done]


def _makes_current(result: Mapping[str, Any]) -> bool:
    """Whether the user's current key is another one now; of a key that check mode predicts only its creation is known."""
    kind = result["action"]["action"]
    return kind in ("verify", "put_back") or (kind == "create" and not result["access_key_id"])


def _carry(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "action": "carry",
        "user_name": result["action"]["user_name"],
        "access_key_id": result["access_key_id"],
        "reason": "it became current",
    }


def _with_deletions(action: Action, decision: Decision) -> dict[str, Any]:
    """The action; one that makes a key is told what is deleted before, for check mode finds all of it there."""
    gone = [other["access_key_id"] for other in decision["actions"] if other["action"] == "delete"]
    return {**action, "assume_deleted": gone} if action["action"] == "create" and gone else dict(action)


def _identity(action: Action) -> tuple[Any, ...]:
    return action["action"], action["user_name"], action["access_key_id"]


def results(registered: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What came of each action: from the registered variables of the role's loops to the report's `results`."""
    return [
        {
            "action": dict(item["item"]),
            "changed": bool(item.get("changed")),
            "failed": bool(item.get("failed")),
            "msg": item.get("msg") if item.get("failed") else None,
            "access_key_id": (item.get("access_key") or {}).get("access_key_id") or item["item"].get("access_key_id"),
        }
        for variable in registered
        for item in variable.get("results") or ()
        if "item" in item and not item.get("skipped")
    ]


def look(info: Mapping[str, Any], again: Mapping[str, Any], user_names: Sequence[str]) -> dict[str, Any]:
    """The first look with a later one in the place of the users who were looked at again.

    One whom the later look lacks could not be read, so that nothing more is done to that user.
    """
    names = set(user_names)
    seen = {user["user_name"]: user for user in again.get("users") or ()}
    why = again.get("msg") or "the user vanished meanwhile"
    users = [
        seen.get(user["user_name"], {**user, "error": f"Could not be looked at again: {why}"})
        if user["user_name"] in names
        else user
        for user in info["users"]
    ]
    keys = [key for key in info["access_keys"] if key["user_name"] not in names] + list(again.get("access_keys") or ())
    return {
        **{name: info[name] for name in ("account", "store_only", "vault_file") if name in info},
        "users": users,
        "access_keys": sorted(keys, key=lambda key: (key["user_name"], key["create_date"], key["access_key_id"])),
        "now": again.get("now") or info["now"],
        "complete": info["complete"] and again.get("complete", True),
    }


def applied(info: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The look with what was deactivated and deleted since, so that the report is about what there is now."""
    done = [result["action"] for result in results if _took_effect(result)]
    rows = {row["access_key_id"]: row for row in info["access_keys"]}
    off = {key_id: _off_since(rows.get(key_id), info) for key_id in _key_ids(done, "deactivate")}
    gone = _key_ids(done, "delete")
    return {
        **info,
        "access_keys": [
            {**row, "status": "Inactive", "deactivate_date": off[key_id]} if key_id in off else row
            for key_id, row in rows.items()
            if key_id not in gone
        ],
        "users": [_user_after(user, done, off) for user in info["users"]],
    }


def _took_effect(result: Mapping[str, Any]) -> bool:
    """Of a leaked key nobody knows whether it was on: IAM is told before it is asked."""
    return not result["failed"] and bool(result["changed"] or result["action"].get("leaked"))


def _key_ids(actions: Iterable[Action], kind: str) -> set[str]:
    return {action["access_key_id"] for action in actions if action["action"] == kind}


def _off_since(row: Mapping[str, Any] | None, info: Mapping[str, Any]) -> str:
    """When the key was switched off; what was Inactive already keeps its date."""
    was_off = row["deactivate_date"] if row and row["status"] != "Active" else None
    return str(was_off or info["now"])


def _user_after(user: Mapping[str, Any], done: Iterable[Action], off: Mapping[str, str]) -> Mapping[str, Any]:
    own = [action for action in done if action["user_name"] == user["user_name"]]
    own = [action for action in own if action["action"] in ("deactivate", "delete")]
    if not own:
        return user
    entry = Entry.from_public(user.get("store") or {})
    for action in own:
        key_id = action["access_key_id"]
        if action["action"] == "delete":
            entry = entry.without(key_id)
        else:  # a hold does not outlive the key that it is about
            entry = replace(entry.deactivated(key_id, from_iso(off[key_id])), hold_until=None)
    return {**user, "store": None if entry.empty else entry.public()}
