# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks IAM, what it writes and in which order, and what it says; each case really and in check mode.

Each case names the world before, the wish, and the script: every request and every write of the store in its order. So
that a note or a secret is in the store before the next request goes out stands in the script, and nothing else passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._errors import KeyturnError
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
    Made,
    Meanwhile,
    Played,
    Step,
    accepts,
    ago,
    as_checked,
    asked,
    cannot_write,
    creates,
    deletes,
    entry,
    fails,
    is_lost,
    iso,
    lists,
    play,
    quota,
    refused,
    refuses,
    secrets_of,
    sleeps,
    switches_off,
    switches_on,
    used,
    user,
    writes,
)

LATE = Made("LATE", ago(seconds=4))  # too young for STS's answers to count
LEFT = Made("LEFT", ago(0.1))  # made by a request without an answer
HOUR = Made("HOUR", ago(1 / 24))  # a list that lacks it is right
LOST = Made("LOST", ago(60))

OLD_STAYS = entry(OLD.stored())
ASKED = entry(OLD.stored(), asked=asked(OLD))
STORED = entry(OLD.stored(), NEW.stored(), asked=asked(OLD))
NEW_IS_CURRENT = entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)))
NEXT_WAITS = entry(OLD.stored(), NEXT.stored(), asked=asked(OLD, date=ago(0.1)))
NEXT_IS_CURRENT = entry(NEXT.stored(promoted=NOW), OLD.stored(promoted=ago(100)))


def thrice(step: Step) -> list[Step]:
    return [step] * 3


# What a rotation of OLD does, up to where NEW waits for STS; and how it ends.
LOOKS = [lists(OLD.on), user(), STS_READY, quota(2)]
MAKES = [*LOOKS, writes(ASKED), creates(NEW), writes(STORED)]
MADE = Done(NEW.on, "current", {"OLD": "Active, current"}, {"OLD": "Active, previous", "NEW": "Active, current"})
# A waiting next that becomes current, as a list beside the store shows it.
SEEN_NEXT = Done(
    NEXT.on,
    "current",
    {"OLD": "Active, current", "NEXT": "Active, next"},
    {"OLD": "Active, previous", "NEXT": "Active, current"},
)
# What a failure carries once NEW was made and stored.
TOLD = {"changed": True, "access_key": NEW.on.public(), "stage": "next"}
ROTATE = {"max_age_days": 90}
# The planned switching off of OLD, which NEXT has replaced.
RETIRE = {"access_key_id": "OLD", "active": False, "min_idle_days": 7, "replacement": "NEXT"}
NEXT_LEADS = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100)))
NEXT_LEADS_OLD_NOTED = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=NOW))
BOTH_ON = {"OLD": "Active, previous", "NEXT": "Active, current"}
OLD_OFF = {"OLD": "Inactive, previous", "NEXT": "Active, current"}
OF_OTHER_ACCOUNT = Fails(
    f"The keys of user ci in iam.yml belong to account {ACCOUNT}, but these credentials are for account {OTHER_ACCOUNT}; "
    "use that account's credentials or another vault_file"
)
OF_OTHER_USER = Fails(
    "The keys of user ci in iam.yml belong to user id AIDACI, but IAM's user of that name is AIDAOTHER: deleted and made "
    "again; remove the old keys with state=absent, or rename their entry"
)
NO_USER = Fails("There is no IAM user ci (asked with access key SIGNER: is it the right account?)")
NO_SUCH_USER = fails(lists(), "NoSuchEntity", 404)

SATISFIED = [
    Case(
        "without a store any Active key satisfies, the newest is named",
        before=None,
        wants={},
        script=[lists(OLD.on, MID.on, NEXT.off)],
        ends=Done(MID.on, None, {"OLD": "Active", "MID": "Active", "NEXT": "Inactive"}),
    ),
    Case(
        "a key that is younger than max_age_days satisfies",
        before=None,
        wants={"max_age_days": 41},
        script=[lists(OLD.on, MID.on)],
        ends=Done(MID.on, None, {"OLD": "Active", "MID": "Active"}),
    ),
    Case(
        "the store's current key satisfies, whatever else the user has",
        before=OLD_STAYS,
        wants={},
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active"}),
    ),
    Case(
        "a current key made so lately that the list lacks it satisfies",
        before=entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100))),
        wants={"max_age_days": 90},
        script=[lists(OLD.on)],
        ends=Done(NEW.on, "current", {"OLD": "Active, previous"}),
    ),
    Case(
        "a held user's current key satisfies, be it as old as it may",
        before=entry(OLD.stored(), MID.stored(promoted=ago(40)), hold=ago(-3)),
        wants={"max_age_days": 90},
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active, previous", "(held until)": iso(-3)}),
    ),
    Case(
        "a hold keeps the current key, not one that only the list has",
        before=entry(OLD.stored(), hold=ago(-3)),
        wants=ROTATE,
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active", "(held until)": iso(-3)}),
    ),
]

