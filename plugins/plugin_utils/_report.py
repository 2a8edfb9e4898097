# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads after a rotation or an audit: a table on the screen, and the same as JSON, CSV, Markdown or HTML.

`build` makes a `Report` from plain data, the renderers make text of it, and `write` alone touches a disk.
A report holds no secret: whatever has `secret` in its name is dropped before anything is read.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import secrets
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import CIS_ONE_ACTIVE_KEY
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._report_style import STYLE

SCREEN_WIDTH = 100

# status: (as the head of a sentence, in the line of totals); the order is that of the table and of the totals.
STATUSES = {
    "due": ("due", "due"),
    "unused": ("unused", "unused"),
    "retire": ("to retire", "to retire"),
    "blocked": ("blocked", "blocked"),
    "broken": ("broken", "broken"),
    "leftover": ("leftover", "with a leftover"),
    "gone": ("gone", "gone"),
    "unmanaged": ("unmanaged", "unmanaged"),
    "error": ("error", "in error"),
    "no_active_key": ("no active key", "without an active key"),
    "held": ("held", "held"),
    "grace": ("in grace", "in grace"),
    "due_soon": ("due soon", "due soon"),
    "compliant": ("compliant", "compliant"),
    "exempt": ("exempt", "exempt"),
}
DRIFT = frozenset(("error", "gone", "leftover", "due", "broken", "unused", "blocked", "retire"))
_KEY_FIELDS = (
    "access_key_id",
    "status",
    "stage",
    "create_date",
    "age_days",
    "last_used_date",
    "last_used_service",
    "last_used_region",
    "last_used_known",
    "idle_days",
    "deactivate_date",
    "stored",
)
_POLICY_FIELDS = (
    "max_age_days",
    "warn_days",
    "deactivate_after_days",
    "idle_days",
    "delete_after_days",
    "unused_days",
    "exempt",
    "now",
)


@dataclass(frozen=True)
class Verb:
    """How one action is spoken of: what is to be done, what was done, and that there was nothing to do."""

    to_do: str
    did: str
    needless: str
    total: str
    group: str


VERBS = {
    "create": Verb("make a new key", "made a new key", "needed no new key", "made", "due"),
    "verify": Verb("verify and make current", "verified and made current", "was current already", "verified", "due"),
    "deactivate": Verb("switch off", "switched off", "was off already", "switched_off", "retire"),
    "delete": Verb("delete", "deleted", "was deleted already", "deleted", "retire"),
}


class ReportError(ValueError):
    """Input that makes no report, or a file that could not be written, in one sentence for the user."""


@dataclass(frozen=True)
class Step:
    """One action of a plan and what came of it: `planned`, `done`, `unchanged`, `failed`, or `pending` (not reached in this run)."""

    action: str
    user_name: str
    access_key_id: str | None
    replaces: str | None
    reason: str
    outcome: str
    msg: str = ""
    new_access_key_id: str | None = None

    @property
    def about(self) -> str | None:
        """The key in whose row the step is told: of a new key the one that it replaces."""
        return self.replaces if self.action == "create" else self.access_key_id

    def head(self, check_mode: bool) -> str:
        verb = VERBS[self.action]
        if self.outcome == "failed":
            return f"would fail to {verb.to_do}" if check_mode else f"failed to {verb.to_do}"
        if self.outcome == "planned":
            return f"would {verb.to_do}"
        if self.outcome == "pending":
            return f"still to do, {verb.to_do}"
        if self.outcome == "unchanged":
            return verb.needless
        return f"{verb.did} {self.new_access_key_id}" if self.new_access_key_id else verb.did


@dataclass(frozen=True)
class Row:
    """One line of the table: a key of a user (or a user without one), and what happens to it where that is said here."""

    user_name: str
    status: str
    drift: bool
    listed: bool
    access_key_id: str | None = None
    key: Mapping[str, Any] = field(default_factory=dict)
    head: str = ""
    why: str = ""
    reason: str = ""
    next_date: str | None = None

    @property
    def sentence(self) -> str:
        return f"{self.head}: {self.why}" if self.head and self.why else self.head


