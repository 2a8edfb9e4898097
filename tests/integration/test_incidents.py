# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A consumer that still needs the old key, a key that leaked: keyturn.iam.rollback and keyturn.iam.revoke through the real ansible-playbook."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from controller.runner import Controller, Run
from controller.store import entry_of, open_store, stored, write_store
from integration.helpers import WRITES, actions, key_task, later, ok, play, refusal, secrets
from lab.client import Lab
from lab.messages import Key, UserState
from thorough import thorough

STORE = "store.yml"
Playbook = Callable[..., Run]


@pytest.fixture
def run(controller: Controller) -> Playbook:
    """A playbook of the collection with what rotation.yml of a person has: everyone is rotated."""

    def start(name: str, *args: str, check: bool = False, credentials: Any = None, **variables: Any) -> Run:
        given = {
            "rotation_users": ["*"],
            "rotation_vault_file": STORE,
            "rotation_verify_delay": 0,
            "rotation_fail_on_drift": True,
            **variables,
        }
        options = {"credentials": credentials} if credentials else {}
        return controller.run(
            f"keyturn.iam.{name}",
            *args,
            check=check,
            extra_vars={k: v for k, v in given.items() if v is not None},
            **options,
        )

    return start


@pytest.fixture
def meanwhile(lab: Lab, controller: Controller) -> Callable[..., Run]:
    """Runs a rotation that is held up at a request, something else meanwhile, and lets it go on; the rotation's run."""

    def start(action: str, then: Callable[[], object], user: str = "aaa", nth: int = 1) -> Run:
        lab.fault("pause", action, user=user, nth=nth)
        given = {
            "rotation_users": ["*"],
            "rotation_vault_file": STORE,
            "rotation_verify_delay": 0,
            "rotation_unused_days": 365,
        }
        running = controller.start("keyturn.iam.rotate", extra_vars=given)
        lab.wait_paused()
        then()
        lab.release()
        return running.wait()

    return start


def entry(controller: Controller, user_name: str = "ci") -> dict[str, Any]:
    return dict(open_store(controller.cwd / STORE)["iam_access_keys"][user_name])


@contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Another run's lock."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def status(lab: Lab, user_name: str = "ci") -> list[str]:
    return [key.status for key in lab.state()[user_name].keys]


def written(lab: Lab) -> list[tuple[str, str | None]]:
    return [
        (request.action, request.params.get("AccessKeyId")) for request in lab.requests() if request.action in WRITES
    ]


@pytest.fixture
def rotated(lab: Lab, controller: Controller) -> UserState:
    """User ci whose new key has been current for twenty days, and whose old one the role has switched off."""
    user = lab.seed("ci", Key(120, "Inactive", used_days=15), Key(20, used_days=1))
    old, new = user.keys
    previous = stored(old, promote_date=old.create_date, deactivate_date=later(lab.clock(), days=-10))
    write_store(
        controller.cwd / STORE,
        {"iam_access_keys": {"ci": entry_of(user, new, other_keys={old.access_key_id: previous})}},
    )
    return user


def test_the_previous_key_is_put_back_in_force(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState
) -> None:
    old, new = rotated.keys
    before = (controller.cwd / STORE).read_bytes()
    check = run("rollback", "--diff", check=True, rotation_user_name="ci").ok()
    assert not written(lab) and (controller.cwd / STORE).read_bytes() == before
    assert (
        f"+{old.access_key_id}  Active, current" in check.stdout
        and f"+{new.access_key_id}  Active, previous" in check.stdout
    )
    assert f"Access key {old.access_key_id} of user ci would be the current one in {STORE}" in " ".join(
        check.stdout.split()
    )

    done = run("rollback", "-vvvv", "--diff", rotation_user_name="ci").ok()
    said = " ".join(done.stdout.split())
    assert f" Access key {old.access_key_id} of user ci is the current one in {STORE}, from where" in said
    assert f" {new.access_key_id} works on as a previous one: who has it already is not cut off" in said
    assert "The rotation leaves user ci alone for 7 days: mend what broke in that time." in said
    assert written(lab) == [("UpdateAccessKey", old.access_key_id)] and status(lab) == ["Active", "Active"]
    after = entry(controller)
    assert (after["access_key_id"], after["secret_access_key"]) == (old.access_key_id, old.secret_access_key)
    assert "deactivate_date" not in after and after["hold_until"] == later(after["promote_date"], days=7)
    assert after["other_keys"][new.access_key_id]["secret_access_key"] == new.secret_access_key
    assert [request.access_key for request in lab.requests() if request.action == "GetCallerIdentity"] == [
        old.access_key_id
    ] * 3
    assert not [secret for secret in secrets([rotated]) if secret in done.output]

    lab.clear_requests()
    assert run("rollback", rotation_user_name="ci").ok().changed == 0
    held = run("rotate").ok()
    assert held.changed == 0 and not written(lab) and "1 held" in held.stdout


