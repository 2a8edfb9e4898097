# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two years of a fleet, day by day: the plan, carried out as the role does, among consumers and people who do as they please."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan
from thorough import thorough
from worlds import NOW, Info, Record, apply, info, key, row, rows, user

DAYS = 730


@dataclass
class Consumer:
    """Something that signs requests with a key: every `period` days, and with a newer key only `lag` days after that was stored."""

    user_name: str
    period: int
    lag: int
    held: str | None = None
    heard: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[int, str | None]] = field(default_factory=list)


@dataclass
class Touched:
    """What people did to a user, by day; the role answers for the rest."""

    days: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


class Fleet:
    """An account and its store, from day to day. The role runs at four in the morning, consumers and people come after it."""

    def __init__(
        self, seed: int, people: bool, idle_days: int = 7, incidents: bool = False, prompt: bool = False
    ) -> None:
        """`prompt`: a fleet as the defaults are for: a run each day, consumers that move within a week, no key of before."""
        self.chance = random.Random(seed)
        self.people = people
        self.prompt = prompt
        self.incidents_too = incidents
        self.policy: dict[str, Any] = {"idle_days": idle_days, "unused_days": self.chance.choice([None, 60])}
        if prompt:
            self.policy = {}
        names = [f"user{number:02}" for number in range(10)]
        self.consumers = [self._consumer(name, idle_days) for name in names]
        self.touched = {name: Touched() for name in names}
        self.numbers = iter(range(1000, 100000))
        self.day = 0
        keys = []
        self.with_two = set() if prompt else set(self.chance.sample(names, 3))
        for name in names:
            age = self.chance.randint(1, 76 if prompt else 300)
            keys.append(key(f"AKIAOLD{next(self.numbers)}", age, 1, user=name))
            if name in self.with_two:
                keys.append(key(f"AKIAOLD{next(self.numbers)}", self.chance.randint(1, 300), user=name))
        self.world: Info = info(keys, users=[user(name) for name in names])
        self.decisions: dict[str, Record] = {}
        self.statuses: dict[str, list[tuple[int, str]]] = {name: [] for name in names}
        self.created: dict[str, list[int]] = {name: [] for name in names}
        self.switched_off: Counter[str] = Counter()
        self.unused: set[str] = set()
        self.incidents: Counter[str] = Counter()
        self.oldest = timedelta()

    def _consumer(self, name: str, idle_days: int) -> Consumer:
        # A job that comes more seldom than idle_days is one that no tool can see; its owner has to set idle_days for it.
        period = self.chance.choice([period for period in (1, 1, 2, 7, 28) if period <= idle_days])
        return Consumer(name, period, self.chance.choice([0, 1, 5, 6] if self.prompt else [0, 1, 5, 20, 60, 80]))

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.day)

    def record_of(self, name: str) -> Record:
        return next(one for one in self.world["users"] if one["user_name"] == name)

    def entry_of(self, name: str) -> Entry:
        return Entry.from_public(self.record_of(name)["store"] or {})

    def current_of(self, name: str) -> str | None:
        return self.entry_of(name).current_id

    def newest_active_of(self, name: str) -> str | None:
        active = [one for one in rows(self.world, name) if one["status"] == "Active"]
        return max(active, key=lambda one: one["create_date"])["access_key_id"] if active else None

    def revoked_of(self, name: str) -> set[str]:
        entry = self.entry_of(name)
        return {key_id for key_id, record in entry.others.items() if record.revoke_date}

    # -- one day ------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        for self.day in range(DAYS):
            if self.prompt or (self.chance.random() > 0.1 and not 300 < self.day < 321):
                self.run_the_role()
            for consumer in self.consumers:
                self.use(consumer)
            self.look_after()
            if self.people:
                self.meddle()
            self.check_that_nobody_was_cut_off()

    def run_the_role(self) -> None:
        """Look, plan, make room, create, verify, look and plan again, deactivate, delete."""
        self.world["now"] = self.now.isoformat()
        named = [
            name for name, decision in self.decisions.items() if self.people and self.asks_for_a_key(name, decision)
        ]
        policy = {**self.policy, "now": named}
        first = plan(self.world, policy)
        self.check_that_a_persons_word_counts(first)
        self.count(first, "create")
        failed: set[str] = set()
        self.world = apply(self.world, self.interrupted(first, failed), only=("delete", "create", "verify"))
        # One user's failure stops that user only.
        second = [decision for decision in plan(self.world, policy) if decision["user_name"] not in failed]
        self.count(second, "deactivate")
        assert not [
            action for decision in second for action in decision["actions"] if action["action"] in ("create", "verify")
        ]
        self.world = apply(self.world, second)
        last = plan(self.world, policy)
        # Where a leaked key was switched off, the next run goes on.
        leaked = {one["user_name"] for one in [*first, *second] if one["status"] == "revoked"}
        assert not [one for one in last if one["actions"] and one["user_name"] not in failed | leaked], (
            "a third look finds something to do"
        )
        self.check_that_what_leaked_is_off()
        self.decisions = {decision["user_name"]: decision for decision in last}
        for name, decision in self.decisions.items():
            self.statuses[name].append((self.day, decision["status"]))
            if name in named:
                self.touched[name].days.add(self.day)
            self.check_that_the_way_out_is_named(name, decision)
            self.check_that_the_rule_of_90_days_is_told(name, decision)

    def count(self, decisions: list[Record], kind: str) -> None:
        for action in (action for decision in decisions for action in decision["actions"]):
            if action["action"] == kind == "create":
                self.created[action["user_name"]].append(self.day)
            elif action["action"] == kind:
                self.switched_off[action["access_key_id"]] += 1
        self.unused |= {decision["user_name"] for decision in decisions if decision["status"] == "unused"}

    def interrupted(self, decisions: list[Record], failed: set[str]) -> list[Record]:
        """Now and then the answer to CreateAccessKey is lost, or STS does not accept the new key in time. Returns what is carried out."""
        carried_out = []
        for decision in decisions:
            creates = [action for action in decision["actions"] if action["action"] == "create"]
            if creates and not self.prompt and self.chance.random() < 0.15:
                failed.add(decision["user_name"])
                self.interrupt(decision["user_name"], secret_kept=self.chance.random() < 0.5)
                decision = {**decision, "actions": [action for action in decision["actions"] if action not in creates]}
            carried_out.append(decision)
        return carried_out

    def interrupt(self, name: str, secret_kept: bool) -> None:
        """A key that was asked for and is there, its secret stored as next or held by nobody."""
        record = next(one for one in self.world["users"] if one["user_name"] == name)
        if record["store"] is None:
            record["store"] = {"user_id": record["user_id"]}
        record["store"]["asked"] = {
            "date": self.world["now"],
            "known": [one["access_key_id"] for one in rows(self.world, name)],
        }
        made = {**key(f"AKIAOLD{next(self.numbers)}", 0, user=name), "create_date": self.world["now"]}
        self.world["access_keys"].append(made)
        if secret_kept:
            record["store"].setdefault("other_keys", {})[made["access_key_id"]] = {
                "create_date": made["create_date"],
                "stored": True,
            }
        else:
            self.created[name].pop()

    def use(self, consumer: Consumer) -> None:
        """A consumer follows the store at its own pace, and a failure of its key at once."""
        name = consumer.user_name
        current = self.current_of(name)
        if current and current not in consumer.heard:
            consumer.heard[current] = self.day
        if consumer.held is None:
            consumer.held = next(
                (one["access_key_id"] for one in rows(self.world, name) if one["status"] == "Active"), None
            )
        if current and self.day - consumer.heard[current] >= consumer.lag:
            consumer.held = current
        if self.day % consumer.period:
            return
        held = row(self.world, consumer.held or "")
        if held is None or held["status"] != "Active":
            consumer.failed.append((self.day, consumer.held))
            consumer.held = current or consumer.held
            held = row(self.world, consumer.held or "")
        if held is not None and held["status"] == "Active":
            held.update(
                last_used_date=(self.now + timedelta(hours=2)).isoformat(),
                last_used_service="s3",
                last_used_region="eu-west-1",
            )

    # -- people -------------------------------------------------------------------------------------------------------

    def meddle(self) -> None:
        """People switch off, switch on, delete and make keys by hand; some read the report and do as it says."""
        for name, touched in self.touched.items():
            what = self.chance.random()
            own = rows(self.world, name)
            if self.incidents_too and self.chance.random() < 0.004 and own:
                self.revoke(name, self.chance.choice(own), touched)
            elif self.incidents_too and self.chance.random() < 0.004 and own:
                self.roll_back(name, touched)
            elif what < 0.004 and own:
                self.put(self.chance.choice(own), "Inactive", touched)
            elif what < 0.008 and own:
                self.put(self.chance.choice(own), "Active", touched)
            elif what < 0.010 and own:
                self.delete(self.chance.choice(own), touched)
            elif what < 0.014 and len(own) < 2:
                made = {
                    **key(f"AKIAOLD{next(self.numbers)}", 0, user=name),
                    "create_date": (self.now + timedelta(hours=3)).isoformat(),
                }
                self.world["access_keys"].append(made)
                touched.days.add(self.day)
                touched.keys.add(made["access_key_id"])

    def revoke(self, name: str, target: Record, touched: Touched) -> None:
        """A key leaked. Now and then the revocation is cut off between the store's note and the request."""
        entry = self.entry_of(name).revoked(target["access_key_id"], self.now + timedelta(hours=3))
        self.record_of(name)["store"] = entry.public()
        touched.days.add(self.day)
        touched.keys.add(target["access_key_id"])
        self.incidents["revoked"] += 1
        if self.chance.random() < 0.5:
            target["status"] = "Inactive"
        elif target["status"] == "Active":
            self.incidents["cut off"] += 1

    def roll_back(self, name: str, touched: Touched) -> None:
        """A consumer broke: the previous key is switched on and current again, and the user is held for a week."""
        entry = self.entry_of(name)
        previous = [one for one in rows(self.world, name) if entry.stage(one["access_key_id"]) == "previous"]
        if not previous:
            return
        back = previous[-1]
        back["status"] = "Active"
        entry = entry.activated(back["access_key_id"]).put_in_force(
            back["access_key_id"], self.now, self.now + timedelta(days=7)
        )
        self.record_of(name)["store"] = entry.public()
        touched.days |= {self.day, self.day + 7}
        touched.keys |= {one["access_key_id"] for one in rows(self.world, name)}
        self.incidents["rolled back"] += 1

    def look_after(self) -> None:
        """Every other week somebody reads what is blocked, and does as the report says."""
        for name, decision in self.decisions.items():
            if self.day % 14 == 0 and decision["status"] == "blocked":
                self.do_as_the_report_says(name, decision["remedies"])

    def put(self, target: Record, status: str, touched: Touched) -> None:
        if target["status"] != status:
            target["status"] = status
            touched.days.add(self.day)
            touched.keys.add(target["access_key_id"])

    def delete(self, target: Record, touched: Touched) -> None:
        self.world["access_keys"].remove(target)
        touched.days.add(self.day)
        touched.keys.add(target["access_key_id"])

    def do_as_the_report_says(self, name: str, remedies: list[Record]) -> None:
        """Switches off the keys that a remedy says to switch off now, through the module, so that the store knows of it."""
        for remedy in remedies:
            task = remedy.get("task", {}).get("keyturn.iam.iam_access_key", {})
            target = row(self.world, task.get("access_key_id", ""))
            if task.get("active") is False and "min_idle_days" not in task and target and target["status"] == "Active":
                action = {"action": "deactivate", "user_name": name, "access_key_id": task["access_key_id"]}
                self.world = apply({**self.world, "now": self.now.isoformat()}, [{"actions": [action]}])

    def asks_for_a_key(self, name: str, decision: Record) -> bool:
        """A person who reads that the user needs to be named for a new key names it, sooner or later."""
        return decision["status"] in ("broken", "no_active_key") and self.chance.random() < 0.05

    # -- what has to hold ---------------------------------------------------------------------------------------------

    def check_that_a_persons_word_counts(self, decisions: list[Record]) -> None:
        """Nothing planned touches a user who is held, nor makes a key that leaked work again or current."""
        for decision in decisions:
            entry, revoked = self.entry_of(decision["user_name"]), self.revoked_of(decision["user_name"])
            held = entry.hold_until is not None and entry.hold_until > self.now
            for action in decision["actions"]:
                assert not held or action.get("leaked"), f"day {self.day}: {action} of a user who is held"
                leaked = action["access_key_id"] in revoked
                assert not leaked or action["action"] == "delete" or action.get("leaked"), f"day {self.day}: {action}"

    def check_that_what_leaked_is_off(self) -> None:
        for name in self.touched:
            for key_id in self.revoked_of(name):
                left = row(self.world, key_id)
                assert left is None or left["status"] != "Active", f"day {self.day}: {key_id} leaked, and works"
                assert key_id != self.current_of(name)

    def check_that_nobody_was_cut_off(self) -> None:
        for consumer in self.consumers:
            name, current = consumer.user_name, self.current_of(consumer.user_name)
            touched = self.touched[name].keys
            # A person who takes the key in use away may leave keys that nobody used for long.
            if current is not None and current not in touched and not (touched and name in self.unused):
                working = row(self.world, current)
                assert working is not None and working["status"] == "Active", (
                    f"day {self.day}: {name} has no working key"
                )
            for day, failed in consumer.failed:
                theirs = failed is None or failed in touched or (touched and name in self.unused)
                assert theirs, f"day {day}: the role cut {name} off from {failed}"

    def check_that_the_way_out_is_named(self, name: str, decision: Record) -> None:
        for one in rows(self.world, name):
            age = self.now - datetime.fromisoformat(one["create_date"])
            is_current = one["access_key_id"] == (self.current_of(name) or self.newest_active_of(name))
            if age >= timedelta(days=90) or not (is_current or age < timedelta(days=1)):
                alone = len(rows(self.world, name)) == 1 and decision["status"] in ("compliant", "due_soon")
                spoken_of = [*decision["about"], *(remedy["say"] for remedy in decision["remedies"])]
                # Before a key that waits for STS, or a leftover, is settled, the others wait too.
                waits = decision["status"] in ("due", "leftover", "held", "revoked")
                assert waits or any(one["access_key_id"] in words for words in spoken_of), (
                    f"day {self.day}: nothing is said of {one}: {decision}"
                )
                # What the role itself will do is a way out.
                by_itself = decision["actions"] or decision["next_date"]
                assert alone or by_itself or decision["remedies"], f"day {self.day}: no way out: {decision}"
            if is_current and age >= timedelta(days=90):
                assert decision["status"] in ("blocked", "leftover", "broken", "no_active_key", "due", "held"), (
                    f"day {self.day}: {decision}"
                )

    def check_that_the_rule_of_90_days_is_told(self, name: str, decision: Record) -> None:
        active = [one for one in rows(self.world, name) if one["status"] == "Active"]
        oldest = max((self.now - datetime.fromisoformat(one["create_date"]) for one in active), default=timedelta())
        assert ("1.13" in [rule["number"] for rule in decision["rules"]]) == (oldest >= timedelta(days=90))
        self.oldest = max(self.oldest, oldest)

    def check_that_nothing_swings(self) -> None:
        for key_id, times in self.switched_off.items():
            touched = any(key_id in touched.keys for touched in self.touched.values())
            assert times == 1 or touched, f"{key_id} was switched off {times} times"
        for name, seen in self.statuses.items():
            outside = self.touched[name].days
            for (start, first), (_rest, second), (_rest, third), (end, fourth) in zip(
                seen, seen[1:], seen[2:], seen[3:]
            ):
                swings = first == third != second == fourth
                assert not swings or any(start - 1 <= day <= end for day in outside), (
                    f"{name} swings between {first} and {second} on day {end}"
                )
            for earlier, later in zip(self.created[name], self.created[name][1:]):
                undisturbed = not any(earlier <= day <= later for day in outside)
                assert not undisturbed or later - earlier >= 76, f"{name} got keys on the days {earlier} and {later}"


