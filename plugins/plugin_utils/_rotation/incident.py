# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided when a consumer breaks or a key leaks: which key a rollback brings back, what a revocation leaves.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def previous(info: Mapping[str, Any], access_key_id: str | None = None) -> dict[str, Any]:
    """Which key a rollback of the user in `info` puts back in force, whether its secret is `stored`, or the `problem` why none.

    Of the keys that IAM has and nobody revoked it is the stored one that was current last, else the one made by hand that was switched off
    last. Keys younger than the current one do not come back in this way, for that is what there is after a rollback: so it does not
    toggle, and where another key works already beside the current one there is nothing to put back.
    """
    if len(info["users"]) != 1:
        return {"problem": "rotation_user_name must name one user"}
    user = info["users"][0]
    name, store = user["user_name"], dict(user.get("store") or {})
    wrong = user.get("error") or _owner_error(user, store, info)
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
            "problem": f"User {name} has no access key that was replaced or switched off by the rotation and that IAM still has{revoked_too}; "
            f"name {name} in rotation_now for a new one"
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
        return 1, note["promote_date"], row["access_key_id"]
    return (0, row["deactivate_date"], row["access_key_id"]) if row["deactivate_date"] else None


def _owner_error(user: Mapping[str, Any], store: Mapping[str, Any], info: Mapping[str, Any]) -> str | None:
    """Why the store's entry is not this user's."""
    account_id = info["account"]["account_id"]
    if store.get("account_id") and store["account_id"] != account_id:
        return f"The stored keys of user {user['user_name']} belong to account {store['account_id']}, but these credentials are for account {account_id}"
    if store.get("user_id") and store["user_id"] != user["user_id"]:
        return f"The stored keys of user {user['user_name']} belong to user id {store['user_id']}, but IAM's user of that name is {user['user_id']}"
    return None


def revoked(info: Mapping[str, Any], access_key_id: str) -> dict[str, Any]:
    """What it means to switch the key off: whose it is, whether the user has another key in force, or the `problem` why it may not be.

    A key that waits for STS, or that a request without an answer has made, is not in force. `results` is what
    `_rotation_applied` takes.
    """
    rows = info["access_keys"]
    if not any(row["access_key_id"] == access_key_id for row in rows):
        return {"problem": f"Access key {access_key_id} was deleted meanwhile"}
    key = next(row for row in rows if row["access_key_id"] == access_key_id)
    name = key["user_name"]
    store = next((user.get("store") or {} for user in info["users"] if user["user_name"] == name), {})
    known = (store.get("asked") or {}).get("known")
    others = [row for row in rows if row is not key and row["status"] == "Active" and row["stage"] != "next"]
    in_force = [row for row in others if known is None or row["stored"] or row["access_key_id"] in known]
    signs = f"Access key {access_key_id} of user {name} signs this run, which would lock itself out: run it with other credentials"
    return {
        "user_name": name,
        "needs_replacement": key["stage"] == "current" or not in_force,
        "problem": signs if info["account"]["signing_access_key_id"] == access_key_id else None,
        "results": [
            {
                "action": {"action": "deactivate", "user_name": name, "access_key_id": access_key_id},
                "changed": True,
                "failed": False,
            }
        ],
    }


def unreplaced(
    info: Mapping[str, Any],
    user_name: str,
    access_key_id: str,
    result: Mapping[str, Any] | None,
    check_mode: bool = False,
) -> str | None:
    """What is wrong where a revocation left the user without a key in force, with the ways out; None where it did not.

    `info` is the last look, `result` what the rotation that followed has left, None where there was none for want of a store.
    """
    made = result["totals"]["made"] + result["totals"]["verified"] if result else 0
    if made or not revoked(info, access_key_id).get("needs_replacement", True):
        return None
    is_off = "would be switched off" if check_mode else "is switched off"
    off = f"Access key {access_key_id} {is_off}, but user {user_name} has no new one."
    if not result:
        return f"{off} Give rotation_vault_file for one."
    decisions = [decision for decision in result["decisions"] if decision["user_name"] == user_name]
    ways_out = [remedy["say"] for decision in decisions for remedy in decision["remedies"]]
    return " ".join([off, *(decision["reason"] for decision in decisions), *ways_out])
