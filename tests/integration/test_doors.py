# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Ansible lets people say things: check mode, defaults, variables as text, callbacks, homes. Each is heard, or refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import PASSWORD, entry_of, open_store, stored, vault, write_store
from helpers import ACCESS_KEY, INFO, Task, key_task, play, refusal, writes
from lab.client import Lab
from lab.messages import Credentials, Key

ROLE = "keyturn.iam.rotation"
OTHER = "999999999999"
OLD = Key(age_days=120, used_days=1)
GIVEN: dict[str, Any] = {"rotation_users": ["*"], "rotation_vault_file": "keys.yml", "rotation_verify_delay": 0}
AWAY = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
REASON = "{{ ansible_failed_result.results | default([ansible_failed_result]) | map(attribute='msg') | join }}"


def role(name: str, tasks_from: str = "main", imported: bool = False, **variables: Any) -> Task:
    """A rotation (or another entry point) whose failure is told by a task `NAME refused`, and whose result by `NAME result`."""
    how = "ansible.builtin.import_role" if imported else "ansible.builtin.include_role"
    rotate = {"name": name, how: {"name": ROLE, "tasks_from": tasks_from}, "vars": {**GIVEN, **variables}}
    result = {"name": f"{name} result", "ansible.builtin.debug": {"msg": "{{ rotation_result }}"}}
    return {
        "block": [rotate, result],
        "rescue": [{"name": f"{name} refused", "ansible.builtin.debug": {"msg": REASON}}],
    }


def refused(run: Run, name: str) -> str:
    """The one sentence with which a role was refused."""
    message = str(run.result(f"{name} refused")["msg"])
    assert "\n" not in message and "Traceback" not in run.output and "argument_spec" not in run.output, run
    return message


def result_of(run: Run, name: str) -> dict[str, Any]:
    found = run.result(f"{name} result")["msg"]
    assert isinstance(found, dict), run
    return found


def statuses(run: Run, name: str) -> dict[str, str]:
    return {decision["user_name"]: decision["status"] for decision in result_of(run, name)["decisions"]}


def entries(controller: Controller, name: str = "keys.yml") -> dict[str, Any]:
    return dict(open_store(controller.cwd / name)["iam_access_keys"])


def saves(folder: Path, *more: Task) -> Path:
    """A file of tasks that leaves a line each time the store is to be saved."""
    tasks = [{"name": "Save", "ansible.builtin.shell": {"cmd": f"echo saved >> {folder}/saved"}}, *more]
    path = folder / "save.yml"
    path.write_text(json.dumps(tasks))
    return path


def times_saved(folder: Path) -> int:
    path = folder / "saved"
    return len(path.read_text().splitlines()) if path.exists() else 0


# -- check mode ------------------------------------------------------------------------------------------------


def test_check_mode_by_keyword(lab: Lab, controller: Controller) -> None:
    """On a play, a block, an import and what an include applies: as --check, whatever the command line says."""
    user = lab.seed("ci", OLD, Key(age_days=200, status="Inactive", used_days=150))
    saves(controller.cwd)
    held = entry_of(user, user.keys[0], other_keys={user.keys[1].access_key_id: stored(user.keys[1])})
    held["other_keys"][user.keys[1].access_key_id] |= {"promote_date": user.keys[1].create_date}
    lab.seed("due", OLD)
    write_store(controller.cwd / "keys.yml", {"iam_access_keys": {"ci": held}})
    before = (controller.cwd / "keys.yml").read_bytes()
    applied = role("applied")
    applied["block"][0]["ansible.builtin.include_role"]["apply"] = {"check_mode": True}
    back = role("back", "rollback", rotation_user_name="ci", rotation_access_key_id=user.keys[1].access_key_id)
    run = controller.run(
        [
            play(role("whole", rotation_on_stored="save.yml"), {**back, "name": "back"}, check_mode=True),
            play(
                {**role("block"), "check_mode": True}, applied, {**role("imported", imported=True), "check_mode": True}
            ),
        ]
    ).ok()
    assert not writes(lab) and times_saved(controller.cwd) == 0
    assert (controller.cwd / "keys.yml").read_bytes() == before
    assert run.stdout.count("Would make 1 key") == 4 and "Made " not in run.stdout
    for name in ("whole", "block", "applied", "imported"):
        assert result_of(run, name)["done"] == [] and "due" in result_of(run, name)["drift"]
    assert "would be the current one" in " ".join(run.stdout.split())


