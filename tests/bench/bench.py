# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures what docs/speed.md says: ratios, both sides in one run against the same server.

make bench                                        all but the growth; a few minutes
.venv/bin/python tests/bench/bench.py --growth    with it, up to 5,000 users
.venv/bin/python tests/bench/bench.py --write     the same, and docs/speed.md and docs/speed.svg anew
.venv/bin/python tests/bench/bench.py --only store,loop
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    # As a script the folder of this file comes first; its modules are known by the folder above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.chart import draw
from bench.measure import DUE, YOUNG, Bench, Took, interleaved, moto_server, shown
from bench.reports import report_seconds
from controller.runner import default_collections
from controller.store import PASSWORD
from lab.client import Lab

CHECKOUT = Path(__file__).resolve().parents[2]
LATENCY_MS = 20
OURS = "keyturn.iam.iam_access_key"
INFO = "keyturn.iam.iam_access_key_info"


@dataclass(frozen=True)
class Sizes:
    """How many users each figure is measured with. `slow` is for sides that cost half a second a task: their cost is taken a task."""

    rounds: int = 5
    loop: int = 200
    slow_loop: int = 20
    audit: int = 1000
    rotation: int = 100
    slow_rotation: int = 6
    large_rotation: int = 5000
    far: tuple[int, ...] = (60, 1000)
    store: int = 1000
    more: int = 40
    memory: int = 5000
    growth: tuple[int, ...] = (10, 100, 1000, 5000)


SMALL = Sizes(1, 2, 1, 3, 2, 1, 4, (2,), 3, 2, 5, (1, 3))


@dataclass(frozen=True)
class Figure:
    """One line of the table. `ratio` is what `target` is about."""

    what: str
    ours: str
    other: str
    ratio: str
    target: str = ""
    met: bool | None = None

    @classmethod
    def compare(
        cls, what: str, ours: str, other: str, ratio: float, target: float, *, at_least: bool = False
    ) -> Figure:
        met = ratio >= target if at_least else ratio <= target
        return cls(what, ours, other, f"{ratio:.3g}x", f"{'at least' if at_least else 'at most'} {target:g}x", met)

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.what,
            self.ours,
            self.other,
            self.ratio,
            self.target,
            {None: "", True: "met", False: "missed"}[self.met],
        )


HEADINGS = ("what", "ours", "compared with", "ratio", "target", "")


@dataclass
class Growth:
    """Seconds by number of users, start of ansible-playbook taken off, and the peak memory."""

    users: list[int] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {"audit": [], "nothing to do": [], "rotation of all": []}
    )
    peaks: list[float] = field(default_factory=list)


# -- the figures -----------------------------------------------------------------------------------------------------


def loop(bench: Bench, sizes: Sizes) -> list[Figure]:
    """Tasks in a loop that find nothing to do."""
    bench.fleet(sizes.loop, YOUNG)
    # amazon.aws's module makes a key unless it is told of one.
    key_ids = {user.user_name: user.keys[0].access_key_id for user in bench.users}

    def looped(module: str, count: int, url: str | None = None, **options: str) -> Callable[[], float]:
        task = {module: options, "loop": "{{ users }}"}
        variables = {"users": bench.names[:count], "key_ids": key_ids}
        return lambda: bench.tasks(task, extra_vars=variables, env={"AWS_URL": url} if url else None)

    one = {"user_name": "{{ item }}"}
    seen = interleaved(
        sizes.rounds,
        ours=looped(OURS, sizes.loop, **one),
        ours_start=looped(OURS, 0, **one),
        debug=looped("ansible.builtin.debug", sizes.loop, msg="{{ item }}"),
        bare=lambda: bench.bare("loop", *bench.names),
        amazon=looped("amazon.aws.iam_access_key", sizes.slow_loop, id="{{ key_ids[item] }}", **one),
        amazon_start=looped("amazon.aws.iam_access_key", 0, **one),
    )
    ours = (seen["ours"] - seen["ours_start"]) / sizes.loop
    debug = (seen["debug"] - seen["ours_start"]) / sizes.loop
    amazon = (seen["amazon"] - seen["amazon_start"]) / sizes.slow_loop
    bare = seen["bare"] / sizes.loop
    with moto_server(bench.names) as url:
        moto = interleaved(
            sizes.rounds,
            ours=looped(OURS, sizes.loop, url, **one),
            ours_start=looped(OURS, 0, url, **one),
            bare=lambda: bench.bare("loop", *bench.names, url=url),
        )
    ours_moto, bare_moto = (moto["ours"] - moto["ours_start"]) / sizes.loop, moto["bare"] / sizes.loop
    what = f"a task with nothing to do, {sizes.loop} in a loop"
    return [
        Figure.compare(
            what, shown(ours), f"amazon.aws.iam_access_key: {shown(amazon)}", amazon / ours, 50, at_least=True
        ),
        Figure.compare(
            "the same, with moto's own server",
            shown(ours_moto),
            f"bare boto3: {shown(bare_moto)}",
            ours_moto / bare_moto,
            3,
        ),
        Figure(
            "the same, with the laboratory's leaner one",
            shown(ours),
            f"bare boto3: {shown(bare)}",
            f"{ours / bare:.3g}x",
        ),
        Figure("the same", shown(ours), f"ansible.builtin.debug in a loop: {shown(debug)}", f"{ours / debug:.3g}x"),
    ]


