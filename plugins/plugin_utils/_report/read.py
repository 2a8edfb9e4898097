# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report is made from, read from plain data: the decisions of a plan, and what came of their actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import Rule
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Remedy, ReportError, Step
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import KEY_FIELDS, VERBS


def read_keys(info: Any) -> dict[str, list[Mapping[str, Any]]]:
    """The access keys of an info by user, each with the fields that a report shows. Raises ReportError."""
    if not isinstance(info, Mapping) or not isinstance(info.get("access_keys"), list):
        raise ReportError(
            "The report needs the result of iam_access_key_info as its info, and this one has no access_keys."
        )
    keys: dict[str, list[Mapping[str, Any]]] = {}
    for key in info["access_keys"]:
        keys.setdefault(str(key.get("user_name")), []).append({name: key.get(name) for name in KEY_FIELDS})
    return keys


def read_steps(decisions: list[Any], results: list[Any], check_mode: bool) -> dict[str, list[Step]]:
    """Each user's steps: first what was tried, in that order, then what was planned and not tried.

    Raises ReportError.
    """
    found: dict[tuple[str, str, str | None], Step] = {}
    for result in results:
        if not isinstance(result, Mapping):
            raise ReportError(f"The report cannot read a result: {result!r} is not a mapping.")
        step = _step(result.get("action"), _outcome(result, check_mode), result)
        found[_identity(step)] = step
    for decision in decisions:
        _check_decision(decision)
        for action in decision.get("actions") or ():
            step = _step(action, "planned" if check_mode else "pending", {})
            found.setdefault(_identity(step), step)
    steps: dict[str, list[Step]] = {}
    for step in found.values():
        steps.setdefault(step.user_name, []).append(step)
    return steps


def _check_decision(decision: Any) -> None:
    if not isinstance(decision, Mapping) or not decision.get("user_name") or not decision.get("status"):
        raise ReportError(
            "The report needs the decisions of rotation_plan, and one of these has no user_name or no status."
        )


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


def read_about(decision: Mapping[str, Any]) -> list[str] | None:
    """The keys that a decision is about; null where it does not say so, as one that somebody made by hand.

    Raises ReportError.
    """
    about = decision.get("about")
    if about is None:
        return None
    if not isinstance(about, list):
        raise _shape_error(decision, "about", "a list of access key ids")
    return [str(key_id) for key_id in about]


def read_remedies(decision: Mapping[str, Any]) -> list[Remedy]:
    """What a person can do. Raises ReportError."""
    remedies = []
    for remedy in _mappings(decision, "remedies", "a list of mappings with say"):
        if not remedy.get("say"):
            raise _shape_error(decision, "remedies", "a list of mappings with say")
        remedies.append(Remedy(str(remedy["say"]), remedy.get("task") or None))
    return remedies


def read_rules(decision: Mapping[str, Any]) -> list[Rule]:
    """The rules that the user breaks. Raises ReportError."""
    return [
        Rule(str(rule.get("number") or ""), str(rule.get("title") or ""), bool(rule.get("on_purpose")))
        for rule in _mappings(decision, "rules", "a list of mappings with number and title")
    ]


def read_owner(decision: Mapping[str, Any]) -> str | None:
    """Whose user it is; null where nobody says so. Raises ReportError."""
    owner = decision.get("owner")
    if owner is not None and not isinstance(owner, str):
        raise _shape_error(decision, "owner", "a text")
    return owner.strip() or None if owner else None


def _mappings(decision: Mapping[str, Any], name: str, shape: str) -> list[Mapping[str, Any]]:
    given = decision.get(name) or []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise _shape_error(decision, name, shape)
    return given


def _shape_error(decision: Mapping[str, Any], name: str, shape: str) -> ReportError:
    return ReportError(f"The report cannot read the {name} of user {decision['user_name']}: it must be {shape}.")