def test_a_key_made_by_hand_is_switched_on_again(lab: Lab, controller: Controller, run: Playbook) -> None:
    """The first rotation replaces a key whose secret the store never had: its consumer needs it in force, the others read the store."""
    old = lab.seed("ci", Key(100, used_days=20)).keys[0]
    run("rotate").ok()
    lab.clock(advance=8)
    run("rotate").ok()
    new = lab.state()["ci"].keys[1]
    assert status(lab) == ["Inactive", "Active"] and entry(controller)["access_key_id"] == new.access_key_id
    check = run("rollback", check=True, rotation_user_name="ci").ok()
    said = " ".join(check.stdout.split())
    assert (
        f"Access key {old.access_key_id} of user ci would be Active; its secret is not in {STORE}, whose current key stays what it is."
        in said
    )
    run("rollback", rotation_user_name="ci").ok()
    assert status(lab) == ["Active", "Active"]
    after = entry(controller)
    assert after["access_key_id"] == new.access_key_id and "other_keys" not in after and after["hold_until"]
    lab.clear_requests()
    assert (
        run("rollback", rotation_user_name="ci").ok().changed == 0
        and run("rotate").ok().changed == 0
        and not written(lab)
    )
    lab.clock(advance=8)
    lab.use(old.access_key_id)
    assert "blocked" in run("rotate").ok().stdout and status(lab) == ["Active", "Active"]


def test_a_hold_is_ended_by_its_own_word(lab: Lab, controller: Controller, rotated: UserState) -> None:
    old = rotated.keys[0].access_key_id
    given = {"access_key_id": old, "active": True, "vault_file": STORE}
    tasks = [
        key_task(name, "ci", hold_days=days, **given)
        for name, days in (("on", 3), ("again", 5), ("end", 0), ("ended", 0))
    ]
    ran = controller.run(play(*tasks)).ok()
    assert [ok(ran, name)["changed"] for name in ("on", "again", "end", "ended")] == [True, False, True, False]
    assert "hold_until" not in entry(controller) and status(lab) == ["Active", "Active"]


def test_after_a_rollback_a_person_decides(lab: Lab, controller: Controller, run: Playbook, rotated: UserState) -> None:
    """The old key is over the limit and the newer one works: the rotation asks, and the way forward is one command."""
    old, new = rotated.keys
    run("rollback", rotation_user_name="ci", rotation_hold_days=2).ok()
    lab.clock(advance=3)
    blocked = run("rotate").ok()
    assert blocked.changed == 0 and "1 blocked" in blocked.stdout
    run("rollback", rotation_user_name="ci", rotation_access_key_id=new.access_key_id, rotation_hold_days=0).ok()
    after = entry(controller)
    assert after["access_key_id"] == new.access_key_id and "hold_until" not in after
    assert after["other_keys"][old.access_key_id]["secret_access_key"] == old.secret_access_key
    lab.clock(advance=30)
    run("rotate").ok()
    assert status(lab) == ["Inactive", "Active"]


def test_no_rollback_to_what_is_not_there(lab: Lab, controller: Controller, run: Playbook, rotated: UserState) -> None:
    old, new = rotated.keys
    lab.seed("vendor", Key(10))
    for variables, said in (
        (
            {"rotation_user_name": "vendor"},
            "User vendor has no access key that was replaced or switched off by the rotation and that IAM still has",
        ),
        ({"rotation_user_name": "nobody"}, "There is no IAM user nobody"),
        (
            {"rotation_user_name": "ci", "rotation_access_key_id": "AKIANOBODYSKEY000000"},
            "User ci has no access key AKIANOBODYSKEY000000",
        ),
        ({"rotation_user_name": "*"}, "rotation_user_name must name one user"),
        ({"rotation_user_name": "ci", "rotation_vault_file": ""}, "rotation_vault_file is empty"),
        (
            {"rotation_user_name": "ci", "rotation_hold_days": -1},
            "rotation_hold_days must be a number of days, 0 or more",
        ),
        ({}, "rotation_user_name is not set: it takes the name of the user"),
    ):
        failed = run("rollback", **variables)
        assert failed.rc == 2 and said in failed.msg.replace(str(controller.cwd) + "/", ""), str(failed)
    lab.delete_key(old.access_key_id)
    assert "User ci has no access key that was replaced" in run("rollback", rotation_user_name="ci").msg
    named = run("rollback", rotation_user_name="ci", rotation_access_key_id=old.access_key_id)
    assert "IAM does not have it (any more); rotation_now gives the user a new key" in named.msg
    assert not written(lab) and entry(controller)["access_key_id"] == new.access_key_id


