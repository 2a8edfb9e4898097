# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report tells a person to do can be pasted as it stands, and does what it says: all of it, of users of every status."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.table import STATUSES
from controller.runner import Controller
from controller.store import entry_of, stored, write_store
from integration.helpers import play
from lab.client import Lab
from lab.messages import Key, UserState

STORE = "it's the store.yml"  # one word of a shell only where it is quoted
UNUSED_DAYS = 365
SPECIAL = "+=,.@_-"  # what IAM allows in a name beside letters and digits
# So that a command is not at work for longer than it has to be. `ansible-vault edit` opens the editor that is set.
INVENTORY = "localhost ansible_connection=local rotation_verify_delay=0\n"
EDITOR = """\
import json, sys, yaml
(name, part, new_name), path = json.loads(sys.argv[1]), sys.argv[2]
content = yaml.safe_load(open(path))
entries = content["iam_access_keys"]
if new_name:
    entries[new_name] = entries.pop(name)
elif part:
    entries[name].pop(part)
else:
    entries.pop(name)
with open(path, "w") as file:
    yaml.safe_dump(content, file)
"""
MINUTE, HOUR = 1 / 1440, 1 / 24
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A remedy: how its line begins, `{0}` and `{1}` being the ids of the user's keys; and the user's status once it was done.

    Null: the plan has no such user any more. `first`: what the line asks of a person beside the task or the command, or instead.
    `edits`: which part of the user's entry is taken out in the editor (none: all of it), and the name that it gets.
    """

    says: str
    leads_to: str | None
    first: Callable[[Lab, UserState], Any] | None = None
    edits: tuple[str | None, str | None] | None = None


@dataclass(frozen=True)
class Case:
    """A user as somebody left it: keys, the store's entry, the status that follows, and each way out in its order.

    `was`: the user was renamed, and the entry has the old name; it is the old or the new one that is looked at. `attached`:
    a policy of AWS's.
    """

    status: str
    keys: tuple[Key, ...] = (Key(20, used_days=1),)
    entry: Callable[[UserState], Any] | None = None
    ways: tuple[Way, ...] = ()
    was: str | None = None
    denied: str | None = None
    attached: str | None = None


def ago(days: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=days)).isoformat(timespec="seconds")


def current(number: int = 0, others: Mapping[int, Entry] | None = None, **more: Any) -> Callable[[UserState], Entry]:
    """The entry in which the key of that number is current; `others`: what it says of other keys, by their number."""

    def entry(user: UserState) -> Entry:
        other_keys = {
            user.keys[place].access_key_id: {**stored(user.keys[place]), **dates}
            for place, dates in (others or {}).items()
        }
        return {**entry_of(user, user.keys[number]), **({"other_keys": other_keys} if others else {}), **more}

    return entry


def owner(user: UserState) -> Entry:
    return {"account_id": user.account_id, "user_id": user.user_id}


def asked(days: float) -> Entry:
    """What a run leaves that got no answer."""
    return {"date": ago(days), "known": []}


def with_known(entry: Callable[[UserState], Entry], days: float) -> Callable[[UserState], Entry]:
    return lambda user: {**entry(user), "asked": {"date": ago(days), "known": [user.keys[0].access_key_id]}}


def idle(number: int) -> Callable[[Lab, UserState], None]:
    return lambda lab, user: lab.forget_uses(user.keys[number].access_key_id)


def deleted(number: int) -> Callable[[Lab, UserState], None]:
    return lambda lab, user: lab.delete_key(user.keys[number].access_key_id)


LENT = "AKIALENT000000000000"
PREVIOUS = {"promote_date": ago(90)}
YOUNG, OLD = Key(20, used_days=1), Key(100, used_days=1)
# Both in the way of a third one.
IN_USE, PARKED, UNUSED = (
    Key(150, used_days=1, service="ses"),
    Key(320, "Inactive", used_days=300),
    Key(310, used_days=300),
)
NEW_KEY = "For a new key: ansible-playbook "
IN_PLACE = "For a new key in the place of {0}: ansible-playbook "
NO_LONGER = {**PREVIOUS, "deactivate_date": ago(10)}
CASES = {
    "fine": Case("compliant", entry=current()),
    "break-glass": Case("exempt", entry=current()),
    "soon": Case("due_soon", (Key(70, used_days=1),), current()),
    "due": Case("due", (OLD,), current()),
    "denied": Case(
        "error",
        ways=(
            Way("Allow iam:ListAccessKeys to the credentials", "compliant", lambda lab, _user: lab.allow_all()),
            Way("In full: Could not list the access keys of user {name} (", "compliant"),
        ),
        denied="ListAccessKeys",
    ),
    "unreadable": Case(
        "error",
        entry=lambda _user: "gibberish",
        ways=(
            Way("Set the entry {name} of the store right: ansible-vault edit ", "compliant", edits=(None, None)),
            Way("In full: The entry of user {name} in /", "error"),
        ),
    ),
    "recreated": Case(
        "error",
        entry=lambda user: {**current()(user), "user_id": "AIDAOFANOTHERUSER0000"},
        ways=(
            Way("Set the entry {name} of the store right: ansible-vault edit ", "compliant", edits=("user_id", None)),
            Way("In full: The keys of user {name} in the store belong to user id AIDAOFANOTHERUSER0000, ", "error"),
        ),
    ),
    "departed": Case(
        "gone",
        (),
        lambda user: {
            **owner(user),
            "user_id": "AIDADEPARTED000000000",
            "other_keys": {"AKIADEPARTED00000000": dict(PREVIOUS)},
        },
        (Way("Remove AKIADEPARTED00000000 from the store if it is no longer needed.", None),),
        was="deleted",
    ),
    "empty": Case(
        "gone",
        (),
        lambda user: {**owner(user), "user_id": "AIDADEPARTED000000000", "asked": asked(9)},
        (
            Way(
                "Remove the entry {name} from the store if it is no longer needed: ansible-vault edit ",
                None,
                edits=(None, None),
            ),
        ),
        was="deleted",
    ),
    "renamed": Case(
        "gone",
        entry=current(),
        ways=(
            Way(
                "Rename the entry {name} in the store to new-{name}: ansible-vault edit ",
                None,
                edits=(None, "new-{name}"),
            ),
        ),
        was="old",
    ),
    "elsewhere": Case(
        "blocked",
        (OLD,),
        current(),
        (
            Way(
                "Rename the entry old-{name} in the store to {name}: ansible-vault edit ", "due", edits=(None, "{name}")
            ),
            Way(IN_PLACE, "grace"),
        ),
        was="new",
    ),
    "revoked": Case(
        "revoked",
        (Key(120, used_days=30), YOUNG),
        current(1, {0: {**NO_LONGER, "revoke_date": ago(10)}}),
        (Way("Take the revocation of {0} back", "retire"),),
    ),
    "quarantined": Case(
        "quarantined",
        entry=current(),
        ways=(Way("Revoke {0}, as it may be the key that leaked.", "quarantined"),),
        attached="AWSCompromisedKeyQuarantineV3",
    ),
    "held": Case(
        "held",
        entry=current(hold_until=ago(-5)),
        ways=(Way("End the hold at once, with {0} as the current", "compliant"),),
    ),
    "held-by-hand": Case(
        "held",
        entry=lambda user: {**owner(user), "hold_until": ago(-5)},
        ways=(
            Way(
                "To end the hold at once, take hold_until out of the entry {name}: ansible-vault edit ",
                "compliant",
                edits=("hold_until", None),
            ),
        ),
    ),
    "leftover": Case(
        "leftover",
        (OLD, Key(HOUR)),
        with_known(current(), HOUR),
        (Way("To have {1} deleted at once, and a new key made if one is due: ansible-playbook ", "grace"),),
    ),
    "unanswered": Case("due", (OLD,), with_known(current(), 10 * MINUTE), (Way(IN_PLACE, "grace"),)),
    "broken": Case(
        "broken",
        (Key(20, "Inactive", used_days=1),),
        current(),
        (Way("Switch {0} on again.", "compliant"), Way(NEW_KEY, "compliant")),
    ),
    "broken-full": Case(
        "broken",
        (Key(50, used_days=1), Key(20, "Inactive", used_days=1)),
        current(1, {0: PREVIOUS}),
        (
            Way("Switch {1} on again.", "blocked"),
            Way("Delete {1} for room, if it is not to work again.", "compliant"),
            Way("For a new key in the place of {0}, once there is room for it: ansible-playbook ", "grace", deleted(1)),
        ),
    ),
    "vanished": Case(
        "broken",
        (YOUNG,),
        lambda user: {
            **owner(user),
            "access_key_id": "AKIAVANISHED00000000",
            "secret_access_key": "x",
            "create_date": ago(30),
        },
        (
            Way(IN_PLACE, "grace"),
            Way("Remove AKIAVANISHED00000000 from the store, if it is not to come back", "compliant"),
        ),
    ),
    "off": Case(
        "no_active_key",
        (Key(20, "Inactive", used_days=1),),
        ways=(Way("Delete {0} if it is no longer needed.", "no_active_key"), Way(NEW_KEY, "compliant")),
    ),
    "unused": Case(
        "unused",
        (Key(500, used_days=400),),
        current(promote_date=ago(450)),
        (Way("Name {name} in rotation_exempt to keep it.", "exempt"),),
    ),
    "full": Case(
        "blocked",
        (IN_USE, OLD),
        ways=(
            # It is off then, and makes room in thirty days, or by the next remedy.
            Way(
                "Move what uses {0} (24 hours ago by ses in us-east-1) to another key, then switch it off",
                "blocked",
                idle(0),
            ),
            Way(
                "Move what uses {1} (24 hours ago by s3 in us-east-1) to another key, then switch it off",
                "blocked",
                idle(1),
            ),
        ),
    ),
    "full-and-unused": Case(
        "blocked",
        (UNUSED, OLD),
        ways=(
            Way("Switch off {0}, which is not in use; it makes room once", "blocked"),
            Way("For a run to take {0} for unused, and out of the way: ansible-playbook ", "blocked"),
            Way(
                "Move what uses {1} (24 hours ago by s3 in us-east-1) to another key, then switch it off",
                "blocked",
                idle(1),
            ),
        ),
    ),
    "full-and-parked": Case(
        "blocked",
        (PARKED, OLD),
        current(1),
        (
            Way("Delete {0}, which is not in use.", "due"),
            Way("For a run to take {0} for unused, and out of the way: ansible-playbook ", "grace"),
        ),
    ),
    "full-and-off": Case(
        "blocked",
        (Key(200, "Inactive", used_days=2), OLD),
        current(1, {0: PREVIOUS}),
        (Way("Delete {0}, if what used it (2 days ago by s3 in us-east-1) needs it no more.", "due"),),
    ),
    "full-and-waiting": Case(
        "blocked",
        (Key(200, "Inactive", used_days=20), OLD),
        current(1, {0: NO_LONGER}),
        (Way("Delete {0} for room at once: the role does so on ", "due"),),
    ),
    "full-and-used-since": Case(
        "blocked",
        (Key(200, "Inactive", used_days=2), OLD),
        current(1, {0: NO_LONGER}),
        (Way("Delete {0}: it was used after it was switched off", "due"),),
    ),
    "in-use": Case(
        "blocked",
        (IN_USE, YOUNG),
        current(1, {0: PREVIOUS}),
        (
            Way(
                "Move what uses {0} (24 hours ago by ses in us-east-1) to {1}: it is switched off once idle.",
                "retire",
                idle(0),
            ),
        ),
    ),
    "signing": Case(
        "blocked",
        (Key(150, used_days=30), YOUNG),
        current(1, {0: PREVIOUS}),
        (Way("Run it with other credentials: {0} signs this run.", "retire"),),
    ),
    "idle-and-in-use": Case(
        "retire",
        (Key(160, used_days=30), IN_USE, YOUNG),
        current(2, {0: PREVIOUS, 1: PREVIOUS}),
        (Way("Move what uses {1} (24 hours ago by ses in us-east-1) to {2}", "retire", idle(1)),),
    ),
    "waiting": Case(
        "grace",
        (Key(200, "Inactive", used_days=20), Key(190, "Inactive", used_days=5), YOUNG),
        current(2, {0: NO_LONGER, 1: NO_LONGER}),
        (
            Way("Delete {0} at once if nothing needs it: the role does so on ", "grace"),
            Way("Delete {1}: it was used after it was switched off, so that the role does not.", "grace"),
        ),
    ),
    "by-hand": Case(
        "unmanaged",
        (Key(30, used_days=1), YOUNG),
        ways=(
            Way("Switch off {0} if nothing needs it.", "grace"),
            Way("Switch off {1} if nothing needs it.", "grace"),
            Way("For a new key in the place of {1}, once there is room for it: ansible-playbook ", "grace", deleted(0)),
        ),
    ),
    "beside": Case(
        "compliant",
        (YOUNG, Key(10)),
        current(),
        (Way("Switch off {1} if nothing needs it: it works beside {0}.", "grace"),),
    ),
    "parked": Case(
        "compliant",
        (Key(200, "Inactive"), YOUNG),
        current(1),
        (Way("Delete {0} if nothing needs it: it is left alone.", "compliant"),),
    ),
    "current-off": Case(
        "compliant",
        (Key(80, "Inactive", used_days=60), YOUNG),
        current(0, deactivate_date=ago(40)),
        (Way("Delete {0} if nothing needs it: as the store's current key it stays", "compliant"),),
    ),
    "lender": Case("compliant", (Key(20, used_days=1, access_key_id=LENT),), current()),
    "borrower": Case(
        "compliant",
        (YOUNG,),
        lambda user: {**current()(user), "other_keys": {LENT: dict(PREVIOUS)}},
        (
            Way(
                f"Take {LENT}, which is user lender{SPECIAL}0's, out of the entry {{name}}: ansible-vault edit ",
                "compliant",
                edits=("other_keys", None),
            ),
        ),
    ),
    "forgotten": Case(
        "compliant",
        (YOUNG,),
        lambda user: {**current()(user), "other_keys": {"AKIAFORGOTTEN0000000": dict(PREVIOUS)}},
        (Way("Remove AKIAFORGOTTEN0000000 from the store, if it is not to come back", "compliant"),),
    ),
}


# -- the world, and what is done in it ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """One user, who goes one of the ways out of the case."""

    name: str
    case: Case
    user: UserState
    way: Way | None

    def text(self, template: str) -> str:
        return template.format(*(key.access_key_id for key in self.user.keys), name=self.name)


def seed(lab: Lab, case_name: str, case: Case, number: int) -> tuple[Found, Any]:
    """The user and the store's entry, under the name that the entry has."""
    name = f"{case_name}{SPECIAL}{number}"
    seeded_as = f"old-{name}" if case.was == "new" else name
    user = lab.seed(seeded_as, *case.keys)
    entry = {seeded_as: case.entry(user)} if case.entry else {}
    if case.was == "deleted":
        lab.delete_user(name)
    elif case.was:
        lab.rename_user(seeded_as, name if case.was == "new" else f"new-{name}")
    if case.denied:
        lab.deny(case.denied, user=name)
    if case.attached:
        lab.attach(name, case.attached)
    return Found(name, case, user, case.ways[number] if case.ways else None), entry


