# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must never come out of a plan, whatever goes in. The rules are said here anew, apart from the plan's own code."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan import plan
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from worlds import ACCOUNT, NOW, Info, Record, ago, apply, key, row, rows, user

STATUSES = {
    *("error", "gone", "exempt", "held", "leftover", "due", "broken", "no_active_key", "unused", "blocked", "grace", "retire"),
    *("unmanaged", "due_soon", "compliant"),
}
DAY = 86400
# Ages (seconds) at which something changes under the policies below, and a second to either side, beside quite different ones.
TURNS = [0, 300, 3600, DAY // 2, DAY, 2 * DAY, 6 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 45 * DAY, 60 * DAY, 76 * DAY, 90 * DAY]
ages = st.one_of(
    st.builds(lambda turn, near: max(turn + near, 0), st.sampled_from(TURNS), st.sampled_from([-1, 0, 1])),
    st.integers(0, 400 * DAY),
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "max_age_days": st.sampled_from([0, 0.5, 1, 30, 45, 90, "90"]),
        "warn_days": st.sampled_from([0, 14, 100]),
        "deactivate_after_days": st.sampled_from([0, 2, 7, 30]),
        "idle_days": st.sampled_from([0, 1, 7, 30]),
        "delete_after_days": st.sampled_from([0, 0.5, 7, 30]),
        "unused_days": st.sampled_from([None, 0, 2, 30, 60]),
        "exempt": st.sampled_from([[]] * 14 + [["ci"], "c*"]),
        "now": st.sampled_from([[], [], ["ci"]]),
    },
)


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
    exempt: Any = field(default_factory=list)
    now: list[str] = field(default_factory=list)


def seldom(draw: st.DrawFn, one_in: int) -> bool:
    """Hypothesis likes the ends of a range, so that a small number is no rare one; a place in a list is."""
    return draw(st.sampled_from([False] * (one_in - 1) + [True]))


@st.composite
def looks(draw: st.DrawFn) -> Info:
    """A look at user ci: keys of all ages, stages and states, listed or not, and a store that knows of some.

    Most are what a rotation leaves: a current key that works, older ones that it replaced. The rest is what people and crashes leave.
    """

    def before(age: int) -> int:
        """An age that is no greater, so that what it belongs to came later."""
        return min(draw(ages), age)

    born = sorted(draw(st.lists(ages, max_size=4)), reverse=True)
    if len(born) > 1 and seldom(draw, 6):
        born[-1] = born[-2]
    current = draw(st.sampled_from([len(born) - 1, len(born) - 1, max(len(born) - 2, 0), None]))
    keys, others, store = [], {}, {"account_id": ACCOUNT, "user_id": "AIDACI"}
    waiting: set[str] = set()
    for number, age in enumerate(born):
        key_id, made = f"AKIAOLD{number}", ago(seconds=age)
        role = "current" if number == current else draw(st.sampled_from(["hand", "hand", "next", "previous", "previous", "noted"]))
        used = draw(st.one_of(st.none(), ages))
        status = draw(st.sampled_from(["Active"] * (9 if role == "current" else 4) + ["Inactive", "Inactive", "Expired"]))
        if not seldom(draw, 12):
            last = None if used is None else min(used, age) / DAY
            keys.append(key(key_id, age / DAY, last, status, create_date=made, last_used_known=not seldom(draw, 40)))
        record: Record = {"create_date": made, "stored": True}
        if seldom(draw, 2) if status != "Active" else seldom(draw, 8):
            record["deactivate_date"] = ago(seconds=before(age))
        if role == "current":
            store.update({**record, "promote_date": ago(seconds=before(age))}, access_key_id=key_id)
        elif role == "previous":
            others[key_id] = {**record, "promote_date": ago(seconds=before(age))}
        elif role == "next" and made not in waiting:
            # No two keys of one second wait: the first would have been verified instead of a second made.
            waiting.add(made)
            others[key_id] = record
        elif role == "noted":
            others[key_id] = {"deactivate_date": ago(seconds=before(age)), "stored": False}
    if others or seldom(draw, 2):
        store["other_keys"] = others
    if seldom(draw, 3):
        known_ids = draw(st.sets(st.sampled_from([f"AKIAOLD{number}" for number in range(4)]), max_size=3))
        close_to = draw(st.sampled_from([moment(one["create_date"]) for one in keys] or [NOW]))
        asked = min(close_to + timedelta(seconds=draw(st.sampled_from([-301, -300, -2, 0, 2, 300, 301]))), NOW)
        store["asked"] = {"date": asked.isoformat(), "known": sorted(known_ids)}
    if seldom(draw, 20):
        store["hold_until"] = ago(seconds=draw(st.sampled_from([-DAY, 0, DAY])))
    if seldom(draw, 40):
        store[draw(st.sampled_from(["account_id", "user_id"]))] = "999999999999"
    if keys and seldom(draw, 15):
        # The store's entry says a key is ours that IAM shows with somebody else.
        draw(st.sampled_from(keys))["user_name"] = "other"
    error = "denied" if seldom(draw, 60) else None
    return {
        "access_keys": draw(st.permutations(keys)),
        "users": [user(store=None if seldom(draw, 5) else store, error=error), user("other")],
        "account": {
            "account_id": ACCOUNT,
            "access_keys_quota": draw(st.sampled_from([None, 2, 2, 2, 3, 4])),
            "signing_access_key_id": "AKIAOLD0" if seldom(draw, 6) else "AKIAADMIN",
        },
        "now": NOW.isoformat(),
        "store_only": [],
        "complete": True,
    }


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
        if one["access_key_id"] not in asked["known"] and abs(moment(one["create_date"]) - moment(asked["date"])) <= timedelta(minutes=5)
    ]
    return explained == [target["access_key_id"]]


