# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From plain data to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import CIS_ONE_ACTIVE_KEY
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, ReportError, Step, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.rows import rows_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import (
    DRIFT,
    KEY_FIELDS,
    POLICY_FIELDS,
    STATUSES,
    VERBS,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import counted, plain


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
        keys.setdefault(str(key.get("user_name")), []).append({name: key.get(name) for name in KEY_FIELDS})
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
        policy={name: policy[name] for name in POLICY_FIELDS if name in policy},
        users=users,
        decisions=planned,
        rows=[row for user in users for row in rows_of(user, check_mode)],
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
    by_status = Counter(user.status for user in users if user.status)
    totals = {"users": sum(by_status.values())}
    totals.update({status: by_status.pop(status, 0) for status in STATUSES})
    totals.update(by_status)
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
    who = f"{counted(len(several), 'user')} {'has' if len(several) == 1 else 'have'} more than one Active key"
    return [f"{who}{f', {of_them}' if grace else ''}: that breaks {CIS_ONE_ACTIVE_KEY}."]
