# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must never come out of a plan, whatever goes in. The rules are said here anew, apart from the plan's own code."""

from __future__ import annotations

import json
import random
import re
import shlex
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._argspec import ACCESS_KEY
from ansible_collections.keyturn.iam.plugins.module_utils._want import Want
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import steps
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.settings import unknown_variables
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from thorough import thorough
from worlds import ACCOUNT, NOW, Info, Record, ago, apply, key, row, rows, user

STATUSES = {
    *(
        "error",
        "gone",
        "revoked",
        "exempt",
        "held",
        "quarantined",
        "leftover",
        "due",
        "uncarried",
        "broken",
        "no_active_key",
        "unused",
        "blocked",
        "grace",
        "retire",
    ),
    *("unmanaged", "due_soon", "compliant"),
}
DAY = 86400
# Ages (seconds) at which something changes under the policies below, and a second to either side, beside quite different ones.
TURNS = [
    0,
    300,
    3600,
    DAY // 2,
    DAY,
    2 * DAY,
    6 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    45 * DAY,
    60 * DAY,
    62 * DAY,
    76 * DAY,
    90 * DAY,
]
POLICIES: dict[str, list[Any]] = {
    "max_age_days": [0, 0.5, 1, 30, 45, 90, "90"],
    "renew_before_days": [0, 0.25, 1, 14, 29],
    "warn_days": [0, 14, 100],
    "deactivate_after_days": [0, 2, 7, 30],
    "idle_days": [0, 1, 7, 30],
    "delete_after_days": [0, 0.5, 7, 30],
    "unused_days": [None, 0, 2, 30, 60],
    "carry": [False, True],
    "exempt": [[], [], [], [], [], [], [], [], [], ["ci"], "c*"],
    "now": [[], [], ["ci"]],
    "max_new_keys": [None, None, 0, 1, "1"],
    "benchmark": ["CIS 1.4.0", "CIS 7.0.0"],
    "owner_tag": ["team"],
    "tag_policy": [False, True],
}
TAGS: list[dict[str, str] | None] = [
    *({}, {}, {"team": "a"}, {"keyturn:max-age-days": "30"}, {"keyturn:idle-days": "2", "Team": "b"}),
    *({"KEYTURN:max-age-days": "0"}, {"keyturn:exempt-until": "2026-11-25"}, {"keyturn:exempt-until": "2026-11-24"}),
    *({"keyturn:exempt-until": "never"}, {"keyturn:max-age-days": "-1"}, {"keyturn:exempt": "2027-01-01"}, None),
]
# Worlds are made with a Random. Where it is hypothesis's own, hypothesis makes a world that fails as simple as it can; a plain one makes
# many more of them in the same time, which the rare ones need.
Chance = random.Random
chances = st.randoms(use_true_random=False)


def some_policy(chance: Chance) -> dict[str, Any]:
    policy = {name: chance.choice(values) for name, values in POLICIES.items() if chance.randrange(2)}
    if policy.get("renew_before_days", 0) >= float(policy.get("max_age_days", 90)):
        policy["renew_before_days"] = 0
    return policy


def some_age(chance: Chance) -> int:
    return (
        max(chance.choice(TURNS) + chance.choice([-1, 0, 1]), 0) if chance.randrange(4) else chance.randrange(400 * DAY)
    )


def one_in(number: int, chance: Chance) -> bool:
    return chance.randrange(number) == number - 1


def days(value: float) -> timedelta:
    return timedelta(days=float(value))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Rules:
    """A policy with its defaults, as the role's documentation has them."""

    max_age_days: float = 90
    warn_days: float = 14
    deactivate_after_days: float = 7
    idle_days: float = 7
    delete_after_days: float = 30
    unused_days: float | None = None
    carry: bool = False
    exempt: Any = field(default_factory=list)
    now: list[str] = field(default_factory=list)
    renew_before_days: float | None = None
    max_new_keys: Any = None
    benchmark: str = "CIS 5.0.0"
    owner_tag: str | None = None
    tag_policy: bool = False

    def in_place_since(self, store: Record) -> datetime:
        """Since when the current key is where it is used, as far as anybody knows."""
        return moment((store.get("carry_date") if self.carry else None) or store["promote_date"])

    @property
    def due_at_days(self) -> float:
        """The age at which a key that nobody named is replaced."""
        limit = float(self.max_age_days)
        if self.renew_before_days is not None:
            return limit - self.renew_before_days if self.renew_before_days < limit else limit
        the_one_before_goes = self.deactivate_after_days + self.idle_days
        return limit - min(14, max(limit - max(the_one_before_goes, 1), 0))


