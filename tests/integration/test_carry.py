# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_on_promoted: a new key is carried to where it is used before the old one is switched off."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml
from controller.runner import Controller, Run
from controller.store import open_store
from helpers import secrets, writes
from lab.client import Lab
from lab.messages import Key

STORE = "keys.yml"
SECRET = "{{ lookup('keyturn.iam.access_key', rotation_promoted.user_name).secret_access_key }}"
# Two destinations for ci, none for idle; web's shows the secret in every way and fails with it, app's host cannot be reached, db's takes too long,
# zed's includes a file that is not there.
TASKS = yaml.safe_load(f"""
- ansible.builtin.include_tasks: shown.yml
  when: rotation_promoted.user_name == 'web'
- name: Write the credentials
  ansible.builtin.copy:
    content: "{{{{ rotation_promoted.user_name }}}} {SECRET}\\n"
    dest: "{{{{ carried_to }}}}/{{{{ rotation_promoted.user_name }}}}"
    mode: "0600"
  when: rotation_promoted.tags.destination | default('') == 'file'
- ansible.builtin.import_tasks: more.yml
- name: Tell the application
  ansible.builtin.fail:
    msg: |
      refused {SECRET} and {{{{ {SECRET[3:-3]} | b64encode }}}} and {{{{ {SECRET[3:-3]} | urlencode }}}}
      second line
  when: rotation_promoted.user_name == 'web'
- name: Reach the host
  ansible.builtin.command: "echo {SECRET}"
  delegate_to: far
  when: rotation_promoted.user_name == 'app'
- name: Wait for a slow one
  ansible.builtin.command: sleep 30
  timeout: 1
  when: rotation_promoted.user_name == 'db'
- ansible.builtin.include_tasks: "{{{{ rotation_promoted.user_name }}}}.yml"
  when: rotation_promoted.user_name == 'zed'
""")
WARNS = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={"text": {"type": "str"}})
module.warn(module.params["text"])
module.exit_json()
"""
SHOWN = f"""
- name: Print the secret
  ansible.builtin.debug:
    msg: "{SECRET}"
- name: Fail and go on
  ansible.builtin.command: "echo {SECRET} /no/such/file"
  failed_when: true
  until: false
  retries: 1
  delay: 0
  ignore_errors: true
- block:
    - name: Fail and be rescued
      ansible.builtin.fail:
        msg: "{SECRET}"
  rescue:
    - name: Say so
      ansible.builtin.debug:
        msg: "{{{{ ansible_failed_result.msg }}}}"
- name: Hand it over in ways that -vvv shows, and be warned of it
  warn_of:
    text: "{SECRET}"
  environment:
    HANDED_OVER: "{SECRET}"
- name: Type it
  ansible.builtin.raw: "echo {SECRET}"
"""
MORE = """
- name: Write a second copy, as another user
  ansible.builtin.copy:
    content: "{{ lookup('keyturn.iam.access_key', rotation_promoted.user_name).access_key_id }}\\n"
    dest: "{{ carried_to }}/{{ rotation_promoted.user_name }}-id"
    mode: "0644"
  delegate_to: near
  become: true
  vars:
    ansible_become_exe: "{{ carried_to }}/sudo"
  when: rotation_promoted.tags.destination | default('') == 'file'