MAKING = [
    Case(
        "a user without keys gets one; without a store its secret is returned",
        before=None,
        wants={},
        script=[lists(), creates(NEW)],
        ends=Done(NEW.on, None, {}, {"NEW": "Active"}, secret=NEW.secret),
    ),
    Case(
        "a key as old as max_age_days does not satisfy",
        before=None,
        wants={"max_age_days": 100},
        script=[lists(OLD.on), quota(2), creates(NEW)],
        ends=Done(NEW.on, None, {"OLD": "Active"}, {"OLD": "Active", "NEW": "Active"}, secret=NEW.secret),
    ),
    Case(
        "a status that is neither Active nor Inactive is not Active",
        before=None,
        wants={},
        script=[lists(MID.with_status("Expired")), quota(2), creates(NEW)],
        ends=Done(NEW.on, None, {"MID": "Expired"}, {"MID": "Expired", "NEW": "Active"}, secret=NEW.secret),
    ),
    Case(
        "a new key that is to be Inactive is made and then switched off",
        before=None,
        wants={"active": False, "max_age_days": 0},
        script=[lists(), creates(NEW), switches_off(NEW)],
        ends=Done(NEW.off, None, {}, {"NEW": "Inactive"}, secret=NEW.secret),
    ),
    Case(
        "a new key that cannot be switched off is returned with its secret all the same",
        before=None,
        wants={"active": False, "max_age_days": 0},
        script=[lists(), creates(NEW), fails(switches_off(NEW), "AccessDenied", 403)],
        ends=Fails(
            "Access key NEW of user ci was made and returned, but it is still Active: switching it off failed",
            {"changed": True, "access_key": NEW.on.public(), "secret_access_key": NEW.secret},
        ),
        checked=Done(NEW.off, None, {}, {"NEW": "Inactive"}),
    ),
    Case(
        "a new key is asked for in writing, stored before anything else, and current once STS has accepted it",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            lists(OLD.on),
            user(),
            STS_READY,
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD))),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=MADE,
    ),
    Case(
        "with verify=false a new key stays in the store as next, and STS need not be reached",
        before=OLD_STAYS,
        wants={**ROTATE, "verify": False},
        script=[lists(OLD.on), user(), quota(2), writes(ASKED), creates(NEW), writes(STORED)],
        ends=Done(NEW.on, "next", {"OLD": "Active, current"}, {"OLD": "Active, current", "NEW": "Active, next"}),
    ),
    Case(
        "a user whom the store does not know is noted with account and id",
        before=Entry(),
        wants={},
        script=[
            lists(),
            user(),
            STS_READY,
            writes(entry(asked=asked())),
            creates(NEW),
            writes(entry(None, NEW.stored(), asked=asked())),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW))),
        ],
        ends=Done(NEW.on, "current", {}, {"NEW": "Active, current"}),
    ),
    Case(
        "an entry that a person wrote, id and secret alone, is noted with account and id, and known to have been current",
        before=entry(("OLD", StoredKey(OLD.secret)), account_id=None, user_id=None),
        wants=ROTATE,
        script=[
            *LOOKS,
            writes(entry(("OLD", StoredKey(OLD.secret)), asked=asked(OLD))),
            creates(NEW),
            writes(entry(("OLD", StoredKey(OLD.secret)), NEW.stored(), asked=asked(OLD))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW), ("OLD", StoredKey(OLD.secret, promote_date=NOW)))),
        ],
        ends=MADE,
    ),
    Case(
        "a current key that a person switched off does not satisfy",
        before=OLD_STAYS,
        wants={},
        script=[
            lists(OLD.off),
            *LOOKS[1:],
            writes(ASKED),
            creates(NEW),
            writes(STORED),
            *thrice(accepts(NEW)),
            writes(NEW_IS_CURRENT),
        ],
        ends=Done(
            NEW.on, "current", {"OLD": "Inactive, current"}, {"OLD": "Inactive, previous", "NEW": "Active, current"}
        ),
    ),
    Case(
        "a current key that we switched off a minute ago does not satisfy, whatever the list says",
        before=entry(OLD.stored(off=ago(seconds=60))),
        wants={"verify": False},
        script=[
            lists(OLD.on),
            user(),
            quota(2),
            writes(entry(OLD.stored(off=ago(seconds=60)), asked=asked(OLD))),
            creates(NEW),
            writes(entry(OLD.stored(off=ago(seconds=60)), NEW.stored(), asked=asked(OLD))),
        ],
        ends=Done(NEW.on, "next", {"OLD": "Active, current"}, {"OLD": "Active, current", "NEW": "Active, next"}),
    ),
    Case(
        "a current key of yesterday that the list lacks does not satisfy, and its secret stays",
        before=OLD_STAYS,
        wants={},
        script=[
            lists(),
            user(),
            STS_READY,
            writes(entry(OLD.stored(), asked=asked())),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked())),
            *thrice(accepts(NEW)),
            writes(NEW_IS_CURRENT),
        ],
        ends=Done(NEW.on, "current", {}, {"NEW": "Active, current"}),
    ),
    Case(
        "max_age_days=0 makes a key for a held user, who stays held",
        before=entry(OLD.stored(), hold=ago(-3)),
        wants={"max_age_days": 0},
        script=[
            *LOOKS,
            writes(entry(OLD.stored(), asked=asked(OLD), hold=ago(-3))),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD), hold=ago(-3))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)), hold=ago(-3))),
        ],
        ends=Done(
            NEW.on,
            "current",
            {"OLD": "Active, current", "(held until)": iso(-3)},
            {"OLD": "Active, previous", "NEW": "Active, current", "(held until)": iso(-3)},
        ),
    ),
    Case(
        "a hold that ends now keeps nothing",
        before=entry(OLD.stored(), hold=NOW),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on),
            user(),
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD), hold=NOW)),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD), hold=NOW)),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "(held until)": iso()},
            {"OLD": "Active, current", "NEW": "Active, next", "(held until)": iso()},
        ),
    ),
    Case(
        "a next that a person switched off is passed over and is not next any more",
        before=entry(OLD.stored(), NEXT.stored()),
        wants=ROTATE,
        script=[
            lists(OLD.on, NEXT.off),
            user(),
            STS_READY,
            quota(3),
            writes(entry(OLD.stored(), NEXT.stored(), asked=asked(OLD, NEXT))),
            creates(NEW),
            writes(entry(OLD.stored(), NEXT.stored(), NEW.stored(), asked=asked(OLD, NEXT))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=NOW), NEXT.stored(), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(
            NEW.on,
            "current",
            {"OLD": "Active, current", "NEXT": "Inactive, next"},
            {"OLD": "Active, previous", "NEXT": "Inactive", "NEW": "Active, current"},
        ),
        wrong={"check": "the diff still calls the key next that the new one passes over"},
    ),
    Case(
        "STS that cannot be set up is an error before a key is made",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS[:2], refused(STS_READY, "No region")],
        ends=Fails("No region"),
    ),
    Case(
        "a quota that cannot be read is an error before a key is made",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS[:3], fails(quota(2), "Throttling")],
        ends=Fails("Could not quota"),
    ),
    Case(
        "a key is made while the one that it replaces is Active",
        before=OLD_STAYS,
        wants={**ROTATE, "replaces": "OLD"},
        script=[*MAKES, *thrice(accepts(NEW)), writes(NEW_IS_CURRENT)],
        ends=MADE,
    ),
    Case(
        "no key is made where the one that it was to replace is Inactive",
        before=OLD_STAYS,
        wants={**ROTATE, "replaces": "OLD"},
        script=[lists(OLD.off), user()],
        ends=Fails(
            "No access key is made for user ci: OLD, which it was to replace, is Inactive; somebody changed the user's keys "
            "meanwhile, so look again and plan anew"
        ),
    ),
    Case(
        "no key is made where the one that it was to replace is gone",
        before=None,
        wants={**ROTATE, "replaces": "MID"},
        script=[lists(OLD.on)],
        ends=Fails(
            "No access key is made for user ci: MID, which it was to replace, does not exist; somebody changed the user's "
            "keys meanwhile, so look again and plan anew"
        ),
    ),
    Case(
        "no key is made with another account's credentials",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[lists(MID.on), user(account_id=OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "no key is made for a user that was deleted and made again",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[lists(), user(user_id="AIDAOTHER")],
        ends=OF_OTHER_USER,
    ),
    Case("no key is made for a user that is missing", OLD_STAYS, {}, [NO_SUCH_USER], NO_USER),
    Case(
        "a list that cannot be read is not a user without keys",
        before=OLD_STAYS,
        wants={},
        script=[fails(lists(), "AccessDenied", 403)],
        ends=Fails("Could not keys ci"),
    ),
    Case(
        "a current key made an hour ago that the list lacks is gone",
        before=entry(HOUR.stored()),
        wants={"verify": False},
        script=[
            lists(),
            user(),
            writes(entry(HOUR.stored(), asked=asked())),
            creates(),
            writes(entry(HOUR.stored(), NEW.stored(), asked=asked())),
        ],
        ends=Done(NEW.on, "next", {}, {"NEW": "Active, next"}),
    ),
    Case(
        "a current key whose secret the store lacks does not satisfy",
        before=entry(("OLD", StoredKey())),
        wants={"verify": False},
        script=[
            lists(OLD.on),
            user(),
            quota(2),
            writes(entry(("OLD", StoredKey()), asked=asked(OLD))),
            creates(),
            writes(entry(("OLD", StoredKey()), NEW.stored(), asked=asked(OLD))),
        ],
        ends=Done(NEW.on, "next", {"OLD": "Active, current"}, {"OLD": "Active, current", "NEW": "Active, next"}),
    ),
    Case(
        "a current key that we switched off five minutes ago is as the list has it again",
        before=entry(OLD.stored(off=ago(seconds=300))),
        wants={},
        script=[lists(OLD.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current"}),
    ),
    Case(
        "a key that an earlier task of the run would have deleted satisfies nothing in check mode",
        before=entry(LATE.stored(promoted=NOW)),
        wants={"assume_deleted": ["LATE"]},
        script=[lists(LATE.on)],
        ends=Done(LATE.on, "current", {"LATE": "Active, current"}),
        checked_script=[lists(LATE.on), user(), STS_READY],
        checked=Done(NEW.on, "current", {"LATE": "Active, current"}, {"NEW": "Active, current"}),
    ),
]

REQUEST_FAILS = [
    Case(
        "nothing is sent where the store cannot note what is about to be asked",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, cannot_write(ASKED)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=MADE,
    ),
    Case(
        "a request that was refused is taken back from the store",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), fails(creates(), "AccessDenied", 403), writes(OLD_STAYS)],
        ends=Fails("Could not create ci"),
        checked=MADE,
    ),
    Case(
        "a request without an answer stays asked, and is not sent again",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), is_lost(creates()), lists(OLD.on)],
        ends=Fails(
            "No answer came to the request for a new access key of user ci, and it is never sent twice; no new key shows in "
            "IAM's list yet: run again later, which makes one or names what was left"
        ),
        checked=MADE,
    ),
    Case(
        "a request without an answer, and then a list that cannot be read",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), is_lost(creates()), is_lost(lists())],
        ends=Fails(
            "No answer came to the request for a new access key of user ci, and it is never sent twice; no new key shows in "
            "IAM's list yet: run again later, which makes one or names what was left"
        ),
        checked=MADE,
    ),
    Case(
        "a request without an answer that made a key names it",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), is_lost(creates()), lists(OLD.on, NEW.on)],
        ends=Fails(
            "No answer came to the request for a new access key of user ci, and it is never sent twice. User ci has access "
            "key NEW, which an interrupted run left: nobody holds its secret, so it does no harm; the first run after "
            f"{iso(-0.5)} removes it, or remove it now with state=absent and access_key_id=NEW"
        ),
        checked=MADE,
    ),
    Case(
        "without a store, a request without an answer that made a key names it",
        before=None,
        wants={},
        script=[lists(), is_lost(creates()), lists(NEW.on)],
        ends=Fails(
            "No answer came to the request for a new access key of user ci, and it is never sent twice; IAM's list shows NEW, "
            "which it may have made: nobody holds the secret, so it does no harm; if it is not somebody else's, remove it "
            "with state=absent and access_key_id, then run again"
        ),
        checked=Done(NEW.on, None, {}, {"NEW": "Active"}),
    ),
    Case(
        "a new key that cannot be stored is deleted again, and what was asked is taken back",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), creates(), cannot_write(STORED), deletes(NEW), writes(OLD_STAYS)],
        ends=Fails(
            "The new access key NEW of user ci could not be stored (iam.yml cannot be written: no space left), so it was "
            "deleted again; nothing else was changed: make the file writable and run again"
        ),
        checked=MADE,
    ),
    Case(
        "a new key that cannot be stored is deleted again, though the store cannot be written at all any more",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *LOOKS,
            writes(ASKED),
            creates(),
            cannot_write(STORED),
            fails(deletes(NEW), "NoSuchEntity", 404),
            cannot_write(OLD_STAYS),
        ],
        ends=Fails(
            "The new access key NEW of user ci could not be stored (iam.yml cannot be written: no space left), so it was "
            "deleted again; nothing else was changed: make the file writable and run again"
        ),
        checked=MADE,
    ),
    Case(
        "a new key that can neither be stored nor deleted is named; what was asked stays, for the next run to find it",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), creates(), cannot_write(STORED), fails(deletes(NEW), "AccessDenied", 403)],
        ends=Fails(
            "The new access key NEW of user ci could not be stored (iam.yml cannot be written: no space left) and could not "
            "be deleted again: nobody holds its secret; delete it with state=absent and access_key_id=NEW, once the store "
            "can be written",
            {"changed": True, "access_key": NEW.on.public()},
        ),
        checked=MADE,
        wrong={"run": "a key was made and is there, but the failure does not say changed"},
    ),
    Case(
        "a request that was refused for another reason than the quota deletes nothing",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[
            lists(OLD.on, MID.off),
            user(),
            STS_READY,
            quota(None),
            writes(entry(OLD.stored(), asked=asked(OLD, MID))),
            fails(creates(), "AccessDenied", 403),
            writes(OLD_STAYS),
        ],
        ends=Fails("Could not create ci"),
        checked=replace(
            MADE,
            before={"OLD": "Active, current", "MID": "Inactive"},
            after={"OLD": "Active, previous", "MID": "Inactive", "NEW": "Active, current"},
        ),
    ),
]

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
        "answers count from the last refusal on, and IAM is asked once whether the key is still there",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *MAKES,
            accepts(NEW),
            accepts(NEW),
            refuses(NEW),
            lists(OLD.on, NEW.on),
            sleeps(0.5),
            accepts(NEW),
            refuses(NEW),
            sleeps(0.5),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=ago(seconds=-1)), OLD.stored(promoted=ago(100)))),
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
        script=[lists(OLD.on, NEXT.on), user(), accepts(NEXT), accepts(NEXT, account_id=OTHER_ACCOUNT)],
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
            sleeps(0.5),
            accepts(LATE),
            sleeps(5.5),
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
        wrong={"run": "AWS's time is asked for before anything told it: the failure blames a proxy"},
        wrong_calls=True,
    ),
]

