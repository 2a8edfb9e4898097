# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the documentation, run in the order in which they stand, in one run, with AWS_PROFILE exported as README says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from controller.runner import Controller, Run
from controller.store import entry_of, open_store, stored, write_store
from lab.client import Lab
from lab.messages import Credentials, Key, UserState

CHECKOUT = Path(__file__).resolve().parents[2]
STORE = "group_vars/all/iam_keys.yml"
LEAKED, PREVIOUS = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
ADOPTED = "AKIAJ7EXAMPLEEXAMPLE"
NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_REGION": "us-east-1"}


def examples(path: str) -> str:
    """EXAMPLES of a module or of a filter."""
    text = (CHECKOUT / path).read_text()
    if path.endswith(".yml"):
        return str(yaml.safe_load(text)["EXAMPLES"])
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            return str(ast.literal_eval(node.value))
    raise LookupError(path)


def blocks(page: str) -> list[str]:
    """The YAML blocks of a page, without the indentation of the list in which they stand."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", (CHECKOUT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.fixture
def person(lab: Lab, controller: Controller) -> Controller:
    """Somebody with a profile, a store, and users of the names in the examples."""
    folder = controller.folder / "home" / ".aws"
    folder.mkdir(parents=True)
    env = lab.env()
    pair = f"aws_access_key_id={env['AWS_ACCESS_KEY_ID']}\naws_secret_access_key={env['AWS_SECRET_ACCESS_KEY']}\n"
    (folder / "credentials").write_text(f"[my-account]\n{pair}")
    (controller.cwd / STORE).parent.mkdir(parents=True)
    controller.env |= {"AWS_PROFILE": "my-account"}
    return controller


def seed(lab: Lab, controller: Controller) -> tuple[UserState, UserState]:
    ci = lab.seed("ci", Key(age_days=120, used_days=30))
    web = lab.seed("web", Key(age_days=80, status="Inactive", used_days=30), Key(age_days=20, used_days=1))
    previous, current = web.keys
    other = {
        previous.access_key_id: stored(previous, promote_date=previous.create_date, deactivate_date=current.create_date)
    }
    write_store(controller.cwd / STORE, {"iam_access_keys": {"web": entry_of(web, current, other_keys=other)}})
    for name in ("backup", "ci-build", "ci-legacy", "vendor", "break-glass"):
        lab.seed(name, Key(age_days=5, used_days=1))
    return ci, web


def run(controller: Controller, text: str, *args: str, **options: Any) -> Run:
    """A playbook in the folder in which it is started, as people have it."""
    path = controller.cwd / "play.yml"
    path.write_text(text)
    return controller.run(path, *args, env=NO_KEYS, **options).ok()


def play_of(*tasks: str) -> str:
    body = "".join(re.sub("^(?=.)", "    ", text, flags=re.MULTILINE) for text in tasks)
    return f"- hosts: localhost\n  gather_facts: false\n  tasks:\n{body}"


def test_the_examples_of_the_plugins(lab: Lab, person: Controller) -> None:
    ci, web = seed(lab, person)
    old = ci.keys[0].access_key_id
    text = play_of(
        examples("plugins/modules/iam_access_key.py"),
        examples("plugins/modules/iam_access_keys.py").replace(
            "max_age_days: 90\n", "max_age_days: 90\n    verify_delay: 0\n"
        ),
        examples("plugins/modules/iam_access_key_info.py").replace(LEAKED, web.keys[1].access_key_id),
        examples("plugins/filter/rotation_plan.yml"),
        examples("plugins/modules/rotation_report.py"),
    )
    vendor = lab.state()["vendor"].keys[0]
    text = text.replace(LEAKED, old).replace(PREVIOUS, web.keys[0].access_key_id).replace(ADOPTED, vendor.access_key_id)
    found = run(person, text, extra_vars={"vendor_secret": vendor.secret_access_key})
    (new,) = lab.state()["ci"].keys
    assert new.access_key_id != old
    assert found.result("Use it")["msg"] == new.access_key_id
    assert found.result("Whose key is this?")["users"][0]["user_name"] == "web"
    entries = open_store(person.cwd / STORE)["iam_access_keys"]
    assert entries["web"]["access_key_id"] == web.keys[0].access_key_id
    assert entries["ci-build"]["promote_date"] and entries["backup"]["promote_date"]
    # That key is gone by then.
    said = "Say which ones were not switched off, and why"
    assert [item.result["msg"].partition(":")[0] for item in found.tasks(said, items=True)] == ["ci"]
    assert entries["vendor"]["access_key_id"] == vendor.access_key_id and entries["vendor"]["carry_date"]
    assert len(lab.state()["vendor"].keys) == 2 and (person.cwd / "access-keys.md").exists()


def test_the_readme_in_its_order(lab: Lab, person: Controller) -> None:
    """Look, rotate, and read the store: in one run, where Ansible has read group_vars before the rotation."""
    old = seed(lab, person)[0].keys[0].access_key_id
    lab.seed("vendor-x", Key(age_days=120))
    variables, consumer, rotate = blocks("README.md")
    (person.cwd / "rotation.yml").write_text(variables + "rotation_verify_delay: 0\n")
    (person.cwd / "credentials.j2").write_text("{{ iam_access_keys['ci'].access_key_id }}")
    (person.cwd / "hosts").write_text(
        "[build_servers]\nlocalhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"
    )
    for arguments in (("keyturn.iam.audit",), ("keyturn.iam.rotate", "-e", "@rotation.yml", "--check", "--diff")):
        person.run(*arguments, env=NO_KEYS).ok()
    before = play_of("- ansible.builtin.debug: {msg: \"{{ iam_access_keys['web'].access_key_id }}\"}\n")
    consumer = consumer.replace("/home/ci/.aws/credentials", str(person.cwd / "written"))
    run(person, before + rotate + consumer, "-i", "hosts", "-e", "@rotation.yml")
    new = lab.state()["ci"].keys[1].access_key_id
    assert new != old and (person.cwd / "written").read_text() == new
    back = ("-e", "@rotation.yml", "-e", "rotation_user_name=ci")
    person.run("keyturn.iam.rollback", *back, env=NO_KEYS).ok()


@pytest.mark.parametrize("session", [False, True])
def test_the_guides_in_their_order(lab: Lab, person: Controller, session: bool) -> None:
    """The store is read right after a rollback, with a profile or with a session token in the environment."""
    _ci, web = seed(lab, person)
    previous = web.keys[0].access_key_id
    (back,) = blocks("docs/incident.md")
    reader = blocks("docs/store.md")[1].replace("['ci']", "['web']")
    text = play_of(back.replace("user_name: ci", "user_name: web").replace(LEAKED, previous)) + reader
    env = NO_KEYS
    if session:
        role = {"RoleArn": f"arn:aws:iam::{web.account_id}:role/keyturn", "RoleSessionName": "somebody"}
        given = lab.boto("sts").assume_role(**role)["Credentials"]
        assumed = Credentials(given["AccessKeyId"], given["SecretAccessKey"], session_token=given["SessionToken"])
        env = {**lab.env(assumed), "AWS_PROFILE": None}
    path = person.cwd / "play.yml"
    path.write_text(text)
    found = person.run(path, env=env).ok()
    assert found.result("Who am I with the CI user's key?")["arn"].endswith("user/web")
