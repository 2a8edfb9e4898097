# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import InProcessAction, ModuleInProcess, OpenStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._screen import say
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore

PROGRESS_SECONDS = 5.0
# So many warnings of one kind are read; `lost_keys` has them all.
MOST_WARNINGS = 5


class ActionModule(InProcessAction):
    """`iam_access_key_info`, in the controller's process where it may be."""

    module_name = "keyturn.iam.iam_access_key_info"
    argument_spec = _argspec.INFO
    mutually_exclusive = _argspec.INFO_EXCLUSIVE

    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        store = open_store(module.params)
        entries = store.entries() if store else None
        result = _result.access_key_info(module.params, module.connect, entries, _progress())
        if not result["warnings"]:
            del result["warnings"]
        if store:
            result["vault_file"] = module.params["vault_file"]
            _tell_lost_keys(result, store)
        return result


def _tell_lost_keys(result: dict[str, Any], store: VaultStore) -> None:
    """Keys that IAM shows and the store lacks, while a predecessor has them: another hand has overwritten the file."""
    owners = {row["access_key_id"]: row["user_name"] for row in result["access_keys"]}
    users = {user["user_name"]: user for user in result["users"]}
    found = [lost for lost in store.lost_keys() if lost.access_key_id in owners]
    for lost in found:
        shown = {"access_key_id": lost.access_key_id, "vault_file": str(lost.file)}
        users[owners[lost.access_key_id]].setdefault("lost_keys", []).append(shown)
    warnings = [store.lost_error(lost).message for lost in found[:MOST_WARNINGS]]
    more = len(found) - MOST_WARNINGS
    if more > 0:
        warnings.append(f"{more} more access keys are no longer in {store.path} either: see lost_keys of each user")
    if warnings:
        result["warnings"] = result.get("warnings", []) + warnings


def _progress() -> Callable[[int, int], None]:
    """Says how far a long audit is, every few seconds."""
    said = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            say(f"Looked at {done} of {total} users")

    return progress
