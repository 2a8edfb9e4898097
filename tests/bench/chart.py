# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws curves on two logarithmic axes, as SVG that reads well on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 44, 60
COLOURS = ("#1f6feb", "#2da44e", "#bf3989", "#bf8700")
STYLE = (
    "text{font:13px sans-serif;fill:#1f2328}.grid{stroke:#d0d7de}.axis{stroke:#59636e}.page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}.axis{stroke:#9198a1}.page{fill:#0d1117}}"
)
Curves = Mapping[str, Sequence[tuple[float, float]]]


def draw(title: str, across: str, up: str, curves: Curves) -> str:
    """The picture: `curves` by the name written at their end, points with both numbers above 0; `across` and `up` name the axes."""
    xs = [x for points in curves.values() for x, _y in points]
    ys = [y for points in curves.values() for _x, y in points]
    x_axis, y_axis = _Axis(xs, LEFT, WIDTH - RIGHT), _Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="{LEFT}" y="24" font-weight="bold">{escape(title)}</text>',
    ]
    for decade in x_axis.decades:
        x = x_axis.place(decade)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{decade:,g}</text>')
    for decade in y_axis.decades:
        y = y_axis.place(decade)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{decade:,g}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across)}</text>'
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="22" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 22 {middle:.0f})">{escape(up)}</text>'
    )
    ends = _apart({name: y_axis.place(points[-1][1]) for name, points in curves.items()})
    for colour, (name, points) in zip(COLOURS, curves.items(), strict=False):
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts.append(
            f'<text x="{places[-1][0] + 10:.1f}" y="{ends[name] + 4:.1f}" style="fill:{colour}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """From numbers to places between two ends, whole decades at both."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low = math.floor(math.log10(min(values)))
        self._high = max(math.ceil(math.log10(max(values))), self._low + 1)
        self._start, self._end = start, end

    @property
    def decades(self) -> list[float]:
        return [10.0**exponent for exponent in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        return self._start + (math.log10(value) - self._low) / (self._high - self._low) * (self._end - self._start)


def _apart(places: Mapping[str, float], least: float = 17) -> dict[str, float]:
    """Heights of the names, none over another."""
    found: dict[str, float] = {}
    above = -math.inf
    for name in sorted(places, key=lambda name: places[name]):
        above = found[name] = max(places[name], above + least)
    return found
