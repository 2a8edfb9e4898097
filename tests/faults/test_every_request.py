# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request of a rotation meets every fault, and the run after it sets all right.

A fault that meets one user's request is laid for many users of one run at once, each of whom has one of their own; that the others
are not held up is part of what is shown. A fault that meets everybody (a kill, a closed port, a request for no user) has a run of its own.
By default each fault meets a write of each kind and some of the reads; KEYTURN_FAULTS=all takes them one by one, for every request.
"""

from __future__ import annotations

import pytest
from controller.runner import Controller
from fleet import CHOSEN_WRITES, MISHAPS, STAGES, TARGETS, Fleet, Target, recover, targets
from lab.client import Lab
from thorough import ALL


def test_these_are_the_requests_of_a_rotation(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    run = fleet.run().ok()
    assert sorted(map(str, targets(lab.requests()))) == sorted(map(str, TARGETS))
    assert not fleet.astray() and not fleet.harm()
    recover(fleet, run)


TOGETHER = {
    "that_pass": (
        *("throttled_once", "rate_exceeded", "error_500_before", "cut_before", "cut_in_the_answer"),
        *("concurrent_modification", "unmodifiable_for_a_while"),
    ),
    "after_the_request": ("error_500_after", "cut_after"),
    "that_last": ("throttled_for_long", "unmodifiable", "denied"),
    "that_hang": ("hangs", "hangs_after"),
}
RUNS = {name: (name,) for name in MISHAPS} if ALL else TOGETHER


@pytest.mark.parametrize("run", RUNS)
def test_each_user_has_a_mishap(lab: Lab, controller: Controller, run: str) -> None:
    own = [target for target in TARGETS if target.user]
    chosen = {
        f"{target.user}.{target.action}.{target.nth}.{name}": (target, MISHAPS[name])
        for name in RUNS[run]
        for target in own
        if ALL or target in CHOSEN_WRITES or _in_turn(name, target)
    }
    # STS is waited for in vain only where that lasts; else all get through, however busy this machine is.
    timeout = 30 if all(MISHAPS[name].passes for name in RUNS[run]) else 4
    fleet = Fleet(lab, controller, [*STAGES, *chosen], variables={"rotation_verify_timeout": timeout})
    if "hangs" in RUNS[run] or "hangs_after" in RUNS[run]:
        fleet.aws_config["read_timeout"] = 1
    fleet.seed()
    # The quota would keep a user from a third key; it is not to be needed for that.
    lab.settings(quota=5)
    for user, (target, mishap) in chosen.items():
        lab.fault(mishap.kind, target.action, user=user, nth=target.nth, **mishap.details)
    done = fleet.run()
    assert all(fault.fired for fault in lab.faults()), [fault for fault in lab.faults() if not fault.fired]
    held_up = [user for user, (target, mishap) in chosen.items() if not mishap.is_survived_by(target)]
    assert not fleet.harm(), f"{fleet.harm()}\n{done}"
    assert not fleet.made_twice(), f"{fleet.made_twice()}\n{done}"
    assert not fleet.astray(*held_up), f"{fleet.astray(*held_up)}\n{done}"
    recover(fleet, done)


def _in_turn(name: str, target: Target) -> bool:
    """Some of the reads for each mishap, in the end each of them for some."""
    return (TARGETS.index(target) + list(MISHAPS).index(name)) % 12 == 0


def test_a_third_of_the_requests_is_throttled(lab: Lab, controller: Controller) -> None:
    """All slow down together, and all get through."""
    names = [f"first.{number}" for number in range(100 if ALL else 24)]
    fleet = Fleet(lab, controller, names, aws_config={}, variables={"rotation_verify_timeout": 60}).seed()
    lab.fault("throttle", nth=2, every=3, count=0)
    run = fleet.run().ok()
    throttled = sum(request.status == 400 for request in lab.requests())
    assert throttled > len(names) * 3 and not fleet.astray() and not fleet.made_twice(), f"{fleet.astray()}\n{run}"
