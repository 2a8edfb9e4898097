# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Switching keys on and off: what is noted, what is refused, and how a user is held."""

from __future__ import annotations

from dataclasses import replace

from ensure_cases.worlds import (
    BOTH_ON,
    LATE,
    NEXT_LEADS,
    NEXT_LEADS_OLD_NOTED,
    NEXT_LEADS_OLD_REVOKED,
    NO_SUCH_USER,
    NO_USER,
    OF_OTHER_ACCOUNT,
    OLD_OFF,
    OLD_STAYS,
)
from scripted_iam import (
    MID,
    NEXT,
    NOW,
    OLD,
    OTHER_ACCOUNT,
    Case,
    Done,
    Fails,
    ago,
    cannot_write,
    entry,
    fails,
    is_lost,
    iso,
    lists,
    switches_off,
    switches_on,
    used,
    user,
    writes,
)

# The planned switching off of OLD, which NEXT has replaced.
RETIRE = {"access_key_id": "OLD", "active": False, "min_idle_days": 7, "replacement": "NEXT"}

HELD_AS_IT_IS = Fails(
    f"Access key OLD of user ci is not switched off: the user's keys are held as they are until {iso(-3)}, which hold_days=0 "
    "ends"
)

TAKE_NOTE_BACK = {"access_key_id": "OLD", "active": True, "noted": True}
OLD_NOTED_LONG_AGO = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(5)))
NOTE_STAYS = Fails(
    "The note of its deactivation stays with access key OLD of user ci, which is not Active any more; look again"
)
IS_HELD = {**BOTH_ON, "held until": iso(-3)}

