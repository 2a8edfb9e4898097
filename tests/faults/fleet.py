# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users in every stage of a rotation, the role that is run on them, and what must hold whatever happened.

A fleet is seeded as an earlier day left it, so that one run has every request of a rotation in it: those of the first day, of the
day on which an older key is switched off, and of the day on which it is deleted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controller.runner import Controller, Run, Running
from controller.store import PASSWORD, open_store, write_store
from lab import faults
from lab.client import Lab
from lab.messages import Key, Request, User, UserState

WRITES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey")
ROLE = "keyturn.iam.rotation"


@dataclass(frozen=True)
class Stage:
    """A user as an earlier day left it: keys by label, what the store knows of them, and what a run makes of it.

    `stored`: label: dates in days ago; the label `current` is the entry's own key, all others are in other_keys; `asked` is what it is in the store.
    `goal`: label: status in IAM and stage in the store, None for a key that one of them does not have.
    """

    keys: Mapping[str, Key]
    stored: Mapping[str, Mapping[str, Any]]
    goal: Mapping[str, tuple[str | None, str | None]]


IN_USE: dict[str, Any] = {"used_days": 0.2, "service": "s3", "region": "eu-west-1"}
STAGES = {
    # one key, due, made by hand
    "first": Stage({"old": Key(100, **IN_USE)}, {}, {"old": ("Active", None), "new": ("Active", "current")}),
    # due once more: the key before the last has to go first
    "again": Stage(
        {"old": Key(100, **IN_USE), "older": Key(200, "Inactive", used_days=150)},
        {"current": {"label": "old", "promote": 100}, "older": {"promote": 200, "deactivate": 40}},
        {"old": ("Active", "previous"), "new": ("Active", "current")},
    ),
    # a run ended between storing and verifying
    "waiting": Stage(
        {"old": Key(100, **IN_USE), "next": Key(1)},
        {"current": {"label": "old", "promote": 100}, "next": {}},
        {"old": ("Active", "previous"), "next": ("Active", "current")},
    ),
    # an answer was lost yesterday: nobody holds the secret of what was made
    "left": Stage(
        {"old": Key(100, **IN_USE), "lost": Key(1)},
        {"current": {"label": "old", "promote": 100}, "asked": {"date": 1}},
        {"old": ("Active", "previous"), "new": ("Active", "current")},
    ),
    # the older key is idle, and long since replaced
    "retiring": Stage(
        {"old": Key(110, used_days=60), "new": Key(20, **IN_USE)},
        {"current": {"label": "new", "promote": 20}, "old": {"promote": 110}},
        {"old": ("Inactive", "previous"), "new": ("Active", "current")},
    ),
    # the older key was switched off long ago
    "parting": Stage(
        {"old": Key(140, "Inactive", used_days=60), "new": Key(50, **IN_USE)},
        {"current": {"label": "new", "promote": 50}, "old": {"promote": 140, "deactivate": 40}},
        {"new": ("Active", "current")},
    ),
    # the older key is in use, so that nothing is done
    "busy": Stage(
        {"old": Key(110, **IN_USE), "new": Key(20, **IN_USE)},
        {"current": {"label": "new", "promote": 20}, "old": {"promote": 110}},
        {"old": ("Active", "previous"), "new": ("Active", "current")},
    ),
}


@dataclass(frozen=True)
class Target:
    """The nth request of an action that a rotation sends for a user (None: for none in particular)."""

    action: str
    user: str | None
    nth: int

    @property
    def writes(self) -> bool:
        return self.action in WRITES

    def __str__(self) -> str:
        return f"{self.action}-{self.user}-{self.nth}" if self.user else f"{self.action}-{self.nth}"


def targets(requests: Iterable[Request]) -> list[Target]:
    """Requests by what tells them apart in another run too, where reads go out in another order."""
    counted: Counter[tuple[str, str | None]] = Counter()
    found = []
    for request in requests:
        counted[request.action, request.user] += 1
        found.append(Target(request.action, request.user, counted[request.action, request.user]))
    return found