def test_what_sts_does_not_accept_is_not_put_in_force(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState
) -> None:
    old, new = rotated.keys
    lab.fault("error", "GetCallerIdentity", code="InvalidClientTokenId", status=403, count=0)
    failed = run("rollback", rotation_user_name="ci", rotation_verify_timeout=1)
    assert (
        failed.rc == 2
        and f"STS did not accept access key {old.access_key_id}" in failed.msg
        and "it is switched on and held, but not current" in failed.msg
    )
    assert entry(controller)["access_key_id"] == new.access_key_id and entry(controller)["hold_until"]
    lab.clear_faults()
    run("rollback", rotation_user_name="ci").ok()
    assert entry(controller)["access_key_id"] == old.access_key_id


@pytest.mark.parametrize(
    ("action", "when"),
    [
        ("UpdateAccessKey", "after"),
        ("GetCallerIdentity", "after"),
        thorough("UpdateAccessKey", "before"),
        thorough("GetCallerIdentity", "before"),
    ],
)
def test_a_rollback_that_is_killed_goes_on(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState, action: str, when: str
) -> None:
    old, new = rotated.keys
    lab.fault("kill", action, when=when)
    killed = run("rollback", rotation_user_name="ci")
    assert killed.rc < 0 and entry(controller)["access_key_id"] == new.access_key_id
    run("rollback", rotation_user_name="ci").ok()
    assert status(lab) == ["Active", "Active"] and entry(controller)["access_key_id"] == old.access_key_id
    assert "deactivate_date" not in entry(controller) and run("rollback", rotation_user_name="ci").ok().changed == 0


def test_a_stage_needs_what_it_is_about(lab: Lab, controller: Controller, rotated: UserState) -> None:
    given = {"access_key_id": rotated.keys[0].access_key_id, "stage": "current", "vault_file": STORE}
    wrong = {
        "no_key": {"access_key_id": None},
        "no_store": {"vault_file": None},
        "absent": {"state": "absent"},
        "off": {"active": False},
        "unverified": {"verify": False},
        "no_stage": {"stage": None, "hold_days": 3},
        "other_stage": {"stage": "previous"},
    }
    tasks = [
        key_task(name, "ci", **{k: v for k, v in {**given, **options}.items() if v is not None})
        for name, options in wrong.items()
    ]
    ran = controller.run(play(*tasks)).ok()
    for name in wrong:
        assert "stage" in refusal(ran, name)
    assert not lab.requests()


def test_a_next_may_be_put_in_force_and_its_request_is_answered(lab: Lab, controller: Controller) -> None:
    """What a person names as current is verified like any other; `asked` goes with the key that it explains, and stays for another."""
    user = lab.seed("ci", Key(50), Key(0.01))
    old, new = user.keys
    asked = {"date": new.create_date, "known": [old.access_key_id]}
    write_store(
        controller.cwd / STORE,
        {"iam_access_keys": {"ci": entry_of(user, old, other_keys={new.access_key_id: stored(new)}, asked=asked)}},
    )
    task = key_task("forward", "ci", access_key_id=new.access_key_id, stage="current", vault_file=STORE, verify_delay=0)
    forward = ok(controller.run(play(task)).ok(), "forward")
    assert forward["changed"] and forward["stage"] == "current"
    after = entry(controller)
    assert after["access_key_id"] == new.access_key_id and "asked" not in after and "hold_until" not in after
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": {**after, "asked": asked}}})
    back = key_task("back", "ci", access_key_id=old.access_key_id, stage="current", hold_days=1, vault_file=STORE)
    controller.run(play(back)).ok()
    assert entry(controller)["asked"] == asked and entry(controller)["access_key_id"] == old.access_key_id


