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
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import read_info

Action = Mapping[str, Any]
Decision = Mapping[str, Any]
# In the order in which the role takes them. A key that has to go so that another can be made goes first.
STEPS = ("make_room", "create", "verify", "put_back", "carry", "take_note_back", "deactivate", "delete")
# The parts of the role in their order: what comes before the second look, and what comes after it; after a revocation.
# What is no step: `save`, `save_since` and `carry` are the tasks of a person, `settle` decides what is left.
PARTS = {
    "renew": ("make_room", "create", "save", "verify", "carry", "look_again"),
    "retire": ("take_note_back", "deactivate", "delete", "settle", "save_since"),
    "replace": ("create", "save", "verify", "put_back", "carry", "save_since"),
}
# What a step wants of iam_access_keys beside what its action says; all else is as if no default had been set, lest a
# caller's defaults have a say in what the plan decided.
_WISHES: dict[str, dict[str, Any]] = {
    "create": {"verify": False},
    "verify": {"verify": True},
    "put_back": {"stage": "current", "noted": True, "verify": True},
    "take_note_back": {"active": True, "noted": True},
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

    `verify` has the planned ones and those for the keys that `create` has just made, `carry` those for the keys that
    have just become current (in check mode: that would). Raises ValueError for an unknown step.
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


def with_notes(decisions: Iterable[Decision], info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The decisions, with a step for each key that works though the store says that we switched it off.

    That note is taken back, whatever is decided of the user, exempt and held ones too, unless this run switches the
    key off anew.
    """
    planned = [dict(decision) for decision in decisions]
    # The role asks for this before each step, of whole fleets: only who has a note is read once more.
    noted = [user["user_name"] for user in info["users"] if _has_a_note(user.get("store") or {})]
    stale = {user.name: user.stale_notes for user in read_info({**info, **of(info, noted)})[0]} if noted else {}
    for decision in planned:
        actions = decision["actions"]
        notes = [
            key_id for key_id in stale.get(decision["user_name"], ()) if key_id not in _key_ids(actions, "deactivate")
        ]
        decision["actions"] = [*actions, *(_note_to_take_back(decision["user_name"], key_id) for key_id in notes)]
    return planned


def _has_a_note(entry: Mapping[str, Any]) -> bool:
    return any("deactivate_date" in record for record in (entry, *(entry.get("other_keys") or {}).values()))


def _note_to_take_back(user_name: str, access_key_id: str) -> dict[str, Any]:
    return {
        "action": "take_note_back",
        "user_name": user_name,
        "access_key_id": access_key_id,
        "reason": "it is Active",
    }


def _makes_current(result: Mapping[str, Any]) -> bool:
    """Whether the user's current key is another one now.

    Of a key that check mode predicts only its creation is known.
    """
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
    if due & {"verify", "put_back"}:
        due.add("carry")
    if not run["settings"]["on_promoted"]:
        due.discard("carry")
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
    return [outcome_of(action, came) for action, came in zip(actions, each)]


def outcome_of(action: Action, came: Mapping[str, Any]) -> dict[str, Any]:
    """What came of an action, from what its task returned."""
    failed = bool(came.get("failed"))
    return {
        "action": dict(action),
        "changed": bool(came.get("changed")),
        "failed": failed,
        "msg": came.get("msg") if failed else None,
        "access_key_id": (came.get("access_key") or {}).get("access_key_id") or action.get("access_key_id"),
    }


def of(info: Mapping[str, Any], user_names: Iterable[str]) -> dict[str, Any]:
    """What a look has of these users, for a look that does not ask for it again."""
    names = set(user_names)
    members = {name: [one for one in info[name] if one["user_name"] in names] for name in ("users", "access_keys")}
    return {**members, "account": info["account"]}


def look(info: Mapping[str, Any], again: Mapping[str, Any], user_names: Sequence[str]) -> dict[str, Any]:
    """The first look with a later one in the place of the users who were looked at again.

    One whom the later look lacks could not be read, so that nothing more is done to that user. `new_keys`: how many
    the run has made since the first.
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
        "new_keys": info.get("new_keys", 0) + len(_known_keys(again) - _known_keys(info)),
    }


def _known_keys(info: Mapping[str, Any]) -> set[str]:
    """Those that IAM lists, and those that the store has, for a list may not show them yet."""
    listed = {key["access_key_id"] for key in info.get("access_keys") or ()}
    stores = [user.get("store") or {} for user in info.get("users") or ()]
    return listed.union(*([store.get("access_key_id"), *(store.get("other_keys") or ())] for store in stores)) - {None}


def applied(info: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The look with what was deactivated, deleted and noted since, so that the report is about what there is now."""
    done = [result["action"] for result in results if _took_effect(result)]
    rows = {row["access_key_id"]: row for row in info["access_keys"]}
    off = {key_id: _off_since(rows.get(key_id), info) for key_id in _key_ids(done, "deactivate")}
    gone, on = _key_ids(done, "delete"), _key_ids(done, "take_note_back")
    changes: dict[str, dict[str, Any]] = {key_id: {"deactivate_date": None} for key_id in on}
    changes.update((key_id, {"status": "Inactive", "deactivate_date": date}) for key_id, date in off.items())
    return {
        **info,
        "access_keys": [{**row, **changes.get(key_id, {})} for key_id, row in rows.items() if key_id not in gone],
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
    own = [action for action in own if action["action"] in ("deactivate", "delete", "take_note_back")]
    if not own:
        return user
    entry = Entry.from_public(user.get("store") or {})
    for action in own:
        key_id = action["access_key_id"]
        if action["action"] == "delete":
            entry = entry.without(key_id)
        elif action["action"] == "take_note_back":
            entry = entry.activated(key_id)
        else:  # a hold does not outlive the key that it is about
            entry = replace(entry.deactivated(key_id, from_iso(off[key_id])), hold_until=None)
    return {**user, "store": None if entry.empty else entry.public()}


def wrong(result: Mapping[str, Any], fails_on_drift: bool = False) -> str:
    """Why a run fails at its end, in one sentence; empty where it does not."""
    failed = dict.fromkeys(one["user_name"] for one in result["failed"])
    if failed:
        return f"{', '.join(failed)}: not done, see the report above"
    return f"Drift: {', '.join(result['drift'])}" if fails_on_drift and result["drift"] else ""
