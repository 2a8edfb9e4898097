# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _info
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import InProcessAction, ModuleInProcess, OpenStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import steps


class ActionModule(InProcessAction):
    """The look with some of its users as they are now; always in the controller's process, where the store is.

    It does not fail: whom it could not read is an error of that user's own.
    """

    module_name = "keyturn.iam._rotation_look_again"
    argument_spec = _argspec.LOOK_AGAIN

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        info, names = self._task.args["info"], self._task.args["user_names"]
        self._task.args = {**self._task.args, "info": steps.of(info, names)}
        again = super().run(tmp, task_vars)
        self._task.args = {}  # all that is in them is in the result, and Ansible keeps both
        said: dict[str, Any] = {name: again[name] for name in ("warnings", "resource_actions") if again.get(name)}
        return {"changed": False, **steps.look(info, again, names), **said}

    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        params, store = module.params, open_store(module.params)
        entries = store.entries() if store else {}
        return _info.look_again(module.connect(), params["info"], params["made"], entries, params["max_concurrency"])
