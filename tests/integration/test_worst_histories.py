# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worst of what tests/property/test_histories.py plays over a simulated account, through the real ansible-playbook.

Something is done to a user's keys; at one of its requests it is held up, or dies; something else is done meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from controller.runner import Controller, Run, Running
from controller.store import entry_of, open_store, stored, write_store
from integration.helpers import actions, key_task, later, play
from lab.client import Lab
from lab.messages import Key, KeyState, UserState

pytestmark = pytest.mark.thorough
STORE = "store.yml"
Start = Callable[..., Running]


@pytest.fixture
def start(controller: Controller) -> Start:
    """Starts a playbook of the collection, with what all of them need."""

    def start(name: str, **variables: Any) -> Running:
        given = {"rotation_users": ["*"], "rotation_vault_file": STORE, "rotation_verify_delay": 0, **variables}
        return controller.start(f"keyturn.iam.{name}", extra_vars=given)

    return start


@pytest.fixture
def ci(lab: Lab, controller: Controller) -> Callable[..., UserState]:
    """Makes the user ci: an older key beside the current one, both stored, with these dates (days ago) of ours for the older."""

    def make(older: Key, newer: Key | None = None, off: float | None = None, **entry: Any) -> UserState:
        user = lab.seed("ci", older, newer or Key(20, used_days=1))
        old, new = user.keys
        dates = {"deactivate_date": later(lab.clock(), days=-off)} if off is not None else {}
        others = {old.access_key_id: stored(old, promote_date=old.create_date, **dates)}
        write_store(
            controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, new, other_keys=others, **entry)}}
        )
        return user

    return make


def held_up(lab: Lab, running: Callable[[], Running], action: str, meanwhile: Callable[[], object], **at: Any) -> Run:
    """What runs is held up at that request; `meanwhile` is done, then it goes on; how it ended."""
    lab.fault("pause", action, **{"user": "ci", **at})
    first = running()
    lab.wait_paused()
    meanwhile()
    lab.release()
    return first.wait()


def until_asked(lab: Lab, action: str, access_key_id: str) -> None:
    """Waits for a request about a key to be carried out."""
    deadline = time.monotonic() + 30
    while not [one for one in lab.requests(action) if one.params.get("AccessKeyId") == access_key_id and one.executed]:
        assert time.monotonic() < deadline, f"{action} of {access_key_id} was not sent"
        time.sleep(0.05)


def status(lab: Lab) -> list[str]:
    return [key.status for key in lab.state()["ci"].keys]


def entry(controller: Controller) -> dict[str, Any]:
    return dict(open_store(controller.cwd / STORE)["iam_access_keys"]["ci"])


def leaked(key: KeyState) -> dict[str, Any]:
    return {"rotation_access_key_id": key.access_key_id}


# -- a revocation beside a run that switches the key on ----------------------------------------------------------------


def test_a_rollback_that_holds_the_lock_does_not_win_over_a_revocation(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    """It has read the entry and the list; the key is revoked; it switches the key on: the request that goes with the note is the last."""
    old, new = ci(Key(150, "Inactive", used_days=80), off=5).keys
    revocations = []

    def revoke() -> None:
        revocations.append(start("revoke", **leaked(old)))
        until_asked(lab, "UpdateAccessKey", old.access_key_id)

    given = {"rotation_user_name": "ci", "rotation_verify_timeout": 2}
    rolled_back = held_up(lab, lambda: start("rollback", **given), "GetUser", revoke, nth=2)
    revocations[0].wait().ok()
    assert status(lab) == ["Inactive", "Active"] and entry(controller)["access_key_id"] == new.access_key_id
    assert rolled_back.rc == 2 and "was revoked while STS was asked" in rolled_back.msg


def test_a_rollback_between_a_revocation_and_its_note_does_not_win(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    old, new = ci(Key(150, "Inactive", used_days=80), off=5).keys
    revoked = held_up(
        lab,
        lambda: start("revoke", **leaked(old)),
        "UpdateAccessKey",
        lambda: start("rollback", rotation_user_name="ci").wait().ok(),
        when="after",
    ).ok()
    assert status(lab) == ["Inactive", "Active"] and revoked.changed
    assert entry(controller)["access_key_id"] == new.access_key_id
    assert entry(controller)["other_keys"][old.access_key_id]["revoke_date"]


@pytest.mark.parametrize("then", ["rollback", "revoke"])
def test_what_a_revocation_switched_off_before_it_died_is_not_chosen_by_a_list_that_lags(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState], then: str
) -> None:
    old, new = ci(Key(150, used_days=80)).keys
    lab.settings(stale_lists_seconds=6)
    lab.fault("kill", "UpdateAccessKey", when="after")
    assert start("revoke", **leaked(old)).wait().rc < 0
    # The look shows the key Active still, the look just before the write no longer.
    second = held_up(
        lab,
        lambda: start(then, **(leaked(new) if then == "revoke" else {"rotation_user_name": "ci"})),
        "GetAccessKeyLastUsed" if then == "rollback" else "ListAccessKeys",
        lambda: time.sleep(7),
        nth=2 if then == "rollback" else 3,
    )
    assert status(lab)[0] == "Inactive" and entry(controller).get("access_key_id") != old.access_key_id
    assert second.rc == 2 and "was switched off by another hand meanwhile" in " ".join(second.output.split())


# -- a revocation beside a rotation --------------------------------------------------------------------------------------


def test_a_revocation_waits_for_no_lock_and_the_key_that_is_being_made_takes_over(
    lab: Lab, controller: Controller, start: Start
) -> None:
    user = lab.seed("ci", Key(100, used_days=1))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    revocations = []

    def revoke() -> None:
        revocations.append(start("revoke", **leaked(user.keys[0])))
        until_asked(lab, "UpdateAccessKey", user.keys[0].access_key_id)

    held_up(lab, lambda: start("rotate"), "CreateAccessKey", revoke)
    revocations[0].wait()
    assert status(lab) == ["Inactive", "Active"] and actions(lab).count("CreateAccessKey") == 1
    assert entry(controller)["access_key_id"] == lab.state()["ci"].keys[1].access_key_id


def test_a_next_that_was_revoked_in_vain_is_never_made_current(lab: Lab, controller: Controller, start: Start) -> None:
    """UpdateAccessKey is denied to the revocation: the store knows of it all the same."""
    user = lab.seed("ci", Key(100, used_days=1), Key(0.1))
    current, coming = user.keys
    others = {coming.access_key_id: stored(coming)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, current, other_keys=others)}})
    lab.deny("UpdateAccessKey")
    assert start("revoke", **leaked(coming)).wait().rc == 2
    lab.allow_all()
    start("rotate").wait()
    assert entry(controller)["access_key_id"] == current.access_key_id
    assert not [one for one in lab.requests("GetCallerIdentity") if one.access_key == coming.access_key_id]


