# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/decisions.md and the filter's documentation say of the table is what the table is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan import table
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import (
    BENCHMARKS,
    DEFAULT,
    benchmark_called,
    broken_by_account,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import DELETES_NOTHING, DRIFT, STATUSES, TABLE

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "decisions.md").read_text()
TABLE_OF_PAGE = PAGE.partition("## The table")[2].partition("## ")[0]
ROWS = [
    [cell.strip() for cell in row.split("|")[1:-1]]
    for row in re.findall(r"^\| \d+ \|.*\|$", TABLE_OF_PAGE, re.MULTILINE)
]


def test_the_page_has_the_rows_of_the_table_in_their_order() -> None:
    assert [(int(number), status.strip("`")) for number, _seen, status, *_rest in ROWS] == [
        (number, row.status) for number, row in enumerate(TABLE, 1)
    ]


def test_the_page_says_where_nothing_is_done() -> None:
    assert [happens.startswith("nothing") or not happens for *_rest, happens, _do in ROWS[:-1]] == [
        row.does is table.nothing for row in TABLE[:-1]
    ]
    # What is deleted beside, it says of all rows but those that touch nothing.
    assert f"Beside rows {len(DELETES_NOTHING) + 1} to {len(TABLE)}," in PAGE


def test_every_status_is_said_wherever_statuses_are() -> None:
    assert {row.status for row in TABLE} == set(STATUSES) and len(STATUSES) == len(set(STATUSES))
    documentation = yaml.safe_load((CHECKOUT / "plugins" / "filter" / "rotation_plan.yml").read_text())
    decision = documentation["RETURN"]["_value"]["contains"]
    assert set(decision["status"]["choices"]) == set(STATUSES)
    assert all(f"V({status})" in " ".join(decision["status"]["description"]) for status in STATUSES)


def test_the_page_says_of_each_status_what_it_means() -> None:
    lines = PAGE.partition("## Status by status")[2].partition("## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert [status.strip("`") for status, *_rest in cells] == list(STATUSES)
    assert all(means and by_itself for _status, means, by_itself, _you in cells)


def test_the_page_says_what_drift_is() -> None:
    (said,) = re.findall(r"^## Drift\n\n(.*?) are drift", PAGE, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", said)) == DRIFT <= set(STATUSES)


def test_every_benchmark_has_its_own_numbers() -> None:
    numbers = {
        version: (
            one.no_root_key.number,
            one.unused.number,
            one.one_active_key.number if one.one_active_key else None,
            one.rotated.number,
        )
        for version, one in BENCHMARKS.items()
    }
    old = dict.fromkeys(("1.4.0", "1.5.0", "2.0.0", "3.0.0", "4.0.1"), ("1.4", "1.12", "1.13", "1.14"))
    assert numbers == {
        **old,
        "5.0.0": ("1.3", "1.11", "1.12", "1.13"),
        "6.0.0": ("2.3", "2.11", "2.12", "2.13"),
        "7.0.0": ("2.4", "2.11", None, "2.12"),
    }
    assert DEFAULT.name == "CIS AWS Foundations Benchmark v5.0.0"


def test_titles_are_those_of_the_version() -> None:
    three, four = BENCHMARKS["3.0.0"], BENCHMARKS["4.0.1"]
    assert three.one_active_key and "available for" in three.one_active_key.title
    assert four.one_active_key and "available" not in four.one_active_key.title
    assert ("or greater" in three.unused.title, "or more" in four.unused.title) == (True, True)


@pytest.mark.parametrize(
    ("given", "version"),
    [
        ("CIS 5.0.0", "5.0.0"),
        ("cis v1.4.0", "1.4.0"),
        ("CIS 1.4", "1.4.0"),
        ("4.0", "4.0.1"),
        (7.0, "7.0.0"),
        (7, "7.0.0"),
        (None, "5.0.0"),
        ("", "5.0.0"),
    ],
)
def test_a_benchmark_is_known_by_its_version(given: Any, version: str) -> None:
    assert benchmark_called("benchmark", given) is BENCHMARKS[version]


@pytest.mark.parametrize(
    "given", ["CIS 1", "1", "CIS", "PCI 4.0", "CIS 5.0.1", "CIS 5.0.00", "CIS 8.0.0", True, ["CIS 5.0.0"], {}]
)
def test_an_unknown_benchmark_is_an_error_that_lists_those_known(given: Any) -> None:
    with pytest.raises(ValueError, match=r"rotation_benchmark must be one of CIS 1\.4\.0, .*, CIS 7\.0\.0, not "):
        benchmark_called("rotation_benchmark", given)


def test_a_root_key_breaks_a_rule_where_it_is_known_to_be_there() -> None:
    found = [broken_by_account({"root_access_key_present": there}, DEFAULT) for there in (True, False, None)]
    assert found == [[DEFAULT.no_root_key], [], []] and broken_by_account({}, DEFAULT) == []
