# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.module_utils._access_key.batch import Listener
from ansible_collections.keyturn.iam.plugins.module_utils._wishes import wishes
from ansible_collections.keyturn.iam.plugins.plugin_utils._batch import (
    SharedStores,
    progress,
    refuse_after_interrupt,
    say_results,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import InProcessAction, ModuleInProcess, OpenStore


class ActionModule(InProcessAction):
    """`iam_access_keys`, in the controller's process where it may be."""

    module_name = "keyturn.iam.iam_access_keys"
    argument_spec = _argspec.ACCESS_KEYS
    returns_secret = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        self._leave_out((task_vars or {}).get("omit"))
        return super().run(tmp, task_vars)

    def _leave_out(self, omitted: Any) -> None:
        """`omit` among an item's options, where Ansible leaves it."""
        items = self._task.args.get("access_keys")
        if omitted is not None and isinstance(items, list):
            self._task.args["access_keys"] = [
                {name: value for name, value in item.items() if value != omitted} if isinstance(item, Mapping) else item
                for item in items
            ]

    def _names_store(self, args: Mapping[str, Any]) -> bool:
        items = args.get("access_keys")
        each = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
        return any(super(ActionModule, self)._names_store(one) for one in (args, *each))

    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        refuse_after_interrupt()
        found = wishes(module.params, module.no_log_values)
        if not found:
            return _result.of_no_items()
        iam = module.connect()
        stores = SharedStores(open_store, iam.pace)
        listener = Listener(progress(), stores.stop)
        return _result.access_keys(found, iam, self._task.check_mode, self._task.diff, stores, listener)

    def tell(self, result: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        if not self._task.no_log:
            say_results(self._task.get_name(), str(variables.get("inventory_hostname")), result)
