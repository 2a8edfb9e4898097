# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the report of a rotation or an audit, and writes it to a file; documented in
plugins/modules/rotation_report.py.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.build import build
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, ReportError
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.notices import notices_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.screen import screen, unpainted
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.table import Paint
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.write import render, write
from ansible_collections.keyturn.iam.plugins.plugin_utils._screen import paint, say, screen_width

ARGUMENT_SPEC: dict[str, Any] = {
    "info": {"type": "dict", "required": True},
    "decisions": {"type": "list", "elements": "dict", "required": True},
    "results": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "action": {"type": "dict", "required": True},
            "changed": {"type": "bool", "default": False},
            "failed": {"type": "bool", "default": False},
            "msg": {"type": "str"},
            "access_key_id": {"type": "str", "no_log": False},
        },
    },
    "policy": {"type": "dict", "default": {}},
    "report_file": {"type": "path"},
    "check": {"type": "bool"},
    "show_all": {"type": "bool", "default": False},
    "key_ids": {"type": "bool", "default": False, "no_log": False},
}


class ActionModule(ActionBase):
    """Runs on the controller: what it prints is for the person there, and the file is for that machine."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        check = self._task.check_mode if args["check"] is None else args["check"]
        path = os.path.abspath(args["report_file"]) if args["report_file"] else None
        try:
            report = build(args["info"], args["decisions"], args["results"], check, args["policy"])
            result.update(
                changed=False,
                decisions=report.decisions,
                done=report.done,
                failures=report.failures,
                totals=report.totals,
                drift=report.drift,
                notices=notices_of(report),
                report_file=path,
            )
            # The screen first: a file that cannot be written must not take the report of a finished rotation with it.
            self._show(report, args["show_all"], path)
            if path:
                text = render(report, path, args["show_all"], args["key_ids"])
                write(path, text, args["info"].get("vault_file"))
        except ReportError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _show(self, report: Report, show_all: bool, path: str | None) -> None:
        """The same lines twice, without and with colours."""
        wide, whole = screen_width(), show_all or Display().verbosity > 0
        for_people = None if path and path.lower().endswith(".prom") else path

        def lines(paint: Paint) -> str:
            return "\n".join(["", *screen(report, whole, wide, paint, for_people), ""])

        say(lines(unpainted), painted=lines(paint))
