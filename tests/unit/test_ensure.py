# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks IAM, what it writes and in which order, and what it says; each case really and in check mode.

Each case names the world before, the wish, and the script: every request and every write of the store in its order. So
that a note or a secret is in the store before the next request goes out stands in the script, and nothing else passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from ensure_cases import adopting, making, promoting, removing, revoking, switching
from scripted_iam import (
    Case,
    Done,
    Fails,
    Played,
    as_checked,
    play,
    secrets_of,
)

CASES = [*making.CASES, *promoting.CASES, *switching.CASES, *revoking.CASES, *removing.CASES, *adopting.CASES]


def check_ending(played: Played, expected: Done | Fails, as_returned: dict[str, Any]) -> None:
    outcome, error = played.outcome, played.error
    if isinstance(expected, Fails):
        assert isinstance(error, KeyturnError), played
        assert (error.message, error.returns) == (expected.sentence, as_returned)
    elif error:
        raise error
    else:
        assert outcome and asdict(outcome) == as_returned


@contextmanager
def told_once_right(wrong: str | None) -> Iterator[None]:
    """What is known to be wrong today fails in silence, and aloud from the day on that it is right."""
    try:
        yield
    except (AssertionError, KeyturnError):
        if not wrong:
            raise
        pytest.xfail(wrong)
    assert not wrong, "this is right now: take the mark away"


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)


@each_case
def test_run(case: Case) -> None:
    played = play(case.script, case.before, case.wants, False, case.account_id)
    assert played.play.calls == played.play.expected or case.wrong_calls
    with told_once_right(case.wrong.get("run")):
        check_ending(played, case.ends, case.ends.returned() if isinstance(case.ends, Done) else case.ends.returns)


@each_case
def test_check_mode(case: Case) -> None:
    script = as_checked(case.script) if case.checked_script is None else case.checked_script
    played = play(script, case.before, case.wants, True, case.account_id)
    assert played.play.calls == played.play.expected
    expected = case.checked or case.ends
    with told_once_right(case.wrong.get("check")):
        check_ending(played, expected, expected.predicted() if isinstance(expected, Done) else {})


@each_case
def test_a_secret_leaves_the_store_only_with_its_key_and_is_never_shown(case: Case) -> None:
    before = secrets_of(case.before)
    played = play(case.script, case.before, case.wants, False, case.account_id)
    gone = {f"secret-of-{call.split()[-1]}" for call in played.play.calls if call.startswith("delete ")}
    if case.wants.get("state") == "absent":  # a person's word for a user that is gone
        gone.add(f"secret-of-{case.wants['access_key_id']}")
    if case.before:
        assert before - gone <= secrets_of(played.store.entry)
    assert "secret-of" not in f"{played.outcome}{played.error}"


def test_no_case_has_the_name_of_another() -> None:
    assert len({case.about for case in CASES}) == len(CASES)
