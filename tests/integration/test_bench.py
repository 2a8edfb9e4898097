# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether `make bench` works, with a user or two; what it measures is no test's matter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import bench
from thorough import ALL

BENCH = Path(bench.__file__)
SVG = "{http://www.w3.org/2000/svg}"
PARTS = ["rotation", *(["far"] if ALL else []), "store", "report"]
FAR = ["rotation of 2 users due at once, 20 ms a request, a user", "the same"] if ALL else []


@pytest.mark.faults
def test_both_sides_run_and_are_compared() -> None:
    run = subprocess.run(
        [sys.executable, str(BENCH), "--small", "--only", ",".join(PARTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [re.split(r"  +", line) for line in run.stdout.splitlines() if re.search(r"at (least|most) [\d.]+x", line)]
    assert [row[0] for row in rows] == [
        "rotation of 2 users due at once, a user",
        "the same of 4 users",
        *FAR,
        "one more key into a store of 3 entries, in a loop",
        "one more key into a store of 3 entries, a run as a whole",
    ]
    assert all(len(row) == len(bench.HEADINGS) and row[-1] in ("met", "missed") for row in rows)
    assert "composed from amazon.aws" in rows[0][2]
    assert "CPU of the report of 5 users as ." in run.stdout and "under 1 s" in run.stdout


def test_the_page_and_its_plot() -> None:
    figures = [
        bench.Figure.compare("an audit", "1.00 s", "boto3: 2.00 s", 0.5, 0.9),
        bench.Figure("memory", "300 MiB", "", "", "at most 250 MiB", False),
    ]
    growth = bench.Growth([10, 1000], {"audit": [0.05, 3.0], "rotation of all": [0.5, 40.0]}, [70.0, 95.0])
    page = bench.page(figures, growth, bench.Sizes())
    assert "| an audit | 1.00 s | boto3: 2.00 s | 0.5x | at most 0.9x | met |" in page
    assert "| at most 250 MiB | missed |" in page
    assert "| 1,000 | 3.00 s | 40.0 s | 40.0 ms | 95 MiB |" in page
    picture = ElementTree.fromstring(bench.growth_chart(growth))
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"users", "seconds", "audit", "rotation of all", "10", "1,000", "0.01"} <= set(words)
    lines = [line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [2, 2]
    for points in lines:  # upwards is a smaller y
        assert float(points[0].split(",")[1]) > float(points[1].split(",")[1])


def test_times_are_shown_with_three_digits() -> None:
    shown = [bench.shown(seconds) for seconds in (0.0042, 0.0519, 0.512, 1.534, 61.2, 400)]
    assert shown == ["4.20 ms", "51.9 ms", "512 ms", "1.53 s", "61.2 s", "6 min 40 s"]
