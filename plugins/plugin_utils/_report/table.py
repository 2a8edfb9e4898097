# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table on the screen: each user's keys, with what happens beside them or below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Row, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.typed import remedy_lines
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import (
    by_itself,
    clean,
    columns,
    last_use,
    pad,
    short_age,
    shorten,
    wrap,
)

Paint = Callable[[str, str], str]
"""A text and the group of users that it is about: the text in that group's colour."""
_GAP = "  "
_WHAT_LEAST = 22  # fits "would make a new key:"
_WHAT_LINES = 3  # beside a key; what takes more stands below
_NAME_MOST = 24
_KEY_MOST = 32
_BELOW = "    "


class Layout(NamedTuple):
    """What the columns show; with `what` the last one takes what is left, else what happens stands below the keys."""

    owner: bool
    service: bool
    region: bool
    what: bool


LAYOUTS = (
    Layout(owner=True, service=True, region=True, what=True),
    Layout(owner=False, service=True, region=True, what=True),
    Layout(owner=False, service=True, region=False, what=True),
    Layout(owner=False, service=False, region=False, what=True),
    Layout(owner=False, service=True, region=False, what=False),
    Layout(owner=False, service=False, region=False, what=False),
)


@dataclass(frozen=True)
class Cells:
    """What stands in the columns of one row before the last one."""

    user: str
    owner: str
    key: str
    age: str
    use: tuple[str, str, str]
    stage: str

    @classmethod
    def of(cls, row: Row) -> Cells:
        when, service, region = (clean(part) for part in last_use(row.key))
        return cls(
            user=clean(row.user_name),
            owner=clean(row.owner or ""),
            key=shorten(clean(row.access_key_id or "-"), _KEY_MOST),
            age=short_age(row.key.get("age_days")),
            use=(when, service, region),
            stage=row.key.get("stage") or "-",
        )


class Table:
    """How wide each column is for the rows that are shown, and each user's lines."""

    def __init__(self, users: Sequence[UserReport], show_all: bool, width: int, paint: Paint) -> None:
        self._show_all, self._width, self._paint = show_all, width, paint
        cells = [Cells.of(row) for user in users for row in self._rows(user)]
        self._when = _widest((one.use[0] for one in cells if one.use[1]), "")
        self._any_owner = any(one.owner for one in cells)
        self._layout = next((layout for layout in LAYOUTS if self._fits(layout, cells)), LAYOUTS[-1])
        self._widths = self._measure(self._layout, cells)
        self._what = width - sum(self._widths) - len(_GAP) * len(self._widths)

    def head(self) -> str:
        cells = ("USER", "OWNER", "KEY", "AGE", "LAST USED", "STAGE")
        return self._line(*self._without_owner(cells), "WHAT HAPPENS" if self._layout.what else "")

    def lines(self, user: UserReport) -> list[str]:
        """The user's keys; what is about all of them, and what can be done, comes below the last."""
        lines: list[str] = []
        below: list[str] = []
        before: Row | None = None
        told: set[str | None] = set()
        for row in self._rows(user):
            if row.access_key_id in told and not row.sentence:
                continue
            told.add(row.access_key_id)
            if before and row.access_key_id and row.access_key_id == before.access_key_id:
                below += self._below(row.sentence)  # what is found after something was done to the same key
                continue
            if row.sentence:
                lines += below
                below = []
            beside, reason = self._said(row, user.group)
            lines += self._key_lines(row, beside, is_first=before is None)
            below += reason
            before = row
        return [*lines, *below, *self._more(user)]

    def _rows(self, user: UserReport) -> list[Row]:
        return [row for row in user.rows if self._show_all or row.listed]

    # -- how wide

    def _fits(self, layout: Layout, cells: Sequence[Cells]) -> bool:
        if layout.owner and not self._any_owner:
            return False
        widths = self._measure(layout, cells)
        taken = sum(widths) + len(_GAP) * (len(widths) - 1)
        return taken + (len(_GAP) + _WHAT_LEAST if layout.what else 0) <= self._width

    def _measure(self, layout: Layout, cells: Sequence[Cells]) -> list[int]:
        """A name that does not fit has a line of its own: shortened, it could not be told from its neighbours."""
        names = (one.user for one in cells if columns(one.user) <= _NAME_MOST)
        return [
            _widest(names, "USER"),
            *([_widest((one.owner for one in cells), "OWNER")] if layout.owner else []),
            _widest((one.key for one in cells), "KEY"),
            _widest((one.age for one in cells), "AGE"),
            _widest((self._use(one.use, layout) for one in cells), "LAST USED"),
            _widest((one.stage for one in cells), "STAGE"),
        ]

    def _use(self, use: tuple[str, str, str], layout: Layout) -> str:
        """`2h ago  s3 eu-west-1`, or less of it: people ask when first, then for the service. The files have it all."""
        when, service, region = use
        if not service or not layout.service:
            return when
        return f"{when:<{self._when}}  {service} {region if layout.region else ''}".rstrip()

    # -- one row

    def _said(self, row: Row, group: str) -> tuple[list[str], list[str]]:
        """The sentence in lines beside the key, or, where that would be a long thin column, its reason below."""
        off = _unless_active(row.key.get("status"))
        if not self._layout.what:
            text = row.sentence or (f"{row.access_key_id} is {off}." if off else "")
            return [], [self._paint(line, group) for line in self._below(text)]
        beside = wrap(clean(row.sentence or off), self._what)
        below: list[str] = []
        if row.why and len(beside) > _WHAT_LINES:
            beside, below = wrap(clean(f"{row.head}:"), self._what), self._below(row.why)
        return [self._paint(line, group) for line in beside], below

    def _below(self, text: str) -> list[str]:
        return [f"{_BELOW}{line}" for line in wrap(clean(text), self._width - len(_BELOW))]

    def _key_lines(self, row: Row, beside: Sequence[str], is_first: bool) -> list[str]:
        cells, lines = Cells.of(row), []
        name, owner = (cells.user, cells.owner) if is_first else ("", "")
        if columns(name) > _NAME_MOST:
            lines, name = wrap(name, self._width), ""
        of_key = (cells.key, cells.age, self._use(cells.use, self._layout), cells.stage)
        first, *others = beside or [""]
        lines.append(self._line(*self._without_owner((name, owner, *of_key)), first))
        return [*lines, *(self._line(*([""] * len(self._widths)), text) for text in others)]

    def _without_owner(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        return cells if self._layout.owner else (cells[0], *cells[2:])

    def _line(self, *cells: str) -> str:
        padded = [pad(cell, size) for cell, size in zip(cells, self._widths)]
        return _GAP.join([*padded, *cells[len(self._widths) :]]).rstrip()

    # -- below a user's keys

    def _more(self, user: UserReport) -> list[str]:
        room = self._width - len(_BELOW)
        owner = f"Owner: {clean(user.owner)}" if user.owner and not self._layout.owner else ""
        lines = [line for text in (owner, by_itself(user)) for line in wrap(text, room)]
        lines += [line for remedy in user.remedies for line in remedy_lines(remedy, room)]
        return [f"{_BELOW}{line}" for line in lines]


def _widest(texts: Iterable[str], least: str) -> int:
    return max([columns(least), *map(columns, texts)])


def _unless_active(status: str | None) -> str:
    return "" if status in (None, "Active") else str(status).lower()
