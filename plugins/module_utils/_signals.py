# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that wait until what was sent is stored: Ctrl-C, SIGTERM, a lost terminal, the task keyword `timeout`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# How a person calls the signal of that keyword.
TIMEOUT = "its timeout"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class Held:
    """The signals that are held back in this thread, and in those that it starts meanwhile."""

    def __init__(self, signals: set[signal.Signals]) -> None:
        self._signals = signals

    def came(self) -> signal.Signals | None:
        """One that has come, if any."""
        return next((one for one in _SIGNALS if one in self._signals and one in signal.sigpending()), None)

    def take(self) -> None:
        """Those that have come were heeded: they do nothing else any more."""
        while one := self.came():
            signal.sigwait({one})


@contextmanager
def held_back() -> Iterator[Held]:
    """Holds signals back; what came and was not taken does what it does at the end. Those that are ignored stay so."""
    signals = {one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield Held(signals)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def name_of(one: signal.Signals) -> str:
    """How a person calls it."""
    names = {signal.SIGINT: "Ctrl-C", signal.SIGALRM: TIMEOUT}
    return names.get(one, one.name)
