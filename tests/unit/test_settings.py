# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the role reads its variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.seen import account_error, unmatched_names
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.settings import Settings, read_settings

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULTS = yaml.safe_load((CHECKOUT / "roles" / "rotation" / "defaults" / "main.yml").read_text())
GIVEN = {**DEFAULTS, "rotation_users": "*", "rotation_vault_file": "keys.yml"}


def read(entry_point: str, variables: dict[str, Any]) -> Settings:
    return read_settings(entry_point, variables, variables.__getitem__)


def test_the_defaults() -> None:
    found = read("main", GIVEN)
    assert found.problems == () and found.values["users"] == ["*"] and found.values["user_name"] is None
    assert found.policy == {
        "max_age_days": 90,
        "warn_days": 14,
        "deactivate_after_days": 7,
        "idle_days": 7,
        "delete_after_days": 30,
        "exempt": [],
        "benchmark": "CIS 5.0.0",
        "tag_policy": False,
        "now": [],
        "carry": False,
    }
    assert read("audit", {**GIVEN, "rotation_on_promoted": __file__}).policy["carry"]


def test_a_revocation_reads_what_it_decides_by_and_tells_what_is_wrong() -> None:
    """It is lenient: the key is switched off before any of this is told."""
    variables = {
        **GIVEN,
        "rotation_acess_key_id": "A",
        "rotation_report_file": "no/such.txt",
        "rotation_max_age_days": "x",
    }
    found = read("revoke", {**variables, "rotation_access_key_id": "A"})
    wrong, misspelt = found.problems
    assert wrong.startswith("rotation_max_age_days ") and "max_age_days" not in found.policy
    assert misspelt.startswith("rotation_acess_key_id is no variable") and "rotation_access_key_id is meant" in misspelt
    assert (
        "rotation_access_key_id is not set: it takes the id of the key that leaked"
        in read("revoke", variables).problems
    )


@pytest.mark.parametrize("beside", ["rotation_hosts", "rotation_result", "rotation_promoted", "my_rotation_x"])
def test_variables_beside_ours(beside: str) -> None:
    assert read("audit", {**GIVEN, beside: 1}).problems == ()


def test_paths_lead_to_ones_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "save.yml").touch()
    paths = {
        "rotation_vault_file": "~/keys.yml",
        "rotation_report_file": "$HOME/r.md",
        "rotation_on_stored": "~/save.yml",
    }
    found = read("main", {**GIVEN, **paths}).values
    assert found["vault_file"] == f"{tmp_path}/keys.yml" and found["report_file"] == f"{tmp_path}/r.md"
    assert found["on_stored"] == str((tmp_path / "save.yml").resolve())


@pytest.mark.parametrize(("value", "read_as"), [("7", 7), (" 0.5 ", 0.5), (7, 7)])
def test_numbers_as_text(value: Any, read_as: float) -> None:
    assert read("main", {**GIVEN, "rotation_idle_days": value}).values["idle_days"] == read_as


@pytest.mark.parametrize(("value", "read_as"), [("null", None), ("", None), (None, None), ("3", 3)])
def test_what_may_be_left_out(value: Any, read_as: float | None) -> None:
    assert read("main", {**GIVEN, "rotation_unused_days": value}).values["unused_days"] == read_as


@pytest.mark.parametrize("account", ["123456789012", 123456789012, None, ""])
def test_account_ids(account: Any) -> None:
    found = read("main", {**GIVEN, "rotation_account_id": account})
    assert not found.problems and found.values["account_id"] in ("123456789012", None)
    assert read("main", {**GIVEN, "rotation_account_id": 83}).problems


def test_the_account_that_is_meant() -> None:
    assert account_error(None, None) is account_error("1", "1") is None
    assert "could not be learned" in str(account_error("1", None))


def test_names_that_fit_nobody() -> None:
    settings = {"users": ["ci*"], "path_prefix": None, "exempt": ["x"], "now": ["CI"]}
    assert unmatched_names(settings, ["ci"]) == []
    everyone = {**settings, "users": ["*"], "path_prefix": "/"}
    assert unmatched_names(everyone, ["ci"]) == ["rotation_exempt names x, which no user has"]
    assert unmatched_names({**everyone, "path_prefix": "/ci/"}, ["ci"]) == []
