# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many wishes side by side, over one connection. Each goes the way of `ensure`, one user's in their order.

What has to wait for STS holds no thread: it comes back when its time has come, so that a wait is one for all. There
are more threads than requests at a time (`Pace`), for an entry that waits for its turn to be written holds one.
Signals wait too: the thread that runs the batch looks after them, hands out nothing more, and ends when what was sent
is stored.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from traceback import format_tb

from .._errors import KeyturnError
from .._iam import Iam
from .._signals import Held, held_back, name_of
from .._want import Want
from .ensure import ensure_steps
from .work import Outcome, Store, Work

# Threads for each request that may be under way, and in all.
THREADS_A_REQUEST, MOST_THREADS = 4, 256
# Seconds after which signals, and how far the batch is, are looked at the latest, and the earliest.
MOST_SECONDS, LEAST_SECONDS = 0.2, 0.01


@dataclass
class Item:
    """One wish, and what became of it: `outcome`, or the `error` that it ended with."""

    want: Want
    store: Store
    outcome: Outcome | None = None
    error: KeyturnError | None = None
    then: Item | None = field(default=None, repr=False)
    """The same user's next one."""
    work: Work | None = field(default=None, repr=False)
    steps: Iterator[float] | None = field(default=None, repr=False)

    @property
    def ended(self) -> bool:
        return self.outcome is not None or self.error is not None


@dataclass(frozen=True)
class Count:
    """How far a batch is."""

    done: int = 0
    failed: int = 0
    left: int = 0


@dataclass(frozen=True)
class Listener:
    """Who is told how far a batch is, several times a second, and what stopped it."""

    progress: Callable[[Count], None] = lambda count: None
    stopped: Callable[[str], None] = lambda why: None


def ensure_all(iam: Iam, items: Sequence[Item], check: bool, listener: Listener) -> str | None:
    """Brings about what each item wants; one that fails does not stop the others. In check mode only reads.

    Returns what stopped it (a signal), where something did: items that were not begun have an error that says so.
    """
    due = [item for item in items if not item.ended]
    if not due:
        return None
    _hear_the_time(iam, due, check)
    return _Batch(iam, due, check, listener).run()


def _hear_the_time(iam: Iam, items: Sequence[Item], check: bool) -> None:
    """Once for all: else STS would be asked for each key that was stored before only to learn that it is too early."""
    waits = [one for one in items if one.store.path is not None and one.want.may_name_next and one.want.verify]
    too_early = any(one.want.verify_delay for one in waits)
    if check or not too_early or iam.knows_time or any(one.want.leaked for one in items):
        return
    with suppress(KeyturnError):  # each item says what is wrong
        iam.prepare_sts()


