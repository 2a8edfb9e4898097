# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a task's options to its result: the same two functions for the module and for the controller's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import _info
from ._access_key.ensure import ensure
from ._access_key.work import NoStore, Store
from ._errors import KeyturnError
from ._iam import Iam
from ._seen import as_lines
from ._want import Want

Connect = Callable[..., Iam]


def access_key(
    params: Mapping[str, Any], connect: Connect, check: bool, diff: bool, store: Store | None = None
) -> dict[str, Any]:
    """The result of a task with `iam_access_key`. Raises KeyturnError."""
    want = Want.of(params)
    store = store or NoStore()
    done = ensure(connect(), store, want, check)
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
