# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says in plain lines what is in force after a revocation or a rollback."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import clean, wrap
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.outcome import of_a_revocation, of_a_rollback
from ansible_collections.keyturn.iam.plugins.plugin_utils._screen import say, screen_width
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import without_secrets

ARGUMENT_SPEC: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "check_mode": {"type": "bool", "required": True},
    "revoked": {"type": "dict"},
    "left": {"type": "dict"},
    "results": {"type": "list", "elements": "dict", "default": []},
    "chosen": {"type": "dict"},
    "put": {"type": "dict"},
    "look": {"type": "dict"},
}


class ActionModule(ActionBase):
    """Prints lines, whatever the callback shows of a task; a machine's callback has them in the result."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(ARGUMENT_SPEC)
        args = without_secrets(given)
        beginning = args["settings"], args["check_mode"]
        if args["revoked"]:
            lines = of_a_revocation(*beginning, args["revoked"], args["left"], args["results"])
        else:
            lines = of_a_rollback(*beginning, args["chosen"], args["put"], args["look"], args["results"])
        wrapped = [part for line in lines for part in wrap(clean(line), screen_width(), whole_words=True)]
        say("\n".join(["", *wrapped, ""]))
        result.update(changed=False, lines=lines)
        return result
