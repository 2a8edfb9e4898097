# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dates as AWS tells them, in whole seconds and UTC, and the spans by which AWS's answers may lag behind what is so."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

DAY = timedelta(days=1)
# How far the creation of a key may lie from the `asked` that explains it, both by AWS's clock.
ASKED_WINDOW = timedelta(minutes=5)
# Nobody holds a leftover's secret, so it may wait; a person who made it by hand has this long to use it, and uses show
# hours late.
LEFTOVER_WAIT = timedelta(hours=12)
# IAM's lists are eventually consistent: a key younger than this that a list leaves out is not gone.
LIST_LAG = timedelta(hours=1)
# For so long after our switching off a key its note counts more than a list that calls the key Active.
NOTE_LEADS = timedelta(minutes=5)


def to_iso(moment: datetime) -> str:
    """An ISO 8601 date in UTC with whole seconds, as the store and the results have it."""
    return moment.astimezone(timezone.utc).replace(microsecond=0).isoformat()


def from_iso(text: Any) -> datetime:
    """The moment that an ISO 8601 date names; without a zone it is UTC. Raises ValueError."""
    moment = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc, microsecond=0)


def days(now: datetime, since: datetime) -> float:
    """Days between two of AWS's dates; never below 0, although they come from several of its clocks."""
    return max(now - since, timedelta()) / DAY
