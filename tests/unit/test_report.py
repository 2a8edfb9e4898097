# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import datetime
import html.parser
import io
import itertools
import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import STATUSES
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.build import build
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.document import as_json
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, ReportError
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.page import as_html
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.page import style as page_style
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.screen import screen
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.tables import as_csv, as_markdown
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import clean, columns
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.write import render, write
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import without_secrets

NOW = "2026-11-24T04:00:00+00:00"
CI, OLD, CURRENT, VENDOR, VENDOR_2 = (f"AKIA{name:X<16}" for name in ("CI", "OLD", "CURRENT", "VENDORA", "VENDORB"))
NEW = "AKIANEWNEWNEWNEWNEWN"
LATER = "2026-12-03T01:26:34+00:00"


def key(user: str, key_id: str, age: float = 10.0, idle: float | None = 0.1, /, **more: Any) -> dict[str, Any]:
    """One of iam_access_key_info's access_keys; never used where idle is None."""
    used = idle is not None
    return {
        "user_name": user,
        "access_key_id": key_id,
        "status": "Active",
        "create_date": "2026-01-01T00:00:00+00:00",
        "age_days": age,
        "last_used_date": "2026-11-24T02:00:00+00:00" if used else None,
        "last_used_service": "s3" if used else None,
        "last_used_region": "eu-west-1" if used else None,
        "last_used_known": True,
        "idle_days": idle if used else age,
        "stage": None,
        "deactivate_date": None,
        "stored": None,
        **more,
    }


def info(*keys: dict[str, Any]) -> dict[str, Any]:
    return {
        "access_keys": list(keys),
        "users": [],
        "account": {"account_id": "123456789012"},
        "now": NOW,
        "complete": True,
    }


def action(
    kind: str, user: str, key_id: str | None = None, replaces: str | None = None, reason: str = "because"
) -> dict[str, Any]:
    return {
        "action": kind,
        "user_name": user,
        "access_key_id": key_id,
        "replaces": replaces,
        "min_idle_days": None,
        "reason": reason,
    }


def decision(
    user: str, status: str, reason: str = "a reason", *actions: dict[str, Any], **structure: Any
) -> dict[str, Any]:
    """One of rotation_plan; with neither `about`, `remedies` nor `rules` where none is given, as somebody's own may be."""
    given = {"user_name": user, "status": status, "reason": reason, "next_date": None, "actions": list(actions)}
    return {**given, **structure}


def result(
    of: dict[str, Any], changed: bool = True, failed: bool = False, msg: str | None = None, key_id: str | None = None
) -> dict[str, Any]:
    return {"action": of, "changed": changed, "failed": failed, "msg": msg, "access_key_id": key_id}


MAKE = action("create", "ci", None, CI, "120 days old, limit 90")
SWITCH_OFF = action("deactivate", "backup", OLD, reason="idle for 9 days, replaced 8 days ago")
WORLD = info(
    key("backup", OLD, 131.2, 9.4, stage="previous", last_used_region="us-east-1"),
    key("backup", CURRENT, 8.1, 0.5, stage="current"),
    key("ci", CI, 120.9, 0.09),
    key("fine", "AKIAFINEFINEFINEFINE", 3.0, 1.0, stage="current"),
    key("vendor-x", VENDOR, 99.0, 0.05, last_used_service="ses"),
    key("vendor-x", VENDOR_2, 200.0, 0.01),
)
RULE = 'CIS AWS Foundations Benchmark v5.0.0, 1.13 "Ensure there is only one active access key available for any single IAM user"'
ONE_KEY = {
    "number": "1.13",
    "title": "Ensure there is only one active access key available for any single IAM user",
    "on_purpose": False,
}
BREAKS = ("", "", f"{ONE_KEY['number']} {ONE_KEY['title']}", "")
TWO_KEYS_ON_PURPOSE = {**ONE_KEY, "on_purpose": True}
BLOCKED = (
    f"both keys are in use, {VENDOR} (ses eu-west-1, 1 hour ago) and {VENDOR_2} (s3 eu-west-1, 14 minutes ago): "
    "move what uses one of them to the other and delete it, or set unused_days."
)
DECISIONS = [
    decision("backup", "retire", "the reason of backup", SWITCH_OFF, about=[OLD], rules=[ONE_KEY]),
    decision("ci", "due", "the reason of ci", MAKE),
    decision("fine", "compliant"),
    decision("vendor-x", "blocked", BLOCKED, about=[VENDOR, VENDOR_2], rules=[ONE_KEY]),
]


def table(report: Report, **how: Any) -> list[str]:
    """The screen from its first row on."""
    lines = screen(report, **how)
    return lines[next(number for number, line in enumerate(lines) if line.startswith("USER ")) + 1 :]


def words(lines: list[str]) -> str:
    """What the lines say, however they are broken."""
    return " ".join(" ".join(lines).split())


def cells(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(report))))


@dataclass
class Element:
    name: str
    attributes: dict[str, str | None]
    text: str = ""


