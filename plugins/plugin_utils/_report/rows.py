# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of one user: each sentence in the row of the key that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Row, Step, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import status_head


def rows_of(user: UserReport, check_mode: bool) -> list[Row]:
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
        rows.append(row(about, user.needs_attention, status_head(user.status), user.reason))
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
