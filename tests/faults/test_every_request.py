# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request of a rotation meets every fault, and the run after it sets all right.

A fault that meets one user's request is laid for many users of one run at once, each of whom has one of their own; that the others
are not held up is part of what is shown. A fault that meets everybody (a kill, a closed port, a request for no user) has a run of its own.
By default the runs are chosen so that each kind of fault meets each write and some reads; KEYTURN_FAULTS=all takes all of them.
"""

from __future__ import annotations

import pytest
from fleet import ALL, MISHAPS, STAGES, TARGETS, Fleet, Target, recover, targets
from lab.client import Lab
from lab.playbook import Controller



def test_these_are_the_requests_of_a_rotation(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    run = fleet.run().ok()
    assert sorted(map(str, targets(lab.requests()))) == sorted(map(str, TARGETS))
    assert not fleet.astray() and not fleet.harm()
    recover(fleet, run)


@pytest.mark.parametrize("name", MISHAPS)
def test_each_user_has_a_mishap(lab: Lab, controller: Controller, name: str) -> None:
    mishap = MISHAPS[name]
    # Many users are looked at again with ListUsers, few with GetUser.
    own = [target for target in TARGETS if target.user and (target.action != "GetUser" or target == Target("GetUser", "first", 1))]
    chosen = {f"{target.user}.{target.action}.{target.nth}": target for target in own if ALL or target.writes or _in_turn(name, target)}
    fleet = Fleet(lab, controller, [*STAGES, *chosen], variables={"rotation_verify_timeout": 2})
    if mishap.kind == "hang":
        fleet.aws_config["read_timeout"] = 1
    fleet.seed()
    # The quota would keep a user from a third key; it is not to be needed for that.
    lab.settings(quota=5)
    for user, target in chosen.items():
        lab.fault(mishap.kind, target.action, user=user, nth=target.nth, **mishap.details)
    run = fleet.run()
    assert all(fault.fired for fault in lab.faults()), [fault for fault in lab.faults() if not fault.fired]
    held_up = [user for user, target in chosen.items() if not mishap.is_survived_by(target)]
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    assert not fleet.made_twice(), f"{fleet.made_twice()}\n{run}"
    assert not fleet.astray(*held_up), f"{fleet.astray(*held_up)}\n{run}"
    recover(fleet, run)


def _in_turn(name: str, target: Target) -> bool:
    """Some of the reads for each mishap, in the end each of them for some."""
    return (TARGETS.index(target) + list(MISHAPS).index(name)) % 6 == 0