class Page(html.parser.HTMLParser):
    """The elements of a page with their texts, all read as a browser does; an AssertionError where one is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs))
        self.elements.append(Element(tag, dict(attrs)))
        if tag != "meta":
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def texts(self, *names: str) -> list[str]:
        return [element.text for element in self.elements if element.name in names]

    @property
    def outline(self) -> list[str]:
        """The headings and the users, in their order."""
        return [each.text for each in self.elements if each.name == "h2" or each.attributes.get("scope") == "rowgroup"]


def test_the_screen_tells_apart_who_needs_a_person_and_counts_who_is_well() -> None:
    waits = decision("late", "leftover", "Nobody has its secret.", next_date=LATER)  # its sentence says until when
    ahead = [
        decision("intern", "no_active_key"),
        decision("m1", "due_soon", next_date=LATER),
        decision("m2", "due_soon", next_date=LATER),
    ]
    assert screen(build(WORLD, [*DECISIONS, waits, *ahead], check_mode=True), width=104) == [
        "NEEDS A PERSON: 1 user",
        "USER      KEY                   AGE   LAST USED               STAGE     WHAT HAPPENS",
        "vendor-x  AKIAVENDORAXXXXXXXXX  99d   1h ago   ses eu-west-1  -         blocked:",
        "          AKIAVENDORBXXXXXXXXX  200d  14m ago  s3 eu-west-1   -",
        "    both keys are in use, AKIAVENDORAXXXXXXXXX (ses eu-west-1, 1 hour ago) and AKIAVENDORBXXXXXXXXX (s3",
        "    eu-west-1, 14 minutes ago): move what uses one of them to the other and delete it, or set",
        "    unused_days.",
        "    Nothing happens by itself.",
        "",
        "THE ROTATION WOULD DO THIS: 2 users",
        "USER      KEY                   AGE   LAST USED               STAGE     WHAT HAPPENS",
        "ci        AKIACIXXXXXXXXXXXXXX  120d  2h ago   s3 eu-west-1   -         would make a new key: 120 days",
        "                                                                        old, limit 90",
        "backup    AKIAOLDXXXXXXXXXXXXX  131d  9d ago   s3 us-east-1   previous  would switch off: idle for 9",
        "                                                                        days, replaced 8 days ago",
        "",
        "WAITS, OR IS LEFT ALONE: 1 user",
        "USER      KEY                   AGE   LAST USED               STAGE     WHAT HAPPENS",
        "late      -                     -     -                       -         leftover: Nobody has its secret.",
        "",
        "NOTHING TO DO NOW: 3 users",
        "  without an active key: intern. They get a key only where you name them:",
        "    -e rotation_now=intern",
        "  due soon: m1 (2026-12-03), m2 (2026-12-03). They are due for a new key then, and a run makes it.",
        "",
        "8 users: 1 due, 1 to retire, 1 blocked, 1 with a leftover, 1 without an active key, 2 due soon, 1",
        "compliant.",
        "Would make 1 key, switch off 1, delete 0.",
        '2 users break CIS AWS Foundations Benchmark v5.0.0, 1.13 "Ensure there is only one active access key',
        'available for any single IAM user".',
    ]


def test_after_a_run_it_says_what_was_done_and_what_failed() -> None:
    refused = f"Key {OLD} of backup was used 2 minutes ago."
    report = build(WORLD, DECISIONS, [result(MAKE, key_id=NEW), result(SWITCH_OFF, False, True, refused)])
    lines = screen(report)
    assert f"made a new key {NEW}: 120 days old, limit 90" in words(lines)
    assert f"failed to switch off: {refused}" in words(lines)
    assert "would" not in words(lines)
    assert lines[-4:-2] == [
        "4 users: 1 due, 1 to retire, 1 blocked, 1 compliant. Made 1 key, switched off 0, deleted 0.",
        "Failed: backup (switch off).",
    ]
    assert report.done == [{"action": "create", "user_name": "ci", "access_key_id": NEW}]
    assert report.failures == [{"user_name": "backup", "action": "deactivate", "msg": refused}]


def test_a_result_is_told_whether_the_decisions_are_from_before_or_after_the_run() -> None:
    before = build(WORLD, DECISIONS, [result(MAKE, key_id=NEW)])
    after_world = info(*WORLD["access_keys"], key("ci", NEW, 0.0, None, stage="current"))
    grace = [decision("ci", "grace", "waits for 7 days") if each["user_name"] == "ci" else each for each in DECISIONS]
    after = build(after_world, grace, [result(MAKE, key_id=NEW), result(action("verify", "ci", NEW))])
    for report in (before, after):
        told = [row for row in report.rows if row.user_name == "ci" and row.head]
        assert (told[0].access_key_id, told[0].sentence) == (CI, f"made a new key {NEW}: 120 days old, limit 90")
        assert (report.totals["made"], report.totals["verified"]) == (1, 0)
    assert "ci" in before.drift and "ci" in after.drift, "the old key is over the limit until it is switched off"
    assert [row.sentence for row in after.rows if row.user_name == "ci" and row.head][1:] == [
        "in grace: waits for 7 days"
    ]


@pytest.mark.parametrize(
    ("names", "typed"),
    [
        (["a", "b.c+d=e@f-g_h"], "rotation_now=a,b.c+d=e@f-g_h"),
        (["a,b", "c"], """'{"rotation_now": ["a,b", "c"]}'"""),
        (["a b;rm x"], """'{"rotation_now": ["a b;rm x"]}'"""),
        (["a'b\x1b[31m"], """'{"rotation_now": ["a'"'"'b [31m"]}'"""),
    ],
)
def test_who_gets_a_key_when_named_is_named_as_a_shell_reads_it(names: list[str], typed: str) -> None:
    lines = screen(build(info(), [decision(name, "no_active_key") for name in names]))
    assert f"    -e {typed}" in lines
    assert len(shell_words(typed)) == 1


def test_who_waits_is_told_until_when() -> None:
    lines = screen(build(WORLD, [decision("ci", "due", "Of a later run.", next_date=LATER)]))
    assert (
        "    It goes on by itself after 2026-12-03 01:26 UTC." in lines and "WAITS, OR IS LEFT ALONE: 1 user" in lines
    )


def test_what_is_found_of_the_same_key_after_something_was_done_is_told_below_it() -> None:
    grace = decision("ci", "grace", "It is switched off after a week.", about=[CI])
    lines = table(build(WORLD, [grace], [result(MAKE, key_id=NEW)]), width=160)
    assert lines[:2] == [
        f"ci    {CI}  120d  2h ago  s3 eu-west-1  -      made a new key {NEW}: 120 days old, limit 90",
        "    in grace: It is switched off after a week.",
    ]


def test_a_key_that_is_off_is_told_so_on_a_narrow_screen_too() -> None:
    world = info(key("ci", CI), key("ci", OLD, status="Inactive"))
    assert f"    {OLD} is inactive." in screen(build(world, [decision("ci", "compliant")]), show_all=True, width=72)


def test_a_key_that_the_run_deleted_is_told_without_its_details() -> None:
    gone = action("delete", "ci", OLD, reason="switched off 31 days ago")
    lines = table(build(info(), [decision("ci", "compliant")], [result(gone, key_id=OLD)]))
    assert lines[0].split() == ["ci", OLD, "-", "-", "-", *["deleted:", "switched", "off", "31", "days", "ago"]]
    assert lines[-1] == "1 user: 1 compliant. Made 0 keys, switched off 0, deleted 1."


def test_what_the_run_did_not_reach_is_still_to_do() -> None:
    report = build(WORLD, DECISIONS)
    assert "still to do, make a new key: 120 days old, limit 90" in words(screen(report))
    assert report.totals["made"] == 0
    assert report.done == []


def test_a_new_failure_to_verify_is_told_beside_the_key_that_was_made() -> None:
    verify = action("verify", "ci", NEW, reason="made by an earlier run")
    report = build(
        WORLD,
        [decision("ci", "due", "x", verify)],
        [result(MAKE, key_id=NEW), result(verify, False, True, "STS does not know it.")],
    )
    assert [row.sentence for row in report.rows if row.listed] == [
        f"made a new key {NEW}: 120 days old, limit 90",
        "failed to verify and make current: STS does not know it.",
    ]


def test_a_next_key_of_an_earlier_run_is_counted_as_verified() -> None:
    verify = action("verify", "ci", NEW, reason="left from an earlier run")
    world, plan = info(key("ci", NEW, stage="next")), [decision("ci", "due", "x", verify)]
    assert (
        screen(build(world, plan, check_mode=True))[-1]
        == "1 user: 1 due. Would make 0 keys, verify 1, switch off 0, delete 0."
    )
    assert (
        screen(build(world, plan, [result(verify)]))[-1]
        == "1 user: 1 due. Made 0 keys, verified 1, switched off 0, deleted 0."
    )


def test_a_key_that_was_put_back_in_force_is_counted_beside_those() -> None:
    verify, put_back = action("verify", "ci", NEW), action("put_back", "vendor", VENDOR)
    report = build(info(key("ci", NEW), key("vendor", VENDOR)), [], [result(verify), result(put_back)])
    assert report.totals["verified"] == 2


def test_check_mode_tells_what_would_fail_and_does_not_count_it() -> None:
    report = build(WORLD, DECISIONS, [result(MAKE, False, True, "The quota is full.")], check_mode=True)
    assert "would fail to make a new key: The quota is full." in words(screen(report))
    assert screen(report)[-4:-2] == [
        "4 users: 1 due, 1 to retire, 1 blocked, 1 compliant. Would make 0 keys, switch off 1, delete 0.",
        "Would fail: ci (make a new key).",
    ]
    assert report.done == []


def test_a_result_that_changed_nothing_is_no_deed() -> None:
    report = build(WORLD, DECISIONS, [result(SWITCH_OFF, changed=False)])
    assert "was off already: idle for 9 days" in words(screen(report))
    assert report.totals["switched_off"] == 0
    assert report.done == []


def test_what_a_second_look_found_is_told_beside_what_was_done() -> None:
    off = action("deactivate", "ci", OLD, reason="idle")
    report = build(WORLD, [decision("ci", "blocked", f"{CI} is in use.", about=[CI])], [result(off)])
    assert [(row.access_key_id, row.sentence) for row in report.rows if row.listed] == [
        (OLD, "switched off: idle"),
        (CI, f"blocked: {CI} is in use."),
    ]


@pytest.mark.parametrize(
    "status", ["error", "gone", "revoked", "leftover", "due", "broken", "unused", "blocked", "retire"]
)
def test_drift_is_listed(status: str) -> None:
    report = build(WORLD, [decision("ci", status)], check_mode=True)
    assert report.drift == ["ci"]
    assert [row.user_name for row in report.rows if row.listed] == ["ci"]


@pytest.mark.parametrize("status", ["exempt", "held", "no_active_key", "grace", "unmanaged", "due_soon", "compliant"])
def test_what_needs_nothing_is_counted_only(status: str) -> None:
    report = build(info(key("ci", CI, 10.0)), [decision("ci", status)], check_mode=True)
    assert report.drift == []
    assert not [row for row in report.rows if row.listed]
    assert report.totals[status] == 1
    assert "USER" not in words(screen(report)) and "1 user: 1 " in words(screen(report))


@pytest.mark.parametrize("plans", ["unmanaged", "exempt", "held", "grace", "compliant"])
@pytest.mark.parametrize(
    ("age", "status", "drift"), [(59.9, "Active", False), (60.0, "Active", True), (61.0, "Inactive", False)]
)
def test_an_active_key_over_the_limit_is_drift_in_any_status(age: float, status: str, drift: bool, plans: str) -> None:
    report = build(info(key("ci", CI, age, status=status)), [decision("ci", plans)], policy={"max_age_days": 60})
    assert report.drift == (["ci"] if drift else [])


def test_without_a_policy_the_limit_is_the_default() -> None:
    assert not build(info(key("ci", CI, 89.0)), [decision("ci", "unmanaged")]).drift
    assert build(info(key("ci", CI, 91.0)), [decision("ci", "unmanaged")]).drift


def test_done_first_then_who_needs_a_person_then_the_rest_each_in_the_given_order() -> None:
    names = [
        decision("a-fine", "compliant"),
        decision("b-error", "error"),
        decision("c-blocked", "blocked"),
        decision("d-retire", "retire", "x", action("deactivate", "d-retire", OLD)),
        decision("e-due", "due", "x", action("create", "e-due")),
        decision("f-due", "due", "x", action("create", "f-due")),
        decision("g-due", "due", "x", action("create", "g-due")),
    ]
    report = build(info(), names, [result(action("create", "e-due"), False, True, "denied")], check_mode=True)
    order = ["f-due", "g-due", "d-retire", "e-due", "c-blocked", "b-error", "a-fine"]
    assert [user.user_name for user in report.users] == order


def test_the_sentence_stands_on_the_key_it_is_about_and_once() -> None:
    world = info(
        key("u", OLD, 200.0),
        key("u", CI, 100.0),
        key("u", CURRENT, 9.0, stage="current"),
        key("u", NEW, 300.0, status="Inactive"),
    )
    report = build(world, [decision("u", "blocked", f"{CI} is in use.", about=[CI])])
    assert [(row.access_key_id, bool(row.head)) for row in report.rows if row.listed] == [
        (CI, True),
        (OLD, False),
        (CURRENT, False),
    ]
    about_none = build(world, [decision("u", "broken", "no key named")])
    assert about_none.rows[0].access_key_id == CURRENT
    assert words(screen(report)).count(f"{CI} is in use.") == 1


def test_a_key_that_the_plan_leaves_alone_is_told_beside_the_one_it_acts_on() -> None:
    world = info(key("u", OLD, 200.0, 9.0), key("u", CI, 100.0), key("u", CURRENT, 9.0, stage="current"))
    reason = f"Key {CURRENT} became current 8 days ago: {OLD} is idle and switched off. Key {CI} is in use."
    report = build(
        world,
        [decision("u", "retire", reason, action("deactivate", "u", OLD, reason="idle for 9 days"), about=[OLD, CI])],
        check_mode=True,
    )
    assert [(row.access_key_id, row.sentence) for row in report.rows if row.listed] == [
        (OLD, "would switch off: idle for 9 days"),
        (CI, f"left alone: {reason}"),
    ]


def test_a_current_key_is_not_left_alone_but_stays() -> None:
    world = info(key("u", OLD, 200.0, 9.0), key("u", CURRENT, 9.0, stage="current"))
    off = action("deactivate", "u", OLD, reason="idle for 9 days")
    report = build(world, [decision("u", "retire", "x", off, about=[OLD, CURRENT])], check_mode=True)
    assert [(row.access_key_id, row.sentence) for row in report.rows] == [
        (OLD, "would switch off: idle for 9 days"),
        (CURRENT, ""),
    ]


def test_an_error_has_no_key() -> None:
    report = build(WORLD, [decision("ci", "error", "The keys of ci could not be read.")])
    shown = [row for row in report.rows if row.listed]
    assert [(row.access_key_id, row.sentence) for row in shown] == [(None, "error: The keys of ci could not be read.")]
    assert report.failures == [{"user_name": "ci", "action": None, "msg": "The keys of ci could not be read."}]
    assert table(report)[0].startswith("ci    -    -    -          -")
    assert table(report)[1] == "    Each run tries again."


def test_a_reason_that_begins_with_the_status_is_not_said_twice() -> None:
    assert build(WORLD, [decision("ci", "blocked", "Blocked: in use.")]).rows[0].sentence == "blocked: in use."


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"last_used_known": False, "last_used_date": None}, "unknown"),
        ({"last_used_date": None}, "never"),
        ({"idle_days": 0.0001}, "0m ago  s3 eu-west-1"),
        ({"idle_days": 0.02}, "28m ago  s3 eu-west-1"),
        ({"idle_days": 400.0, "last_used_region": None}, "400d ago  s3"),
        ({"last_used_service": "dynamodb", "last_used_region": "ap-southeast-1"}, "2h ago  dynamodb ap-southeast-1"),
        (
            {"last_used_service": "elasticloadbalancing", "last_used_region": "ap-southeast-1"},
            "2h ago  elasticloadbalancing",
        ),
    ],
)
def test_last_use(more: dict[str, Any], shown: str) -> None:
    world = info(key("ci", CI, 10.0, **more))
    assert f"  {shown} " in table(build(world, [decision("ci", "compliant")]), show_all=True)[0] + " "


def test_an_unread_last_use_is_not_shown_as_never() -> None:
    unread = key("ci", CI, 10.0, None, last_used_known=False, idle_days=None)
    assert "never" not in words(screen(build(info(unread), [decision("ci", "error", "x")]), show_all=True))


def test_show_all_has_every_key_and_says_which_are_inactive() -> None:
    world = info(key("ci", CI), key("ci", OLD, status="Inactive"), key("other", NEW))
    lines = table(
        build(world, [decision("ci", "compliant", "all is well"), decision("other", "exempt", "by the policy")]),
        show_all=True,
    )
    assert lines[0].endswith("compliant: all is well")
    assert (OLD in lines[1], lines[1].endswith("  inactive")) == (True, True)
    assert lines[2].endswith("exempt: by the policy")


NAMES = [
    "u",
    "a-name-of-sixty-four-characters-which-is-as-long-as-iam-lets-them",
    "a.user+with=all,of@iam-s_characters",
    "日本語のとても長い名前をもつ利用者がここにいます",
    "ein-länger-benannter-Zugang-für-Öffentliches",
    "emoji-🙂🙂🙂",
    "e\u0301" * 20,
]


SERVICES = ["s3", "elasticloadbalancing", "a-service-nobody-has-heard-of-that-has-a-very-long-name"]
REASONS = [
    "short",
    "a longer reason, with words " * 8,
    "x" * 500,
    f"https://example.com/{'y' * 150} is where to read on",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_line_is_wider_than_the_screen_and_all_names_are_whole(name: str) -> None:
    widths = itertools.cycle([72, 100, 200, 72, 101])
    for service, reason, stage, check_mode in itertools.product(SERVICES, REASONS, [None, "previous"], [True, False]):
        use = {"last_used_service": service, "last_used_region": "ap-southeast-1"}
        world = info(key(name, CI, 12345.0, stage=stage, **use), key("short", OLD))
        plan = [
            decision(name, "blocked", reason, remedies=[{"say": f"Move what uses {CI} of {name}.", "task": TASK}]),
            decision("short", "due", "x", action("create", "short", None, OLD, reason)),
            *(decision(f"user-{status}", status, reason) for status in STATUSES),
        ]
        report = build(world, plan, [result(action("verify", name, NEW), False, True, reason)], check_mode)
        for show_all in (False, True):
            width = next(widths)
            lines = screen(report, show_all, width)
            assert max(map(columns, lines)) <= width
            assert name in "\n".join(lines)
            assert NEW in "\n".join(lines)
            assert all(line == line.rstrip() for line in lines)


def test_a_long_name_does_not_push_the_table_apart() -> None:
    long = NAMES[1]
    world = info(key("ci", CI), key(long, OLD))
    lines = table(build(world, [decision("ci", "blocked", "in use"), decision(long, "blocked", "in use")]))
    assert lines[0].startswith(f"ci    {CI}")
    assert lines[2:4] == [long, f"      {OLD}  10d  2h ago  s3 eu-west-1  -      blocked: in use"]


def test_a_very_long_reason_is_whole_everywhere() -> None:
    reason = " ".join(f"word{number}" for number in range(300)) + " the end."
    report = build(WORLD, [decision("ci", "blocked", reason)])
    for width in (72, 100, 200):
        assert reason in words(screen(report, width=width)) and "…" not in words(screen(report, width=width))
    assert f"blocked: {reason}" in json.loads(as_json(report))["users"][0]["what_happens"]
    assert cells(report)[0]["what_happens"] == f"blocked: {reason}"
    assert f"blocked: {reason}" in as_markdown(report)


def test_a_terminal_is_not_steered() -> None:
    evil = "red\x1b[31m\r\nline two\x07 \u202eturned"
    report = build(WORLD, [decision(f"ci{evil}", "blocked", evil), decision("b", "error", evil)])
    text = "\n".join(screen(report))
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    assert "line two" in text
    assert not re.search("[\x00-\x09\x0b-\x1f]", as_markdown(report))
    assert not [c for c in as_html(report) if c != "\n" and not c.isprintable()]


def test_nobody() -> None:
    report = build(info(), [])
    assert screen(report) == ["No user."]
    assert "No user." in as_markdown(report)
    assert Page(as_html(report)).texts("p") == [f"{NOW}. This is what was done.", "No user.", "No drift."]
    assert cells(report) == []
    assert json.loads(as_json(report))["users"] == []


def test_nothing_to_do_is_one_line() -> None:
    report = build(WORLD, [decision("fine", "compliant")], check_mode=True)
    assert screen(report) == ["1 user: 1 compliant. Would make 0 keys, switch off 0, delete 0."]


def test_totals_that_do_not_fit_one_line_break_between_their_sentences() -> None:
    report = build(info(), [decision(f"user-{status}", status) for status in STATUSES], check_mode=True)
    assert "Would make 0 keys, switch off 0, delete 0." in screen(report)
    assert (
        words(screen(report)).count(
            "18 users: 1 revoked, 1 due, 1 uncarried, 1 unused, 1 to retire, 1 blocked, 1 quarantined, 1 broken, 1 with a"
        )
        == 1
    )


def test_totals_have_every_status_always() -> None:
    totals = build(info(), []).totals
    assert set(totals) == {"users", *STATUSES, "made", "verified", "carried", "switched_off", "deleted", "failed"}
    assert set(totals.values()) == {0}


@pytest.mark.parametrize(("count", "first"), [(5, False), (20, True)])
def test_the_totals_come_first_where_the_list_is_longer_than_a_screen(count: int, first: bool) -> None:
    plan = [decision(f"user-{number:02}", "blocked", "No room.") for number in range(count)]
    lines = screen(build(info(*(key(each["user_name"], CI) for each in plan)), plan))
    totals = [number for number, line in enumerate(lines) if line.startswith(f"{count} users: {count} blocked.")]
    assert totals == [0 if first else len(lines) - 1]


def test_many_failures_are_named_in_one_line() -> None:
    creates = [action("create", f"user-{number:03}") for number in range(200)]
    plan = [decision(each["user_name"], "due", "x", each) for each in creates]
    report = build(info(), plan, [result(each, False, True, "denied") for each in creates])
    assert screen(report)[-1].endswith(" and 190 more.") or screen(report)[-1].endswith("190 more.")
    assert len(report.failures) == report.totals["failed"] == 200
    assert "user-199 (make a new key)" in as_markdown(report)
    assert "user-199 (make a new key)" in as_html(report)


@pytest.mark.parametrize(
    ("plan", "note"),
    [
        ([decision("backup", "grace", rules=[TWO_KEYS_ON_PURPOSE])], f"1 user breaks {RULE}, on purpose."),
        ([decision("vendor-x", "blocked", rules=[ONE_KEY])], f"1 user breaks {RULE}."),
        (
            [
                decision("backup", "grace", rules=[TWO_KEYS_ON_PURPOSE]),
                decision("vendor-x", "blocked", rules=[ONE_KEY]),
            ],
            f"2 users break {RULE}, 1 of them on purpose.",
        ),
        (
            [
                decision("backup", "grace", rules=[TWO_KEYS_ON_PURPOSE]),
                decision("ci", "grace", rules=[TWO_KEYS_ON_PURPOSE]),
            ],
            f"2 users break {RULE}, on purpose.",
        ),
        ([decision("backup", "grace", rules=[]), decision("ci", "grace")], ""),
    ],
)
def test_who_breaks_a_rule_is_noted_once_for_all_users(plan: list[dict[str, Any]], note: str) -> None:
    report = build(WORLD, plan)
    assert report.notes == ([note] if note else [])
    document = json.loads(as_json(report))
    assert document["notes"] == report.notes
    assert {user["user_name"]: user["rules"] for user in document["users"]} == {
        each["user_name"]: each.get("rules", []) for each in plan
    }
    assert note in words(screen(report))
    assert note in as_markdown(report)
    assert [text for text in Page(as_html(report)).texts("p") if "break" in text] == report.notes


def test_each_rule_has_a_note_of_its_own() -> None:
    rotated = {"number": "1.14", "title": "Ensure access keys are rotated", "on_purpose": False}
    plan = [decision("ci", "due", rules=[rotated, ONE_KEY]), decision("backup", "grace", rules=[TWO_KEYS_ON_PURPOSE])]
    assert build(WORLD, plan).notes == [
        f"2 users break {RULE}, 1 of them on purpose.",
        '1 user breaks CIS AWS Foundations Benchmark v5.0.0, 1.14 "Ensure access keys are rotated".',
    ]


@pytest.mark.parametrize("now", [["cii", "CI", "other-account"], "cii,ci,other-account"])
def test_a_name_that_asks_for_a_new_key_in_vain_is_said(now: Any) -> None:
    report = build(WORLD, [decision("ci", "compliant")], policy={"now": now})
    assert report.notes == ["rotation_now names cii, other-account, whom this run did not look at."]
    assert report.notes[0] in words(screen(report))
    assert build(WORLD, [decision("ci", "compliant")], policy={"now": ["ci"]}).notes == []


MOVE, SWITCH = f"move what uses {VENDOR} to {VENDOR_2}", f"switch {VENDOR} off | once `idle`"
TASK = {"keyturn.iam.iam_access_key": {"user_name": "vendor-x", "access_key_id": VENDOR, "active": False}}
REMEDIES = [{"say": MOVE}, {"say": SWITCH, "task": TASK}]
IN_USE = decision("vendor-x", "blocked", "Both keys are in use.", about=[VENDOR, VENDOR_2], remedies=REMEDIES)


def test_what_a_person_can_do_has_lines_of_its_own_below_the_keys() -> None:
    assert screen(build(WORLD, [IN_USE]))[:11] == [
        "What you can do stands below each user's keys. What begins with a module's name is a task of a",
        "playbook, what begins with ansible- a command: both can be pasted as they stand.",
        "",
        "NEEDS A PERSON: 1 user",
        "USER      KEY                   AGE   LAST USED               STAGE  WHAT HAPPENS",
        f"vendor-x  {VENDOR}  99d   1h ago   ses eu-west-1  -      blocked: Both keys are in use.",
        f"          {VENDOR_2}  200d  14m ago  s3 eu-west-1   -",
        "    Nothing happens by itself.",
        f"    - {MOVE}",
        f"    - {SWITCH}",
        f"      - keyturn.iam.iam_access_key: {{user_name: vendor-x, access_key_id: {VENDOR},",
    ]


def test_a_long_remedy_is_broken_and_never_cut_off() -> None:
    remedies = [{"say": "do it " * 30}, {"say": "do it " * 300}]
    report = build(WORLD, [decision("ci", "blocked", "x", about=[CI], remedies=remedies)])
    lines = screen(report)
    assert max(map(columns, lines)) <= 100
    assert [line.startswith("    - do it") for line in lines].count(True) == 2
    assert words(lines).count("do it") == 330 and "…" not in words(lines)
    assert cells(report)[0]["what_you_can_do"] == "\n".join(remedy["say"] for remedy in remedies)


def pasted(lines: list[str]) -> tuple[list[Any], list[list[str]]]:
    """The tasks and the commands on a screen, as YAML and a shell read them when they are pasted, indentation and all."""
    text = "\n".join(lines)
    tasks = [
        yaml.safe_load(found) for found in re.findall(r"^ +- [\w.]+:(?: [{\[].*)?\n(?: {8,}.*\n)*", text + "\n", re.M)
    ]
    commands = re.findall(r"^ +(ansible-(?:.*\\\n|.*'\{[^']*\n)*.*)$", text, re.M)
    return [task[0] for task in tasks], [shell_words(command) for command in commands]


def shell_words(command: str) -> list[str]:
    """As a shell reads them; shlex does not know of lines that go on."""
    read = subprocess.run(["sh", "-c", f"printf '%s\\0' {command}"], check=True, capture_output=True, text=True)
    return read.stdout.split("\0")[:-1]


@pytest.mark.parametrize("width", [72, 100, 200])
@pytest.mark.parametrize("name", ["ci", "a.user+with=all,of@iam-s_characters", "x" * 64, "no", "1e3", "-", "@a"])
def test_what_is_pasted_from_the_screen_is_the_task_and_the_command(name: str, width: int) -> None:
    path = "/srv/a folder/with a very long name/and another one/group_vars/all/iam_keys.yml"
    tasks = [
        {"keyturn.iam.iam_access_key": {"user_name": name, "access_key_id": CI, "state": "absent", "vault_file": path}},
        {"keyturn.iam.iam_access_key": {"user_name": name, "active": False, "min_idle_days": 7.5, "noted": None}},
    ]
    given = {"rotation_users": [name], "rotation_now": [name], "rotation_max_age_days": 60, "rotation_vault_file": path}
    typed = ["ansible-playbook", "keyturn.iam.rotate", "-e", json.dumps(given)]
    edit = ["ansible-vault", "edit", path]
    remedies = [
        *({"say": "Do it.", "task": task} for task in tasks),
        {"say": f"For a new key in the place of {CI}: {shlex.join(typed)}"},
        {"say": f"Rename the entry {name}: {shlex.join(edit)}"},
    ]
    lines = screen(build(WORLD, [decision(name, "blocked", "x", remedies=remedies)]), width=width)
    found, commands = pasted(lines)
    assert found == tasks
    assert commands[1] == edit and commands[0][:3] == typed[:3] and json.loads(commands[0][3]) == given
    longest = max(len(f"          {json.dumps(part)},}}'") for part in (path, name))
    assert max(map(columns, lines)) <= max(width, longest)


def test_what_a_person_can_do_is_in_every_file_once_and_its_task_can_be_pasted() -> None:
    report = build(WORLD, [IN_USE])
    (user,) = json.loads(as_json(report))["users"]
    assert user["remedies"] == [{"say": MOVE, "task": None}, {"say": SWITCH, "task": TASK}]
    assert [row["what_you_can_do"] for row in cells(report)] == [f"{MOVE}\n{SWITCH}", ""]

    (first, second) = [line for line in as_markdown(report).splitlines() if line.startswith("| vendor-x")]
    assert f"| {MOVE}<br>switch {VENDOR} off \\| once \\`idle\\` `" in first
    assert yaml.safe_load(first.rpartition(" `")[2].removesuffix("` |")) == TASK
    assert second.endswith("|  |  |")

    page = Page(as_html(report))
    assert page.texts("li") == [MOVE, f"{SWITCH} {json.dumps(TASK)}"]
    assert [yaml.safe_load(text) for text in page.texts("code")] == [TASK]
    assert [each.text == "" for each in page.elements if each.attributes.get("class") == "remedies"][:2] == [
        False,
        True,
    ]


def test_a_task_that_is_pasted_is_the_task_whatever_it_holds() -> None:
    task = {"x": {"a": "`|<b>&amp;  two  spaces", "b": "\u202e\n\u0007", "日": ["本", 1, None, True]}}
    remedy = {"say": "do so", "task": task}
    report = build(WORLD, [decision("ci", "blocked", "x", about=[CI], remedies=[remedy])])
    text = next(line for line in as_markdown(report).splitlines() if line.startswith("| ci"))
    pasted = text.rpartition(" `")[2].removesuffix("` |")
    assert not set(pasted) & set("`|<>")
    assert yaml.safe_load(pasted) == task
    assert [yaml.safe_load(each) for each in Page(as_html(report)).texts("code")] == [task]


def test_remedies_stand_with_what_the_plan_says_after_what_was_done() -> None:
    off = action("deactivate", "vendor-x", OLD, reason="idle")
    told = [row for row in build(WORLD, [IN_USE], [result(off)]).rows if row.head]
    assert [(row.head, len(row.remedies)) for row in told] == [("switched off", 0), ("blocked", 2)]


def every_form(report: Report) -> dict[str, list[tuple[str, str]]]:
    """Of each form of a report: which sentence stands beside which key."""
    found: dict[str, list[tuple[str, str]]] = {"screen": [], "md": [], "html": []}
    for line in screen(report, show_all=True)[1:]:
        if match := re.search(r"(AKIA\w{16}|  -)  .*  (\S.*:.*)$", line):
            found["screen"].append((match[1].strip(), match[2]))
    for line in as_markdown(report, show_all=True).splitlines():
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if len(parts) >= 8 and parts[7] and parts[0] != "User":
            found["md"].append((parts[2], parts[7]))
    key_id = ""
    for element in Page(as_html(report)).elements:
        if element.attributes.get("data-label") == "Key" or (
            element.text == "-" and element.attributes.get("data-label") == "" and not key_id
        ):
            key_id = element.text
        if element.attributes.get("class") == "what":
            found["html"] += [(key_id, element.text)] if element.text else []
            key_id = ""
    found["csv"] = [(row["access_key_id"] or "-", row["what_happens"]) for row in cells(report) if row["what_happens"]]
    return found


DEPARTED = "AKIADEPARTEDXXXXXXXX"


@pytest.mark.parametrize(
    ("world", "given", "key_id", "sentence"),
    [
        pytest.param(
            info(key("u", CI, 3.0)),
            decision("u", "broken", "The stored key is gone.", about=[DEPARTED]),
            DEPARTED,
            "broken: The stored key is gone.",
            id="a stored current key that a person deleted, beside one made by hand",
        ),
        pytest.param(
            info(key("u", OLD, 100.0, stage="previous"), key("u", CURRENT, 3.0, stage="current")),
            decision("u", "grace", "Off from 1 May on.", about=[OLD]),
            OLD,
            "in grace: Off from 1 May on.",
            id="an older key in grace beside the current one",
        ),
        pytest.param(
            info(),
            decision("u", "gone", "IAM has no such user.", about=[DEPARTED]),
            DEPARTED,
            "gone: IAM has no such user.",
            id="an entry of a user that IAM does not have",
        ),
        pytest.param(
            info(key("u", CURRENT, 3.0, stage="current")),
            decision("u", "held", "After a rollback.", about=[]),
            "-",
            "held: After a rollback.",
            id="what is about no key",
        ),
    ],
)
def test_a_sentence_stands_beside_the_key_that_it_is_about_in_every_form(
    world: dict[str, Any], given: dict[str, Any], key_id: str, sentence: str
) -> None:
    report = build(world, [given])
    assert every_form(report) == {form: [(key_id, sentence)] for form in ("screen", "md", "html", "csv")}
    (user,) = json.loads(as_json(report))["users"]
    assert user["about"] == given["about"]
    keys = sorted(each["access_key_id"] for each in world["access_keys"])
    assert sorted(row.access_key_id for row in report.rows if row.access_key_id) == sorted({*keys, *given["about"]})


def test_a_key_that_is_not_listed_has_a_row_of_its_own_beside_what_is_done_with_another() -> None:
    make = action("create", "u", None, CI)
    report = build(info(key("u", CI)), [decision("u", "due", "x", make, about=[CI, DEPARTED])], check_mode=True)
    assert [(row.access_key_id, row.sentence, row.key) for row in report.rows][1:] == [(DEPARTED, "", {})]


def test_no_sentence_is_searched_for_keys() -> None:
    reason = f"{OLD} and {CI} and {DEPARTED}"
    world = info(key("u", OLD, 100.0), key("u", CI, 100.0, status="Inactive"), key("u", CURRENT, 3.0))
    report = build(world, [decision("u", "blocked", reason, about=[CURRENT])])
    assert [(row.access_key_id, row.listed, bool(row.head)) for row in report.rows] == [
        (CURRENT, True, True),
        (OLD, True, False),
        (CI, False, False),
    ]


def test_rows_are_made_once() -> None:
    report = build(WORLD, DECISIONS)
    assert all(mine is again for mine, again in zip(report.rows, report.rows))


def test_thousands_of_users() -> None:
    count = 5000
    keys = [
        key(f"user-{number:04}", f"AKIA{number:016}", 100.0 if number % 10 == 0 else 5.0) for number in range(count)
    ]
    plan = [
        decision(name, "due", "old", action("create", name, None, each["access_key_id"]))
        if each["age_days"] > 90
        else decision(name, "compliant")
        for each in keys
        for name in [each["user_name"]]
    ]
    report = build(info(*keys), plan, check_mode=True)
    lines = screen(report, report_file="/reports/keys.html")
    assert len(lines) < 15
    assert "and 499 more: would make a new key: user-0010, user-0020," in words(lines) and "489 others" in words(lines)
    assert "what can be done for each: /reports/keys.html; with -v" in words(lines)
    assert lines[-1] == "5000 users: 500 due, 4500 compliant. Would make 500 keys, switch off 0, delete 0."
    assert len(screen(report, show_all=True)) > count
    assert len(json.loads(as_json(report))["users"]) == len(cells(report)) == count


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_spreadsheet_takes_no_value_for_a_formula(value: str) -> None:
    use = {"last_used_service": value, "last_used_region": value}
    report = build(info(key(value, CI, **use)), [decision(value, "compliant", value)])
    row = cells(report)[0]
    assert [row[name] for name in ("user_name", "last_used_service", "last_used_region", "reason")] == [
        "'" + value.replace("\r", "\n")
    ] * 4
    assert row["what_happens"] == "compliant: " + value.replace("\r", "\n")


def test_csv_has_a_row_for_each_key_and_each_user_without_one() -> None:
    rows = cells(
        build(
            WORLD,
            [*DECISIONS, decision("nobody", "no_active_key", 'a "quoted", reason\nin two lines')],
            check_mode=True,
        )
    )
    assert [(row["user_name"], row["access_key_id"]) for row in rows] == [
        ("ci", CI),
        ("backup", OLD),
        ("backup", CURRENT),
        ("vendor-x", VENDOR),
        ("vendor-x", VENDOR_2),
        ("nobody", ""),
        ("fine", "AKIAFINEFINEFINEFINE"),
    ]
    assert rows[0]["what_happens"] == "would make a new key: 120 days old, limit 90"
    assert (rows[0]["drift"], rows[0]["age_days"], rows[0]["key_status"]) == ("true", "120.90", "Active")
    assert rows[5]["reason"] == 'a "quoted", reason\nin two lines'


def test_markdown_is_a_table_whatever_the_names_are() -> None:
    name = "a|b<script>alert(1)</script>\n`c` [d](javascript:e) *f* & \\|"
    text = as_markdown(build(info(key(name, CI)), [decision(name, "blocked", name)], check_mode=True))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table} == {10}
    assert "<" not in text
    assert "a\\|b&lt;script&gt;alert(1)&lt;/script&gt; \\`c\\` \\[d\\](javascript:e) \\*f\\* &amp; \\\\\\|" in table[2]


def test_markdown_has_the_totals_the_account_and_the_whole_sentences() -> None:
    text = as_markdown(build(WORLD, DECISIONS, check_mode=True))
    assert text.startswith(
        f"# Access keys of account 123456789012\n\n{NOW}. Nothing was changed: this is what would happen.\n\n4 users: "
    )
    assert f"| blocked: {BLOCKED} |" in text
    assert "| fine |" not in text
    assert "| fine |" in as_markdown(build(WORLD, DECISIONS), show_all=True)


def test_the_page_has_the_totals_the_account_and_a_table_of_drift() -> None:
    page = Page(as_html(build(WORLD, DECISIONS, check_mode=True)))
    title = "Access keys of account 123456789012"
    assert page.texts("title", "h1") == [title, title]
    assert page.texts("p")[:3] == [
        f"{NOW}. Nothing was changed: this is what would happen.",
        "4 users: 1 due, 1 to retire, 1 blocked, 1 compliant.",
        "Would make 1 key, switch off 1, delete 0.",
    ]
    assert [line.split("\n") for line in page.texts("thead")] == [
        [
            "User",
            "Status",
            "Key",
            "Key status",
            "Age",
            "Last used",
            "Stage",
            "What happens",
            "What you can do",
            "Breaks",
        ]
    ] * 2
    assert page.texts("tr")[1:6] == [
        "\n".join(cells)
        for cells in (
            (
                "ci",
                "due",
                CI,
                "Active",
                "120d",
                "2h ago s3 eu-west-1",
                "-",
                "would make a new key: 120 days old, limit 90",
                "",
                "",
            ),
            (
                "backup",
                "to retire",
                OLD,
                "Active",
                "131d",
                "9d ago s3 us-east-1",
                "previous",
                f"would switch off: {SWITCH_OFF['reason']}",
                *BREAKS,
            ),
            (CURRENT, "Active", "8d", "12h ago s3 eu-west-1", "current", "", ""),
            (
                *("vendor-x", "blocked", VENDOR, "Active", "99d", "1h ago ses eu-west-1", "-", f"blocked: {BLOCKED}"),
                *BREAKS,
            ),
            (VENDOR_2, "Active", "200d", "14m ago s3 eu-west-1", "-", "", ""),
        )
    ]
    assert page.texts("caption") == ["Not as the policy wants them", "No drift and no action"]
    heads = [each.attributes["rowspan"] for each in page.elements if each.attributes.get("scope") == "rowgroup"]
    assert heads == ["1", "2", "2", "1"]


def test_the_page_tells_drift_first_and_folds_in_who_needs_nothing() -> None:
    world = info(*WORLD["access_keys"], key("ci", NEW, 0.0, None, stage="current"))
    plan = [decision("ci", "grace", "waits for 7 days") if each["user_name"] == "ci" else each for each in DECISIONS]
    steps = [result(MAKE, key_id=NEW), result(SWITCH_OFF, False, True, "It is in use.")]
    report = build(world, plan, steps, policy={"max_age_days": 121})
    text = as_html(report)
    page = Page(text)
    assert page.outline == [
        "Drift: 2 users",
        "backup",
        "vendor-x",
        "Actions: 1 user",
        "ci",
        "Nothing to do: 1 user",
        "fine",
    ]
    assert "Failed: backup (switch off)." in page.texts("p")
    assert "No drift." not in page.texts("p")
    assert [each.attributes for each in page.elements if each.name == "details"] == [{}]
    (folded,) = page.texts("details")
    assert "fine\ncompliant\nAKIAFINEFINEFINEFINE" in folded
    assert "vendor-x" not in folded
    assert as_html(report, show_all=True) == text.replace("<details>", '<details open="">')


def test_the_page_has_every_key_of_every_user_and_what_the_other_files_say() -> None:
    plan = [*DECISIONS, *(decision(f"user-{status}", status, f"why {status}") for status in STATUSES)]
    deed, failure = result(MAKE, key_id=NEW), result(MAKE, False, True, "The quota is full.")
    for results, check_mode in itertools.product(([], [deed], [failure]), (True, False)):
        report = build(WORLD, plan, results, check_mode)
        page = Page(as_html(report))
        shown = [each.text for each in page.elements if each.attributes.get("data-label") == "Key"]
        assert sorted(shown) == sorted(row.access_key_id for row in report.rows if row.access_key_id)
        assert {row.sentence for row in report.rows} <= set(page.texts("td"))
        assert sorted(user.user_name for user in report.users) == sorted(set(page.outline) - set(page.texts("h2")))


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&amp;",
    "&lt;b&gt; &#60; &notit; &",
    "</td></table></body>",
    "--><!-- ]]> <![CDATA[ <?php",
    "{style} {0} %s",
    "{{ 7 * 7 }} {% raw %} {# gone #}",
    "turned \u202e and \u2066 back",
    "a\x00b\x1b[31m\r\nc",
    "javascript:alert(1) https://example.com/x.js url(//example.com)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_page_shows_a_text_as_text_and_loads_nothing(text: str) -> None:
    use = {"last_used_service": text, "last_used_region": text, "stage": text, "status": text}
    world = {**info(key(text, text, 10.0, **use), key("b", CI)), "account": {"account_id": text}, "now": text}
    failing = action("create", "b", None, CI)
    remedy = {"say": text, "task": {text: text}}
    rule = {"number": text, "title": text, "on_purpose": False}
    plan = [
        decision(text, text, text, about=[text], remedies=[remedy], rules=[rule]),
        decision("b", "due", "x", failing),
        decision("c", "error", text),
    ]
    page = Page(as_html(build(world, plan, [result(failing, False, True, text)])))
    known = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert {each.name for each in page.elements} <= known | {"strong", "b", "details", "summary", "ul", "li", "code"}
    assert {name for each in page.elements for name in each.attributes} == {
        *("lang", "charset", "name", "content", "http-equiv"),
        *("scope", "rowspan", "class", "data-label"),
    }
    shown = clean(text)
    assert page.texts("title") == [f"Access keys of account {shown}"]
    assert page.texts("p")[0] == f"{shown}. This is what was done."
    assert shown in page.outline
    assert {shown, f"2h ago {shown} {shown}", f"failed to make a new key: {shown}", f"error: {shown}"} <= set(
        page.texts("td")
    )
    (style,) = page.texts("style")
    assert style.strip() == page_style().strip()
    assert not re.search(r"url\(|@import|//", style)


def test_drift_goes_by_the_age_that_a_users_own_tag_allows() -> None:
    seen = info(key("ci", CI, 120.0))
    limits: list[tuple[dict[str, Any], list[str]]] = [({}, ["ci"]), ({"max_age_days": 365}, [])]
    for limit, drift in limits:
        assert build(seen, [decision("ci", "compliant", **limit)]).drift == drift


def test_the_json_file_has_the_documented_keys() -> None:
    document = json.loads(as_json(build(WORLD, DECISIONS, check_mode=True, policy={"max_age_days": 90, "now": []})))
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    user = document["users"][0]
    (rich,) = json.loads(as_json(build(WORLD, [{**IN_USE, "rules": [ONE_KEY]}])))["users"]
    seen = {*document, *document["totals"], *user, *user["actions"][0], *user["access_keys"][0]}
    seen |= {*rich["remedies"][1], *rich["rules"][0]}
    assert seen <= documented
    assert user["what_happens"] == ["would make a new key: 120 days old, limit 90"]
    assert document["policy"] == {"max_age_days": 90, "now": []}
    assert (document["format"], document["check_mode"], document["now"]) == (1, True, NOW)


def test_no_form_of_the_report_holds_a_secret() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    leaky = {"secret_access_key": secret, "SecretAccessKey": secret, "a_secret": {"inside": secret}}
    made = {**MAKE, **leaky}
    report = build(
        {**info(key("ci", CI, **leaky)), **leaky},
        [{**decision("ci", "due", "x", made), **leaky}],
        [{**result(made, key_id=NEW), **leaky}],
        policy={"max_age_days": 90, **leaky},
    )
    texts = [repr(report), "\n".join(screen(report, show_all=True))]
    texts += [render(report, f"x{ending}", show_all=True) for ending in (".json", ".csv", ".md", ".html", ".prom")]
    assert not [text for text in texts if secret in text]


class Tagged(str):
    """As ansible-core 2.19+ hands strings out."""


def test_values_become_plain() -> None:
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    given = {
        Tagged("name"): Tagged("value"),
        "when": moment,
        "none": None,
        "flag": True,
        "list": (1, 2.5),
        7: {"secret": 1},
        "bytes": b"x",
    }
    out = without_secrets(given)
    assert out == {
        "name": "value",
        "when": "2026-01-01T00:00:00+00:00",
        "none": None,
        "flag": True,
        "list": [1, 2.5],
        "7": {},
        "bytes": "b'x'",
    }
    assert {type(each) for each in (*out, out["name"])} == {str}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (({}, []), "has no access_keys"),
        ((info(), [{"status": "due"}]), "no user_name or no status"),
        ((info(), ["ci"]), "no user_name or no status"),
        ((info(), [], ["ci"]), "is not a mapping"),
        ((info(), [], [{"action": "create"}]), "does not know the action 'create'"),
        ((info(), [decision("ci", "due", about=CI)]), "the about of user ci: it must be a list of access key ids."),
        ((info(), [decision("ci", "due", remedies=["x"])]), "the remedies of user ci: it must be a list of mappings"),
        ((info(), [decision("ci", "due", remedies=[{}])]), "the remedies of user ci: it must be a list of mappings"),
        ((info(), [decision("ci", "due", rules="x")]), "the rules of user ci: it must be a list of mappings"),
        ((info(), [], [{"action": {"action": "explode", "user_name": "ci"}}]), "does not know the action"),
        ((info(), [], (), False, {"max_age_days": "many"}), "needs a number of days as the policy's max_age_days"),
    ],
)
def test_other_data_is_refused_in_a_sentence(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(ReportError, match=re.escape(sentence)):
        build(*arguments)


def test_a_status_from_a_later_version_is_counted() -> None:
    report = build(WORLD, [decision("ci", "brand_new")])
    assert screen(report)[-1].startswith("1 user: 1 brand new. ")


@pytest.mark.parametrize("name", ["r.htm", "r.txt", "r", ".json/r", "html"])
def test_an_ending_that_names_no_form_is_refused(name: str) -> None:
    with pytest.raises(
        ReportError,
        match=r"names no form of a report; name a file that ends in \.json, \.md, \.html, \.csv or \.prom\.$",
    ):
        render(build(WORLD, DECISIONS), name)


@pytest.mark.parametrize("ending", [".json", ".csv", ".md", ".html", ".JSON", ".HTML"])
def test_each_form_is_written_and_replaced_at_once(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"report{ending}"
    path.write_text("an older and much longer one " * 1000)
    path.chmod(0o640)
    link = tmp_path / f"link{ending}"
    link.symlink_to(path)
    text = render(build(info(key("日本", CI)), [decision("日本", "due", "lone \udce9 surrogate")]), str(link))
    write(str(link), text)
    assert "日本" in path.read_text(encoding="utf-8")
    assert re.search(r"lone (\\udce9 )?surrogate", path.read_text(encoding="utf-8"))
    assert path.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, link.name])


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(str(tmp_path / "r.md"), "text")
    finally:
        os.umask(before)
    assert (tmp_path / "r.md").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReportError, match=r"the folder .*missing does not exist; make it or name another"):
        write(str(tmp_path / "missing" / "r.md"), "text")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ReportError, match="because that is a folder"):
        write(str(tmp_path / "folder.md"), "text")

    def full(*unused: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReportError, match=r"was not written: No space left on device\.$"):
        write(str(tmp_path / "r.md"), "text")
    assert os.listdir(tmp_path) == ["folder.md"]
