# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a caller's defaults say of the account, and which credentials are meant where several sources give some."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._credentials import with_wider, without_foreign_credentials
from ansible_collections.keyturn.iam.plugins.plugin_utils._module_defaults import conflict, of_siblings, of_wider_groups

KEY, INFO, GROUP = "keyturn.iam.iam_access_key", "keyturn.iam.iam_access_key_info", "group/keyturn.iam.aws"
LEGACY, AMAZON = "group/ansible.builtin.aws", "group/amazon.aws.aws"


def test_amazons_groups() -> None:
    scopes = [{LEGACY: {"profile": "a", "region": "x"}, AMAZON: {"profile": "b"}}, {AMAZON: {"profile": "c"}, KEY: {}}]
    assert of_wider_groups(scopes) == {"profile": "c", "region": "x"}
    assert of_wider_groups([]) == of_wider_groups([{KEY: {"profile": "a"}}]) == {}
    assert of_siblings([{INFO: {"profile": "a"}, KEY: {"profile": "b"}}], KEY) == {"profile": "a"}


@pytest.mark.parametrize(
    ("narrow", "wide", "merged"),
    [
        ({"user_name": "ci"}, {"profile": "a"}, {"user_name": "ci", "profile": "a"}),
        ({"aws_profile": "b"}, {"profile": "a", "region": "x"}, {"aws_profile": "b", "region": "x"}),
        ({"access_key": "A", "secret_key": "S"}, {"profile": "a"}, {"access_key": "A", "secret_key": "S"}),
        ({"profile": "b"}, {"access_key": "A", "session_token": "T"}, {"profile": "b"}),
        ({"region": "x"}, {"region": "y", "user_name": "no option of a connection"}, {"region": "x"}),
        ({"profile": ""}, {"access_key": "A"}, {"profile": "", "access_key": "A"}),
    ],
)
def test_the_narrower_comes_first_and_credentials_are_taken_whole(narrow: Any, wide: Any, merged: Any) -> None:
    assert with_wider(narrow, wide) == merged


@pytest.mark.parametrize(
    ("defaults", "agree"),
    [
        ({}, True),
        ({GROUP: {"profile": "a"}, LEGACY: {"profile": "b"}}, True),
        ({KEY: {"profile": "a"}}, True),
        ({KEY: {"profile": "a"}, INFO: {"aws_profile": "a"}}, True),
        ({KEY: {"profile": "a"}, GROUP: {"region": "x"}}, True),
        ({KEY: {"max_age_days": 9}, GROUP: {"profile": "a"}}, True),
        ({KEY: {"profile": "a"}, GROUP: {"profile": "a"}, AMAZON: {"profile": "b"}}, True),
        ({KEY: {"profile": "a"}, INFO: {"profile": "b"}}, False),
        ({KEY: {"profile": "a"}, GROUP: {"profile": "b"}}, False),
        ({INFO: {"profile": "a"}, AMAZON: {"profile": "b"}}, False),
        ({KEY: {"endpoint_url": "x"}, INFO: {"endpoint_url": "y"}}, False),
    ],
)
def test_defaults_that_lead_to_two_accounts(defaults: Any, agree: bool) -> None:
    problem = conflict([defaults])
    assert (problem is None) == agree
    assert not problem or "\n" not in problem


ENVIRONMENT = {"AWS_PROFILE": "mine", "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"profile": "mine", "session_token": "token", "access_key": "A"}, {"access_key": "A"}),
        ({"profile": "other", "session_token": "token"}, {"profile": "other"}),
        ({"profile": "mine"}, {"profile": "mine"}),
        ({"profile": "mine", "session_token": "token"}, {"profile": "mine", "session_token": "token"}),
        ({"profile": "other", "access_key": "A"}, {"profile": "other", "access_key": "A"}),
        ({"region": "x", "profile": None}, {"region": "x"}),
    ],
)
def test_a_tasks_credentials_stand_for_themselves(monkeypatch: pytest.MonkeyPatch, given: Any, left: Any) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = without_foreign_credentials(given)
    assert {name: value for name, value in found.items() if value is not None} == left
