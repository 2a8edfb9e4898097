# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`iam_access_key` with a vault file: what the store holds after each task, and what neither screen nor disk shows."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from controller.runner import Controller, Run
from controller.store import PASSWORD, entry_of, open_store, stored, vault_id_of, write_store
from integration.helpers import Task, actions, files, key_task, later, ok, play, refusal, returned, secrets, writes
from lab.client import Lab
from lab.messages import ACCOUNT, ADMIN_KEY, Key, KeyState, User

STORE = "keys.yml"
Play = Callable[..., Run]
Entry = dict[str, Any]


def vault_task(name: str, user_name: str, check: bool = False, **options: Any) -> Task:
    """A task that keeps its secret in STORE and takes AWS's word for a new key at once."""
    return key_task(name, user_name, check, **{"vault_file": STORE, "verify_delay": 0, **options})


@pytest.fixture
def run(controller: Controller) -> Play:
    def start(*tasks: Task, args: tuple[str, ...] = (), **options: Any) -> Run:
        return controller.run(play(*tasks), *args, **options).ok()

    return start


@pytest.fixture
def path(controller: Controller) -> Path:
    return controller.cwd / STORE


def entry(path: Path, user_name: str = "ci") -> Entry:
    return dict(open_store(path)["iam_access_keys"].get(user_name) or {})


def put(path: Path, **entries: Mapping[str, Any]) -> None:
    write_store(path, {"iam_access_keys": {name: dict(fields) for name, fields in entries.items()}})


def current(lab: Lab, key: KeyState, **more: Any) -> Entry:
    return entry_of(lab.state()[key.user_name], key, **more)


def nowhere_to_be_seen(controller: Controller, lab: Lab, run: Run) -> None:
    """No secret on the screen or in any file."""
    left = b"".join(content or b"" for content in files(controller.folder).values())
    for secret in secrets(lab.state().values()):
        assert secret not in run.output and secret.encode() not in left


