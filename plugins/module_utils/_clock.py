# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS's time, as its answers tell it, and what to make of answers that disagree."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ._errors import KeyturnError
from ._time import from_iso, to_iso

# AWS's own clocks differ by seconds. A date that jumps by more, while this machine counts the seconds, is somebody
# else's.
MOST_JUMP = timedelta(minutes=5)


class Clock:
    """The time by the Date header of the latest answer, watched against the seconds that passed here."""

    def __init__(self) -> None:
        self._heard: tuple[datetime, float] | None = None
        self._jump: str | None = None

    @property
    def known(self) -> bool:
        return self._heard is not None

    @property
    def now(self) -> datetime:
        """In whole seconds. Raises KeyturnError where no answer told the time, or two told times that do not fit."""
        self.refuse_jump()
        if self._heard is None:
            raise KeyturnError(
                "AWS's answer carried no Date header, so that the age of a key cannot be told; is a proxy removing it?"
            )
        return self._heard[0]

    def hear(self, response: Mapping[str, Any]) -> None:
        """Keeps the time that an answer (or an error's answer) carries.

        A jump is told by whoever asks next: this answer is not lost.
        """
        date = _date_of(response)
        if date is None:
            return
        here = time.monotonic()
        if self._heard and not self._jump:
            before, then = self._heard
            due = before + timedelta(seconds=here - then)
            if abs(date - due) > MOST_JUMP:
                self._jump = _jump_sentence(before, date, here - then)
        self._heard = (date, here)

    def refuse_jump(self) -> None:
        """Raises KeyturnError once the time has jumped: nothing is to be judged by such dates."""
        if self._jump:
            raise KeyturnError(self._jump)


def _date_of(response: Mapping[str, Any]) -> datetime | None:
    text = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return from_iso(parsedate_to_datetime(text)) if text else None
    except (TypeError, ValueError):  # no date at all
        return None


def _jump_sentence(before: datetime, after: datetime, seconds: float) -> str:
    return (
        f"AWS's answers give the time as {to_iso(before)} and {seconds:.0f} seconds later as {to_iso(after)}: one of "
        "these dates is "
        "wrong (a proxy's or a gateway's, perhaps), and keys are judged by them; run again once they agree"
    )
