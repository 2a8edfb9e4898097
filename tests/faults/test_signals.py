# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ctrl-C, SIGTERM and the task keyword `timeout` while CreateAccessKey is under way: the secret is stored, or the key is a known leftover."""

from __future__ import annotations

import os
import signal
import time

import pytest
from controller.runner import Controller
from fleet import STAGES, TARGETS, Fleet, recover, wait_for_workers, workers
from lab.client import Lab
from thorough import ALL, thorough

SIGNALS = [(number, when) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) for when in ("before", "after")]
CHOSEN = [(signal.SIGINT, "after"), (signal.SIGTERM, "before")]


@pytest.mark.parametrize(("number", "when"), SIGNALS if ALL else CHOSEN)
def test_ansible_playbook_gets_a_signal(lab: Lab, controller: Controller, number: signal.Signals, when: str) -> None:
    """As from a terminal or a service manager; the worker that waits for the answer is told by Ansible, however it likes."""
    fleet = Fleet(lab, controller, ["first", "retiring"]).seed()
    lab.fault("pause", "CreateAccessKey", user="first", when=when)
    running = fleet.start()
    lab.wait_paused()
    running.signal(number)
    time.sleep(0.5)
    lab.release()
    run = running.wait()
    wait_for_workers(running)
    assert not fleet.harm() and not fleet.made_twice(), f"{fleet.harm()}\n{run}"
    recover(fleet, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, thorough(signal.SIGINT)])
def test_the_worker_gets_a_signal(lab: Lab, controller: Controller, number: signal.Signals) -> None:
    """As from a terminal's process group or a container's end: every process at once. The worker holds it back until the file is synced."""
    fleet = Fleet(lab, controller, ["first", "retiring"]).seed()
    lab.fault("kill", "CreateAccessKey", user="first", when="after", signal=int(number))
    running = fleet.start()
    run = running.wait()
    wait_for_workers(running)
    assert run.rc != 0 and not fleet.harm(), f"{fleet.harm()}\n{run}"
    assert not fleet.unknown(), f"the secret was not stored\n{run}"
    assert fleet.picture(lab.state()["first"], fleet.entries()["first"])["new"] == ("Active", "next")
    recover(fleet, None)


def test_the_worker_is_killed(lab: Lab, controller: Controller) -> None:
    """As by a kernel that is out of memory: ansible-playbook itself lives on."""
    fleet = Fleet(lab, controller, ["first", "retiring"]).seed()
    lab.fault("pause", "CreateAccessKey", user="first", when="after")
    running = fleet.start()
    lab.wait_paused()
    for worker in workers(running):
        os.kill(worker, signal.SIGKILL)
    lab.release()
    run = running.wait()
    assert run.rc != 0 and list(fleet.unknown()) == ["first"] and not fleet.harm(), f"{fleet.harm()}\n{run}"
    recover(fleet, None)


def test_the_task_has_a_timeout(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, ["first"]).seed()
    lab.fault("delay", "CreateAccessKey", seconds=3)
    options = {"user_name": "first", "max_age_days": 90, "vault_file": "keys.yml", "verify_delay": 0}
    task = {"name": "make a key", "keyturn.iam.iam_access_key": options, "timeout": 1}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task]}
    run = controller.run(play)
    assert run.rc == 2 and "timed out" in run.msg.lower() and not fleet.harm(), str(run)
    assert not fleet.unknown(), f"the secret was not stored\n{run}"
    recover(fleet, run)


AT = [(number, nth) for number in (signal.SIGINT, signal.SIGTERM) for nth in range(1, len(TARGETS) + 1)]
CHOSEN_AT = [(signal.SIGTERM, 22), (signal.SIGINT, 33)]


@pytest.mark.parametrize(("number", "nth"), AT if ALL else CHOSEN_AT)
def test_every_process_gets_a_signal_at_a_request(
    lab: Lab, controller: Controller, number: signal.Signals, nth: int
) -> None:
    """Many are in flight: nothing more is begun, and what was sent comes into the store before the worker ends."""
    fleet = Fleet(lab, controller, [*STAGES, *(f"first.{number}" for number in range(6))]).seed()
    lab.fault("kill", nth=nth, signal=int(number))
    running = fleet.start()
    run = running.wait()
    wait_for_workers(running)
    assert lab.faults()[0].fired and run.rc != 0, str(run)
    assert not fleet.harm() and not fleet.made_twice(), f"{fleet.harm()}\n{run}"
    assert not fleet.unknown(), f"a secret was not stored\n{run}"
    recover(fleet, None)


def test_a_batch_has_a_timeout(lab: Lab, controller: Controller) -> None:
    """It ends with what was done: the results say so, and the keys are in the store."""
    names = [f"first.{number}" for number in range(6)]
    fleet = Fleet(lab, controller, names).seed()
    lab.fault("delay", "CreateAccessKey", user=names[1], seconds=3)
    options = {"access_keys": [{"user_name": name} for name in names], "max_age_days": 90, "vault_file": "keys.yml"}
    task = {"name": "make keys", "keyturn.iam.iam_access_keys": {**options, "verify_delay": 30}, "timeout": 2}
    run = controller.run({"hosts": "localhost", "gather_facts": False, "tasks": [task]})
    assert run.rc == 2 and "the task was stopped by its timeout, and 6 of 6 were not done" in run.msg, str(run)
    results = run.result("make keys")["results"]
    assert [one["changed"] and one["stage"] for one in results] == ["next"] * 6, str(run)
    assert all("what was made is stored" in one["msg"] for one in results), str(run)
    assert not fleet.harm() and not fleet.unknown(), f"{fleet.harm()}\n{run}"
    recover(fleet, run)