@pytest.mark.parametrize(("seed", "idle_days"), [(0, 7), thorough(1, 30)])
def test_two_years_of_consumers_at_their_own_pace(seed: int, idle_days: int) -> None:
    fleet = Fleet(seed, people=False, idle_days=idle_days)
    fleet.live()
    fleet.check_that_nothing_swings()
    assert not fleet.unused
    assert fleet.oldest > timedelta(days=90), "some consumers are late, which is told with the rule"
    for consumer in fleet.consumers:
        assert not consumer.failed
        # Every key lives for 76 days, longer only while the key before it is in the way: in use, or waiting for its deletion.
        late = consumer.lag + idle_days + 30 > 76
        assert len(fleet.created[consumer.user_name]) >= (4 if late else 8)


@pytest.mark.parametrize("seed", [30, thorough(31)])
def test_with_the_defaults_no_key_is_active_at_90_days(seed: int) -> None:
    """Where consumers move within a week, and a run comes each day."""
    fleet = Fleet(seed, people=False, prompt=True)
    fleet.live()
    fleet.check_that_nothing_swings()
    # After a run none is so old that it would be 90 days old before the next.
    assert timedelta(days=76) < fleet.oldest < timedelta(days=89)
    for consumer in fleet.consumers:
        assert not consumer.failed and len(fleet.created[consumer.user_name]) >= DAYS // 76
    assert {status for seen in fleet.statuses.values() for _day, status in seen} == {
        *("compliant", "due_soon", "grace", "blocked"),
    }


@pytest.mark.parametrize(
    ("seed", "idle_days"),
    [(10, 7), *(thorough(*more) for more in ((11, 30), (12, 7), (13, 30)))],
)
def test_two_years_among_people(seed: int, idle_days: int) -> None:
    fleet = Fleet(seed, people=True, idle_days=idle_days)
    fleet.live()
    fleet.check_that_nothing_swings()
    assert sum(map(len, fleet.created.values())) > 3 * len(fleet.consumers)


@pytest.mark.parametrize(("seed", "idle_days"), [(21, 30), thorough(20, 7)])
def test_two_years_among_people_who_roll_back_and_revoke(seed: int, idle_days: int) -> None:
    fleet = Fleet(seed, people=True, idle_days=idle_days, incidents=True)
    fleet.live()
    fleet.check_that_nothing_swings()
    assert all(fleet.incidents[kind] > 2 for kind in ("revoked", "cut off", "rolled back")), fleet.incidents
