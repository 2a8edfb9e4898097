# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report is: the users, their rows and steps, and what is told of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import Rule
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import (
    AHEAD,
    BY_NO_RUN,
    BY_THIS_RUN_OR_NONE,
    VERBS,
)

GROUPS = ("person", "done", "waiting", "ahead", "well")
"""Whom a report tells of first: who needs a person, for whom something is or would be done, who is no longer or not yet
as the policy wants it and needs nobody, of whom something is to be known, and who is well.
"""

_COMMAND = re.compile(r": (ansible-(?:playbook|vault) .+)$")


class ReportError(ValueError):
    """Input that makes no report, or a file that could not be written, in one sentence for the user."""


@dataclass(frozen=True)
class Remedy:
    """What a person can do, in words, and the same as a task where it is one."""

    say: str
    task: Mapping[str, Any] | None = None

    @property
    def command(self) -> str | None:
        """What is typed, where the line ends with a command."""
        found = _COMMAND.search(self.say)
        return found[1] if found else None

    @property
    def before_command(self) -> str:
        return self.say.removesuffix(self.command) if self.command else self.say


@dataclass(frozen=True)
class Step:
    """One action of a plan and what came of it: `planned`, `done`, `unchanged`, `failed`, or `pending` (not reached in
    this run).
    """

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

    @property
    def keys(self) -> set[str | None]:
        """All keys that it concerns."""
        return {self.about, self.access_key_id, self.new_access_key_id}

    def head(self, check_mode: bool) -> str:
        """What is said of it before its reason."""
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
    """One line of the table: a key of a user (or none), and what happens to it where that is said here.

    `key` has what IAM shows of it, nothing for a key that it does not list. `remedies` stand in one row of a user.
    """

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
    remedies: Sequence[Remedy] = ()
    rules: Sequence[Rule] = ()
    owner: str | None = None

    @property
    def sentence(self) -> str:
        return f"{self.head}: {self.why}" if self.head and self.why else self.head


@dataclass(frozen=True)
class UserReport:
    """What the plan says of one user, the keys that were seen, each step with its outcome, and the rows that tell all
    that.

    `about`: the keys that the plan's reason is about; null where the decision does not say so.
    """

    user_name: str
    status: str = ""
    reason: str = ""
    about: Sequence[str] | None = None
    remedies: Sequence[Remedy] = ()
    rules: Sequence[Rule] = ()
    next_date: str | None = None
    drift: bool = False
    has_plan: bool = False
    keys: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[Step] = ()
    rows: Sequence[Row] = ()
    owner: str | None = None

    @property
    def needs_attention(self) -> bool:
        return self.drift or bool(self.steps)

    @property
    def needs_a_person(self) -> bool:
        """Whether no run sets it right by itself: something failed, or the status is one that nothing is done about."""
        if any(step.outcome == "failed" for step in self.steps):
            return True
        left_alone = self.status in BY_NO_RUN or (self.status in BY_THIS_RUN_OR_NONE and not self.steps)
        return self.drift and left_alone

    @property
    def group(self) -> str:
        """Among whom the user is told of: one of GROUPS."""
        if self.needs_a_person:
            return "person"
        if self.steps:
            return "done"
        if self.drift:
            return "waiting"
        return "ahead" if self.status in AHEAD else "well"


@dataclass(frozen=True)
class Report:
    """Everything that is told, in the order in which it is told.

    `totals` counts users by status, and keys made, verified (of an earlier run), switched off and deleted: in check
    mode those that would be. `failures` has what failed and the users in error, `drift` the names of users that are
    not as the policy wants them, `notes` what concerns no single user.
    """

    check_mode: bool
    now: str | None
    account_id: str | None
    policy: Mapping[str, Any]
    users: Sequence[UserReport]
    decisions: Sequence[Mapping[str, Any]]
    totals: Mapping[str, int]
    drift: Sequence[str]
    done: Sequence[Mapping[str, Any]]
    failures: Sequence[Mapping[str, Any]]
    notes: Sequence[str]

    @cached_property
    def has_owners(self) -> bool:
        return any(user.owner for user in self.users)

    @cached_property
    def has_rules(self) -> bool:
        return any(user.rules for user in self.users)

    @property
    def rows(self) -> list[Row]:
        """Those of all users: every key of each; those with `listed` are what people need to see."""
        return [row for user in self.users for row in user.rows]
