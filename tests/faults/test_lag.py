# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS is eventually consistent: new keys are refused for a while, lists leave them out and show what is gone."""

from __future__ import annotations

import pytest
from controller.runner import Controller
from fleet import Fleet, recover
from lab.client import Lab


@pytest.mark.thorough
def test_a_new_key_is_refused_for_seconds(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, ["first", "again", "waiting", "retiring"]).seed()
    lab.settings(new_key_refused_seconds=2)
    run = fleet.run().ok()
    assert not fleet.harm() and not fleet.astray(), str(run)
    recover(fleet, run)


def test_a_new_key_works_once_and_fails_next(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, ["first", "again", "waiting", "retiring"]).seed()
    lab.settings(new_key_answers=[True, False, True, True, False])
    run = fleet.run().ok()
    assert not fleet.harm() and not fleet.astray(), str(run)
    answers = [request.status for request in lab.requests("GetCallerIdentity", user="first")]
    assert answers == [200, 403, 200, 200, 403, 200, 200, 200]


def test_a_new_key_is_refused_for_too_long(lab: Lab, controller: Controller) -> None:
    """It stays in the store as next, consumers go on with the current key, and the next run makes no other."""
    fleet = Fleet(
        lab, controller, ["first", "again", "waiting", "retiring"], variables={"rotation_verify_timeout": 1}
    ).seed()
    lab.settings(new_key_refused_seconds=300)
    run = fleet.run()
    assert run.rc == 2 and run.msg.startswith("again, first: not done"), str(run)
    assert not fleet.harm() and not fleet.astray("again", "first"), str(run)
    assert not fleet.unknown()
    for name in ("again", "first"):
        pictures = fleet.picture(lab.state()[name], fleet.entries()[name])
        assert pictures["new"] == ("Active", "next"), str(run)
    lab.settings(new_key_refused_seconds=0)
    recover(fleet, run)


@pytest.mark.thorough
def test_lists_leave_new_keys_out(lab: Lab, controller: Controller) -> None:
    """What a list does not show is not gone: neither is a key made in its place, nor its secret dropped."""
    fleet = Fleet(lab, controller, ["first", "again", "waiting", "retiring"]).seed()
    lab.settings(hide_new_keys_seconds=600, quota=5)
    run = fleet.run().ok()
    assert not fleet.harm() and not fleet.astray(), str(run)
    again = fleet.run().ok()
    assert again.changed == 0 and not fleet.harm() and not fleet.astray(), str(again)
    lab.settings(hide_new_keys_seconds=0)
    recover(fleet, again)


def test_lists_show_what_was_before(lab: Lab, controller: Controller) -> None:
    """A deletion that a list does not show yet is repeated; IAM does not find the key, and that is a success."""
    fleet = Fleet(lab, controller, ["first", "again", "waiting", "retiring"]).seed()
    lab.settings(stale_lists_seconds=600, quota=5)
    run = fleet.run()
    assert not fleet.harm() and not fleet.made_twice(), f"{fleet.harm()}\n{run}"
    again = fleet.run()
    assert not fleet.harm() and not fleet.made_twice(), f"{fleet.harm()}\n{again}"
    lab.settings(stale_lists_seconds=0)
    recover(fleet, again)


def test_an_answer_is_lost_and_lists_leave_the_key_out(lab: Lab, controller: Controller) -> None:
    """Two things at once: a key that nobody holds, and nobody can see. The quota counts it, and what was asked is not forgotten."""
    fleet = Fleet(lab, controller, ["first", "again", "waiting", "retiring"]).seed()
    lab.settings(hide_new_keys_seconds=600)
    lab.fault("cut", "CreateAccessKey", when="after", user="first")
    run = fleet.run()
    left = fleet.unknown()
    assert run.rc == 2 and list(left) == ["first"] and not fleet.harm(), f"{fleet.harm()}\n{run}"
    too_soon = fleet.run()
    assert not fleet.harm() and not fleet.made_twice(), f"{fleet.harm()} {fleet.made_twice()}\n{too_soon}"
    lab.settings(hide_new_keys_seconds=0)
    recover(fleet, None)
