# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From next to current, what another run does meanwhile, and back again."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import ANY

from ansible_collections.keyturn.iam.plugins.module_utils._entry import StoredKey
from ensure_cases.worlds import (
    BOTH_ON,
    LATE,
    LOST,
    MADE,
    MAKES,
    NEW_IS_CURRENT,
    NEXT_LEADS,
    NEXT_LEADS_OLD_NOTED,
    NEXT_LEADS_OLD_REVOKED,
    NEXT_WAITS,
    NO_SUCH_USER,
    NO_USER,
    OF_OTHER_ACCOUNT,
    OLD_OFF,
    OLD_REVOKED,
    OLD_STAYS,
    ROTATE,
    thrice,
)
from scripted_iam import (
    ACCOUNT,
    MID,
    NEW,
    NEXT,
    NOW,
    OLD,
    OTHER_ACCOUNT,
    STS_READY,
    Case,
    Done,
    Fails,
    Meanwhile,
    accepts,
    ago,
    asked,
    cannot_write,
    client_error,
    creates,
    entry,
    fails,
    is_lost,
    iso,
    lists,
    quota,
    refuses,
    sleeps,
    switches_on,
    user,
    writes,
)

HELD_NEXT = entry(OLD.stored(), NEXT.stored(), hold=ago(-3))
NEXT_REVOKED = NEXT.stored(off=ago(0.05), revoked=ago(0.05))
NEW_REVOKED = entry(OLD.stored(), NEW.stored(off=NOW, revoked=NOW), asked=asked(OLD))
NEXT_IS_CURRENT = entry(NEXT.stored(promoted=NOW), OLD.stored(promoted=ago(100)))

# A waiting next that becomes current, as a list beside the store shows it.
SEEN_NEXT = Done(
    NEXT.on,
    "current",
    {"OLD": "Active, current", "NEXT": "Active, next"},
    {"OLD": "Active, previous", "NEXT": "Active, current"},
)
# What a failure carries once NEW was made and stored.
TOLD = {"changed": True, "access_key": NEW.on.public(), "stage": "next"}
NEW_LEAKED = Fails("Access key NEW of user ci was revoked while STS was asked: it is not made current", TOLD)