PROMOTING = [
    Case(
        "a next that waits becomes current, and no key is made",
        before=NEXT_WAITS,
        wants=ROTATE,
        script=[lists(OLD.on, NEXT.on), user(), *thrice(accepts(NEXT)), writes(NEXT_IS_CURRENT)],
        ends=SEEN_NEXT,
        wrong={"run": "a list was read, and the diff does not show its statuses, which check mode does"},
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
            f"Access key NEW of user ci is not made current: the user's keys are held as they are until {iso(-3)}", TOLD
        ),
        checked=MADE,
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
        ends=replace(MADE, after={**(MADE.after or {}), "(held until)": iso()}),
        checked=MADE,
    ),
]
FULL = "User ci has 2 access keys and the quota is 2"
WITH_MID = [lists(OLD.on, MID.off), user(), STS_READY]
MID_DELETED = Done(
    NEW.on,
    "current",
    {"OLD": "Active, current", "MID": "Inactive"},
    {"OLD": "Active, previous", "NEW": "Active, current"},
    deleted=MID,
)
GOES_ON = [writes(ASKED), creates(), writes(STORED), *thrice(accepts(NEW)), writes(NEW_IS_CURRENT)]

AT_LIMIT = [
    Case(
        "at_limit=fail deletes nothing",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*WITH_MID, quota(2)],
        ends=Fails(f"{FULL}, so no other can be made: OLD (Active), MID (Inactive); delete one, or set at_limit"),
    ),
    Case(
        "at_limit=delete_inactive deletes an Inactive key",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[*WITH_MID, quota(2), deletes(MID), *GOES_ON],
        ends=MID_DELETED,
    ),
    Case(
        "at_limit=delete_inactive deletes no Active key",
        before=None,
        wants={**ROTATE, "at_limit": "delete_inactive", "max_age_days": 10},
        script=[lists(OLD.on, MID.on), quota(2)],
        ends=Fails(
            f"{FULL}, and none is Inactive (the stored current and next key and the one to be replaced stay): OLD (Active), "
            "MID (Active)"
        ),
    ),
    Case(
        "at_limit=delete_inactive spares the store's current key, Inactive or not",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[lists(OLD.off, MID.on), user(), STS_READY, quota(2)],
        ends=Fails(
            f"{FULL}, and none is Inactive (the stored current and next key and the one to be replaced stay): OLD (Inactive), "
            "MID (Active)"
        ),
    ),
    Case(
        "at_limit=delete_oldest deletes the oldest key, Active or not",
        before=None,
        wants={"max_age_days": 0, "at_limit": "delete_oldest"},
        script=[lists(OLD.on, MID.off), quota(2), deletes(OLD), creates()],
        ends=Done(
            NEW.on,
            None,
            {"OLD": "Active", "MID": "Inactive"},
            {"MID": "Inactive", "NEW": "Active"},
            deleted=OLD,
            secret=NEW.secret,
        ),
    ),
    Case(
        "at_limit=delete_oldest spares the store's current and next, and what is to be replaced",
        before=entry(OLD.stored(), NEXT.stored()),
        wants={**ROTATE, "at_limit": "delete_oldest", "replaces": "MID"},
        script=[lists(OLD.on, MID.on, NEXT.off), user(), STS_READY, quota(3)],
        ends=Fails(
            "User ci has 3 access keys and the quota is 3, and none may be deleted (the stored current and next key and the "
            "one to be replaced stay): OLD (Active), MID (Active), NEXT (Inactive)"
        ),
    ),
    Case(
        "a stored key that makes room leaves the store once it is deleted",
        before=entry(MID.stored(promoted=ago(40)), OLD.stored(promoted=ago(100), off=ago(30))),
        wants={"max_age_days": 30, "at_limit": "delete_oldest", "verify": False},
        script=[
            lists(OLD.off, MID.on),
            user(),
            quota(2),
            deletes(OLD),
            writes(entry(MID.stored(promoted=ago(40)))),
            writes(entry(MID.stored(promoted=ago(40)), asked=asked(MID))),
            creates(),
            writes(entry(MID.stored(promoted=ago(40)), NEW.stored(), asked=asked(MID))),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Inactive, previous", "MID": "Active, current"},
            {"MID": "Active, current", "NEW": "Active, next"},
            deleted=OLD,
        ),
    ),
    Case(
        "a key that makes room, and a store that cannot be written then: the deletion is told",
        before=entry(MID.stored(promoted=ago(40)), OLD.stored(promoted=ago(100), off=ago(30))),
        wants={"max_age_days": 30, "at_limit": "delete_oldest", "verify": False},
        script=[
            lists(OLD.off, MID.on),
            user(),
            quota(2),
            deletes(OLD),
            cannot_write(entry(MID.stored(promoted=ago(40)))),
        ],
        ends=Fails(
            "iam.yml cannot be written: no space left (access key OLD was deleted before)",
            {"changed": True, "deleted_access_key_id": "OLD"},
        ),
        checked=Done(
            NEW.on,
            "next",
            {"OLD": "Inactive, previous", "MID": "Active, current"},
            {"MID": "Active, current", "NEW": "Active, next"},
            deleted=OLD,
        ),
        wrong={"run": "the key was deleted, and the failure says neither that nor changed"},
    ),
    Case(
        "a key that makes room and is gone already is deleted",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[*WITH_MID, quota(2), fails(deletes(MID), "NoSuchEntity", 404), *GOES_ON],
        ends=MID_DELETED,
    ),
    Case(
        "a key that makes room and may not be deleted",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[*WITH_MID, quota(2), fails(deletes(MID), "AccessDenied", 403)],
        ends=Fails("Could not delete ci MID"),
        checked=MID_DELETED,
    ),
    Case(
        "a key that makes room is asked for its last use just before it is deleted",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive", "min_idle_days": 30},
        script=[*WITH_MID, quota(2), used(MID, None), deletes(MID), *GOES_ON],
        ends=MID_DELETED,
    ),
    Case(
        "a key that was used within min_idle_days makes no room",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive", "min_idle_days": 30},
        script=[*WITH_MID, quota(2), used(MID, days=29)],
        ends=Fails(
            f"Access key MID of user ci is not deleted: it was last used {iso(29)} (s3), within the 30 days of "
            "min_idle_days; move its user to the new key first"
        ),
    ),
    Case(
        "a key whose last use cannot be read makes no room",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive", "min_idle_days": 30},
        script=[*WITH_MID, quota(2), fails(used(MID, None), "AccessDenied", 403)],
        ends=Fails("Access key MID of user ci is not deleted: its last use is not known"),
    ),
    Case(
        "a user with more keys than the quota",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_oldest"},
        script=[lists(OLD.on, LOST.off, MID.off), user(), STS_READY, quota(2)],
        ends=Fails(
            "User ci has 3 access keys and the quota is 2, so deleting one makes no room for another: OLD (Active), LOST "
            "(Inactive), MID (Inactive); delete 2 with state=absent"
        ),
    ),
    Case(
        "a quota that may not be read, and room",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS[:3], quota(None), *GOES_ON],
        ends=MADE,
    ),
    Case(
        "a quota that may not be read, and AWS says that it is full",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[
            *LOOKS[:3],
            quota(None),
            writes(ASKED),
            fails(creates(), "LimitExceeded", 409),
            writes(OLD_STAYS),
        ],
        ends=Fails(
            "User ci has as many access keys as the account allows, so no other can be made: OLD (Active); delete one, or "
            "set at_limit"
        ),
        checked=MADE,
    ),
    Case(
        "a quota that may not be read: AWS says that it is full, so at_limit makes room and the request is sent anew",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[
            *WITH_MID,
            quota(None),
            writes(entry(OLD.stored(), asked=asked(OLD, MID))),
            fails(creates(), "LimitExceeded", 409),
            writes(OLD_STAYS),
            deletes(MID),
            *GOES_ON,
        ],
        ends=MID_DELETED,
        checked=replace(MID_DELETED, deleted=None, after={**(MADE.after or {}), "MID": "Inactive"}),
    ),
    Case(
        "a quota that may not be read: one deletion is all that at_limit does",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[
            *WITH_MID,
            quota(None),
            writes(entry(OLD.stored(), asked=asked(OLD, MID))),
            fails(creates(), "LimitExceeded", 409),
            writes(OLD_STAYS),
            deletes(MID),
            writes(ASKED),
            fails(creates(), "LimitExceeded", 409),
            writes(OLD_STAYS),
        ],
        ends=Fails(
            "User ci has as many access keys as the account allows, so no other can be made: OLD (Active); delete one, or "
            "set at_limit (access key MID was deleted before)",
            {"changed": True, "deleted_access_key_id": "MID"},
        ),
        checked=replace(MID_DELETED, deleted=None, after={**(MADE.after or {}), "MID": "Inactive"}),
    ),
    Case(
        "what an earlier task of the run would have deleted makes room in check mode",
        before=entry(MID.stored(promoted=ago(40)), OLD.stored(promoted=ago(100), off=ago(30))),
        wants={"max_age_days": 30, "assume_deleted": ["OLD"]},
        script=[lists(OLD.off, MID.on), user(), STS_READY, quota(2)],
        ends=Fails(f"{FULL}, so no other can be made: OLD (Inactive), MID (Active); delete one, or set at_limit"),
        checked=Done(
            NEW.on,
            "current",
            {"OLD": "Inactive, previous", "MID": "Active, current"},
            {"MID": "Active, previous", "NEW": "Active, current"},
        ),
    ),
]