@dataclass(frozen=True)
class UserReport:
    """What the plan says of one user, the keys that were seen, and each step with its outcome."""

    user_name: str
    status: str
    reason: str
    next_date: str | None
    drift: bool
    has_plan: bool
    keys: Sequence[Mapping[str, Any]]
    steps: Sequence[Step]

    @property
    def needs_attention(self) -> bool:
        return self.drift or bool(self.steps)


@dataclass(frozen=True)
class Report:
    """Everything that is told, in the order in which it is told.

    `rows` has every key of every user; those with `listed` are what people need to see. `totals` counts users by
    status, and keys made, verified (of an earlier run), switched off and deleted: in check mode those that would be.
    `failures` has what failed and the users in error, `drift` their names as the contract defines drift.
    """

    check_mode: bool
    now: str | None
    account_id: str | None
    policy: Mapping[str, Any]
    users: Sequence[UserReport]
    decisions: Sequence[Mapping[str, Any]]
    rows: Sequence[Row]
    totals: Mapping[str, int]
    drift: Sequence[str]
    done: Sequence[Mapping[str, Any]]
    failures: Sequence[Mapping[str, Any]]
    notes: Sequence[str]


# --- from data to a report ---


def plain(value: Any) -> Any:
    """The value in plain Python types, without anything named secret: ansible-core 2.19+ hands out tagged and lazy ones."""
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(item) for name, item in value.items() if "secret" not in str(name).lower()}
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "isoformat"):
        return str.__str__(value.isoformat())
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    return str(value)


def build(
    info: Mapping[str, Any],
    decisions: Iterable[Mapping[str, Any]],
    results: Iterable[Mapping[str, Any]] = (),
    check_mode: bool = False,
    policy: Mapping[str, Any] | None = None,
) -> Report:
    """The report on a plan (`decisions`, of rotation_plan), what was seen (`info`, of iam_access_key_info) and what was done (`results`).

    The decisions may be those from before or from after the run: an action is matched with its result, and a result
    without a decision is told too. Raises ReportError where the data has another shape.
    """
    info, policy = plain(info), plain(policy or {})
    planned, tried = plain(decisions), plain(results)
    if not isinstance(info.get("access_keys"), list):
        raise ReportError(
            "The report needs the result of iam_access_key_info as its info, and this one has no access_keys."
        )
    keys: dict[str, list[Mapping[str, Any]]] = {}
    for key in info["access_keys"]:
        keys.setdefault(str(key.get("user_name")), []).append({name: key.get(name) for name in _KEY_FIELDS})
    steps = _steps(planned, tried, check_mode)
    max_age = _max_age(policy)
    users = [_user(decision, keys, steps, max_age) for decision in planned]
    names = {user.user_name for user in users}
    users += [
        UserReport(name, "", "", None, False, False, keys.get(name, []), own)
        for name, own in steps.items()
        if name not in names
    ]
    users.sort(key=_order)
    every_step = [step for user in users for step in user.steps]
    failures = _failures(users)
    return Report(
        check_mode=check_mode,
        now=info.get("now"),
        account_id=(info.get("account") or {}).get("account_id"),
        policy={name: policy[name] for name in _POLICY_FIELDS if name in policy},
        users=users,
        decisions=planned,
        rows=[row for user in users for row in _rows(user, check_mode)],
        totals=_totals(users, every_step, failures),
        drift=[user.user_name for user in users if user.drift],
        done=[
            {
                "action": step.action,
                "user_name": step.user_name,
                "access_key_id": step.new_access_key_id if step.action == "create" else step.access_key_id,
            }
            for step in every_step
            if step.outcome == "done"
        ],
        failures=failures,
        notes=[*_named_in_vain(policy.get("now"), names), *_notes(users)],
    )