MADE = {"ListAccessKeys": 3, "GetAccessKeyLastUsed": 1, "GetUser": 1, "CreateAccessKey": 1, "GetCallerIdentity": 3}
ROOM = {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 2, "GetUser": 1, "DeleteAccessKey": 1}
REQUESTS: dict[str | None, dict[str, int]] = {
    None: {"ListUsers": 1, "GetAccountSummary": 2, "GetCallerIdentity": 1, "ListPolicies": 1},
    "first": MADE,
    "again": dict(Counter(MADE) + Counter(ROOM)),
    "left": dict(Counter(MADE) + Counter(ROOM)),
    "waiting": {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 2, "GetCallerIdentity": 3},
    "retiring": {"ListAccessKeys": 2, "GetAccessKeyLastUsed": 3, "GetUser": 1, "UpdateAccessKey": 1},
    "parting": {"ListAccessKeys": 3, "GetAccessKeyLastUsed": 3, "GetUser": 1, "DeleteAccessKey": 1},
    "busy": {"ListAccessKeys": 1, "GetAccessKeyLastUsed": 2},
}
assert sum(MADE.values()) == 9
"""How often a rotation asks what for a user of each stage, and for nobody in particular."""
TARGETS = [
    Target(action, user, nth)
    for user, actions in REQUESTS.items()
    for action, count in actions.items()
    for nth in range(1, count + 1)
]


OCCASIONS = (
    ("CreateAccessKey", "first"),
    ("DeleteAccessKey", "left"),
    ("UpdateAccessKey", "retiring"),
    ("DeleteAccessKey", "parting"),
)
CHOSEN_WRITES = [Target(action, user, 1) for action, user in OCCASIONS]
"""A write of each kind and occasion, for the form of the suite that is run every time."""


@dataclass(frozen=True)
class Mishap:
    """A fault, and how it is met: `passes` where one more request is all it takes, save for CreateAccessKey, which `create` speaks of."""

    kind: str
    details: dict[str, Any]
    passes: bool = True
    create: bool = False

    def is_survived_by(self, target: Target) -> bool:
        """Whether the run itself gets over it."""
        return self.create if target.action == "CreateAccessKey" else self.passes


MISHAPS = {
    "throttled_once": Mishap("throttle", {}, create=True),
    "throttled_for_long": Mishap("throttle", {"count": 0}, passes=False),
    "rate_exceeded": Mishap("rate_exceeded", {"count": 2}),
    "error_500_before": Mishap("error500", {}),
    "error_500_after": Mishap("error500", {"when": "after"}),
    "cut_before": Mishap("cut", {}),
    "cut_after": Mishap("cut", {"when": "after"}),
    "cut_in_the_answer": Mishap("cut", {"when": "during"}),
    "hangs": Mishap("hang", {}),
    "hangs_after": Mishap("hang", {"when": "after"}),
    "concurrent_modification": Mishap("concurrent_modification", {}),
    "unmodifiable_for_a_while": Mishap("temporarily_unmodifiable", {"count": 2}),
    "unmodifiable": Mishap("temporarily_unmodifiable", {"count": 0}, passes=False),
    "denied": Mishap("error", {"count": 0, "code": "AccessDenied", "status": 403}, passes=False),
}


