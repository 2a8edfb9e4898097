# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words that all forms of the report share, and how wide they are on a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import count
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import (
    SAYS_WHEN,
    VERBS,
    status_of_users,
)


def totals_sentences(report: Report) -> list[str]:
    """`14 users: 3 due, 11 compliant.` and `Would make 3 keys, switch off 0, delete 0.`; `No user.` where there is
    none.
    """
    totals = report.totals
    if not totals["users"] and not report.rows:
        return ["No user."]
    no_counts = {"users", "failed", *(verb.total for verb in VERBS.values())}
    counts = ", ".join(
        f"{number} {status_of_users(name)}" for name, number in totals.items() if number and name not in no_counts
    )
    words = (
        ("Would make", "verify", "switch off", "delete")
        if report.check_mode
        else ("Made", "verified", "switched off", "deleted")
    )
    made, verified, switched_off, deleted = words
    did = [
        f"{made} {count(totals['made'], 'key')}",
        f"{switched_off} {totals['switched_off']}",
        f"{deleted} {totals['deleted']}",
    ]
    if totals["verified"]:
        did.insert(1, f"{verified} {totals['verified']}")
    if totals["carried"]:
        did.append(f"{'carry' if report.check_mode else 'carried'} {totals['carried']}")
    users = count(totals["users"], "user")
    return [f"{users}: {counts}." if counts else f"{users}.", f"{', '.join(did)}."]


def failures_line(report: Report, most: int = 10) -> str:
    """Who failed at what; empty where nothing failed. Users in error are in the table and are not repeated."""
    failed = [
        f"{failure['user_name']} ({VERBS[failure['action']].to_do})" for failure in report.failures if failure["action"]
    ]
    if not failed:
        return ""
    more = f" and {len(failed) - most} more" if len(failed) > most else ""
    verb = "Would fail" if report.check_mode else "Failed"
    return f"{verb}: {', '.join(failed[:most])}{more}."


def by_itself(user: UserReport) -> str:
    """What time and further runs do for a user who needs a person, or who waits; empty for all others."""
    when = moment(user.next_date)
    if user.group == "waiting":
        is_said = user.status in SAYS_WHEN or not when
        return "" if is_said else f"It goes on by itself after {when}."
    if user.group != "person":
        return ""
    if user.status == "error" or any(step.outcome == "failed" for step in user.steps):
        return "Each run tries again."
    return f"Nothing happens by itself before {when}." if when else "Nothing happens by itself."


def moment(date: str | None) -> str:
    """`2026-12-03 01:26 UTC`; empty where there is none."""
    text = clean(date or "")
    return f"{text[:10]} {text[11:16]} UTC" if text.endswith("+00:00") else text


def short_age(days: Any) -> str:
    if days is None:
        return "-"
    if days >= 1:
        return f"{int(days)}d"
    hours = days * 24
    return f"{int(hours)}h" if hours >= 1 else f"{max(0, int(hours * 60))}m"


def last_use(key: Mapping[str, Any]) -> tuple[str, str, str]:
    """When, by which service and in which region a key was used last."""
    if not key:
        return "-", "", ""
    if key.get("last_used_known") is False:
        return "unknown", "", ""
    if not key.get("last_used_date"):
        return "never", "", ""
    when = "unknown" if key.get("idle_days") is None else f"{short_age(key['idle_days'])} ago"
    return when, key.get("last_used_service") or "", key.get("last_used_region") or ""


def title(report: Report) -> str:
    return f"Access keys of account {report.account_id}" if report.account_id else "Access keys"


def when_and_whether(report: Report) -> str:
    mode = "Nothing was changed: this is what would happen." if report.check_mode else "This is what was done."
    return f"{report.now}. {mode}" if report.now else mode


def in_one_line(task: Mapping[str, Any]) -> str:
    """A task that can be pasted: JSON is YAML. What could end a code of Markdown or a cell is escaped in it."""
    text = json.dumps(task).replace("  ", " \\u0020")  # a browser shows two as one
    for character in "`|<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def clean(text: Any) -> str:
    """The text in one line, without control characters, which could move a terminal's cursor or turn the direction of
    writing.
    """
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: wide East Asian characters and emoji two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_one, text))


def _columns_of_one(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """The longest beginning of the text that fits, at least one character."""
    taken = len(text)
    while taken > 1 and columns(text[:taken]) > width:
        taken -= 1
    return text[:taken]


def shorten(text: str, width: int) -> str:
    return text if columns(text) <= width else f"{cut(text, width - 1)}…"


def pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def wrap(text: str, width: int, whole_words: bool = False) -> list[str]:
    """The text in lines of at most so many columns; a word that is longer than a line is broken, or stands alone where
    it has to stay whole.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and columns(line) + 1 + columns(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while columns(word) > width and not whole_words:
            part = cut(word, width)
            lines.append(part)
            word = word[len(part) :]
        line = word
    return [*lines, line] if line else lines
