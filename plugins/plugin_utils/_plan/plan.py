# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done with the access keys of each user, and when that will change.

One pure decision per user, no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._time import DAY, LEFTOVER_WAIT, LIST_LAG, NOTE_LEADS
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import Rule
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import Case
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import LONG_AGO
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import SECOND, date, whole_second
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import (
    END_OF_TIME,
    NAMED_DAYS,
    Policy,
    in_days,
    later,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.rules import broken_rules
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import (
    Decision,
    decide,
    first_fit,
    goes_first,
    put_off,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.tags import has_an_age_of_its_own, owner_of, policy_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User, read_info


def plan(info: Any, policy: Any = None) -> list[dict[str, Any]]:
    """One decision per user, ordered by name: what the `rotation_plan` filter returns.

    `info` is the result of `iam_access_key_info`, `policy` a mapping of what differs from the role's defaults.
    The role's second look has `new_keys` too: how many its run has made by then, for `max_new_keys`.
    Raises ValueError, one sentence, for a policy or an info that cannot be used at all.
    """
    rules = Policy.read(policy)
    users, now = read_info(info)
    cases = [_case(user, rules, now) for user in users]
    decisions = [decide(case) for case in cases]
    made = int(info.get("new_keys") or 0)
    late = _of_a_later_run(cases, decisions, None if rules.max_new_keys is None else rules.max_new_keys - made)
    return [_as_result(case, decision, case in late) for case, decision in zip(cases, decisions)]


def _case(user: User, policy: Policy, now: datetime) -> Case:
    try:
        return Case(user, policy_of(user, policy), now)
    except ValueError as error:
        return Case(replace(user, error=str(error)), policy, now)


def _of_a_later_run(cases: Sequence[Case], decisions: Sequence[Decision], most: int | None) -> set[Case]:
    """Whose new key has to wait, since this run makes no more than so many.

    Those whom a person named come first, then the oldest keys.
    """
    if most is None:
        return set()
    waiting = [case for case, decision in zip(cases, decisions) if decision.makes_a_key]
    waiting.sort(key=lambda case: (not case.named, case.replacement.made if case.replacement else LONG_AGO))
    return set(waiting[max(most, 0) :])


def _as_result(case: Case, decided: Decision, is_late: bool) -> dict[str, Any]:
    next_date = _next_date(case, decided)
    decision = put_off(case, decided) if is_late else decided
    said = decision.says()
    return {
        "user_name": case.user.name,
        "status": decision.status,
        "reason": said.reason,
        "about": list(decision.about),
        "remedies": [remedy.public() for remedy in said.remedies],
        "rules": [asdict(rule) for rule in _rules(case, decision)],
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
        **_by_tags(case),
    }


def _by_tags(case: Case) -> dict[str, Any]:
    """What only a user's tags say."""
    found: dict[str, Any] = {}
    if case.policy.owner_tag:
        found["owner"] = owner_of(case.user, case.policy)
    if has_an_age_of_its_own(case.user, case.policy):
        found["max_age_days"] = case.policy.max_age_days
    return found


def _rules(case: Case, decision: Decision) -> list[Rule]:
    return broken_rules(case.user, case.now, decision.in_grace, case.policy.benchmark)


def _next_date(case: Case, decided: Decision) -> datetime | None:
    """When the same user, with nothing but time gone by, is decided otherwise.

    Where there is something to do, that comes first.
    """
    if decided.next_date is not None or decided.actions:
        return decided.next_date
    row, _keys = first_fit(case)
    for moment in _turning_points(case):
        later = Case(case.user, case.policy, moment)
        same_row = first_fit(later)[0] is row and not goes_first(later)
        if not same_row and decide(later).does != decided.does:
            return moment
    return None


def _turning_points(case: Case) -> list[datetime]:
    """Every date ahead at which one of the rows may begin or cease to fit, in order."""
    user, policy, now = case.user, case.policy, case.now
    if user.error is not None or user.gone:
        return []
    entry, due_at = user.seen.entry, case.due_at_days
    dates: set[datetime] = {until for until in (entry.hold_until, case.exempt_until) if until is not None}
    if entry.asked:
        dates.add(later(entry.asked.date, LIST_LAG))
    for key in (*user.keys, *user.departed):
        for since, days in (
            (
                key.created,
                (due_at, due_at - policy.warn_days, LEFTOVER_WAIT / DAY if entry.asked else None, policy.unused_days),
            ),
            (key.last_used, (policy.idle_days, policy.unused_days)),
            (key.promoted, (policy.unused_days,)),
            (key.deactivated, (policy.delete_after_days, NAMED_DAYS if case.named else None)),
        ):
            if since is not None:
                dates.update(later(since, in_days(span)) for span in days if span is not None)
        if key.revoked:
            dates.add(later(key.revoked, NOTE_LEADS))
        # What was promoted, carried or switched off this very second counts from the next.
        dates.update(
            later(since, SECOND) for since in (key.promoted, key.carried, key.deactivated) if since is not None
        )
    if user.current:
        in_place = filter(None, [user.current.current_since, user.current.carried])
        dates.update(later(moment, in_days(policy.deactivate_after_days)) for moment in in_place)
    return sorted({whole_second(moment) for moment in dates if now < moment < END_OF_TIME})
