# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rotation_report through the real ansible-playbook, with infos and decisions made by hand."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

KEY, OTHER, NEW = "AKIACICICICICICICICI", "AKIAOTHEROTHEROTHERO", "AKIANEWNEWNEWNEWNEWN"
MAKE = {
    "action": "create",
    "user_name": "ci",
    "access_key_id": None,
    "replaces": KEY,
    "reason": "120 days old, limit 90",
}
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
VARIABLES = f"""
keys:
  account: {{account_id: "123456789012"}}
  now: "2026-11-24T04:00:00+00:00"
  complete: true
  users: []
  access_keys:
    - user_name: ci
      access_key_id: {KEY}
      secret_access_key: {SECRET}
      status: Active
      create_date: "2026-07-27T04:00:00+00:00"
      age_days: 120.0
      last_used_date: "2026-11-24T02:00:00+00:00"
      last_used_service: s3
      last_used_region: eu-west-1
      last_used_known: true
      idle_days: 0.09
      stage: null
plan:
  - {{user_name: ci, status: due, reason: too old, next_date: null, actions: [{json.dumps(MAKE)}]}}
  - {{user_name: fine, status: compliant, reason: young, next_date: "2026-12-24T04:00:00+00:00", actions: []}}
"""
ROW = f"ci    {KEY}  120d  2h ago  s3 eu-west-1  -      "