def rules_of(seen: Info, policy: dict[str, Any]) -> Rules:
    """The policy for ci, whose own tags come first."""
    tags = {name.lower(): value for name, value in (seen["users"][0]["tags"] or {}).items()}
    own = {
        field: float(tags[f"keyturn:{name}"])
        for name, field in (("max-age-days", "max_age_days"), ("idle-days", "idle_days"))
        if policy.get("tag_policy") and f"keyturn:{name}" in tags
    }
    return Rules(**{**policy, **own})


def tags_make_no_sense(seen: Info, policy: dict[str, Any]) -> bool:
    tags = seen["users"][0]["tags"]
    wrong = tags is None or tags.get("keyturn:exempt-until") == "never" or "keyturn:exempt" in tags
    return bool(policy.get("tag_policy")) and (wrong or "-1" in (tags or {}).values())


def some_look(chance: Chance) -> Info:
    """A look at user ci: keys of all ages, stages and states, listed or not, and a store that knows of some.

    Most are what a rotation leaves: a current key that works, older ones that it replaced. The rest is what people and crashes leave.
    """

    def before(age: int) -> int:
        """An age that is no greater, so that what it belongs to came later."""
        return min(some_age(chance), age)

    born = sorted((some_age(chance) for _turn in range(chance.choice([0, 1, 2, 2, 2, 3, 3, 4]))), reverse=True)
    if len(born) > 1 and one_in(6, chance):
        born[-1] = born[-2]
    current = chance.choice([len(born) - 1, len(born) - 1, max(len(born) - 2, 0), None])
    keys, others, store = [], {}, {"account_id": ACCOUNT, "user_id": "AIDACI"}
    waiting: set[str] = set()
    for number, age in enumerate(born):
        key_id, made = f"AKIAOLD{number}", ago(seconds=age)
        role = (
            "current" if number == current else chance.choice(["hand", "hand", "next", "previous", "previous", "noted"])
        )
        status = chance.choice(["Active"] * (9 if role == "current" else 4) + ["Inactive", "Inactive", "Expired"])
        if not one_in(12, chance):
            used = min(some_age(chance), age) / DAY if chance.randrange(3) else None
            keys.append(key(key_id, age / DAY, used, status, create_date=made, last_used_known=not one_in(40, chance)))
        record: Record = {"create_date": made, "stored": True}
        if one_in(8 if status == "Active" else 2, chance):
            record["deactivate_date"] = ago(seconds=before(age))
        if role == "current":
            promoted = before(age)
            store.update({**record, "promote_date": ago(seconds=promoted)}, access_key_id=key_id)
            if not one_in(3, chance):
                store["carry_date"] = ago(seconds=min(some_age(chance), promoted))
        elif role == "previous":
            others[key_id] = {**record, "promote_date": ago(seconds=before(age))}
        elif role == "next" and made not in waiting:
            # No two keys of one second wait: the first would have been verified instead of a second made.
            waiting.add(made)
            others[key_id] = record
        elif role == "noted":
            others[key_id] = {"deactivate_date": ago(seconds=before(age)), "stored": False}
        if key_id in others and one_in(20, chance):
            others[key_id]["revoke_date"] = ago(seconds=before(age))
    if others or chance.randrange(2):
        store["other_keys"] = others
    trouble(chance, keys, store)
    error = "denied" if one_in(60, chance) else None
    chance.shuffle(keys)
    return {
        "access_keys": keys,
        "users": [
            user(
                store=None if one_in(5, chance) else store,
                error=error,
                tags=chance.choice(TAGS),
                quarantined="AWSCompromisedKeyQuarantineV3" if one_in(15, chance) else None,
            ),
            user("other", tags={}),
        ],
        "account": {
            "account_id": ACCOUNT,
            "access_keys_quota": chance.choice([None, 2, 2, 2, 3, 4]),
            "signing_access_key_id": "AKIAOLD0" if one_in(6, chance) else "AKIAADMIN",
        },
        "now": NOW.isoformat(),
        "store_only": [],
        "complete": True,
        "vault_file": "iam keys.yml",
    }


def trouble(chance: Chance, keys: list[Record], store: Record) -> None:
    """What crashes, rollbacks, other accounts and strangers leave."""
    if one_in(3, chance):
        known = [f"AKIAOLD{number}" for number in range(4) if one_in(3, chance)]
        close_to = chance.choice([moment(one["create_date"]) for one in keys] or [NOW])
        asked = min(close_to + timedelta(seconds=chance.choice([-301, -300, -2, 0, 2, 300, 301])), NOW)
        store["asked"] = {"date": asked.isoformat(), "known": known}
    if one_in(12, chance):
        # What was asked for this very hour has mostly not shown.
        store["asked"] = {"date": ago(seconds=chance.choice([0, 600, 3599, 3600])), "known": ["AKIAOLD3"]}
    if one_in(20, chance):
        store["hold_until"] = ago(seconds=chance.choice([-DAY, 0, DAY]))
    if one_in(40, chance):
        store[chance.choice(["account_id", "user_id"])] = "999999999999"
    if keys and one_in(15, chance):
        # The store's entry says a key is ours that IAM shows with somebody else.
        chance.choice(keys)["user_name"] = "other"


