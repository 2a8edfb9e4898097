# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many wishes side by side: whatever befalls one of them, and whenever, the others come about and no secret is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._access_key import promote
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from busy_iam import START, Event, World, play

NAMES = ("ada", "ben", "cem", "dia", "eva")
# The first, one in the middle and the last of them; the others are in flight.
WATCHED = (NAMES[0], NAMES[2], NAMES[-1])
HOWS = ("refused", "lost", "dropped", "dies", "dies_after")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(promote, "STS_PAUSE", 0.004)
    yield


def due(name: str, **options: Any) -> Want:
    return Want.of({"user_name": name, "vault_file": "iam.yml", "max_age_days": 90, "verify_delay": 0, **options})


def account(**options: Any) -> World:
    world = World(**options)
    for name in NAMES:
        world.add(name)
    return world


@cache
def events() -> tuple[Event, ...]:
    """All that is asked and written where nothing goes wrong."""
    world = account()
    play(world, [due(name) for name in NAMES])
    assert all(world.in_force(name) for name in NAMES)
    return tuple(event for event in world.log if event.user_name in WATCHED)


def test_what_a_new_key_takes() -> None:
    assert [(one.what, one.nth) for one in events() if one.user_name == NAMES[0]] == [
        ("keys", 1),
        ("user", 1),
        ("write", 1),
        ("create", 1),
        ("write", 2),
        ("sts", 1),
        ("sts", 2),
        ("sts", 3),
        ("write", 3),
    ]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", WATCHED)
def test_whatever_befalls_one_event(name: str, how: str) -> None:
    """The others go on, nothing is lost that the store cannot explain, and the next run sets all right."""
    for event in events():
        if event.user_name != name:
            continue
        world = account(befalls={event: how})
        ended = play(world, [due(one) for one in NAMES])
        told = f"{event} {how}"
        assert not world.unstored(), told
        assert all(count in (1, 2) for count in world.working().values()), told
        if ended:
            _stopped, items = ended
            failed = [item.want.user_name for item in items if item.error]
            assert set(failed) <= {name}, told
            assert all(world.in_force(one) for one in NAMES if one not in failed), told
            assert all(item.ended for item in items), told
        _set_right(world, told)


def _set_right(world: World, told: str, names: Sequence[str] = NAMES) -> None:
    """The next run, and where a request's outcome is not known one a day later."""
    world.befalls, world.dead = {}, False
    for days in (0, 1):
        world.now = START + days * DAY
        ended = play(world, [due(one) for one in names])
        assert ended and not world.unstored(), told
    assert all(world.in_force(one) for one in names), told
    assert all(len(keys) == 2 for keys in world.keys.values()), told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGALRM])
@pytest.mark.parametrize("step", range(0, 45, 5))
def test_a_signal_at_any_event(number: signal.Signals, step: int) -> None:
    """Nothing more is begun; what was sent comes into the store; the batch ends and says what was not done."""
    main, counted, begun = threading.main_thread(), iter(range(1000)), []
    told = threading.Event()

    def at(event: Event) -> None:
        if next(counted) == step:
            signal.pthread_kill(main.ident or 0, number)
            told.wait(5)
        elif told.is_set() and (event.what, event.nth) == ("keys", 1):
            begun.append(event)

    world = account(at=at)
    names = [*NAMES, *(f"later{number}" for number in range(10))]
    for name in names[len(NAMES) :]:
        world.add(name)
    why, items = play(world, [due(name) for name in names], at_once=1, stopped=lambda why: told.set())
    assert told.is_set() or step >= len(world.log)
    assert not world.unstored() and all(item.ended for item in items)
    unfinished = [item for item in items if item.error]
    if told.is_set():
        assert len(begun) <= 4  # one that each thread had in its hands
        assert why == {"SIGINT": "Ctrl-C", "SIGALRM": "its timeout"}.get(number.name, number.name) or not unfinished
    for item in unfinished:
        name = item.want.user_name
        made = len(world.keys[name]) == 2
        assert why in item.error.message and item.error.returns.get("changed", False) is made
        assert ("what was made is stored" if made else "Nothing was done") in item.error.message
    world.at = lambda event: None
    _set_right(world, f"{number.name} at {step}", names)


def test_no_more_requests_at_a_time_than_were_asked_for() -> None:
    world = World(at=lambda event: time.sleep(0.001))
    names = [f"user{number}" for number in range(40)]
    for name in names:
        world.add(name)
    play(world, [due(name) for name in names], at_once=3)
    assert world.most_under_way == 3 and all(world.in_force(name) for name in names)


def test_who_waits_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time has four threads; sixty wait for half a second twice, and all of that takes a second and a bit."""
    monkeypatch.setattr(promote, "STS_PAUSE", 0.3)
    world = World()
    names = [f"user{number}" for number in range(60)]
    for name in names:
        world.add(name)
    began = time.monotonic()
    play(world, [due(name) for name in names], at_once=1)
    assert all(world.in_force(name) for name in names)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_the_time_is_heard_once_for_all_where_a_delay_counts_from_it(delay: float) -> None:
    """Else each key would be asked for once only to learn that it is too early."""
    world = account()
    play(world, [due(name, verify=False) for name in NAMES])
    world.log.clear()
    world.time_is_known = False
    named = [due(name, max_age_days=None, access_key_id=world.keys[name][-1].key.access_key_id) for name in NAMES]
    play(world, [replace(want, verify_delay=delay) for want in named])
    asked = [event.what for event in world.log]
    assert asked.count("sts") == 3 * len(NAMES) and all(world.in_force(name) for name in NAMES)
    assert ("own sts" in asked) is bool(delay) and asked[0] == ("own sts" if delay else "sts")


def test_one_users_items_are_done_in_their_order() -> None:
    world = World()
    old = world.add("ben").key.access_key_id
    for name in NAMES[2:]:
        world.add(name)
    wants = [
        due("Ben", user_name="ben"),
        *(due(name) for name in NAMES[2:]),
        due("ben", access_key_id=old, active=False, max_age_days=None),
        due("ben", access_key_id=old, state="absent", max_age_days=None),
    ]
    _why, items = play(world, wants)
    assert [item.error for item in items] == [None] * len(items)
    done = [event.what for event in world.log if event.user_name == "ben"]
    assert [what for what in done if what in ("create", "set_status", "delete")] == ["create", "set_status", "delete"]
    assert [made.key.access_key_id for made in world.keys["ben"]] == [world.entries["ben"].current_id]


def test_a_leaked_key_goes_first() -> None:
    world = account()
    leaked = world.keys["eva"][0].key.access_key_id
    wants = [due(name) for name in NAMES[:-1]]
    wants.append(Want.of({"user_name": "eva", "access_key_id": leaked, "active": False, "leaked": True}))
    play(world, wants, at_once=1)
    assert (world.log[0].what, world.log[0].user_name) == ("set_status", "eva")


def test_a_mistake_of_ours_is_one_items_and_its_words_may_hold_anything() -> None:
    def at(event: Event) -> None:
        if event == Event("sts", "cem", 2):
            raise RuntimeError("secret-of-somebody")

    world = account(at=at)
    _why, items = play(world, [due(name) for name in NAMES])
    failed = {item.want.user_name: item.error.message for item in items if item.error}
    assert failed == {"cem": "The work on cem ended with an unexpected RuntimeError"}
    assert all(world.in_force(name) for name in NAMES if name != "cem")