class _Batch:
    """The items of a batch: not begun, ready, asleep, ended. What they share is changed under one lock."""

    def __init__(self, iam: Iam, items: Sequence[Item], check: bool, listener: Listener) -> None:
        self._iam, self._items, self._check, self._listener = iam, items, check, listener
        lock = Lock()
        self._ready_or_over, self._watched = Condition(lock), Condition(lock)
        self._new = deque(_first_of_each_user(items))
        self._ready: deque[Item] = deque()
        self._asleep: list[tuple[float, int, Item]] = []
        self._done, self._failed = 0, 0
        self._stopped: str | None = None
        self._broken: BaseException | None = None

    def run(self) -> str | None:
        width = min(len(self._new), THREADS_A_REQUEST * self._iam.pace.at_once, MOST_THREADS)
        threads = [Thread(target=self._work, name=f"keyturn-{number}") for number in range(width)]
        with held_back() as signals:
            try:
                _start(threads)
                self._watch(signals)
            finally:  # whatever happens here: nothing more is handed out, and what was sent comes to its end
                self._stop("an error")
                for thread in threads:
                    if thread.ident:
                        thread.join()
            if self._stopped:
                signals.take()
        if self._broken:
            raise self._broken
        return self._stopped

    # -- the thread that runs the batch --------------------------------------------------------------------------

    def _watch(self, signals: Held) -> None:
        while True:
            with self._watched:
                if not self._left or self._broken:
                    return
                self._wake_who_is_due()
                self._watched.wait(self._seconds_to_watch())
                count = Count(self._done, self._failed, self._left)
            came = signals.came()
            if came and not self._stopped:
                self._stop(name_of(came))
            with suppress(Exception):  # who listens may be gone
                self._listener.progress(count)

    @property
    def _left(self) -> int:
        return len(self._items) - self._done - self._failed

    def _wake_who_is_due(self) -> None:
        now = time.monotonic()
        while self._asleep and self._asleep[0][0] <= now:
            self._ready.append(heapq.heappop(self._asleep)[-1])
            self._ready_or_over.notify()

    def _seconds_to_watch(self) -> float:
        if not self._asleep:
            return MOST_SECONDS
        return min(max(self._asleep[0][0] - time.monotonic(), LEAST_SECONDS), MOST_SECONDS)

    def _stop(self, why: str) -> None:
        """Nothing more is handed out; who is asleep is told."""
        with self._ready_or_over:
            if self._left:
                self._stopped = self._stopped or why
            self._ready.extend(item for _moment, _number, item in self._asleep)
            self._asleep.clear()
            self._ready_or_over.notify_all()
        if self._stopped:
            self._listener.stopped(self._stopped)

    # -- the other threads ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while item := self._next():
                seconds = self._go_on(item)
                if item.ended:
                    self._ended(item)
                else:
                    self._sleep(item, seconds)
        except BaseException as error:
            with self._ready_or_over:
                self._broken = error
                self._watched.notify()
            self._stop("an error")

    def _next(self) -> Item | None:
        """An item that is due, else a new one; None where none will come any more."""
        with self._ready_or_over:
            while True:
                if self._ready:
                    return self._ready.popleft()
                if self._new:
                    return self._new.popleft()
                if not self._left or self._broken:
                    return None
                self._ready_or_over.wait()

    def _go_on(self, item: Item) -> float:
        """Takes the item to where it waits, for so many seconds, or ends."""
        name = item.want.user_name or item.want.access_key_id
        try:
            if self._stopped:
                return self._end_early(item, name, self._stopped)
            if item.steps is None:
                item.work = Work(self._iam, item.store, item.want, self._check)
                item.steps = ensure_steps(item.work)
            return next(item.steps)
        except StopIteration:
            item.outcome = item.work.done if item.work else Outcome()
        except KeyturnError as error:
            item.error = error
        except Exception as error:  # a mistake of ours is one item's; its words may hold anything
            where = {"exception": "".join(format_tb(error.__traceback__))}
            item.error = KeyturnError(
                f"The work on {name} ended with an unexpected {type(error).__name__}", None, where
            )
        return 0

    def _end_early(self, item: Item, name: str | None, why: str) -> float:
        if item.steps is None:
            raise KeyturnError(f"Nothing was done for {name}: the task was stopped by {why}; run it again")
        error = KeyturnError(
            f"The task was stopped by {why} while STS was asked for {name}: what was made is stored, and the next run "
            "goes on with it"
        )
        return item.steps.throw(error)  # type: ignore[attr-defined,no-any-return]

    def _sleep(self, item: Item, seconds: float) -> None:
        with self._ready_or_over:
            if seconds <= 0 or self._stopped:
                self._ready.append(item)
                self._ready_or_over.notify()
                return
            heapq.heappush(self._asleep, (time.monotonic() + seconds, id(item), item))
            if self._asleep[0][-1] is item:
                self._watched.notify()

    def _ended(self, item: Item) -> None:
        with self._ready_or_over:
            self._failed += 1 if item.error else 0
            self._done += 0 if item.error else 1
            if item.then:
                self._new.appendleft(item.then)
                self._ready_or_over.notify()
            if not self._left:
                self._ready_or_over.notify_all()
                self._watched.notify()


def _start(threads: Sequence[Thread]) -> None:
    """As many as this machine gives, one at least."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            if number == 0:
                raise
            return


def _first_of_each_user(items: Sequence[Item]) -> list[Item]:
    """Each user's first item, the others in line behind it; a leaked key's before all others."""
    last: dict[str, Item] = {}
    first = []
    for item in items:
        whose = item.want.user_name.lower() or f"owner of {item.want.access_key_id}"
        if whose in last:
            last[whose].then = item
        else:
            first.append(item)
        last[whose] = item
    return sorted(first, key=lambda item: not item.want.leaked)