SWITCHING = [
    Case(
        "a named key that exists satisfies as it is",
        before=OLD_STAYS,
        wants={"access_key_id": "MID"},
        script=[lists(OLD.on, MID.off)],
        ends=Done(MID.off, None, {"OLD": "Active, current", "MID": "Inactive"}),
    ),
    Case(
        "a named key that does not exist is an error",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": True},
        script=[lists(OLD.on)],
        ends=Fails("User ci has no access key MID"),
    ),
    Case(
        "a named key of a user that is missing",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": False},
        script=[NO_SUCH_USER],
        ends=NO_USER,
    ),
    Case(
        "what is off stays off, and whose hand it was is not noted anew",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": False},
        script=[lists(OLD.off, NEXT.on)],
        ends=Done(OLD.off, "previous", OLD_OFF),
    ),
    Case(
        "what is on stays on",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(OLD.on, "previous", BOTH_ON),
    ),
    Case(
        "without a store one request is all",
        before=None,
        wants={"access_key_id": "OLD", "active": False},
        script=[lists(OLD.on), switches_off(OLD)],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
    Case(
        "switching off is noted before the request",
        before=NEXT_LEADS,
        wants=RETIRE,
        script=[lists(OLD.on, NEXT.on), user(), used(OLD, days=7), writes(NEXT_LEADS_OLD_NOTED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "switching off a key made by hand is noted without a secret",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": False},
        script=[lists(OLD.on, MID.on), user(), writes(entry(OLD.stored(), MID.noted(off=NOW))), switches_off(MID)],
        ends=Done(
            MID.off,
            None,
            {"OLD": "Active, current", "MID": "Active"},
            {"OLD": "Active, current", "MID": "Inactive"},
        ),
    ),
    Case(
        "an Active key with an old note (a crash, or a person) is switched off with a new one",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(5))),
        wants={"access_key_id": "OLD", "active": False},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS_OLD_NOTED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "switching off that was refused takes the note back",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": False},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(NEXT_LEADS_OLD_NOTED),
            fails(switches_off(OLD), "AccessDenied", 403),
            writes(NEXT_LEADS),
        ],
        ends=Fails("Could not set_status ci OLD off"),
        checked=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "switching off of which nobody knows whether it was done leaves the note",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": False},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(NEXT_LEADS_OLD_NOTED),
            fails(switches_off(OLD), "ServiceFailure", 503),
        ],
        ends=Fails("Could not set_status ci OLD off", {"changed": True}),
        checked=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "switching off that was refused, and a note that cannot be taken back: that it stays is told",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": False},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(NEXT_LEADS_OLD_NOTED),
            fails(switches_off(OLD), "AccessDenied", 403),
            cannot_write(NEXT_LEADS),
        ],
        ends=Fails("iam.yml cannot be written: no space left", {"changed": True}),
        checked=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "nothing is switched off where it cannot be noted",
        before=NEXT_LEADS,
        wants={"access_key_id": "OLD", "active": False},
        script=[lists(OLD.on, NEXT.on), user(), cannot_write(NEXT_LEADS_OLD_NOTED)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "switching on takes the note back after the request",
        before=NEXT_LEADS_OLD_NOTED,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", OLD_OFF, BOTH_ON),
    ),
    Case(
        "switching on what is Active but noted takes the note back alone",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(5))),
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", BOTH_ON, BOTH_ON),
    ),
    Case(
        "a planned return of the note of a key that works takes the note back alone",
        before=OLD_NOTED_LONG_AGO,
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", BOTH_ON, BOTH_ON),
    ),
    Case(
        "a planned return of a note changes nothing the second time",
        before=NEXT_LEADS,
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(OLD.on, "previous", BOTH_ON),
    ),
    Case(
        "a planned return of a note switches nothing on that is off by now",
        before=OLD_NOTED_LONG_AGO,
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.off, NEXT.on), user()],
        ends=NOTE_STAYS,
    ),
    Case(
        "a planned return of a note waits where a list may not know yet that we switched the key off",
        before=NEXT_LEADS_OLD_NOTED,
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.on, NEXT.on), user()],
        ends=NOTE_STAYS,
    ),
    Case(
        "a planned return of a note of a user who is held is no other",
        before=replace(OLD_NOTED_LONG_AGO, hold_until=ago(-3)),
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.on, NEXT.on), user(), writes(replace(NEXT_LEADS, hold_until=ago(-3)))],
        ends=Done(OLD.on, "previous", IS_HELD, IS_HELD),
    ),
    Case(
        "switching on a key made by hand leaves no trace of it in the store",
        before=entry(OLD.stored(), MID.noted(off=ago(5))),
        wants={"access_key_id": "MID", "active": True},
        script=[lists(OLD.on, MID.off), user(), switches_on(MID), writes(OLD_STAYS)],
        ends=Done(
            MID.on,
            None,
            {"OLD": "Active, current", "MID": "Inactive"},
            {"OLD": "Active, current", "MID": "Active"},
        ),
    ),
    Case(
        "switching on that failed leaves the note",
        before=NEXT_LEADS_OLD_NOTED,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.off, NEXT.on), user(), fails(switches_on(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD on"),
        checked=Done(OLD.on, "previous", OLD_OFF, BOTH_ON),
    ),
    Case(
        "switching on, and a store that cannot be written then: that the key is on is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), cannot_write(NEXT_LEADS)],
        ends=Fails(
            "iam.yml cannot be written: no space left",
            {"changed": True, "access_key": OLD.on.public(), "stage": "previous"},
        ),
        checked=Done(OLD.on, "previous", OLD_OFF, BOTH_ON),
    ),
    Case(
        "nothing is switched off with another account's credentials",
        before=NEXT_LEADS,
        wants={"access_key_id": "MID", "active": False},
        script=[lists(MID.on), user(account_id=OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "nothing is switched off that was used within min_idle_days",
        before=NEXT_LEADS,
        wants=RETIRE,
        script=[lists(OLD.on, NEXT.on), user(), used(OLD, days=6.99)],
        ends=Fails(
            f"Access key OLD of user ci is not switched off: it was last used {iso(6.99)} (s3), within the 7 days of "
            "min_idle_days; move its user to the new key first"
        ),
    ),
    Case(
        "nothing is switched off whose last use cannot be read",
        before=NEXT_LEADS,
        wants=RETIRE,
        script=[lists(OLD.on, NEXT.on), user(), fails(used(OLD, None), "Throttling")],
        ends=Fails("Access key OLD of user ci is not switched off: its last use is not known"),
    ),
    Case(
        "nothing that was planned is switched off while the user is held",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants=RETIRE,
        script=[lists(OLD.on, NEXT.on), user()],
        ends=HELD_AS_IT_IS,
    ),
    Case(
        "a person's own task switches off a held user's key",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants={"access_key_id": "OLD", "active": False},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3))),
            switches_off(OLD),
        ],
        ends=Done(
            OLD.off,
            "previous",
            {**BOTH_ON, "held until": iso(-3)},
            {**OLD_OFF, "held until": iso(-3)},
        ),
    ),
    Case(
        "a key that the store does not know is on and stays on",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": True},
        script=[lists(OLD.on, MID.on)],
        ends=Done(MID.on, None, {"OLD": "Active, current", "MID": "Active"}),
    ),
    Case(
        "a key that the store does not know is switched on",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": True},
        script=[lists(OLD.on, MID.off), user(), switches_on(MID)],
        ends=Done(
            MID.on,
            None,
            {"OLD": "Active, current", "MID": "Inactive"},
            {"OLD": "Active, current", "MID": "Active"},
        ),
    ),
    Case(
        "what a playbook chose, made by hand, is not switched on where another hand has switched it off",
        before=OLD_STAYS,
        wants={"access_key_id": "MID", "active": True, "noted": True},
        script=[lists(OLD.on, MID.off), user()],
        ends=Fails(
            "Access key MID of user ci is not switched on: it was switched off by another hand meanwhile; look again, or name it"
        ),
    ),
    Case(
        "nothing is switched off for its replacement while the user is held",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants={"access_key_id": "OLD", "active": False, "replacement": "NEXT"},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=HELD_AS_IT_IS,
    ),
    Case(
        "what was planned is switched off once the hold has ended",
        before=replace(NEXT_LEADS, hold_until=NOW),
        wants=RETIRE,
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            used(OLD, None),
            writes(replace(NEXT_LEADS_OLD_NOTED, hold_until=NOW)),
            switches_off(OLD),
        ],
        ends=Done(OLD.off, "previous", {**BOTH_ON, "held until": iso()}, {**OLD_OFF, "held until": iso()}),
    ),
]

