# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What programs and owners get of a report: the JSON schema, Prometheus's text format, a notice for each owner."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils import _screen
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import STATUSES
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.build import build
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.document import as_json
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.metrics import as_prometheus
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, ReportError
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.notices import notices_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.page import as_html
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.screen import screen
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.tables import as_csv, as_markdown
from prometheus_client.parser import text_string_to_metric_families
from unit.test_report import (
    CI,
    CURRENT,
    DECISIONS,
    IN_USE,
    LATER,
    MAKE,
    NEW,
    OLD,
    ONE_KEY,
    SWITCH_OFF,
    TASK,
    WORLD,
    action,
    cells,
    decision,
    info,
    key,
    result,
    words,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
ACCOUNT = {"account_id": "123456789012"}

# -- the schema ------------------------------------------------------------------------------------------------------


def reports() -> Iterator[Report]:
    everyone = [*DECISIONS, *(decision(f"user-{status}", status, next_date=LATER) for status in STATUSES)]
    unread = key("ci", CI, 10.0, None, last_used_known=False, idle_days=None)
    for results in ([], [result(MAKE, key_id=NEW)], [result(SWITCH_OFF, False, True, "It is in use.")]):
        for check_mode in (False, True):
            yield build(WORLD, everyone, results, check_mode, {"max_age_days": 60, "now": ["ci"]})
    yield build(WORLD, [{**IN_USE, "rules": [ONE_KEY], "owner": "team-a"}])
    yield build(info(unread), [decision("ci", "error", "Could not be read.")])
    yield build(info(), [], [result(action("put_back", "ci", CI))])


def test_every_report_is_as_the_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for report in reports():
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(as_json(report)))


