# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who does something to a user's keys: the role and its playbooks step by step, with their own engine, plan and options; tasks; a person in the console."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils import _info
from ansible_collections.keyturn.iam.plugins.module_utils._access_key.ensure import ensure
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import incident, steps
from property.simulated_iam import NAME, QUOTA, Actor, Fault, Killed, SimulatedIam, SimulatedStore, World

Result = dict[str, Any]
# The role's default.
HOLD_DAYS = 7
REALLY: Result = {"check_mode": False, "settings": {"on_stored": None, "on_promoted": None}}


class Run:
    """One run of Ansible: its tasks share a connection."""

    def __init__(self, actor: Actor) -> None:
        self.actor, self.world = actor, actor.world
        self.iam: Any = SimulatedIam(actor)
        self.store = SimulatedStore(actor)

    def look(self, *names: str) -> Result:
        info = _info.gather(self.iam, {"user_name": list(names) or ["*"]}, self.store.entries())
        return {**info, "vault_file": self.store.path}

    def task(self, **options: Any) -> Result:
        """A task with iam_access_key and the store, as Ansible registers it."""
        try:
            want = Want.of({"user_name": NAME, "vault_file": self.store.path, **options})
            done = ensure(self.iam, self.store, want, False)
        except KeyturnError as error:
            self.actor.note(f"failed: {error.message}")
            self.actor.failed = True
            return {"failed": True, "msg": error.message, **error.returns}
        return {"changed": done.changed, "access_key": done.access_key}

    def step(self, decisions: Iterable[Result], step: str, results: list[Result]) -> None:
        """roles/rotation/tasks/step.yml: one task over what is to be done, whose results come to those so far."""
        due = steps.steps(decisions, step, results)
        items = [{name: value for name, value in item.items() if value is not None} for item in steps.items(due, {})]
        results += steps.results({"results": [self.task(**item) for item in items]}, due)

    def look_again(self, look: Result, names: list[str], results: list[Result]) -> Result:
        """roles/rotation/tasks/look_again.yml"""
        made = [one["access_key_id"] for one in results if one["action"]["action"] == "create" and one["access_key_id"]]
        try:
            again = _info.look_again(self.iam, steps.of(look, names), made, self.store.entries(), 1)
        except KeyturnError as error:
            again = {"msg": error.message}
        return steps.look(look, again, names)


# -- the role --------------------------------------------------------------------------------------------------------


def rotation(run: Run) -> None:
    """roles/rotation/tasks/main.yml and rotate.yml"""
    look = run.look()
    decisions = plan(look)
    results: list[Result] = []
    for step in steps.parts(decisions, "renew", REALLY):
        if step == "look_again":
            look = run.look_again(look, [NAME], results)
            decisions = plan(look)
        else:
            run.step(decisions, step, results)
    planned = steps.with_notes(decisions, look)
    for step in steps.parts(planned, "retire", REALLY):
        if step == "settle":
            plan(steps.applied(look, results))
        else:
            run.step(planned, step, results)


def revocation(run: Run, access_key_id: str) -> None:
    """roles/rotation/tasks/revoke.yml and replace.yml"""
    off = run.task(user_name=None, access_key_id=access_key_id, active=False, leaked=True)
    if off.get("failed"):
        return
    look = run.look(off["access_key"]["user_name"])
    left = incident.revoked(look, access_key_id)
    planned = [{"user_name": NAME, "actions": left["steps"]}]
    results = incident.revocation(off)
    for step in steps.parts(planned, "replace", REALLY):
        run.step(planned, step, results)
    look = incident.revoked(run.look_again(look, [NAME], results), access_key_id)["info"]
    plan(look)
    if incident.unreplaced(left, results):
        run.actor.note("the user has no other key in force")


