# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small service that works with the key in a file, request after request, whatever becomes of the keys meanwhile."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from lab.client import Lab
from lab.messages import Credentials

PAUSE_SECONDS = 0.2


class Service:
    """Asks STS who it is with what `file` has at the time. `requests` counts all, `failures` has what went wrong."""

    def __init__(self, lab: Lab, file: Path) -> None:
        self.lab, self.file = lab, file
        self.requests = 0
        self.failures: list[str] = []
        self.used: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            key = json.loads(self.file.read_text())
            if key["access_key_id"] not in self.used:
                self.used.append(key["access_key_id"])
            self.requests += 1
            try:
                self.lab.boto(
                    "sts", Credentials(**key), proxies={}
                ).get_caller_identity()  # none of the one who watches
            except (BotoCoreError, ClientError) as error:
                self.failures.append(str(error))
