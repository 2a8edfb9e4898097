# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast requests go out over one connection: so many at a time and, once AWS has throttled one, so many a second.

All who share the connection slow down together, so that many threads do not throttle each other to death.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from ._failures import SDK_ERRORS, is_throttle

# Requests a second that are never fallen below, that are won back each second, and from which on nothing is held back.
LEAST, WON_BACK, FREE = 5.0, 30.0, 400.0
# One burst over the limit is answered with many throttles: they halve the pace once.
SECONDS_OF_A_BURST = 1.0


class Pace:
    """The turns of the requests of one connection, `at_once` of them at a time."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._slots = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._sent: deque[float] = deque()
        self._halved: tuple[float, float] | None = None
        self._next_turn = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a request's turn; the request is sent within. An answer that says so slows all others down."""
        with self._slots:
            wait = self._book()
            if wait > 0:
                time.sleep(wait)
            try:
                yield
            except SDK_ERRORS as error:
                if is_throttle(error):
                    self._halve()
                raise

    @property
    def a_second(self) -> float | None:
        """How many requests go out a second; None where nothing holds them back."""
        if self._halved is None:
            return None
        moment, rate = self._halved
        now = rate + WON_BACK * (time.monotonic() - moment)
        return now if now < FREE else None

    def _book(self) -> float:
        """Seconds until the turn that is taken here."""
        with self._lock:
            now, rate = time.monotonic(), self.a_second
            turn = max(now, self._next_turn) if rate else now
            self._next_turn = turn + 1 / rate if rate else now
            self._sent.append(turn)
            while self._sent[0] <= now - SECONDS_OF_A_BURST:
                self._sent.popleft()
            return turn - now

    def _halve(self) -> None:
        if self.at_once == 1:  # who is alone waits before it sends again, and needs no other pace
            return
        with self._lock:
            now = time.monotonic()
            if self._halved and now - self._halved[0] < SECONDS_OF_A_BURST:
                return
            rate = self.a_second or len(self._sent) / SECONDS_OF_A_BURST
            self._halved = (now, max(rate / 2, LEAST))