def test_a_key_goes_into_the_vault(lab: Lab, controller: Controller, path: Path, run: Play) -> None:
    """A key made by hand does not satisfy the task; its secret is not in the store."""
    by_hand = lab.seed("ci", Key(1), path="/robots/").keys[0]
    would = run(vault_task("would", "ci", check=True), args=("-vvvv", "--diff"))
    assert not list(controller.cwd.iterdir()) and not writes(lab)
    header = {"before_header": "access keys of ci", "after_header": "access keys of ci"}
    before = {by_hand.access_key_id: "Active"}
    assert returned(ok(would, "would")) == {
        "changed": True,
        "access_key": {"user_name": "ci", "status": "Active"},
        "stage": "current",
        "vault_file": str(path),
        "diff": {**header, "before": before, "after": {**before, "a new key": "Active, current"}},
    }

    made = run(vault_task("made", "ci"), args=("-vvvv", "--diff"))
    key = lab.state()["ci"].keys[1]
    after = {**before, key.access_key_id: "Active, current"}
    shown = {"access_key_id": key.access_key_id, "user_name": "ci", "status": "Active", "create_date": key.create_date}
    result = {"changed": True, "access_key": shown, "stage": "current", "vault_file": str(path)}
    assert returned(ok(made, "made")) == {**result, "diff": {**header, "before": before, "after": after}}
    nowhere_to_be_seen(controller, lab, made)
    kept = entry(path)
    promoted = kept.pop("promote_date")
    assert key.create_date <= promoted <= later(key.create_date, minutes=1)
    assert kept == {name: value for name, value in current(lab, key).items() if name != "promote_date"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(file.name.startswith(".") for file in controller.cwd.iterdir() if file != path)
    # Asked with the run's own key before there is a new one, in check mode too.
    asked = [request.access_key for request in lab.requests("GetCallerIdentity")]
    assert asked == [ADMIN_KEY] * 2 + [key.access_key_id] * 3

    lab.clear_requests()
    content = path.read_bytes()
    again = run(
        vault_task("again", "ci"),
        vault_task("still", "ci", check=True, max_age_days=1),
    )
    unchanged = {**result, "changed": False, "diff": {**header, "before": after, "after": after}}
    assert returned(ok(again, "again")) == unchanged == returned(ok(again, "still"))
    assert path.read_bytes() == content and actions(lab) == ["ListAccessKeys"] * 2

    # In a run of its own: ansible-core 2.22 hides what came from a vaulted file of variables wherever it is shown.
    right = "iam_access_keys['ci'].access_key_id == expected"
    consumer = {"name": "consumer", "ansible.builtin.assert": {"that": right}, "vars": {"expected": key.access_key_id}}
    run(consumer, args=("-e", f"@{STORE}")).ok()


def test_the_stages_of_a_rotation(lab: Lab, path: Path, run: Play) -> None:
    """A next key waits, is verified by its id or in passing, and what was current is kept as previous with its secret."""
    lab.seed("ci")
    run(vault_task("first", "ci"))
    first = lab.state()["ci"].keys[0]
    promoted = entry(path)["promote_date"]
    lab.clock(days=100)
    aged: dict[str, Any] = {"max_age_days": 90}
    waiting = run(
        vault_task("would", "ci", check=True, verify=False, **aged),
        vault_task("next", "ci", verify=False, **aged),
        vault_task("next_again", "ci", verify=False, **aged),
        vault_task("left", "ci", verify=False, access_key_id="{{ next.access_key.access_key_id }}"),
        vault_task("would_verify", "ci", check=True, **aged),
        vault_task("would_verify_it", "ci", check=True, access_key_id="{{ next.access_key.access_key_id }}"),
    )
    second = lab.state()["ci"].keys[1]
    for name in ("next", "next_again", "left"):
        assert ok(waiting, name)["stage"] == "next" == ok(waiting, "would")["stage"]
        assert ok(waiting, name)["changed"] is (name == "next")
        assert ok(waiting, name)["access_key"]["access_key_id"] == second.access_key_id
    assert ok(waiting, "next")["diff"]["after"] == {
        first.access_key_id: "Active, current",
        second.access_key_id: "Active, next",
    }
    for name in ("would_verify", "would_verify_it"):
        assert ok(waiting, name)["changed"] and ok(waiting, name)["stage"] == "current"
        assert ok(waiting, name)["access_key"]["access_key_id"] == second.access_key_id
        assert ok(waiting, name)["diff"]["after"] == {
            first.access_key_id: "Active, previous",
            second.access_key_id: "Active, current",
        }
    kept = entry(path)
    assert kept["access_key_id"] == first.access_key_id and kept["asked"]["known"] == [first.access_key_id]
    assert kept["other_keys"] == {second.access_key_id: stored(second)}
    assert not lab.requests("GetCallerIdentity", user="ci")[3:]

    lab.clear_requests()
    verified = run(vault_task("verified", "ci", access_key_id=second.access_key_id))
    assert ok(verified, "verified")["changed"] and ok(verified, "verified")["stage"] == "current"
    assert ok(verified, "verified")["diff"]["after"] == {
        second.access_key_id: "current",
        first.access_key_id: "previous",
    }
    assert actions(lab) == ["GetCallerIdentity"] * 3
    kept = entry(path)
    assert later(kept["promote_date"], minutes=-1) <= second.create_date <= kept.pop("promote_date")
    assert kept == {
        **{name: value for name, value in current(lab, second).items() if name != "promote_date"},
        "other_keys": {first.access_key_id: stored(first, promote_date=promoted)},
    }

    lab.clock(days=200)
    lab.clear_requests()
    passing = run(
        vault_task("room", "ci", access_key_id=first.access_key_id, state="absent"),
        vault_task("third", "ci", verify=False, **aged),
        vault_task("passing", "ci", **aged),
        vault_task("again", "ci", **aged),
    )
    assert [ok(passing, name)["changed"] for name in ("room", "third", "passing", "again")] == [True, True, True, False]
    assert ok(passing, "passing")["access_key"] == ok(passing, "third")["access_key"]
    assert [request.action for request in writes(lab)] == ["DeleteAccessKey", "CreateAccessKey"]
    kept = entry(path)
    assert kept["access_key_id"] == ok(passing, "third")["access_key"]["access_key_id"] and list(
        kept["other_keys"]
    ) == [second.access_key_id]


def test_a_key_that_sts_does_not_accept_stays_next(lab: Lab, controller: Controller, path: Path, run: Play) -> None:
    """The task fails in one sentence and nothing is lost; the next run goes on with that key and makes none."""
    old = lab.seed("ci", Key(100)).keys[0]
    put(path, ci=current(lab, old))
    lab.settings(new_key_refused_seconds=3600)
    quick: dict[str, Any] = {"max_age_days": 90, "verify_timeout": 0.5}
    late = run(vault_task("late", "ci", **quick), vault_task("still_late", "ci", **quick), args=("-vvvv", "--diff"))
    new = lab.state()["ci"].keys[1]
    for name in ("late", "still_late"):
        said = f"STS did not accept access key {new.access_key_id} of user ci within 0.5 seconds; it stays in the store as next"
        assert refusal(late, name, changed=name == "late").startswith(said)
    failed = late.tasks("late")[0].result
    assert (failed["access_key"]["access_key_id"], failed["stage"]) == (new.access_key_id, "next")
    nowhere_to_be_seen(controller, lab, late)
    assert entry(path)["access_key_id"] == old.access_key_id and entry(path)["other_keys"] == {
        new.access_key_id: stored(new)
    }
    lab.settings(new_key_refused_seconds=0)
    on = run(vault_task("on", "ci", **quick))
    assert ok(on, "on")["changed"] and ok(on, "on")["stage"] == "current"
    assert entry(path)["access_key_id"] == new.access_key_id and "asked" not in entry(path)
    assert [request.action for request in writes(lab)] == ["CreateAccessKey"]


def test_three_answers_in_a_row_and_none_too_early(lab: Lab, path: Path, run: Play) -> None:
    """A new key may work once and fail next; verify_delay counts from when AWS made it."""
    lab.seed("shaky")
    lab.seed("slow")
    lab.settings(new_key_answers=[True, True, False, True, True])
    run(vault_task("shaky", "shaky"))
    assert [request.status for request in lab.requests("GetCallerIdentity", user="shaky")] == [
        200,
        200,
        403,
        200,
        200,
        200,
    ]
    lab.settings(new_key_answers=[])
    run(vault_task("slow", "slow", verify_delay=2))
    (made,) = lab.requests("CreateAccessKey", user="slow")
    # AWS's dates are whole seconds, so that a delay of two may be one and a bit
    assert lab.requests("GetCallerIdentity", user="slow")[-3].at - made.at > 1
    assert entry(path, "slow")["promote_date"] >= later(lab.state()["slow"].keys[0].create_date, seconds=2)


def test_a_stored_key_of_somebody_else_does_not_become_current(lab: Lab, path: Path, run: Play) -> None:
    (ours,) = lab.seed("ci", Key(100)).keys
    (theirs,) = lab.seed("web", Key(1)).keys
    put(path, ci=current(lab, ours, other_keys={theirs.access_key_id: stored(theirs)}))
    before = path.read_bytes()
    result = run(vault_task("verified", "ci", access_key_id=theirs.access_key_id))
    said = refusal(result, "verified")
    assert said.startswith(
        f"Access key {theirs.access_key_id}, stored for user ci of account {ACCOUNT}, belongs to user web"
    )
    assert path.read_bytes() == before and not writes(lab)


def test_a_next_that_a_person_switched_off_or_deleted(lab: Lab, path: Path, run: Play) -> None:
    """Named, it is an error; otherwise another key is made, and the secret stays where its key still exists."""
    old, waiting = lab.seed("ci", Key(100), Key(1, "Inactive")).keys
    put(path, ci=current(lab, old, other_keys={waiting.access_key_id: stored(waiting)}))
    by_name: dict[str, Any] = {"access_key_id": waiting.access_key_id, "verify_timeout": 0.2}
    result = run(vault_task("would", "ci", check=True, **by_name), vault_task("named", "ci", **by_name))
    for name in ("would", "named"):
        assert (
            f"Access key {waiting.access_key_id} of user ci, which waits in the store to become current, is Inactive"
            in refusal(result, name)
        )
    lab.delete_key(waiting.access_key_id)
    result = run(vault_task("named", "ci", **by_name), vault_task("made", "ci", max_age_days=90))
    assert "does not exist in IAM (any more)" in refusal(result, "named")
    assert ok(result, "made")["stage"] == "current"
    assert list(entry(path)["other_keys"]) == [waiting.access_key_id, old.access_key_id]


def test_what_an_interrupted_run_left(lab: Lab, path: Path, run: Play) -> None:
    """It waits twelve hours, then it is deleted and a key is made; one that was used, or one of two, is somebody's."""
    users = ("ci", "used", "two")
    lab.seed_users([User(name, (Key(100), Key(0.01))) for name in users])
    lab.settings(quota=4)
    state = {name: lab.state()[name].keys for name in users}
    lab.use(state["used"][1].access_key_id)
    twin = lab.add_key("two", Key(0.011))
    asked = {
        name: {"date": later(keys[1].create_date, minutes=2), "known": [keys[0].access_key_id]}
        for name, keys in state.items()
    }
    put(path, **{name: current(lab, keys[0], asked=asked[name]) for name, keys in state.items()})
    before = path.read_bytes()
    aged: dict[str, Any] = {"max_age_days": 90}
    left = state["ci"][1]
    result = run(vault_task("would_wait", "ci", check=True, **aged), vault_task("waits", "ci", **aged))
    said = refusal(result, "waits")
    assert said == refusal(result, "would_wait")
    assert (
        f"User ci has access key {left.access_key_id}, which an interrupted run left" in said and "does no harm" in said
    )
    assert later(left.create_date, hours=12) in said and f"state=absent and access_key_id={left.access_key_id}" in said
    assert path.read_bytes() == before and not writes(lab)

    lab.clock(days=0.6)
    result = run(
        vault_task("would", "ci", check=True, **aged),
        vault_task("removed", "ci", **aged),
        vault_task("used", "used", **aged),
        vault_task("two", "two", **aged),
    )
    for name in ("would", "removed"):
        assert ok(result, name)["deleted_access_key_id"] == left.access_key_id and ok(result, name)["changed"]
    assert [request.action for request in writes(lab, "ci")] == ["DeleteAccessKey", "CreateAccessKey"]
    for name in ("used", "two"):
        assert ok(result, name)["stage"] == "current" and [one.action for one in writes(lab, name)] == [
            "CreateAccessKey"
        ]
    assert {twin.access_key_id, state["two"][1].access_key_id} < {key.access_key_id for key in lab.state()["two"].keys}
    assert "asked" not in entry(path)

    put(path, ci=current(lab, lab.state()["ci"].keys[0], asked={"date": later(lab.clock(), seconds=0), "known": []}))
    leftover = lab.add_key("ci", Key(0))
    result = run(vault_task("now", "ci", access_key_id=leftover.access_key_id, state="absent"))
    assert ok(result, "now")["changed"] and "asked" not in entry(path)


def test_the_rest_of_the_file_is_kept(lab: Lab, path: Path, run: Play) -> None:
    """Other variables, comments, other users; an entry that a person wrote counts as current, and its owner is noted."""
    (key,) = lab.seed("ci", Key(100)).keys
    lab.seed("web")
    other = "  zz:   # by hand\n    access_key_id: AKIAZZ\n    secret_access_key: 'zz secret'\n    note: \"keep: me\"\n"
    text = (
        "# our secrets\ndatabase_password: 'p: w'   # old\niam_access_keys:\n"
        f"  ci:\n    access_key_id: {key.access_key_id}\n    secret_access_key: {key.secret_access_key}\n    owner: team a\n"
        f"{other}after: [1, 2]\n"
    )
    write_store(path, text)
    before = path.read_bytes()
    result = run(
        vault_task("kept", "ci"),
        vault_task("made", "ci", max_age_days=90),
        vault_task("web", "web"),
    )
    assert (
        ok(result, "kept")["changed"] is False
        and ok(result, "kept")["stage"] == "current"
        and before != path.read_bytes()
    )
    written = VaultLib([("default", VaultSecret(PASSWORD.encode()))]).decrypt(path.read_bytes()).decode()
    assert (
        written.startswith("# our secrets\ndatabase_password: 'p: w'   # old\niam_access_keys:\n") and other in written
    )
    assert written.endswith("after: [1, 2]\n")
    kept = entry(path)
    new = lab.state()["ci"].keys[1]
    assert (kept["access_key_id"], kept["account_id"], kept["user_id"]) == (
        new.access_key_id,
        ACCOUNT,
        lab.state()["ci"].user_id,
    )
    assert kept["owner"] == "team a"
    previous = kept["other_keys"][key.access_key_id]
    assert previous["secret_access_key"] == key.secret_access_key and previous["promote_date"]
    assert entry(path, "web")["access_key_id"] == lab.state()["web"].keys[0].access_key_id


def test_vault_ids(lab: Lab, controller: Controller, path: Path, run: Play) -> None:
    lab.seed_users([User(name) for name in ("a", "b", "c", "d")])
    passwords = {"dev": "the dev password", "prod": "the prod password"}
    given: dict[str, Any] = {"vault_password": passwords}
    unclear = run(vault_task("unclear", "a"), vault_task("unknown", "a", vault_id="qa"), **given)
    assert f"{path} cannot be made: several vault ids were given (dev, prod)" in refusal(unclear, "unclear")
    assert refusal(unclear, "unknown") == "vault_id qa is not among the vault ids of this run (dev, prod)"
    assert not writes(lab) and not path.exists()
    run(vault_task("prod", "a", vault_id="prod"), **given)
    assert vault_id_of(path) == "prod" and list(open_store(path, passwords["prod"])["iam_access_keys"]) == ["a"]
    run(vault_task("kept", "b"), **given)
    assert vault_id_of(path) == "prod" and list(open_store(path, passwords["prod"])["iam_access_keys"]) == ["a", "b"]
    run(vault_task("dev", "c", vault_id="dev"), **given)
    assert vault_id_of(path) == "dev" and list(open_store(path, passwords["dev"])["iam_access_keys"]) == ["a", "b", "c"]
    run(vault_task("configured", "d", vault_file="other.yml"), env={"ANSIBLE_VAULT_ENCRYPT_IDENTITY": "dev"}, **given)
    assert vault_id_of(controller.cwd / "other.yml") == "dev"


def test_where_the_file_lies(lab: Lab, controller: Controller, path: Path, run: Play) -> None:
    """Relative to where ansible-playbook was started; below a home; behind a symbolic link, which stays one."""
    lab.seed_users([User(name) for name in ("a", "b", "c")])
    (controller.cwd / "vault").mkdir()
    target = controller.cwd / "vault" / "keys.yml"
    path.symlink_to(target)
    result = run(
        vault_task("linked", "a"),
        vault_task("relative", "b", vault_file="vault/keys.yml"),
        vault_task("home", "c", vault_file="~/keys.yml"),
    )
    assert path.is_symlink() and not target.is_symlink()
    assert list(open_store(target)["iam_access_keys"]) == ["a", "b"]
    assert ok(result, "linked")["vault_file"] == str(path) and ok(result, "relative")["vault_file"] == str(target)
    assert list(open_store(controller.folder / "home" / "keys.yml")["iam_access_keys"]) == ["c"]
    assert all(file.name.startswith(".") for file in target.parent.iterdir() if file != target)


def test_the_right_account_and_user(lab: Lab, path: Path, run: Play) -> None:
    """Another account's credentials, a user made again, a user renamed: an error before anything changes."""
    (key,) = lab.seed("ci", Key(100)).keys
    first = lab.state()["ci"]
    put(path, ci=current(lab, key))
    before = path.read_bytes()
    other = lab.account("999999999999")
    theirs = lab.seed("ci", Key(100), account_id=other.account_id).keys[0]
    elsewhere = run(
        vault_task("made", "ci", max_age_days=90),
        vault_task("off", "ci", access_key_id=theirs.access_key_id, active=False),
        vault_task("gone", "ci", access_key_id=key.access_key_id, state="absent"),
        vault_task("theirs", "ci", access_key_id=theirs.access_key_id, state="absent"),
        vault_task("would", "ci", check=True, max_age_days=90),
        credentials=other,
    )
    for name in ("made", "off", "gone", "theirs", "would"):
        said = refusal(elsewhere, name)
        assert (
            f"user ci in {path} belong to account {ACCOUNT}, but these credentials are for account {other.account_id}"
            in said
        ), name
    again = lab.recreate_user("ci")
    recreated = run(vault_task("made", "ci", max_age_days=90), vault_task("would", "ci", check=True))
    for name in ("made", "would"):
        assert f"belong to user id {first.user_id}, but IAM's user of that name is {again.user_id}" in refusal(
            recreated, name
        )
    assert path.read_bytes() == before and not writes(lab)

    forgotten = run(
        vault_task("would", "ci", check=True, access_key_id=key.access_key_id, state="absent"),
        vault_task("gone", "ci", access_key_id=key.access_key_id, state="absent"),
        vault_task("again", "ci", access_key_id=key.access_key_id, state="absent"),
        vault_task("made", "ci"),
    )
    assert [ok(forgotten, name)["changed"] for name in ("would", "gone", "again", "made")] == [True, True, False, True]
    assert entry(path)["user_id"] == again.user_id


def test_a_key_switched_on_again_since_the_plan_was_made(lab: Lab, path: Path, run: Play) -> None:
    """A planned deletion is of a key that we switched off; one that a person needs after all is spared, unless a person says otherwise."""
    old, key = lab.seed("ci", Key(140, used_days=60), Key(50)).keys
    note = later(lab.clock(), days=-40)
    put(
        path,
        ci={
            **current(lab, key),
            "other_keys": {old.access_key_id: stored(old, promote_date=old.create_date, deactivate_date=note)},
        },
    )
    gone = {"access_key_id": old.access_key_id, "state": "absent"}
    planned = run(
        vault_task("would", "ci", check=True, min_idle_days=7, **gone),
        vault_task("planned", "ci", min_idle_days=7, **gone),
    )
    for name in ("would", "planned"):
        assert (
            f"{old.access_key_id} of user ci is not deleted: it had been switched off and is Active again"
            in refusal(planned, name)
        )
    assert not writes(lab) and old.access_key_id in entry(path)["other_keys"]
    assert ok(run(vault_task("told", "ci", **gone)), "told")["deleted_access_key_id"] == old.access_key_id
    assert "other_keys" not in entry(path)


def test_a_list_that_lags_makes_no_second_key(lab: Lab, path: Path, run: Play) -> None:
    """Also where the current key is of a minute ago."""
    lab.seed("ci", Key(100))
    lab.settings(hide_new_keys_seconds=30)
    result = run(
        vault_task("made", "ci"),
        vault_task("would", "ci", check=True, max_age_days=90),
        vault_task("again", "ci", max_age_days=90),
    )
    assert [ok(result, name)["changed"] for name in ("made", "would", "again")] == [True, False, False]
    assert (
        ok(result, "again")["access_key"] == ok(result, "made")["access_key"]
        and ok(result, "again")["stage"] == "current"
    )
    assert actions(lab).count("CreateAccessKey") == 1


def test_a_key_deleted_by_a_person_an_instant_after_it_was_made(lab: Lab, path: Path, run: Play) -> None:
    lab.seed("ci")
    key_id = ok(run(vault_task("made", "ci")), "made")["access_key"]["access_key_id"]
    lab.delete_key(key_id)
    gone = {"access_key_id": key_id, "state": "absent"}
    result = run(
        vault_task("would", "ci", check=True, **gone),
        vault_task("gone", "ci", **gone),
        vault_task("again", "ci", **gone),
    )
    assert [ok(result, name)["changed"] for name in ("would", "gone", "again")] == [True, True, False]


@pytest.mark.parametrize("wrong", [{"account_id": "999999999999"}, {"user_id": "AIDAELSEWHERE"}])
def test_an_entry_of_somebody_else_with_this_users_key(lab: Lab, path: Path, run: Play, wrong: dict[str, str]) -> None:
    (key,) = lab.seed("ci", Key(100)).keys
    put(path, ci={**current(lab, key), **wrong})
    before = path.read_bytes()
    one = {"access_key_id": key.access_key_id}
    tasks: dict[str, dict[str, Any]] = {
        "made": {"max_age_days": 90},
        "off": {**one, "active": False},
        "gone": {**one, "state": "absent"},
    }
    result = run(
        *(
            vault_task(f"{name}_{check}", "ci", check=check, **options)
            for name, options in tasks.items()
            for check in (True, False)
        )
    )
    for name in tasks:
        assert next(iter(wrong.values())) in refusal(result, f"{name}_True"), name
        assert refusal(result, f"{name}_True") == refusal(result, f"{name}_False"), name
    assert path.read_bytes() == before and not writes(lab)


def test_of_two_keys_that_a_request_explains_none_is_a_leftover(lab: Lab, path: Path, run: Play) -> None:
    lab.settings(quota=4)
    key, stored_one, theirs = lab.seed("ci", Key(100), Key(1, "Inactive"), Key(1)).keys
    asked = {"date": theirs.create_date, "known": [key.access_key_id]}
    put(path, ci={**current(lab, key), "asked": asked, "other_keys": {stored_one.access_key_id: stored(stored_one)}})
    made = ok(run(vault_task("made", "ci", max_age_days=90)), "made")
    assert "deleted_access_key_id" not in made and theirs.access_key_id in [
        one.access_key_id for one in lab.state()["ci"].keys
    ]


def test_absent_for_what_iam_no_longer_has(lab: Lab, path: Path, run: Play) -> None:
    """The secret leaves the store, once; that of a user who was renamed stays, for the key works on."""
    users = {name: lab.seed(name, Key(100), Key(50)) for name in ("listed", "key", "user", "renamed")}
    old = {name: user.keys[0].access_key_id for name, user in users.items()}
    newer = {name: user.keys[1] for name, user in users.items()}
    put(
        path,
        **{
            name: current(lab, newer[name], other_keys={old[name]: stored(user.keys[0])})
            for name, user in users.items()
        },
    )
    lab.delete_key(old["key"])
    lab.delete_user("user")
    lab.rename_user("renamed", "other-name")
    names = ("listed", "key", "user", "renamed")
    before = path.read_bytes()
    absent: dict[str, Any] = {"state": "absent"}
    would = run(*(vault_task(name, name, check=True, access_key_id=old[name], **absent) for name in names))
    assert path.read_bytes() == before and not writes(lab)
    real = run(*(vault_task(name, name, access_key_id=old[name], **absent) for name in names))
    again = run(*(vault_task(name, name, access_key_id=old[name], **absent) for name in names))
    for name in names[:3]:
        assert ok(would, name)["changed"] and ok(real, name)["changed"], name
        assert ok(again, name)["changed"] is False, ok(again, name)
        assert old[name] not in entry(path, name).get("other_keys", {})
        assert entry(path, name)["access_key_id"] == newer[name].access_key_id
        assert ok(would, name)["diff"] == ok(real, name)["diff"]
    assert ok(real, "listed")["deleted_access_key_id"] == old["listed"] == ok(would, "listed")["deleted_access_key_id"]
    assert refusal(would, "renamed") == refusal(real, "renamed") == refusal(again, "renamed")
    said = f"Access key {old['renamed']} is not removed: it belongs to user other-name now, so user renamed was renamed"
    assert refusal(real, "renamed").startswith(said)
    assert old["renamed"] in entry(path, "renamed")["other_keys"]
    last = run(
        vault_task("user", "user", access_key_id=newer["user"].access_key_id, **absent),
        vault_task("again", "user", access_key_id=newer["user"].access_key_id, **absent),
    )
    assert ok(last, "user")["changed"] and ok(last, "again")["changed"] is False
    assert "user" not in open_store(path)["iam_access_keys"]


def test_switching_off_is_noted_and_taken_back(lab: Lab, path: Path, run: Play) -> None:
    """deactivate_date is ours: in the store before the request, out of it when the request did nothing or the key is on again."""
    kept, by_hand, parked = lab.seed("ci", Key(100), Key(50), Key(40, "Inactive")).keys
    put(path, ci=current(lab, kept))
    before = path.read_bytes()
    off: dict[str, Any] = {"active": False}
    would = run(
        vault_task("current", "ci", check=True, access_key_id=kept.access_key_id, **off),
        vault_task("parked", "ci", access_key_id=parked.access_key_id, **off),
    )
    assert ok(would, "current")["changed"] and not ok(would, "parked")["changed"] and path.read_bytes() == before
    lab.deny("UpdateAccessKey")
    denied = run(vault_task("denied", "ci", access_key_id=by_hand.access_key_id, **off))
    assert f"Could not set access key {by_hand.access_key_id} of user ci to Inactive" in refusal(denied, "denied")
    assert entry(path) == current(lab, kept)
    lab.allow_all()
    done = run(
        vault_task("current", "ci", access_key_id=kept.access_key_id, **off),
        vault_task("by_hand", "ci", access_key_id=by_hand.access_key_id, **off),
        vault_task("again", "ci", access_key_id=by_hand.access_key_id, **off),
    )
    assert (
        ok(done, "current")["diff"]["after"][kept.access_key_id] == "Inactive, current"
        and not ok(done, "again")["changed"]
    )
    noted = entry(path)
    assert noted["deactivate_date"] and list(noted["other_keys"]) == [by_hand.access_key_id]
    assert list(noted["other_keys"][by_hand.access_key_id]) == ["deactivate_date"]
    on = run(
        vault_task("current", "ci", access_key_id=kept.access_key_id, active=True),
        vault_task("by_hand", "ci", access_key_id=by_hand.access_key_id, active=True),
        vault_task("again", "ci", access_key_id=by_hand.access_key_id, active=True),
    )
    assert [ok(on, name)["changed"] for name in ("current", "by_hand", "again")] == [True, True, False]
    assert entry(path) == current(lab, kept)
    assert {key.status for key in lab.state()["ci"].keys[:2]} == {"Active"}


def test_what_is_stored_is_never_deleted_to_make_room(lab: Lab, path: Path, run: Play) -> None:
    """And a current key that is Inactive or Expired does not satisfy the task."""
    for name, status in (("old", "Active"), ("off", "Inactive"), ("odd", "Expired")):
        lab.seed(name, Key(100, status), Key(50))
    state = lab.state()
    put(path, **{name: current(lab, user.keys[0]) for name, user in state.items()})
    result = run(
        vault_task("oldest", "old", max_age_days=90, at_limit="delete_oldest"),
        vault_task("inactive", "off", at_limit="delete_inactive"),
        vault_task("odd", "odd", at_limit="delete_oldest"),
    )
    for name, user in (("oldest", "old"), ("odd", "odd")):
        assert ok(result, name)["deleted_access_key_id"] == state[user].keys[1].access_key_id
        assert list(entry(path, user)["other_keys"]) == [state[user].keys[0].access_key_id]
    assert "none is Inactive (the stored current and next key and the one to be replaced stay)" in refusal(
        result, "inactive"
    )
    assert not writes(lab, "off")


def test_only_in_the_controllers_process(lab: Lab, controller: Controller, path: Path, run: Play) -> None:
    """Elsewhere it is refused in one sentence before any request; keyturn_in_process does not concern it."""
    lab.seed("ci")
    broken = controller.folder / "no_boto3"
    broken.mkdir(parents=True)
    (broken / "boto3.py").write_text("raise ImportError('not here')\n")
    inventory = "far ansible_host=192.0.2.1 ansible_connection=ansible.builtin.ssh\n"
    tasks = {
        "become": {"delegate_to": "localhost", "become": True},
        "in_background": {"delegate_to": "localhost", "async": 30, "poll": 0},
        "remote": {},
    }
    modes = [("check", True), ("real", False)]
    result = controller.run(
        play(
            *(
                {**vault_task(f"{name}_{mode}", "ci", check), **keywords}
                for name, keywords in tasks.items()
                for mode, check in modes
            ),
            hosts="far",
        ),
        inventory=inventory,
    ).ok()
    missing = run(vault_task("without", "ci"), env={"PYTHONPATH": str(broken)})
    begin = "A task with vault_file runs in the controller's process, where the secret stays: "
    ways = {
        "become": "set become: false",
        "in_background": "leave async out",
        "remote": "use a local connection (delegate_to: localhost), not ssh",
    }
    for name, way in ways.items():
        for mode, _check in modes:
            if (name, mode) != ("in_background", "check"):  # Ansible itself skips async tasks in check mode
                assert refusal(result, f"{name}_{mode}").startswith(f"{begin}{way}")
    assert refusal(missing, "without").startswith(f"{begin}install boto3 for ")
    assert not lab.requests() and not list(controller.cwd.iterdir())
    other = {"vars": {"keyturn_in_process": False}, "delegate_to": "localhost"}
    result = controller.run(play({**vault_task("here", "ci"), **other}, hosts="far"), "-vvv", inventory=inventory).ok()
    assert ok(result, "here")["stage"] == "current" and "Using module file" not in result.stdout
    assert entry(path)["access_key_id"] == lab.state()["ci"].keys[0].access_key_id


def test_one_connection_serves_a_loop(lab: Lab, controller: Controller, run: Play) -> None:
    """Eight users in one task, their secrets one by one in the file; a second run asks once a user."""
    users = [f"user-{number:02}" for number in range(8)]
    lab.seed_users([User(name) for name in users])
    task = vault_task("made", "{{ item }}") | {"loop": users}
    made = run(task, args=("-vvvv",))
    assert [one.changed for one in made.tasks("made", items=True)] == [True] * len(users)
    nowhere_to_be_seen(controller, lab, made)
    kept = open_store(controller.cwd / STORE)["iam_access_keys"]
    assert {name: kept[name]["access_key_id"] for name in users} == {
        name: lab.state()[name].keys[0].access_key_id for name in users
    }
    lab.clear_requests()
    assert run(task).changed == 0 and actions(lab) == ["ListAccessKeys"] * len(users)
