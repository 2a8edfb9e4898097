# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks IAM, what it writes and in which order, and what it says; each case really and in check mode.

Each case names the world before, the wish, and the script: every request and every write of the store in its order. So
that a note or a secret is in the store before the next request goes out stands in the script, and nothing else passes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from scripted_iam import (
    MID,
    NEW,
    NEXT,
    NOW,
    OLD,
    STS_READY,
    Case,
    Done,
    Fails,
    Played,
    Step,
    accepts,
    ago,
    as_checked,
    asked,
    creates,
    entry,
    iso,
    lists,
    play,
    quota,
    secrets_of,
    switches_off,
    switches_on,
    used,
    user,
    writes,
)

OLD_STAYS = entry(OLD.stored())
NEXT_WAITS = entry(OLD.stored(), NEXT.stored(), asked=asked(OLD, date=ago(0.1)))
NEXT_IS_CURRENT = entry(NEXT.stored(promoted=NOW), OLD.stored(promoted=ago(100)))


def thrice(step: Step) -> list[Step]:
    return [step] * 3


SATISFIED = [
    Case(
        "without a store any Active key satisfies, the newest is named",
        before=None,
        wants={},
        script=[lists(OLD.on, MID.on, NEXT.off)],
        ends=Done(MID.on, None, {"OLD": "Active", "MID": "Active", "NEXT": "Inactive"}),
    ),
    Case(
        "a key that is younger than max_age_days satisfies",
        before=None,
        wants={"max_age_days": 41},
        script=[lists(OLD.on, MID.on)],
        ends=Done(MID.on, None, {"OLD": "Active", "MID": "Active"}),
    ),
    Case(
        "the store's current key satisfies, whatever else the user has",
        before=OLD_STAYS,
        wants={},
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active"}),
    ),
    Case(
        "a current key made so lately that the list lacks it satisfies",
        before=entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100))),
        wants={"max_age_days": 90},
        script=[lists(OLD.on)],
        ends=Done(NEW.on, "current", {"OLD": "Active, previous"}),
    ),
    Case(
        "a held user's current key satisfies, be it as old as it may",
        before=entry(OLD.stored(), MID.stored(promoted=ago(40)), hold=ago(-3)),
        wants={"max_age_days": 90},
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active, previous", "(held until)": iso(-3)}),
    ),
]

MAKING = [
    Case(
        "a user without keys gets one; without a store its secret is returned",
        before=None,
        wants={},
        script=[lists(), creates(NEW)],
        ends=Done(NEW.on, None, {}, {"NEW": "Active"}, secret=NEW.secret),
    ),
    Case(
        "a key as old as max_age_days does not satisfy",
        before=None,
        wants={"max_age_days": 100},
        script=[lists(OLD.on), quota(2), creates(NEW)],
        ends=Done(NEW.on, None, {"OLD": "Active"}, {"OLD": "Active", "NEW": "Active"}, secret=NEW.secret),
    ),
    Case(
        "a new key that is to be Inactive is made and then switched off",
        before=None,
        wants={"active": False, "max_age_days": 0},
        script=[lists(), creates(NEW), switches_off(NEW)],
        ends=Done(NEW.off, None, {}, {"NEW": "Inactive"}, secret=NEW.secret),
    ),
    Case(
        "a new key is asked for in writing, stored before anything else, and current once STS has accepted it",
        before=OLD_STAYS,
        wants={"max_age_days": 90},
        script=[
            lists(OLD.on),
            user(),
            STS_READY,
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD))),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(NEW.on, "current", {"OLD": "Active, current"}, {"OLD": "Active, previous", "NEW": "Active, current"}),
    ),
    Case(
        "with verify=false a new key stays in the store as next",
        before=OLD_STAYS,
        wants={"max_age_days": 90, "verify": False},
        script=[
            lists(OLD.on),
            user(),
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD))),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD))),
        ],
        ends=Done(NEW.on, "next", {"OLD": "Active, current"}, {"OLD": "Active, current", "NEW": "Active, next"}),
    ),
]

