# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of iam_access_keys: defaults, and all that makes no sense in it, said before anything is done."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._argspec import ACCESS_KEY
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from ansible_collections.keyturn.iam.plugins.module_utils._wishes import Wish, wishes


def read(*items: dict[str, Any], **beside: Any) -> list[Wish]:
    defaults = {name: option.get("default") for name, option in ACCESS_KEY.items()}
    return wishes({"access_keys": list(items), "max_concurrency": 16, **defaults, **beside}, set())


def refusal(*items: dict[str, Any], **beside: Any) -> str:
    with pytest.raises(KeyturnError) as refused:
        read(*items, **beside)
    return refused.value.message


def test_what_stands_beside_the_list_is_the_default() -> None:
    found = read(
        {"username": "ci"},
        {"user_name": "web", "max_age_days": "30", "verify": "no"},
        {"user_name": "vendor", "max_age_days": None, "id": "AKIA1", "enabled": False},
        max_age_days=90.0,
        vault_file="keys.yml",
    )
    wants = [wish.want for wish in found]
    assert [(want.user_name, want.max_age_days, want.verify, want.active) for want in wants] == [
        ("ci", 90, True, None),
        ("web", 30, False, None),
        ("vendor", None, True, False),
    ]
    assert wants[2].access_key_id == "AKIA1" and wants[0].verify_delay == 10
    assert [wish.params["vault_file"] for wish in found] == ["keys.yml"] * 3
    assert found[0].given == {"username": "ci"} and found[2].number == 3
    assert read() == []


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (
            [{"user_name": "ci"}, {"user_name": "web", "max_age_day": 3}],
            "Item 2 of access_keys (user web): max_age_day is no option; max_age_days is meant, perhaps",
        ),
        (
            [{"user_name": "ci", "profile": "prod"}],
            "Item 1 of access_keys (user ci): profile is no option of an item; options of the connection stand beside "
            "access_keys",
        ),
        (
            [{"user_name": "ci", "username": "ci"}],
            "Item 1 of access_keys (user ci): user_name is given twice, once by its alias",
        ),
        ([{"max_age_days": 3}], "Item 1 of access_keys: missing required arguments: user_name"),
        (
            [{"user_name": "ci", "state": "absent"}],
            "Item 1 of access_keys (user ci): state=absent needs access_key_id: which key is to be deleted",
        ),
        (
            [{"user_name": "ci", "max_age_days": -1}],
            "Item 1 of access_keys (user ci): max_age_days must be a number that is not negative, not -1.0",
        ),
    ],
)
def test_an_item_that_makes_no_sense_is_named(items: list[dict[str, Any]], told: str) -> None:
    assert refusal(*items) == told


def test_types_and_choices_are_those_of_the_module() -> None:
    assert "Item 1 of access_keys (user ci): value of state must be one of" in refusal(
        {"user_name": "ci", "state": "x"}
    )
    assert "Item 1 of access_keys (user ci): argument 'max_age_days' is of type" in refusal(
        {"user_name": "ci", "max_age_days": "old"}
    )
    assert refusal({"user_name": "ci"}, max_concurrency=0) == "max_concurrency must be at least 1, not 0"


def test_all_mistakes_are_told_up_to_some() -> None:
    told = refusal(*({"user_name": f"u{number}", "typo": 1} for number in range(8)))
    assert told.count("Item ") == 5 and told.endswith("; and 3 more")


KEY = {"user_name": "ci", "access_key_id": "AKIA1", "vault_file": "keys.yml"}


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"state": "absent"}, {"active": True}, "one wants access key AKIA1 absent, the other Active, of user ci"),
        ({"active": False}, {"active": True}, "one wants access key AKIA1 Inactive, the other Active, of user ci"),
        ({"active": False}, {"stage": "current"}, "one wants access key AKIA1 Inactive, the other Active, of user ci"),
        ({"state": "absent"}, {}, "one wants access key AKIA1 absent, the other there, of user ci"),
        (
            {"active": False, "leaked": True},
            {"active": True, "leaked": False},
            "one wants access key AKIA1 Inactive, the other Active, of user ci",
        ),
        (
            {"stage": "current"},
            {"stage": "current", "access_key_id": "AKIA2"},
            "only one of the access keys AKIA1 and AKIA2 can be the current one of user ci",
        ),
    ],
)
def test_wishes_of_which_only_one_can_be_so(one: dict[str, Any], other: dict[str, Any], told: str) -> None:
    between = {"user_name": "web", "access_key_id": "AKIA1", "active": True}
    for first, second in ((one, other), (other, one)):
        said = refusal({**KEY, **first}, between, {**KEY, "user_name": "CI", **second})
        assert said.startswith("Items 1 and 3 of access_keys contradict each other: ")
    assert refusal({**KEY, **one}, {**KEY, **other}).endswith(told)


def test_wishes_that_go_together() -> None:
    read({**KEY}, {**KEY, "active": True}, {**KEY, "stage": "current"})
    read({**KEY, "active": False}, {**KEY, "active": False, "min_idle_days": 3}, {**KEY})
    read({**KEY, "state": "absent"}, {**KEY, "access_key_id": "AKIA2", "active": True}, {"user_name": "ci"})
    read({"user_name": "ci", "max_age_days": 90}, {"user_name": "ci", "max_age_days": 30})


def test_five_thousand_items() -> None:
    assert len(read(*({"user_name": f"user{number}"} for number in range(5000)))) == 5000
