# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the access keys of users, and says of everything that could not be read that it could not.

One request a page of users, one a user, one a key, two for the account; a few at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Union

from ._answers import Key, LastUsed, User
from ._entry import Entry
from ._errors import IamError, KeyturnError
from ._iam import Iam, owner_of
from ._options import is_pattern, names_user, refuse_negative, same_name
from ._time import days, from_iso, to_iso

# Up to so many names are asked for one by one; for more the listing, up to 1,000 users a page, is fewer requests.
FEW = 25
# How often `progress` is told how far an audit is.
TELL_SECONDS = 1.0
# Entries of the store by user name; one that cannot be read is its error.
Entries = Mapping[str, Union[Entry, KeyturnError]]


@dataclass
class _Look:
    """One user as looked at; `user` is None for a name that IAM does not have."""

    user_name: str
    user: User | None = None
    keys: list[tuple[Key, LastUsed | None]] = field(default_factory=list)
    known_uses: Mapping[str, LastUsed] = field(default_factory=dict)
    tags: dict[str, str] | None = None
    quarantined: str | None = None
    errors: list[str] = field(default_factory=list)
    read: bool = False
    vanished: bool = False
    missing: bool = False


def check(params: Mapping[str, Any]) -> None:
    """Raises KeyturnError for options that make no sense."""
    refuse_negative(params, ("min_age_days", "min_idle_days"))
    if params.get("max_concurrency") is not None and params["max_concurrency"] < 1:
        raise KeyturnError(f"max_concurrency must be at least 1, not {params['max_concurrency']}")