LEFT_OVER = entry(OLD.stored(), asked=asked(OLD, date=ago(0.1)))
HALF_DAY = Made("LEFT", ago(0.5))
LONG_LEFT = Made("LEFT", ago(1))
LONG_LEFT_OVER = entry(OLD.stored(), asked=asked(OLD, date=ago(1)))
JUST_ASKED = entry(OLD.stored(), asked=asked(OLD, date=ago(seconds=3)))
SEVEN = ago(seconds=-7)


def left_over(key: Made) -> str:
    until = (key.date + timedelta(hours=12)).isoformat()
    return (
        f"User ci has access key {key.name}, which an interrupted run left: nobody holds its secret, so it does no harm; "
        f"the first run after {until} removes it, or remove it now with state=absent and access_key_id={key.name}"
    )


LEFTOVERS = [
    Case(
        "a young leftover makes the task wait",
        before=LEFT_OVER,
        wants=ROTATE,
        script=[lists(OLD.on, LEFT.on), user(), used(LEFT, None)],
        ends=Fails(left_over(LEFT)),
    ),
    Case(
        "an old leftover is deleted, and a key is made",
        before=LONG_LEFT_OVER,
        wants=ROTATE,
        script=[
            lists(OLD.on, LONG_LEFT.on),
            user(),
            used(LONG_LEFT, None),
            deletes(LONG_LEFT),
            writes(OLD_STAYS),
            STS_READY,
            quota(2),
            *GOES_ON,
        ],
        ends=replace(MADE, before={"OLD": "Active, current", "LEFT": "Active"}, deleted=LEFT),
    ),
    Case(
        "an old leftover is deleted, and no key is made: the deletion is told",
        before=LONG_LEFT_OVER,
        wants={**ROTATE, "replaces": "MID"},
        script=[
            lists(OLD.on, LONG_LEFT.on),
            user(),
            used(LONG_LEFT, None),
            deletes(LONG_LEFT),
            writes(OLD_STAYS),
        ],
        ends=Fails(
            "No access key is made for user ci: MID, which it was to replace, does not exist; somebody changed the user's "
            "keys meanwhile, so look again and plan anew (access key LEFT was deleted before)",
            {"changed": True, "deleted_access_key_id": "LEFT"},
        ),
        checked=Fails(
            "No access key is made for user ci: MID, which it was to replace, does not exist; somebody changed the user's "
            "keys meanwhile, so look again and plan anew"
        ),
    ),
    Case(
        "an old leftover is deleted, and the store cannot be written then: the deletion is told",
        before=LONG_LEFT_OVER,
        wants=ROTATE,
        script=[
            lists(OLD.on, LONG_LEFT.on),
            user(),
            used(LONG_LEFT, None),
            deletes(LONG_LEFT),
            cannot_write(OLD_STAYS),
        ],
        checked_script=[lists(OLD.on, LONG_LEFT.on), user(), used(LONG_LEFT, None), STS_READY, quota(2)],
        ends=Fails(
            "iam.yml cannot be written: no space left (access key LEFT was deleted before)",
            {"changed": True, "deleted_access_key_id": "LEFT"},
        ),
        checked=replace(MADE, before={"OLD": "Active, current", "LEFT": "Active"}, deleted=LEFT),
        wrong={"run": "the key was deleted, and the failure says neither that nor changed"},
    ),
    Case(
        "a key that was used is no leftover",
        before=LONG_LEFT_OVER,
        wants=ROTATE,
        script=[lists(OLD.on, LONG_LEFT.on), user(), used(LONG_LEFT, days=0.5), STS_READY, quota(2)],
        ends=Fails(f"{FULL}, so no other can be made: OLD (Active), LEFT (Active); delete one, or set at_limit"),
    ),
    Case(
        "of two keys that were made at that time neither is a leftover",
        before=LONG_LEFT_OVER,
        wants=ROTATE,
        script=[lists(OLD.on, LONG_LEFT.on, replace(MID, date=ago(1)).on), user(), STS_READY, quota(3)],
        ends=Fails(
            "User ci has 3 access keys and the quota is 3, so no other can be made: OLD (Active), LEFT (Active), MID "
            "(Active); delete one, or set at_limit"
        ),
    ),
    Case(
        "a key that was made more than five minutes from the request is no leftover",
        before=entry(OLD.stored(), asked=asked(OLD, date=ago(1, seconds=-301))),
        wants=ROTATE,
        script=[lists(OLD.on, LONG_LEFT.on), user(), STS_READY, quota(2)],
        ends=Fails(f"{FULL}, so no other can be made: OLD (Active), LEFT (Active); delete one, or set at_limit"),
    ),
    Case(
        "a leftover whose last use cannot be read is left alone",
        before=LONG_LEFT_OVER,
        wants=ROTATE,
        script=[lists(OLD.on, LONG_LEFT.on), user(), fails(used(LONG_LEFT, None), "Throttling")],
        ends=Fails("Could not last_used LEFT"),
    ),
    Case(
        "seconds after a request without an answer IAM is asked once more before another key is made",
        before=JUST_ASKED,
        wants=ROTATE,
        script=[
            lists(OLD.on),
            user(),
            sleeps(7),
            lists(OLD.on),
            STS_READY,
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD, date=SEVEN))),
            creates(),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD, date=SEVEN))),
            *thrice(accepts(NEW)),
            writes(entry(NEW.stored(promoted=SEVEN), OLD.stored(promoted=ago(100)))),
        ],
        ends=MADE,
        checked_script=LOOKS,
    ),
    Case(
        "what shows in the list seconds after a request without an answer is a leftover",
        before=JUST_ASKED,
        wants=ROTATE,
        script=[lists(OLD.on), user(), sleeps(7), lists(OLD.on, LATE.on), used(LATE, None)],
        ends=Fails(left_over(LATE)),
        checked_script=LOOKS,
        checked=MADE,
    ),
    Case(
        "a leftover of twelve hours is deleted",
        before=entry(OLD.stored(), asked=asked(OLD, date=ago(0.5))),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on, HALF_DAY.on),
            user(),
            used(HALF_DAY, None),
            deletes(HALF_DAY),
            writes(OLD_STAYS),
            quota(2),
            writes(ASKED),
            creates(),
            writes(STORED),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "LEFT": "Active"},
            {"OLD": "Active, current", "NEW": "Active, next"},
            deleted=LEFT,
        ),
    ),
    Case(
        "a key whose secret is stored is no leftover",
        before=entry(OLD.stored(), LONG_LEFT.stored(), asked=asked(OLD, date=ago(1))),
        wants=ROTATE,
        script=[lists(OLD.on, LONG_LEFT.off), user(), STS_READY, quota(2)],
        ends=Fails(f"{FULL}, so no other can be made: OLD (Active), LEFT (Inactive); delete one, or set at_limit"),
    ),
    Case(
        "a leftover that we switched off is deleted as any other",
        before=entry(OLD.stored(), LONG_LEFT.noted(off=ago(0.5)), asked=asked(OLD, date=ago(1))),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on, LONG_LEFT.off),
            user(),
            used(LONG_LEFT, None),
            deletes(LONG_LEFT),
            writes(OLD_STAYS),
            quota(2),
            writes(ASKED),
            creates(),
            writes(STORED),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "LEFT": "Inactive"},
            {"OLD": "Active, current", "NEW": "Active, next"},
            deleted=LEFT,
        ),
    ),
]

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
        ends=Fails("Could not set_status ci OLD off"),
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
        wrong={"run": "the key was switched on, and the failure does not say changed"},
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
        ends=Fails(
            f"Access key OLD of user ci is not switched off: the user's keys are held as they are until {iso(-3)}"
        ),
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
            {**BOTH_ON, "(held until)": iso(-3)},
            {**OLD_OFF, "(held until)": iso(-3)},
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
        script=[lists(OLD.on, MID.off), user(), switches_on(MID), writes(OLD_STAYS)],
        ends=Done(
            MID.on,
            None,
            {"OLD": "Active, current", "MID": "Inactive"},
            {"OLD": "Active, current", "MID": "Active"},
        ),
    ),
    Case(
        "nothing is switched off for its replacement while the user is held",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants={"access_key_id": "OLD", "active": False, "replacement": "NEXT"},
        script=[lists(OLD.on, NEXT.on), user()],
        ends=Fails(
            f"Access key OLD of user ci is not switched off: the user's keys are held as they are until {iso(-3)}"
        ),
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
        ends=Done(OLD.off, "previous", {**BOTH_ON, "(held until)": iso()}, {**OLD_OFF, "(held until)": iso()}),
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

LEAK = {"access_key_id": "OLD", "active": False, "leaked": True}
OLD_REVOKED = OLD.stored(promoted=ago(100), off=NOW, revoked=NOW)
NEXT_LEADS_OLD_REVOKED = entry(NEXT.stored(promoted=ago(9)), OLD_REVOKED)
WAS_REVOKED = Fails(
    f"Access key OLD of user ci is not switched on: it was revoked on {iso()}; leaked=false says that it is safe all the same"
)

LEAKED = [
    Case(
        "a leaked key is noted as revoked and switched off",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS_OLD_REVOKED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "a leaked key is switched off though the list calls it Inactive, and a hold ends",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants=LEAK,
        script=[lists(OLD.off, NEXT.on), user(), writes(NEXT_LEADS_OLD_REVOKED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", {**OLD_OFF, "(held until)": iso(-3)}, OLD_OFF),
    ),
    Case(
        "a leaked key that is revoked and off stays as it is",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[lists(OLD.off, NEXT.on)],
        ends=Done(OLD.off, "previous", OLD_OFF),
    ),
    Case(
        "without a store a leaked key is switched off as any other",
        before=None,
        wants=LEAK,
        script=[lists(OLD.on), switches_off(OLD)],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
    Case(
        "a leaked key's revocation that was refused is taken back",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            writes(NEXT_LEADS_OLD_REVOKED),
            fails(switches_off(OLD), "AccessDenied", 403),
            writes(NEXT_LEADS),
        ],
        ends=Fails("Could not set_status ci OLD off"),
        checked=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
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
        ends=Done(OLD.on, "previous", OLD_OFF, BOTH_ON),
    ),
    Case(
        "a revoked key is not made current",
        before=NEXT_LEADS_OLD_REVOKED,
        wants={"access_key_id": "OLD", "stage": "current"},
        script=[lists(OLD.off, NEXT.on), user()],
        ends=WAS_REVOKED,
    ),
    Case(
        "a leaked key that is off by our hand is revoked, with a request all the same",
        before=NEXT_LEADS_OLD_NOTED,
        wants=LEAK,
        script=[lists(OLD.off, NEXT.on), user(), writes(NEXT_LEADS_OLD_REVOKED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", OLD_OFF, OLD_OFF),
    ),
    Case(
        "a leaked key that the list still calls Active is switched off again",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS_OLD_REVOKED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", BOTH_ON, OLD_OFF),
    ),
    Case(
        "a leaked key that is revoked and off, of a user who was held since: the hold ends",
        before=replace(NEXT_LEADS_OLD_REVOKED, hold_until=ago(-3)),
        wants=LEAK,
        script=[lists(OLD.off, NEXT.on), user(), writes(NEXT_LEADS_OLD_REVOKED), switches_off(OLD)],
        ends=Done(OLD.off, "previous", {**OLD_OFF, "(held until)": iso(-3)}, OLD_OFF),
    ),
    Case(
        "without a store a leaked key that is off stays as it is",
        before=None,
        wants=LEAK,
        script=[lists(OLD.off)],
        ends=Done(OLD.off, None, {"OLD": "Inactive"}),
    ),
]

HOLDING = [
    Case(
        "switching on with hold_days holds the user",
        before=NEXT_LEADS_OLD_NOTED,
        wants={"access_key_id": "OLD", "active": True, "hold_days": 3},
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), writes(replace(NEXT_LEADS, hold_until=ago(-3)))],
        ends=Done(OLD.on, "previous", OLD_OFF, {**BOTH_ON, "(held until)": iso(-3)}),
    ),
    Case(
        "hold_days for a user who is held, with all else as it is to be, changes nothing",
        before=replace(NEXT_LEADS, hold_until=ago(-1)),
        wants={"access_key_id": "OLD", "active": True, "hold_days": 3},
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "(held until)": iso(-1)}),
    ),
    Case(
        "hold_days=0 ends a hold",
        before=replace(NEXT_LEADS, hold_until=ago(-1)),
        wants={"access_key_id": "OLD", "active": True, "hold_days": 0},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "(held until)": iso(-1)}, BOTH_ON),
    ),
    Case(
        "hold_days holds anew a user whose hold has just ended",
        before=replace(NEXT_LEADS, hold_until=NOW),
        wants={"access_key_id": "OLD", "active": True, "hold_days": 3},
        script=[lists(OLD.on, NEXT.on), user(), writes(replace(NEXT_LEADS, hold_until=ago(-3)))],
        ends=Done(OLD.on, "previous", {**BOTH_ON, "(held until)": iso()}, {**BOTH_ON, "(held until)": iso(-3)}),
    ),
]

