# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults that meet a whole run, at each of its requests: it is killed, nobody listens, or a request that serves all users fails.

KEYTURN_FAULTS=all takes every request, one by one. By default some runs fail in turn, each with users of its own in one store, and a
single run sets all right.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace

import pytest
from controller.runner import Controller
from fleet import CHOSEN_WRITES, MISHAPS, STAGES, TARGETS, Fleet, Mishap, Target, recover
from lab.client import Lab
from thorough import ALL


@dataclass(frozen=True)
class Failure:
    """A run and the fault that it meets at a request."""

    name: str
    mishap: Mishap
    target: Target

    def __str__(self) -> str:
        return f"{self.name}-{self.target}"

    @property
    def kills(self) -> bool:
        return self.mishap.kind == "kill"


KILLS = {f"killed_{when}": Mishap("kill", {"when": when}, passes=False) for when in ("before", "after")}
# `before`: the connection of that very request ends, too; `after`: the next one finds a closed port, and so is sent again.
REFUSALS = {
    f"refused_{when}": Mishap("refuse", {"when": when, "seconds": 0.3}, create=when == "after")
    for when in ("before", "after")
}
FAILURES = [
    *(Failure(name, mishap, target) for name, mishap in {**KILLS, **REFUSALS}.items() for target in TARGETS),
    *(Failure(name, mishap, target) for name, mishap in MISHAPS.items() for target in TARGETS if not target.user),
]
CHOSEN = {
    "refused_before-CreateAccessKey-first-1",
    "refused_after-GetUser-first-1",
    "refused_after-GetAccessKeyLastUsed-retiring-3",
    "throttled_for_long-ListUsers-1",
    "denied-GetAccountSummary-1",
    "killed_after-ListUsers-1",
    "killed_after-GetCallerIdentity-first-1",
    "killed_after-ListAccessKeys-again-4",
    *(f"killed_after-{target}" for target in CHOSEN_WRITES),
}
TURNS = [[failure] for failure in FAILURES] if ALL else [[failure for failure in FAILURES if str(failure) in CHOSEN]]


@pytest.mark.parametrize("failures", TURNS, ids=lambda failures: str(failures[0]) if ALL else "in_turn")
def test_runs_that_fail(lab: Lab, controller: Controller, failures: list[Failure]) -> None:
    fleet = Fleet(
        lab, controller, [f"{stage}.{turn}" for turn, failure in enumerate(failures) for stage in _stages(failure)]
    ).seed()
    for turn, failure in enumerate(failures):
        _fail(fleet, turn, failure)
    recover(replace(fleet, aws_config={}), None)


def _stages(failure: Failure) -> list[str]:
    """All of them; where many runs fail in turn, the user whose request it is and some more."""
    return list(STAGES) if ALL else list({str(failure.target.user or "again"): None, "first": None, "retiring": None})


def _fail(fleet: Fleet, turn: int, failure: Failure) -> None:
    mishap, target, lab = failure.mishap, failure.target, fleet.lab
    unknown = fleet.unknown()
    lab.clear_faults()
    lab.fault(
        mishap.kind, target.action, user=target.user and f"{target.user}.{turn}", nth=target.nth, **mishap.details
    )
    fleet.aws_config = {
        "retries": {"total_max_attempts": 8 if mishap.kind == "refuse" else 4},
        "read_timeout": 1 if mishap.kind == "hang" else 30,
    }
    run = fleet.run(extra_vars={"rotation_users": [f"*.{turn}"]})
    assert lab.faults()[0].fired, f"{failure} did not happen\n{run}"
    lab.clear_faults()
    harm = fleet.harm()
    assert not harm, f"{failure}: {harm}\n{run}"
    if failure.kills:
        assert run.rc == -signal.SIGKILL, str(run)
        return
    left = {name: keys for name, keys in fleet.unknown().items() if name not in unknown}
    assert all(key_id in run.output for keys in left.values() for key_id in keys), f"{failure}: {left} not named\n{run}"
    if mishap.is_survived_by(target):
        # Who hangs up cuts what others have under way, too, and an answer may be lost by it.
        lost = {name for name in left if mishap.kind == "refuse" and name != f"{target.user}.{turn}"}
        names = {sentence.partition(":")[0]: sentence for sentence in fleet.astray()}
        astray = [said for name, said in names.items() if name.endswith(f".{turn}") and name not in lost]
        assert not astray, f"{failure}: {astray}\n{run}"