def test_a_leaked_key_is_switched_off_and_replaced(lab: Lab, controller: Controller, run: Playbook) -> None:
    """Whoever uses it, and nobody else is rotated, although the variables of the rotation name everyone."""
    user, other = lab.seed("ci", Key(30, used_days=0)), lab.seed("other", Key(200))
    leaked = user.keys[0]
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, leaked)}})
    given = {"rotation_access_key_id": leaked.access_key_id, "rotation_path_prefix": "/elsewhere/"}
    check = run("revoke", "--diff", check=True, **given).ok()
    assert not written(lab) and f"Access key {leaked.access_key_id} of user ci would be Inactive." in " ".join(
        check.stdout.split()
    )
    assert "Would make 1 key" in check.stdout
    assert f"A new key would be in force, in {STORE} (iam_access_keys['ci'])" in " ".join(check.stdout.split())

    done = run("revoke", **given).ok()
    # Once before anything else, and once with the note, for what a run that held the lock may have done meanwhile.
    assert written(lab) == [("UpdateAccessKey", leaked.access_key_id), ("CreateAccessKey", None)]
    assert status(lab) == ["Inactive", "Active"] and status(lab, "other") == ["Active"]
    new = lab.state()["ci"].keys[1]
    after = entry(controller)
    assert (after["access_key_id"], after["secret_access_key"]) == (new.access_key_id, new.secret_access_key)
    assert after["other_keys"][leaked.access_key_id]["deactivate_date"]
    # Plain lines at its end, not a task's result in JSON.
    said = f"\nAccess key {leaked.access_key_id} of user ci is Inactive.\n"
    assert done.stdout.count(said) == 2, "at once, and at the end"
    end = done.stdout[done.stdout.rindex(said) :]
    assert f"\nIn force: access key {new.access_key_id}, in {STORE} (iam_access_keys['ci']). Whatever" in end
    assert "Made 1 key" not in end and '"msg"' not in end

    lab.clear_requests()
    assert run("revoke", **given).ok().changed == 0  # said to IAM once more, for no list is believed
    assert written(lab) == [("UpdateAccessKey", leaked.access_key_id)]
    lab.clock(advance=31)
    run("rotate", rotation_users=["ci"]).ok()
    assert [key.access_key_id for key in lab.state()["ci"].keys] == [new.access_key_id]
    assert len(other.keys) == 1


@pytest.mark.parametrize(
    ("kind", "action", "fault"),
    [
        ("kill", "UpdateAccessKey", {"when": "after"}),
        ("kill", "GetCallerIdentity", {"user": "ci"}),
        thorough("kill", "CreateAccessKey", {"when": "before"}),
        thorough("error", "CreateAccessKey", {"code": "AccessDenied", "status": 403}),
    ],
)
def test_an_interrupted_revocation_goes_on(
    lab: Lab, controller: Controller, run: Playbook, kind: str, action: str, fault: dict[str, Any]
) -> None:
    user = lab.seed("ci", Key(0.5))
    leaked = user.keys[0]
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, leaked)}})
    lab.fault(kind, action, **fault)
    failed = run("revoke", rotation_access_key_id=leaked.access_key_id)
    assert failed.rc and status(lab)[0] == "Inactive"
    run("revoke", rotation_access_key_id=leaked.access_key_id).ok()
    old, new = lab.state()["ci"].keys
    assert (old.access_key_id, old.status, new.status) == (leaked.access_key_id, "Inactive", "Active")
    assert (entry(controller)["access_key_id"], entry(controller)["secret_access_key"]) == (
        new.access_key_id,
        new.secret_access_key,
    )


def test_a_revocation_names_the_key_whose_secret_a_run_lost_and_deletes_none(
    lab: Lab, controller: Controller, run: Playbook
) -> None:
    """It may be a person's, made in the console at that very time and at work since."""
    leaked = lab.seed("ci", Key(0.5)).keys[0].access_key_id
    write_store(
        controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(lab.state()["ci"], lab.state()["ci"].keys[0])}}
    )
    lab.fault("kill", "CreateAccessKey", when="after")
    assert run("revoke", rotation_access_key_id=leaked).rc < 0
    doubtful = lab.state()["ci"].keys[1].access_key_id
    lab.clock(advance=1)
    failed = run("revoke", rotation_access_key_id=leaked)
    assert failed.rc == 2 and f"delete {doubtful}, whose secret a run lost, unless a person made it," in failed.msg
    assert "DeleteAccessKey" not in [action for action, _key_id in written(lab)]
    task = key_task("gone", "ci", access_key_id=doubtful, state="absent", vault_file=STORE)
    ok(controller.run(play(task)).ok(), "gone")
    run("revoke", rotation_access_key_id=leaked).ok()
    assert status(lab) == ["Inactive", "Active"] and entry(controller)["access_key_id"] not in (leaked, doubtful)