def _steps(decisions: list[Any], results: list[Any], check_mode: bool) -> dict[str, list[Step]]:
    """Each user's steps: first what was tried, in that order, then what was planned and not tried."""
    found: dict[tuple[str, str, str | None], Step] = {}
    for result in results:
        if not isinstance(result, Mapping):
            raise ReportError(f"The report cannot read a result: {result!r} is not a mapping.")
        step = _step(result.get("action"), _outcome(result, check_mode), result)
        found[_identity(step)] = step
    for decision in decisions:
        if not isinstance(decision, Mapping) or not decision.get("user_name") or not decision.get("status"):
            raise ReportError(
                "The report needs the decisions of rotation_plan, and one of these has no user_name or no status."
            )
        for action in decision.get("actions") or ():
            step = _step(action, "planned" if check_mode else "pending", {})
            found.setdefault(_identity(step), step)
    steps: dict[str, list[Step]] = {}
    for step in found.values():
        steps.setdefault(step.user_name, []).append(step)
    return steps


def _identity(step: Step) -> tuple[str, str, str | None]:
    """By what a planned action and its result are known to be the same; a plan makes one key of a user at most."""
    return step.user_name, step.action, None if step.action == "create" else step.access_key_id


def _outcome(result: Mapping[str, Any], check_mode: bool) -> str:
    if result.get("failed"):
        return "failed"
    if not result.get("changed"):
        return "unchanged"
    return "planned" if check_mode else "done"


def _step(action: Any, outcome: str, result: Mapping[str, Any]) -> Step:
    if not isinstance(action, Mapping) or action.get("action") not in VERBS or not action.get("user_name"):
        raise ReportError(
            f"The report does not know the action {action!r}; it needs an action of a decision of rotation_plan."
        )
    made = action["action"] == "create" and outcome == "done"
    return Step(
        action=action["action"],
        user_name=str(action["user_name"]),
        access_key_id=action.get("access_key_id"),
        replaces=action.get("replaces"),
        reason=action.get("reason") or "",
        outcome=outcome,
        msg=result.get("msg") or "",
        new_access_key_id=result.get("access_key_id") if made else None,
    )


def _max_age(policy: Mapping[str, Any]) -> float:
    """Needed only to tell an `unmanaged` user that is drift from one that is not."""
    limit = policy.get("max_age_days")
    try:
        return Policy().max_age_days if limit is None else float(limit)
    except (TypeError, ValueError):
        raise ReportError(
            f"The report needs a number of days as the policy's max_age_days, and {limit!r} is none."
        ) from None


def _user(
    decision: Mapping[str, Any],
    keys: Mapping[str, list[Mapping[str, Any]]],
    steps: Mapping[str, list[Step]],
    max_age: float,
) -> UserReport:
    name = str(decision["user_name"])
    own = keys.get(name, [])
    too_old = any(key["status"] == "Active" and (key["age_days"] or 0) >= max_age for key in own)
    status = str(decision["status"])
    return UserReport(
        user_name=name,
        status=status,
        reason=decision.get("reason") or "",
        next_date=decision.get("next_date"),
        drift=status in DRIFT or (status == "unmanaged" and too_old),
        has_plan=bool(decision.get("actions")),
        keys=own,
        steps=steps.get(name, []),
    )


def _order(user: UserReport) -> tuple[int, int]:
    """What is (or was) done first, then what needs a person, then what needs nothing; the sort keeps the names' order within."""
    position = list(STATUSES).index(user.status) if user.status in STATUSES else len(STATUSES)
    if not user.needs_attention:
        return 2, position
    if user.steps and not any(step.outcome == "failed" for step in user.steps):
        return 0, list(STATUSES).index(VERBS[user.steps[0].action].group) if user.status not in DRIFT else position
    return 1, position