def audit(bench: Bench, sizes: Sizes) -> list[Figure]:
    """A look at all users, at the pace of a distant AWS."""
    bench.fleet(sizes.audit, YOUNG, LATENCY_MS)

    def look(users: list[str] | None = None) -> float:
        return bench.tasks({INFO: {}} if users is None else {INFO: {}, "loop": users})

    sides: dict[str, Callable[[], float]] = {
        "ours": look,
        "start": lambda: look([]),
        "bare": lambda: bench.bare("audit"),
        "floor": lambda: bench.bare("floor"),
    }
    seen = interleaved(sizes.rounds, **sides)
    asked, bare_asked = bench.requests(look), bench.requests(sides["bare"])
    ours = seen["ours"] - seen["start"]
    what = f"audit of {sizes.audit:,} users, {LATENCY_MS} ms a request"
    return [
        Figure.compare(what, shown(ours), f"boto3 in 16 threads: {shown(seen['bare'])}", ours / seen["bare"], 0.9),
        Figure(
            "the same requests without boto3 and ansible",
            shown(seen["floor"]),
            f"boto3: {shown(seen['bare'])}",
            f"{seen['floor'] / seen['bare']:.3g}x",
        ),
        Figure(
            "the same, in requests",
            f"{asked:,}",
            f"{bare_asked:,}",
            f"{asked - bare_asked:+d}",
            "at most 2 more",
            asked - bare_asked <= 2,
        ),
    ]


def composed(bench: Bench, count: int, latency_ms: float = 0) -> float:
    """A rotation out of amazon.aws's modules and the vault filter; a file a user, so that none is encrypted again for another's sake."""
    bench.fleet(count, DUE, latency_ms)
    folder = bench.controller.cwd / "composed"
    folder.mkdir(exist_ok=True)
    content = "{{ {'access_key_id': item.access_key.access_key_id, 'secret_access_key': item.secret_access_key} | to_nice_yaml | vault(password) }}"
    made = {"loop": "{{ made.results }}", "loop_control": {"label": "{{ item.item }}"}}
    named = {"loop": "{{ names }}", "register": "made", "no_log": True}
    keys = {"access_key": "{{ item.access_key.access_key_id }}", "secret_key": "{{ item.secret_access_key }}"}
    return bench.tasks(
        {"amazon.aws.iam_access_key_info": {"user_name": "{{ item }}"}, "loop": "{{ names }}", "register": "seen"},
        {"amazon.aws.iam_access_key": {"user_name": "{{ item }}"}, **named},
        {
            "ansible.builtin.copy": {"content": content, "dest": f"{folder}/{{{{ item.item }}}}.yml", "mode": "0600"},
            **made,
            "no_log": True,
        },
        {"amazon.aws.aws_caller_info": keys, **made, "no_log": True},
        extra_vars={"names": bench.names[:count], "password": PASSWORD},
    )