def test_a_key_beside_the_one_in_force_is_only_switched_off(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState
) -> None:
    lab.set_key(rotated.keys[0].access_key_id, "Active")
    off = run("revoke", rotation_access_key_id=rotated.keys[0].access_key_id).ok()
    assert written(lab) == [("UpdateAccessKey", rotated.keys[0].access_key_id)] and off.changed == 1
    assert status(lab) == ["Inactive", "Active"]


def test_a_user_whose_quota_is_full_is_left_without_a_key_and_said_to_be(
    lab: Lab, controller: Controller, run: Playbook
) -> None:
    """The other key is stored, but a person has switched it off: nothing of ours makes it work again."""
    user = lab.seed("ci", Key(120, "Inactive", used_days=1), Key(20, used_days=1))
    old, leaked = user.keys
    others = {old.access_key_id: stored(old, promote_date=old.create_date)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, leaked, other_keys=others)}})
    failed = run("revoke", rotation_access_key_id=leaked.access_key_id)
    assert status(lab) == ["Inactive", "Inactive"] and failed.rc == 2
    assert (
        f"Access key {leaked.access_key_id} of user ci is switched off, but the user has no other one in force"
        in failed.msg
        and old.access_key_id in failed.msg
    )


@pytest.mark.parametrize("off", [True, thorough(False)])
def test_at_a_full_quota_the_previous_key_is_put_back_in_force(
    lab: Lab, controller: Controller, run: Playbook, off: bool
) -> None:
    user = lab.seed("ci", Key(120, "Inactive" if off else "Active", used_days=1), Key(20, used_days=1))
    old, leaked = user.keys
    dates = {"deactivate_date": later(lab.clock(), days=-1)} if off else {}
    others = {old.access_key_id: stored(old, promote_date=old.create_date, **dates)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, leaked, other_keys=others)}})
    done = run("revoke", rotation_access_key_id=leaked.access_key_id).ok()
    assert status(lab) == ["Active", "Inactive"] and "put back in force" in done.stdout
    after = entry(controller)
    assert (after["access_key_id"], after["secret_access_key"]) == (old.access_key_id, old.secret_access_key)
    assert after["other_keys"][leaked.access_key_id]["revoke_date"]
    assert "DeleteAccessKey" not in [action for action, _key_id in written(lab)]


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("a report nowhere", {"rotation_report_file": "nowhere/report.md"}),
        ("no store", {"rotation_vault_file": "nowhere/store.yml"}),
        ("an empty name", {"rotation_vault_file": ""}),
        ("plain text", {"rotation_vault_file": "plain.yml"}),
        ("denied", {}),
        ("locked", {"keyturn_lock_timeout": 1}),
        ("tasks nowhere", {"rotation_on_stored": "nowhere.yml"}),
    ],
)
def test_nothing_stands_before_the_revocation(
    lab: Lab, controller: Controller, run: Playbook, what: str, given: dict[str, Any]
) -> None:
    user = lab.seed("ci", Key(30))
    leaked = user.keys[0].access_key_id
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    (controller.cwd / "plain.yml").write_text("iam_access_keys: {}\n")
    for action in ("GetUser", "ListAccessKeys", "GetAccountSummary") if what == "denied" else ():
        lab.fault("error", action, code="AccessDenied", status=403, count=20)
    with held_lock(controller.cwd / f".{STORE}.lock") if what == "locked" else nullcontext():
        failed = run("revoke", rotation_access_key_id=leaked, **given)
    assert status(lab)[0] == "Inactive", failed.stdout
    assert what != "denied" or f"Access key {leaked} of user ci is Inactive." in " ".join(failed.stdout.split())
    assert actions(lab)[:2] == ["GetAccessKeyLastUsed", "UpdateAccessKey"]
    assert failed.rc == (0 if what == "a report nowhere" else 2)  # a revocation writes no report