def report(controller: Controller, **options: Any) -> dict[str, dict[str, Any]]:
    """Every user as the report of a rotation in check mode has it."""
    path = controller.cwd / "report.json"
    variables = {
        "rotation_users": ["*"],
        "rotation_vault_file": STORE,
        "rotation_unused_days": UNUSED_DAYS,
        "rotation_report_file": path.name,
        **options.pop("variables"),
    }
    run = controller.run("keyturn.iam.rotate", check=True, extra_vars=variables, **options)
    assert path.exists(), str(run)
    users = json.loads(path.read_text())["users"]
    path.unlink()
    return {user["user_name"]: user for user in users}


def command_of(say: str) -> str | None:
    found = [say[say.index(begin) + 2 :] for begin in (": ansible-playbook ", ": ansible-vault ") if begin in say]
    return found[0] if found else None


def type_in(controller: Controller, lines: Sequence[tuple[str, str]], at_once: int) -> None:
    """The lines in a shell, each with the editor that is set."""
    (controller.cwd / "editor.py").write_text(EDITOR)
    (controller.folder / "hosts").write_text(INVENTORY)
    for start in range(0, len(lines), at_once):
        running = [
            (line, controller.type(line, EDITOR=editor, ANSIBLE_INVENTORY=str(controller.folder / "hosts")))
            for line, editor in lines[start : start + at_once]
        ]
        for line, process in running:
            output, _nothing = process.communicate(timeout=120)
            assert process.returncode == 0, f"$ {line}\n{output}"