def test_a_revocation_beside_a_key_that_nobody_holds_and_no_list_shows(
    lab: Lab, controller: Controller, start: Start
) -> None:
    """A rotation died at CreateAccessKey, lists lag, the old key leaks: the quota is full, and nothing is deleted for it."""
    user = lab.seed("ci", Key(100, used_days=1))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    lab.settings(stale_lists_seconds=60)
    lab.fault("kill", "CreateAccessKey", when="after")
    assert start("rotate").wait().rc < 0
    revoked = start("revoke", **leaked(user.keys[0])).wait()
    assert revoked.rc == 2 and "is switched off, but the user has no other one in force" in revoked.msg
    assert status(lab) == ["Inactive", "Active"] and "DeleteAccessKey" not in actions(lab)
    assert entry(controller)["other_keys"][user.keys[0].access_key_id]["revoke_date"]


# -- a rotation beside people ----------------------------------------------------------------------------------------------


def test_a_rollback_that_lists_do_not_show_yet_is_not_undone(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    """The rotation is about to delete what a person puts back in force; its list still says Inactive."""
    old = ci(Key(160, "Inactive", used_days=80), Key(60, used_days=1), off=31).keys[0]
    lab.settings(stale_lists_seconds=60)
    rotation = held_up(
        lab,
        lambda: start("rotate"),
        "GetAccessKeyLastUsed",
        lambda: start("rollback", rotation_user_name="ci").wait().ok(),
        nth=2,
    )
    assert status(lab) == ["Active", "Active"] and entry(controller)["secret_access_key"] == old.secret_access_key
    assert rotation.rc == 2 and "the user's keys are held as they are until" in " ".join(rotation.output.split())


def test_a_hold_that_begins_before_the_new_key_is_made_is_seen(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    """Two users are due; the first one's key is being made when the second is rolled back."""
    lab.seed("aaa", Key(100))
    lab.settings(quota=3)
    old = ci(Key(160, used_days=80), Key(100, used_days=1)).keys[0]
    rotation = held_up(
        lab,
        lambda: start("rotate"),
        "CreateAccessKey",
        lambda: start("rollback", rotation_user_name="ci").wait().ok(),
        user="aaa",
    )
    assert entry(controller)["access_key_id"] == old.access_key_id and status(lab) == ["Active", "Active"]
    assert rotation.rc == 2 and "the user's keys are held as they are until" in " ".join(rotation.output.split())


def test_nothing_is_switched_off_for_a_key_that_a_person_deletes_meanwhile(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    """The list shows the deleted key still; the store does not."""
    old, new = ci(Key(150, used_days=80)).keys
    lab.settings(stale_lists_seconds=60)
    absent = key_task("gone", "ci", access_key_id=new.access_key_id, state="absent", vault_file=STORE)
    rotation = held_up(
        lab,
        lambda: start("rotate"),
        "GetAccessKeyLastUsed",
        lambda: controller.run(play(absent)).ok(),
        nth=2,
        when="after",
    )
    assert [(key.access_key_id, key.status) for key in lab.state()["ci"].keys] == [(old.access_key_id, "Active")]
    assert rotation.rc == 2 and "which replaced it, is no longer in force" in " ".join(rotation.output.split())


def test_nobody_is_armed_whose_keys_a_person_switches_off_meanwhile(
    lab: Lab, controller: Controller, start: Start
) -> None:
    user = lab.seed("ci", Key(100, used_days=1))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    rotation = held_up(
        lab,
        lambda: start("rotate"),
        "GetAccessKeyLastUsed",
        lambda: lab.set_key(user.keys[0].access_key_id, "Inactive"),
    )
    assert status(lab) == ["Inactive"] and "CreateAccessKey" not in actions(lab)
    assert rotation.rc == 2 and "somebody changed the user's keys meanwhile" in " ".join(rotation.output.split())
    start("rotate").wait()
    assert status(lab) == ["Inactive"]


def test_a_rollback_that_dies_after_its_hold_is_left_alone_by_the_rotation(
    lab: Lab, controller: Controller, start: Start, ci: Callable[..., UserState]
) -> None:
    """It is on, held, and not yet current: the rotation, which deletes such keys after a month, does not touch it."""
    old = ci(Key(160, "Inactive", used_days=80), Key(60, used_days=1), off=31).keys[0]
    lab.fault("kill", "UpdateAccessKey", when="after")
    assert start("rollback", rotation_user_name="ci").wait().rc < 0
    start("rotate").wait().ok()
    assert status(lab) == ["Active", "Active"]
    start("rollback", rotation_user_name="ci").wait().ok()
    assert entry(controller)["access_key_id"] == old.access_key_id
