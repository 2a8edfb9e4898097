# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for Prometheus: what node_exporter's textfile collector reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import STATUSES
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import clean

_DAY = 86400
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
Labels = Mapping[str, Any]


def as_prometheus(report: Report, key_ids: bool = False) -> str:
    """Gauges in the text format, each with HELP and TYPE. Ids of keys are labels where `key_ids` asks for them: each
    new key is another series then.
    """
    account = {"account_id": report.account_id or ""}
    by_status = Counter(user.status for user in report.users if user.status)
    drift = Counter(user.status for user in report.users if user.drift)
    statuses = [*STATUSES, *sorted(set(by_status) - set(STATUSES))]
    users = sorted(report.users, key=lambda user: user.user_name)
    ages = [(_labels(account, user, key, report, key_ids), _seconds(key)) for user, key in _in_force(users)]
    return "".join(
        (
            _gauge(
                "keyturn_report_timestamp_seconds",
                "When the access keys were looked at, by the clock of AWS.",
                [(account, second) for second in _timestamp(report.now)],
            ),
            _gauge("keyturn_access_key_age_seconds", "Age of the access key that is in force, by user.", ages),
            _gauge(
                "keyturn_users",
                "Users by status.",
                [({**account, "status": status}, by_status[status]) for status in statuses],
            ),
            _gauge(
                "keyturn_drift_users",
                "Users that are not as the policy wants them, by status.",
                [({**account, "status": status}, drift[status]) for status in statuses],
            ),
            _gauge(
                "keyturn_failures",
                "Actions that failed and users that could not be read.",
                [(account, report.totals["failed"])],
            ),
        )
    )


def _in_force(users: Iterable[UserReport]) -> Iterable[tuple[UserReport, Mapping[str, Any]]]:
    """The store's current key where it is Active, else the newest Active one; a user without one has no age."""
    for user in users:
        active = [key for key in user.keys if key["status"] == "Active" and key["age_days"] is not None]
        current = [key for key in active if key["stage"] == "current"]
        if active:
            yield user, min(current or active, key=lambda key: float(key["age_days"]))


def _labels(account: Labels, user: UserReport, key: Mapping[str, Any], report: Report, key_ids: bool) -> Labels:
    owner = {"owner": user.owner or ""} if report.has_owners else {}
    key_id = {"access_key_id": key["access_key_id"]} if key_ids else {}
    return {**account, "user_name": user.user_name, **owner, **key_id}


def _seconds(key: Mapping[str, Any]) -> int:
    return int(float(key["age_days"]) * _DAY)


def _timestamp(now: str | None) -> list[int]:
    """In seconds since 1970; nothing where the date is none."""
    try:
        return [int(from_iso(str(now)).timestamp())]
    except ValueError:
        return []


def _gauge(name: str, text: str, samples: Iterable[tuple[Labels, int]]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(_sample(name, *sample) for sample in samples)]
    return "".join(f"{line}\n" for line in lines)


def _sample(name: str, labels: Labels, value: int) -> str:
    pairs = ",".join(f'{label}="{clean(text).translate(_ESCAPES)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}"
