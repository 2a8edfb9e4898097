# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of docs/carrying.md, as they stand: the destination has the new key, then the old one goes."""

from __future__ import annotations

import configparser
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._smtp import ses_smtp_password
from controller.runner import Controller, Run
from controller.store import open_store
from lab.client import Lab
from lab.destinations import TOKEN, Destinations
from lab.messages import Key
from lab.ssh import Host

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
STORE = "keys.yml"


def rotate(controller: Controller, example: str, *args: str, **options: Any) -> Run:
    variables = {
        "rotation_users": ["*"],
        "rotation_vault_file": STORE,
        "rotation_verify_delay": 0,
        "rotation_idle_days": 0,
        "rotation_deactivate_after_days": 0,
        "rotation_on_promoted": str(EXAMPLES / example),
        **options.pop("variables", {}),
    }
    return controller.run("keyturn.iam.rotate", *args, extra_vars=variables, **options)


def carried(lab: Lab, controller: Controller, user_name: str = "ci") -> dict[str, str]:
    """The pair that the destination has to have; the user's old key is off."""
    entry = open_store(controller.cwd / STORE)["iam_access_keys"][user_name]
    assert "carry_date" in entry
    assert [key.access_key_id for key in lab.state()[user_name].active] == [entry["access_key_id"]]
    return {name: entry[name] for name in ("access_key_id", "secret_access_key")}


def test_the_credentials_file_of_other_hosts(lab: Lab, controller: Controller, short_path: Path) -> None:
    """Over a connection of SSH: the secret is in no command, in no output at -vvvv, and in no file that is left."""
    lab.seed("ci", Key(100), tags={"hosts": "builders", "service": "agent"})
    lab.seed("web", Key(100))  # has no destination
    lab.seed("mailer", Key(100), tags={"mail": "builders", "region": "eu-west-1"})
    host = Host(short_path / "builder", []).start()
    (host.home / ".aws").mkdir()
    file = host.home / ".aws" / "credentials"
    file.write_text(
        "# of the agent\n[default]\nregion = eu-central-1\naws_access_key_id = OLD\n[other]\naws_access_key_id = X\n"
    )
    inventory = f"[builders]\nbuilder {host.variables}\n"

    sasl = host.home / "sasl_passwd"
    sasl.write_text("# of Postfix\n[email-smtp.eu-west-1.amazonaws.com]:587 OLD:old\n")

    variables = {"carry_sasl_file": str(sasl)}
    run = rotate(controller, "carry.yml", "-vvvv", "--diff", inventory=inventory, variables=variables).ok()

    pair = carried(lab, controller)
    carried(lab, controller, "web")
    mailer = carried(lab, controller, "mailer")
    password = ses_smtp_password(mailer["secret_access_key"], "eu-west-1")
    line = f"[email-smtp.eu-west-1.amazonaws.com]:587 {mailer['access_key_id']}:{password}"
    assert sasl.read_text().splitlines() == ["# of Postfix", line]
    assert (host.home / "mapped").read_text() == f"{sasl}\n"
    found = configparser.RawConfigParser()
    found.read_string(file.read_text())
    default = found["default"]
    assert (default["aws_access_key_id"], default["aws_secret_access_key"]) == tuple(pair.values())
    assert default["region"] == "eu-central-1" and found["other"]["aws_access_key_id"] == "X"
    assert file.read_text().startswith("# of the agent\n") and file.stat().st_mode & 0o777 == 0o600
    assert (host.home / "restarted").read_text() == "restart agent\n"
    for secret in (pair["secret_access_key"], mailer["secret_access_key"], password):
        assert host.commands and secret not in run.output and not any(secret in command for command in host.commands)
        texts = {path: path.read_text() for path in short_path.rglob("*") if path.is_file()}
        assert [path for path, text in texts.items() if path not in (file, sasl) and secret in text] == []


@pytest.fixture
def other_services() -> Iterator[str]:
    """moto with what the laboratory does not have."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while True:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < end and process.poll() is None, "moto did not listen"
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()


def test_secrets_manager_and_the_parameter_store(lab: Lab, controller: Controller, other_services: str) -> None:
    lab.seed("ci", Key(100), tags={"secret": "ci/key", "parameter": "/ci/key"})
    elsewhere = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": other_services, "AWS_ENDPOINT_URL_SSM": other_services}
    env = {"AWS_URL": None, "AWS_ENDPOINT_URL_IAM": lab.url, "AWS_ENDPOINT_URL_STS": lab.url, **elsewhere}
    run = rotate(controller, "carry-to-aws.yml", "-vvvv", env=env).ok()
    pair = carried(lab, controller)
    client = {"region_name": "us-east-1", "endpoint_url": other_services}
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    stored = boto3.client("secretsmanager", **client, **keys).get_secret_value(SecretId="ci/key")["SecretString"]
    parameter = boto3.client("ssm", **client, **keys).get_parameter(Name="/ci/key", WithDecryption=True)["Parameter"]
    assert json.loads(stored) == json.loads(parameter["Value"]) == pair
    assert parameter["Type"] == "SecureString" and pair["secret_access_key"] not in run.output


def test_github_gitlab_vault_and_kubernetes(lab: Lab, controller: Controller) -> None:
    """One user with four destinations, each of which has the new pair; GitHub's secrets were sealed. One whose hosts are nowhere."""
    tags = {"github": "team/web", "gitlab": "team/web", "vault": "ci/aws", "kubernetes": "builds/aws"}
    lab.seed("ci", Key(100), tags=tags)
    lab.seed("lost", Key(100), tags={"hosts": "nowhere"})
    there = Destinations().start()
    there.gitlab["AWS_ACCESS_KEY_ID"] = "OLD"
    tokens = {f"carry_{name}_token": TOKEN for name in tags}
    urls = {f"carry_{name}_url": there.url for name in tags}

    run = rotate(controller, "carry.yml", "-vvvv", "--diff", variables={**tokens, **urls})

    assert run.rc == 2 and run.msg.endswith("lost: not done, see the report above"), run
    assert "the inventory has no host in the group nowhere" in " ".join(run.output.split())
    assert len(lab.state()["lost"].active) == 2
    pair = carried(lab, controller)
    names = {"AWS_ACCESS_KEY_ID": pair["access_key_id"], "AWS_SECRET_ACCESS_KEY": pair["secret_access_key"]}
    assert there.github == there.gitlab == there.kubernetes["aws"] == names and there.vault == {"ci/aws": pair}
    assert pair["secret_access_key"] not in run.output
