# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided when a consumer breaks or a key leaks: which key a rollback brings back, what a revocation leaves.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso, to_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import UNKNOWN_QUOTA_FULL_AT
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.steps import results as results_of


def previous(info: Mapping[str, Any], access_key_id: str | None = None) -> dict[str, Any]:
    """Which key a rollback of the user in `info` puts back in force, whether its secret is `stored`, or the `problem`
    why none.

    Of the keys that IAM has and that work or that we switched off, and that nobody revoked, it is the stored one that
    was current last, else the one made by hand that was switched off last. Keys younger than the current one do not
    come back in this way, for that is what there is after a rollback: so it does not toggle, and where another key
    works already beside the current one there is nothing to put back.
    """
    if len(info["users"]) != 1:
        return {"problem": "rotation_user_name must name one user"}
    user = info["users"][0]
    name, store = user["user_name"], dict(user.get("store") or {})
    wrong = user.get("error") or _owner_error(user, Entry.from_public(store), info)
    if wrong:
        return {"problem": wrong}
    notes: dict[str, Mapping[str, Any]] = {**(store.get("other_keys") or {}), str(store.get("access_key_id")): store}
    rows = [row for row in info["access_keys"] if not notes.get(row["access_key_id"], {}).get("revoke_date")]
    current = next(
        (row for row in rows if row["stage"] == "current" and row["status"] == "Active" and not row["deactivate_date"]),
        None,
    )
    older = [
        row for row in rows if row is not current and not (current and row["create_date"] > current["create_date"])
    ]
    left = [mark for row in older if (mark := _order_of_return(row, notes.get(row["access_key_id"], {})))]
    works_already = current and any(row["status"] == "Active" and row is not current for row in rows)
    found = access_key_id
    if not found and left:
        found = max(left)[-1]
    elif not found and current and works_already:
        found = current["access_key_id"]
    if not found:
        revoked_too = " and that was not revoked" if len(rows) < len(info["access_keys"]) else ""
        return {
            "problem": f"User {name} has no access key that was replaced or switched off by the rotation "
            f"and that IAM still has{revoked_too}; name {name} in rotation_now for a new one"
        }
    return {
        "user_name": name,
        "access_key_id": found,
        "stored": bool(notes.get(found, {}).get("stored")),
        "problem": None,
    }


