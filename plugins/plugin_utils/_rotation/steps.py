# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role does between one look and the next: which steps are due, what came of them, what is seen now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Action = Mapping[str, Any]
Decision = Mapping[str, Any]
# In the order in which the role takes them. A key that has to go so that another can be made goes first.
STEPS = ("make_room", "create", "verify", "deactivate", "delete")


def steps(decisions: Iterable[Decision], step: str, results: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The actions of one step, without the users for whom a step failed before and what is done already.

    `verify` has the planned ones and those for the keys that `create` has just made. Raises ValueError for an unknown step.
    """
    if step not in STEPS:
        raise ValueError(f"step must be one of {', '.join(STEPS)}, not {step}")
    results = list(results)
    failed = {result["action"]["user_name"] for result in results if result["failed"]}
    done = {_what(result["action"]) for result in results}
    kind = "delete" if step == "make_room" else step
    due = [
        _told(action, decision)
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
    return [action for action in due if action["user_name"] not in failed and _what(action) not in done]


def _told(action: Action, decision: Decision) -> dict[str, Any]:
    """The action; one that makes a key is told what is deleted before, for check mode finds all of it there."""
    gone = [other["access_key_id"] for other in decision["actions"] if other["action"] == "delete"]
    return {**action, "assume_deleted": gone} if action["action"] == "create" and gone else dict(action)


def _what(action: Action) -> tuple[Any, ...]:
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
        **{name: info[name] for name in ("account", "store_only")},
        "users": users,
        "access_keys": sorted(keys, key=lambda key: (key["user_name"], key["create_date"], key["access_key_id"])),
        "now": again.get("now") or info["now"],
        "complete": info["complete"] and again.get("complete", True),
    }


def applied(info: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The look with what was deactivated and deleted since, so that the report is about what there is now."""
    changed = [result["action"] for result in results if result["changed"] and not result["failed"]]
    off = {action["access_key_id"] for action in changed if action["action"] == "deactivate"}
    gone = {action["access_key_id"] for action in changed if action["action"] == "delete"}
    rows = [key for key in info["access_keys"] if key["access_key_id"] not in gone]
    if not off and not gone:
        return dict(info)
    dates = {key["access_key_id"]: _since(key, info) for key in rows if key["access_key_id"] in off}
    return {
        **info,
        "access_keys": [
            {**key, "status": "Inactive", "deactivate_date": dates[key["access_key_id"]]}
            if key["access_key_id"] in off
            else key
            for key in rows
        ],
        "users": [
            {**user, "store": _noted(user, {**dict.fromkeys(off, info["now"]), **dates}, gone, info)}
            for user in info["users"]
        ],
    }


def _since(key: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """When it was switched off; what was Inactive already keeps its date."""
    return str((key["status"] != "Active" and key["deactivate_date"]) or info["now"])


def _noted(
    user: Mapping[str, Any], off: Mapping[str, str], gone: set[str], info: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What the store knows of the user after that. A hold does not outlive the keys that it is about."""
    mine = {key["access_key_id"] for key in info["access_keys"] if key["user_name"] == user["user_name"]}
    store: dict[str, Any] = dict(user.get("store") or {})
    others = {key_id: dict(note) for key_id, note in (store.get("other_keys") or {}).items() if key_id not in gone}
    for key_id in set(off) & (mine | set(others)):
        store.pop("hold_until", None)
        if key_id == store.get("access_key_id"):
            store["deactivate_date"] = off[key_id]
        else:
            others[key_id] = {**others.get(key_id, {"stored": False}), "deactivate_date": off[key_id]}
    if others or store.get("other_keys"):
        store["other_keys"] = others
    return store or None
