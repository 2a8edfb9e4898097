# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of users' names as people hand them over."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._options import names_user
from ansible_collections.keyturn.iam.plugins.plugin_utils._names import read_name, read_names


@pytest.mark.parametrize(
    "value",
    [
        ["break-glass", "ci"],
        ("break-glass", " ci "),
        '["break-glass", "ci"]',
        "['break-glass','ci']",
        "[break-glass, ci]",
        "break-glass,ci",
        "break-glass, ci,",
        "break-glass ci",
        "break-glass\nci\n",
        "- break-glass\n- ci",
        ["break-glass", "ci", "ci", ""],
    ],
)
def test_the_forms_of_a_list(value: Any) -> None:
    assert read_names("rotation_exempt", value, patterns=True) == ("break-glass", "ci")


@pytest.mark.parametrize("value", [None, "", " ", [], "[]", ["", " "]])
def test_nobody(value: Any) -> None:
    assert read_names("rotation_exempt", value, patterns=True) == ()


def test_a_text_keeps_numbers_and_commas_where_it_is_a_list() -> None:
    assert read_names("x", '["0123", "a,b"]', patterns=False) == ("0123", "a,b")
    assert read_names("x", "0123", patterns=False) == ("0123",)
    assert read_names("x", "[0123, on]", patterns=False) == ("0123", "on")
    assert read_names("x", ["a,b", "_+=,.@-"], patterns=False) == ("a,b", "_+=,.@-")


@pytest.mark.parametrize("value", ["[ab]", " [break-glass] "])
def test_a_list_that_may_be_a_pattern_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="may be a list or a pattern"):
        read_names("rotation_exempt", value, patterns=True)
    assert read_names("rotation_exempt", ["[ab]"], patterns=True) == ("[ab]",)


@pytest.mark.parametrize("value", [83, True, 1.5, ["ci", 83], {"ci": True}, [["ci"]], [None], b"ci"])
def test_what_is_no_list_of_names_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^rotation_exempt must be a list of user names") as refused:
        read_names("rotation_exempt", value, patterns=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["ci/deploy", "ci:x", "über", "a" * 65, "ci;", '"ci"'])
def test_a_name_that_no_user_can_have_is_refused(name: str) -> None:
    for patterns in (True, False):
        with pytest.raises(ValueError, match=r"rotation_exempt has .* which no IAM user can be called"):
            read_names("rotation_exempt", [name], patterns)
    with pytest.raises(ValueError, match="which fits no IAM user"):
        read_names("rotation_exempt", ["ci/*"], patterns=True)
    with pytest.raises(ValueError, match="takes user names, not patterns"):
        read_names("rotation_now", ["ci-*"], patterns=False)


def test_one_name() -> None:
    assert read_name("rotation_user_name", " a,b ") == "a,b"
    assert read_name("rotation_user_name", "") is read_name("rotation_user_name", None) is None
    for wrong, said in ((83, "in quotes"), ("*", "must name one user"), ("ci/x", "no IAM user can be called")):
        with pytest.raises(ValueError, match=f"rotation_user_name .*{said}"):
            read_name("rotation_user_name", wrong)


def test_names_are_compared_without_case() -> None:
    assert names_user("break-glass", "Break-Glass") and names_user("ci-*", "CI-a") and not names_user("c", "ci")
