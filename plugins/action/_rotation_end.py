# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a rotation: fails it with what is wrong, where something is; a skipped task would say nothing to anybody."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain

ARGUMENT_SPEC: dict[str, Any] = {"wrong": {"type": "str", "required": True}}


class ActionModule(ActionBase):
    """Fails unless `wrong` is empty."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        wrong = plain(args["wrong"])
        result.update(changed=False)
        if wrong:
            result.update(failed=True, msg=wrong)
        return result
