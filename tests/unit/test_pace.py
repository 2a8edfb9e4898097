# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How all requests of a connection slow down together, by a clock that only their waiting moves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils import _pace
from ansible_collections.keyturn.iam.plugins.module_utils._pace import FREE, LEAST, Pace
from botocore.exceptions import ClientError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_pace, "time", clock)
    return clock


def send(pace: Pace, code: str | None = None) -> None:
    try:
        with pace.turn():
            if code:
                raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "It")
    except ClientError:
        pass


def seconds_of(clock: Clock, pace: Pace, count: int) -> float:
    began = clock.now
    for _number in range(count):
        send(pace)
    return clock.now - began


def test_nothing_is_held_back_before_a_throttle(clock: Clock) -> None:
    pace = Pace(16)
    assert seconds_of(clock, pace, 1000) == 0 and pace.a_second is None
    send(pace, "AccessDenied")
    assert pace.a_second is None


def test_a_throttle_halves_the_pace_that_there_was_and_it_is_won_back(clock: Clock) -> None:
    pace = Pace(16)
    for _number in range(99):
        send(pace)
        clock.now += 0.0101
    send(pace, "Throttling")
    assert pace.a_second == pytest.approx(50, abs=1)
    assert seconds_of(clock, pace, 65) == pytest.approx(1, abs=0.1)
    assert pace.a_second == pytest.approx(80, abs=3)
    clock.now += FREE
    assert pace.a_second is None and seconds_of(clock, pace, 100) == 0


def test_one_burst_of_throttles_halves_it_once(clock: Clock) -> None:
    pace = Pace(16)
    for _number in range(80):
        send(pace)
    for _number in range(20):
        send(pace, "ThrottlingException")
    assert pace.a_second and 40 <= pace.a_second <= 60


def test_it_never_stops(clock: Clock) -> None:
    pace = Pace(16)
    for _number in range(20):
        send(pace, "Throttling")
    assert pace.a_second and pace.a_second >= LEAST
    for _number in range(20):
        clock.now = (pace._halved or (0, 0))[0] + 1  # as soon as it may be halved once more
        send(pace, "Throttling")
    assert pace.a_second and pace.a_second == pytest.approx(30, abs=1)  # what a second wins back


def test_who_is_alone_needs_no_pace(clock: Clock) -> None:
    pace: Any = Pace(1)
    send(pace, "Throttling")
    assert pace.a_second is None
