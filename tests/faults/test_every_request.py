# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request of a rotation meets every fault, and the run after it sets all right.

A fault that meets one user's request is laid for many users of one run at once, each of whom has one of their own; that the others
are not held up is part of what is shown. A fault that meets everybody (a kill, a closed port, a request for no user) has a run of its own.
By default the runs are chosen so that each kind of fault meets each write and some reads; KEYTURN_FAULTS=all takes all of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fleet import STAGES, WRITES, Fleet, Target, recover, targets
from lab.client import Lab
from lab.playbook import Controller

ALL = os.environ.get("KEYTURN_FAULTS") == "all"

REQUESTS = {
    None: {"ListUsers": 1, "GetAccountSummary": 3},
    "first": {"ListAccessKeys": 3, "GetAccessKeyLastUsed": 3, "GetUser": 2, "CreateAccessKey": 1, "GetCallerIdentity": 3},
    "again": {
        **{"ListAccessKeys": 4, "GetAccessKeyLastUsed": 5, "GetUser": 1},
        **{"CreateAccessKey": 1, "DeleteAccessKey": 1, "GetCallerIdentity": 3},
    },
    "waiting": {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 4, "GetUser": 1, "GetCallerIdentity": 3},
    "retiring": {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 3, "UpdateAccessKey": 1},
    "parting": {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 3, "DeleteAccessKey": 1},
    "busy": {"ListAccessKeys": 1, "GetAccessKeyLastUsed": 2},
}
"""How often a rotation asks what for a user of each stage, and for nobody in particular."""
TARGETS = [
    Target(action, user, nth) for user, actions in REQUESTS.items() for action, count in actions.items() for nth in range(1, count + 1)
]


def test_these_are_the_requests_of_a_rotation(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, list(STAGES)).seed()
    run = fleet.run().ok()
    assert sorted(map(str, targets(lab.requests()))) == sorted(map(str, TARGETS))
    assert not fleet.astray() and not fleet.harm()
    recover(fleet, run)


@dataclass(frozen=True)
class Mishap:
    """A fault, and how it is met: `passes` where one more request is all it takes, save for CreateAccessKey, which `create` speaks of."""

    kind: str
    details: dict[str, Any]
    passes: bool = True
    create: bool = False

    def is_survived_by(self, target: Target) -> bool:
        """Whether the run itself gets over it."""
        return self.create if target.action == "CreateAccessKey" else self.passes


MISHAPS = {
    "throttled_once": Mishap("throttle", {}, create=True),
    "throttled_for_long": Mishap("throttle", {"count": 0}, passes=False),
    "rate_exceeded": Mishap("rate_exceeded", {"count": 2}),
    "error_500_before": Mishap("error500", {}),
    "error_500_after": Mishap("error500", {"when": "after"}),
    "cut_before": Mishap("cut", {}),
    "cut_after": Mishap("cut", {"when": "after"}),
    "cut_in_the_answer": Mishap("cut", {"when": "during"}),
    "hangs": Mishap("hang", {}),
    "hangs_after": Mishap("hang", {"when": "after"}),
    "concurrent_modification": Mishap("concurrent_modification", {}),
    "unmodifiable_for_a_while": Mishap("temporarily_unmodifiable", {"count": 2}),
    "unmodifiable": Mishap("temporarily_unmodifiable", {"count": 0}, passes=False),
    "denied": Mishap("error", {"count": 0, "code": "AccessDenied", "status": 403}, passes=False),
}


@pytest.mark.parametrize("name", MISHAPS)
def test_each_user_has_a_mishap(lab: Lab, controller: Controller, name: str) -> None:
    mishap = MISHAPS[name]
    hangs = mishap.kind == "hang"
    chosen = {f"{target.user}.{target.action}.{target.nth}": target for target in TARGETS if target.user}
    if not ALL:
        # Each write, and of the reads (which take their time to hang) every one, the last or the first.
        nths = (1,) if hangs else (1, 3)
        chosen = {user: target for user, target in chosen.items() if target.writes or target.nth in nths and target.user != "busy"}
    fleet = Fleet(lab, controller, [*STAGES, *chosen])
    fleet.aws_config["retries"]["total_max_attempts"] = 4
    if hangs:
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