def _rows(user: UserReport, check_mode: bool) -> list[Row]:
    """The sentences first, each in the row of the key that it is about, then the user's other keys."""
    known = {key["access_key_id"]: key for key in user.keys}

    def row(key_id: str | None, listed: bool, head: str = "", why: str = "") -> Row:
        return Row(
            user_name=user.user_name,
            status=user.status,
            drift=user.drift,
            listed=listed,
            access_key_id=key_id,
            key=known.get(key_id, {}),
            head=head,
            why=_without_head(why, head),
            reason=user.reason,
            next_date=user.next_date,
        )

    told = _worth_telling(user.steps)
    rows = [row(step.about, True, step.head(check_mode), _why(step, user)) for step in told]
    # What the second look of a run found is told beside what the run did; a plan's own status is told by its actions.
    stuck = user.drift and not user.has_plan and all(step.outcome != "failed" for step in told)
    if user.status and (stuck or not told):
        about = _key_in_question(user)
        rows.append(row(about, user.needs_attention, _head(user.status), user.reason))
    elif user.has_plan:
        # A plan that acts on one key may say of another why it is left alone.
        subjects = {key_id for step in told for key_id in (step.about, step.access_key_id, step.new_access_key_id)}
        others = [key_id for key_id, key in known.items() if key["status"] == "Active" and key["stage"] != "current"]
        alone = [key_id for key_id in others if key_id not in subjects and str(key_id) in user.reason]
        rows += [row(key_id, True, "left alone", user.reason) for key_id in alone[:1]]
        rows += [row(key_id, True) for key_id in alone[1:]]
    shown = {each.access_key_id for each in rows}
    for key in user.keys:
        key_id = key["access_key_id"]
        if key_id not in shown:
            matters = not told and user.needs_attention and user.status != "error"
            rows.append(row(key_id, matters and (key["status"] == "Active" or str(key_id) in user.reason)))
    return rows


def _worth_telling(steps: Sequence[Step]) -> list[Step]:
    """A new key that became current in the same run is told once, as made."""
    made = {step.new_access_key_id for step in steps if step.new_access_key_id}
    return [
        step
        for step in steps
        if not (step.action == "verify" and step.access_key_id in made and step.outcome in ("done", "unchanged"))
    ]


def _why(step: Step, user: UserReport) -> str:
    if step.outcome in ("failed", "unchanged") and step.msg:
        return step.msg
    return step.reason or user.reason


def _head(status: str) -> str:
    return STATUSES[status][0] if status in STATUSES else status.replace("_", " ")


def _without_head(why: str, head: str) -> str:
    """A reason that begins with the words which are put before it would say them twice."""
    return why[len(head) + 1 :].lstrip() if head and why.lower().startswith(f"{head}:") else why


def _key_in_question(user: UserReport) -> str | None:
    """The key that a status is about: the first that the reason names, else the current one, else the newest Active, else the newest."""
    if user.status == "error":
        return None
    ids = [str(key["access_key_id"]) for key in user.keys]
    named = [(user.reason.find(key_id), key_id) for key_id in ids if key_id in user.reason]
    if named:
        return min(named)[1]
    current = [key_id for key_id, key in zip(ids, user.keys) if key["stage"] == "current"]
    active = [key_id for key_id, key in zip(ids, user.keys) if key["status"] == "Active"]
    return next(iter(current or active[-1:] or ids[-1:]), None)


def _failures(users: Iterable[UserReport]) -> list[dict[str, Any]]:
    failures: list[dict[str, Any]] = []
    for user in users:
        if user.status == "error":
            failures.append({"user_name": user.user_name, "action": None, "msg": user.reason})
        failures += [
            {"user_name": step.user_name, "action": step.action, "msg": step.msg}
            for step in user.steps
            if step.outcome == "failed"
        ]
    return failures


def _totals(users: Sequence[UserReport], steps: Iterable[Step], failures: Sequence[Any]) -> dict[str, int]:
    counted = Counter(user.status for user in users if user.status)
    totals = {"users": sum(counted.values())}
    totals.update({status: counted.pop(status, 0) for status in STATUSES})
    totals.update(counted)
    steps = list(steps)
    made = {step.new_access_key_id for step in steps if step.new_access_key_id}
    for name, verb in VERBS.items():
        counting = [step for step in steps if step.action == name and step.outcome in ("done", "planned")]
        totals[verb.total] = sum(1 for step in counting if name != "verify" or step.access_key_id not in made)
    totals["failed"] = len(failures)
    return totals


