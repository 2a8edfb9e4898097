# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of the demonstration: its users, what happened to them before today, and how they and their keys live on.

What happened before is done, not faked: the rotation itself runs on earlier days of the laboratory's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controller.store import open_store, write_store
from lab.client import Lab
from lab.messages import Key, KeyState, User

VAULT_FILE = "iam-keys.yml"
VAULT_PASSWORD = "a password for this demonstration only"

BEFORE_30_DAYS = [
    User("jenkins"),
    User("old-website"),
    User("terraform"),
]
BEFORE_9_DAYS = [
    User("backup", (Key(age_days=122, used_days=0.2, service="s3", region="us-east-1"),)),
]
BEFORE_3_DAYS = [
    User("etl", (Key(age_days=95, used_days=0.1, service="glue", region="eu-west-1"),)),
    User("grafana", (Key(age_days=96, used_days=1, service="logs", region="eu-west-1"),)),
]
BEFORE_3_HOURS = [
    User("artifactory", (Key(age_days=101, used_days=0.1, service="s3", region="eu-west-1"),)),
]
TODAY = [
    User("break-glass", (Key(age_days=390),)),
    User("ci", (Key(age_days=120, used_days=0.1, service="s3", region="eu-west-1"),)),
    User("contractor", (Key(age_days=500, used_days=410, service="ec2", region="us-east-1"),)),
    User("deploy", (Key(age_days=97, used_days=0.02, service="ecr", region="eu-west-1"),)),
    User("intern", (Key(age_days=300, status="Inactive", used_days=290),)),
    User(
        "legacy-erp",
        (
            Key(age_days=210, used_days=24, service="sqs", region="eu-west-1"),
            Key(age_days=30, used_days=0.5, service="sqs", region="eu-west-1"),
        ),
    ),
    User("mailer", (Key(age_days=64, used_days=0.05, service="ses", region="eu-west-1"),)),
    User(
        "vendor-x",
        (
            Key(age_days=140, used_days=1, service="s3", region="us-west-2"),
            Key(age_days=99, used_days=0.05, service="ses", region="eu-west-1"),
        ),
    ),
    User("vpn-sync", (Key(age_days=20, used_days=0.1, service="ec2", region="eu-west-1"),)),
]

STATUSES = {
    "artifactory": "leftover",
    "backup": "retire",
    "break-glass": "exempt",
    "ci": "due",
    "contractor": "unused",
    "deploy": "due",
    "etl": "held",
    "grafana": "grace",
    "intern": "no_active_key",
    "jenkins": "broken",
    "legacy-erp": "unmanaged",
    "mailer": "due_soon",
    "old-website": "gone",
    "terraform": "compliant",
    "vendor-x": "blocked",
    "vpn-sync": "error",
}
"""What the drift report is to say of whom."""

WORK = {
    "deploy": "ecr",
    "etl": "glue",
    "grafana": "logs",
    "jenkins": "ecr",
    "legacy-erp": "sqs",
    "mailer": "ses",
    "vendor-x": "ses",
}
"""Which service a user's consumers work with; s3 where nothing is said."""


class Account:
    """The laboratory's account and the store that goes with it. `rotate(users, now)` runs the real rotation without showing it."""

    def __init__(self, lab: Lab, folder: Path, rotate: Callable[[list[str], bool], None]) -> None:
        self.lab = lab
        self.vault_file = folder / VAULT_FILE
        self.rotate = rotate

    # -- before today

    def live_until_today(self) -> None:
        self._day(-30, BEFORE_30_DAYS, now=True)
        self._day(-9, BEFORE_9_DAYS)
        self._day(-3, BEFORE_3_DAYS)
        # The answer to this CreateAccessKey is lost: IAM has a key whose secret nobody knows.
        self.lab.fault("cut", "CreateAccessKey", user="artifactory", when="after")
        self._day(-0.12, BEFORE_3_HOURS)
        self.lab.clear_faults()
        self.lab.clock(days=0)
        self.lab.seed_users(TODAY)
        self.lab.delete_user("old-website")
        self.work("backup", "grafana", "jenkins", "terraform")
        self.lab.set_key(self.current_key("jenkins"), status="Inactive")
        self.lab.deny("iam:GetAccessKeyLastUsed", "vpn-sync")
        self._hold("etl", days=5)

    def _day(self, days: float, users: list[User], now: bool = False) -> None:
        self.lab.clock(days=days)
        self.lab.seed_users(users)
        self.rotate([user.user_name for user in users], now)

    def _hold(self, user_name: str, days: float) -> None:
        """What a rollback leaves in the store."""
        store = open_store(self.vault_file, VAULT_PASSWORD)
        until = datetime.fromisoformat(self.lab.clock()) + timedelta(days=days)
        store["iam_access_keys"][user_name]["hold_until"] = until.isoformat()
        write_store(self.vault_file, store, VAULT_PASSWORD)

    # -- and from then on

    def work(self, *user_names: str) -> None:
        """The consumers of these users work with their newest key."""
        for user_name in user_names:
            self._use(self.keys(user_name)[-1])

    def work_with_old_key(self, user_name: str) -> None:
        """A consumer that has not moved to the new key."""
        self._use(self.keys(user_name)[0])

    def keys(self, user_name: str) -> list[KeyState]:
        """A user's keys, oldest first."""
        return sorted(self.lab.state()[user_name].keys, key=lambda key: key.create_date)

    def current_key(self, user_name: str) -> str:
        return str(self.store()[user_name]["access_key_id"])

    def store(self) -> dict[str, Any]:
        return dict(open_store(self.vault_file, VAULT_PASSWORD)["iam_access_keys"])

    def secrets(self) -> set[str]:
        """Every secret that exists, in IAM or in the store."""
        found = {key.secret_access_key for user in self.lab.state().values() for key in user.keys}
        for entry in self.store().values():
            records = [entry, *entry.get("other_keys", {}).values()]
            found |= {record["secret_access_key"] for record in records if "secret_access_key" in record}
        return found

    def _use(self, key: KeyState) -> None:
        self.lab.use(key.access_key_id, days_ago=0.1, service=WORK.get(key.user_name, "s3"), region="eu-west-1")
