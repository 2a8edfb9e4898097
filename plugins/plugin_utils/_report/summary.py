# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is told of all users at once: totals, what was done, what failed, and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import (
    Benchmark,
    benchmark_called,
    broken_by_account,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import count
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import STATUSES
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import ReportError, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import VERBS


def totals_of(users: Sequence[UserReport]) -> dict[str, int]:
    """The users by status; keys made, verified, switched off and deleted (in check mode: that would be); and what
    failed.
    """
    by_status = Counter(user.status for user in users if user.status)
    totals = {"users": sum(by_status.values())}
    totals.update({status: by_status.pop(status, 0) for status in STATUSES})
    totals.update(by_status)
    steps = [step for user in users for step in user.steps]
    made = {step.new_access_key_id for step in steps if step.new_access_key_id}
    for name, verb in ((name, verb) for name, verb in VERBS.items() if verb.total):
        counting = [step for step in steps if step.action == name and step.outcome in ("done", "planned")]
        counted = sum(1 for step in counting if name != "verify" or step.access_key_id not in made)
        totals[verb.total] = totals.get(verb.total, 0) + counted
    totals["failed"] = len(failures_of(users))
    return totals


def done_by(users: Iterable[UserReport]) -> list[dict[str, Any]]:
    """What was done; of a new key its id."""
    return [
        {
            "action": step.action,
            "user_name": step.user_name,
            "access_key_id": step.new_access_key_id if step.action == "create" else step.access_key_id,
        }
        for user in users
        for step in user.steps
        if step.outcome == "done"
    ]


def failures_of(users: Iterable[UserReport]) -> list[dict[str, Any]]:
    """Users in error (their action is null) and actions that failed, with the reason."""
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


def notes_of(users: Sequence[UserReport], policy: Mapping[str, Any], account: Mapping[str, Any]) -> list[str]:
    """Sentences that concern no single user. Raises ReportError where the policy makes no sense."""
    try:
        benchmark = benchmark_called("The policy's benchmark", policy.get("benchmark"))
    except ValueError as error:
        raise ReportError(str(error)) from None
    named = _named_in_vain(policy.get("now"), {user.user_name for user in users if user.status})
    root = [
        f"The root user has an access key: {benchmark.cite(rule)}." for rule in broken_by_account(account, benchmark)
    ]
    return [*named, *root, *_broken_rules(users, benchmark)]


def _named_in_vain(now: Any, names: set[str]) -> list[str]:
    """A name of rotation_now that is mistyped, or of a user whom this run did not look at, would pass unnoticed."""
    try:
        named = Policy.read({"now": now}).now
    except ValueError as error:
        raise ReportError(str(error)) from None
    known = {name.lower() for name in names}
    vain = [name for name in named if name.lower() not in known]
    return [f"rotation_now names {', '.join(vain)}, whom this run did not look at."] if vain else []


def _broken_rules(users: Iterable[UserReport], benchmark: Benchmark) -> list[str]:
    """What a compliance check will find, said once for all users."""
    breaches: dict[str, list[bool]] = {}
    for user in users:
        for rule in user.rules:
            breaches.setdefault(benchmark.cite(rule), []).append(rule.on_purpose)
    return [_broken_rule(name, breaches[name]) for name in sorted(breaches)]


def _broken_rule(name: str, on_purpose: Sequence[bool]) -> str:
    verb = "breaks" if len(on_purpose) == 1 else "break"
    return f"{count(len(on_purpose), 'user')} {verb} {name}{_how_many_mean_to(on_purpose)}."


def _how_many_mean_to(on_purpose: Sequence[bool]) -> str:
    if all(on_purpose):
        return ", on purpose"
    return f", {sum(on_purpose)} of them on purpose" if any(on_purpose) else ""
