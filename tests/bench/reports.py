# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report of many users costs: its CPU, for each form of it, from what the plan returned."""

from __future__ import annotations

import sys
import time
from typing import Any

from controller.runner import default_collections

FORMS = (".json", ".csv", ".md", ".html", ".prom")
NOW = "2026-11-24T04:00:00+00:00"
DAY = 86400


def report_seconds(users: int) -> dict[str, float]:
    """Seconds of CPU to make the report of so many users, to show it and to write it, by form: a tenth is due for a new
    key, a tenth is blocked with a way out for each key, the others are well. The least of three turns, as others use
    these cores.
    """
    if str(default_collections()) not in sys.path:
        sys.path.insert(0, str(default_collections()))
    from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan
    from ansible_collections.keyturn.iam.plugins.plugin_utils._report.build import build
    from ansible_collections.keyturn.iam.plugins.plugin_utils._report.screen import screen
    from ansible_collections.keyturn.iam.plugins.plugin_utils._report.write import render

    info = _info(users)
    decisions = plan(info)

    def seconds(form: str) -> float:
        began = time.process_time()
        report = build(info, decisions, check_mode=True)
        screen(report)
        render(report, f"report{form}")
        return time.process_time() - began

    return {form: min(seconds(form) for _turn in range(3)) for form in FORMS}


def _info(users: int) -> dict[str, Any]:
    """As iam_access_key_info returns it."""
    names = [f"user-{number:05}" for number in range(users)]
    return {
        "users": [_user(name) for name in names],
        "access_keys": [key for number, name in enumerate(names) for key in _keys(number, name)],
        "account": {"account_id": "123456789012", "access_keys_quota": 2, "signing_access_key_id": None},
        "now": NOW,
        "store_only": [],
        "complete": True,
    }


def _user(name: str) -> dict[str, Any]:
    user_id = f"AIDA{name.upper():X>17}"
    return {"user_name": name, "user_id": user_id, "path": "/", "tags": {}, "error": None, "store": None}


def _keys(number: int, name: str) -> list[dict[str, Any]]:
    ages = {0: [100], 1: [100, 100]}.get(number % 10, [10])
    return [_key(name, f"AKIA{number:08}{place:08}", age) for place, age in enumerate(ages)]


def _key(name: str, key_id: str, age_days: int) -> dict[str, Any]:
    made = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(1795492800 - age_days * DAY))
    return {
        "user_name": name,
        "access_key_id": key_id,
        "status": "Active",
        "create_date": made,
        "age_days": float(age_days),
        "last_used_date": "2026-11-24T02:00:00+00:00",
        "last_used_service": "s3",
        "last_used_region": "eu-west-1",
        "last_used_known": True,
        "idle_days": 0.08,
        "stage": None,
        "deactivate_date": None,
        "stored": None,
    }
