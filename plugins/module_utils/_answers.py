# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IAM answers, without boto3's dictionaries: a key, its last use, a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ._time import from_iso, to_iso


@dataclass(frozen=True)
class Key:
    """An access key as ListAccessKeys has it. `status` is passed through: only "Active" counts as Active."""

    access_key_id: str
    user_name: str
    status: str
    create_date: datetime

    @property
    def active(self) -> bool:
        return self.status == "Active"

    def public(self) -> dict[str, Any]:
        return {
            "access_key_id": self.access_key_id,
            "user_name": self.user_name,
            "status": self.status,
            "create_date": to_iso(self.create_date),
        }

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Key:
        return cls(answer["AccessKeyId"], answer["UserName"], answer["Status"], from_iso(answer["CreateDate"]))


@dataclass(frozen=True)
class LastUsed:
    """When, where and for what a key was last used; `date` is None for never. AWS's record lags by hours."""

    user_name: str | None
    date: datetime | None
    service: str | None
    region: str | None

    def __str__(self) -> str:
        where = " ".join(part for part in (self.service, self.region) if part)
        return f"{to_iso(self.date)} ({where})" if self.date and where else to_iso(self.date) if self.date else "never"


@dataclass(frozen=True)
class User:
    user_name: str
    user_id: str
    arn: str
    path: str
    create_date: datetime

    @property
    def account_id(self) -> str:
        return self.arn.split(":")[4]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> User:
        return cls(answer["UserName"], answer["UserId"], answer["Arn"], answer["Path"], from_iso(answer["CreateDate"]))