NOT_REPLACED = Fails(
    "Access key OLD of user ci is not switched off: NEXT, which replaced it, is no longer in force; look again and plan anew"
)

REPLACED = [
    Case(
        f"nothing is switched off whose replacement {what}",
        before=before,
        wants=RETIRE,
        script=[lists(*keys), user()],
        ends=NOT_REPLACED,
    )
    for what, before, keys in (
        ("is Inactive", NEXT_LEADS, [OLD.on, NEXT.off]),
        ("is gone", NEXT_LEADS, [OLD.on]),
        (
            "was switched off a minute ago, whatever the list says",
            entry(NEXT.stored(promoted=ago(9), off=ago(seconds=60)), OLD.stored(promoted=ago(100))),
            [OLD.on, NEXT.on],
        ),
        (
            "was revoked",
            entry(NEXT.stored(promoted=ago(9), off=ago(5), revoked=ago(5)), OLD.stored(promoted=ago(100))),
            [OLD.on, NEXT.on],
        ),
        (
            "was deleted, though the list lags",
            entry(None, OLD.stored(promoted=ago(100))),
            [OLD.on, NEXT.on],
        ),
        (
            "is current no longer",
            entry(OLD.stored(promoted=NOW), NEXT.stored(promoted=ago(9))),
            [OLD.on, NEXT.on],
        ),
    )
] + [
    Case(
        "a replacement beside a current key that is off is in force",
        before=entry(NEXT.stored(promoted=ago(9))),
        wants={"access_key_id": "OLD", "active": False, "replacement": "MID"},
        script=[
            lists(OLD.on, MID.on, NEXT.off),
            user(),
            writes(entry(NEXT.stored(promoted=ago(9)), OLD.noted(off=NOW))),
            switches_off(OLD),
        ],
        ends=Done(
            OLD.off,
            None,
            {"OLD": "Active", "MID": "Active", "NEXT": "Inactive, current"},
            {"OLD": "Inactive", "MID": "Active", "NEXT": "Inactive, current"},
        ),
    ),
    Case(
        "a replacement that the list does not show yet is in force",
        before=entry(LATE.stored(promoted=NOW), OLD.stored(promoted=ago(100))),
        wants={"access_key_id": "OLD", "active": False, "replacement": "LATE"},
        script=[
            lists(OLD.on),
            user(),
            writes(entry(LATE.stored(promoted=NOW), OLD.stored(promoted=ago(100), off=NOW))),
            switches_off(OLD),
        ],
        ends=Done(OLD.off, "previous", {"OLD": "Active, previous"}, {"OLD": "Inactive, previous"}),
    ),
]

WAS_REVOKED = Fails(
    f"Access key OLD of user ci is not switched on: it was revoked on {iso()}; leaked=false says that it is safe all the same"
)
OLD_IS_REVOKED = {"OLD": "Inactive", "NEXT": "Active, current"}

SAFE = [
    Case(
        "a revoked key is not switched on",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.off, NEXT.on), user()],
        ends=WAS_REVOKED,
    ),
    Case(
        "a revoked key is switched on with leaked=false, which takes the revocation back",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "active": True, "leaked": False},
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", OLD_IS_REVOKED, BOTH_ON),
    ),
    Case(
        "a revoked key is not made current",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "stage": "current"},
        script=[lists(OLD.off, NEXT.on), user()],
        ends=WAS_REVOKED,
    ),
    Case(
        "a revoked key that somebody has switched on is not called safe by active=true",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "active": True},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=WAS_REVOKED,
    ),
    Case(
        "a revoked key that somebody has switched on keeps its note",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(5), revoked=ago(5))),
        wants=TAKE_NOTE_BACK,
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Fails(
            f"Access key OLD of user ci is not switched on: it was revoked on {iso(5)}; leaked=false says that it is safe all the same"
        ),
    ),
    Case(
        "a revoked key that is on already has the revocation taken back with leaked=false",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "active": True, "leaked": False},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", {**OLD_IS_REVOKED, "OLD": "Active"}, BOTH_ON),
    ),
]

