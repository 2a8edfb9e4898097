# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many accounts in one run: each host, and each item of a loop, acts in its own account. docs/examples/fleet is run as it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import open_store
from helpers import writes
from lab.client import Lab
from lab.messages import Key

FLEET = Path(__file__).resolve().parents[2] / "docs" / "examples" / "fleet"
DEMO = Path(__file__).resolve().parents[1] / "demo" / "fleet.py"
ACCOUNTS = {"shop": "111111111111", "billing": "222222222222", "data": "333333333333"}
OWN = {"123456789012"}
HOSTS = """\
accounts:
  hosts:
    shop: {account_id: "111111111111"}
    billing: {account_id: "222222222222"}
    data: {account_id: "333333333333"}
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""
# Sessions of all accounts, and then every way in which a task can be handed one.
APART = """\
- hosts: accounts
  gather_facts: false
  tasks:
    - amazon.aws.sts_assume_role: {role_arn: "arn:aws:iam::{{ account_id }}:role/keyturn", role_session_name: keyturn}
      register: assumed
      no_log: true
    - set_fact: {session: "{{ assumed.sts_creds }}"}
      no_log: true

- hosts: accounts
  gather_facts: false
  module_defaults:
    group/keyturn.iam.aws:
      access_key: "{{ session.access_key }}"
      secret_key: "{{ session.secret_key }}"
      session_token: "{{ session.session_token }}"
  tasks:
    - name: hosts at once
      keyturn.iam.iam_access_key_info: {}
    - name: hosts at once, written
      keyturn.iam.iam_access_key: {user_name: ci, vault_file: "{{ inventory_hostname }}.yml", max_age_days: 90, verify_delay: 0}
    - name: hosts at once, as modules
      keyturn.iam.iam_access_key_info: {}
      vars: {keyturn_in_process: false}

- hosts: shop
  gather_facts: false
  vars:
    turns: [shop, billing, shop, data, billing]
  tasks:
    - name: a loop over options
      keyturn.iam.iam_access_key_info:
        access_key: "{{ hostvars[item].session.access_key }}"
        secret_key: "{{ hostvars[item].session.secret_key }}"
        session_token: "{{ hostvars[item].session.session_token }}"
      loop: "{{ turns }}"
    - copy: {dest: "{{ here }}/{{ item }}.credentials", mode: "0600", content: "{{ file }}"}
      vars:
        keys: "{{ hostvars[item].session }}"
        file: |
          [default]
          aws_access_key_id={{ keys.access_key }}
          aws_secret_access_key={{ keys.secret_key }}
          aws_session_token={{ keys.session_token }}
      loop: [shop, billing]
      no_log: true
    - name: a loop over environments
      keyturn.iam.iam_access_key_info: {}
      environment: "{{ item }}"
      loop:
        - AWS_ACCESS_KEY_ID: "{{ hostvars.shop.session.access_key }}"
          AWS_SECRET_ACCESS_KEY: "{{ hostvars.shop.session.secret_key }}"
          AWS_SESSION_TOKEN: "{{ hostvars.shop.session.session_token }}"
        - {}
        - AWS_SHARED_CREDENTIALS_FILE: "{{ here }}/shop.credentials"
        - AWS_SHARED_CREDENTIALS_FILE: "{{ here }}/billing.credentials"
        - {}
    - name: after them
      keyturn.iam.iam_access_key_info: {}
    - name: a loop that differs in one option
      keyturn.iam.iam_access_key_info:
        access_key: "{{ session.access_key }}"
        secret_key: "{{ session.secret_key }}"
        session_token: "{{ hostvars[item].session.session_token }}"
      loop: [shop, billing]
      ignore_errors: true
"""


def by_host(run: Run, name: str) -> dict[str, set[str]]:
    """The accounts that a task saw on each host."""
    return {task.host: accounts(task.result) for task in run.tasks(name)}


def by_item(run: Run, name: str) -> list[set[str]]:
    """The accounts that the items of a task's loop saw, in their order."""
    return [accounts(task.result) for task in run.tasks(name, items=True)]


def accounts(result: dict[str, Any]) -> set[str]:
    """Each account of which the result says anything."""
    return {result["account"]["account_id"], *(user["arn"].split(":")[4] for user in result["users"])}