def test_check_mode_that_a_play_takes_back(lab: Lab, controller: Controller) -> None:
    """--check on the command line, check_mode: false on the play: what is done is said, and saved."""
    lab.seed("ci", OLD)
    saves(controller.cwd)
    run = controller.run(play(role("real", rotation_on_stored="save.yml"), check_mode=False), check=True).ok()
    assert [request.action for request in writes(lab)] == ["CreateAccessKey"]
    assert "Made 1 key" in run.stdout and "Would" not in run.stdout
    assert [done["action"] for done in result_of(run, "real")["done"]] == ["create", "verify"]
    assert times_saved(controller.cwd) == 2
    assert entries(controller)["ci"]["access_key_id"] == lab.state()["ci"].keys[1].access_key_id


def test_check_mode_of_a_revocation_by_keyword(lab: Lab, controller: Controller) -> None:
    """A key that works is not said to be Inactive; and what a play really does is said, although --check was given."""
    user = lab.seed("ci", OLD)
    leaked = user.keys[0].access_key_id
    write_store(controller.cwd / "keys.yml", {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    before = (controller.cwd / "keys.yml").read_bytes()
    revoke = role("off", "revoke", rotation_access_key_id=leaked)
    run = controller.run(play(revoke, check_mode=True)).ok()
    said = " ".join(run.stdout.split())
    assert not writes(lab) and (controller.cwd / "keys.yml").read_bytes() == before
    assert f"Access key {leaked} of user ci would be Inactive." in said and "Would make 1 key, switch off 1" in said
    run = controller.run(play(revoke, check_mode=False), check=True).ok()
    said = " ".join(run.stdout.split())
    assert f"Access key {leaked} of user ci is Inactive." in said and "Made 1 key, switched off 1" in said
    assert [request.action for request in writes(lab)] == ["UpdateAccessKey", "CreateAccessKey"]


def test_saved_before_reported(lab: Lab, controller: Controller) -> None:
    """A report that cannot be written stops no save, and is an error at the end."""
    lab.seed("ci", OLD)
    (controller.cwd / "reports").mkdir()
    gone = {
        "name": "Take the folder away",
        "ansible.builtin.file": {"path": str(controller.cwd / "reports"), "state": "absent"},
    }
    saves(controller.cwd, gone)
    run = controller.run(
        "keyturn.iam.rotate",
        extra_vars={**GIVEN, "rotation_on_stored": "save.yml", "rotation_report_file": "reports/today.md"},
    )
    assert run.rc == 2 and "today.md" in run.msg
    assert times_saved(controller.cwd) == 2 and "Made 1 key" in run.stdout


def test_a_save_that_fails_at_the_end_hides_no_report(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", OLD)
    full = {"name": "Be full", "ansible.builtin.command": {"cmd": f"test $(wc -l < {controller.cwd}/saved) -lt 2"}}
    full = {"name": "Be full", "ansible.builtin.shell": {"cmd": full["ansible.builtin.command"]["cmd"]}}
    saves(controller.cwd, full)
    run = controller.run("keyturn.iam.rotate", extra_vars={**GIVEN, "rotation_on_stored": "save.yml"})
    assert run.rc == 2 and [task.task for task in run.failed] == ["Be full"]
    assert "Made 1 key" in run.stdout


# -- whose account ---------------------------------------------------------------------------------------------


def profiles(controller: Controller, lab: Lab) -> Credentials:
    """Two profiles of a person: this account's, and `other`."""
    other = lab.account(OTHER)
    names = {"default": lab.env(), "mine": lab.env(), "other": lab.env(other)}
    text = "".join(
        f"[{name}]\naws_access_key_id={env['AWS_ACCESS_KEY_ID']}\naws_secret_access_key={env['AWS_SECRET_ACCESS_KEY']}\n"
        for name, env in names.items()
    )
    folder = controller.folder / "home" / ".aws"
    folder.mkdir(parents=True)
    (folder / "credentials").write_text(text)
    return other


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "both": {ACCESS_KEY: {"profile": "other"}, INFO: {"aws_profile": "other"}},
    "looks": {INFO: {"profile": "other"}},
    "writes": {ACCESS_KEY: {"profile": "{{ theirs }}"}},
    "own_group": {"group/keyturn.iam.aws": {"profile": "other"}},
    "legacy": {"group/aws": {"profile": "{{ theirs }}", "region": "eu-west-1"}},
    "amazons": {"group/amazon.aws.aws": {"profile": "other"}},
    "narrower": {"group/amazon.aws.aws": {"profile": "mine"}, "group/keyturn.iam.aws": {"profile": "other"}},
}


def test_the_callers_defaults_hold_for_each_request(lab: Lab, controller: Controller) -> None:
    """By module, of one or both, and by group, amazon.aws's too; the environment's account is not touched."""
    profiles(controller, lab)
    for name in DEFAULTS:
        lab.seed(name, Key(age_days=5), account_id=OTHER)
        lab.seed(name, Key(age_days=5))
    lab.seed("tasks", OLD, account_id=OTHER)
    plays = [
        play(
            role(name, rotation_users=[name], rotation_now=[name], rotation_vault_file=f"{name}.yml"),
            module_defaults=dict(defaults),
        )
        for name, defaults in DEFAULTS.items()
    ]
    tasks = [
        key_task(name, "tasks", max_age_days=9, vault_file="t.yml", verify=False) for name in ("here", "by_module")
    ]
    tasks[1][ACCESS_KEY].pop("vault_file")
    tasks[1]["vars"] = {"keyturn_in_process": False}
    tasks[1][ACCESS_KEY]["max_age_days"] = 400
    plays += [play(*tasks, module_defaults={"group/aws": {"profile": "other"}})]
    before = lab.state()
    run = controller.run(plays, env=AWAY, extra_vars={"theirs": "other"}).ok()
    assert lab.state() == before
    for name in DEFAULTS:
        assert len(lab.state(OTHER)[name].keys) == 2, f"{name}\n{run}"
        assert entries(controller, f"{name}.yml")[name]["account_id"] == OTHER
    assert {request.account_id for request in lab.requests()} == {OTHER}
    assert run.result("by_module")["changed"] is False and len(lab.state(OTHER)["tasks"].keys) == 2


def test_defaults_that_lead_to_two_accounts_are_refused(lab: Lab, controller: Controller) -> None:
    profiles(controller, lab)
    lab.seed("ci", OLD)
    for_both = {ACCESS_KEY: {"profile": "other"}, INFO: {"profile": "mine"}}
    one_and_group = {ACCESS_KEY: {"profile": "other"}, "group/keyturn.iam.aws": {"profile": "mine"}}
    one_and_wider = {INFO: {"profile": "other"}, "group/aws": {"profile": "mine"}}
    tries = {"both": for_both, "group": one_and_group, "wider": one_and_wider}
    run = controller.run(
        [play(role(name), module_defaults=defaults) for name, defaults in tries.items()], env=AWAY
    ).ok()
    for name in tries:
        assert "different values of profile" in refused(run, name) and "group/keyturn.iam.aws" in refused(run, name)
    assert not lab.requests()


def test_a_tasks_credentials_beside_the_environments(lab: Lab, controller: Controller) -> None:
    """AWS_PROFILE or a session token is exported; a task's keys, or its profile, stand for themselves. Both ways of running."""
    other = profiles(controller, lab)
    lab.seed("ci", OLD, account_id=OTHER)
    keys = {"access_key": other.access_key_id, "secret_key": other.secret_access_key}
    for exported in (
        {**AWAY, "AWS_PROFILE": "mine"},
        {"AWS_SESSION_TOKEN": "of/the/environments/own/session"},
    ):
        by_module = {"vars": {"keyturn_in_process": False}}
        options: dict[str, Any] = {"user_name": "ci"}
        tasks = [
            {"name": f"{how} {name}", INFO: {**options, **given}, **more}
            for how, given in (("keys", keys), ("profile", {"profile": "other"}))
            for name, more in (("here", {}), ("by module", by_module))
        ]
        grouped = play(role("role"), module_defaults={"group/keyturn.iam.aws": keys})
        run = controller.run([play(*tasks), grouped], env=exported).ok()
        for task in tasks:
            assert run.result(task["name"])["account"]["account_id"] == OTHER, run
        assert statuses(run, "role") == {"ci": "grace"}


def test_the_account_that_is_meant(lab: Lab, controller: Controller) -> None:
    user = lab.seed("ci", OLD, Key(age_days=200, status="Inactive"))
    wrong = f"These credentials are for account {user.account_id}, but rotation_account_id is {OTHER}: nothing was done"
    back = {"rotation_user_name": "ci", "rotation_access_key_id": user.keys[1].access_key_id}
    run = controller.run(
        play(
            role("other", rotation_account_id=OTHER),
            role("other_audit", "audit", rotation_account_id=OTHER),
            role("other_back", "rollback", rotation_account_id=OTHER, **back),
            role("no_account", rotation_account_id="prod"),
            role("own", rotation_account_id=user.account_id, rotation_exempt=["*"]),
        )
    ).ok()
    for name in ("other", "other_audit", "other_back"):
        assert refused(run, name).startswith(wrong)
    assert refused(run, "no_account").startswith(
        "rotation_account_id must be the twelve digits of an account, not 'prod'"
    )
    assert statuses(run, "own") == {"ci": "exempt"}
    assert not writes(lab)


def test_a_secret_of_the_vault_in_the_defaults(lab: Lab, controller: Controller) -> None:
    """`secret_key: !vault`, in process and as the module."""
    lab.seed("ci", OLD)
    env = lab.env()
    sealed = vault(PASSWORD).encrypt(env["AWS_SECRET_ACCESS_KEY"].encode()).decode()
    text = "\n".join(f"            {line}" for line in sealed.splitlines())
    tasks = "".join(
        f"""
    - name: {name}
      {INFO}: {{user_name: ci}}
      vars: {{keyturn_in_process: {in_process}}}"""
        for name, in_process in (("here", "true"), ("module", "false"))
    )
    run = controller.run(
        f"""\
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/keyturn.iam.aws:
      access_key: {env["AWS_ACCESS_KEY_ID"]}
      secret_key: !vault |
{text}
  tasks:{tasks}
""",
        env=AWAY,
    ).ok()
    for name in ("here", "module"):
        assert run.result(name)["users"][0]["user_name"] == "ci"
    assert env["AWS_SECRET_ACCESS_KEY"] not in run.output


# -- homes, becoming, callbacks --------------------------------------------------------------------------------


def test_homes(lab: Lab, controller: Controller) -> None:
    """`~` and `$HOME` are one's home in every path, and a store there is refused where the home is a job's folder."""
    lab.seed("ci", OLD)
    home = controller.folder / "home"
    home.mkdir(parents=True)
    saves(home)
    paths = {"rotation_vault_file": "~/keys.yml", "rotation_report_file": "$HOME/report.md"}
    job = controller.run(play(role("job", **paths)), env={"AWX_PRIVATE_DATA_DIR": str(home), "HOME": str(home)}).ok()
    assert "thrown away with this job" in refused(job, "job") and not writes(lab)
    run = controller.run(play(role("kept", **paths, rotation_on_stored="~/save.yml"))).ok()
    assert statuses(run, "kept") == {"ci": "grace"}
    assert times_saved(home) == 2 and (home / "report.md").exists()
    assert open_store(home / "keys.yml")["iam_access_keys"]["ci"]["secret_access_key"]
    assert not list(controller.cwd.iterdir())


@pytest.mark.parametrize("name", ["rotate", "audit"])
def test_our_playbooks_where_the_inventory_becomes(lab: Lab, controller: Controller, name: str) -> None:
    lab.seed("ci", OLD)
    inventory = "localhost ansible_connection=local ansible_become=true ansible_become_method=nothing\n"
    controller.run(f"keyturn.iam.{name}", inventory=inventory, extra_vars=GIVEN).ok()


def test_a_task_that_would_become(lab: Lab, controller: Controller) -> None:
    lab.seed("ci", OLD)
    inventory = "localhost ansible_connection=local ansible_become=true ansible_python_interpreter={{ansible_playbook_python}}\n"
    task = key_task("refused", "ci", max_age_days=9, vault_file="keys.yml", task={"become": False})
    allowed = key_task("allowed", "ci", vault_file="keys.yml", verify_delay=0, task={"vars": {"ansible_become": False}})
    run = controller.run(play(task, allowed), inventory=inventory).ok()
    assert "set the variable ansible_become to false for it" in refusal(run, "refused")
    assert not run.tasks("allowed")[0].result.get("failed")


@pytest.mark.parametrize("callback", ["ansible.posix.json", "ansible.posix.jsonl"])
def test_output_for_programs(lab: Lab, controller: Controller, callback: str) -> None:
    lab.seed("ci", OLD)
    run = controller.run(
        "keyturn.iam.audit", extra_vars={"rotation_report_file": "r.md"}, env={"ANSIBLE_STDOUT_CALLBACK": callback}
    ).ok()
    lines = [run.stdout] if callback.endswith("json") else run.stdout.splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
    assert "| ci |" in (controller.cwd / "r.md").read_text()


@pytest.mark.parametrize(
    "env",
    [
        {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
        {"ANSIBLE_STDOUT_CALLBACK": "minimal"},
        {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.debug"},
        {"ANSIBLE_CALLBACKS_ENABLED": "lab_results,junit"},
    ],
)
def test_output_for_people(lab: Lab, controller: Controller, env: dict[str, str]) -> None:
    lab.seed("ci", OLD)
    assert (
        "1 user: 1 due"
        in controller.run("keyturn.iam.audit", env={**env, "JUNIT_OUTPUT_DIR": str(controller.folder)}).ok().stdout
    )


# -- variables -------------------------------------------------------------------------------------------------


def test_lists_that_come_as_text(lab: Lab, controller: Controller) -> None:
    """Of an inventory in INI, of `-e name=…`, of a survey; with other capitals, too."""
    for name in ("break-glass", "ci"):
        lab.seed(name, OLD)
    forms = {
        "json": '["break-glass", "ci"]',
        "python": "['break-glass','ci']",
        "lines": "break-glass\nci\n",
        "blanks": "break-glass ci",
        "commas": "break-glass, ci",
        "capitals": ["Break-Glass", "C*"],
    }
    tasks = [role(name, rotation_exempt=form) for name, form in forms.items()]
    tasks += [role("users", "audit", rotation_users='["CI"]'), role("now", rotation_now='["CI"]', rotation_exempt="B*")]
    inventory = """localhost ansible_connection=local rotation_exempt='["break-glass"]'\n"""
    run = controller.run(play(*tasks)).ok()
    for name in forms:
        assert statuses(run, name) == {"break-glass": "exempt", "ci": "exempt"}, name
    assert statuses(run, "users") == {"ci": "due"}
    assert "although" not in run.stdout and set(entries(controller)) == {"ci"}
    by_ini = controller.run("keyturn.iam.audit", "-e", 'rotation_users=["CI","break-glass"]', inventory=inventory).ok()
    assert "1 exempt" in by_ini.stdout and "2 users" in by_ini.stdout


def test_names_that_fit_nobody_are_told(lab: Lab, controller: Controller) -> None:
    for name in ("break-glass", "ci"):
        lab.seed(name, Key(age_days=5))
    run = controller.run(
        play(
            role("all", rotation_exempt=["break-glas", "x*"], rotation_now=["c1"]),
            role("some", rotation_users=["ci"], rotation_exempt=["somebody"], rotation_now=["break-glass"]),
        )
    ).ok()
    told = [warning for task in run.tasks("_rotation_seen") for warning in task.result.get("warnings", [])]
    assert told == [
        "rotation_exempt names break-glas, which no user has: break-glass is meant, perhaps",
        "rotation_exempt names x*, which no user has",
    ]
    assert all(warning in " ".join(run.stderr.split()) for warning in told)
    for name in ("c1", "break-glass"):
        assert f"rotation_now names {name}, whom this run did not look at." in " ".join(run.stdout.split())


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "misspelt": (
        {"rotation_exempts": ["ci"]},
        "rotation_exempts is no variable of the role keyturn.iam.rotation, to which all that begin with rotation_ belong: "
        "rotation_exempt is meant, perhaps",
    ),
    "shortened": ({"rotation_max_age": 30}, "rotation_max_age_days is meant, perhaps"),
    "strange": ({"rotation_zzz": 1}, "rename it if it is yours"),
    "no_users": ({"rotation_users": ""}, "rotation_users is empty: it takes names of users, or patterns"),
    "negative": ({"rotation_max_age_days": -3}, "rotation_max_age_days must be a number of days, 0 or more, not -3"),
    "words": (
        {"rotation_max_age_days": "ninety"},
        "rotation_max_age_days must be a number of days, 0 or more, not 'ninety'",
    ),
    "seconds": (
        {"rotation_verify_delay": "long"},
        "rotation_verify_delay must be a number of seconds, 0 or more, not 'long'",
    ),
    "number": (
        {"rotation_exempt": [83]},
        "rotation_exempt must be a list of user names, but it holds 83: put the name in quotes",
    ),
    "on": (
        {"rotation_users": True},
        "rotation_users must be a list of user names, but it holds True: put the name in quotes",
    ),
    "slash": ({"rotation_exempt": ["ci/x"]}, "rotation_exempt has 'ci/x', which no IAM user can be called"),
    "long": ({"rotation_now": ["x" * 65]}, "which no IAM user can be called"),
    "pattern": ({"rotation_now": "ci-*"}, "rotation_now takes user names, not patterns like 'ci-*'"),
    "bool": ({"rotation_fail_on_drift": "perhaps"}, "rotation_fail_on_drift must be true or false, not 'perhaps'"),
    "prefix": ({"rotation_path_prefix": "ci/"}, "rotation_path_prefix must begin with a slash"),
    "ending": (
        {"rotation_report_file": "r.txt"},
        "rotation_report_file r.txt must end in .json, .md, .html, .csv or .prom",
    ),
    "folder": ({"rotation_report_file": "dir.md"}, "rotation_report_file dir.md is a folder"),
    "no_file": ({"rotation_on_stored": "nothing.yml"}, "rotation_on_stored nothing.yml is not a file of tasks"),
    "two": ({"rotation_warn_days": "x", "rotation_idle_days": -1}, "; rotation_idle_days must be"),
}


def test_variables_that_are_wrong(lab: Lab, controller: Controller) -> None:
    """One sentence each, before anything is asked of AWS."""
    lab.seed("ci", OLD)
    (controller.cwd / "dir.md").mkdir()
    tasks = [role(name, **variables) for name, (variables, _sentence) in WRONG.items()]
    left_out = role("left_out")
    left_out["block"][0]["vars"] = {}
    run = controller.run(play(*tasks, left_out)).ok()
    for name, (_variables, sentence) in WRONG.items():
        assert sentence in refused(run, name), name
    assert refused(run, "left_out").startswith("rotation_users is not set: it takes names of users, or patterns")
    assert "rotation_vault_file is not set: name the Ansible Vault file" in refused(run, "left_out")
    assert not lab.requests()


def test_no_vault_password(lab: Lab, controller: Controller) -> None:
    """Said once, not once a user."""
    for number in range(3):
        lab.seed(f"u{number}", OLD)
    for check in (False, True):
        run = controller.run("keyturn.iam.rotate", extra_vars=GIVEN, vault_password=None, check=check)
        assert run.rc == 2 and len(run.failed) == 1 and not run.tasks("iam_access_key"), run
        assert "keys.yml cannot be made: no vault password was given" in run.msg
    assert not lab.requests()


NAMES = ["a_b", "a+b", "a=b", "a,b", "a.b", "a@b", "a-b", "_+=,.@-", "-", "0123", "null", "x" * 64]


def test_every_character_that_iam_allows(lab: Lab, controller: Controller) -> None:
    """Through every list and name."""
    for name in NAMES:
        lab.seed(name, OLD)
    half = NAMES[::2]
    run = controller.run(
        play(
            role("audit", "audit", rotation_users=NAMES, rotation_now=NAMES),
            role("exempt", rotation_exempt=json.dumps(NAMES)),
            role("half", rotation_exempt=half),
            role("named", rotation_users=half, rotation_now=half),
        )
    ).ok()
    assert set(statuses(run, "audit")) == set(NAMES) and set(statuses(run, "audit").values()) == {"due"}
    assert set(statuses(run, "exempt").values()) == {"exempt"}
    assert {done["user_name"] for done in result_of(run, "half")["done"]} == set(NAMES) - set(half)
    assert {done["user_name"] for done in result_of(run, "named")["done"]} == set(half)
    assert set(entries(controller)) == set(NAMES)
    olds = {name: lab.state()[name].keys[0].access_key_id for name in NAMES}
    tasks = [
        role(f"back {index}", "rollback", rotation_user_name=name, rotation_access_key_id=olds[name])
        for index, name in enumerate(NAMES)
    ]
    lab.clear_requests()
    again = controller.run(play(*[task["block"][0] for task in tasks])).ok()
    for name in NAMES:
        assert f"Access key {olds[name]} of user {name} is Active" in " ".join(again.output.split())
