# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one HTML page: `page.html.j2`, with the style in `page.css`."""

from __future__ import annotations

import pkgutil
from functools import cache
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import count
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.tables import (
    columns_of,
    key_cells,
    rule_text,
    status_cell,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    clean,
    failures_line,
    in_one_line,
    title,
    totals_sentences,
    when_and_whether,
)
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup


def as_html(report: Report, show_all: bool = False) -> str:
    """One page for a mail or a build server: drift first, the users with nothing to do folded in (unfolded with
    `show_all`).
    """
    return _template().render(
        title=title(report),
        when_and_whether=when_and_whether(report),
        totals=totals_sentences(report),
        failures=failures_line(report, most=len(report.failures)),
        columns=columns_of(report),
        has_owners=report.has_owners,
        has_rules=report.has_rules,
        drift=[user for user in report.users if user.drift],
        actions=[user for user in report.users if user.needs_attention and not user.drift],
        rest=[user for user in report.users if not user.needs_attention],
        notes=report.notes,
        show_all=show_all,
        style=Markup(style()),
    )


def style() -> str:
    """The page's style, without the licence of its file."""
    return _beside("page.css").partition("*/")[2].lstrip()


@cache
def _template() -> Template:
    """All that is put into the page is escaped, and without control characters: nothing in it comes from us alone."""
    environment = Environment(
        autoescape=True,
        finalize=_in_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=count, in_one_line=in_one_line, key_cells=key_cells, status_cell=status_cell)
    environment.filters["rule_text"] = rule_text
    return environment.from_string(_beside("page.html.j2"))


def _in_text(value: Any) -> Any:
    """What is put into the page; a part of it that is markup stays as it is."""
    return value if isinstance(value, Markup) else clean(value)


def _beside(name: str) -> str:
    data = pkgutil.get_data(__name__, name)
    if data is None:
        raise FileNotFoundError(f"{name} is missing from this installation of keyturn.iam")
    return data.decode()
