# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the first look against what was asked for: the account has to be the right one, and names that fit nobody are
told.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.seen import account_error, unmatched_names
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain

ARGUMENT_SPEC: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "account_id": {"type": "str"},
    "user_names": {"type": "list", "elements": "str"},
}


class ActionModule(ActionBase):
    """Fails where the account is another one; warns of names."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        settings = plain(args["settings"])
        problem = account_error(settings.get("account_id"), plain(args["account_id"]))
        result["changed"] = False
        if problem:
            result.update(failed=True, msg=problem)
        elif args["user_names"] is not None:
            unmatched = unmatched_names(settings, plain(args["user_names"]))
            if unmatched:
                result["warnings"] = unmatched
        return result
