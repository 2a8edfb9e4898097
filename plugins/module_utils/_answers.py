# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IAM answers, without boto3's dictionaries: a key, its last use, a user.

Half an answer is none: what makes these out of one raises KeyError, TypeError or ValueError where a member is missing.
"""

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
        key_id, user_name, status = (_text(answer, name) for name in ("AccessKeyId", "UserName", "Status"))
        return cls(key_id, user_name, status, from_iso(answer["CreateDate"]))

    @classmethod
    def made(cls, user_name: str, answer: Mapping[str, Any]) -> tuple[Key, str]:
        """The key that CreateAccessKey answered with, and its secret."""
        return cls.of({"UserName": user_name, **answer}), _text(answer, "SecretAccessKey")


@dataclass(frozen=True)
class LastUsed:
    """When, where and for what a key was last used; `date` is None for never. AWS's record lags by hours."""

    user_name: str | None
    date: datetime | None
    service: str | None
    region: str | None

    def __str__(self) -> str:
        where = " ".join(part for part in (self.service, self.region) if part)
        if not self.date:
            return "never"
        return f"{to_iso(self.date)} ({where})" if where else to_iso(self.date)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> LastUsed:
        used = answer["AccessKeyLastUsed"]
        # A key that was never used has no date and "N/A" for the rest (API Reference, AccessKeyLastUsed).
        service, region = (None if _text(used, name) == "N/A" else used[name] for name in ("ServiceName", "Region"))
        if used.get("LastUsedDate"):
            return cls(answer.get("UserName"), from_iso(used["LastUsedDate"]), service, region)
        if service:
            raise ValueError("used without a date")
        return cls(answer.get("UserName"), None, None, None)


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
        name, user_id, arn, path = (_text(answer, part) for part in ("UserName", "UserId", "Arn", "Path"))
        return cls(name, user_id, _arn(arn), path, from_iso(answer["CreateDate"]))


def identity_of(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Account and ARN of the credentials that GetCallerIdentity was signed with."""
    return _text(answer, "Account"), _arn(_text(answer, "Arn"))


def _text(answer: Mapping[str, Any], name: str) -> str:
    if not answer[name]:
        raise ValueError(f"{name} is empty")
    return str(answer[name])


def _arn(text: str) -> str:
    if text.count(":") < 5:
        raise ValueError("no ARN")
    return text
