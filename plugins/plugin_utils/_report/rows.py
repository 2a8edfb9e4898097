# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of one user: each sentence in the row of the key that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._gist import without_noise
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Row, Step, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import status_head


def rows_of(user: UserReport, check_mode: bool) -> list[Row]:
    """The sentences first, each in the row of the key that it is about, then the user's other keys."""
    return _Rows(user, check_mode).all()


@dataclass(frozen=True)
class _Rows:
    user: UserReport
    check_mode: bool

    def all(self) -> list[Row]:
        told = _worth_telling(self.user.steps)
        rows = [self._row(step.about, True, step.head(self.check_mode), _why(step, self.user)) for step in told]
        # What the second look of a run found is told beside what the run did; a plan's own status is told by its
        # actions.
        is_stuck = self.user.drift and not self.user.has_plan and all(step.outcome != "failed" for step in told)
        if self.user.status and (is_stuck or not told):
            rows += self._of_status()
        elif self.user.has_plan:
            rows += self._left_alone(told)
        rows += self._others(rows, listed=not told and self.user.needs_attention)
        return self._with_remedies(rows)

    def _of_status(self) -> list[Row]:
        """The plan's sentence, said once: in the row of the first key that it is about, before those of the others."""
        first, *others = self._about() or [None]
        listed = self.user.needs_attention
        sentence = self._row(first, listed, status_head(self.user.status), self.user.reason)
        return [sentence, *(self._row(key_id, listed) for key_id in others)]

    def _about(self) -> Sequence[str | None]:
        if self.user.about is not None:
            return self.user.about
        return [] if self.user.status == "error" else _most_likely(self.user.keys)

    def _left_alone(self, told: Sequence[Step]) -> list[Row]:
        """A plan that acts on one key may be about another too, which it leaves alone."""
        acted_on = {key_id for step in told for key_id in step.keys}
        left = [key_id for key_id in self.user.about or () if key_id not in acted_on and self._is_replaced(key_id)]
        told_first = [self._row(key_id, True, "left alone", self.user.reason) for key_id in left[:1]]
        return [*told_first, *(self._row(key_id, True) for key_id in left[1:])]

    def _is_replaced(self, key_id: str) -> bool:
        key = self._known.get(key_id, {})
        return key.get("status") == "Active" and key.get("stage") != "current"

    def _others(self, rows: Sequence[Row], listed: bool) -> list[Row]:
        """The keys that no sentence stands beside: those that the plan is about, which IAM may not list, then what it
        lists.
        """
        shown = {row.access_key_id for row in rows}
        about = [key_id for key_id in self.user.about or () if key_id not in shown]
        rest = [key for key in self.user.keys if key["access_key_id"] not in (*shown, *about)]
        of_interest = listed and self.user.status != "error"
        return [
            *(self._row(key_id, listed) for key_id in about),
            *(self._row(key["access_key_id"], of_interest and key["status"] == "Active") for key in rest),
        ]

    def _with_remedies(self, rows: list[Row]) -> list[Row]:
        """What a person can do stands in the last row with a sentence: a plan's own comes after what was done."""
        if not rows or not self.user.remedies:
            return rows
        place = max((number for number, row in enumerate(rows) if row.sentence), default=0)
        rows[place] = replace(rows[place], remedies=self.user.remedies)
        return rows

    @property
    def _known(self) -> dict[Any, Mapping[str, Any]]:
        return {key["access_key_id"]: key for key in self.user.keys}

    def _row(self, key_id: str | None, listed: bool, head: str = "", why: str = "") -> Row:
        return Row(
            user_name=self.user.user_name,
            status=self.user.status,
            drift=self.user.drift,
            listed=listed,
            access_key_id=key_id,
            key=self._known.get(key_id, {}),
            head=head,
            why=_without_head(why, head),
            reason=self.user.reason,
            next_date=self.user.next_date,
            rules=self.user.rules,
            owner=self.user.owner,
        )


def _worth_telling(steps: Sequence[Step]) -> list[Step]:
    """A new key that became current, and was carried, in the same run is told once, as made."""
    made = {step.new_access_key_id for step in steps if step.new_access_key_id}
    return [step for step in steps if not _is_end_of_making(step, made)]


def _is_end_of_making(step: Step, made: set[str]) -> bool:
    went_on = step.action in ("verify", "carry") and step.outcome in ("done", "unchanged")
    return went_on and step.access_key_id in made


def _why(step: Step, user: UserReport) -> str:
    if step.outcome in ("failed", "unchanged") and step.msg:
        return without_noise(step.msg)
    return step.reason or user.reason


def _without_head(why: str, head: str) -> str:
    """A reason that begins with the words which are put before it would say them twice."""
    return why[len(head) + 1 :].lstrip() if head and why.lower().startswith(f"{head}:") else why


def _most_likely(keys: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """For a decision that does not say what it is about: the current key, else the newest Active, else the newest."""
    current = [key["access_key_id"] for key in keys if key["stage"] == "current"]
    active = [key["access_key_id"] for key in keys if key["status"] == "Active"]
    newest = [key["access_key_id"] for key in keys[-1:]]
    return (current or active[-1:] or newest)[:1]
