# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on the screen: whom it needs, what was done, what lies ahead, and totals; as wide as the terminal."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import count, listed
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import GROUPS, Report, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.table import Paint, Table
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import AHEAD, status_head, status_of_users
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    clean,
    columns,
    failures_line,
    totals_sentences,
    wrap,
)

SCREEN_WIDTH = 100
MANY_USERS = 30
"""Where more than so many are to be listed, those of a kind are told by one of them, and the others are named."""
FEW_OF_A_KIND = 3
NAMES = 10
MANY_LINES = 30
"""Where there are more, the totals come first."""
_HEADINGS = {
    "person": "NEEDS A PERSON",
    "waiting": "WAITS, OR IS LEFT ALONE",
    "ahead": "NOTHING TO DO NOW",
    "well": "WELL",
}
_SIMPLE = re.compile(r"[A-Za-z0-9_=+.@,-]+")
_TO_PASTE = (
    "What you can do stands below each user's keys. What begins with a module's name is a task of a playbook, what "
    "begins with ansible- a command: both can be pasted as they stand."
)


class _Kind(NamedTuple):
    """Users of whom the same is said: those who are shown, and those who are named only."""

    name: str
    shown: Sequence[UserReport]
    named: Sequence[UserReport]


def unpainted(text: str, _group: str) -> str:
    return text


def screen(
    report: Report,
    show_all: bool = False,
    width: int = SCREEN_WIDTH,
    paint: Paint = unpainted,
    report_file: str | None = None,
) -> list[str]:
    """The report as lines of at most so many columns, but for what a person has to type, which is never cut off.

    `report_file` is where all of it is written, or nothing.
    """
    lists = _lists(report, show_all, width, paint, report_file)
    summary = _summary(report, width, paint)
    parts = [summary, *lists] if sum(map(len, lists)) > MANY_LINES else [*lists, summary]
    first, *others = [part for part in parts if part]
    return [*first, *(line for part in others for line in ("", *part))]


def _summary(report: Report, width: int, paint: Paint) -> list[str]:
    totals = " ".join(totals_sentences(report))
    # Two sentences that do not fit one line are two lines, so that each can be searched for.
    sentences = [totals] if columns(totals) <= width else totals_sentences(report)
    lines = [line for text in sentences for line in wrap(clean(text), width)]
    lines += [paint(line, "person") for line in wrap(clean(failures_line(report)), width)]
    return [*lines, *(line for note in report.notes for line in wrap(clean(note), width))]


def _lists(report: Report, show_all: bool, width: int, paint: Paint, report_file: str | None) -> list[list[str]]:
    """A list of lines for each group of users."""
    groups = {name: [user for user in report.users if user.group == name] for name in GROUPS}
    listed_groups = GROUPS if show_all else GROUPS[:3]
    many = not show_all and sum(len(groups[name]) for name in listed_groups) > MANY_USERS
    kinds = {name: _kinds(groups[name], report.check_mode, many) for name in listed_groups}
    shown = [user for own in kinds.values() for kind in own for user in kind.shown]
    table = Table(shown, show_all, width, paint)
    lists = [_how_to_type(shown, width)]
    for name in listed_groups:
        if groups[name]:
            heading = wrap(_heading(name, len(groups[name]), report.check_mode), width)
            users = [line for kind in kinds[name] for line in _lines_of_kind(kind, table, width)]
            lists.append([*(paint(line, name) for line in heading), table.head(), *users])
    if many and any(kind.named for own in kinds.values() for kind in own):
        lists.append(wrap(_where_all_are(report_file), width))
    return lists if show_all else [*lists, _ahead(groups["ahead"], width, paint)]


def _heading(group: str, number: int, check_mode: bool) -> str:
    users = count(number, "user")
    if group == "done":
        return f"THE ROTATION WOULD DO THIS: {users}" if check_mode else f"THE ROTATION DID THIS: {users}"
    return f"{_HEADINGS[group]}: {users}"


def _how_to_type(users: Sequence[UserReport], width: int) -> list[str]:
    remedies = [remedy for user in users for remedy in user.remedies]
    return wrap(_TO_PASTE, width) if any(remedy.task or remedy.command for remedy in remedies) else []


def _kinds(users: Sequence[UserReport], check_mode: bool, many: bool) -> list[_Kind]:
    """The users in their order, by what is said of them."""
    found: dict[str, list[UserReport]] = {}
    for user in users:
        found.setdefault(_kind(user, check_mode), []).append(user)
    return [
        _Kind(name, own[:1], own[1:]) if many and len(own) > FEW_OF_A_KIND else _Kind(name, own, ())
        for name, own in found.items()
    ]


def _kind(user: UserReport, check_mode: bool) -> str:
    failed = [step for step in user.steps if step.outcome == "failed"]
    told = failed or (user.steps if user.group == "done" else ())
    return replace(told[0], new_access_key_id=None).head(check_mode) if told else status_head(user.status)


def _lines_of_kind(kind: _Kind, table: Table, width: int) -> list[str]:
    lines = [line for user in kind.shown for line in table.lines(user)]
    if not kind.named:
        return lines
    more = f"and {len(kind.named)} more: {kind.name}: {_names(kind.named)}"
    return [*lines, *wrap(more, width)]


def _names(users: Sequence[UserReport]) -> str:
    names = [clean(user.user_name) for user in users[:NAMES]]
    more = len(users) - len(names)
    return listed([*names, f"{more} others"]) if more > 1 else listed(clean(user.user_name) for user in users)


def _where_all_are(report_file: str | None) -> str:
    if report_file:
        return f"All users, with what can be done for each: {clean(report_file)}; with -v they are listed here."
    return "With -v all users are listed here; rotation_report_file (.html, .md, .csv, .json) has them in a file."


def _ahead(users: Sequence[UserReport], width: int, paint: Paint) -> list[str]:
    """Who is no drift, and of whom something is to be known all the same; many are counted in the totals only."""
    by_status = {status: [user for user in users if user.status == status] for status in AHEAD}
    few = {status: own for status, own in by_status.items() if 0 < len(own) <= NAMES}
    lines = [paint(_heading("ahead", sum(map(len, few.values())), False), "ahead")] if few else []
    for status, own in few.items():
        names = ", ".join(f"{clean(user.user_name)}{_on(user)}" for user in own)
        first, *more = wrap(f"{status_of_users(status)}: {names}. {AHEAD[status].meaning}", width - 4)
        lines += [f"  {first}", *(f"    {text}" for text in more)]
        if AHEAD[status].is_for_a_person:
            lines.append(f"    -e {_named_now(own)}")
    return lines


def _named_now(users: Sequence[UserReport]) -> str:
    """The option that names them, as a shell reads it; IAM has names with commas."""
    names = [clean(user.user_name) for user in users]
    simple = f"rotation_now={','.join(names)}"
    if _SIMPLE.fullmatch(simple) and simple.count(",") < len(names):
        return simple
    return shlex.quote(json.dumps({"rotation_now": names}, ensure_ascii=False))


def _on(user: UserReport) -> str:
    return f" ({clean(user.next_date)[:10]})" if user.next_date else ""
