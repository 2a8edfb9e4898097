# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fault meets which request, and the one that kills (Linux: it reads /proc)."""

from __future__ import annotations

import fnmatch
import os
import signal
from pathlib import Path

from lab.messages import LAB_VARIABLE, RUN_VARIABLE, Fault, Request, process_name
from lab.wire import Answer

KINDS = {
    "throttle": (400, "Throttling", "Rate exceeded"),
    "rate_exceeded": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "error500": (
        500,
        "ServiceFailure",
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
    "concurrent_modification": (
        409,
        "ConcurrentModification",
        "The request was rejected because multiple requests to change this object were submitted.",
    ),
    "temporarily_unmodifiable": (
        409,
        "EntityTemporarilyUnmodifiable",
        "The user name is temporarily not modifiable. Wait several minutes and try again.",
    ),
    "error": (400, "InternalFailure", "An error that the test asked for."),
    "foreign": None,
    "date": None,
    "cut": None,
    "hang": None,
    "delay": None,
    "refuse": None,
    "pause": None,
    "kill": None,
}
PROVES_NOTHING_DONE = ("throttle", "rate_exceeded")
TIMES = ("before", "after", "during")
TARGETS = ("all", "main")


def check(fault: Fault) -> Fault:
    """The fault itself; ValueError for one that could never happen."""
    if fault.kind not in KINDS:
        raise ValueError(f"no such fault: {fault.kind}; known: {', '.join(KINDS)}")
    if fault.when not in TIMES or (fault.when == "during" and fault.kind != "cut"):
        raise ValueError(f"a {fault.kind} cannot happen {fault.when} the request")
    if fault.when == "after" and fault.kind in PROVES_NOTHING_DONE:
        raise ValueError(f"a {fault.kind} cannot happen after the request: it says that nothing was done")
    if fault.target not in TARGETS:
        raise ValueError(f"a kill has the target all or main, not {fault.target}")
    if fault.nth < 1 or fault.count < 0 or fault.every < 1:
        raise ValueError("nth and every count from 1, count from 0")
    return fault


def error_of(fault: Fault) -> tuple[int, str, str] | None:
    """HTTP status, code and message that the fault answers; None where it answers nothing of its own."""
    known = KINDS[fault.kind]
    if fault.kind == "error" and fault.code:
        return fault.status, fault.code, fault.message or f"{fault.code} (asked for by the test)"
    return known


# Well-formed, so that a parser of XML is content with it.
PORTAL = "<html><head><title>Welcome</title></head><body><p>Please accept the terms of this network.</p></body></html>"


def page_of(fault: Fault) -> Answer:
    """What a stranger answers in AWS's place."""
    status = 200 if fault.status == Fault.status else fault.status
    return Answer(status, (PORTAL if fault.message is None else fault.message).encode(), "text/html")


def firing(faults: list[Fault], request: Request) -> list[Fault]:
    """The faults that meet this request; counts it for each that it matches."""
    met = []
    for fault in faults:
        if fault.action and not fnmatch.fnmatchcase(request.action, fault.action):
            continue
        if fault.user and fault.user != request.user:
            continue
        fault.seen += 1
        turn, rest = divmod(fault.seen - fault.nth, fault.every)
        if turn >= 0 and rest == 0 and (fault.count == 0 or turn < fault.count):
            fault.fired += 1
            met.append(fault)
    return met


def kill(fault: Fault, lab_id: str) -> list[int]:
    """Signal the processes that the fault means; the ids of those that were found.

    By `pid`: that process and all its descendants (Ansible's workers are sessions of their own, so that a process group does not
    hold them). By `run`, or by neither (every playbook of this laboratory): all that carry its mark in their environment or their
    name, those whose parent is gone included. `target` main takes only the ones whose parent is not among them.
    """
    found: set[int] = set()
    frozen: set[int] = set()
    while True:
        table = process_table()
        found = {pid for pid in _meant(fault, lab_id, table) if pid in table}
        chosen = found if fault.target == "all" else {pid for pid in found if table[pid] not in found}
        new = chosen - frozen
        if fault.signal != signal.SIGKILL or not new:
            break
        # One that is stopped cannot fork while the next look is taken.
        _send(new, signal.SIGSTOP)
        frozen |= new
    _send(chosen | frozen, fault.signal)
    return sorted(chosen | frozen)


def process_table() -> dict[int, int]:
    """Process id: parent's id, zombies left out."""
    table = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, a parenthesis too.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            table[int(stat.parent.name)] = int(parent)
    return table


def descendants(pid: int, table: dict[int, int]) -> set[int]:
    """The process and all that come from it."""
    family = {pid}
    while more := {child for child, parent in table.items() if parent in family} - family:
        family |= more
    return family


def of_run(run_id: str, table: dict[int, int]) -> set[int]:
    """The processes of a run, and what they started."""
    return _marked(RUN_VARIABLE, run_id, process_name(run_id=run_id)[7:], table)


def of_lab(lab_id: str, table: dict[int, int]) -> set[int]:
    """The processes of all runs against a laboratory, and what they started."""
    return _marked(LAB_VARIABLE, lab_id, process_name(lab_id)[:7], table)


def _marked(variable: str, value: str, name: str, table: dict[int, int]) -> set[int]:
    mark = f"{variable}={value}".encode()
    found = set()
    for pid in table:
        process = Path(f"/proc/{pid}")
        try:
            if mark in (process / "environ").read_bytes().split(b"\0") or name in (process / "comm").read_text():
                found.add(pid)
        except OSError:
            continue
    return found


def _meant(fault: Fault, lab_id: str, table: dict[int, int]) -> set[int]:
    if fault.pid is not None:
        family = descendants(fault.pid, table)
    elif fault.run is not None:
        family = of_run(fault.run, table)
    else:
        family = of_lab(lab_id, table)
    return family - {os.getpid()}


def _send(pids: set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
