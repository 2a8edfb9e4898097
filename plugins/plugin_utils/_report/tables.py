# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as CSV and as Markdown, and the cells that Markdown and HTML share."""

from __future__ import annotations

import csv
import io
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import Rule
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Remedy, Report, Row
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import status_head
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    clean,
    failures_line,
    in_one_line,
    last_use,
    short_age,
    title,
    totals_sentences,
    when_and_whether,
)

_CSV_COLUMNS = (
    "user_name",
    "status",
    "drift",
    "access_key_id",
    "key_status",
    "stage",
    "create_date",
    "age_days",
    "last_used_date",
    "last_used_service",
    "last_used_region",
    "idle_days",
    "what_happens",
    "what_you_can_do",
    "reason",
    "next_date",
    "rules",
)


def as_csv(report: Report) -> str:
    """One row for each key of each user, and one for a user without a key.

    A spreadsheet takes no value for a formula.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = (*_CSV_COLUMNS, "owner") if report.has_owners else _CSV_COLUMNS
    writer.writerow(names)
    for row in report.rows:
        cells = {name: row.key.get(name) for name in names}
        cells.update(
            user_name=row.user_name,
            status=row.status,
            drift=row.drift,
            access_key_id=row.access_key_id,
            key_status=row.key.get("status"),
            what_happens=row.sentence,
            what_you_can_do="\n".join(remedy.say for remedy in row.remedies),
            reason=row.reason,
            next_date=row.next_date,
            rules="\n".join(map(rule_text, row.rules)),
            owner=row.owner,
        )
        writer.writerow([_csv_cell(cells[name]) for name in names])
    return out.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = str(value)
    # The list is OWASP's ("CSV Injection"), with the full-width forms that spreadsheets take for the same.
    harmless = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
    # csv leaves a lone carriage return unquoted, and then cannot read it again.
    return harmless.replace("\r\n", "\n").replace("\r", "\n")


COLUMNS = (
    "User",
    "Status",
    "Key",
    "Key status",
    "Age",
    "Last used",
    "Stage",
    "What happens",
    "What you can do",
)


def columns_of(report: Report) -> list[str]:
    """The columns of Markdown and HTML: owners and broken rules have one where there are any."""
    user, *others = COLUMNS
    return [user, *(["Owner"] if report.has_owners else []), *others, *(["Breaks"] if report.has_rules else [])]


def rule_text(rule: Rule) -> str:
    return f"{rule.number} {rule.title}{' (on purpose)' if rule.on_purpose else ''}"


def status_cell(row: Row) -> str:
    return status_head(row.status) if row.status else "-"


def key_cells(row: Row) -> list[tuple[str, str]]:
    """What Markdown and HTML show of a row's key, each under its column."""
    cells = (
        row.access_key_id or "-",
        row.key.get("status") or "-",
        short_age(row.key.get("age_days")),
        " ".join(filter(None, last_use(row.key))),
        row.key.get("stage") or "-",
    )
    return list(zip(COLUMNS[2:7], cells))


def as_markdown(report: Report, show_all: bool = False) -> str:
    """A table that a ticket shows: the users that need something, those with nothing to do counted (all of them with
    `show_all`).
    """
    parts = [f"# {_md(title(report))}", _md(when_and_whether(report)), _md(" ".join(totals_sentences(report)))]
    failed = failures_line(report, most=len(report.failures))
    if failed:
        parts.append(_md(failed))
    rows = [row for row in report.rows if show_all or row.listed]
    if rows:
        heads = columns_of(report)
        table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        table += [f"| {' | '.join(_md_cells(row, report))} |" for row in rows]
        parts.append("\n".join(table))
    parts += [_md(note) for note in report.notes]
    return "\n\n".join(parts) + "\n"


def _md_cells(row: Row, report: Report) -> list[str]:
    owner = [row.owner or "-"] if report.has_owners else []
    texts = [row.user_name, *owner, status_cell(row), *(text for _column, text in key_cells(row)), row.sentence]
    rules = ["<br>".join(_md(rule_text(rule)) for rule in row.rules)] if report.has_rules else []
    return [*map(_md, texts), "<br>".join(map(_md_remedy, row.remedies)), *rules]


def _md_remedy(remedy: Remedy) -> str:
    """What a person can do, and the task as code, in which nothing can end the code or the cell."""
    say = _md(remedy.say)
    return f"{say} `{in_one_line(remedy.task)}`" if remedy.task else say


_MD_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{c: f"\\{c}" for c in "\\`*[]|"}})


def _md(value: Any) -> str:
    """The value as it reads, in one line: neither HTML, nor a link, nor the end of a table's cell."""
    return clean(value).translate(_MD_ESCAPES)