MANY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def what_comes_out_is_well_formed(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    assert [decision["user_name"] for decision in decisions] == ["ci", "other"]
    for decision in decisions:
        assert decision["status"] in STATUSES and decision["reason"].endswith(".")
        assert list(decision) == ["user_name", "status", "reason", "next_date", "actions"]
        assert decision["next_date"] is None or moment(decision["next_date"]) > NOW
        kinds = [action["action"] for action in decision["actions"]]
        assert kinds == sorted(kinds, key=["delete", "create", "verify", "deactivate"].index)
        targets = [action["access_key_id"] for action in decision["actions"]]
        assert len(targets) == len(set(targets))
        for action in decision["actions"]:
            assert action["user_name"] == decision["user_name"] and action["reason"]
            assert (action["action"] in ("delete", "deactivate")) == (action["min_idle_days"] is not None)
            assert (action["action"] == "create") == (action["access_key_id"] is None) == (action["max_age_days"] is not None)


def the_first_four_rows_touch_nothing(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    store, rules = entry_of(seen), Rules(**policy)
    unreadable = seen["users"][0]["error"] or not all(one["last_used_known"] for one in rows(seen, "ci"))
    foreign = store and (store["account_id"] != ACCOUNT or store["user_id"] != "AIDACI")
    held = store.get("hold_until") and moment(store["hold_until"]) > NOW
    expected = "error" if unreadable or foreign else "exempt" if rules.exempt else "held" if held else None
    assert (decision["status"] if decision["status"] in ("error", "gone", "exempt", "held") else None) == expected
    assert not (expected and decision["actions"])


def no_key_in_use_is_switched_off_or_deleted(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    rules = Rules(**policy)
    for action in actions(decisions, "deactivate", "delete"):
        target = row(seen, action["access_key_id"])
        assert target is None or not used_within(seen, target, rules.idle_days)
        assert action["min_idle_days"] >= rules.idle_days
        assert action["access_key_id"] != seen["account"]["signing_access_key_id"]


def the_replacement_is_no_target(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision = of_ci(decisions)
    for action in decision["actions"]:
        if action["access_key_id"] == entry_of(seen).get("access_key_id") and action["action"] != "create":
            assert (decision["status"], action["action"]) == ("unused", "deactivate")


def only_keys_proved_replaced_are_switched_off(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision, rules, store = of_ci(decisions), Rules(**policy), entry_of(seen)
    switched_off = actions([decision], "deactivate")
    active = {one["access_key_id"] for one in rows(seen, "ci") if one["status"] == "Active"}
    for action in switched_off:
        target = row(seen, action["access_key_id"])
        assert target is not None and target["user_name"] == "ci" and target["status"] == "Active"
        record = record_of(seen, target["access_key_id"])
        if decision["status"] == "unused":
            assert unused(seen, target, record, rules)
            continue
        # Somebody who has an Active key keeps one.
        assert active - {one["access_key_id"] for one in switched_off}
        current = row(seen, store.get("access_key_id", ""))
        replaced = current is not None and current["status"] == "Active" and target["create_date"] <= current["create_date"]
        if replaced:
            assert NOW - moment(store["promote_date"]) >= days(rules.deactivate_after_days)
        if not replaced or decision["status"] == "due":
            assert decision["status"] == "due" and not record.get("stored") and unused(seen, target, record, rules)


def only_keys_that_we_switched_off_are_deleted(seen: Info, policy: dict[str, Any], decisions: Plan) -> None:
    decision, rules, named = of_ci(decisions), Rules(**policy), "ci" in policy.get("now", [])
    spared = 0
    for action in actions([decision], "delete"):
        target, record = row(seen, action["access_key_id"]), record_of(seen, action["access_key_id"])
        assert target is None or target["user_name"] == "ci"
        if target and is_leftover(seen, target):
            assert named or NOW - moment(target["create_date"]) >= timedelta(hours=12)
            continue
        if record.get("deactivate_date") and (target is None or target["status"] != "Active"):
            off = moment(record["deactivate_date"])
            after = min(rules.delete_after_days, 1) if named and actions([decision], "create") else rules.delete_after_days
            assert NOW - off >= days(after)
            assert target is None or target["last_used_date"] is None or moment(target["last_used_date"]) <= off
            continue
        assert target is not None and target["status"] != "Active" and not record.get("stored")
        assert unused(seen, target, record, rules) and actions([decision], "create")
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
        appearing = current_id and NOW - moment(store["create_date"]) < timedelta(hours=1) and row(seen, current_id) is None
        assert active or appearing
        stood = current_id in active or appearing or current_id is None or store.get("deactivate_date")
        assert stood, "a person switched the current key off"
        reached = row(seen, made[0]["replaces"] or "") or store
        assert NOW - moment(reached["create_date"]) >= days(float(policy.get("max_age_days", 90)))
    # The key to be replaced is the current one where that works, and there is no third that works.
    if current_id in active:
        assert made[0]["replaces"] == current_id
        created = row(seen, current_id)["create_date"]  # type: ignore[index]
        assert not [one for one in own if one["access_key_id"] in active and one["create_date"] < created]


@settings(MANY, max_examples=1000)
@given(looks(), policies)
def test_what_must_never_come_out(seen: Info, policy: dict[str, Any]) -> None:
    decisions = plan(seen, policy)
    decision = of_ci(decisions)
    event(" ".join([decision["status"], *(action["action"] for action in decision["actions"])]))
    for check in (
        what_comes_out_is_well_formed,
        the_first_four_rows_touch_nothing,
        no_key_in_use_is_switched_off_or_deleted,
        the_replacement_is_no_target,
        only_keys_proved_replaced_are_switched_off,
        only_keys_that_we_switched_off_are_deleted,
        keys_of_strangers_are_left_alone,
        nobody_is_armed_again_and_nobody_beyond_the_quota,
    ):
        check(seen, policy, decisions)


@MANY
@given(looks(), policies)
def test_a_plan_that_was_carried_out_asks_for_nothing_more(seen: Info, policy: dict[str, Any]) -> None:
    first = plan(seen, policy)
    between = apply(seen, first)
    second = plan(between, policy)
    assert not actions(second, "create", "verify")
    # A key that was made or verified may leave an older one to switch off (and a key that we had switched off free to delete).
    if not actions(first, "create", "verify"):
        assert not actions(second, "deactivate", "delete")
    assert not actions(plan(apply(between, second), policy), "create", "verify", "deactivate", "delete")


@MANY
@given(looks(), policies, st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(seen: Info, policy: dict[str, Any], shuffled: random.Random) -> None:
    other = copy.deepcopy(seen)
    shuffled.shuffle(other["access_keys"])
    shuffled.shuffle(other["users"])
    assert plan(other, policy) == plan(seen, policy)


@MANY
@given(looks(), policies, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_next_date_is_when_time_alone_changes_the_decision(seen: Info, policy: dict[str, Any], within: list[float]) -> None:
    decision = of_ci(plan(seen, policy))
    assume(not decision["actions"] and decision["status"] not in ("error", "gone"))
    listed = {one["access_key_id"] for one in seen["access_keys"]}
    known = [entry_of(seen), *(entry_of(seen).get("other_keys") or {}).values()]
    young = [one for one in known if "create_date" in one and NOW - moment(one["create_date"]) < timedelta(hours=1)]
    assume(not young or listed >= {entry_of(seen).get("access_key_id"), *(entry_of(seen).get("other_keys") or {})} - {None})

    def at(date: datetime) -> tuple[str, list[tuple[str, str]]]:
        later = of_ci(plan({**seen, "now": date.isoformat()}, policy))
        return later["status"], [(action["action"], action["access_key_id"]) for action in later["actions"]]

    end = moment(decision["next_date"]) if decision["next_date"] else NOW + timedelta(days=900)
    for share in within:
        date = NOW + timedelta(seconds=int((end - NOW).total_seconds() * share))
        if date < end:
            assert at(date) == (decision["status"], [])
    if decision["next_date"]:
        assert at(end - timedelta(seconds=1)) == (decision["status"], [])
        assert at(end) != (decision["status"], [])