def _named_in_vain(now: Any, names: set[str]) -> list[str]:
    """A name of rotation_now that is mistyped, or of a user whom this run did not look at, would pass unnoticed."""
    try:
        named = Policy.read({"now": now}).now
    except ValueError as error:
        raise ReportError(str(error)) from None
    vain = [name for name in named if name not in names]
    return [f"rotation_now names {', '.join(vain)}, whom this run did not look at."] if vain else []


def _notes(users: Iterable[UserReport]) -> list[str]:
    """What a compliance check will find, said once for all users."""
    several = [user.status for user in users if sum(key["status"] == "Active" for key in user.keys) > 1]
    if not several:
        return []
    grace = several.count("grace")
    of_them = "on purpose, in grace" if grace == len(several) else f"{grace} of them on purpose, in grace"
    who = f"{_count(len(several), 'user')} {'has' if len(several) == 1 else 'have'} more than one Active key"
    return [f"{who}{f', {of_them}' if grace else ''}: that breaks {CIS_ONE_ACTIVE_KEY}."]


# --- words and columns ---


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def totals_sentences(report: Report) -> list[str]:
    """`14 users: 3 due, 11 compliant.` and `Would make 3 keys, switch off 0, delete 0.`; `No user.` where there is none."""
    totals = report.totals
    if not totals["users"] and not report.rows:
        return ["No user."]
    no_counts = {"users", "failed", *(verb.total for verb in VERBS.values())}
    counts = ", ".join(
        f"{number} {STATUSES[name][1] if name in STATUSES else _head(name)}"
        for name, number in totals.items()
        if number and name not in no_counts
    )
    words = (
        ("Would make", "verify", "switch off", "delete")
        if report.check_mode
        else ("Made", "verified", "switched off", "deleted")
    )
    made, verified, switched_off, deleted = words
    did = [
        f"{made} {_count(totals['made'], 'key')}",
        f"{switched_off} {totals['switched_off']}",
        f"{deleted} {totals['deleted']}",
    ]
    if totals["verified"]:
        did.insert(1, f"{verified} {totals['verified']}")
    return [f"{_count(totals['users'], 'user')}{f': {counts}' if counts else ''}.", f"{', '.join(did)}."]


def failures_line(report: Report, most: int = 10) -> str:
    """Who failed at what; empty where nothing failed. Users in error are in the table and are not repeated."""
    failed = [
        f"{failure['user_name']} ({VERBS[failure['action']].to_do})" for failure in report.failures if failure["action"]
    ]
    if not failed:
        return ""
    more = f" and {len(failed) - most} more" if len(failed) > most else ""
    return f"{'Would fail' if report.check_mode else 'Failed'}: {', '.join(failed[:most])}{more}."


def _age(days: Any) -> str:
    if days is None:
        return "-"
    if days >= 1:
        return f"{int(days)}d"
    hours = days * 24
    return f"{int(hours)}h" if hours >= 1 else f"{max(0, int(hours * 60))}m"


def _last_used(key: Mapping[str, Any]) -> tuple[str, str, str]:
    """When, by which service and in which region a key was used last."""
    if not key:
        return "-", "", ""
    if key.get("last_used_known") is False:
        return "unknown", "", ""
    if not key.get("last_used_date"):
        return "never", "", ""
    when = "unknown" if key.get("idle_days") is None else f"{_age(key['idle_days'])} ago"
    return when, key.get("last_used_service") or "", key.get("last_used_region") or ""


