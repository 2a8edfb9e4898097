# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS's dates against the seconds that pass here."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils import _clock
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from worlds import NOW


def answer(**after: float) -> dict[str, Any]:
    date = format_datetime(NOW + timedelta(**after), usegmt=True)
    return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    passed = [1000.0]
    monkeypatch.setattr(_clock.time, "monotonic", lambda: passed[0])
    return passed


def test_dates_that_go_with_the_seconds_are_taken(seconds: list[float]) -> None:
    clock = _clock.Clock()
    clock.hear(answer())
    seconds[0] += 3600
    clock.hear(answer(hours=1, minutes=4))
    clock.hear(answer(hours=1))
    assert clock.now == NOW + timedelta(hours=1)


@pytest.mark.parametrize("jump", [{"minutes": 6}, {"minutes": -6}, {"days": 2}])
def test_a_jump_is_told_by_whoever_asks_next_and_from_then_on(seconds: list[float], jump: dict[str, float]) -> None:
    clock = _clock.Clock()
    clock.hear(answer())
    seconds[0] += 7
    clock.hear(answer(**jump))
    clock.hear(answer())
    for _time in range(2):
        with pytest.raises(KeyturnError, match=r"give the time as 2026-11-24T04:00:00.00:00 and 7 seconds later as"):
            str(clock.now)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 04:00:00 GMT"])
def test_an_answer_without_a_date_tells_no_time(date: str | None) -> None:
    clock = _clock.Clock()
    clock.hear({"ResponseMetadata": {"HTTPHeaders": {"date": date}}})
    assert not clock.known
    with pytest.raises(KeyturnError, match="carried no Date header"):
        str(clock.now)
