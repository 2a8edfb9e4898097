# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A batch in the controller's process: its stores, which its threads share, and what is said of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible_collections.keyturn.iam.plugins.module_utils._access_key.batch import Count
from ansible_collections.keyturn.iam.plugins.module_utils._access_key.work import NoStore, Store
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from ansible_collections.keyturn.iam.plugins.module_utils._pace import Pace
from ansible_collections.keyturn.iam.plugins.module_utils._signals import TIMEOUT
from ansible_collections.keyturn.iam.plugins.module_utils._wishes import Wish
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import OpenStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._screen import is_task_named_late, say
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.shared import SharedStore

PROGRESS_SECONDS = 5.0
# Inside a store's lock at a time; where requests are held back it is as many as AWS takes requests a second, so that
# those inside are out again in some seconds.
MOST_INSIDE = 1000
# What ended this worker's task, which may go on with the next item of a loop.
_interrupted_by: list[str] = []
COLORS = {"ok": C.COLOR_OK, "changed": C.COLOR_CHANGED, "failed": C.COLOR_ERROR}


class SharedStores:
    """The store of each wish; `open_store` opens it, or refuses."""

    def __init__(self, open_store: OpenStore, pace: Pace) -> None:
        self._open_store, self._pace = open_store, pace
        self._shared: dict[VaultStore, SharedStore] = {}

    def of(self, wish: Wish) -> Store:
        store = self._open_store(wish.params)
        if store is None:
            return NoStore()
        if store not in self._shared:
            self._shared[store] = SharedStore(store, self._room)
        return self._shared[store]

    def _room(self) -> int:
        return int(self._pace.a_second or MOST_INSIDE)

    def stop(self, why: str) -> None:
        """Who waits for a store waits no longer."""
        if why != TIMEOUT:
            _interrupted_by.append(why)
        for shared in self._shared.values():
            shared.stop(why)


def refuse_after_interrupt() -> None:
    """Of a loop no item is begun after the one that was interrupted. Raises KeyturnError."""
    if _interrupted_by:
        raise KeyturnError(f"Nothing was done: the task was stopped by {_interrupted_by[0]}; run it again")


def progress() -> Callable[[Count], None]:
    """Says how far a batch is, every few seconds."""
    said = time.monotonic()

    def tell(count: Count) -> None:
        nonlocal said
        if count.left and time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            say(f"{count.done} done, {count.failed} failed, {count.left} left")

    return tell


def say_results(task: str, host: str, result: Mapping[str, Any]) -> None:
    """A line for each item, as for those of a loop, and the diffs: Ansible shows none of a task that failed."""
    results = result.get("results") or []
    if results and is_task_named_late():
        say(f"{task}:")
    for one in results:
        status = _status(one)
        say(f"{status}: [{host}] => {': '.join(_words(one))}", COLORS[status])
    if result.get("failed") and result.get("diff"):
        say(CallbackBase()._get_diff(result["diff"]))


def _status(result: Mapping[str, Any]) -> str:
    if result.get("failed"):
        return "failed"
    return "changed" if result.get("changed") else "ok"


def _words(result: Mapping[str, Any]) -> Iterator[str]:
    """Whose key, which one, and what became of it."""
    item, key = result.get("item") or {}, result.get("access_key") or {}
    yield str(key.get("user_name") or item.get("user_name") or item.get("username") or item.get("access_key_id"))
    if result.get("failed"):
        yield str(result.get("msg"))
        return
    gone = result.get("deleted_access_key_id")
    said = [f"{gone} deleted"] if gone else []
    if key:
        id_and_status = [key.get("access_key_id") or "a new key", key.get("status"), result.get("stage")]
        said.append(" ".join(str(part) for part in id_and_status if part))
    if said:
        yield ", ".join(said)