def clean(text: Any) -> str:
    """The text in one line, without control characters, which could move a terminal's cursor or turn the direction of writing."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: wide East Asian characters and emoji two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text: str, width: int) -> str:
    """The longest beginning of the text that fits, at least one character."""
    taken = len(text)
    while taken > 1 and columns(text[:taken]) > width:
        taken -= 1
    return text[:taken]


def _shorten(text: str, width: int) -> str:
    return text if columns(text) <= width else f"{_cut(text, width - 1)}…"


def _pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most so many columns; a word that is longer than a line is broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and columns(line) + 1 + columns(word) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while columns(word) > width:
            part = _cut(word, width)
            lines.append(part)
            word = word[len(part) :]
        line = word
    return [*lines, line] if line else lines


# --- the screen ---

_GAP = "  "
_WHAT_LEAST = 22  # fits "would make a new key:"
_LAST_USED_LEAST = 24
_KEY_MOST = 24
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
    ids = [_shorten(clean(row.access_key_id or "-"), _KEY_MOST) for row in rows]
    ages = [_age(row.key.get("age_days")) for row in rows]
    stages = [row.key.get("stage") or "-" for row in rows]
    uses = [_last_used(row.key) for row in rows]
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

    def line(*cells: str) -> str:
        return _GAP.join([*(_pad(cell, size) for cell, size in zip(cells, widths)), *cells[len(widths) :]]).rstrip()

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
        beside, below = _fit(row, what_width, SCREEN_WIDTH - user_width - len(_GAP))
        lines.append(line(shown_name, key_id, age, use, stage, beside[0] if beside else ""))
        lines += [line("", "", "", "", "", text) for text in beside[1:]]
        # A reason below the keys is about all of them: the user's other keys come first.
        held_back += [" " * (user_width + len(_GAP)) + text for text in below]
    return lines + held_back


def _use_cell(use: tuple[str, str, str], when_width: int, most: int) -> str:
    """`2h ago  s3 eu-west-1`; where that is too wide, without the region: people ask for the service first."""
    when, service, region = (clean(part) for part in use)
    if not service:
        return when
    short = f"{when:<{when_width}}  {service}"
    whole = f"{short} {region}".rstrip()
    return whole if columns(whole) <= most else _shorten(short, most)


def _fit(row: Row, what_width: int, below_width: int) -> tuple[list[str], list[str]]:
    """The sentence in lines beside the key, or, where that would be a long thin column, its reason below the key."""
    status = row.key.get("status")
    text = row.sentence or ("" if status in (None, "Active") else clean(status).lower())
    text, why = _without_rule(text), _without_rule(row.why)
    beside = wrap(clean(text), what_width)
    head = wrap(clean(f"{row.head}:"), what_width)
    below = wrap(clean(why), below_width)
    if not below or (len(beside) <= max(2, len(head) + len(below)) and len(beside) <= 3):
        return beside, []
    if len(below) > _SENTENCE_MOST:
        below = [*below[: _SENTENCE_MOST - 1], _shorten(" ".join(below[_SENTENCE_MOST - 1 :]), below_width)]
    return head, below


def _without_rule(text: str) -> str:
    """Without the sentence that names the rule which the notes name for all users: said of each, it would fill the screen."""
    before, rule, after = text.partition(CIS_ONE_ACTIVE_KEY)
    if not rule or ". " not in before:
        return text
    return f"{before[: before.rindex('. ') + 1]}{after.partition('.')[2]}"


# --- files ---


def as_json(report: Report) -> str:
    """The report as JSON; the keys are documented in docs/report.md and stay."""
    document = {
        "format": 1,
        "account_id": report.account_id,
        "now": report.now,
        "check_mode": report.check_mode,
        "policy": report.policy,
        "totals": report.totals,
        "drift": report.drift,
        "done": report.done,
        "failures": report.failures,
        "notes": report.notes,
        "users": [
            {
                "user_name": user.user_name,
                "status": user.status or None,
                "drift": user.drift,
                "reason": user.reason,
                "next_date": user.next_date,
                "what_happens": [row.sentence for row in _rows(user, report.check_mode) if row.sentence],
                "actions": [
                    {
                        "action": step.action,
                        "access_key_id": step.access_key_id,
                        "replaces": step.replaces,
                        "reason": step.reason,
                        "outcome": step.outcome,
                        "msg": step.msg or None,
                        "new_access_key_id": step.new_access_key_id,
                    }
                    for step in user.steps
                ],
                "access_keys": list(user.keys),
            }
            for user in report.users
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_CSV_COLUMNS = (
    "user_name",
    "status",
    "drift",
    "access_key_id",
    "key_status",
    "stage",
    "create_date",
    "age_days",
    "last_used_date",
    "last_used_service",
    "last_used_region",
    "idle_days",
    "what_happens",
    "reason",
    "next_date",
)


def as_csv(report: Report) -> str:
    """One row for each key of each user, and one for a user without a key; a spreadsheet takes no value for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for row in report.rows:
        cells = {name: row.key.get(name) for name in _CSV_COLUMNS}
        cells.update(
            user_name=row.user_name,
            status=row.status,
            drift=row.drift,
            access_key_id=row.access_key_id,
            key_status=row.key.get("status"),
            what_happens=row.sentence,
            reason=row.reason,
            next_date=row.next_date,
        )
        writer.writerow([_csv_cell(cells[name]) for name in _CSV_COLUMNS])
    return out.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.2f}"
    text = str(value)
    # The list is OWASP's ("CSV Injection"), with the full-width forms that spreadsheets take for the same.
    harmless = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
    # csv leaves a lone carriage return unquoted, and then cannot read it again.
    return harmless.replace("\r\n", "\n").replace("\r", "\n")


