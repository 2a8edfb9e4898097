# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Worlds for the tests of the plan: what `iam_access_key_info` would say of them, and what they are once a plan was carried out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)

Info = dict[str, Any]
Record = dict[str, Any]


def ago(days: float = 0, hours: float = 0, seconds: float = 0, now: datetime = NOW) -> str:
    """A date so long before now, in ISO 8601."""
    return (now - timedelta(days=days, hours=hours, seconds=seconds)).isoformat()


def key(
    key_id: str, age: float, used: float | None = None, status: str = "Active", user: str = "ci", **more: Any
) -> Record:
    """A row of `access_keys`: made `age` days ago, used `used` days ago (None: never)."""
    row = {
        "user_name": user,
        "access_key_id": key_id,
        "status": status,
        "create_date": ago(age),
        "last_used_date": None if used is None else ago(used),
        "last_used_service": None if used is None else "s3",
        "last_used_region": None if used is None else "eu-west-1",
        "last_used_known": True,
        "stage": None,
        "deactivate_date": None,
        "stored": False,
    }
    return {**row, **more}


def note(
    age: float | None = None, promoted: float | None = None, off: float | None = None, stored: bool | None = None
) -> Record:
    """What the store says of one key; an age makes it one of ours, with its secret."""
    dates = {"create_date": age, "promote_date": promoted, "deactivate_date": off}
    record: Record = {name: ago(days) for name, days in dates.items() if days is not None}
    return {**record, "stored": age is not None if stored is None else stored}


def entry(
    current: str | None = None,
    age: float | None = None,
    promoted: float | None = None,
    off: float | None = None,
    **more: Any,
) -> Record:
    """The store's entry of a user; keyword arguments beside the current key's are the entry's other fields."""
    owner: Record = {"account_id": ACCOUNT, "user_id": "AIDACI"}
    if current is not None:
        owner.update(note(age, promoted, off, stored=True), access_key_id=current)
    return {**owner, **more}


def user(name: str = "ci", store: Record | None = None, **more: Any) -> Record:
    """An item of `users`."""
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    record = {
        "user_name": name,
        "user_id": f"AIDA{name.upper()}",
        "path": "/",
        "arn": arn,
        "tags": None,
        "error": None,
        "store": store,
    }
    return {**record, **more}


def info(
    keys: Iterable[Record] = (), store: Record | None = None, users: Iterable[Record] | None = None, **account: Any
) -> Info:
    """A look at user ci with these keys and this entry, or at `users`; keyword arguments are of the account."""
    return {
        "access_keys": list(keys),
        "users": [user(store=store)] if users is None else list(users),
        "account": {"account_id": ACCOUNT, "access_keys_quota": 2, "signing_access_key_id": "AKIAADMIN", **account},
        "now": NOW.isoformat(),
        "store_only": [],
        "complete": True,
    }


def apply(
    seen: Info,
    decisions: Iterable[Mapping[str, Any]],
    only: Iterable[str] = ("create", "verify", "carry", "deactivate", "delete"),
) -> Info:
    """The same world, at the same time, once the role carried the decisions out: what IAM has and what the store says."""
    actions = [action for decision in decisions for action in decision["actions"] if action["action"] in only]
    world = copy.deepcopy(seen) if actions else seen
    for action in actions:
        record = next(one for one in world["users"] if one["user_name"] == action["user_name"])
        _CARRY_OUT[action["action"]](world, record, action)
    return world


def rows(world: Info, user_name: str) -> list[Record]:
    return [row for row in world["access_keys"] if row["user_name"] == user_name]


def row(world: Info, key_id: str) -> Record | None:
    return next((row for row in world["access_keys"] if row["access_key_id"] == key_id), None)


def _entry(record: Record) -> Record:
    if record["store"] is None:
        record["store"] = {"account_id": ACCOUNT, "user_id": record["user_id"]}
    return record["store"]


def _promote(world: Info, store: Record, key_id: str, made: Record) -> None:
    others = store.setdefault("other_keys", {})
    if store.get("access_key_id"):
        old = {name: store.pop(name) for name in ("create_date", "promote_date", "deactivate_date") if store.get(name)}
        old.setdefault("promote_date", old.get("create_date", world["now"]))
        others[store["access_key_id"]] = {**old, "stored": True}
    store.pop("carry_date", None)
    store.update({**made, "access_key_id": key_id, "promote_date": world["now"], "stored": True})
    store.pop("asked", None)


def _create(world: Info, record: Record, action: Mapping[str, Any]) -> None:
    replaced = row(world, action["replaces"]) if action["replaces"] else None
    assert action["replaces"] is None or (replaced and replaced["status"] == "Active"), "the module would refuse"
    store = _entry(record)
    # AWS gives no id twice, be its key deleted.
    known = [one["access_key_id"] for one in world["access_keys"]]
    for other in world["users"]:
        entry = other["store"] or {}
        known += [entry.get("access_key_id") or "", *(entry.get("other_keys") or {})]
    number = 1 + max((int(key_id[-4:]) for key_id in known if "NEW" in key_id), default=0)
    key_id = f"AKIANEW{number:04}"
    world["access_keys"].append({**key(key_id, 0, user=record["user_name"]), "create_date": world["now"]})
    _promote(world, store, key_id, {"create_date": world["now"]})


def _verify(world: Info, record: Record, action: Mapping[str, Any]) -> None:
    store = record["store"]
    made = store["other_keys"].pop(action["access_key_id"])
    assert "promote_date" not in made and "revoke_date" not in made, "only next is verified"
    if row(world, action["access_key_id"]) is None:
        world["access_keys"].append(
            {**key(action["access_key_id"], 0, user=record["user_name"]), "create_date": made["create_date"]}
        )
    _promote(
        world, store, action["access_key_id"], {name: value for name, value in made.items() if name == "create_date"}
    )


def _carry(world: Info, record: Record, action: Mapping[str, Any]) -> None:
    assert record["store"]["access_key_id"] == action["access_key_id"], "the module would refuse"
    record["store"]["carry_date"] = world["now"]


def _deactivate(world: Info, record: Record, action: Mapping[str, Any]) -> None:
    target = row(world, action["access_key_id"])
    assert target is not None and target["user_name"] == record["user_name"]
    target["status"] = "Inactive"
    store = _entry(record)
    noted = (store.get("other_keys") or {}).get(action["access_key_id"], {})
    if action.get("leaked"):
        assert noted["revoke_date"], "the plan revokes nothing by itself"
        noted.setdefault("deactivate_date", world["now"])
        return
    if store.get("access_key_id") == action["access_key_id"]:
        store["deactivate_date"] = world["now"]
    else:
        store.setdefault("other_keys", {}).setdefault(action["access_key_id"], {"stored": False})["deactivate_date"] = (
            world["now"]
        )


def _delete(world: Info, record: Record, action: Mapping[str, Any]) -> None:
    key_id = action["access_key_id"]
    store = record["store"] or {}
    target = row(world, key_id)
    assert target is None or target["user_name"] == record["user_name"]
    asked = store.get("asked")
    if target and asked and key_id not in asked["known"]:
        distance = datetime.fromisoformat(target["create_date"]) - datetime.fromisoformat(asked["date"])
        if abs(distance) <= timedelta(minutes=5):
            del store["asked"]
    world["access_keys"] = [one for one in world["access_keys"] if one["access_key_id"] != key_id]
    store.get("other_keys", {}).pop(key_id, None)


_CARRY_OUT = {"create": _create, "verify": _verify, "carry": _carry, "deactivate": _deactivate, "delete": _delete}