def rotation(bench: Bench, sizes: Sizes) -> list[Figure]:
    """All users due at once, and how much dearer the last of many is than one of a few."""
    seen = interleaved(
        max(sizes.rounds // 2 + 1, 1),
        start=bench.tasks,
        ours=lambda: _rotate_all(bench, sizes.rotation).seconds,
        amazon=lambda: composed(bench, sizes.slow_rotation),
    )
    took = _rotate_all(bench, sizes.large_rotation)
    large = (took.seconds - seen["start"]) / sizes.large_rotation
    ours, amazon = (
        (seen[side] - seen["start"]) / count
        for side, count in (("ours", sizes.rotation), ("amazon", sizes.slow_rotation))
    )
    what = f"rotation of {sizes.rotation:,} users due at once, a user"
    return [
        Figure.compare(
            what, shown(ours), f"composed from amazon.aws: {shown(amazon)}", amazon / ours, 25, at_least=True
        ),
        Figure.compare(
            f"the same of {sizes.large_rotation:,} users",
            shown(large),
            f"{sizes.rotation:,} users: {shown(ours)}",
            large / ours,
            1.3,
        ),
        _memory(f"the same of {sizes.large_rotation:,} users", took.peak_mib),
    ]


def far(bench: Bench, sizes: Sizes) -> list[Figure]:
    """The same where a request takes its time: beside amazon.aws's modules, and beside a bare pool that asks the least."""
    figures = []
    rounds = max(sizes.rounds // 2 + 1, 1)
    for number, count in enumerate(sizes.far):
        seen = interleaved(
            1 if number else rounds,  # many take long, and differ less
            start=bench.tasks,
            ours=lambda count=count: _rotate_all(bench, count, LATENCY_MS).seconds,
            bare=lambda count=count: _bare_rotation(bench, count),
            amazon=lambda: composed(bench, sizes.slow_rotation, LATENCY_MS),
        )
        ours, bare = (seen["ours"] - seen["start"]) / count, seen["bare"] / count
        amazon = (seen["amazon"] - seen["start"]) / sizes.slow_rotation
        what = f"rotation of {count:,} users due at once, {LATENCY_MS} ms a request, a user"
        composed_of = f"composed from amazon.aws: {shown(amazon)}"
        figures += [
            Figure.compare(what, shown(ours), f"boto3 in 16 threads: {shown(bare)}", ours / bare, 2.0),
            Figure.compare("the same", shown(ours), composed_of, amazon / ours, 25, at_least=True),
        ]
    return figures


def _bare_rotation(bench: Bench, count: int) -> float:
    bench.fleet(count, DUE, LATENCY_MS)
    return bench.bare("rotate", *bench.names)


def _rotate_all(bench: Bench, count: int, latency_ms: float = 0) -> Took:
    bench.fleet(count, DUE, latency_ms)
    return bench.rotate(bench.store(), rotation_users=["*"])


def store(bench: Bench, sizes: Sizes) -> list[Figure]:
    """One more key into a full store and into an empty one."""

    def add(full: bool, count: int) -> float:
        bench.fleet(sizes.store + count, YOUNG)
        path = bench.store(bench.users[: sizes.store] if full else [])
        task = {
            OURS: {"user_name": "{{ item }}", "vault_file": str(path), "max_age_days": 1, "verify_delay": 0},
            "loop": "{{ names }}",
        }
        return bench.tasks(task, extra_vars={"names": bench.names[sizes.store : sizes.store + count]})

    seen = interleaved(
        sizes.rounds,
        full_one=lambda: add(True, 1),
        empty_one=lambda: add(False, 1),
        full_more=lambda: add(True, 1 + sizes.more),
        empty_more=lambda: add(False, 1 + sizes.more),
    )
    full, empty = ((seen[f"{side}_more"] - seen[f"{side}_one"]) / sizes.more for side in ("full", "empty"))
    cold_full, cold_empty = seen["full_one"], seen["empty_one"]
    what = f"one more key into a store of {sizes.store:,} entries"
    return [
        Figure.compare(f"{what}, in a loop", shown(full), f"into an empty one: {shown(empty)}", full / empty, 1.3),
        Figure.compare(
            f"{what}, a run as a whole",
            shown(cold_full),
            f"into an empty one: {shown(cold_empty)}",
            cold_full / cold_empty,
            1.3,
        ),
    ]


def nothing(bench: Bench, sizes: Sizes) -> list[Figure]:
    """A run of the role that finds nothing to do: how much of it is the audit."""
    bench.fleet(sizes.audit, YOUNG, LATENCY_MS)
    path = bench.store()
    seen = interleaved(
        max(sizes.rounds // 2 + 1, 1),
        start=bench.tasks,
        audit=lambda: bench.tasks({INFO: {"vault_file": str(path)}}),
        run=lambda: bench.rotate(path).seconds,
    )
    share = (seen["audit"] - seen["start"]) / (seen["run"] - seen["start"])
    what = f"a run with nothing to do over {sizes.audit:,} users, {LATENCY_MS} ms a request"
    return [
        Figure(
            what,
            shown(seen["run"] - seen["start"]),
            f"its audit: {shown(seen['audit'] - seen['start'])}",
            f"{share:.0%}",
            "over 50%",
            share > 0.5,
        )
    ]


def memory(bench: Bench, sizes: Sizes) -> list[Figure]:
    """The largest process of a run over as many users as IAM has room for."""
    bench.fleet(sizes.memory, YOUNG)
    took = bench.rotate(bench.store())
    return [_memory(f"a run with nothing to do over {sizes.memory:,} users", took.peak_mib)]


def _memory(what: str, peak_mib: float) -> Figure:
    return Figure(
        f"{what}, peak memory of the largest process", f"{peak_mib:.0f} MiB", "", "", "at most 250 MiB", peak_mib <= 250
    )


def report(_bench: Bench, sizes: Sizes) -> list[Figure]:
    """The report of as many users as IAM has room for, made, shown and written, in the form that costs most."""
    took = report_seconds(sizes.memory)
    form, most = max(took.items(), key=lambda one: one[1])
    others = ", ".join(f"{name} {shown(seconds)}" for name, seconds in took.items() if name != form)
    return [
        Figure(f"CPU of the report of {sizes.memory:,} users as {form}", shown(most), others, "", "under 1 s", most < 1)
    ]


def grow(bench: Bench, sizes: Sizes) -> Growth:
    """Audit, a run with nothing to do and a rotation of all, by number of users; a median of three for up to 100."""
    growth = Growth()
    start = interleaved(min(3, sizes.rounds), start=bench.tasks)["start"]
    for count in sizes.growth:
        rounds = 1 if count > 100 else min(3, sizes.rounds)
        growth.users.append(count)
        bench.fleet(count, YOUNG)
        path = bench.store()

        def nothing_to_do(path: Path = path) -> float:
            return bench.rotate(path).seconds

        seen = interleaved(rounds, **{"audit": lambda: bench.tasks({INFO: {}}), "nothing to do": nothing_to_do})
        took = [_rotate_all(bench, count) for _turn in range(rounds)]
        seen["rotation of all"] = statistics.median(one.seconds for one in took)
        for name, seconds in seen.items():
            growth.seconds[name].append(max(seconds - start, 0.001))
        growth.peaks.append(max(one.peak_mib for one in took))
        print(f"{count:,} users: measured", file=sys.stderr, flush=True)
    return growth


FIGURES: dict[str, Callable[[Bench, Sizes], list[Figure]]] = {
    "loop": loop,
    "audit": audit,
    "rotation": rotation,
    "far": far,
    "store": store,
    "nothing": nothing,
    "memory": memory,
    "report": report,
}


# -- how they are shown ----------------------------------------------------------------------------------------------


def columns(rows: Sequence[Sequence[str]]) -> str:
    """A table as plain text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    first, *others = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([first, "|" + " --- |" * len(rows[0]), *others])


def growth_rows(growth: Growth) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("users", *growth.seconds, "rotation of all, a user", "peak memory")]
    for number, users in enumerate(growth.users):
        seconds = [growth.seconds[name][number] for name in growth.seconds]
        rows.append((f"{users:,}", *map(shown, seconds), shown(seconds[-1] / users), f"{growth.peaks[number]:.0f} MiB"))
    return rows


def growth_chart(growth: Growth) -> str:
    curves = {name: list(zip(growth.users, seconds, strict=True)) for name, seconds in growth.seconds.items()}
    return draw("How long a run takes, start of ansible-playbook taken off", "users", "seconds", curves)


def machine() -> str:
    try:
        name = next(
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    packages = ", ".join(f"{package} {version(package)}" for package in ("ansible-core", "boto3", "moto"))
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {packages}, amazon.aws {_amazon()}"


def _amazon() -> str:
    sys.path.insert(0, str(default_collections()))
    from ansible_collections.amazon.aws.plugins.module_utils.common import AMAZON_AWS_COLLECTION_VERSION

    return str(AMAZON_AWS_COLLECTION_VERSION)


PAGE = """\
# How fast it is

Measured by `make bench` on {date}: {machine}. Server, both sides of each comparison and ansible-playbook shared these cores.

{figures}

- Both sides of a line were measured in turn in one run, against the same laboratory (`tests/lab`, moto on a loopback port, so that a
  request costs little but what its sender spends on it); where a line says {latency} ms, the server took that much longer over each request,
  as AWS does. Times are medians of {rounds} rounds (rotation, nothing to do: {fewer}; {large:,} users and memory: one run).
- The start of ansible-playbook (that of the same play with nothing to loop over, or without tasks) is taken off both sides, where
  the line does not say "as a whole"; imports and the making of the client are taken off bare boto3.
- Sides that cost half a second a task were measured with fewer tasks; what is shown is the cost of one.
- "Without boto3 and ansible": the requests of the audit from bare sockets, 16 at a time, signed once and never read as XML. It is what
  the server's own time over 16 connections leaves: where it is near boto3's, no use of boto3 is much faster than another.
- moto's own server (`python -m moto.server`) takes about twice as long over a request as the laboratory's way into the same moto, so that
  what ansible-core spends on each item weighs less against it; AWS takes longer still.
- "Composed from amazon.aws": for each user `iam_access_key_info`, `iam_access_key`, a file by `copy` and the `vault` filter, and
  `aws_caller_info` with the new key. Ours asks STS three times half a second apart, each time over a connection of its own, and keeps all
  users in one synced file.
- "boto3 in 16 threads" rotates with the fewest requests (list, last use, list, create, three times STS half a second apart, for all together):
  it stores nothing, and looks at nothing again.

## How the cost grows

5,000 users is IAM's quota. No latency is added here. In "nothing to do" every user has a young key that is stored; in "rotation of all" every user is
due at once, which a fleet is once, if ever. `rotation_verify_delay` is 0 here; with its default of 10 seconds a rotation takes up to
that much longer in all, not a user, since all keys are made before the first is verified. Users are worked on side by side, and what is ready at
the same time is one synced write of the file, which encrypts all of it (Ansible Vault has no other way).

![The table below as a plot, both axes logarithmic](speed.svg)

{growth}

## To measure it again

    make bench                                                 # the first table, some minutes
    .venv/bin/python tests/bench/bench.py --growth             # both, about half an hour
    .venv/bin/python tests/bench/bench.py --only loop,store    # some lines of the first
    .venv/bin/python tests/bench/bench.py --write              # both, and this page anew

Nothing else should run on the machine meanwhile. No test asserts a time.
"""


def page(figures: Sequence[Figure], growth: Growth, sizes: Sizes) -> str:
    return PAGE.format(
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        figures=markdown([HEADINGS, *(figure.cells for figure in figures)]),
        growth=markdown(growth_rows(growth)),
        rounds=sizes.rounds,
        fewer=max(sizes.rounds // 2 + 1, 1),
        large=sizes.large_rotation,
        latency=LATENCY_MS,
    )


def measure(wanted: Sequence[str], with_growth: bool, sizes: Sizes) -> tuple[list[Figure], Growth | None]:
    """The figures asked for; each is told as it is known, for the whole takes minutes."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="keyturn-bench-") as folder, Lab.start(strict=False) as lab:
        bench = Bench(lab, Path(folder), default_collections())
        for name in wanted:
            began = time.monotonic()
            found = FIGURES[name](bench, sizes)
            figures += found
            ratios = ", ".join(figure.ratio or figure.ours for figure in found)
            print(f"{name}: measured in {shown(time.monotonic() - began)}: {ratios}", file=sys.stderr, flush=True)
        return figures, grow(bench, sizes) if with_growth else None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How fast the collection is, in ratios.")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(FIGURES), help=f"some of {','.join(FIGURES)}"
    )
    parser.add_argument("--growth", action="store_true", help="how the cost grows up to 5,000 users, too")
    parser.add_argument("--write", action="store_true", help="with the growth, into docs/speed.md and docs/speed.svg")
    parser.add_argument("--docs", type=Path, default=CHECKOUT / "docs", help="where --write writes (docs)")
    parser.add_argument("--small", action="store_true", help="a few users each, to see whether it works")
    parser.add_argument("--rounds", type=int, help="rounds to take the medians of")
    given = parser.parse_args(arguments)
    if unknown := set(given.only) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    sizes = SMALL if given.small else Sizes()
    sizes = Sizes(**{**vars(sizes), "rounds": given.rounds}) if given.rounds else sizes
    print(f"{machine()}\nload {os.getloadavg()[0]:.1f}", flush=True)
    figures, growth = measure(given.only, given.growth or given.write, sizes)
    print(f"\n{columns([HEADINGS, *(figure.cells for figure in figures)])}")
    if growth:
        print(f"\n{columns(growth_rows(growth))}")
    if growth and given.write:
        (given.docs / "speed.md").write_text(page(figures, growth, sizes))
        (given.docs / "speed.svg").write_text(growth_chart(growth))


if __name__ == "__main__":
    main()