_TABLE_COLUMNS = ("User", "Status", "Key", "Key status", "Age", "Last used", "Stage", "What happens")


def _table_cells(row: Row) -> tuple[str, ...]:
    """What Markdown and HTML show of a row, under those columns."""
    return (
        row.user_name,
        _head(row.status) if row.status else "-",
        row.access_key_id or "-",
        row.key.get("status") or "-",
        _age(row.key.get("age_days")),
        " ".join(filter(None, _last_used(row.key))),
        row.key.get("stage") or "-",
        row.sentence,
    )


def _title(report: Report) -> str:
    return f"Access keys of account {report.account_id}" if report.account_id else "Access keys"


def _when_and_whether(report: Report) -> str:
    mode = "Nothing was changed: this is what would happen." if report.check_mode else "This is what was done."
    return f"{report.now}. {mode}" if report.now else mode


def as_markdown(report: Report, show_all: bool = False) -> str:
    """A table that a ticket shows: the users that need something, those with nothing to do counted (all of them with `show_all`)."""
    parts = [f"# {_md(_title(report))}", _md(_when_and_whether(report)), _md(" ".join(totals_sentences(report)))]
    failed = failures_line(report, most=len(report.failures))
    if failed:
        parts.append(_md(failed))
    rows = [row for row in report.rows if show_all or row.listed]
    if rows:
        table = [f"| {' | '.join(_TABLE_COLUMNS)} |", f"|{'---|' * len(_TABLE_COLUMNS)}"]
        table += [f"| {' | '.join(map(_md, _table_cells(row)))} |" for row in rows]
        parts.append("\n".join(table))
    parts += [_md(note) for note in report.notes]
    return "\n\n".join(parts) + "\n"


_MD_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{c: f"\\{c}" for c in "\\`*[]|"}})


def _md(value: Any) -> str:
    """The value as it reads, in one line: neither HTML, nor a link, nor the end of a table's cell."""
    return clean(value).translate(_MD_ESCAPES)


# The policy in it is for the day on which something is escaped wrongly: a browser then still runs and loads nothing.
_HTML_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
{title}
<style>
{style}</style>
</head>
{body}
</html>
"""


class _Markup(str):
    """HTML that an element contains as it is; every other text is escaped."""


def _element(name: str, *content: str, **attributes: str) -> _Markup:
    """An element in which no text is markup, neither in its content nor in an attribute (`class_`, `data_label`)."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(clean(value))}"' for key, value in attributes.items()
    )
    inside = [part if isinstance(part, _Markup) else html.escape(clean(part)) for part in content]
    # Elements without text between them have lines of their own: a mail server may break long lines anywhere.
    between = "\n" if all(isinstance(part, _Markup) for part in content) else ""
    return _Markup(f"<{name}{given}>{between.join(inside)}</{name}>")