def editor(found: Found) -> str:
    assert found.way and found.way.edits
    part, new_name = found.way.edits
    renamed = found.text(new_name) if new_name else None
    entry = f"old-{found.name}" if found.case.was == "new" else found.name
    return shlex.join([sys.executable, "editor.py", json.dumps([entry, part, renamed])])


def test_each_way_out_is_pasted_and_leads_where_it_says(lab: Lab, controller: Controller) -> None:
    world, entries = [], {}
    for case_name, case in CASES.items():
        for number in range(max(len(case.ways), 1)):
            found, entry = seed(lab, case_name, case, number)
            world.append(found)
            entries.update(entry)
    write_store(controller.cwd / STORE, {"iam_access_keys": entries})
    (signer,) = (found.user.keys[0] for found in world if found.case is CASES["signing"])
    exempt: dict[str, Any] = {"rotation_exempt": ["break-glass*"]}
    before = report(controller, variables=exempt, credentials=signer)

    assert {found.name: before[found.name]["status"] for found in world} == {
        found.name: found.case.status for found in world
    }
    assert {user["status"] for user in before.values()} == set(STATUSES) - {"uncarried"}  # which has a test of its own
    for found in world:
        says = [remedy["say"] for remedy in before[found.name]["remedies"]]
        expected = [found.text(way.says) for way in found.case.ways]
        assert [say[: len(begin)] for say, begin in zip(says, expected)] == expected and len(says) == len(expected), (
            says
        )

    tasks, edits, runs = [], [], []
    for found in world:
        if not found.way:
            continue
        remedy = before[found.name]["remedies"][found.case.ways.index(found.way)]
        command = command_of(remedy["say"])
        if found.way.first:
            found.way.first(lab, found.user)
        if remedy["task"]:
            tasks.append(remedy["task"])
        elif found.way.edits:
            edits.append((command, editor(found)))
        elif command:
            runs.append((command, "false"))
        elif "rotation_exempt" in remedy["say"]:
            exempt["rotation_exempt"].append(found.name)
    pasted = controller.run(play(*tasks)).ok()
    assert pasted.changed == len(tasks), str(pasted)
    # The second time it does nothing, but for what is a person's word.
    assert controller.run(play(*(task for task in tasks if "stage" not in str(task)))).ok().changed == 0
    type_in(controller, edits, at_once=1)
    type_in(controller, runs, at_once=3)

    after = report(controller, variables=exempt)
    went = [(found, found.way) for found in world if found.way]
    assert {found.name: after.get(found.name, {}).get("status") for found, _way in went} == {
        found.name: way.leads_to for found, way in went
    }
    # The status may be the same for another reason; but what was done is not offered again.
    for found, way in went:
        says = [remedy["say"] for remedy in after.get(found.name, {}).get("remedies", [])]
        again = [say for say in says if say.startswith(found.text(way.says))]
        assert again == [] or way.says.startswith("In full: "), (found.name, again)


def test_what_a_person_has_carried_is_noted(lab: Lab, controller: Controller) -> None:
    user = lab.seed(f"app{SPECIAL}", YOUNG)
    write_store(controller.cwd / STORE, {"iam_access_keys": {user.user_name: current()(user)}})
    (controller.cwd / "carry.yml").write_text("[{name: Carry it, ansible.builtin.debug: {msg: carried}}]")
    variables = {"rotation_on_promoted": "carry.yml"}
    before = report(controller, variables=variables)[user.user_name]
    (remedy,) = before["remedies"]
    assert before["status"] == "uncarried" and remedy["say"].startswith("Note it, where a person has put ")
    assert controller.run(play(remedy["task"])).ok().changed == 1
    after = report(controller, variables=variables)[user.user_name]
    assert (after["status"], after["remedies"]) == ("compliant", [])
