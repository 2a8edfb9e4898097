# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one HTML page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.rows import rows_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.style import STYLE
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.tables import TABLE_COLUMNS, table_cells
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    clean,
    failures_line,
    title,
    totals_sentences,
    when_and_whether,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import counted

# The policy in it is for the day on which something is escaped wrongly: a browser then still runs and loads nothing.
_HTML_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
{title}
<style>
{style}</style>
</head>
{body}
</html>
"""


class _Markup(str):
    """HTML that an element contains as it is; every other text is escaped."""


def _element(name: str, *content: str, **attributes: str) -> _Markup:
    """An element in which no text is markup, neither in its content nor in an attribute (`class_`, `data_label`)."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(clean(value))}"' for key, value in attributes.items()
    )
    inside = [part if isinstance(part, _Markup) else html.escape(clean(part)) for part in content]
    # Elements without text between them have lines of their own: a mail server may break long lines anywhere.
    between = "\n" if all(isinstance(part, _Markup) for part in content) else ""
    return _Markup(f"<{name}{given}>{between.join(inside)}</{name}>")


def as_html(report: Report, show_all: bool = False) -> str:
    """One page for a mail or a build server: drift first, the users with nothing to do folded in (unfolded with `show_all`)."""
    drift = [user for user in report.users if user.drift]
    actions = [user for user in report.users if user.needs_attention and not user.drift]
    rest = [user for user in report.users if not user.needs_attention]
    failed = failures_line(report, most=len(report.failures))
    parts = [_element("h1", title(report)), _element("p", when_and_whether(report))]
    parts += [_element("p", sentence, class_="total") for sentence in totals_sentences(report)]
    if failed:
        parts.append(_element("p", failed, class_="failed"))
    if drift:
        parts += _html_users("Drift", "Not as the policy wants them", drift, report.check_mode)
    else:
        parts.append(_element("p", "No drift."))
    if actions:
        parts += _html_users("Actions", "No drift, but an action", actions, report.check_mode)
    if rest:
        heading, table = _html_users("Nothing to do", "No drift and no action", rest, report.check_mode)
        unfolded = {"open": ""} if show_all else {}
        parts.append(_element("details", _element("summary", heading), table, **unfolded))
    parts += [_element("p", note) for note in report.notes]
    return _HTML_PAGE.format(title=_element("title", title(report)), style=STYLE, body=_element("body", *parts))


def _html_users(heading: str, caption: str, users: Sequence[UserReport], check_mode: bool) -> tuple[_Markup, _Markup]:
    """The heading and the table of some users, with all their keys."""
    header = _element("tr", *(_element("th", column, scope="col") for column in TABLE_COLUMNS))
    bodies = [_html_user(user, check_mode) for user in users]
    table = _element("table", _element("caption", caption), _element("thead", header), *bodies)
    return _element("h2", f"{heading}: {counted(len(users), 'user')}"), table


def _html_user(user: UserReport, check_mode: bool) -> _Markup:
    """A user's rows; the name and the status are said once, beside all of them."""
    rows = rows_of(user, check_mode)
    span = str(len(rows))
    lines: list[_Markup] = []
    for row in rows:
        name, status, *of_key, sentence = table_cells(row)
        cells = (
            []
            if lines
            else [
                _element("th", name, scope="rowgroup", rowspan=span),
                _element("td", _element("b", status), rowspan=span),
            ]
        )
        # The labels are for a phone, where the columns' heads are not shown, and neither is what has no label.
        cells += [
            _element("td", text, data_label="" if text == "-" else column)
            for column, text in zip(TABLE_COLUMNS[2:], of_key)
        ]
        cells.append(
            _element("td", _element("strong", row.head), sentence.removeprefix(row.head))
            if sentence
            else _element("td")
        )
        lines.append(_element("tr", *cells))
    return _element("tbody", *lines, class_="drift" if user.drift else "other")
