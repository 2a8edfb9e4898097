# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a task's options to its result: the same functions for the module and for the controller's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from . import _info
from ._access_key.batch import Item, Listener, ensure_all
from ._access_key.ensure import ensure
from ._access_key.work import NoStore, Outcome, Store
from ._errors import KeyturnError
from ._iam import Iam
from ._seen import as_lines
from ._want import Want
from ._wishes import Wish

Connect = Callable[..., Iam]
# So many items' reasons stand in the one sentence that a task fails with.
MOST_REASONS = 3


class Stores(Protocol):
    """Where the secrets of each wish are kept."""

    def of(self, wish: Wish) -> Store:
        """The store, which threads may share. Raises KeyturnError."""


def access_key(
    params: Mapping[str, Any], connect: Connect, check: bool, diff: bool, store: Store | None = None
) -> dict[str, Any]:
    """The result of a task with `iam_access_key`. Raises KeyturnError."""
    want = Want.of(params)
    store = store or NoStore()
    return _done(ensure(connect(), store, want, check), want, store, diff)


def _done(done: Outcome, want: Want, store: Store, diff: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": done.changed}
    for name in ("access_key", "secret_access_key", "deleted_access_key_id", "stage"):
        if getattr(done, name) is not None:
            result[name] = getattr(done, name)
    if store.path is not None:
        result["vault_file"] = store.path
    if diff:
        user_name = want.user_name or (done.access_key or {}).get("user_name")
        result["diff"] = {
            "before_header": f"access keys of {user_name}",
            "after_header": f"access keys of {user_name}",
            "before": as_lines(done.before),
            "after": as_lines(done.after if done.changed else done.before),
        }
    return result


def access_keys(
    found: Sequence[Wish],
    iam: Iam,
    check: bool,
    diff: bool,
    stores: Stores | None = None,
    listener: Listener | None = None,
) -> dict[str, Any]:
    """The result of a task with `iam_access_keys`; `failed` and `msg` among it where an item failed."""
    items = [_item(wish, stores) for wish in found]
    stopped = ensure_all(iam, items, check, listener or Listener())
    results = [_of_item(wish, item, diff) for wish, item in zip(found, items)]
    result: dict[str, Any] = {"changed": any(one["changed"] for one in results), "results": results}
    if diff:
        result["diff"] = [one.pop("diff") for one in results if "diff" in one]
    failed = [(_whose(wish), one["msg"]) for wish, one in zip(found, results) if one.get("failed")]
    if failed:
        result.update(failed=True, msg=_not_done(failed, len(items), stopped))
    return result


def of_no_items() -> dict[str, Any]:
    """The result for an empty list, for which nobody need be connected to."""
    return {"changed": False, "results": []}


def _item(wish: Wish, stores: Stores | None) -> Item:
    """The wish, refused where its store is."""
    try:
        return Item(wish.want, stores.of(wish) if stores else NoStore())
    except KeyturnError as error:
        return Item(wish.want, NoStore(), error=error)


def _of_item(wish: Wish, item: Item, diff: bool) -> dict[str, Any]:
    if item.outcome:
        result = _done(item.outcome, item.work.want if item.work else item.want, item.store, diff)
    else:
        result = {"changed": False, **_failed(item.error or KeyturnError("it was not begun"))}
    return {**result, "item": {name: value for name, value in wish.given.items() if value is not None}}


def _whose(wish: Wish) -> str:
    return wish.want.user_name or str(wish.want.access_key_id)


def _not_done(failed: Sequence[tuple[str, str]], count: int, stopped: str | None) -> str:
    """Names those for whom it was not done, and why for the first of them."""
    names = ", ".join(dict.fromkeys(name for name, _why in failed))
    whys = list(dict.fromkeys(why for _name, why in failed))
    more = len(whys) - MOST_REASONS
    told = "; ".join(whys[:MOST_REASONS]) + (f"; and {more} more, see results" if more > 0 else "")
    why = f"the task was stopped by {stopped}, and {len(failed)} of {count} were not done" if stopped else "not done"
    return f"{names}: {why} ({told})"


def access_key_info(
    params: Mapping[str, Any],
    connect: Connect,
    entries: _info.Entries | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The result of a task with `iam_access_key_info`. Raises KeyturnError."""
    _info.check(params)
    return {"changed": False, **_info.gather(connect(pool=params["max_concurrency"]), params, entries, progress)}


def fail(module: Any, error: KeyturnError) -> None:
    """Ends the task as amazon.aws's modules do: one sentence, and AWS's answer as fields where one came."""
    if error.exception:
        module.fail_json_aws(error.exception, msg=error.message, **error.returns)
    module.fail_json(msg=error.message, **error.returns)


class _Failed(Exception):
    """What a module would have ended with."""


class _FailedModule:
    """Of a module what `fail` needs, for an item that fails without ending the task."""

    fail_json_aws = AnsibleAWSModule.fail_json_aws

    def _gather_versions(self) -> dict[str, str]:
        return {}

    def fail_json(self, msg: str, **fields: Any) -> None:
        raise _Failed({"failed": True, "msg": msg, **fields})


def _failed(error: KeyturnError) -> dict[str, Any]:
    try:
        fail(_FailedModule(), error)
    except _Failed as failed:
        result = dict(failed.args[0])
        if "exception" not in error.returns:  # there is none here
            result.pop("exception", None)
        return result
    raise AssertionError("a failure ends the item")
