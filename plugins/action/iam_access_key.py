# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _argspec, _result
from ansible_collections.keyturn.iam.plugins.plugin_utils._in_process import InProcessAction, ModuleInProcess, OpenStore


class ActionModule(InProcessAction):
    """`iam_access_key`, in the controller's process where it may be."""

    module_name = "keyturn.iam.iam_access_key"
    argument_spec = _argspec.ACCESS_KEY
    returns_secret = True

    def perform(self, module: ModuleInProcess, open_store: OpenStore) -> dict[str, Any]:
        store = open_store(module.params)
        return _result.access_key(module.params, module.connect, self._task.check_mode, self._task.diff, store)