Plan = list[dict[str, Any]]


def of_ci(decisions: Plan) -> Record:
    return next(decision for decision in decisions if decision["user_name"] == "ci")


def actions(decisions: Plan, *kinds: str) -> list[Record]:
    return [action for decision in decisions for action in decision["actions"] if action["action"] in kinds]


def used_within(seen: Info, target: Record, span: float) -> bool:
    if target["access_key_id"] == seen["account"]["signing_access_key_id"]:
        return True
    return target["last_used_date"] is not None and NOW - moment(target["last_used_date"]) < days(span)


def unused(seen: Info, target: Record, record: Record, rules: Rules) -> bool:
    signs = [target["create_date"], target["last_used_date"], record.get("promote_date")]
    quiet = all(NOW - moment(sign) >= days(rules.unused_days or 0) for sign in signs if sign)
    return rules.unused_days is not None and quiet and not used_within(seen, target, rules.idle_days)


def entry_of(seen: Info) -> Record:
    return seen["users"][0]["store"] or {}


def record_of(seen: Info, key_id: str) -> Record:
    store = entry_of(seen)
    return store if store.get("access_key_id") == key_id else (store.get("other_keys") or {}).get(key_id) or {}


def is_leftover(seen: Info, target: Record) -> bool:
    asked = entry_of(seen).get("asked")
    if not asked or record_of(seen, target["access_key_id"]).get("stored") or target["last_used_date"]:
        return False
    explained = [
        one["access_key_id"]
        for one in rows(seen, "ci")
        if one["access_key_id"] not in asked["known"]
        and abs(moment(one["create_date"]) - moment(asked["date"])) <= timedelta(minutes=5)
    ]
    return explained == [target["access_key_id"]]


