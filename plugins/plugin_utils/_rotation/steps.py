# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role does between one look and the next: which steps are due, what came of them, what is seen now. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._argspec import ACCESS_KEY
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso

Action = Mapping[str, Any]
Decision = Mapping[str, Any]
# In the order in which the role takes them. A key that has to go so that another can be made goes first.
STEPS = ("make_room", "create", "verify", "put_back", "deactivate", "delete")
# The parts of the role in their order: what comes before the second look, and what comes after it; after a revocation.
# What is no step: `save` and `save_since` are the tasks of a person, `settle` decides what is left.
PARTS = {
    "renew": ("make_room", "create", "save", "verify", "look_again"),
    "retire": ("deactivate", "delete", "settle", "save_since"),
    "replace": ("create", "save", "verify", "put_back", "save_since"),
}
# What a step wants of iam_access_keys beside what its action says; all else is as if no default had been set, lest a
# caller's defaults have a say in what the plan decided.
_WISHES: dict[str, dict[str, Any]] = {
    "create": {"verify": False},
    "verify": {"verify": True},
    "put_back": {"stage": "current", "noted": True, "verify": True},
    "deactivate": {"active": False},
    "delete": {"state": "absent"},
}
_FROM_ACTION = {
    "create": ("max_age_days", "replaces", "ask_again", "assume_deleted"),
    "deactivate": ("access_key_id", "leaked", "replacement", "min_idle_days"),
    "delete": ("access_key_id", "min_idle_days", "noted"),
}
_SETTINGS = ("vault_file", "vault_id", "verify_delay", "verify_timeout")


def steps(decisions: Iterable[Decision], step: str, results: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The actions of one step, without the users for whom a step failed before and what is done already.

    `verify` has the planned ones and those for the keys that `create` has just made. Raises ValueError for an unknown
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
    return [action for action in due if action["user_name"] not in failed and _identity(action) not in done]


def _with_deletions(action: Action, decision: Decision) -> dict[str, Any]:
    """The action; one that makes a key is told what is deleted before, for check mode finds all of it there."""
    gone = [other["access_key_id"] for other in decision["actions"] if other["action"] == "delete"]
    return {**action, "assume_deleted": gone} if action["action"] == "create" and gone else dict(action)


def _identity(action: Action) -> tuple[Any, ...]:
    return action["action"], action["user_name"], action["access_key_id"]


def parts(decisions: Iterable[Decision], group: str, run: Mapping[str, Any]) -> list[str]:
    """Of the role's parts, in their order, those that have something to do; `run` as `_rotation_settings` returns it.

    Raises ValueError for an unknown group.
    """
    if group not in PARTS:
        raise ValueError(f"group must be one of {', '.join(PARTS)}, not {group}")
    planned = list(decisions)
    due = {step for step in STEPS if steps(planned, step)}
    if "create" in due:
        due.add("verify")
    if not run["check_mode"]:
        due |= _beside(due, bool(run["settings"]["on_stored"]))
    return [part for part in PARTS[group] if part in due]


def _beside(due: Collection[str], saves: bool) -> set[str]:
    """What is no step, and is done where these are and it is no check mode."""
    beside = {"save_since"} if saves else set()
    if saves and "verify" in due:
        beside.add("save")
    if any(step in due for step in PARTS["renew"]):
        beside.add("look_again")
    if any(step in due for step in PARTS["retire"]):
        beside.add("settle")
    return beside


def items(actions: Iterable[Action], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The actions as items of iam_access_keys. Each says all that it wants: null is what nobody set."""
    beside = {name: settings.get(name) for name in _SETTINGS}
    return [{**dict.fromkeys(ACCESS_KEY), **beside, **_wish(action)} for action in actions]


def _wish(action: Action) -> dict[str, Any]:
    kind = action["action"]
    taken = ("user_name", *_FROM_ACTION.get(kind, ("access_key_id",)))
    return {**_WISHES[kind], **{name: action.get(name) for name in taken}}


def results(registered: Mapping[str, Any], actions: Sequence[Action]) -> list[dict[str, Any]]:
    """What came of each action of a step: from the registered variable to the report's `results`.

    A task that failed before it had results has done nothing for anyone.
    """
    each = registered.get("results") or [{"failed": True, "msg": registered.get("msg")} for _action in actions]
    return [_result(action, result) for action, result in zip(actions, each)]


def _result(action: Action, result: Mapping[str, Any]) -> dict[str, Any]:
    failed = bool(result.get("failed"))
    return {
        "action": dict(action),
        "changed": bool(result.get("changed")),
        "failed": failed,
        "msg": result.get("msg") if failed else None,
        "access_key_id": (result.get("access_key") or {}).get("access_key_id") or action.get("access_key_id"),
    }


def of(info: Mapping[str, Any], user_names: Iterable[str]) -> dict[str, Any]:
    """What a look has of these users, for a look that does not ask for it again."""
    names = set(user_names)
    members = {name: [one for one in info[name] if one["user_name"] in names] for name in ("users", "access_keys")}
    return {**members, "account": info["account"]}


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


def wrong(result: Mapping[str, Any], fails_on_drift: bool = False) -> str:
    """Why a run fails at its end, in one sentence; empty where it does not."""
    failed = dict.fromkeys(one["user_name"] for one in result["failed"])
    if failed:
        return f"{', '.join(failed)}: not done, see the report above"
    return f"Drift: {', '.join(result['drift'])}" if fails_on_drift and result["drift"] else ""