def rollback(run: Run, access_key_id: str | None) -> None:
    """roles/rotation/tasks/rollback.yml"""
    chosen = incident.previous(run.look(NAME), access_key_id)
    if chosen["problem"]:
        run.actor.note(chosen["problem"])
        return
    staged = {"stage": "current"} if chosen["stored"] else {}
    noted = access_key_id is None
    run.task(access_key_id=chosen["access_key_id"], active=True, hold_days=HOLD_DAYS, noted=noted, **staged)


# -- a person in the console -----------------------------------------------------------------------------------------


def console_creates(actor: Actor) -> None:
    world = actor.world
    if len(world.keys) < QUOTA:
        made = world.new_key("console")
        made.uses.append(world.now)
        actor.note(f"makes {made.id} and deploys it")


def console_switches(actor: Actor, access_key_id: str, active: bool) -> None:
    key = actor.world.keys.get(access_key_id)
    if key:
        actor.note(f"switches {access_key_id} {'on' if active else 'off'}")
        actor.world.switch(key, active, "console")


def console_deletes(actor: Actor, access_key_id: str) -> None:
    key = actor.world.keys.get(access_key_id)
    if key:
        actor.note(f"deletes {access_key_id}")
        actor.world.drop(key)


# -- all of them -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """What somebody does, and to which key (all others: to what it finds)."""

    what: str
    access_key_id: str | None = None

    def __str__(self) -> str:
        return f"{self.what} {self.access_key_id}" if self.access_key_id else self.what

    @property
    def by_console(self) -> bool:
        return self.what.startswith("console")

    def play(self, world: World, fault: Fault | None = None) -> Actor:
        """The part from its beginning to its end, or to the actor's."""
        named = frozenset([self.access_key_id] if self.access_key_id and self.what in _NAMES_A_KEY else [])
        actor = Actor(
            world,
            str(self),
            scheduled=self.what == "rotation",
            named=named,
            ask_again=self.what == "revoke",
            fault=fault or Fault(),
        )
        try:
            _PLAYS[self.what](actor, self.access_key_id or "")
        except KeyturnError as error:  # a look that failed
            actor.note(f"ends: {error.message}")
            actor.failed = True
        except Killed:
            pass
        return actor


def _release(actor: Actor, key_id: str) -> None:
    """A person says that a revoked key is safe."""
    if not Run(actor).task(access_key_id=key_id, active=True, leaked=False).get("failed"):
        actor.world.revoked.discard(key_id)


# A person who names the key has decided; only the store's note of a revocation counts more.
_NAMES_A_KEY = ("rollback", "task active", "release")
_PLAYS: Mapping[str, Callable[[Actor, str], object]] = {
    "rotation": lambda actor, key_id: rotation(Run(actor)),
    "revoke": lambda actor, key_id: revocation(Run(actor), key_id),
    "rollback": lambda actor, key_id: rollback(Run(actor), key_id or None),
    "task present": lambda actor, key_id: Run(actor).task(max_age_days=90),
    "task active": lambda actor, key_id: Run(actor).task(access_key_id=key_id, active=True),
    "task inactive": lambda actor, key_id: Run(actor).task(access_key_id=key_id, active=False),
    "task absent": lambda actor, key_id: Run(actor).task(access_key_id=key_id, state="absent"),
    "release": _release,
    "console creates": lambda actor, key_id: console_creates(actor),
    "console on": lambda actor, key_id: console_switches(actor, key_id, True),
    "console off": lambda actor, key_id: console_switches(actor, key_id, False),
    "console deletes": console_deletes,
}
OF_A_KEY = (
    "revoke",
    "rollback",
    "task active",
    "task inactive",
    "task absent",
    "console on",
    "console off",
    "console deletes",
)
OF_A_USER = ("rotation", "rollback", "task present", "console creates")


def parts(key_ids: Iterable[str]) -> list[Part]:
    """All that can be done to a user with these keys."""
    return [*map(Part, OF_A_USER), *(Part(what, key_id) for key_id in key_ids for what in OF_A_KEY)]
