# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report on the screen: a table and a line of totals, within 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, Row
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    clean,
    columns,
    failures_line,
    last_use,
    pad,
    short_age,
    shorten,
    totals_sentences,
    wrap,
)

SCREEN_WIDTH = 100
_GAP = "  "
_WHAT_LEAST = 22  # fits "would make a new key:"
_LAST_USED_LEAST = 24
_KEY_MOST = 24
_REMEDY = "you can: "
_SENTENCE_MOST = 8  # lines; a longer one is in the file, whole


def screen(report: Report, show_all: bool = False) -> list[str]:
    """The table and the line of totals as lines of at most 100 columns: plain text, the same on a terminal and in a log."""
    rows = [row for row in report.rows if show_all or row.listed]
    lines = [*_table(rows), ""] if rows else []
    totals = " ".join(totals_sentences(report))
    # Two sentences that do not fit one line are two lines, so that each can be searched for.
    for text in (
        *([totals] if columns(totals) <= SCREEN_WIDTH else totals_sentences(report)),
        failures_line(report),
        *report.notes,
    ):
        lines += wrap(clean(text), SCREEN_WIDTH)
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    names = [clean(row.user_name) for row in rows]
    ids = [shorten(clean(row.access_key_id or "-"), _KEY_MOST) for row in rows]
    ages = [short_age(row.key.get("age_days")) for row in rows]
    stages = [row.key.get("stage") or "-" for row in rows]
    uses = [last_use(row.key) for row in rows]
    when_width = max((len(when) for when, service, _region in uses if service), default=0)

    def width(header: str, cells: Iterable[str]) -> int:
        return max(len(header), *map(columns, cells))

    def use_cells(most: int) -> list[str]:
        return [_use_cell(use, when_width, most) for use in uses]

    key_width, age_width, stage_width = width("KEY", ids), width("AGE", ages), width("STAGE", stages)
    room = SCREEN_WIDTH - key_width - age_width - stage_width - _WHAT_LEAST - 5 * len(_GAP)
    use_width = width("LAST USED", use_cells(SCREEN_WIDTH))
    longest = width("USER", names)
    if longest + use_width > room:
        use_width = width("LAST USED", use_cells(max(_LAST_USED_LEAST, room - longest)))
    # A name that does not fit has a line of its own: shortened, it could not be told from its neighbours.
    user_width = max([len("USER"), *(n for n in map(columns, names) if n <= room - use_width)])
    widths = (user_width, key_width, age_width, use_width, stage_width)
    what_width = SCREEN_WIDTH - sum(widths) - 5 * len(_GAP)
    below_width = SCREEN_WIDTH - user_width - len(_GAP)

    def line(*cells: str) -> str:
        return _GAP.join([*(pad(cell, size) for cell, size in zip(cells, widths)), *cells[len(widths) :]]).rstrip()

    lines = [line("USER", "KEY", "AGE", "LAST USED", "STAGE", "WHAT HAPPENS")]
    previous = None
    held_back: list[str] = []
    for row, name, key_id, age, use, stage in zip(rows, names, ids, ages, use_cells(use_width), stages):
        if row.user_name != previous or row.sentence:
            lines += held_back
            held_back = []
        shown_name = "" if row.user_name == previous else name
        previous = row.user_name
        if columns(shown_name) > user_width:
            lines += wrap(shown_name, SCREEN_WIDTH)
            shown_name = ""
        beside, below = _fit(row, what_width, below_width)
        lines.append(line(shown_name, key_id, age, use, stage, beside[0] if beside else ""))
        lines += [line("", "", "", "", "", text) for text in beside[1:]]
        # A reason below the keys is about all of them: the user's other keys come first.
        held_back += [" " * (user_width + len(_GAP)) + text for text in [*below, *_remedies(row, below_width)]]
    return lines + held_back


def _use_cell(use: tuple[str, str, str], when_width: int, most: int) -> str:
    """`2h ago  s3 eu-west-1`; where that is too wide, without the region: people ask for the service first."""
    when, service, region = (clean(part) for part in use)
    if not service:
        return when
    short = f"{when:<{when_width}}  {service}"
    whole = f"{short} {region}".rstrip()
    return whole if columns(whole) <= most else shorten(short, most)


def _fit(row: Row, what_width: int, below_width: int) -> tuple[list[str], list[str]]:
    """The sentence in lines beside the key, or, where that would be a long thin column, its reason below the key."""
    status = row.key.get("status")
    text = row.sentence or ("" if status in (None, "Active") else clean(status).lower())
    beside = wrap(clean(text), what_width)
    head = wrap(clean(f"{row.head}:"), what_width)
    below = wrap(clean(row.why), below_width)
    if not below or (len(beside) <= max(2, len(head) + len(below)) and len(beside) <= 3):
        return beside, []
    return head, _at_most(_SENTENCE_MOST, below, below_width)


def _remedies(row: Row, width: int) -> list[str]:
    """What a person can do, each on a line of its own."""
    lines = []
    for remedy in row.remedies:
        first, *more = wrap(clean(f"{_REMEDY}{remedy.say}"), width - len(_GAP))
        lines += _at_most(_SENTENCE_MOST, [first, *(f"{_GAP}{text}" for text in more)], width)
    return lines


def _at_most(most: int, lines: list[str], width: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), width)]