def test_accounts_stay_apart(lab: Lab, controller: Controller) -> None:
    """No connection that is kept for one account is used for another."""
    for account_id in ACCOUNTS.values():
        lab.seed("ci", Key(age_days=100), account_id=account_id)

    # The run's own credentials come from a file too, so that nothing but the environment says which.
    own = lab.env()
    (controller.cwd / "own").write_text(
        f"[default]\naws_access_key_id={own['AWS_ACCESS_KEY_ID']}\naws_secret_access_key={own['AWS_SECRET_ACCESS_KEY']}\n"
    )
    env = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SHARED_CREDENTIALS_FILE": str(controller.cwd / "own"),
    }

    run = controller.run(APART, "-f", "3", inventory=HOSTS, env=env, extra_vars={"here": str(controller.cwd)}).ok()

    each = {host: {account_id} for host, account_id in ACCOUNTS.items()}
    assert by_host(run, "hosts at once") == each
    assert by_host(run, "hosts at once, as modules") == each
    order = [each[host] for host in ("shop", "billing", "shop", "data", "billing")]
    assert by_item(run, "a loop over options") == order
    # The environment of an item is gone with the item.
    assert by_item(run, "a loop over environments") == [each["shop"], OWN, each["shop"], each["billing"], OWN]
    assert by_host(run, "after them") == {"shop": OWN}
    # The right key with another's token is no session, even where the right one is connected already.
    assert [task.status for task in run.tasks("a loop that differs in one option", items=True)] == ["ok", "failed"]
    for host, account_id in ACCOUNTS.items():
        assert len(lab.state(account_id)["ci"].keys) == 2
        entry = open_store(controller.cwd / f"{host}.yml")["iam_access_keys"]["ci"]
        assert (entry["account_id"], entry["access_key_id"]) == (
            account_id,
            lab.state(account_id)["ci"].keys[1].access_key_id,
        )
    assert {(request.account_id, request.action) for request in writes(lab)} == {
        (account, "CreateAccessKey") for account in ACCOUNTS.values()
    }


def test_an_account_that_lets_nobody_in(lab: Lab, controller: Controller) -> None:
    """It says why, the others go on, and what AssumeRole answered is nowhere to be seen."""
    for account_id in ACCOUNTS.values():
        lab.seed("ci", Key(age_days=100), account_id=account_id)
    lab.fault(
        "error", "AssumeRole", code="AccessDenied", status=403, message="not authorized to perform: sts:AssumeRole"
    )
    (controller.cwd / "reports").mkdir()
    (controller.cwd / "stores").mkdir()

    run = controller.run(
        FLEET / "rotate.yml",
        "-i",
        str(FLEET / "accounts.yml"),
        "-vvvv",
        check=True,
        vault_password={host: host for host in ACCOUNTS},
    )

    (refused,) = [task.host for task in run.failed]
    assert (
        "arn:aws:iam::" in run.msg
        and "was not assumed" in run.msg
        and "not authorized to perform: sts:AssumeRole" in run.msg
    )
    assert sorted(path.stem for path in (controller.cwd / "reports").iterdir()) == sorted(ACCOUNTS.keys() - {refused})
    assert not re.search(r"FQoGZXIvYXdzEBYaD", run.output)  # how moto's session tokens begin
    assert writes(lab) == []


def test_a_first_batch_that_fails_ends_the_run(lab: Lab, controller: Controller) -> None:
    """With account_batches a few accounts go first; where all of them fail no other is touched."""
    lab.fault("error", "AssumeRole", count=0, code="AccessDenied", status=403)
    run = controller.run(
        FLEET / "rotate.yml",
        *("-i", str(FLEET / "accounts.yml")),
        extra_vars={"account_batches": [1, "100%"]},
        vault_password={host: host for host in ACCOUNTS},
    )
    assert run.rc == 2
    assert [task.host for task in run.failed] == ["shop"]
    assert [request.action for request in lab.requests()] == ["AssumeRole"]


@pytest.mark.thorough
def test_demo(short_path: Path, collections: Path) -> None:
    """`make demo-fleet` checks its own steps; it needs nothing of the one who runs it and leaves nothing behind."""
    for name in ("home", "tmp"):
        (short_path / name).mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(short_path / "home"),
        "TMPDIR": str(short_path / "tmp"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "AWS_PROFILE": "somebody-else",
    }
    command = [sys.executable, str(DEMO)]
    demo = subprocess.run(
        command,
        env=env,
        cwd=short_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert re.findall(r"^==== (\d)\. ", demo.stdout, re.MULTILINE) == list("1234")
    assert "belong to account" in demo.stdout
    assert demo.stdout.count("changed=0") >= len(ACCOUNTS)
    assert [*(short_path / "home").iterdir(), *(short_path / "tmp").iterdir()] == []
