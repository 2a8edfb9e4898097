# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at once end as one run would: no third key, no torn or lost store, no deadlock."""

from __future__ import annotations

import fcntl
import time
from concurrent.futures import ThreadPoolExecutor

from controller.runner import Controller
from fleet import ROLE, STAGES, Fleet, recover
from lab.client import Lab
from lab.messages import Key
from thorough import ALL


def test_many_hosts_write_one_file(lab: Lab, controller: Controller) -> None:
    """Each has users of its own, and one that all of them rotate."""
    hosts = [f"host{number}" for number in range(12 if ALL else 6)]
    fleet = Fleet(
        lab, controller, [*STAGES, *(f"{stage}.{host}" for stage in ("first", "retiring") for host in hosts)]
    ).seed()
    lab.settings(quota=5)
    users = "{{ ['*.' ~ inventory_hostname, 'first', 'waiting', 'retiring', 'parting', 'again', 'left', 'busy'] }}"
    run = fleet.run(
        "all", arguments=("-f", str(len(hosts))), inventory=hosts, extra_vars={"rotation_users": users}
    ).ok()
    assert sorted(run.stats) == sorted(hosts)
    assert not fleet.harm() and not fleet.made_twice() and not fleet.astray(), (
        f"{fleet.harm()} {fleet.made_twice()} {fleet.astray()}\n{run}"
    )
    recover(fleet, run)


def test_four_playbooks_at_once(lab: Lab, controller: Controller) -> None:
    for turn in range(3 if ALL else 1):
        fleet = Fleet(lab, controller, [f"{stage}.{turn}-{number}" for stage in STAGES for number in range(2)]).seed()
        lab.settings(quota=5, latency_ms=10)
        with ThreadPoolExecutor(4) as pool:
            runs = [future.result() for future in [pool.submit(fleet.run) for _turn in range(4)]]
        shown = "\n".join(map(str, runs))
        assert all(run.rc == 0 for run in runs), shown
        assert not fleet.harm() and not fleet.made_twice() and not fleet.astray(), (
            f"{fleet.harm()} {fleet.made_twice()} {fleet.astray()}\n{shown}"
        )
        recover(fleet, runs[0])
        lab.reset()
        fleet.store.unlink()


def test_a_lock_that_another_holds_is_a_clear_message(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, ["first", "retiring", "busy"], variables={"keyturn_lock_timeout": 1}).seed()
    before = lab.state()
    name = fleet.store.with_name(f".{fleet.store.name}.lock")
    with name.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        began = time.monotonic()
        run = fleet.run()
        assert time.monotonic() - began < 60
    assert run.rc == 2 and run.msg.startswith("first, retiring: not done"), str(run)
    assert "keys.yml is locked by another run for more than 1 seconds" in run.output and str(name) in run.output, str(
        run
    )
    assert lab.state() == before and not any(request.executed for request in lab.requests("CreateAccessKey"))
    recover(fleet, run)


def test_a_lock_that_is_released_in_time_is_waited_for(lab: Lab, controller: Controller) -> None:
    fleet = Fleet(lab, controller, ["first", "retiring"]).seed()
    with fleet.store.with_name(f".{fleet.store.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = fleet.start()
        while not lab.requests("ListAccessKeys"):
            time.sleep(0.05)
        time.sleep(0.5)
        assert not any(request.action == "CreateAccessKey" for request in lab.requests())
    run = running.wait()
    assert run.rc == 0 and not fleet.astray(), str(run)


def test_the_role_runs_for_two_accounts_in_one_playbook(lab: Lab, controller: Controller) -> None:
    """What the first rotation did is no reason for the second to leave a user of the same name out."""
    other = lab.account("210987654321")
    fleet = Fleet(lab, controller, ["first"]).seed()
    lab.seed("first", Key(100), account_id="210987654321")
    environment = {"AWS_ACCESS_KEY_ID": other.access_key_id, "AWS_SECRET_ACCESS_KEY": other.secret_access_key}
    again = {"role": ROLE, "vars": {"rotation_vault_file": "other.yml"}, "environment": environment}
    play = {**fleet.play(), "roles": [{"role": ROLE, "vars": {"rotation_vault_file": "keys.yml"}}, again]}
    variables = {"rotation_users": ["*"], "rotation_verify_delay": 0}
    run = controller.run(play, extra_vars=variables).ok()
    assert not fleet.astray(), str(run)
    assert len(lab.state("210987654321")["first"].keys) == 2, str(run)
