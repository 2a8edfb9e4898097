# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done with the access keys of each user, and when that will change.

One pure decision per user, no clock, no I/O.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._time import DAY, LEFTOVER_WAIT, LIST_LAG
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import broken_rules
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import NAMED_DAYS, Case
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import SECOND, date, whole_second
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import END_OF_TIME, Policy, in_days, later
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import Decision, decide, first_fit, goes_first
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User, read_info


def plan(info: Any, policy: Any = None) -> list[dict[str, Any]]:
    """One decision per user, ordered by name: what the `rotation_plan` filter returns.

    `info` is the result of `iam_access_key_info`, `policy` a mapping of what differs from the role's defaults.
    Raises ValueError, one sentence, for a policy or an info that cannot be used at all.
    """
    rules = Policy.read(policy)
    users, now = read_info(info)
    return [_as_result(Case(user, rules, now)) for user in users]


def _as_result(case: Case) -> dict[str, Any]:
    decision = decide(case)
    next_date = _next_date(case, decision)
    said = decision.says()
    return {
        "user_name": case.user.name,
        "status": decision.status,
        "reason": said.reason,
        "about": list(decision.about),
        "remedies": [remedy.public() for remedy in said.remedies],
        "rules": [asdict(rule) for rule in broken_rules(case.user, case.now, decision.in_grace)],
        "next_date": date(next_date) if next_date and next_date < END_OF_TIME else None,
        "actions": [
            {
                "action": action.action,
                "user_name": case.user.name,
                "access_key_id": action.access_key_id,
                "replaces": action.replaces,
                "min_idle_days": action.min_idle_days,
                "max_age_days": action.max_age_days,
                "reason": action.reason,
                **action.said_where_it_is_so,
            }
            for action in decision.actions
        ],
    }


def _next_date(case: Case, decided: Decision) -> datetime | None:
    """When the same user, with nothing but time gone by, is decided otherwise.

    Where there is something to do, that comes first.
    """
    if decided.next_date is not None or decided.actions:
        return decided.next_date
    row, _keys = first_fit(case)
    for moment in _turning_points(case.user, case.policy, case.now):
        later = Case(case.user, case.policy, moment)
        same_row = first_fit(later)[0] is row and not goes_first(later)
        if not same_row and decide(later).does != decided.does:
            return moment
    return None


def _turning_points(user: User, policy: Policy, now: datetime) -> list[datetime]:
    """Every date ahead at which one of the rows may begin or cease to fit, in order."""
    if user.error is not None or user.gone:
        return []
    named = policy.names(user.name)
    max_age = min(policy.max_age_days, NAMED_DAYS) if named else policy.max_age_days
    entry = user.seen.entry
    dates: set[datetime] = set() if entry.hold_until is None else {entry.hold_until}
    if entry.asked:
        dates.add(later(entry.asked.date, LIST_LAG))
    for key in (*user.keys, *user.departed):
        for since, days in (
            (
                key.created,
                (max_age, max_age - policy.warn_days, LEFTOVER_WAIT / DAY if entry.asked else None, policy.unused_days),
            ),
            (key.last_used, (policy.idle_days, policy.unused_days)),
            (key.promoted, (policy.unused_days,)),
            (key.deactivated, (policy.delete_after_days, NAMED_DAYS if named else None)),
        ):
            if since is not None:
                dates.update(later(since, in_days(span)) for span in days if span is not None)
        # What was promoted, carried or switched off this very second counts from the next.
        dates.update(
            later(since, SECOND) for since in (key.promoted, key.carried, key.deactivated) if since is not None
        )
    if user.current:
        in_place = filter(None, [user.current.current_since, user.current.carried])
        dates.update(later(moment, in_days(policy.deactivate_after_days)) for moment in in_place)
    return sorted({whole_second(moment) for moment in dates if now < moment < END_OF_TIME})