WAITING_FOR_STS = [
    Case(
        "answers count once verify_delay has passed since the key was made",
        before=OLD_STAYS,
        wants={**ROTATE, "verify_delay": 10},
        script=[
            *MAKES,
            sleeps(10),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=ago(seconds=-10)), OLD.stored(promoted=ago(100)))),
        ],
        ends=MADE,
    ),
    Case(
        "on a connection that does not know AWS's time yet, STS tells it, and its first answer may be too early to count",
        before=entry(OLD.stored(), LATE.stored()),
        wants={"access_key_id": "LATE", "verify_delay": 10},
        script=[
            accepts(LATE),
            sleeps(6),
            *thrice(accepts(LATE)),
            writes(entry(LATE.stored(promoted=ago(seconds=-6)), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(LATE.on, "current", {"OLD": "current", "LATE": "next"}, {"OLD": "previous", "LATE": "current"}),
        checked_script=[lists(OLD.on, LATE.on), user()],
        checked=Done(
            LATE.on,
            "current",
            {"OLD": "Active, current", "LATE": "Active, next"},
            {"OLD": "Active, previous", "LATE": "Active, current"},
        ),
    ),
    Case(
        "that STS is asked too often says nothing of the key",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            accepts(NEW),
            sleeps(0.5),
            replace(accepts(NEW), raises=lambda: client_error("Throttling", 400)),
            sleeps(0.5),
            accepts(NEW),
            sleeps(0.5),
            accepts(NEW),
            writes(NEW_IS_CURRENT),
        ],
        ends=MADE,
    ),
    Case(
        "answers count from the last refusal on, and IAM is asked once whether the key is still there",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            accepts(NEW),
            sleeps(0.5),
            accepts(NEW),
            sleeps(0.5),
            refuses(NEW),
            lists(OLD.on, NEW.on),
            sleeps(0.5),
            accepts(NEW),
            sleeps(0.5),
            refuses(NEW),
            sleeps(0.5),
            *thrice(accepts(NEW)),
            writes(NEW_IS_CURRENT),
        ],
        ends=MADE,
    ),
    Case(
        "a connection to STS that is lost is no refusal for good, and a list that lags neither",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            is_lost(accepts(NEW)),
            lists(OLD.on),
            sleeps(0.5),
            *thrice(accepts(NEW)),
            writes(NEW_IS_CURRENT),
        ],
        ends=MADE,
    ),
    Case(
        "a key that STS does not accept in time stays next, and that it was made is told",
        before=OLD_STAYS,
        wants={**ROTATE, "verify_timeout": 1},
        script=[
            *MAKES,
            refuses(NEW),
            lists(OLD.on, NEW.on),
            sleeps(0.5),
            refuses(NEW),
            sleeps(0.5),
            refuses(NEW),
        ],
        ends=Fails(
            "STS did not accept access key NEW of user ci within 1 seconds; it stays in the store as next and the next run "
            "goes on with it",
            TOLD,
        ),
        checked=MADE,
    ),
    Case(
        "a key that was switched off while STS was asked is not waited for",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, refuses(NEW), lists(OLD.on, NEW.off)],
        ends=Fails(
            "Access key NEW of user ci, which waits in the store to become current, is Inactive; switch it on, or remove it "
            "with state=absent, then run again",
            TOLD,
        ),
        checked=MADE,
    ),
    Case(
        "a list that cannot be read while STS is asked is told",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, refuses(NEW), fails(lists(), "Throttling")],
        ends=Fails("Could not keys ci", TOLD),
        checked=MADE,
    ),
    Case(
        "a user that was deleted while STS was asked is not waited for",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, refuses(NEW), NO_SUCH_USER],
        ends=Fails(NO_USER.sentence, TOLD),
        checked=MADE,
    ),
    Case(
        "a key that STS calls another user's is not made current",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[accepts(NEXT, name="di")],
        ends=Fails(
            f"Access key NEXT, stored for user ci of account {ACCOUNT}, belongs to user di of account {ACCOUNT}; rename the "
            "entry, or remove the key from it"
        ),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "a key that STS calls another account's is not made current",
        before=NEXT_WAITS,
        wants=ROTATE,
        script=[lists(OLD.on, NEXT.on), user(), accepts(NEXT), sleeps(0.5), accepts(NEXT, account_id=OTHER_ACCOUNT)],
        ends=Fails(
            f"Access key NEXT, stored for user ci of account {ACCOUNT}, belongs to user ci of account {OTHER_ACCOUNT}; rename "
            "the entry, or remove the key from it"
        ),
        checked=SEEN_NEXT,
    ),
    Case(
        "a key that STS accepted, and a store that cannot be written then",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), cannot_write(NEW_IS_CURRENT)],
        ends=Fails("iam.yml cannot be written: no space left", TOLD),
        checked=MADE,
    ),
    Case(
        "a refusal tells AWS's time too",
        before=entry(OLD.stored(), LATE.stored()),
        wants={"access_key_id": "LATE", "verify_delay": 10},
        script=[
            refuses(LATE),
            sleeps(6),
            *thrice(accepts(LATE)),
            writes(entry(LATE.stored(promoted=ago(seconds=-6)), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(LATE.on, "current", {"OLD": "current", "LATE": "next"}, {"OLD": "previous", "LATE": "current"}),
        checked_script=[lists(OLD.on, LATE.on), user()],
        checked=Done(
            LATE.on,
            "current",
            {"OLD": "Active, current", "LATE": "Active, next"},
            {"OLD": "Active, previous", "LATE": "Active, current"},
        ),
    ),
    Case(
        "a connection that is lost before AWS's time is known is tried again",
        before=entry(OLD.stored(), LATE.stored()),
        wants={"access_key_id": "LATE", "verify_delay": 10},
        script=[
            is_lost(accepts(LATE)),
            lists(OLD.on, LATE.on),
            sleeps(0.5),
            accepts(LATE),
            sleeps(6),
            *thrice(accepts(LATE)),
            writes(entry(LATE.stored(promoted=ago(seconds=-6)), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(LATE.on, "current", {"OLD": "current", "LATE": "next"}, {"OLD": "previous", "LATE": "current"}),
        checked_script=[lists(OLD.on, LATE.on), user()],
        checked=Done(
            LATE.on,
            "current",
            {"OLD": "Active, current", "LATE": "Active, next"},
            {"OLD": "Active, previous", "LATE": "Active, current"},
        ),
    ),
]

PROMOTING = [
    Case(
        "a next that waits becomes current, and no key is made",
        before=NEXT_WAITS,
        wants=ROTATE,
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=SEEN_NEXT,
    ),
    Case(
        "a next that the list does not show yet becomes current",
        before=entry(OLD.stored(), LATE.stored()),
        wants=ROTATE,
        script=[
            lists(OLD.on),
            user(),
            *thrice(accepts(LATE)),
            writes(entry(LATE.stored(promoted=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(LATE.on, "current", ANY, ANY),
        checked=Done({"access_key_id": "LATE", "user_name": "ci"}, "current", ANY, ANY),
    ),
    Case(
        "a next that waits stays next with verify=false",
        before=NEXT_WAITS,
        wants={**ROTATE, "verify": False},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Done(NEXT.on, "next", {"OLD": "Active, current", "NEXT": "Active, next"}),
    ),
    Case(
        "named, the next key becomes current and STS alone is asked",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[*thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=Done(NEXT.on, "current", {"OLD": "current", "NEXT": "next"}, {"OLD": "previous", "NEXT": "current"}),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "named, the next key of an entry that a person wrote has its owner read and noted",
        before=entry(OLD.stored(), NEXT.stored(), account_id=None, user_id=None),
        wants={"access_key_id": "NEXT"},
        script=[user(), *thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=Done(NEXT.on, "current", {"OLD": "current", "NEXT": "next"}, {"OLD": "previous", "NEXT": "current"}),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "named, with verify=false, the next key stays as it is and nobody is asked",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT", "verify": False},
        script=[],
        ends=Done({"access_key_id": "NEXT", "user_name": "ci", "create_date": iso(0.1)}, "next", {}),
    ),
    Case(
        "named, a next key that a person switched off is an error",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[refuses(NEXT), lists(OLD.on, NEXT.off)],
        checked_script=[lists(OLD.on, NEXT.off)],
        ends=Fails(
            "Access key NEXT of user ci, which waits in the store to become current, is Inactive; switch it on, or remove it "
            "with state=absent, then run again"
        ),
    ),
    Case(
        "named, a next key that a person deleted is an error",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[refuses(NEXT), lists(OLD.on)],
        checked_script=[lists(OLD.on)],
        ends=Fails(
            "Access key NEXT of user ci, which waits in the store to become current, does not exist in IAM (any more); "
            "switch it on, or remove it with state=absent, then run again"
        ),
    ),
    Case(
        "named, the next key becomes current though it has an old note of ours, beside keys that are only noted",
        before=entry(OLD.stored(), NEXT.stored(off=ago(5)), MID.noted(off=ago(5))),
        wants={"access_key_id": "NEXT"},
        script=[
            *thrice(accepts(NEXT)),
            writes(
                entry(NEXT.stored(promoted=NOW, off=ago(5)), MID.noted(off=ago(5)), OLD.stored(promoted=ago(100))),
            ),
        ],
        ends=Done(
            NEXT.on,
            "current",
            {"OLD": "current", "NEXT": "next", "MID": "stored"},
            {"OLD": "previous", "NEXT": "current", "MID": "stored"},
        ),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "named and to be Active, the next key is switched on and stays next",
        before=entry(OLD.stored(), NEXT.stored(off=ago(5))),
        wants={"access_key_id": "NEXT", "active": True},
        script=[lists(OLD.on, NEXT.off), user(), switches_on(NEXT), writes(entry(OLD.stored(), NEXT.stored()))],
        ends=Done(
            NEXT.on,
            "next",
            {"OLD": "Active, current", "NEXT": "Inactive, next"},
            {"OLD": "Active, current", "NEXT": "Active, next"},
        ),
    ),
    Case(
        "a next of an entry that a person wrote, of which no date is known, need not wait",
        before=entry(None, ("NEXT", StoredKey(NEXT.secret))),
        wants={"access_key_id": "NEXT", "verify_delay": 10},
        script=[*thrice(accepts(NEXT)), writes(entry(("NEXT", StoredKey(NEXT.secret, promote_date=NOW))))],
        ends=Done(
            {"access_key_id": "NEXT", "user_name": "ci", "status": "Active"},
            "current",
            {"NEXT": "next"},
            {"NEXT": "current"},
        ),
        checked_script=[lists(NEXT.on), user()],
        checked=Done(NEXT.on, "current", {"NEXT": "Active, next"}, {"NEXT": "Active, current"}),
    ),
    Case(
        "named, the next key is not made current while the user is held",
        before=HELD_NEXT,
        wants={"access_key_id": "NEXT"},
        script=thrice(accepts(NEXT)),
        checked_script=[lists(OLD.on, NEXT.on)],
        ends=Fails(
            f"Access key NEXT of user ci is not made current: the user's keys are held as they are until {iso(-3)}, which "
            "hold_days=0 ends"
        ),
    ),
    Case(
        "named, the next key is made current once the hold has ended",
        before=replace(HELD_NEXT, hold_until=NOW),
        wants={"access_key_id": "NEXT"},
        script=[*thrice(accepts(NEXT)), writes(replace(NEXT_IS_CURRENT, hold_until=NOW))],
        ends=Done(NEXT.on, "current", {"OLD": "current", "NEXT": "next"}, {"OLD": "previous", "NEXT": "current"}),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=replace(
            SEEN_NEXT,
            before={**SEEN_NEXT.before, "held until": iso()},
            after={**(SEEN_NEXT.after or {}), "held until": iso()},
        ),
    ),
    Case(
        "a held user's current key satisfies, and the next key waits",
        before=HELD_NEXT,
        wants=ROTATE,
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(OLD.on, "current", {**SEEN_NEXT.before, "held until": iso(-3)}),
    ),
    Case(
        "a person's own task makes the next key of a held user current, whose current key is off",
        before=HELD_NEXT,
        wants=ROTATE,
        script=[
            lists(OLD.off, NEXT.on),
            user(),
            *thrice(accepts(NEXT)),
            writes(replace(NEXT_IS_CURRENT, hold_until=ago(-3))),
        ],
        ends=Done(
            NEXT.on,
            "current",
            {"OLD": "Inactive, current", "NEXT": "Active, next", "held until": iso(-3)},
            {"OLD": "Inactive, previous", "NEXT": "Active, current", "held until": iso(-3)},
        ),
    ),
    Case(
        "a revoked next that the list calls Active is not made current: another key is made",
        before=entry(OLD.stored(), NEXT_REVOKED),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            STS_READY,
            quota(3),
            writes(entry(OLD.stored(), NEXT_REVOKED, asked=asked(OLD, NEXT))),
            creates(),
            writes(entry(OLD.stored(), NEXT_REVOKED, NEW.stored(), asked=asked(OLD, NEXT))),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "NEXT": "Active"},
            {"OLD": "Active, current", "NEXT": "Active", "NEW": "Active, next"},
        ),
    ),
    Case(
        "named, a revoked next is not made current",
        before=entry(OLD.stored(), NEXT_REVOKED),
        wants={"access_key_id": "NEXT"},
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(NEXT.on, None, {"OLD": "Active, current", "NEXT": "Active"}),
    ),
    Case(
        "a next without a date stays next with verify=false",
        before=entry(None, ("NEXT", StoredKey(NEXT.secret))),
        wants={"access_key_id": "NEXT", "verify": False},
        script=[],
        ends=Done({"access_key_id": "NEXT", "user_name": "ci"}, "next", {}),
    ),
    Case(
        "a next without a date that the list lacks is gone, and a key is made",
        before=entry(None, ("NEXT", StoredKey(NEXT.secret))),
        wants={"verify": False},
        script=[
            lists(),
            user(),
            STS_READY,
            writes(entry(None, ("NEXT", StoredKey(NEXT.secret)), asked=asked())),
            creates(),
            writes(entry(None, ("NEXT", StoredKey(NEXT.secret)), NEW.stored(), asked=asked())),
        ],
        ends=Done(NEW.on, "next", {}, {"NEW": "Active, next"}),
    ),
]

ANOTHER_RUN = [
    Case(
        "made the new key current before STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, Meanwhile(NEW_IS_CURRENT)],
        ends=MADE,
    ),
    Case(
        "made the new key current while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), Meanwhile(NEW_IS_CURRENT)],
        ends=MADE,
    ),
    Case(
        "made the named next current, so that nothing is changed",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[*thrice(accepts(NEXT)), Meanwhile(NEXT_IS_CURRENT)],
        ends=Done(NEXT.on, "current", {"OLD": "previous", "NEXT": "current"}),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "noted something else while STS was asked, which is kept",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            *thrice(accepts(NEW)),
            Meanwhile(entry(OLD.stored(), NEW.stored(), MID.noted(off=NOW), asked=asked(OLD))),
            writes(entry(NEW.stored(promoted=NOW), MID.noted(off=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=MADE,
    ),
    Case(
        "removed the key from the store before STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, Meanwhile(OLD_STAYS)],
        ends=Fails("Access key NEW of user ci left the store while its turn came: run again", TOLD),
        checked=MADE,
    ),
    Case(
        "removed the key from the store while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), Meanwhile(OLD_STAYS)],
        ends=Fails("Access key NEW of user ci left the store while STS was asked: run again", TOLD),
        checked=MADE,
    ),
    Case(
        "switched the key off while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), Meanwhile(entry(OLD.stored(), NEW.stored(off=NOW), asked=asked(OLD)))],
        ends=Fails("Access key NEW of user ci was switched off while STS was asked: run again", TOLD),
        checked=MADE,
    ),
    Case(
        "made another key current while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            *thrice(accepts(NEW)),
            Meanwhile(entry(LATE.stored(promoted=NOW), NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=Fails("Access key NEW of user ci is no longer the newest in the store: run again", TOLD),
        checked=MADE,
    ),
    Case(
        "rolled back while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), Meanwhile(entry(OLD.stored(), NEW.stored(), hold=ago(-3)))],
        ends=Fails(
            f"A new access key of user ci is not made current: the user's keys are held as they are until {iso(-3)}, which "
            "hold_days=0 ends",
            TOLD,
        ),
        checked=MADE,
    ),
    Case(
        "revoked the key before STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, Meanwhile(NEW_REVOKED), *thrice(accepts(NEW))],
        ends=NEW_LEAKED,
        checked=MADE,
    ),
    Case(
        "revoked the key while STS was asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*MAKES, *thrice(accepts(NEW)), Meanwhile(NEW_REVOKED)],
        ends=NEW_LEAKED,
        checked=MADE,
    ),
    Case(
        "revoked the current key while STS was asked, so that the new one is needed all the more",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            *thrice(accepts(NEW)),
            Meanwhile(entry(None, NEW.stored(), OLD_REVOKED, asked=asked(OLD))),
            writes(entry(NEW.stored(promoted=NOW), OLD_REVOKED)),
        ],
        ends=replace(MADE, after={"OLD": "Active", "NEW": "Active, current"}),
        checked=MADE,
    ),
    Case(
        "held the user while STS was asked for a next that a task names",
        before=NEXT_WAITS,
        wants={"access_key_id": "NEXT"},
        script=[*thrice(accepts(NEXT)), Meanwhile(HELD_NEXT)],
        ends=Fails(
            f"Access key NEXT of user ci is not made current: the user's keys are held as they are until {iso(-3)}, which "
            "hold_days=0 ends"
        ),
        checked_script=[lists(OLD.on, NEXT.on), user()],
        checked=SEEN_NEXT,
    ),
    Case(
        "wrote a hold that is over",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            *thrice(accepts(NEW)),
            Meanwhile(entry(OLD.stored(), NEW.stored(), hold=NOW)),
            writes(replace(NEW_IS_CURRENT, hold_until=NOW)),
        ],
        ends=replace(MADE, after={**(MADE.after or {}), "held until": iso()}),
        checked=MADE,
    ),
]

BACK = {"access_key_id": "OLD", "stage": "current"}
OLD_IS_BACK = entry(OLD.stored(promoted=NOW), NEXT.stored(promoted=ago(9)))
ROLLED_BACK = {"OLD": "Active, current", "NEXT": "Active, previous"}
NOT_CURRENT = "Access key OLD of user ci cannot be made current"

ROLLBACK = [
    Case(
        "what a playbook chose is not switched on where another hand has switched it off",
        before=NEXT_LEADS,
        wants={**BACK, "noted": True},
        script=[lists(OLD.off, NEXT.on), user()],
        ends=Fails(
            "Access key OLD of user ci is not switched on: it was switched off by another hand meanwhile; look again, or name it"
        ),
    ),
    Case(
        "a previous key that works is current again once STS accepts it",
        before=NEXT_LEADS,
        wants=BACK,
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(OLD)), writes(OLD_IS_BACK)],
        ends=Done(OLD.on, "current", BOTH_ON, ROLLED_BACK),
    ),
    Case(
        "a previous key that we switched off is switched on, then current and the user held",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**BACK, "hold_days": 3},
        script=[
            lists(OLD.off, NEXT.on),
            user(),
            writes(replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3))),
            switches_on(OLD),
            writes(replace(NEXT_LEADS, hold_until=ago(-3))),
            *thrice(accepts(OLD)),
            writes(replace(OLD_IS_BACK, hold_until=ago(-3))),
        ],
        ends=Done(OLD.on, "current", OLD_OFF, {**ROLLED_BACK, "held until": iso(-3)}),
    ),
    Case(
        "what is current and works stays as it is",
        before=OLD_IS_BACK,
        wants=BACK,
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Done(OLD.on, "current", ROLLED_BACK),
    ),
    Case(
        "what is current, works and is held stays as it is, however long it was to be held",
        before=replace(OLD_IS_BACK, hold_until=ago(-1)),
        wants={**BACK, "hold_days": 3},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Done(OLD.on, "current", {**ROLLED_BACK, "held until": iso(-1)}),
    ),
    Case(
        "what is current and works is held, and STS is asked",
        before=OLD_IS_BACK,
        wants={**BACK, "hold_days": 3},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(replace(OLD_IS_BACK, hold_until=ago(-3))),
            *thrice(accepts(OLD)),
        ],
        ends=Done(OLD.on, "current", ROLLED_BACK, {**ROLLED_BACK, "held until": iso(-3)}),
    ),
    Case(
        "a key that was never current and passed over is not next after a rollback to an older one",
        before=entry(MID.stored(promoted=ago(40)), OLD.stored(promoted=ago(100)), LOST.stored()),
        wants=BACK,
        script=[
            lists(OLD.on, LOST.on, MID.on),
            user(),
            *thrice(accepts(OLD)),
            writes(
                entry(OLD.stored(promoted=NOW), LOST.stored(promoted=ago(60)), MID.stored(promoted=ago(40))),
            ),
        ],
        ends=Done(
            OLD.on,
            "current",
            {"OLD": "Active, previous", "LOST": "Active", "MID": "Active, current"},
            {"OLD": "Active, current", "LOST": "Active, previous", "MID": "Active, previous"},
        ),
    ),
    Case(
        "a key whose secret the store does not have",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.noted(off=ago(5))),
        wants=BACK,
        script=[lists(OLD.off, NEXT.on), user()],
        ends=Fails(f"{NOT_CURRENT}: iam.yml does not have its secret"),
    ),
    Case(
        "a key that IAM does not have",
        before=NEXT_LEADS,
        wants=BACK,
        script=[lists(NEXT.on), user()],
        ends=Fails(f"{NOT_CURRENT}: IAM does not have it (any more); rotation_now gives the user a new key"),
    ),
    Case(
        "a rollback with another account's credentials",
        before=NEXT_LEADS,
        wants=BACK,
        script=[lists(), user(account_id=OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "a rollback to a revoked key with leaked=false",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={**BACK, "leaked": False},
        script=[
            lists(OLD.off, NEXT.on),
            user(),
            switches_on(OLD),
            writes(NEXT_LEADS),
            *thrice(accepts(OLD)),
            writes(OLD_IS_BACK),
        ],
        ends=Done(OLD.on, "current", {**OLD_OFF, "OLD": "Inactive"}, ROLLED_BACK),
    ),
    Case(
        "a rollback that STS does not accept in time: the key is on, which is told, and no list is asked, which may lag",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**BACK, "verify_timeout": 0.5},
        script=[
            lists(OLD.off, NEXT.on),
            user(),
            switches_on(OLD),
            writes(NEXT_LEADS),
            refuses(OLD),
            sleeps(0.5),
            refuses(OLD),
        ],
        ends=Fails(
            "STS did not accept access key OLD of user ci within 0.5 seconds; it is switched on, but not current: run again",
            {"changed": True, "access_key": OLD.on.public(), "stage": "previous"},
        ),
        checked=Done(OLD.on, "current", OLD_OFF, ROLLED_BACK),
    ),
    Case(
        "a rollback while another run revokes the key",
        before=NEXT_LEADS,
        wants=BACK,
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(OLD)), Meanwhile(NEXT_LEADS_OLD_REVOKED)],
        ends=Fails("Access key OLD of user ci was revoked while STS was asked: it is not made current"),
        checked=Done(OLD.on, "current", BOTH_ON, ROLLED_BACK),
    ),
    Case(
        "a previous key that is on but noted has the note taken back alone",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(5))),
        wants=BACK,
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS), *thrice(accepts(OLD)), writes(OLD_IS_BACK)],
        ends=Done(OLD.on, "current", BOTH_ON, ROLLED_BACK),
    ),
    Case(
        "what is current and was switched off by a person is switched on, and STS is asked",
        before=OLD_IS_BACK,
        wants=BACK,
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), *thrice(accepts(OLD))],
        ends=Done(OLD.on, "current", {**ROLLED_BACK, "OLD": "Inactive, current"}, ROLLED_BACK),
    ),
    Case(
        "a next key becomes current by a person's word, and what was asked goes with it",
        before=NEXT_WAITS,
        wants={**BACK, "access_key_id": "NEXT"},
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=SEEN_NEXT,
    ),
    Case(
        "a key that the store does not know",
        before=NEXT_LEADS,
        wants={**BACK, "access_key_id": "MID"},
        script=[lists(MID.on, NEXT.on), user()],
        ends=Fails("Access key MID of user ci cannot be made current: iam.yml does not have its secret"),
    ),
    Case(
        "what is current and works but is noted has the note taken back, and STS is asked",
        before=entry(OLD.stored(promoted=NOW, off=ago(5)), NEXT.stored(promoted=ago(9))),
        wants=BACK,
        script=[lists(OLD.on, NEXT.on), user(), writes(OLD_IS_BACK), *thrice(accepts(OLD))],
        ends=Done(OLD.on, "current", ROLLED_BACK, ROLLED_BACK),
    ),
]