def as_html(report: Report, show_all: bool = False) -> str:
    """One page for a mail or a build server: drift first, the users with nothing to do folded in (unfolded with `show_all`)."""
    drift = [user for user in report.users if user.drift]
    actions = [user for user in report.users if user.needs_attention and not user.drift]
    rest = [user for user in report.users if not user.needs_attention]
    failed = failures_line(report, most=len(report.failures))
    parts = [_element("h1", _title(report)), _element("p", _when_and_whether(report))]
    parts += [_element("p", sentence, class_="total") for sentence in totals_sentences(report)]
    if failed:
        parts.append(_element("p", failed, class_="failed"))
    if drift:
        parts += _html_users("Drift", "Not as the policy wants them", drift, report.check_mode)
    else:
        parts.append(_element("p", "No drift."))
    if actions:
        parts += _html_users("Actions", "No drift, but an action", actions, report.check_mode)
    if rest:
        heading, table = _html_users("Nothing to do", "No drift and no action", rest, report.check_mode)
        unfolded = {"open": ""} if show_all else {}
        parts.append(_element("details", _element("summary", heading), table, **unfolded))
    parts += [_element("p", note) for note in report.notes]
    return _HTML_PAGE.format(title=_element("title", _title(report)), style=STYLE, body=_element("body", *parts))


def _html_users(heading: str, caption: str, users: Sequence[UserReport], check_mode: bool) -> tuple[_Markup, _Markup]:
    """The heading and the table of some users, with all their keys."""
    header = _element("tr", *(_element("th", column, scope="col") for column in _TABLE_COLUMNS))
    bodies = [_html_user(user, check_mode) for user in users]
    table = _element("table", _element("caption", caption), _element("thead", header), *bodies)
    return _element("h2", f"{heading}: {_count(len(users), 'user')}"), table


def _html_user(user: UserReport, check_mode: bool) -> _Markup:
    """A user's rows; the name and the status are said once, beside all of them."""
    rows = _rows(user, check_mode)
    span = str(len(rows))
    lines: list[_Markup] = []
    for row in rows:
        name, status, *of_key, sentence = _table_cells(row)
        cells = (
            []
            if lines
            else [
                _element("th", name, scope="rowgroup", rowspan=span),
                _element("td", _element("b", status), rowspan=span),
            ]
        )
        # The labels are for a phone, where the columns' heads are not shown, and neither is what has no label.
        cells += [
            _element("td", text, data_label="" if text == "-" else column)
            for column, text in zip(_TABLE_COLUMNS[2:], of_key)
        ]
        cells.append(
            _element("td", _element("strong", row.head), sentence.removeprefix(row.head))
            if sentence
            else _element("td")
        )
        lines.append(_element("tr", *cells))
    return _element("tbody", *lines, class_="drift" if user.drift else "other")


def render(report: Report, path: str, show_all: bool = False) -> str:
    """The report in the form that the file's ending names. Raises ReportError for an ending that names none."""
    ending = os.path.splitext(path)[1].lower()
    if ending == ".json":
        return as_json(report)
    if ending == ".csv":
        return as_csv(report)
    if ending == ".md":
        return as_markdown(report, show_all)
    if ending == ".html":
        return as_html(report, show_all)
    raise ReportError(
        f"The report {path} was not written, because its ending names no form of a report; "
        "name a file that ends in .json, .md, .html or .csv."
    )


def write(path: str, text: str) -> None:
    """Puts the text into the file at once: whoever reads it meanwhile sees the old one or the new one, never half of one.

    Keeps a symbolic link and the permissions of a file that is replaced. Raises ReportError in one sentence.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise ReportError(
            f"The report {path} was not written, because the folder {folder} does not exist; make it or name another."
        )
    if os.path.isdir(target):
        raise ReportError(f"The report {path} was not written, because that is a folder; name a file in it.")
    # Not tempfile's, which only its owner may read whatever the umask says: a report is for others.
    beside = os.path.join(folder, f".rotation_report-{secrets.token_hex(6)}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                file.write(text)
            if os.path.exists(target):
                os.chmod(beside, os.stat(target).st_mode & 0o7777)
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise ReportError(f"The report {path} was not written: {error.strerror or error}.") from error