def what_comes_out_is_well_formed(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    assert [decision["user_name"] for decision in decisions] == ["ci", "other"]
    for decision in decisions:
        assert decision["status"] in STATUSES
        a_reason_is_one_short_sentence(decision)
        fields = ["user_name", "status", "reason", "about", "remedies", "rules", "next_date", "actions"]
        assert list(decision)[: len(fields)] == fields
        assert ("owner" in decision) == ("owner_tag" in policy)
        assert set(decision) <= {*fields, "owner", "max_age_days"}
        assert decision["next_date"] is None or moment(decision["next_date"]) > NOW
        kinds = [action["action"] for action in decision["actions"]]
        assert kinds == sorted(kinds, key=["delete", "create", "verify", "carry", "deactivate"].index)
        targets = [action["access_key_id"] for action in decision["actions"]]
        assert len(targets) == len(set(targets))
        for action in decision["actions"]:
            assert action["user_name"] == decision["user_name"] and action["reason"]
            takes = action["action"] in ("delete", "deactivate") and not action.get("leaked")
            assert takes == (action["min_idle_days"] is not None)
            assert {name for name in ("leaked", "noted", "ask_again") if name in action} <= {
                "create": {"ask_again"},
                "deactivate": {"leaked"},
                "delete": {"noted"},
                "verify": set(),
                "carry": set(),
            }[action["action"]]
            assert (
                (action["action"] == "create")
                == (action["access_key_id"] is None)
                == (action["max_age_days"] is not None)
            )


def a_reason_is_one_short_sentence(decision: Record) -> None:
    """That does not repeat what stands in the columns beside it: the user's name, the key's id; of an error AWS's words."""
    reason, name = decision["reason"], decision["user_name"]
    assert 6 < len(reason) <= 120 and reason.endswith(".") and reason[0].isupper(), reason
    assert not re.search(r"[.!?] |  |\.\.", reason) and reason.isprintable(), reason
    assert decision["status"] == "error" or not re.search(rf"…|AKIA|(?<![\w+=,.@-]){re.escape(name)}(?!\w)", reason), (
        reason
    )


def every_key_is_one_that_is_there_or_that_the_store_knows(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    known = {one["access_key_id"] for one in rows(seen, "ci")} | set(entry_of(seen).get("other_keys") or {})
    known.add(entry_of(seen).get("access_key_id"))
    assert set(decision["about"]) <= known and len(set(decision["about"])) == len(decision["about"])
    assert {action["access_key_id"] for action in decision["actions"]} <= {*decision["about"], None}
    for remedy in decision["remedies"]:
        assert set(remedy) <= {"say", "task"} and "\n" not in remedy["say"]
        assert remedy["say"].endswith(".") or command_of(remedy["say"]), "a sentence, or one that ends with a command"
        if "task" in remedy:
            (task,) = remedy["task"].values()
            assert task["user_name"] == "ci" and task["access_key_id"] in known
            assert task["access_key_id"] in remedy["say"], "a line says what the task does"
            Want.of({**{name: field["default"] for name, field in ACCESS_KEY.items() if "default" in field}, **task})


def command_of(say: str) -> list[str]:
    """The words of the command that ends a line, as a shell takes them; none where it ends with none."""
    words = shlex.split(say[say.index(": ansible-") + 2 :]) if ": ansible-" in say else []
    if words[:1] == ["ansible-playbook"]:
        variables = json.loads(words[-1])
        assert words[1:-1] == ["keyturn.iam.rotate", "-e"] and unknown_variables(variables) == []
    return words


def a_command_does_what_its_line_says(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    """A run for this user alone, by the days of this plan: a new key is made, or the key that is named makes room."""
    for remedy in of_ci(decisions)["remedies"]:
        command = command_of(remedy["say"])
        if command[:1] != ["ansible-playbook"]:
            continue
        given = json.loads(command[-1])
        assert given.pop("rotation_users") == ["ci"] and given.pop("rotation_vault_file") == "iam keys.yml"
        says, planned = (
            remedy["say"],
            of_ci(plan(seen, {name.removeprefix("rotation_"): given[name] for name in given})),
        )
        if says.startswith("For a new key"):
            assert bool(actions([planned], "create")) != ("once there is room" in says), (says, planned)
        else:
            taken = [action["access_key_id"] for action in actions([planned], "delete", "deactivate")]
            assert any(key_id in says.split() for key_id in taken), (says, planned)


def every_key_but_the_replacement_is_spoken_of(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    """None is passed over: the decision is about it, or a remedy is, where anything is decided at all."""
    decision = of_ci(decisions)
    if decision["status"] in ("error", "revoked", "exempt", "held", "leftover", "due", "blocked") or policy.get("now"):
        return
    spoken = [*decision["about"], *(remedy["say"] for remedy in decision["remedies"])]
    active = [one["access_key_id"] for one in rows(seen, "ci") if one["status"] == "Active"]
    for one in rows(seen, "ci"):
        key_id = one["access_key_id"]
        counts = key_id == entry_of(seen).get("access_key_id") or key_id in active
        assert counts or any(key_id in words for words in spoken), f"{key_id}: {decision}"


def rules_are_broken_by_what_is_active(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    active = [one for one in rows(seen, "ci") if one["status"] == "Active"]
    numbers = [rule["number"] for rule in decision["rules"]]
    old = any(NOW - moment(one["create_date"]) >= timedelta(days=90) for one in active)
    unused, one_key, rotated = {
        "CIS 1.4.0": ("1.12", "1.13", "1.14"),
        "CIS 5.0.0": ("1.11", "1.12", "1.13"),
        "CIS 7.0.0": ("2.11", None, "2.12"),
    }[rules_of(seen, policy).benchmark]
    assert not old or rotated in numbers
    assert len(active) < 2 or one_key is None or one_key in numbers
    assert set(numbers) <= {unused, one_key, rotated} and numbers == sorted(set(numbers))
    idle = [one for one in active if not used_within(seen, one, 45) and NOW - moment(one["create_date"]) >= days(45)]
    assert decision["status"] == "error" or not idle or unused in numbers
    assert idle or unused not in numbers or any(row(seen, key_id) is None for key_id in record_ids(seen))
    for rule in decision["rules"]:
        assert not rule["on_purpose"] or (rule["number"] == one_key and decision["status"] in ("grace", "retire"))


def the_owner_is_who_the_tag_says(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    if "owner_tag" in policy:
        tags = seen["users"][0]["tags"] or {}
        assert of_ci(decisions)["owner"] == tags.get("team", tags.get("Team"))


def revoked_keys_that_work(seen: Info) -> list[str]:
    own = [one["access_key_id"] for one in rows(seen, "ci") if one["status"] == "Active"]
    return [key_id for key_id in own if record_of(seen, key_id).get("revoke_date")]


def exempt_by_its_tag(seen: Info, policy: dict[str, Any]) -> bool:
    until = (seen["users"][0]["tags"] or {}).get("keyturn:exempt-until")
    return bool(policy.get("tag_policy")) and until == "2026-11-25"


def a_quarantined_user_is_left_alone(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    alone = seen["users"][0]["quarantined"] and not policy.get("now")
    first = ("error", "gone", "revoked", "exempt", "held")
    if not alone or decision["status"] in first:
        assert decision["status"] != "quarantined"
        return
    assert decision["status"] in ("quarantined", "retire") and not actions([decision], "create", "verify", "deactivate")


def no_more_keys_are_made_than_one_run_may(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    most = policy.get("max_new_keys")
    assert most is None or len(actions(decisions, "create")) <= int(most)


def the_first_five_rows_touch_nothing_but_what_was_revoked(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    store, rules = entry_of(seen), rules_of(seen, policy)
    unreadable = seen["users"][0]["error"] or not all(one["last_used_known"] for one in rows(seen, "ci"))
    foreign = store and (store["account_id"] != ACCOUNT or store["user_id"] != "AIDACI")
    held = store.get("hold_until") and moment(store["hold_until"]) > NOW
    fits = [
        ("error", unreadable or foreign or tags_make_no_sense(seen, policy)),
        ("revoked", revoked_keys_that_work(seen)),
        ("exempt", rules.exempt or exempt_by_its_tag(seen, policy)),
        ("held", held),
    ]
    expected = next((status for status, does in fits if does), None)
    first_five = ("error", "gone", "revoked", "exempt", "held")
    assert (decision["status"] if decision["status"] in first_five else None) == expected
    if expected == "revoked":
        signing = seen["account"]["signing_access_key_id"]
        assert [action["access_key_id"] for action in decision["actions"]] == [
            one["access_key_id"]
            for one in sorted(rows(seen, "ci"), key=lambda one: (one["create_date"], one["access_key_id"]))
            if one["access_key_id"] in revoked_keys_that_work(seen) and one["access_key_id"] != signing
        ]
        assert all(action["leaked"] for action in actions([decision], "deactivate"))
    elif expected:
        assert not decision["actions"]


def a_revoked_key_stays_off(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    """Promise 14: nothing planned makes it work again or current, or counts on it."""
    decision, others = of_ci(decisions), entry_of(seen).get("other_keys") or {}
    revoked = {key_id for key_id, record in others.items() if record.get("revoke_date")}
    for action in decision["actions"]:
        if action["access_key_id"] in revoked:
            assert action["action"] == "delete" or (action["action"] == "deactivate" and action["leaked"])
        else:
            assert "leaked" not in action
        assert action["replaces"] not in revoked and action.get("replacement") not in revoked
    for remedy in decision["remedies"]:
        for task in remedy.get("task", {}).values():
            arms = task.get("active") or task.get("stage")
            assert not (arms and task["access_key_id"] in revoked) or task["leaked"] is False
    after = apply(seen, decisions)
    store = entry_of(after)
    assert store.get("access_key_id") not in revoked
    if decision["status"] != "error":
        assert set(revoked_keys_that_work(after)) <= {seen["account"]["signing_access_key_id"]}


def no_key_is_made_while_one_may_still_show(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    """Promise 1: not within the hour of a request without an answer, unless a person names the user."""
    asked = entry_of(seen).get("asked")
    young = asked and NOW - moment(asked["date"]) < timedelta(hours=1)
    explained = [
        one
        for one in [*rows(seen, "ci"), *({"access_key_id": i, **record_of(seen, i)} for i in record_ids(seen))]
        if asked and one["access_key_id"] not in asked["known"] and one.get("create_date")
        if abs(moment(one["create_date"]) - moment(asked["date"])) <= timedelta(minutes=5)
    ]
    for action in actions([of_ci(decisions)], "create"):
        in_vain = bool(young and not explained)
        assert not in_vain or "ci" in policy.get("now", [])
        assert action.get("ask_again", False) == in_vain


def record_ids(seen: Info) -> set[str]:
    store = entry_of(seen)
    return {store.get("access_key_id"), *(store.get("other_keys") or {})} - {None}


def no_idle_older_key_is_in_the_way(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    """Case P1: who is blocked is so by keys in use, in grace, parked or waiting to be deleted."""
    decision, rules, store = of_ci(decisions), rules_of(seen, policy), entry_of(seen)
    current = row(seen, store.get("access_key_id") or "")
    works = current is not None and current["user_name"] == "ci" and current["status"] == "Active"
    if decision["status"] != "blocked" or current is None or not works:
        return
    if NOW - rules.in_place_since(store) < days(rules.deactivate_after_days):
        return
    for one in rows(seen, "ci"):
        older = one["status"] == "Active" and one["create_date"] < current["create_date"]
        assert not older or is_leftover(seen, one) or used_within(seen, one, rules.idle_days)


def no_key_in_use_is_switched_off_or_deleted(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    rules = rules_of(seen, policy)
    for action in actions(decisions, "deactivate", "delete"):
        target = row(seen, action["access_key_id"])
        assert action["access_key_id"] != seen["account"]["signing_access_key_id"]
        if action.get("leaked"):
            continue
        assert target is None or not used_within(seen, target, rules.idle_days)
        assert action["min_idle_days"] >= rules.idle_days


def the_replacement_is_no_target(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    for action in decision["actions"]:
        if action["access_key_id"] == entry_of(seen).get("access_key_id") and action["action"] != "create":
            expected = ("uncarried", "carry") if action["action"] == "carry" else ("unused", "deactivate")
            assert (decision["status"], action["action"]) == expected


def only_a_current_key_that_works_and_was_never_carried_is_carried(
    seen: Info, policy: dict[str, Any], decisions: Plan
) -> None:
    store, carried = entry_of(seen), actions(decisions, "carry")
    if carried:
        (action,) = carried
        target = row(seen, store["access_key_id"])
        assert policy["carry"] and action["access_key_id"] == store["access_key_id"] and "carry_date" not in store
        assert target is None or target["status"] == "Active"


def only_keys_proved_replaced_are_switched_off(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision, rules, store = of_ci(decisions), rules_of(seen, policy), entry_of(seen)
    switched_off = actions([decision], "deactivate")
    active = {one["access_key_id"] for one in rows(seen, "ci") if one["status"] == "Active"}
    for action in switched_off:
        target = row(seen, action["access_key_id"])
        assert target is not None and target["user_name"] == "ci" and target["status"] == "Active"
        record = record_of(seen, target["access_key_id"])
        if decision["status"] == "revoked":
            continue
        if decision["status"] == "unused":
            assert unused(seen, target, record, rules)
            continue
        # Somebody who has an Active key keeps one.
        assert active - {one["access_key_id"] for one in switched_off}
        current = next((one for one in rows(seen, "ci") if one["access_key_id"] == store.get("access_key_id")), None)
        replaced = (
            current is not None and current["status"] == "Active" and target["create_date"] <= current["create_date"]
        )
        if replaced:
            assert not rules.carry or "carry_date" in store
            assert NOW - rules.in_place_since(store) >= days(rules.deactivate_after_days)
        if not replaced or decision["status"] == "due":
            assert decision["status"] == "due" and not record.get("stored") and unused(seen, target, record, rules)


def only_keys_that_we_switched_off_are_deleted(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision, rules, named = of_ci(decisions), rules_of(seen, policy), "ci" in policy.get("now", [])
    spared = 0
    for action in actions([decision], "delete"):
        target, record = row(seen, action["access_key_id"]), record_of(seen, action["access_key_id"])
        assert target is None or target["user_name"] == "ci"
        if target and is_leftover(seen, target):
            assert named or NOW - moment(target["create_date"]) >= timedelta(hours=12)
            assert "noted" not in action
            continue
        if record.get("deactivate_date") and (target is None or target["status"] != "Active"):
            off = moment(record["deactivate_date"])
            after = (
                min(rules.delete_after_days, 1) if named and actions([decision], "create") else rules.delete_after_days
            )
            assert NOW - off >= days(after) and action["noted"]
            assert target is None or target["last_used_date"] is None or moment(target["last_used_date"]) <= off
            continue
        assert target is not None and target["status"] != "Active" and not record.get("stored")
        assert unused(seen, target, record, rules) and actions([decision], "create") and "noted" not in action
        spared += 1
    assert spared <= 1


def keys_of_strangers_are_left_alone(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    ours = {one["access_key_id"] for one in rows(seen, "ci")}
    theirs = {one["access_key_id"] for one in rows(seen, "other")}
    known = {entry_of(seen).get("access_key_id"), *(entry_of(seen).get("other_keys") or {})}
    for action in of_ci(decisions)["actions"]:
        assert action["access_key_id"] not in theirs and action["replaces"] not in theirs
        assert action["access_key_id"] is None or action["access_key_id"] in ours | known


def nobody_is_armed_again_and_nobody_beyond_the_quota(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    made = actions([decision], "create")
    assert len(made) <= 1
    if not made:
        return
    store, own = entry_of(seen), rows(seen, "ci")
    deleted = {action["access_key_id"] for action in actions([decision], "delete")}
    quota = seen["account"]["access_keys_quota"] or 2
    assert len([one for one in own if one["access_key_id"] not in deleted]) < quota
    active = {one["access_key_id"] for one in own if one["status"] == "Active"} - deleted
    current_id = store.get("access_key_id")
    if "ci" not in policy.get("now", []):
        appearing = (
            current_id and NOW - moment(store["create_date"]) < timedelta(hours=1) and row(seen, current_id) is None
        )
        assert active or appearing
        stood = current_id in active or appearing or current_id is None or store.get("deactivate_date")
        assert stood, "a person switched the current key off"
        reached = row(seen, made[0]["replaces"] or "") or store
        assert NOW - moment(reached["create_date"]) >= days(rules_of(seen, policy).due_at_days)
    # The key to be replaced is the current one where that works, and there is no third that works.
    if current_id in active:
        assert made[0]["replaces"] == current_id
        created = row(seen, current_id)["create_date"]  # type: ignore[index]
        assert not [one for one in own if one["access_key_id"] in active and one["create_date"] < created]


def a_plan_that_was_carried_out_asks_for_nothing_more(seen: Info, policy: dict[str, Any], first: Plan) -> None:
    if of_ci(first)["status"] == "revoked":
        # That comes alone, before anything else is looked at; the next run goes on.
        seen = apply(seen, first)
        first = plan(seen, policy)
    between = {**apply(seen, first), "new_keys": len(actions(first, "create"))}
    second = plan(between, policy)
    assert not actions(second, "create", "verify")
    # What was made current is carried in the same run.
    if actions(second, "carry"):
        assert actions(first, "create", "verify")
        between = apply(between, second, only=["carry"])
        second = plan(between, policy)
    # A key that was made, verified or carried may leave an older one to switch off (and a key that we had switched off free to delete).
    if not actions(first, "create", "verify", "carry"):
        assert not actions(second, "deactivate", "delete")
    assert not actions(plan(apply(between, second), policy), "create", "verify", "carry", "deactivate", "delete")


def a_note_is_taken_back_of_what_works_and_changes_nothing_else(
    seen: Info, policy: dict[str, Any], decisions: Plan
) -> None:
    left = steps.steps(steps.with_notes(decisions, seen), "take_note_back")
    for one in left:
        target, record = row(seen, one["access_key_id"]), record_of(seen, one["access_key_id"])
        assert target and target["status"] == "Active" and record["deactivate_date"] and "revoke_date" not in record
        assert one["access_key_id"] not in {action["access_key_id"] for action in actions(decisions, "deactivate")}
    results = [{"action": one, "changed": True, "failed": False, "access_key_id": one["access_key_id"]} for one in left]
    after = steps.applied(seen, results)
    assert plan(after, policy) == decisions and steps.with_notes(decisions, after) == decisions


def the_order_of_rows_means_nothing(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    other = {**seen, "access_keys": seen["access_keys"][::-1], "users": seen["users"][::-1]}
    assert plan(other, policy) == decisions


def next_date_is_when_time_alone_changes_the_decision(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    store = entry_of(seen)
    not_listed = [
        one
        for one in ({store.get("access_key_id"), *(store.get("other_keys") or {})} - {None})
        if row(seen, one) is None
    ]
    young = [
        one for one in not_listed if NOW - moment(record_of(seen, one).get("create_date", ago(1))) < timedelta(hours=1)
    ]
    # Of a key that lists do not show yet, nobody knows when they will.
    if decision["actions"] or young:
        return
    # Whose turn it is where a run makes no more than so many keys hangs on the others too.
    if policy.get("max_new_keys") is not None:
        return

    def at(date: datetime) -> tuple[str, list[tuple[str, str]]]:
        later = of_ci(plan({**seen, "now": date.isoformat()}, policy))
        return later["status"], [(action["action"], action["access_key_id"]) for action in later["actions"]]

    end = moment(decision["next_date"]) if decision["next_date"] else NOW + timedelta(days=900)
    for share in (0.01, 0.2, 0.6, 1):
        date = NOW + timedelta(seconds=int((end - NOW).total_seconds() * share) - 1)
        assert date < NOW or at(date) == (decision["status"], [])
    if decision["next_date"]:
        assert at(end) != (decision["status"], [])


CHECKS = (
    what_comes_out_is_well_formed,
    every_key_is_one_that_is_there_or_that_the_store_knows,
    a_command_does_what_its_line_says,
    every_key_but_the_replacement_is_spoken_of,
    rules_are_broken_by_what_is_active,
    the_owner_is_who_the_tag_says,
    a_quarantined_user_is_left_alone,
    no_more_keys_are_made_than_one_run_may,
    the_first_five_rows_touch_nothing_but_what_was_revoked,
    a_revoked_key_stays_off,
    no_key_is_made_while_one_may_still_show,
    no_idle_older_key_is_in_the_way,
    no_key_in_use_is_switched_off_or_deleted,
    the_replacement_is_no_target,
    only_a_current_key_that_works_and_was_never_carried_is_carried,
    only_keys_proved_replaced_are_switched_off,
    only_keys_that_we_switched_off_are_deleted,
    keys_of_strangers_are_left_alone,
    nobody_is_armed_again_and_nobody_beyond_the_quota,
    a_plan_that_was_carried_out_asks_for_nothing_more,
    a_note_is_taken_back_of_what_works_and_changes_nothing_else,
    the_order_of_rows_means_nothing,
    next_date_is_when_time_alone_changes_the_decision,
)


def check_all(seen: Info, policy: dict[str, Any]) -> None:
    decisions = plan(seen, policy)
    for check in CHECKS:
        check(seen, policy, decisions)


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(chances)
def test_what_must_never_come_out(chance: Chance) -> None:
    seen, policy = some_look(chance), some_policy(chance)
    note(f"{seen=} {policy=}")
    check_all(seen, policy)


LONG_NAME, LONG_OTHER, LONG_OLD = (f"{first}+=,.@_-{first * 56}" for first in "abc")
DENIED = (
    "Could not read the last use of key AKIAOLD0 of user {name} (GetAccessKeyLastUsed: AccessDenied): User: "
    "arn:aws:sts::123456789012:assumed-role/audit/session is not authorized to perform: iam:GetAccessKeyLastUsed on resource: "
    "user {name} with an explicit deny in a service control policy"
)


def with_long_words(chance: Chance, seen: Info) -> Info:
    """The same look at a user with the longest of names and services, many keys, and errors of many words."""
    text = json.dumps(seen).replace('"ci"', json.dumps(LONG_NAME)).replace('"other"', json.dumps(LONG_OTHER))
    long: Info = json.loads(text)
    for number in range(chance.choice([0, 0, 6])):
        age = some_age(chance) / DAY
        more = key(f"AKIAMORE{number}", age, chance.choice([None, min(age, 1)]), chance.choice(["Active", "Inactive"]))
        long["access_keys"].append({**more, "user_name": LONG_NAME})
    for one in long["access_keys"]:
        if one["last_used_date"]:
            one.update(
                last_used_service=chance.choice(["s3", "x" * 70]), last_used_region=chance.choice(["N/A", "y" * 40])
            )
    if one_in(6, chance):
        owned = chance.choice([[], ["AKIAOLD0"], [f"AKIAGONE{number}" for number in range(9)]])
        user_id = chance.choice(["AIDACI", "AIDAGONE"])
        long["store_only"] = [{"user_name": LONG_OLD, "user_id": user_id, "access_key_ids": owned}]
    if one_in(9, chance):
        long["users"][0]["error"] = "; ".join([DENIED.format(name=LONG_NAME)] * 3)
    return {**long, "vault_file": chance.choice([None, 'it\'s a "long" way/' * 20])}


def test_a_reason_is_short_whatever_it_is_about() -> None:
    chance = random.Random(0)
    reached = set()
    for _turn in range(3000):
        policy = some_policy(chance)
        policy["exempt"] = chance.choice([[], [], [], [], ["*" * 200], [LONG_NAME.upper()]])
        policy["now"] = chance.choice([[], [], [LONG_NAME]])
        for decision in plan(with_long_words(chance, some_look(chance)), policy):
            a_reason_is_one_short_sentence(decision)
            reached.add(decision["status"])
            for remedy in decision["remedies"]:
                assert remedy["say"].endswith(".") or command_of(remedy["say"])
    assert reached == STATUSES


@pytest.mark.parametrize("seed", [*range(10), *(thorough(seed) for seed in range(10, 40))])
def test_what_must_never_come_out_of_many_worlds(seed: int) -> None:
    chance = random.Random(seed)
    for _turn in range(250):
        check_all(some_look(chance), some_policy(chance))


def test_the_worlds_are_of_all_kinds() -> None:
    """Properties say nothing of rows that no world reaches."""
    chance = random.Random(0)
    reached = set()
    for _turn in range(6000):
        decision = of_ci(plan(some_look(chance), some_policy(chance)))
        reached |= {(decision["status"], action["action"]) for action in decision["actions"]} | {
            (decision["status"], None)
        }
    assert {status for status, _rest in reached} == STATUSES - {"gone"}
    assert {(status, action) for status, action in reached if action} >= {
        *(("due", action) for action in ("delete", "create", "verify", "deactivate")),
        *(("retire", "delete"), ("retire", "deactivate"), ("unused", "deactivate"), ("compliant", "delete")),
        *(("revoked", "deactivate"), ("uncarried", "carry"), ("uncarried", "delete")),
    }