@dataclass
class Fleet:
    """Users of these names (`stage` or `stage.anything`) in the laboratory, with their store in the controller's folder."""

    lab: Lab
    controller: Controller
    names: list[str]
    aws_config: dict[str, Any] = field(
        default_factory=lambda: {"retries": {"total_max_attempts": 4}, "read_timeout": 30}
    )
    variables: dict[str, Any] = field(default_factory=dict)
    password: str = PASSWORD
    labels: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    spared: set[str] = field(default_factory=set)
    """Keys in use: nobody may switch them off."""

    @property
    def store(self) -> Path:
        return self.controller.cwd / str(self.variables.get("rotation_vault_file", "keys.yml"))

    def seed(self) -> Fleet:
        stages = {name: STAGES[name.partition(".")[0]] for name in self.names}
        users = self.lab.seed_users(User(name, tuple(stage.keys.values())) for name, stage in stages.items())
        now = datetime.fromisoformat(self.lab.clock())
        entries: dict[str, dict[str, Any]] = {}
        for user in users:
            stage = stages[user.user_name]
            keys = dict(zip(stage.keys, user.keys, strict=True))
            self.labels |= {key.access_key_id: label for label, key in keys.items()}
            self.spared |= {key.access_key_id for label, key in keys.items() if (stage.keys[label].used_days or 99) < 7}
            if not stage.stored:
                continue
            records = {}
            for name, dates in stage.stored.items():
                if name == "asked":
                    continue
                key = keys[str(dates.get("label", name))]
                fields = {"secret_access_key": key.secret_access_key, "create_date": key.create_date}
                fields |= {
                    f"{what}_date": (now - timedelta(days=days)).isoformat()
                    for what, days in dates.items()
                    if what != "label"
                }
                records[name] = (key.access_key_id, fields)
            current_id, current = records.pop("current")
            entries[user.user_name] = {
                "account_id": user.account_id,
                "user_id": user.user_id,
                "access_key_id": current_id,
                **current,
            }
            if asked := stage.stored.get("asked"):
                date = (now - timedelta(days=asked["date"])).isoformat()
                entries[user.user_name]["asked"] = {"date": date, "known": [current_id]}
            if records:
                entries[user.user_name]["other_keys"] = dict(records.values())
        if entries:
            write_store(self.store, {"iam_access_keys": entries})
        self._remember(entries)
        return self

    # -- runs

    def play(self, hosts: str = "localhost") -> dict[str, Any]:
        defaults = {"group/keyturn.iam.aws": {"aws_config": self.aws_config}}
        return {
            "hosts": hosts,
            "gather_facts": False,
            "connection": "local",
            "module_defaults": defaults,
            "roles": [ROLE],
        }

    def start(self, *hosts: str, arguments: Sequence[str] = (), **options: Any) -> Running:
        """The role on this fleet, once for each host (one after another, each with variables of its own)."""
        hosts = hosts or ("localhost",)
        variables = {
            "rotation_users": ["*"],
            "rotation_vault_file": "keys.yml",
            "rotation_verify_delay": 0,
            "rotation_verify_timeout": 5,
            **self.variables,
            **options.pop("extra_vars", {}),
        }
        options = {**({} if hosts == ("localhost",) else {"inventory": list(hosts)}), **options}
        return self.controller.start(
            [self.play(host) for host in hosts],
            *arguments,
            extra_vars=variables,
            **{"vault_password": self.password, **options},
        )

    def run(self, *hosts: str, **options: Any) -> Run:
        return self.start(*hosts, **options).wait()

    # -- what must hold

    def entries(self) -> dict[str, dict[str, Any]]:
        """The store, opened with Ansible's own code."""
        return dict(open_store(self.store, self.password)["iam_access_keys"] or {}) if self.store.exists() else {}

    def _remember(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        for entry in entries.values():
            for access_key_id, record in records_of(entry).items():
                if secret := record.get("secret_access_key"):
                    self.secrets[access_key_id] = secret

    def unknown(self) -> dict[str, list[str]]:
        """Keys that are neither in the store nor were there at first, by user."""
        entries = self.entries()
        found = {
            name: [
                key.access_key_id
                for key in user.keys
                if key.access_key_id not in records_of(entries.get(name, {})) and key.access_key_id not in self.labels
            ]
            for name, user in self.lab.state().items()
        }
        return {name: keys for name, keys in found.items() if keys}

    def harm(self) -> list[str]:
        """What is wrong whatever went wrong before; nothing, it is hoped."""
        entries, users = self.entries(), self.lab.state()
        there = {key.access_key_id: key for user in users.values() for key in user.keys}
        found = []
        for name, user in users.items():
            if not user.active:
                found.append(f"{name} has no Active key")
            if len(user.keys) > 2:
                found.append(f"{name} has {len(user.keys)} keys")
            entry = entries.get(name, {})
            current = there.get(entry.get("access_key_id", ""))
            if entry.get("access_key_id") and not (
                current
                and current.status == "Active"
                and current.user_name == name
                and current.secret_access_key == entry["secret_access_key"]
            ):
                found.append(
                    f"the current key {entry['access_key_id']} of {name} does not work: {current and current.status}"
                )
        stored = {key_id: record for entry in entries.values() for key_id, record in records_of(entry).items()}
        for key_id, secret in self.secrets.items():
            if key_id in there and stored.get(key_id, {}).get("secret_access_key") != secret:
                found.append(f"the secret of {key_id} of {there[key_id].user_name} was stored and is gone")
        for key_id in self.spared:
            if key_id not in there or there[key_id].status != "Active":
                found.append(f"{self.labels[key_id]} key {key_id}, which was in use, is off")
        for name, keys in self.unknown().items():
            if len(keys) > 1:
                found.append(f"{name} has {len(keys)} keys that the store does not know")
        self._remember(entries)
        return found

    def picture(self, user: UserState, entry: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
        """A user's keys by label, as goals have them."""
        status = {key.access_key_id: key.status for key in user.keys}
        stages = {key_id: _stage(entry, key_id) for key_id in records_of(entry)}
        return {
            self.labels.get(key_id, "new"): (status.get(key_id), stages.get(key_id)) for key_id in {**status, **stages}
        }

    def astray(self, *but: str) -> list[str]:
        """Users, all but these, who are not where a run without faults takes them."""
        entries = self.entries()
        found = []
        for name, user in self.lab.state().items():
            picture, goal = self.picture(user, entries.get(name, {})), dict(STAGES[name.partition(".")[0]].goal)
            if name not in but and (picture != goal or "asked" in entries.get(name, {})):
                found.append(f"{name}: {picture}{' (asked)' if 'asked' in entries.get(name, {}) else ''}, not {goal}")
        return found

    def made_twice(self, most: int = 1) -> list[str]:
        """Users for whom CreateAccessKey was executed more than `most` times since the log was cleared."""
        made = Counter(request.user for request in self.lab.requests("CreateAccessKey") if request.executed)
        return [f"{user}: {count} keys made" for user, count in made.items() if count > most]


def workers(running: Running) -> set[int]:
    """The process ids of a playbook's workers: sessions of their own, which outlive one that was interrupted."""
    return faults.of_run(running.run_id, faults.process_table()) - {running.pid}


def wait_for_workers(running: Running, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while workers(running):
        assert time.monotonic() < end, f"still alive after {seconds} seconds: {running.command}"
        time.sleep(0.02)


def records_of(entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """All keys of an entry by id."""
    own = {entry["access_key_id"]: entry} if entry.get("access_key_id") else {}
    return {**own, **(entry.get("other_keys") or {})}


def _stage(entry: Mapping[str, Any], access_key_id: str) -> str | None:
    if access_key_id == entry.get("access_key_id"):
        return "current"
    record = entry["other_keys"][access_key_id]
    return ("previous" if record.get("promote_date") else "next") if record.get("secret_access_key") else "noted"


def key_task(**options: Any) -> dict[str, Any]:
    """A play with one task of iam_access_key on the fleet's store."""
    task = {"keyturn.iam.iam_access_key": {"vault_file": "keys.yml", "verify_delay": 0, **options}}
    return {"hosts": "localhost", "gather_facts": False, "tasks": [task]}


def executed_writes(lab: Lab) -> list[tuple[str, str | None]]:
    """What was changed in IAM since the log was cleared: action and user."""
    return [
        (request.action, request.user) for request in lab.requests() if request.action in WRITES and request.executed
    ]


def recover(fleet: Fleet, before: Run | None, most: int = 1) -> None:
    """Run without faults: what is to be done is done, and a run after it changes nothing; a leftover is named at once and goes a day later.

    A user for whom a key was asked without an answer, and none shows, is left alone for an hour.

    `before`: the run that the fault met; None where it was killed, so that it could not name a leftover. `most`: how many keys may
    have been made for one user, leftovers that went later not counted.
    """
    left = fleet.unknown()
    if before is not None:
        unsaid = [key_id for keys in left.values() for key_id in keys if key_id not in before.output]
        assert not unsaid, f"{unsaid} not named\n{before}"
    fleet.lab.clear_faults()
    run = fleet.run("recovery", "further")
    asked = [name for name, entry in fleet.entries().items() if "asked" in entry and name not in left]
    if asked:
        assert not fleet.harm() and not fleet.made_twice(most), f"{fleet.harm()} {fleet.made_twice(most)}\n{run}"
        assert not fleet.astray(*left, *asked), f"{fleet.astray(*left, *asked)}\n{run}"
        fleet.lab.clock(advance=0.05)
        run = fleet.run("recovery", "further")
    assert not fleet.harm(), f"{fleet.harm()}\n{run}"
    assert not fleet.made_twice(most), f"{fleet.made_twice(most)}\n{run}"
    assert not fleet.astray(*left), f"{fleet.astray(*left)}\n{run}"
    assert run.stats["further"]["changed"] == 0 and run.stats["further"]["failures"] == 0, str(run)
    unsaid = [key_id for keys in left.values() for key_id in keys if run.output.count(key_id) < 2]
    assert not unsaid, f"{unsaid} not named\n{run}"
    assert fleet.unknown() == left
    if left:
        fleet.lab.clock(advance=1)
        run = fleet.run("recovery", "further").ok()
        assert not fleet.harm(), f"{fleet.harm()}\n{run}"
        assert not fleet.unknown() and not fleet.astray() and not fleet.made_twice(most + 1), (
            f"{fleet.unknown()} {fleet.astray()}\n{run}"
        )
        assert run.stats["further"]["changed"] == 0, str(run)
    assert run.rc == 0, str(run)
