# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults that meet a whole run, at each of its requests: it is killed, nobody listens, or a request that serves all users fails."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from fleet import ALL, MISHAPS, STAGES, TARGETS, Fleet, Target, recover
from lab.client import Lab
from lab.playbook import Controller

CHOSEN_READS = ("ListUsers-1", "GetCallerIdentity-first-1", "ListAccessKeys-again-4")


def _killed() -> list[Any]:
    return [
        pytest.param(target, when, id=f"{when}-{target}")
        for target in TARGETS
        for when in ("before", "after")
        if ALL or target.writes or (str(target) in CHOSEN_READS and when == "after")
    ]


@pytest.mark.parametrize(("target", "when"), _killed())
def test_killed(lab: Lab, controller: Controller, target: Target, when: str) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    lab.fault("kill", target.action, user=target.user, nth=target.nth, when=when)
    run = fleet.run()
    assert run.rc == -signal.SIGKILL, str(run)
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    recover(fleet, None)


def _refused() -> list[Any]:
    found = [(target, when) for target in TARGETS for when in ("before", "after")]
    chosen = ("before-CreateAccessKey-first-1", "after-GetUser-first-1", "after-GetAccessKeyLastUsed-retiring-3")
    return [pytest.param(*one, id=f"{one[1]}-{one[0]}") for one in found if ALL or f"{one[1]}-{one[0]}" in chosen]


@pytest.mark.parametrize(("target", "when"), _refused())
def test_nobody_listens_for_a_while(lab: Lab, controller: Controller, target: Target, when: str) -> None:
    """`before`: the connection of that very request ends too; `after`: the next one is not even sent, and so is sent again."""
    fleet = Fleet(lab, controller, list(STAGES), aws_config={}).seed()
    lab.fault("refuse", target.action, user=target.user, nth=target.nth, when=when, seconds=0.3)
    run = fleet.run()
    lab.clear_faults()
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    # Requests of other threads may be under way when the connections end; of writes there is only one at a time.
    if target.action != "CreateAccessKey" or when == "after":
        assert not fleet.astray(), f"{fleet.astray()}\n{run}"
    recover(fleet, run)


def _for_nobody() -> list[Any]:
    shared = [target for target in TARGETS if target.user is None]
    chosen = ("throttled_for_long-ListUsers-1", "denied-GetAccountSummary-1", "error_500_before-GetAccountSummary-2")
    found = [(name, target) for target in shared for name in MISHAPS]
    return [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in found if ALL or f"{one[0]}-{one[1]}" in chosen]


@pytest.mark.parametrize(("name", "target"), _for_nobody())
def test_a_request_for_all_has_a_mishap(lab: Lab, controller: Controller, name: str, target: Target) -> None:
    mishap = MISHAPS[name]
    fleet = Fleet(lab, controller, list(STAGES))
    if mishap.kind == "hang":
        fleet.aws_config["read_timeout"] = 1
    fleet.seed()
    lab.fault(mishap.kind, target.action, nth=target.nth, **mishap.details)
    run = fleet.run()
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    if mishap.passes:
        assert not fleet.astray(), f"{fleet.astray()}\n{run}"
    recover(fleet, run)