def described(part: Mapping[str, Any]) -> Mapping[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return SCHEMA["$defs"][name] if name else part


def undescribed(value: Any, schema: Mapping[str, Any], where: str = "") -> list[str]:
    """Keys of a report that the schema does not know, but for those of a policy, of totals and of a task."""
    schema = described(schema)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        missing = [f"{where}.{name}" for name in value if name not in known]
        return [
            *missing,
            *(
                one
                for name in value
                if name in known
                for one in undescribed(value[name], known[name], f"{where}.{name}")
            ),
        ]
    if isinstance(value, list):
        return [one for item in value for one in undescribed(item, schema.get("items", {}), f"{where}[]")]
    return []


def test_the_schema_has_every_key_of_every_report() -> None:
    assert [one for report in reports() for one in undescribed(json.loads(as_json(report)), SCHEMA)] == []
    assert undescribed({"users": [{"new": 1}]}, SCHEMA) == [".users[].new"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"check_mode": "yes"},
        {"users": [{"user_name": "ci"}]},
        {"totals": {"users": -1}},
        {"now": "today"},
    ],
)
def test_the_schema_refuses_what_is_no_report(change: dict[str, Any]) -> None:
    document = {**json.loads(as_json(build(WORLD, DECISIONS))), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


# -- Prometheus ------------------------------------------------------------------------------------------------------


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Read by Prometheus's own parser: the samples of each metric; a metric without HELP and TYPE is none of ours."""
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type == "gauge" and family.name.startswith("keyturn_")
        assert all(sample.timestamp is None for sample in family.samples), "node_exporter refuses timestamps"
        found[family.name] = [(dict(sample.labels), sample.value) for sample in family.samples]
    return found


def test_prometheus_gets_ages_drift_by_status_and_when() -> None:
    world = info(
        key("backup", OLD, 131.5, 9.4, stage="previous"),
        key("backup", CURRENT, 8.25, 0.5, stage="current"),
        key("by-hand", CI, 120.0),
        key("by-hand", NEW, 20.0),
        key("off", "AKIAOFFOFFOFFOFFOFFO", 20.0, status="Inactive"),
    )
    plan = [decision("backup", "grace"), decision("by-hand", "unmanaged"), decision("off", "no_active_key")]
    failing = result(action("create", "off"), False, True, "denied")
    found = samples(as_prometheus(build(world, plan, [failing])))
    assert found["keyturn_report_timestamp_seconds"] == [(ACCOUNT, 1795492800)]
    assert found["keyturn_access_key_age_seconds"] == [
        ({**ACCOUNT, "user_name": "backup"}, 8.25 * 86400),
        ({**ACCOUNT, "user_name": "by-hand"}, 20 * 86400),
    ]
    by_status = {labels["status"]: value for labels, value in found["keyturn_users"]}
    drift = {labels["status"]: value for labels, value in found["keyturn_drift_users"]}
    assert set(by_status) == set(drift) == set(STATUSES)
    assert {status: value for status, value in by_status.items() if value} == dict.fromkeys(
        ("grace", "unmanaged", "no_active_key"), 1
    )
    assert {status: value for status, value in drift.items() if value} == {"grace": 1, "unmanaged": 1}
    assert found["keyturn_failures"] == [(ACCOUNT, 1)]


def test_ids_of_keys_are_labels_where_asked_for_and_never_a_secret() -> None:
    report = build(info(key("ci", CI, 10.0, secret_access_key="x" * 40)), [decision("ci", "compliant", owner="team-a")])
    ((labels, _age),) = samples(as_prometheus(report))["keyturn_access_key_age_seconds"]
    assert labels == {**ACCOUNT, "user_name": "ci", "owner": "team-a"} and CI not in as_prometheus(report)
    ((labels, _age),) = samples(as_prometheus(report, key_ids=True))["keyturn_access_key_age_seconds"]
    assert labels["access_key_id"] == CI and "x" * 40 not in as_prometheus(report, key_ids=True)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\\", "a}b{", "日本 🙂", "a,b=c", "# HELP x", "a\u202eb\nc\r\x00d"])
def test_a_name_ends_no_label(name: str) -> None:
    report = build(info(key(name, CI)), [decision(name, "compliant", owner=name), decision("other", "exempt")])
    ((labels, _age),) = samples(as_prometheus(report))["keyturn_access_key_age_seconds"]
    assert (
        labels["user_name"] == labels["owner"] == name.replace("\u202e", " ").replace("\n", " ").replace("\r\x00", " ")
    )


def test_a_report_without_a_date_or_an_account_is_one() -> None:
    report = build({"access_keys": [], "now": "some day"}, [])
    assert samples(as_prometheus(report))["keyturn_report_timestamp_seconds"] == []


# -- owners ----------------------------------------------------------------------------------------------------------

OWNED = [
    decision("backup", "grace", "Off after a week.", about=[OLD], next_date=LATER, owner="team-b"),
    decision("ci", "due", "the reason of ci", MAKE, owner="team-a"),
    decision("fine", "compliant", owner="team-c"),
    decision("gone", "gone", owner="team-a"),
    decision("nobodys", "due_soon", next_date=LATER, owner=None),
    {**IN_USE, "owner": " team-a\n"},
]


def test_each_owner_gets_one_notice_and_who_has_none_is_not_forgotten() -> None:
    notices = notices_of(build(WORLD, OWNED, check_mode=True))
    assert [(notice["owner"], notice["users"]) for notice in notices] == [
        ("team-a", ["vendor-x", "ci"]),
        ("team-b", ["backup"]),
        (None, ["nobodys"]),
    ]
    assert notices[0]["subject"] == "Access keys of account 123456789012: 1 blocked, 1 due"
    text = notices[0]["text"]
    assert "  blocked: Both keys are in use." in text and "  would make a new key: 120 days old, limit 90" in text
    assert f"  Key {CI}: Active, age 120d, last used 2h ago s3 eu-west-1\n" in text
    assert "    - keyturn.iam.iam_access_key: {user_name: vendor-x," in text
    assert "  When: 2026-12-03 01:26 UTC\n" in notices[1]["text"] and "to the current one by then" in notices[1]["text"]
    assert max(map(len, text.splitlines())) <= 110


def test_without_owners_there_is_no_notice_and_with_a_tag_that_nobody_has_there_is_one() -> None:
    assert notices_of(build(WORLD, DECISIONS)) == []
    (notice,) = notices_of(build(WORLD, [{**each, "owner": None} for each in DECISIONS]))
    assert (notice["owner"], notice["users"]) == (None, ["vendor-x", "ci"])


def test_a_subject_is_one_line_whatever_an_account_is_called() -> None:
    world = {**WORLD, "account": {"account_id": "1\nBcc: x"}}
    (notice,) = notices_of(build(world, [decision("ci", "due", owner="a")]))
    assert "\n" not in notice["subject"]


def test_the_owner_is_in_every_form_where_there_is_one() -> None:
    owned, without = build(WORLD, OWNED), build(WORLD, DECISIONS)
    assert json.loads(as_json(owned))["users"][0]["owner"] == "team-a"
    assert {row["owner"] for row in cells(owned)} == {"team-a", "team-b", "team-c", ""}
    assert "owner" not in as_csv(without).splitlines()[0]
    assert "| User | Owner | Status |" in as_markdown(owned) and "| vendor-x | team-a | blocked |" in as_markdown(owned)
    assert "Owner" not in as_markdown(without)
    assert 'data-label="Owner">team-a</td>' in as_html(owned) and "Owner" not in as_html(without)
    wide, narrow = screen(owned, width=160), screen(owned, width=72)
    assert any(line.startswith("USER") and "OWNER" in line for line in wide) and "Owner: team-a" not in words(wide)
    assert "    Owner: team-a" in narrow and not any("OWNER" in line for line in narrow)
    assert "owner" not in words(screen(without)).lower()


def test_the_rules_that_a_user_breaks_are_in_every_file() -> None:
    rotated = {"number": "1.14", "title": "Ensure | are rotated", "on_purpose": True}
    report = build(WORLD, [decision("ci", "blocked", rules=[ONE_KEY, rotated])])
    assert cells(report)[0]["rules"] == f"1.13 {ONE_KEY['title']}\n1.14 Ensure | are rotated (on purpose)"
    assert f"1.13 {ONE_KEY['title']}<br>1.14 Ensure \\| are rotated (on purpose) |" in as_markdown(report)
    assert "<li>1.14 Ensure | are rotated (on purpose)</li>" in as_html(report)


def test_an_owner_that_is_no_text_is_refused() -> None:
    with pytest.raises(ReportError, match="the owner of user ci: it must be a text"):
        build(WORLD, [decision("ci", "due", owner=["a"])])


# -- how wide the screen is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "terminal", "width"),
    [
        (None, 0, 100),
        (None, 20, 72),
        (None, 72, 72),
        (None, 200, 200),
        ("120", 200, 120),
        ("20", 200, 72),
        ("0", 0, 100),
        ("", 90, 90),
        ("wide", 90, 90),
        ("٣٠٠", 90, 90),
        ("9" * 6000, 90, 90),
    ],
)
def test_as_wide_as_the_terminal(told: str | None, terminal: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if told is not None:
        monkeypatch.setenv("COLUMNS", told)
    monkeypatch.setattr(_screen, "_TERMINAL", terminal)
    assert _screen.screen_width() == width


def test_a_thousand_ways_out_are_told_once_with_where_all_of_them_are() -> None:
    remedy = {"say": "Move what uses it to another key.", "task": TASK}
    names = [f"{number:04}-{'n' * 59}" for number in range(1000)]
    world = info(*(key(name, f"AKIA{number:016}") for number, name in enumerate(names)))
    report = build(world, [decision(name, "blocked", "No room.", remedies=[remedy]) for name in names])
    for width in (72, 100, 200):
        lines = screen(report, width=width, report_file="/reports/keys.html")
        assert len(lines) <= 40, "a screen"
        assert words(lines).count(remedy["say"]) == 1 and "/reports/keys.html" in words(lines)
        assert f"and 999 more: blocked: {names[1]}, " in words(lines) and "1000 blocked" in words(lines)
    assert words(screen(report, show_all=True)).count(remedy["say"]) == 1000
    assert as_html(report).count(remedy["say"]) == 1000