def gather(
    iam: Iam,
    params: Mapping[str, Any],
    entries: Entries | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The result of `iam_access_key_info`, see its documentation; `warnings` among it. Raises KeyturnError."""
    check(params)
    warnings: list[str] = []
    users, everyone = _select(iam, params, warnings)
    _tell_the_renamed(iam, users, entries or {})
    summary = iam.summary()
    _read_all(iam, users, params, progress)
    _fail_where_nothing_was_read(users)
    if params.get("quarantined") is not False:
        _tell_the_quarantined(iam, [one for one in users if one.user and not one.vanished], warnings)
    seen, rows, shown = _shown(iam, users, params, entries, warnings)
    account_id, partition = _account(iam, seen)
    names = {user.user_name for user in users if user.user}
    return {
        "access_keys": rows,
        "users": [_user(one, (entries or {}).get(one.user_name)) for one in seen],
        "account": {
            "account_id": account_id,
            "partition": partition,
            "root_access_key_present": bool(summary["AccountAccessKeysPresent"]) if summary else None,
            "access_keys_quota": summary.get("AccessKeysPerUserQuota") if summary else None,
            "signing_access_key_id": iam.signing_access_key_id,
        },
        "now": to_iso(iam.now),
        "store_only": _store_only(entries, names, account_id) if everyone and entries else [],
        "complete": params.get("last_used") is not False and shown,
        "warnings": warnings,
    }


def look_again(
    iam: Iam,
    info: Mapping[str, Any],
    made: Collection[str],
    entries: Entries,
    max_concurrency: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The users of an earlier look (`info`) as they are now, with as few requests as can be: one a user.

    Who they are is known, and so is the last use of a key that was read then, or that was `made` since: who goes by one
    to write reads it again. A key that shows for the first time is asked for. Raises KeyturnError.
    """
    uses = {row["access_key_id"]: _use_of(row) for row in info["access_keys"] if row["last_used_known"]}
    uses.update({key_id: LastUsed(None, None, None, None) for key_id in made})
    before = {user["user_name"]: user for user in info["users"]}
    users = [_Look(name, _user_of(user), known_uses=uses) for name, user in before.items() if user["arn"]]
    params = {"max_concurrency": max_concurrency}
    warnings: list[str] = []
    _read_all(iam, users, params, progress)
    _fail_where_nothing_was_read(users)
    seen, rows, _complete = _shown(iam, users, params, entries, warnings)
    return {
        "access_keys": rows,
        "users": [_user_again(before[one.user_name], _user(one, entries.get(one.user_name))) for one in seen],
        "account": info["account"],
        "now": to_iso(iam.now),
        "complete": True,
        "warnings": warnings,
    }


def _user_again(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Tags and quarantine are not asked for again."""
    return {**before, "error": now["error"], "store": now["store"]}


def _shown(
    iam: Iam, users: list[_Look], params: Mapping[str, Any], entries: Entries | None, warnings: list[str]
) -> tuple[list[_Look], list[dict[str, Any]], bool]:
    """The users who are there, the rows of their keys, and whether no filter left one out.

    What is wrong with a user is a warning.
    """
    warnings += _warnings(users)
    seen = sorted((user for user in users if not user.vanished), key=lambda user: user.user_name)
    now = iam.now
    rows, shown = [], True
    for one in seen:
        entry = (entries or {}).get(one.user_name)
        if isinstance(entry, KeyturnError):
            one.errors.append(str(entry))
            warnings.append(str(entry))
            entry = None
        for key, used in one.keys:
            row = _row(key, used, entry, now, stored=entries is not None)
            fits = _fits(row, params)
            shown = shown and fits
            if fits:
                rows.append(row)
    return seen, rows, shown


def _user_of(shown: Mapping[str, Any]) -> User:
    """The user that an earlier look shows."""
    known = {name: shown[name] for name in ("user_name", "user_id", "arn", "path")}
    return User(create_date=from_iso(shown["create_date"]), **known)


def _use_of(row: Mapping[str, Any]) -> LastUsed:
    date = row["last_used_date"]
    return LastUsed(
        row["user_name"], from_iso(date) if date else None, row["last_used_service"], row["last_used_region"]
    )


# -- who is looked at ------------------------------------------------------------------------------------------------


def _select(iam: Iam, params: Mapping[str, Any], warnings: list[str]) -> tuple[list[_Look], bool]:
    """The users to look at, and whether these are all that the account has."""
    names, prefix = params.get("user_name"), params.get("path_prefix")
    if params.get("access_key_id"):
        names = [owner_of(iam, params["access_key_id"])]
    if names is not None:
        names = list({name.lower(): name for name in names if name}.values())
    if names is not None and len(names) <= FEW and not any(is_pattern(name) for name in names):
        looks = [_named(iam, name, prefix) for name in names]
        return _with_other_capitals(iam, looks, prefix), False
    if prefix == "/":  # everyone's path begins so
        prefix = None
    found = {user.user_name: user for user in iam.users(prefix)}
    if names is None:
        return [_Look(name, user) for name, user in found.items()], not prefix
    chosen: dict[str, _Look] = {}
    for name in names:
        matches = [one for one in found if names_user(name, one)]
        chosen.update((one, _Look(one, found[one])) for one in matches)
        if not matches and not is_pattern(name):
            chosen[name] = _missing(name, prefix)
        elif not matches and name != "*":
            warnings.append(f"No user matches {name}")
    return list(chosen.values()), "*" in names and not prefix


def _named(iam: Iam, name: str, prefix: str | None) -> _Look:
    try:
        user = iam.user(name)
    except IamError as error:
        return _missing(name, None) if error.missing else _Look(name, errors=[error.sentence])
    if prefix and not user.path.startswith(prefix):
        return _missing(name, prefix)
    return _Look(user.user_name, user)  # as IAM writes it, for it compares names without case


def _with_other_capitals(iam: Iam, looks: list[_Look], prefix: str | None) -> list[_Look]:
    """The looks, with the user of that name in the place of one that is missing as it was written."""
    if not any(one.missing for one in looks):
        return looks
    try:
        found = {user.user_name.lower(): user for user in iam.users(prefix)}
    except IamError:
        return looks  # who may not list users is told that there is none of this name
    users = [found.get(one.user_name.lower()) if one.missing else None for one in looks]
    chosen = [_Look(user.user_name, user) if user else one for one, user in zip(looks, users)]
    return list({one.user_name: one for one in chosen}.values())


def _missing(name: str, prefix: str | None) -> _Look:
    under = f" under the path {prefix}" if prefix else ""
    return _Look(name, errors=[f"There is no IAM user {name}{under}"], missing=True)


def _tell_the_renamed(iam: Iam, users: list[_Look], entries: Entries) -> None:
    """A key stays with its user: of a user who is not there any more, the owner of the stored current key is the new
    name.
    """
    for one in users:
        entry = entries.get(one.user_name)
        if one.user or not isinstance(entry, Entry) or not entry.current_id:
            continue
        try:
            owner = iam.last_used(entry.current_id).user_name
        except IamError:
            continue  # what is said of a missing user stands
        if owner and not same_name(owner, one.user_name):
            one.errors = [
                f"User {one.user_name} is called {owner} now: rename the entry in the vault file, and name {owner}"
            ]


def _tell_the_quarantined(iam: Iam, users: list[_Look], warnings: list[str]) -> None:
    """Whose key AWS found in public: one request an account where there is none.

    A run whose permissions do not reach so far knows of none, and goes on; where it fails otherwise nobody is known not
    to be quarantined, which is each user's error.
    """
    if not users:
        return
    by_name: dict[str, str] = {}
    try:
        for policy, arn in iam.quarantine_policies().items():
            by_name.update((name, policy) for name in _users_with(iam, policy, arn, warnings))
    except IamError as error:
        if not (error.denied or error.unsupported):
            for one in users:
                one.errors.append(error.sentence)
        return
    for one in users:
        one.quarantined = by_name.get(one.user_name)


def _users_with(iam: Iam, policy: str, arn: str, warnings: list[str]) -> list[str]:
    """That somebody is quarantined is told, though who it is may not be read."""
    try:
        return iam.users_with_policy(arn)
    except IamError as error:
        if not error.denied:
            raise
        warnings.append(
            f"AWS has quarantined a user of this account ({policy}), but which one may not be read: "
            "permit iam:ListEntitiesForPolicy"
        )
        return []


# -- reading ---------------------------------------------------------------------------------------------------------


def _read_all(iam: Iam, users: list[_Look], params: Mapping[str, Any], progress: Callable[[int, int], None]) -> None:
    """Reads all users, `max_concurrency` at a time. An interrupt does not wait for what is not begun."""
    todo = [one for one in users if one.user]
    left = deque(todo)

    def read_some() -> None:
        while left:
            try:
                one = left.popleft()
            except IndexError:
                return  # another thread took the last one
            _read(iam, one, params)

    if len(todo) <= 1:
        return read_some()
    width = min(params.get("max_concurrency") or 16, len(todo))
    pool = ThreadPoolExecutor(width, thread_name_prefix="keyturn")
    try:
        # Threads take the next user themselves: a main thread that wakes for each one would take its turn among them.
        running = {pool.submit(read_some) for _number in range(width)}
        while running:
            done, running = wait(running, TELL_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
            progress(len(todo) - len(left), len(todo))
    finally:
        left.clear()
        pool.shutdown(wait=False, cancel_futures=True)


def _read(iam: Iam, one: _Look, params: Mapping[str, Any]) -> None:
    """Reads one user's keys with their last use. Errors are the user's own."""
    try:
        keys = iam.keys(one.user_name)
        if params.get("tags"):
            one.tags = iam.tags(one.user_name)
    except IamError as error:
        if error.missing:
            one.vanished = True  # it was there when the users were listed
        one.errors.append(f"User {one.user_name} vanished meanwhile" if error.missing else error.sentence)
        return
    one.read = True
    for key in keys:
        used: LastUsed | None = None
        if key.access_key_id in one.known_uses:
            used = one.known_uses[key.access_key_id]
        elif params.get("last_used") is not False:
            try:
                used = iam.last_used(key.access_key_id)
            except IamError as error:
                if (error.missing or error.denied) and _is_gone(iam, key):
                    continue
                one.errors.append(error.sentence)
        one.keys.append((key, used))


def _is_gone(iam: Iam, key: Key) -> bool:
    """Whether another run deleted the key since it was listed."""
    try:
        return key.access_key_id not in (other.access_key_id for other in iam.keys(key.user_name))
    except IamError:
        return False


def _fail_where_nothing_was_read(users: list[_Look]) -> None:
    failed = [one for one in users if not one.read and not one.vanished]
    if failed and len(failed) == len(users):
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise KeyturnError(f"{failed[0].errors[0]}{more}")


def _warnings(users: list[_Look], most: int = 10) -> list[str]:
    said = list(dict.fromkeys(error for one in users for error in one.errors))
    return said[:most] + ([f"… and {len(said) - most} more errors, see the users' error"] if len(said) > most else [])


# -- what is said of it ----------------------------------------------------------------------------------------------


def _account(iam: Iam, seen: list[_Look]) -> tuple[str | None, str | None]:
    """The account and its partition: every user's ARN has them, else STS knows the account."""
    for one in seen:
        if one.user:
            return one.user.account_id, one.user.arn.split(":")[1]
    try:
        return iam.account_id, iam.partition
    except KeyturnError:
        return None, None


def _row(key: Key, used: LastUsed | None, entry: Entry | None, now: datetime, stored: bool) -> dict[str, Any]:
    since = (used.date or key.create_date) if used else None
    record = entry.key(key.access_key_id) if entry else None
    return {
        "user_name": key.user_name,
        "access_key_id": key.access_key_id,
        "status": key.status,
        "create_date": to_iso(key.create_date),
        "age_days": days(now, key.create_date),
        "last_used_date": to_iso(used.date) if used and used.date else None,
        "last_used_service": used.service if used else None,
        "last_used_region": used.region if used else None,
        "last_used_known": used is not None,
        "idle_days": days(now, since) if since else None,
        "stage": entry.stage(key.access_key_id) if entry else None,
        "deactivate_date": to_iso(record.deactivate_date) if record and record.deactivate_date else None,
        "stored": bool(record and record.secret_access_key) if stored else None,
    }


def _fits(row: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    status, age, idle = params.get("status"), params.get("min_age_days"), params.get("min_idle_days")
    return (
        (status is None or row["status"] == status)
        and (age is None or row["age_days"] >= age)
        and (idle is None or (row["idle_days"] is not None and row["idle_days"] >= idle))
    )


def _user(one: _Look, entry: Entry | KeyturnError | None) -> dict[str, Any]:
    return {
        "user_name": one.user_name,
        "user_id": one.user.user_id if one.user else None,
        "path": one.user.path if one.user else None,
        "arn": one.user.arn if one.user else None,
        "create_date": to_iso(one.user.create_date) if one.user else None,
        "tags": one.tags,
        "quarantined": one.quarantined,
        "error": "; ".join(one.errors) or None,
        "store": entry.public() if isinstance(entry, Entry) else None,
    }


def _store_only(entries: Entries, names: Any, account_id: str | None) -> list[dict[str, Any]]:
    return [
        {"user_name": name, "user_id": entry.user_id, "access_key_ids": list(entry.key_ids)}
        for name, entry in sorted(entries.items())
        if name not in names and isinstance(entry, Entry) and entry.account_id == account_id
    ]