HOLD_BACK = {**BACK, "hold_days": 3}
OFF = [lists(OLD.off, NEXT.on), user()]
HELD = replace(NEXT_LEADS, hold_until=ago(-3))
HELD_OLD_NOTED = replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3))
HELD_OLD_IS_BACK = replace(OLD_IS_BACK, hold_until=ago(-3))
BACK_AND_HELD = Done(OLD.on, "current", OLD_OFF, {**ROLLED_BACK, "held until": iso(-3)})
HOLD_TOLD = {"changed": True, "access_key": OLD.off.public(), "stage": "previous"}
ON_TOLD = {"changed": True, "access_key": OLD.on.public(), "stage": "previous"}
SWITCHES_ON = [*OFF, writes(HELD_OLD_NOTED), switches_on(OLD), writes(HELD)]

ROLLBACK_THAT_STOPS = [
    Case(
        "a rollback whose hold cannot be written sends nothing",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*OFF, cannot_write(HELD_OLD_NOTED)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback whose request is refused: the hold stays, which is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*OFF, writes(HELD_OLD_NOTED), fails(switches_on(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD on", HOLD_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback whose request gets no answer: the hold stays, which is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*OFF, writes(HELD_OLD_NOTED), is_lost(switches_on(OLD))],
        ends=Fails("Could not set_status ci OLD on", HOLD_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback whose note cannot be taken back: that the key is on is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*OFF, writes(HELD_OLD_NOTED), switches_on(OLD), cannot_write(HELD)],
        ends=Fails("iam.yml cannot be written: no space left", ON_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback that STS does not accept because somebody revoked the key meanwhile says so",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**HOLD_BACK, "verify_timeout": 0},
        script=[
            *SWITCHES_ON,
            refuses(OLD),
            Meanwhile(entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=NOW, revoked=NOW))),
        ],
        ends=Fails("Access key OLD of user ci was revoked while STS was asked: it is not made current", ON_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback that STS does not accept in time is switched on and held",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**HOLD_BACK, "verify_timeout": 0},
        script=[*SWITCHES_ON, refuses(OLD)],
        ends=Fails(
            "STS did not accept access key OLD of user ci within 0 seconds; it is switched on and held, but not current: run "
            "again",
            ON_TOLD,
        ),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback that cannot be written once STS has accepted it",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*SWITCHES_ON, *thrice(accepts(OLD)), cannot_write(HELD_OLD_IS_BACK)],
        ends=Fails("iam.yml cannot be written: no space left", ON_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "a rollback to a key that works is held before STS is asked",
        before=NEXT_LEADS,
        wants=HOLD_BACK,
        script=[lists(OLD.on, NEXT.on), user(), writes(HELD), *thrice(accepts(OLD)), writes(HELD_OLD_IS_BACK)],
        ends=replace(BACK_AND_HELD, before=BOTH_ON),
    ),
    Case(
        "a rollback to a key that works and that STS does not accept in time: the hold is told",
        before=NEXT_LEADS,
        wants={**HOLD_BACK, "verify_timeout": 0},
        script=[lists(OLD.on, NEXT.on), user(), writes(HELD), refuses(OLD)],
        ends=Fails(
            "STS did not accept access key OLD of user ci within 0 seconds; it is switched on and held, but not current: run "
            "again",
            ON_TOLD,
        ),
        checked=replace(BACK_AND_HELD, before=BOTH_ON),
    ),
    Case(
        "a rollback to a key that works, and a hold that cannot be written: STS is not asked",
        before=NEXT_LEADS,
        wants=HOLD_BACK,
        script=[lists(OLD.on, NEXT.on), user(), cannot_write(HELD)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=replace(BACK_AND_HELD, before=BOTH_ON),
    ),
    Case(
        "after a crash between the hold and the request the same rollback goes on",
        before=HELD_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*OFF, switches_on(OLD), writes(HELD), *thrice(accepts(OLD)), writes(HELD_OLD_IS_BACK)],
        ends=replace(BACK_AND_HELD, before={**OLD_OFF, "held until": iso(-3)}),
    ),
    Case(
        "after a crash between the request and the note the same rollback goes on",
        before=HELD_OLD_NOTED,
        wants=HOLD_BACK,
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(HELD),
            *thrice(accepts(OLD)),
            writes(HELD_OLD_IS_BACK),
        ],
        ends=replace(BACK_AND_HELD, before={**BOTH_ON, "held until": iso(-3)}),
    ),
    Case(
        "after a crash while STS was asked the same rollback goes on",
        before=HELD,
        wants=HOLD_BACK,
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(OLD)), writes(HELD_OLD_IS_BACK)],
        ends=replace(BACK_AND_HELD, before={**BOTH_ON, "held until": iso(-3)}),
    ),
    Case(
        "a rollback to a next key, of a user who is held",
        before=HELD_NEXT,
        wants={**BACK, "access_key_id": "NEXT"},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            *thrice(accepts(NEXT)),
            writes(replace(NEXT_IS_CURRENT, hold_until=ago(-3))),
        ],
        ends=replace(
            SEEN_NEXT,
            before={**SEEN_NEXT.before, "held until": iso(-3)},
            after={**(SEEN_NEXT.after or {}), "held until": iso(-3)},
        ),
    ),
    Case(
        "a rollback while another run revokes the key, once it was switched on: that it was is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=HOLD_BACK,
        script=[*SWITCHES_ON, *thrice(accepts(OLD)), Meanwhile(NEXT_LEADS_OLD_REVOKED)],
        ends=Fails("Access key OLD of user ci was revoked while STS was asked: it is not made current", ON_TOLD),
        checked=BACK_AND_HELD,
    ),
    Case(
        "leaked=false is about the revocation that was there, not about another one while STS was asked",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={**BACK, "leaked": False},
        script=[*OFF, switches_on(OLD), writes(NEXT_LEADS), *thrice(accepts(OLD)), Meanwhile(NEXT_LEADS_OLD_REVOKED)],
        ends=Fails("Access key OLD of user ci was switched off while STS was asked: run again", ON_TOLD),
        checked=Done(OLD.on, "current", {**OLD_OFF, "OLD": "Inactive"}, ROLLED_BACK),
    ),
]

CASES = [*WAITING_FOR_STS, *PROMOTING, *ANOTHER_RUN, *ROLLBACK, *ROLLBACK_THAT_STOPS]