HOLD = {"access_key_id": "OLD", "active": True, "hold_days": 3}
HELD = replace(NEXT_LEADS, hold_until=ago(-3))
HELD_OLD_NOTED = replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3))
SWITCHED_ON_AND_HELD = Done(OLD.on, "previous", OLD_OFF, {**BOTH_ON, "held until": iso(-3)})
# What a failure carries once the hold is written.
HOLD_TOLD = {"changed": True, "access_key": OLD.off.public(), "stage": "previous"}
OFF = [lists(OLD.off, NEXT.on), user()]

HOLDING = [
    Case(
        "switching on with hold_days holds the user first",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD,
        script=[*OFF, writes(HELD_OLD_NOTED), switches_on(OLD), writes(HELD)],
        ends=SWITCHED_ON_AND_HELD,
    ),
    Case(
        "a hold that cannot be written, and nothing is sent",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD,
        script=[*OFF, cannot_write(HELD_OLD_NOTED)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=SWITCHED_ON_AND_HELD,
    ),
    Case(
        "a hold, and a request that is refused: the hold stays, which is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD,
        script=[*OFF, writes(HELD_OLD_NOTED), fails(switches_on(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD on", HOLD_TOLD),
        checked=SWITCHED_ON_AND_HELD,
    ),
    Case(
        "a hold, and a request without an answer: the hold stays, which is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD,
        script=[*OFF, writes(HELD_OLD_NOTED), is_lost(switches_on(OLD))],
        ends=Fails("Could not set_status ci OLD on", HOLD_TOLD),
        checked=SWITCHED_ON_AND_HELD,
    ),
    Case(
        "a hold, the request, and a store that cannot be written then: that the key is on is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD,
        script=[*OFF, writes(HELD_OLD_NOTED), switches_on(OLD), cannot_write(HELD)],
        ends=Fails("iam.yml cannot be written: no space left", {**HOLD_TOLD, "access_key": OLD.on.public()}),
        checked=SWITCHED_ON_AND_HELD,
    ),
    Case(
        "after a crash between the hold and the request the same task goes on",
        before=replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-2.9)),
        wants=HOLD,
        script=[*OFF, writes(HELD_OLD_NOTED), switches_on(OLD), writes(HELD)],
        ends=replace(SWITCHED_ON_AND_HELD, before={**OLD_OFF, "held until": iso(-2.9)}),
    ),
    Case(
        "after a crash between the request and the note the same task takes the note back",
        before=HELD_OLD_NOTED,
        wants=HOLD,
        script=[lists(OLD.on, NEXT.on), user(), writes(HELD)],
        ends=replace(SWITCHED_ON_AND_HELD, before={**BOTH_ON, "held until": iso(-3)}),
    ),
    Case(
        "after a crash between the hold and the request nothing that was planned is deleted",
        before=HELD_OLD_NOTED,
        wants={"access_key_id": "OLD", "state": "absent", "min_idle_days": 7, "noted": True},
        script=OFF,
        ends=Fails(HELD_AS_IT_IS.sentence.replace("switched off", "deleted")),
    ),
    Case(
        "hold_days for a user who is held, with all else as it is to be, changes nothing",
        before=replace(NEXT_LEADS, hold_until=ago(-1)),
        wants=HOLD,
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "held until": iso(-1)}),
    ),
    Case(
        "hold_days=0 ends a hold",
        before=replace(NEXT_LEADS, hold_until=ago(-1)),
        wants={**HOLD, "hold_days": 0},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "held until": iso(-1)}, BOTH_ON),
    ),
    Case(
        "hold_days=0 ends a hold, the store cannot be written, and nothing is done",
        before=replace(NEXT_LEADS, hold_until=ago(-1)),
        wants={**HOLD, "hold_days": 0},
        script=[lists(OLD.on, NEXT.on), user(), cannot_write(NEXT_LEADS)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=Done(OLD.on, "previous", {**BOTH_ON, "held until": iso(-1)}, BOTH_ON),
    ),
    Case(
        "hold_days holds anew a user whose hold has just ended",
        before=replace(NEXT_LEADS, hold_until=NOW),
        wants=HOLD,
        script=[lists(OLD.on, NEXT.on), user(), writes(HELD)],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "held until": iso()}, {**BOTH_ON, "held until": iso(-3)}),
    ),
]

CASES = [*SWITCHING, *REPLACED, *SAFE, *HOLDING]
