# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _info
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import InProcessAction, ModuleInProcess, OpenStore


class ActionModule(InProcessAction):
    """The users of an earlier look as they are now; always in the controller's process, where the store is."""

    module_name = "keyturn.iam._rotation_look_again"
    argument_spec = _argspec.LOOK_AGAIN

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        result.pop("invocation", None)  # it has the whole look
        return result

    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        params, store = module.params, open_store(module.params)
        entries = store.entries() if store else {}
        again = _info.look_again(module.connect(), params["info"], params["made"], entries, params["max_concurrency"])
        if not again["warnings"]:
            del again["warnings"]
        return {"changed": False, **again}
