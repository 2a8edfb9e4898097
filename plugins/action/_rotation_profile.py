# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives a profile of the shared credentials file the user's current key, or sees that this could be done."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._credentials_file import check_profile, write_profile
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.pick import pick
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain

ARGUMENT_SPEC: dict[str, Any] = {
    "profile": {"type": "str", "required": True},
    "access_key_ids": {"type": "list", "elements": "str", "no_log": False},
    "user_name": {"type": "str"},
    "vault_file": {"type": "path"},
}


class ActionModule(ActionBase):
    """With `access_key_ids` it checks, with `user_name` and `vault_file` it writes."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        result["changed"] = False
        try:
            if args["access_key_ids"] is not None:
                check_profile(args["profile"], plain(args["access_key_ids"]))
            else:
                store = VaultStore(args["vault_file"], self._loader._vault)
                result["changed"] = write_profile(args["profile"], **pick(store, plain(args["user_name"])))
        except (ValueError, StoreError) as error:
            result.update(failed=True, msg=str(error))
        return result
