# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever boto3 says of a person's profiles, files and settings is one sentence: no traceback, no question at a terminal, no credential."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller, Run
from integration.helpers import Task, info_task, key_task, play, refusal
from lab.client import Lab
from lab.messages import ADMIN_SECRET, Key
from thorough import ALL

SECRET = "a/secret/that/nobody/is/to/see/0123456789"
MFA = "asks for an MFA code (mfa_serial), which nobody can type in here"
PROCESS = "Couldn't connect to AWS: its credential_process failed or printed no credentials"


def config(program: Path) -> str:
    """A configuration file with what people have in theirs."""
    return f"""
[profile static]
aws_access_key_id = AKIASTATICKEYOFALAB1
aws_secret_access_key = {SECRET}
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = static
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile chain]
role_arn = arn:aws:iam::123456789012:role/other
source_profile = mfa
[profile fails]
credential_process = {program} fail
[profile garbage]
credential_process = {program} garbage
[profile list]
credential_process = {program} list
[profile half]
credential_process = {program} half
[profile missing]
credential_process = /nonexistent/program
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = admin
[profile nowhere]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = nobody
[profile loop]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = other_loop
[profile other_loop]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = loop
"""


PROGRAM = f"""#!{sys.executable}
import sys
if sys.argv[1] == "fail":
    sys.exit('no session\\n{{"SecretAccessKey": "{SECRET}"}}')
print({{"garbage": "not {SECRET} JSON", "list": "[1]", "half": '{{"Version": 1, "SecretAccessKey": "{SECRET}"}}'}}[sys.argv[1]])
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str | None]:
    """A home with such files, and no keys in the environment."""
    program, file = tmp_path / "process", tmp_path / "config"
    program.write_text(PROGRAM)
    program.chmod(0o700)
    file.write_text(config(program))
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    return {**none, "AWS_CONFIG_FILE": str(file), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}


def refused(lab: Lab, controller: Controller, cases: dict[str, tuple[dict[str, Any], str]], **options: Any) -> Run:
    """Each case by both modules and with a store, every fourth both ways (all of them with all faults): one sentence."""
    lab.seed("ci", Key(1))
    tasks: list[Task] = []
    both = [name for number, name in enumerate(cases) if ALL or number % 4 == 0]
    ways = {name: ("here", "module") if name in both else ("here",) for name in cases}
    for name, (given, _sentence) in cases.items():
        for way in ways[name]:
            task = {"vars": {"keyturn_in_process": way == "here"}}
            tasks += [
                key_task(f"{name}_{way}", "ci", task=task, **given),
                info_task(f"{name}_{way}_info", user_name="ci", task=task, **given),
            ]
        tasks.append(key_task(f"{name}_vault", "ci", vault_file="keys.yml", **given))
    run = controller.run(play(*tasks), "-vvv", **options).ok()
    for name, (_given, sentence) in cases.items():
        for way in (*ways[name], *(f"{way}_info" for way in ways[name]), "vault"):
            said = refusal(run, f"{name}_{way}")
            assert sentence in said, f"{name}_{way}: {said}"
    assert SECRET not in run.output and ADMIN_SECRET not in run.output
    return run


@pytest.mark.faults
def test_profiles(lab: Lab, controller: Controller, environment: dict[str, str | None]) -> None:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "mfa": ({"profile": "mfa"}, f"Profile mfa {MFA}"),
        "chain": ({"profile": "chain"}, f"Profile mfa {MFA}"),
        "fails": ({"profile": "fails"}, PROCESS),
        "garbage": ({"profile": "garbage"}, "AWS"),
        "list": ({"profile": "list"}, "AWS"),
        "half": ({"profile": "half"}, PROCESS),
        "missing": ({"profile": "missing"}, "/nonexistent/program"),
        "sso": ({"profile": "sso"}, "SSO"),
        "nowhere": ({"profile": "nowhere"}, "nobody"),
        "loop": ({"profile": "loop"}, "loop"),
        "unknown": ({"profile": "unknown"}, "The config profile (unknown) could not be found"),
        "broken_name": ({"profile": "un\nknown"}, "The config profile (un known) could not be found"),
    }
    refused(lab, controller, cases, env=environment)
    assert not lab.requests()


def test_a_profile_of_the_environment(lab: Lab, controller: Controller, environment: dict[str, str | None]) -> None:
    refused(lab, controller, {"mfa": ({}, f"Profile mfa {MFA}")}, env={**environment, "AWS_PROFILE": "mfa"})


def test_a_broken_file(lab: Lab, controller: Controller, environment: dict[str, str | None], tmp_path: Path) -> None:
    """The parser's own words quote the line that it stumbled over."""
    broken = tmp_path / "broken"
    broken.write_text(f"[default]\naws_secret_access_key {SECRET}\n[profile\n")
    refused(
        lab,
        controller,
        {"broken": ({}, "Unable to parse config file")},
        env={**environment, "AWS_CONFIG_FILE": str(broken)},
    )


@pytest.mark.faults
def test_settings_and_values(lab: Lab, controller: Controller) -> None:
    config = "aws_config is not what botocore's Config takes: "
    pair = {"access_key": "AKIASTATICKEYOFALAB1", "secret_key": SECRET}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "attempts": ({"aws_config": {"max_attempts": 5}}, f"{config}Got unexpected keyword argument 'max_attempts'"),
        "retries": ({"aws_config": {"retries": 5}}, config),
        "words": ({"aws_config": {"retries": {"max_attempts": "five"}}}, "aws_config"),
        "timeout": ({"aws_config": {"connect_timeout": "soon"}}, "soon"),
        "agent": ({"aws_config": {"user_agent_extra": "a\nb"}}, "a value with a line break cannot be sent"),
        "secret": ({**pair, "secret_key": f"{SECRET}\n"}, "The secret access key of these AWS credentials has a line"),
        "token": ({**pair, "session_token": f"{SECRET}\n{SECRET}"}, "The session token of these AWS credentials has"),
        "key": ({**pair, "access_key": "AKIASTATIC\nKEYOFALAB1"}, "The access key id of these AWS credentials has"),
        "region": ({"region": "us-east-1\n"}, "a value with a line break cannot be sent"),
        "endpoint": ({"endpoint_url": f"{lab.url}\n/x"}, "AWS"),
        "no_url": ({"endpoint_url": "nonsense"}, "nonsense"),
        "proxy": ({"aws_config": {"proxies": {"http": "nonsense://x:y"}, "retries": {"max_attempts": 0}}}, "Could"),
    }
    refused(lab, controller, cases)


def test_a_session_that_is_over(lab: Lab, controller: Controller) -> None:
    """AWS's own sentence, without what it computed of the request."""
    over = f"The security token included in the request is expired\n\nThe Canonical String for this request\nx-amz-security-token:{SECRET}"
    lab.fault("error", code="ExpiredToken", status=403, message=over, count=0)
    run = refused(lab, controller, {"over": ({}, "The security token included in the request is expired")})
    assert "Canonical" not in run.output
