# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says why a key was not carried: the message of the task that failed, without the secrets of that user."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.carry import failure
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain

ARGUMENT_SPEC: dict[str, Any] = {
    "failed": {"type": "dict", "required": True},
    "task": {"type": "dict", "default": {}},
    "user_name": {"type": "str", "required": True},
    "vault_file": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Returns the reason as `why`."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        try:
            why = failure(plain(args["failed"]), plain(args["task"]), self._secrets(args))
        except StoreError as error:  # what cannot be taken out is not told
            why = f"it failed, and why is not told, for its secrets could not be taken out: {error.message}"
        result.update(changed=False, why=why)
        return result

    def _secrets(self, args: dict[str, Any]) -> list[str]:
        store = VaultStore(args["vault_file"], self._loader._vault)
        entry = store.entry(plain(args["user_name"]))
        keys = [entry.key(key_id) for key_id in entry.key_ids]
        return [key.secret_access_key for key in keys if key and key.secret_access_key]