BACK = {"access_key_id": "OLD", "stage": "current"}
OLD_IS_BACK = entry(OLD.stored(promoted=NOW), NEXT.stored(promoted=ago(9)))
ROLLED_BACK = {"OLD": "Active, current", "NEXT": "Active, previous"}
NOT_CURRENT = "Access key OLD of user ci cannot be made current"

ROLLBACK = [
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
            switches_on(OLD),
            writes(NEXT_LEADS),
            *thrice(accepts(OLD)),
            writes(replace(OLD_IS_BACK, hold_until=ago(-3))),
        ],
        ends=Done(OLD.on, "current", OLD_OFF, {**ROLLED_BACK, "(held until)": iso(-3)}),
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
        ends=Done(OLD.on, "current", {**ROLLED_BACK, "(held until)": iso(-1)}),
    ),
    Case(
        "what is current and works is held once STS accepts it",
        before=OLD_IS_BACK,
        wants={**BACK, "hold_days": 3},
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            *thrice(accepts(OLD)),
            writes(replace(OLD_IS_BACK, hold_until=ago(-3))),
        ],
        ends=Done(OLD.on, "current", ROLLED_BACK, {**ROLLED_BACK, "(held until)": iso(-3)}),
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
        ends=Done(OLD.on, "current", OLD_OFF, ROLLED_BACK),
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
        ends=Fails("Access key OLD of user ci was switched off while STS was asked: run again"),
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
        script=[lists(OLD.off, NEXT.on), user(), switches_on(OLD), writes(OLD_IS_BACK), *thrice(accepts(OLD))],
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

