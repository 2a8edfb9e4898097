# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: lab_results
type: notification
short_description: Write each task's result as a line of JSON
description:
  - What a callback gets to see, censored results censored, goes into the file that E(KEYTURN_LAB_RESULTS) names.
author: keyturn contributors
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_results"
    CALLBACK_NEEDS_ENABLED = True

    play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.play = play.get_name()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._write("ok", result, item=True)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._write("failed", result, item=True)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        self._write("skipped", result, item=True)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._line({"stats": {host: stats.summarize(host) for host in stats.processed}})

    def _write(self, status: str, result: Any, item: bool = False, ignored: bool = False) -> None:
        task = result._task
        self._line(
            {
                "play": self.play,
                "task": task.name or task.action,
                "action": task.resolved_action or task.action,
                "host": result._host.get_name(),
                "status": status,
                "ignored": ignored,
                "item": item,
                "result": result._result,
            }
        )

    def _line(self, record: dict[str, Any]) -> None:
        with Path(os.environ["KEYTURN_LAB_RESULTS"]).open("a") as file:
            file.write(f"{json.dumps(record, default=str)}\n")
