# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From plain data to a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import Policy
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import DRIFT, STATUSES
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import (
    Report,
    ReportError,
    Step,
    UserReport,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.read import (
    read_about,
    read_keys,
    read_owner,
    read_remedies,
    read_rules,
    read_steps,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.rows import rows_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.summary import (
    done_by,
    failures_of,
    notes_of,
    totals_of,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import VERBS
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import without_secrets


def build(
    info: Mapping[str, Any],
    decisions: Iterable[Mapping[str, Any]],
    results: Iterable[Mapping[str, Any]] = (),
    check_mode: bool = False,
    policy: Mapping[str, Any] | None = None,
) -> Report:
    """The report on a plan (`decisions`, of rotation_plan), what was seen (`info`, of iam_access_key_info) and what was
    done (`results`).

    The decisions may be those from before or from after the run: an action is matched with its result, and a result
    without a decision is told too. Raises ReportError where the data has another shape.
    """
    info, policy = without_secrets(info), without_secrets(policy or {})
    planned, tried = without_secrets(decisions), without_secrets(results)
    keys, steps = read_keys(info), read_steps(planned, tried, check_mode)
    max_age = _max_age(policy)
    users = [_user(decision, keys, steps, max_age) for decision in planned]
    users += _without_decision(users, keys, steps)
    users = [replace(user, rows=rows_of(user, check_mode)) for user in sorted(users, key=_order)]
    return Report(
        check_mode=check_mode,
        now=info.get("now"),
        account_id=(info.get("account") or {}).get("account_id"),
        policy={field.name: policy[field.name] for field in fields(Policy) if field.name in policy},
        users=users,
        decisions=planned,
        totals=totals_of(users),
        drift=[user.user_name for user in users if user.drift],
        done=done_by(users),
        failures=failures_of(users),
        notes=notes_of(users, policy, info.get("account") or {}),
    )


def _max_age(policy: Mapping[str, Any]) -> float:
    """Who has an Active key of this age is not as the policy wants it, whatever the status."""
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
    max_age = decision.get("max_age_days", max_age)  # a tag of the user may say another
    too_old = any(key["status"] == "Active" and (key["age_days"] or 0) >= max_age for key in own)
    status = str(decision["status"])
    return UserReport(
        user_name=name,
        status=status,
        reason=decision.get("reason") or "",
        about=read_about(decision),
        remedies=read_remedies(decision),
        rules=read_rules(decision),
        next_date=decision.get("next_date"),
        drift=status in DRIFT or too_old,
        has_plan=bool(decision.get("actions")),
        keys=own,
        steps=steps.get(name, []),
        owner=read_owner(decision),
    )


def _without_decision(
    users: Sequence[UserReport], keys: Mapping[str, list[Mapping[str, Any]]], steps: Mapping[str, list[Step]]
) -> list[UserReport]:
    """Users of whom only a result is known."""
    decided = {user.user_name for user in users}
    return [UserReport(name, keys=keys.get(name, []), steps=own) for name, own in steps.items() if name not in decided]


def _order(user: UserReport) -> tuple[int, int]:
    """What is (or was) done first, then what needs a person, then what needs nothing; the sort keeps the names' order
    within.
    """
    if not user.needs_attention:
        return 2, _position(user.status)
    if user.steps and not any(step.outcome == "failed" for step in user.steps):
        return 0, _position(user.status if user.status in DRIFT else VERBS[user.steps[0].action].group)
    return 1, _position(user.status)


def _position(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else len(STATUSES)