GONE = {"state": "absent", "access_key_id": "OLD"}
WITHOUT_OLD = entry(NEXT.stored(promoted=ago(9)))
LISTED = [lists(OLD.off, NEXT.on), user()]
OLD_DELETED = Done(None, None, OLD_OFF, {"NEXT": "Active, current"}, deleted=OLD)
UNLISTED_DELETED = Done(None, None, {"NEXT": "Active, current"}, {"NEXT": "Active, current"}, deleted=OLD)
DOES_NOT_EXIST = fails(used(OLD, None), "AccessDenied", 403)  # what AWS says of a key that does not exist

ABSENT = [
    Case(
        "a key is deleted, and then leaves the store",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, deletes(OLD), writes(WITHOUT_OLD)],
        ends=OLD_DELETED,
    ),
    Case(
        "without a store a key is deleted",
        before=None,
        wants=GONE,
        script=[lists(OLD.on, MID.on), deletes(OLD)],
        ends=Done(None, None, {"OLD": "Active", "MID": "Active"}, {"MID": "Active"}, deleted=OLD),
    ),
    Case(
        "a key that the store does not know is deleted, and the store is not written",
        before=NEXT_LEADS,
        wants={**GONE, "access_key_id": "MID"},
        script=[lists(MID.on, NEXT.on), user(), deletes(MID)],
        ends=Done(None, None, {"MID": "Active", "NEXT": "Active, current"}, {"NEXT": "Active, current"}, deleted=MID),
    ),
    Case(
        "a key that neither IAM nor the store has is no change",
        before=NEXT_LEADS,
        wants={**GONE, "access_key_id": "MID"},
        script=[lists(NEXT.on)],
        ends=Done(None, None, {"NEXT": "Active, current"}),
    ),
    Case(
        "the current key is deleted, and a hold ends with it",
        before=entry(OLD.stored(), hold=ago(-3)),
        wants=GONE,
        script=[lists(OLD.on), user(), deletes(OLD), writes(entry())],
        ends=Done(None, None, {"OLD": "Active, current", "(held until)": iso(-3)}, {}, deleted=OLD),
        wrong=dict.fromkeys(("run", "check"), "the diff is drawn from the entry before: it still shows the hold"),
    ),
    Case(
        "a leftover is deleted by a person, and what was asked goes with it",
        before=LEFT_OVER,
        wants={**GONE, "access_key_id": "LEFT"},
        script=[lists(OLD.on, LEFT.on), user(), deletes(LEFT), writes(OLD_STAYS)],
        ends=Done(None, None, {"OLD": "Active, current", "LEFT": "Active"}, {"OLD": "Active, current"}, deleted=LEFT),
    ),
    Case(
        "a key that is gone by the time of the request is deleted",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, fails(deletes(OLD), "NoSuchEntity", 404), writes(WITHOUT_OLD)],
        ends=OLD_DELETED,
    ),
    Case(
        "a key that may not be deleted stays in the store",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, fails(deletes(OLD), "AccessDenied", 403)],
        ends=Fails("Could not delete ci OLD"),
        checked=OLD_DELETED,
    ),
    Case(
        "a key is deleted, and the store cannot be written then: the deletion is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, deletes(OLD), cannot_write(WITHOUT_OLD)],
        ends=Fails(
            "iam.yml cannot be written: no space left (access key OLD was deleted before)",
            {"changed": True, "deleted_access_key_id": "OLD"},
        ),
        checked=OLD_DELETED,
        wrong={"run": "the key was deleted, and the failure says neither that nor changed"},
    ),
    Case(
        "nothing is deleted with another account's credentials",
        before=NEXT_LEADS,
        wants={**GONE, "access_key_id": "MID"},
        script=[lists(MID.on), user(account_id=OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "nothing that was planned is deleted while the user is held",
        before=replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3)),
        wants={**GONE, "min_idle_days": 7},
        script=LISTED,
        ends=Fails(f"Access key OLD of user ci is not deleted: the user's keys are held as they are until {iso(-3)}"),
    ),
    Case(
        "nothing is deleted that was used within min_idle_days",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[*LISTED, used(OLD, days=6)],
        ends=Fails(
            f"Access key OLD of user ci is not deleted: it was last used {iso(6)} (s3), within the 7 days of min_idle_days; "
            "move its user to the new key first"
        ),
    ),
    Case(
        "nothing is deleted whose last use cannot be read",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[*LISTED, fails(used(OLD, None), "AccessDenied", 403)],
        ends=Fails("Access key OLD of user ci is not deleted: its last use is not known"),
    ),
    Case(
        "no planned deletion takes a key that a person has taken back into use",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(OLD.on, NEXT.on), user(), used(OLD, days=8)],
        ends=Fails(
            "Access key OLD of user ci is not deleted: it had been switched off and is Active again; keep it with "
            "active=true, or switch it off once more"
        ),
    ),
    Case(
        "no planned deletion takes an Active key whose secret is stored",
        before=NEXT_LEADS,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(OLD.on, NEXT.on), user(), used(OLD, days=8)],
        ends=Fails(
            "Access key OLD of user ci is not deleted: it is Active, and the store has its secret; switch it off first, or "
            "leave min_idle_days out"
        ),
    ),
    Case(
        "a planned deletion takes an idle Active key that the store does not know: a leftover",
        before=LONG_LEFT_OVER,
        wants={**GONE, "access_key_id": "LEFT", "min_idle_days": 7},
        script=[lists(OLD.on, LONG_LEFT.on), user(), used(LONG_LEFT, None), deletes(LONG_LEFT), writes(OLD_STAYS)],
        ends=Done(None, None, {"OLD": "Active, current", "LEFT": "Active"}, {"OLD": "Active, current"}, deleted=LEFT),
    ),
    Case(
        "a stored key that the list lacks is deleted all the same: IAM's answer is the proof",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[
            lists(NEXT.on),
            DOES_NOT_EXIST,
            user(),
            fails(deletes(OLD), "NoSuchEntity", 404),
            writes(WITHOUT_OLD),
        ],
        ends=UNLISTED_DELETED,
    ),
    Case(
        "a stored key that a list lacks which lags",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(NEXT.on), used(OLD, None), used(OLD, None), user(), deletes(OLD), writes(WITHOUT_OLD)],
        ends=UNLISTED_DELETED,
    ),
    Case(
        "a stored key that the list lacks, and that was used within min_idle_days",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(NEXT.on), used(OLD, days=1), used(OLD, days=1)],
        ends=Fails(
            f"Access key OLD of user ci is not deleted: it was last used {iso(1)} (s3), within the 7 days of min_idle_days; "
            "move its user to the new key first"
        ),
    ),
    Case(
        "a stored key that the list lacks may be a renamed user's",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(), used(OLD, days=90, owner="ci-2")],
        ends=Fails(
            "Access key OLD is not removed: it belongs to user ci-2 now, so user ci was renamed; rename the entry in iam.yml"
        ),
    ),
    Case(
        "a stored key that the list lacks, of which IAM cannot say whose it is",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(NEXT.on), fails(used(OLD, None), "Throttling")],
        ends=Fails("Could not last_used OLD"),
    ),
    Case(
        "a stored key that the list lacks, with another account's credentials",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(), DOES_NOT_EXIST, user(account_id=OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "a stored key that the list lacks and may not be deleted stays in the store",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(NEXT.on), DOES_NOT_EXIST, user(), fails(deletes(OLD), "AccessDenied", 403)],
        ends=Fails("Could not delete ci OLD"),
        checked=UNLISTED_DELETED,
    ),
    Case(
        "a stored key of a user that was deleted and made again leaves the store by a person's word",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[
            lists(MID.on),
            DOES_NOT_EXIST,
            user(user_id="AIDAOTHER"),
            DOES_NOT_EXIST,
            writes(WITHOUT_OLD),
        ],
        ends=Done(None, None, {"OLD": "gone, previous"}, {}),
        wrong={"run": "the stage is read after the write, so that the diff lacks it"},
    ),
    Case(
        "a stored key of a user that is gone leaves the store by a person's word",
        before=OLD_STAYS,
        wants=GONE,
        script=[NO_SUCH_USER, DOES_NOT_EXIST, writes(entry())],
        ends=Done(None, None, {"OLD": "gone, current"}, {}),
        wrong={"run": "the stage is read after the write, so that the diff lacks it"},
    ),
    Case(
        "a stored key of a user that is gone under that name",
        before=OLD_STAYS,
        wants=GONE,
        script=[NO_SUCH_USER, used(OLD, days=90, owner="ci-2")],
        ends=Fails(
            "Access key OLD is not removed: it belongs to user ci-2 now, so user ci was renamed; rename the entry in iam.yml"
        ),
    ),
    Case(
        "a stored key of a user whom another account does not have",
        before=OLD_STAYS,
        wants=GONE,
        script=[NO_SUCH_USER],
        account_id=OTHER_ACCOUNT,
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "a key that the store does not know, of a user that is gone, is no change",
        before=OLD_STAYS,
        wants={**GONE, "access_key_id": "MID"},
        script=[NO_SUCH_USER],
        ends=Done(None, None, {}),
    ),
    Case("without a store a user that is gone is an error", None, GONE, [NO_SUCH_USER], NO_USER),
    Case(
        "a planned deletion takes an idle key that we switched off",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[*LISTED, used(OLD, days=8), deletes(OLD), writes(WITHOUT_OLD)],
        ends=OLD_DELETED,
    ),
    Case(
        "a person's own task deletes an Active key whose secret is stored",
        before=NEXT_LEADS,
        wants=GONE,
        script=[lists(OLD.on, NEXT.on), user(), deletes(OLD), writes(WITHOUT_OLD)],
        ends=replace(OLD_DELETED, before=BOTH_ON),
    ),
    Case(
        "the next key is deleted",
        before=NEXT_WAITS,
        wants={**GONE, "access_key_id": "NEXT"},
        script=[lists(OLD.on, NEXT.on), user(), deletes(NEXT), writes(OLD_STAYS)],
        ends=Done(
            None,
            None,
            {"OLD": "Active, current", "NEXT": "Active, next"},
            {"OLD": "Active, current"},
            deleted=NEXT,
        ),
    ),
    Case(
        "a stored key that the list lacks, of an entry that a person wrote",
        before=entry(OLD.stored(), account_id=None, user_id=None),
        wants=GONE,
        script=[lists(), used(OLD, None, owner=None), user(), deletes(OLD), writes(entry())],
        ends=Done(None, None, {}, {}, deleted=OLD),
    ),
    Case(
        "a stored key that the list lacks, of an entry that knows the account alone",
        before=entry(OLD.stored(), user_id=None),
        wants=GONE,
        script=[lists(), DOES_NOT_EXIST, user(), deletes(OLD), writes(entry())],
        ends=Done(None, None, {}, {}, deleted=OLD),
    ),
    Case(
        "a stored key that another account's user of that name does not have",
        before=OLD_STAYS,
        wants=GONE,
        script=[lists(), DOES_NOT_EXIST, user(account_id=OTHER_ACCOUNT, user_id="AIDAOTHER")],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "a stored key of a user that is gone, in an entry that a person wrote",
        before=entry(OLD.stored(), account_id=None, user_id=None),
        wants=GONE,
        script=[
            NO_SUCH_USER,
            fails(used(OLD, None), "NoSuchEntity", 404),
            writes(entry(account_id=None, user_id=None)),
        ],
        ends=Done(None, None, {"OLD": "gone, current"}, {}),
        wrong={"run": "the stage is read after the write, so that the diff lacks it"},
    ),
]

