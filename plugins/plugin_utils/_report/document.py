# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, Step, UserReport


def as_json(report: Report) -> str:
    """The report as JSON; the keys are documented in docs/report.md and stay."""
    document = {
        "format": 1,
        "account_id": report.account_id,
        "now": report.now,
        "check_mode": report.check_mode,
        "policy": report.policy,
        "totals": report.totals,
        "drift": report.drift,
        "done": report.done,
        "failures": report.failures,
        "notes": report.notes,
        "users": list(map(_user, report.users)),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _user(user: UserReport) -> dict[str, Any]:
    return {
        "user_name": user.user_name,
        "owner": user.owner,
        "status": user.status or None,
        "drift": user.drift,
        "reason": user.reason,
        "about": user.about,
        "remedies": list(map(asdict, user.remedies)),
        "rules": list(map(asdict, user.rules)),
        "next_date": user.next_date,
        "what_happens": [row.sentence for row in user.rows if row.sentence],
        "actions": list(map(_action, user.steps)),
        "access_keys": list(user.keys),
    }


def _action(step: Step) -> dict[str, Any]:
    return {
        "action": step.action,
        "access_key_id": step.access_key_id,
        "replaces": step.replaces,
        "reason": step.reason,
        "outcome": step.outcome,
        "msg": step.msg or None,
        "new_access_key_id": step.new_access_key_id,
    }
