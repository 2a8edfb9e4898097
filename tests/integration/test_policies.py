# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IAM policies of the documentation permit what is asked, and nothing that is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from controller.runner import Run
from lab.client import Lab
from lab.messages import Key

CHECKOUT = Path(__file__).resolve().parents[2]
NEEDS_NO_PERMISSION = {"GetCallerIdentity"}


def actions(name: str) -> set[str]:
    policy = json.loads((CHECKOUT / "docs" / "policies" / f"{name}.json").read_text())
    return {action.removeprefix("iam:") for statement in policy["Statement"] for action in statement["Action"]}


# A run without these works as one with them does where nobody is quarantined.
OF_QUARANTINE = {"ListPolicies", "ListEntitiesForPolicy"}


def asked(lab: Lab) -> set[str]:
    return {request.action for request in lab.requests()} - NEEDS_NO_PERMISSION


@pytest.mark.parametrize("name", ["audit", "rotate"])
def test_the_readme_shows_the_policy(name: str) -> None:
    readme = (CHECKOUT / "README.md").read_text()
    found = re.search(rf"<!-- policy: {name} -->\s*```json\n(.*?)```", readme, re.DOTALL)
    assert found
    assert json.loads(found[1]) == json.loads((CHECKOUT / "docs" / "policies" / f"{name}.json").read_text())


def test_an_audit_asks_for_what_its_policy_permits(lab: Lab, playbook: Callable[..., Run]) -> None:
    lab.seed("ci", Key(age_days=120, used_days=1))
    lab.seed("leaked", Key(age_days=120, used_days=1))
    lab.attach("leaked", "AWSCompromisedKeyQuarantineV3")
    lab.allow_only(f"iam:{action}" for action in actions("audit"))
    run = playbook("keyturn.iam.audit").ok()
    assert "1 quarantined" in " ".join(run.stdout.split())
    playbook("keyturn.iam.audit", extra_vars={"audit_users": ["ci"]}).ok()
    assert asked(lab) == actions("audit")
    lab.allow_only(f"iam:{action}" for action in actions("audit") - OF_QUARANTINE)
    without = playbook("keyturn.iam.audit").ok()
    assert "2 due" in " ".join(without.stdout.split()) and "WARNING" not in without.output


def test_a_rotation_asks_for_what_its_policy_permits(lab: Lab, playbook: Callable[..., Run], tmp_path: Path) -> None:
    lab.seed("ci", Key(age_days=120, used_days=9))
    lab.seed("leaked", Key(age_days=120, used_days=9))
    lab.attach("leaked", "AWSCompromisedKeyQuarantineV3")
    lab.allow_only(f"iam:{action}" for action in actions("rotate"))
    carry = tmp_path / "carry.yml"
    carry.write_text("- ansible.builtin.debug:\n")
    for days in (0, 8, 45):
        lab.clock(days=days)
        playbook(
            "keyturn.iam.rotate",
            extra_vars={
                "rotation_users": ["*"],
                "rotation_vault_file": "store.yml",
                "rotation_verify_delay": 0,
                "rotation_on_promoted": str(carry),
            },
        ).ok()
    assert asked(lab) == actions("rotate")
    assert len(lab.state()["ci"].keys) == len(lab.state()["leaked"].keys) == 1
