# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user's own tags say of the policy, and whose the user is."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._time import from_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import read_number, shown

PREFIX = "keyturn:"
MAX_AGE_DAYS = "keyturn:max-age-days"
DAYS = {MAX_AGE_DAYS: "max_age_days", "keyturn:idle-days": "idle_days"}
EXEMPT_UNTIL = "keyturn:exempt-until"
KNOWN = (*DAYS, EXEMPT_UNTIL)


def owner_of(user: User, policy: Policy) -> str | None:
    """The value of the tag that names the user's owner; null where there is none."""
    return (user.tag(policy.owner_tag) or None) if policy.owner_tag else None


def has_an_age_of_its_own(user: User, policy: Policy) -> bool:
    """Whether the user's keys may grow as old as its own tag says, not as the policy does."""
    return policy.tag_policy and user.error is None and user.tag(MAX_AGE_DAYS) is not None


def policy_of(user: User, policy: Policy) -> Policy:
    """The policy by which this user's keys are looked at: the user's own tags come first.

    Raises ValueError, one sentence, for tags that make no sense or were not read: that is never an exemption, nor is
    the user treated as if there were none.
    """
    if not policy.tag_policy or user.gone or user.error is not None:
        return policy
    if user.tags is None:
        raise ValueError("The tags were not read, and tag_policy goes by them: look again with tags=true.")
    _refuse_unknown(user, policy)
    own: dict[str, Any] = {}
    for name, field in DAYS.items():
        value = user.tag(name)
        if value is not None:
            own[field] = _days(name, value)
    exempt_until(user, policy)
    if (policy.renew_before_days or 0) >= own.get("max_age_days", math.inf):  # the policy's own is for its own age
        own["renew_before_days"] = None
    return replace(policy, **own)


def exempt_until(user: User, policy: Policy) -> datetime | None:
    """Until when the user's own tag exempts it; a date without a time is its first second, in UTC.

    Raises ValueError, one sentence.
    """
    value = user.tag(EXEMPT_UNTIL) if policy.tag_policy and user.error is None else None
    if value is None:
        return None
    try:
        return from_iso(value.strip()).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError(
            f"The tag {EXEMPT_UNTIL} must be a date like 2027-01-31 or 2027-01-31T12:00:00Z, not {shown(value)}."
        ) from None


def _refuse_unknown(user: User, policy: Policy) -> None:
    """A slip in a tag's name would take its effect without a word."""
    known = {name.lower() for name in (*KNOWN, policy.owner_tag or "")}
    unknown = sorted(name for name in user.tags or () if name.lower().startswith(PREFIX) and name.lower() not in known)
    if unknown:
        raise ValueError(f"The tag {shown(unknown[0])} is none of {', '.join(KNOWN)}.")


def _days(name: str, value: str) -> float:
    try:
        return read_number(f"The tag {name}", value.strip(), "days")
    except ValueError as error:
        raise ValueError(f"{error}.") from None