def test_without_a_store_a_key_is_switched_off_and_no_other_made(lab: Lab, run: Playbook) -> None:
    for name, replace, rc in (("ci", None, 2), ("vendor", False, 0)):
        leaked = lab.seed(name, Key(30)).keys[0].access_key_id
        lab.clear_requests()
        off = run("revoke", rotation_access_key_id=leaked, rotation_vault_file=None, rotation_replace=replace)
        assert off.rc == rc and written(lab) == [("UpdateAccessKey", leaked)] and status(lab, name) == ["Inactive"]
        assert ("give rotation_vault_file for a new one" in off.msg) is bool(rc)
        assert "No store was named, so that none knows of it" in " ".join(off.stdout.split())


def test_what_cannot_be_revoked_is_said_before_anything_is_done(lab: Lab, run: Playbook) -> None:
    own = lab.seed("admin", Key(30)).keys[0]
    signs = run("revoke", credentials=own, rotation_access_key_id=own.access_key_id)
    assert signs.rc == 2 and "signs this run, which would lock itself out: run it with other credentials" in signs.msg
    nobody = run("revoke", rotation_access_key_id="AKIANOBODYSKEY000000")
    assert nobody.rc == 2 and "No user of this account could be found for access key AKIANOBODYSKEY000000" in nobody.msg
    assert "rotation_access_key_id is not set: it takes the id of the key" in run("revoke").msg
    assert "UpdateAccessKey" not in actions(lab)


# -- what may come between -----------------------------------------------------------------------------------------


def test_a_revoked_key_stays_off(lab: Lab, controller: Controller, run: Playbook) -> None:
    """A rollback is what people do next when a consumer breaks: it does not bring the leaked key back."""
    user = lab.seed("ci", Key(30, used_days=0))
    leaked = user.keys[0].access_key_id
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    run("revoke", rotation_access_key_id=leaked).ok()
    assert "and that was not revoked; name ci in rotation_now" in run("rollback", rotation_user_name="ci").msg
    named = run("rollback", rotation_user_name="ci", rotation_access_key_id=leaked)
    assert "was revoked on" in named.msg and "leaked=false says that it is safe all the same" in named.msg
    tasks = [
        key_task("on", "ci", access_key_id=leaked, active=True, vault_file=STORE),
        key_task("safe", "ci", access_key_id=leaked, active=True, leaked=False, vault_file=STORE),
    ]
    assert status(lab) == ["Inactive", "Active"]
    # A task that names no store asks the rotation's, where that is known.
    bare = key_task("bare", "ci", access_key_id=leaked, active=True)
    ran = controller.run(play(bare), extra_vars={"rotation_vault_file": STORE}).ok()
    assert "was revoked on" in refusal(ran, "bare") and status(lab) == ["Inactive", "Active"]
    ran = controller.run(play(*tasks)).ok()
    assert "was revoked on" in refusal(ran, "on") and ok(ran, "safe")["changed"]
    assert status(lab) == ["Active", "Active"] and "revoke_date" not in entry(controller)["other_keys"][leaked]


def test_a_key_that_was_rolled_back_to_is_revoked(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState
) -> None:
    """The hold is about the key that leaked, so it ends with it; the newer key is put back in force."""
    old, new = rotated.keys
    run("rollback", rotation_user_name="ci").ok()
    run("revoke", rotation_access_key_id=old.access_key_id).ok()
    assert status(lab) == ["Inactive", "Active"] and "hold_until" not in entry(controller)
    assert status(lab) == ["Inactive", "Active"] and entry(controller)["access_key_id"] == new.access_key_id


@pytest.mark.parametrize("hold_days", [0, thorough(7)])
def test_a_rotation_on_its_way_does_not_undo_a_rollback(
    lab: Lab, controller: Controller, run: Playbook, meanwhile: Callable[..., Run], hold_days: int
) -> None:
    """It had planned to delete the key that a person puts back in force while it waits for another user's key."""
    lab.seed("aaa", Key(100))
    user = lab.seed("ci", Key(160, "Inactive", used_days=80), Key(60, used_days=1))
    old, new = user.keys
    previous = stored(old, promote_date=old.create_date, deactivate_date=later(lab.clock(), days=-31))
    write_store(
        controller.cwd / STORE,
        {"iam_access_keys": {"ci": entry_of(user, new, other_keys={old.access_key_id: previous})}},
    )
    rotation = meanwhile(
        "GetCallerIdentity", lambda: run("rollback", rotation_user_name="ci", rotation_hold_days=hold_days).ok()
    )
    assert status(lab) == ["Active", "Active"] and entry(controller)["secret_access_key"] == old.secret_access_key
    assert rotation.rc == 2 and f"Access key {old.access_key_id} of user ci is not deleted" in " ".join(
        rotation.output.split()
    )