"""
SUDO = """#!/bin/sh
echo became >> {log}
while [ "$1" != /bin/sh ]; do shift; done
exec "$@"
"""
# The rotation's own host has no ansible_connection: the play's is for it, and not for what is delegated.
INVENTORY = """
here
far ansible_host=127.0.0.1 ansible_port=9 ansible_ssh_args='-F /dev/null -o ControlMaster=no'
near ansible_connection=local
[all:vars]
ansible_python_interpreter={{ ansible_playbook_python }}
"""


def prepared(controller: Controller, tasks: Any = TASKS) -> dict[str, Any]:
    """The file of tasks, and the variables of a rotation with it."""
    (controller.cwd / "tasks").mkdir()
    (controller.cwd / "tasks" / "carry.yml").write_text(yaml.safe_dump(tasks, sort_keys=False))
    (controller.cwd / "tasks" / "more.yml").write_text(MORE)
    (controller.cwd / "tasks" / "shown.yml").write_text(SHOWN)
    carried = controller.cwd / "carried"
    carried.mkdir()
    sudo = carried / "sudo"
    sudo.write_text(SUDO.format(log=carried / "became"))
    sudo.chmod(0o755)
    (controller.cwd / "modules").mkdir()
    (controller.cwd / "modules" / "warn_of.py").write_text(WARNS)
    return {
        "rotation_hosts": "here",
        "rotation_users": ["*"],
        "rotation_vault_file": STORE,
        "rotation_verify_delay": 0,
        "rotation_idle_days": 0,
        "rotation_deactivate_after_days": 0,
        "rotation_on_promoted": "tasks/carry.yml",
        "rotation_report_file": "report.json",
        "carried_to": str(carried),
    }


def rotate(controller: Controller, variables: dict[str, Any], *args: str, **options: Any) -> Run:
    env = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "true", "ANSIBLE_LIBRARY": "modules"}
    return controller.run("keyturn.iam.rotate", *args, extra_vars=variables, inventory=INVENTORY, env=env, **options)


def entries(controller: Controller) -> dict[str, Any]:
    return dict(open_store(controller.cwd / STORE)["iam_access_keys"])


def no_secret_in(lab: Lab, *texts: str) -> None:
    for secret in secrets(lab.state().values()):
        for text in texts:
            assert secret not in text and base64.b64encode(secret.encode()).decode() not in text


def test_a_key_is_carried_before_the_old_one_goes(lab: Lab, controller: Controller) -> None:
    """Six users, of whom four are carried in vain, at -vvvv; then again with what was wrong set right."""
    tags = {"ci": {"destination": "file"}}
    old = {
        name: lab.seed(name, Key(100), tags=tags.get(name, {})).keys[0]
        for name in ("app", "ci", "db", "idle", "web", "zed")
    }
    variables = prepared(controller)

    predicted = rotate(controller, variables, check=True).ok()
    assert [path.name for path in (controller.cwd / "carried").iterdir()] == ["sudo"] and not writes(lab)
    planned = json.loads((controller.cwd / "report.json").read_text())
    assert planned["totals"]["carried"] == 6 and predicted.tasks("Print the secret") == []

    run = rotate(controller, variables, "-vvvv", "--diff")

    assert run.rc == 2 and "app, db, web, zed: not done" in run.output, str(run)
    store, state = entries(controller), lab.state()
    assert {name: "carry_date" in entry for name, entry in store.items()} == {
        **dict.fromkeys(("app", "db", "web", "zed"), False),
        **dict.fromkeys(("ci", "idle"), True),
    }
    # Whose key did not arrive keeps the old one.
    on = {name: old[name].access_key_id in [key.access_key_id for key in state[name].active] for name in old}
    assert on == {"app": True, "ci": False, "db": True, "idle": False, "web": True, "zed": True}
    assert (controller.cwd / "carried" / "ci").read_text() == f"ci {store['ci']['secret_access_key']}\n"
    second = controller.cwd / "carried" / "ci-id"
    assert second.read_text() == f"{store['ci']['access_key_id']}\n" and (second.parent / "became").exists()
    report = (controller.cwd / "report.json").read_text()
    failures = {one["user_name"]: one["msg"] for one in json.loads(report)["failures"] if one["action"] == "carry"}
    assert failures["web"].startswith("Tell the application: refused ****") and "second" not in failures["web"]
    assert failures["app"].startswith("Reach the host on far: ") and "ssh" in failures["app"], failures
    assert failures["db"].startswith("Wait for a slow one: ") and set(failures) == {"app", "db", "web", "zed"}
    # Not web's reason, with web's secret in it: what is included by a name that is templated is known only then.
    assert failures["zed"] == "a file or a role that the tasks include cannot be loaded"
    assert len(run.tasks("Type it")) == 1
    no_secret_in(lab, run.output, report, *(str(task) for task in run.results))

    variables["rotation_exempt"] = ["app", "db", "zed"]
    tasks = [task for task in TASKS if task.get("name") != "Tell the application"]
    (controller.cwd / "tasks" / "carry.yml").write_text(yaml.safe_dump(tasks))
    again = rotate(controller, variables).ok()
    assert "carry_date" in entries(controller)["web"] and "carry_date" not in entries(controller)["app"]
    assert len(lab.state()["web"].active) == 1 and len(again.tasks("Print the secret")) == 1
    assert rotate(controller, variables).ok().changed == 0


def test_a_file_of_tasks_that_is_none_is_told_before_a_key_is_made(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", Key(100))
    variables = prepared(controller)
    wrong = {
        "none.yml": None,
        "broken.yml": "- name: [",
        "mapping.yml": "name: x",
        "typo.yml": "- ansible.builtin.cpoy: {}",
        "keyword.yml": "- ansible.builtin.debug:\n  whenn: true",
        "includes.yml": "- ansible.builtin.include_tasks: '{{ item }}'\n  loop: [tasks/more.yml, broken.yml]",
        "own_name.yml": "- ansible.builtin.include_tasks: step.yml",
        "folder.yml": "",
    }
    (controller.cwd / "step.yml").write_text("- ansible.builtin.debug:")
    (controller.cwd / "folder.yml").mkdir()
    for name, text in wrong.items():
        if text:
            (controller.cwd / name).write_text(text)
    tasks = [
        {
            "block": [
                {
                    "ansible.builtin.include_role": {"name": "keyturn.iam.rotation"},
                    "vars": {"rotation_on_promoted": name},
                }
            ],
            "rescue": [{"name": name, "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}],
        }
        for name in wrong
    ]
    del variables["rotation_on_promoted"], variables["rotation_hosts"]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    run = controller.run(play, extra_vars=variables).ok()
    for name in wrong:
        said = run.result(name)["msg"]
        assert "rotation_on_promoted" in said and f"{name}" in said and "is not a file of tasks" in said, said
    assert not writes(lab)


def test_incidents_carry_too(lab: Lab, controller: Controller) -> None:
    """A revocation carries the new key, a rollback the old one; a run that dies between carries again."""
    lab.seed("ci", Key(100), tags={"destination": "file"})
    variables = prepared(controller, [task for task in TASKS if "ansible.builtin.import_tasks" in task])
    rotate(controller, variables).ok()
    carried = controller.cwd / "carried" / "ci-id"
    first = carried.read_text().strip()

    # The run dies once the tasks are done, before that is noted: at the third look at the user.
    lab.clock(days=100)
    lab.fault("kill", "GetUser", user="ci", nth=3)
    rotate(controller, variables)
    lab.clear_faults()
    second = entries(controller)["ci"]["access_key_id"]
    assert second != first and "carry_date" not in entries(controller)["ci"]
    carried.unlink()
    rotate(controller, {**variables, "rotation_deactivate_after_days": 7}).ok()
    assert carried.read_text().strip() == second and "carry_date" in entries(controller)["ci"]

    back = {**variables, "rotation_user_name": "ci", "rotation_verify_timeout": 5}
    check = controller.run("keyturn.iam.rollback", extra_vars=back, inventory=INVENTORY, check=True).ok()
    assert "It would be carried to where it is used." in check.stdout and carried.read_text().strip() == second
    done = controller.run("keyturn.iam.rollback", extra_vars=back, inventory=INVENTORY).ok()
    assert "It was carried to where it is used." in done.stdout
    assert carried.read_text().strip() == first and "carry_date" in entries(controller)["ci"]

    leaked = {**variables, "rotation_access_key_id": first}
    run = controller.run("keyturn.iam.revoke", extra_vars=leaked, inventory=INVENTORY)
    now = entries(controller)["ci"]
    assert carried.read_text().strip() == now["access_key_id"] != first, str(run)
    assert "carry_date" in now
