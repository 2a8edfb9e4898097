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
_REMEDY = "- "
_SENTENCE_MOST = 8  # lines; a longer one is in the file, whole


def screen(report: Report, show_all: bool = False) -> list[str]:
    """The table and the line of totals as lines of at most 100 columns: plain text, the same on a terminal and in a
    log.
    """
    rows = [row for row in report.rows if show_all or row.listed]
    lines = [*_Table(rows).lines(), ""] if rows else []
    totals = " ".join(totals_sentences(report))
    # Two sentences that do not fit one line are two lines, so that each can be searched for.
    for text in (
        *([totals] if columns(totals) <= SCREEN_WIDTH else totals_sentences(report)),
        failures_line(report),
        *report.notes,
    ):
        lines += wrap(clean(text), SCREEN_WIDTH)
    return lines


class _Table:
    """The rows' cells as texts, and how wide each column is."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._names = [clean(row.user_name) for row in rows]
        self._ids = [shorten(clean(row.access_key_id or "-"), _KEY_MOST) for row in rows]
        self._ages = [short_age(row.key.get("age_days")) for row in rows]
        self._stages = [row.key.get("stage") or "-" for row in rows]
        key, age, stage = _width("KEY", self._ids), _width("AGE", self._ages), _width("STAGE", self._stages)
        room = SCREEN_WIDTH - key - age - stage - _WHAT_LEAST - 5 * len(_GAP)
        self._uses = self._use_cells(room - _width("USER", self._names))
        use = _width("LAST USED", self._uses)
        # A name that does not fit has a line of its own: shortened, it could not be told from its neighbours.
        self._user_width = max([len("USER"), *(n for n in map(columns, self._names) if n <= room - use)])
        self._widths = (self._user_width, key, age, use, stage)
        self._what_width = SCREEN_WIDTH - sum(self._widths) - 5 * len(_GAP)
        self._below_width = SCREEN_WIDTH - self._user_width - len(_GAP)

    def lines(self) -> list[str]:
        lines = [self._line("USER", "KEY", "AGE", "LAST USED", "STAGE", "WHAT HAPPENS")]
        previous = None
        held_back: list[str] = []
        for row, name, *cells in zip(self._rows, self._names, self._ids, self._ages, self._uses, self._stages):
            if row.user_name != previous or row.sentence:
                lines += held_back
                held_back = []
            shown_name = "" if row.user_name == previous else name
            previous = row.user_name
            if columns(shown_name) > self._user_width:
                lines += wrap(shown_name, SCREEN_WIDTH)
                shown_name = ""
            beside, below = _fit(row, self._what_width, self._below_width)
            lines.append(self._line(shown_name, *cells, *beside[:1]))
            lines += [self._line("", "", "", "", "", text) for text in beside[1:]]
            # A reason below the keys is about all of them: the user's other keys come first.
            held_back += self._indented([*below, *_remedies(row, self._below_width)])
        return lines + held_back

    def _use_cells(self, room: int) -> list[str]:
        """The last uses, whole where there is room for them."""
        uses = [last_use(row.key) for row in self._rows]
        when_width = max((len(when) for when, service, _region in uses if service), default=0)
        whole = [_use_cell(use, when_width, SCREEN_WIDTH) for use in uses]
        if _width("LAST USED", whole) <= room:
            return whole
        return [_use_cell(use, when_width, max(_LAST_USED_LEAST, room)) for use in uses]

    def _line(self, *cells: str) -> str:
        padded = [pad(cell, size) for cell, size in zip(cells, self._widths)]
        return _GAP.join([*padded, *cells[len(self._widths) :]]).rstrip()

    def _indented(self, texts: Sequence[str]) -> list[str]:
        return [" " * (self._user_width + len(_GAP)) + text for text in texts]


def _width(header: str, cells: Iterable[str]) -> int:
    return max(len(header), *map(columns, cells))


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
    beside = wrap(clean(row.sentence or _unless_active(row.key.get("status"))), what_width)
    head = wrap(clean(f"{row.head}:"), what_width)
    below = wrap(clean(row.why), below_width)
    is_short = len(beside) <= 3 and len(beside) <= max(2, len(head) + len(below))
    if is_short or not below:
        return beside, []
    return head, _at_most(_SENTENCE_MOST, below, below_width)


def _unless_active(status: str | None) -> str:
    return "" if status in (None, "Active") else str(status).lower()


def _remedies(row: Row, width: int) -> list[str]:
    """What a person can do, each on a line of its own."""
    lines = []
    for remedy in row.remedies:
        first, *more = wrap(clean(f"{_REMEDY}{remedy.say}"), width - len(_GAP))
        lines += _at_most(_SENTENCE_MOST, [first, *(f"{_GAP}{text}" for text in more)], width)
    return lines


def _at_most(most: int, lines: list[str], width: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), width)]