def _order_of_return(row: Mapping[str, Any], note: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """How a key left force, in the order in which they come back; None for one that never did."""
    if row["stage"] == "current":
        return (2, row["deactivate_date"], row["access_key_id"]) if row["deactivate_date"] else None
    if row["stage"] == "previous":
        works_or_ours = (
            row["status"] == "Active" or row["deactivate_date"]
        )  # else a person switched it off: leaked, perhaps
        return (1, note["promote_date"], row["access_key_id"]) if works_or_ours else None
    return (0, row["deactivate_date"], row["access_key_id"]) if row["deactivate_date"] else None


# -- what a revocation leaves ----------------------------------------------------------------------------------------


def revoked(info: Mapping[str, Any], access_key_id: str, replace_it: bool = True) -> dict[str, Any]:
    """What is left to be done once the key of the one user in `info` was revoked.

    `info`: the look with the revocation in it, whatever a list that lags or check mode show. `steps`: the actions that
    give the user a key in force, at most one; `problem`: why there is none though one is needed, with the ways out. No
    other key is deleted for it.
    """
    after = _with_revocation(info, access_key_id)
    user, rows = after["users"][0], after["access_keys"]
    name, entry = user["user_name"], Entry.from_public(user.get("store") or {})
    done = {"action": "deactivate", "user_name": name, "access_key_id": access_key_id, "reason": "revoked"}
    left = {"info": after, "user_name": name, "revoked": done, "steps": [], "problem": None}
    if not replace_it or _has_a_key_in_force(entry, rows, access_key_id):
        return left
    if user.get("store") is None and not any(row["stored"] is not None for row in rows):
        return {
            **left,
            "problem": "no store was named; give rotation_vault_file for a new one",
        }
    if user.get("error") or _owner_error(user, entry, info):
        return {**left, "problem": user.get("error") or _owner_error(user, entry, info)}
    steps = _to_a_key_in_force(name, entry, rows, info["account"].get("access_keys_quota"), access_key_id)
    return {**left, "steps": steps} if steps else {**left, "problem": _no_room_problem(entry, rows)}


def _with_revocation(info: Mapping[str, Any], access_key_id: str) -> dict[str, Any]:
    def row_after(row: Mapping[str, Any]) -> Mapping[str, Any]:
        if row["access_key_id"] != access_key_id:
            return row
        return {**row, "status": "Inactive", "stage": None, "deactivate_date": row["deactivate_date"] or info["now"]}

    def user_after(user: Mapping[str, Any]) -> Mapping[str, Any]:
        if user.get("store") is None:
            return user
        entry = Entry.from_public(user["store"]).revoked(access_key_id, from_iso(info["now"]))
        return {**user, "store": entry.public()}

    return {
        **info,
        "access_keys": [row_after(row) for row in info["access_keys"]],
        "users": [user_after(user) for user in info["users"]],
    }


def _has_a_key_in_force(entry: Entry, rows: Iterable[Mapping[str, Any]], revoked_id: str) -> bool:
    """Consumers of the store need its current key; a key that was never stored is replaced by any that works."""
    active = {row["access_key_id"] for row in rows if row["status"] == "Active"}
    if entry.current_id in active:
        return True
    record = entry.key(revoked_id)
    if record and record.has_secret:
        return False
    known = entry.asked.known if entry.asked else None
    return any(key_id != entry.next_id and (known is None or key_id in known) for key_id in active)


def _to_a_key_in_force(
    name: str, entry: Entry, rows: Sequence[Mapping[str, Any]], quota: int | None, revoked_id: str
) -> list[dict[str, Any]]:
    """A next that waits, else a new key where there is room, else the previous key that was current last."""
    statuses = {row["access_key_id"]: row["status"] for row in rows}
    if statuses.get(str(entry.next_id)) == "Active":
        return [
            {"action": "verify", "user_name": name, "access_key_id": entry.next_id, "reason": "it waits in the store"}
        ]
    if len(rows) < (quota or UNKNOWN_QUOTA_FULL_AT):
        made = {"action": "create", "user_name": name, "access_key_id": None, "reason": "the key in force was revoked"}
        return [{**made, "ask_again": True, "assume_deleted": [revoked_id]}]
    previous = [(entry.key(key_id), key_id) for key_id in statuses if entry.stage(key_id) == "previous"]
    usable = [
        (key.promote_date, key_id)
        for key, key_id in previous
        if key and (statuses[key_id] == "Active" or key.deactivate_date)
    ]
    if not usable:
        return []
    _since, key_id = max(usable, key=lambda one: (to_iso(one[0]) if one[0] else "", one[1]))
    return [{"action": "put_back", "user_name": name, "access_key_id": key_id, "reason": "no room for a new key"}]


def _no_room_problem(entry: Entry, rows: Sequence[Mapping[str, Any]]) -> str:
    keys = ", ".join(f"{row['access_key_id']} ({row['status']})" for row in rows)
    doubtful = [row["access_key_id"] for row in rows if _may_be_a_leftover(entry, row)]
    which = (
        f"{doubtful[0]}, whose secret a run lost, unless a person made it," if doubtful else "the one that nobody needs"
    )
    return (
        f"there is no room for a new one ({keys}); "
        f"delete {which} with iam_access_key (state: absent) and run the same again"
    )


def _may_be_a_leftover(entry: Entry, row: Mapping[str, Any]) -> bool:
    asked, key_id = entry.asked, row["access_key_id"]
    return bool(asked and asked.explains(key_id, from_iso(row["create_date"])) and not row["stored"])


def revocation(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What came of the task that revoked the key, as of the role's other steps."""
    key = result["access_key"]
    action = {
        "action": "deactivate",
        "user_name": key["user_name"],
        "access_key_id": key["access_key_id"],
        "reason": "revoked",
    }
    return results_of({"results": [result]}, [action])


def unreplaced(left: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the user is left without a key in force, or without it where it is used; None where all is well.

    The last sentence of a revocation.
    """
    key_id, name = left["revoked"]["access_key_id"], left["user_name"]
    failed = [result for result in results if result["failed"]]
    for result in failed:
        if result["action"]["action"] == "carry":
            return (
                f"Access key {key_id} of user {name} is switched off, but {result['access_key_id']}, which is in force "
                f"now, was not carried to where it is used: {result['msg']}"
            )
    problem = left["problem"] or next((result["msg"] for result in failed), None)
    if not problem:
        return None
    return f"Access key {key_id} of user {name} is switched off, but the user has no other one in force: {problem}"


def _owner_error(user: Mapping[str, Any], entry: Entry, info: Mapping[str, Any]) -> str | None:
    """Why the store's entry is not this user's."""
    return entry.wrong_owner(user["user_name"], info["account"]["account_id"], user["user_id"], "the store")