def play(
    folder: Path, options: dict[str, Any], *flags: str, then: str = "true", columns: int | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs a play with one report and an assertion on what it returned, from a folder that is not the playbook's: on a
    terminal of so many columns, or with a pipe.
    """
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "vars.yml").write_text(VARIABLES, encoding="utf-8")
    task = {
        "keyturn.iam.rotation_report": {"info": "{{ keys }}", "decisions": "{{ plan }}", **options},
        "register": "out",
    }
    tasks = [task, {"ansible.builtin.assert": {"that": then}}]
    playbook = folder / "playbooks" / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-e", "@vars.yml", *flags]
    environment = {
        **os.environ,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "COLUMNS": "",
        **env,
    }
    if columns is not None:
        return on_a_terminal(command, folder, environment, columns)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def on_a_terminal(
    command: list[str], folder: Path, environment: dict[str, str], columns: int
) -> subprocess.CompletedProcess[str]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        read = b""
        with contextlib.suppress(OSError):  # Linux's end of a terminal
            while part := os.read(ours, 65536):
                read += part
        process.wait(timeout=120)
    os.close(ours)
    return subprocess.CompletedProcess(command, process.returncode, read.decode().replace("\r\n", "\n"), "")


def report_in(output: str) -> list[str]:
    """The lines of the report: those between the two empty lines that end before the next task."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if "NEEDS A PERSON" in line)
    return lines[start : next(number for number, line in enumerate(lines) if "2 users: " in line) + 1]


COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BLOCKED = {
    "user_name": "x" * 64,
    "status": "blocked",
    "reason": "Both keys are in use, and a third does not fit.",
    "about": [KEY],
    "remedies": [{"say": "Switch it off.", "task": {"keyturn.iam.iam_access_key": {"user_name": "x" * 64, "id": KEY}}}],
}


def test_the_screen_is_as_wide_as_the_terminal_and_has_ansibles_colours(tmp_path: Path) -> None:
    given = {"decisions": "{{ plan[:1] + [blocked] }}", "check": True}
    blocked = ("-e", json.dumps({"blocked": BLOCKED}))
    colours = {
        "ANSIBLE_NOCOLOR": "",
        "ANSIBLE_FORCE_COLOR": "",
        "TERM": "xterm",
        "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
    }
    wide = play(tmp_path, given, *blocked, columns=200, **colours)
    assert wide.returncode == 0, wide.stdout
    plain = play(tmp_path, given, *blocked, COLUMNS="200")
    assert report_in(COLOUR.sub("", wide.stdout)) == report_in(plain.stdout), "the same text without colours"
    assert "\x1b[0;31mNEEDS A PERSON: 1 user\x1b[0m" in wide.stdout and "\x1b" not in plain.stdout
    assert any(line.endswith("would make a new key: 120 days old, limit 90") for line in report_in(plain.stdout))
    log = (tmp_path / "log").read_text()
    assert "\x1b" not in log and "NEEDS A PERSON" in log and log.count("Switch it off.") == 1

    narrow = play(tmp_path, given, *blocked, columns=20)
    lines = report_in(narrow.stdout)
    assert max(len(line) for line in lines if "x" * 64 not in line) <= 72, "but for what is pasted, which stays whole"
    assert "x" * 64 in lines and "\x1b" not in narrow.stdout
    assert "would make a new key: 120 days old, limit 90" in " ".join(narrow.stdout.split())


def test_check_mode_prints_a_table_and_writes_the_file_where_the_run_was_started(tmp_path: Path) -> None:
    returned = (
        "out.drift == ['ci'] and out.totals.made == 1 and out.done == [] and out.report_file is ansible.builtin.abs"
    )
    run = play(tmp_path, {"report_file": "report.md"}, "--check", "--diff", then=returned)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    start = lines.index("USER  KEY                   AGE   LAST USED             STAGE  WHAT HAPPENS")
    assert lines[start - 1] == "THE ROTATION WOULD DO THIS: 1 user"
    assert lines[start + 1 : start + 5] == [
        f"{ROW}would make a new key: 120 days old,",
        f"{' ' * len(ROW)}limit 90",
        "",
        "2 users: 1 due, 1 compliant. Would make 1 key, switch off 0, delete 0.",
    ]
    assert "changed=0" in lines[-2] + lines[-1]
    assert f"| ci | due | {KEY} | Active | 120d |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert not run.stderr.strip()


def test_a_real_run_tells_what_was_done_and_a_failure_in_it_does_not_fail_the_report(tmp_path: Path) -> None:
    refused = {"action": "deactivate", "user_name": "other", "access_key_id": OTHER, "reason": "idle"}
    results = [
        {"action": MAKE, "changed": True, "failed": False, "msg": None, "access_key_id": NEW},
        {
            "action": refused,
            "changed": False,
            "failed": True,
            "msg": "It was used a minute ago.",
            "access_key_id": None,
        },
    ]
    returned = (
        f"out.done == [dict(action='create', user_name='ci', access_key_id='{NEW}')] and out.failures[0].user_name == 'other'"
        " and out.totals.failed == 1 and out.decisions | length == 2 and out is not failed and out is not changed"
    )
    run = play(
        tmp_path,
        {"results": results, "report_file": str(tmp_path / "report.json"), "show_all": True},
        "-vvvv",
        then=returned,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "made a new key" in run.stdout
    assert "Made 1 key, switched off 0, deleted 0." in run.stdout
    assert "Failed: other (switch off)." in run.stdout
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert document["now"] == "2026-11-24T04:00:00+00:00"
    assert document["users"][0]["actions"][0]["new_access_key_id"] == NEW
    assert SECRET not in run.stdout + run.stderr + text


def test_an_audit_says_would_without_check_mode(tmp_path: Path) -> None:
    given = {"check": True, "policy": {"max_age_days": 90}, "decisions": "{{ [plan[0] | combine({'owner': 'team'})] }}"}
    told = "out.notices | length == 1 and out.notices[0].owner == 'team' and out.notices[0].users == ['ci']"
    run = play(tmp_path, {**given, "report_file": "report.csv"}, then=told)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Would make 1 key, switch off 0, delete 0." in run.stdout
    assert "would make a new key: 120 days old, limit 90" in (tmp_path / "report.csv").read_text(encoding="utf-8")


def test_metrics_are_written_for_node_exporter(tmp_path: Path) -> None:
    run = play(tmp_path, {"key_ids": True, "report_file": "keys.prom"}, "--check")
    assert run.returncode == 0, run.stdout + run.stderr
    text = (tmp_path / "keys.prom").read_text()
    account = 'account_id="123456789012",'
    assert f'\nkeyturn_access_key_age_seconds{{{account}user_name="ci",access_key_id="{KEY}"}} 10368000\n' in text
    assert f'\nkeyturn_drift_users{{{account}status="due"}} 1\n' in text and SECRET not in text
    assert sorted(path.name for path in tmp_path.glob("*")) == ["keys.prom", "playbooks", "vars.yml"]


def test_a_page_shows_every_user_and_what_they_are_called_is_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    hostile = {
        "user_name": name,
        "status": "blocked",
        "reason": f"move what uses {name}",
        "next_date": None,
        "actions": [],
    }
    given = {"decisions": "{{ plan + [hostile] }}", "report_file": "report.html"}
    run = play(tmp_path, given, "--check", "-e", json.dumps({"hostile": hostile}))
    assert run.returncode == 0, run.stdout + run.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<strong>would make a new key</strong>: 120 days old, limit 90" in page
    assert "<h2>Drift: 2 users</h2>" in page
    assert "<summary><h2>Nothing to do: 1 user</h2></summary>" in page
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert SECRET not in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"report_fle": "x.md"}, "module: report_fle. Supported parameters include: check, decisions, info, key_ids,"),
        ({"results": [{"action": MAKE, "chnaged": True}]}, "chnaged"),
        ({"decisions": "none of them"}, "decisions"),
        ({"info": {}}, "this one has no access_keys"),
        (
            {"report_file": "report.txt"},
            "its ending names no form of a report; name a file that ends in .json, .md, .html, .csv or .prom.",
        ),
        ({"report_file": "missing/report.md"}, "does not exist; make it or name another."),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    run = play(tmp_path, options)
    assert run.returncode == 2
    assert sentence in " ".join((run.stdout + run.stderr).split())
    assert "Traceback" not in run.stdout + run.stderr


def test_a_file_that_cannot_be_written_does_not_take_the_table_with_it(tmp_path: Path) -> None:
    run = play(tmp_path, {"report_file": "missing/report.md"}, "--check")
    assert run.returncode == 2
    assert ROW in run.stdout