def test_a_rotation_on_its_way_does_not_switch_off_what_is_held(
    lab: Lab, controller: Controller, run: Playbook, meanwhile: Callable[..., Run]
) -> None:
    lab.seed("zzz", Key(10))
    user = lab.seed("ci", Key(900), Key(800))
    old, new = user.keys
    others = {old.access_key_id: stored(old, promote_date=old.create_date)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, new, other_keys=others)}})
    rotation = meanwhile("GetAccessKeyLastUsed", lambda: run("rollback", rotation_user_name="ci").ok(), user="zzz")
    assert status(lab) == ["Active", "Active"] and entry(controller)["hold_until"], str(rotation)
    assert "the user's keys are held as they are until" in " ".join(rotation.output.split())


@pytest.mark.parametrize("what", ["rollback", "revoke"])
def test_a_rotation_on_its_way_does_not_make_current_what_was_rolled_back_or_revoked(
    lab: Lab, controller: Controller, run: Playbook, meanwhile: Callable[..., Run], what: str
) -> None:
    user = lab.seed("ci", Key(100, "Inactive"), Key(50), Key(0.1))
    old, new, coming = user.keys
    ours = stored(old, promote_date=old.create_date, deactivate_date=later(lab.clock(), days=-1))
    others = {old.access_key_id: ours, coming.access_key_id: stored(coming)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, new, other_keys=others)}})
    given = {"rotation_user_name": "ci"} if what == "rollback" else {"rotation_access_key_id": coming.access_key_id}
    rotation = meanwhile("GetCallerIdentity", lambda: run(what, **given).ok(), user="ci", nth=2)
    assert entry(controller)["access_key_id"] == (old if what == "rollback" else new).access_key_id
    assert status(lab) == (["Active", "Active", "Active"] if what == "rollback" else ["Inactive", "Active", "Inactive"])
    assert rotation.rc == 2 and "ci: not done" in rotation.msg


def test_lists_that_lag_do_not_mislead_a_revocation(lab: Lab, controller: Controller, run: Playbook) -> None:
    """The list still calls the leaked key Active when the rest is planned: the user's other key is not taken for replaced, and a young one is replaced too."""
    for name, keys in (("ci", (Key(150, used_days=20), Key(20, used_days=1))), ("young", (Key(0.5),))):
        user = lab.seed(name, *keys)
        entries = open_store(controller.cwd / STORE)["iam_access_keys"] if name == "young" else {}
        others = {key.access_key_id: stored(key, promote_date=key.create_date) for key in user.keys[:-1]}
        write_store(
            controller.cwd / STORE,
            {"iam_access_keys": {**entries, name: entry_of(user, user.keys[-1], other_keys=others)}},
        )
    lab.settings(stale_lists_seconds=8)
    run("revoke", rotation_access_key_id=lab.state()["ci"].keys[1].access_key_id).ok()
    assert status(lab) == ["Active", "Inactive"]
    assert entry(controller)["access_key_id"] == lab.state()["ci"].keys[0].access_key_id
    run("revoke", rotation_access_key_id=lab.state()["young"].keys[0].access_key_id).ok()
    assert status(lab, "young") == ["Inactive", "Active"]


def test_a_key_that_seems_to_be_off_is_switched_off_all_the_same(
    lab: Lab, controller: Controller, run: Playbook, rotated: UserState
) -> None:
    """A list that lags behind a rollback; a person who was faster in the console, whose key is deleted like others that were revoked."""
    old, new = rotated.keys
    run("rollback", rotation_user_name="ci").ok()
    lab.settings(stale_lists_seconds=60)
    run("rollback", rotation_user_name="ci", rotation_access_key_id=new.access_key_id, rotation_hold_days=0).ok()
    lab.clear_requests()
    run("revoke", rotation_access_key_id=old.access_key_id).ok()
    assert written(lab) == [("UpdateAccessKey", old.access_key_id)] and status(lab) == ["Inactive", "Active"]
    lab.settings(stale_lists_seconds=0)
    by_hand = lab.seed("vendor", Key(50, "Inactive"), Key(40, used_days=1)).keys[0].access_key_id
    run("revoke", rotation_access_key_id=by_hand).ok()
    assert entry(controller, "vendor")["other_keys"][by_hand]["revoke_date"]