CASES = [
    *SATISFIED,
    *MAKING,
    *REQUEST_FAILS,
    *WAITING_FOR_STS,
    *PROMOTING,
    *ANOTHER_RUN,
    *AT_LIMIT,
    *LEFTOVERS,
    *SWITCHING,
    *REPLACED,
    *LEAKED,
    *HOLDING,
    *ROLLBACK,
    *ABSENT,
]


def check_ending(played: Played, expected: Done | Fails, as_returned: dict[str, Any]) -> None:
    outcome, error = played.outcome, played.error
    if isinstance(expected, Fails):
        assert isinstance(error, KeyturnError), played
        assert (error.message, error.returns) == (expected.sentence, as_returned)
    elif error:
        raise error
    else:
        assert outcome and asdict(outcome) == as_returned


@contextmanager
def told_once_right(wrong: str | None) -> Iterator[None]:
    """What is known to be wrong today fails in silence, and aloud from the day on that it is right."""
    try:
        yield
    except (AssertionError, KeyturnError):
        if not wrong:
            raise
        pytest.xfail(wrong)
    assert not wrong, "this is right now: take the mark away"


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)


@each_case
def test_run(case: Case) -> None:
    played = play(case.script, case.before, case.wants, False, case.account_id)
    assert played.play.calls == played.play.expected or case.wrong_calls
    with told_once_right(case.wrong.get("run")):
        check_ending(played, case.ends, case.ends.returned() if isinstance(case.ends, Done) else case.ends.returns)


@each_case
def test_check_mode(case: Case) -> None:
    script = as_checked(case.script) if case.checked_script is None else case.checked_script
    played = play(script, case.before, case.wants, True, case.account_id)
    assert played.play.calls == played.play.expected
    expected = case.checked or case.ends
    with told_once_right(case.wrong.get("check")):
        check_ending(played, expected, expected.predicted() if isinstance(expected, Done) else {})


@each_case
def test_a_secret_leaves_the_store_only_with_its_key_and_is_never_shown(case: Case) -> None:
    before = secrets_of(case.before)
    played = play(case.script, case.before, case.wants, False, case.account_id)
    gone = {f"secret-of-{call.split()[-1]}" for call in played.play.calls if call.startswith("delete ")}
    if case.wants.get("state") == "absent":  # a person's word for a user that is gone
        gone.add(f"secret-of-{case.wants['access_key_id']}")
    if case.before:
        assert before - gone <= secrets_of(played.store.entry)
    assert "secret-of" not in f"{played.outcome}{played.error}"


def test_no_case_has_the_name_of_another() -> None:
    assert len({case.about for case in CASES}) == len(CASES)