PROMOTING = [
    Case(
        "a next that waits becomes current, and no key is made",
        before=NEXT_WAITS,
        wants={"max_age_days": 90},
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=Done(
            NEXT.on,
            "current",
            {"OLD": "Active, current", "NEXT": "Active, next"},
            {"OLD": "Active, previous", "NEXT": "Active, current"},
        ),
    ),
    Case(
        "a next that waits stays next with verify=false",
        before=NEXT_WAITS,
        wants={"max_age_days": 90, "verify": False},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Done(NEXT.on, "next", {"OLD": "Active, current", "NEXT": "Active, next"}),
    ),
    Case(
        "named, the next key becomes current and STS alone is asked",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[*thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=Done(NEXT.on, "current", {"OLD": "current", "NEXT": "next"}, {"OLD": "previous", "NEXT": "current"}),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=Done(
            NEXT.on,
            "current",
            {"OLD": "Active, current", "NEXT": "Active, next"},
            {"OLD": "Active, previous", "NEXT": "Active, current"},
        ),
    ),
]

SWITCHING = [
    Case(
        "switching off is noted before the request",
        before=entry(NEXT.stored(promoted=NOW), OLD.stored(promoted=ago(100))),
        wants={"access_key_id": "OLD", "active": False, "min_idle_days": 7, "replacement": "NEXT"},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            used(OLD, days=8),
            writes(entry(NEXT.stored(promoted=NOW), OLD.stored(promoted=ago(100), off=NOW))),
            switches_off(OLD),
        ],
        ends=Done(
            OLD.off,
            "previous",
            {"OLD": "Active, previous", "NEXT": "Active, current"},
            {"OLD": "Inactive, previous", "NEXT": "Active, current"},
        ),
    ),
    Case(
        "switching on takes the note back after the request",
        before=entry(NEXT.stored(), OLD.stored(promoted=ago(100), off=ago(5))),
        wants={"access_key_id": "OLD", "active": True},
        script=[
            lists(OLD.off, NEXT.on),
            user(),
            switches_on(OLD),
            writes(entry(NEXT.stored(), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(
            OLD.on,
            "previous",
            {"OLD": "Inactive, previous", "NEXT": "Active, current"},
            {"OLD": "Active, previous", "NEXT": "Active, current"},
        ),
    ),
]

CASES = [*SATISFIED, *MAKING, *PROMOTING, *SWITCHING]


def parameters(mode: str) -> list[Any]:
    """The cases as pytest takes them; one that is known to be wrong today is told once it is right."""

    def marks(case: Case) -> list[pytest.MarkDecorator]:
        return [pytest.mark.xfail(strict=True, reason=case.wrong[mode])] if mode in case.wrong else []

    return [pytest.param(case, id=case.about, marks=marks(case)) for case in CASES]


def check_ending(played: Played, expected: Done | Fails, returned: dict[str, Any] | None) -> None:
    assert played.play.calls == played.play.expected
    if isinstance(expected, Fails):
        assert isinstance(played.error, KeyturnError), played
        assert played.error.message == expected.sentence
    else:
        if played.error:
            raise played.error
        assert played.outcome and asdict(played.outcome) == returned


@pytest.mark.parametrize("case", parameters("run"))
def test_run(case: Case) -> None:
    played = play(case.script, case.before, case.wants, False, case.account_id)
    check_ending(played, case.ends, case.ends.returned() if isinstance(case.ends, Done) else None)
    if isinstance(case.ends, Fails):
        assert isinstance(played.error, KeyturnError) and played.error.returns == case.ends.returns


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_a_secret_leaves_the_store_only_with_its_key_and_is_never_shown(case: Case) -> None:
    before = secrets_of(case.before)
    played = play(case.script, case.before, case.wants, False, case.account_id)
    gone = {f"secret-of-{call.split()[-1]}" for call in played.play.calls if call.startswith("delete ")}
    if case.wants.get("state") == "absent":  # a person's word for a user that is gone
        gone.add(f"secret-of-{case.wants['access_key_id']}")
    if case.before:
        assert before - gone <= secrets_of(played.store.entry)
    assert "secret-of" not in f"{played.outcome}{played.error}"


@pytest.mark.parametrize("case", parameters("check"))
def test_check_mode(case: Case) -> None:
    script = as_checked(case.script) if case.checked_script is None else case.checked_script
    played = play(script, case.before, case.wants, True, case.account_id)
    expected = case.checked or case.ends
    check_ending(played, expected, expected.predicted() if isinstance(expected, Done) else None)
    if played.error:
        assert isinstance(played.error, KeyturnError) and played.error.returns == {}


def test_no_case_has_the_name_of_another() -> None:
    assert len({case.about for case in CASES}) == len(CASES)