@pytest.mark.parametrize("spelled", ["no", thorough("false")])
def test_a_person_may_want_no_new_key(lab: Lab, controller: Controller, run: Playbook, spelled: str) -> None:
    user = lab.seed("ci", Key(30))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    run("revoke", "-e", f"rotation_replace={spelled}", rotation_access_key_id=user.keys[0].access_key_id).ok()
    assert status(lab) == ["Inactive"]
    lab.seed("due", Key(200))
    run("rotate", "-e", f"rotation_fail_on_drift={spelled}", check=True).ok()


@pytest.mark.parametrize("keys", [(Key(0.5),), (Key(200), Key(30)), thorough((Key(30),))])
def test_check_mode_of_a_revocation_predicts_what_comes(
    lab: Lab, controller: Controller, run: Playbook, keys: tuple[Key, ...]
) -> None:
    lab.settings(quota=5)
    user = lab.seed("ci", *keys)
    write_store(
        controller.cwd / STORE,
        {"iam_access_keys": {"ci": entry_of(user, user.keys[-1], hold_until=later(lab.clock(), days=3))}},
    )
    given = {"rotation_access_key_id": user.keys[-1].access_key_id}
    check = run("revoke", check=True, **given).ok()
    assert not written(lab) and "Would make 1 key, switch off 1, delete 0." in check.stdout
    run("revoke", **given).ok()
    assert [action for action, _key in written(lab)] == ["UpdateAccessKey", "CreateAccessKey"]


def test_two_revocations_at_once_end_as_one(lab: Lab, controller: Controller) -> None:
    user = lab.seed("ci", Key(30))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    given = {
        "rotation_access_key_id": user.keys[0].access_key_id,
        "rotation_vault_file": STORE,
        "rotation_verify_delay": 1,
    }
    both = [controller.start("keyturn.iam.revoke", extra_vars=given) for _each in range(2)]
    for each in both:
        each.wait().ok()
    assert status(lab) == ["Inactive", "Active"]
    assert entry(controller)["access_key_id"] == lab.state()["ci"].keys[1].access_key_id


def test_an_interrupted_revocation_of_a_key_that_was_not_stored(
    lab: Lab, controller: Controller, run: Playbook
) -> None:
    leaked = lab.seed("ci", Key(30)).keys[0].access_key_id
    lab.fault("kill", "GetCallerIdentity", when="after", user="ci")
    assert run("revoke", rotation_access_key_id=leaked).rc < 0
    run("revoke", rotation_access_key_id=leaked).ok()
    old, new = lab.state()["ci"].keys
    assert (old.status, new.status) == ("Inactive", "Active") and entry(controller)[
        "access_key_id"
    ] == new.access_key_id


def test_a_next_that_was_passed_over_does_not_come_back(lab: Lab, controller: Controller, run: Playbook) -> None:
    lab.settings(quota=3)
    user = lab.seed("ci", Key(120), Key(70), Key(20))
    old, passed, new = user.keys
    others = {old.access_key_id: stored(old, promote_date=old.create_date), passed.access_key_id: stored(passed)}
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, new, other_keys=others)}})
    back = run(
        "rollback", "--diff", rotation_user_name="ci", rotation_hold_days=0, rotation_access_key_id=old.access_key_id
    ).ok()
    assert f"+{passed.access_key_id}  Active, previous" in back.stdout
    run("rotate", rotation_max_age_days=200)
    assert entry(controller)["access_key_id"] == old.access_key_id


def test_the_store_is_saved_whatever_becomes_of_a_revocation(lab: Lab, controller: Controller, run: Playbook) -> None:
    user = lab.seed("ci", Key(30))
    write_store(controller.cwd / STORE, {"iam_access_keys": {"ci": entry_of(user, user.keys[0])}})
    path = "{{ rotation_vault_file | realpath }}"
    (controller.cwd / "save.yml").write_text(
        f"- ansible.builtin.copy: {{src: '{path}', dest: '{path}.saved', decrypt: false}}\n"
    )
    lab.fault("cut", "UpdateAccessKey", count=0)
    given = {"rotation_access_key_id": user.keys[0].access_key_id, "rotation_on_stored": "save.yml"}
    assert run("revoke", **given).rc == 2
    assert (controller.cwd / f"{STORE}.saved").read_bytes() == (controller.cwd / STORE).read_bytes()
    lab.clear_faults()
    run("revoke", **given).ok()
    saved = open_store(controller.cwd / f"{STORE}.saved")["iam_access_keys"]["ci"]
    assert saved["access_key_id"] == lab.state()["ci"].keys[1].access_key_id
