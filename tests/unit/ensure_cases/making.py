# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key that satisfies, or a new one: how it is made, kept, and what makes room for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ensure_cases.worlds import (
    ASKED,
    LATE,
    LEFT,
    LEFT_OVER,
    LONG_LEFT,
    LONG_LEFT_OVER,
    LOOKS,
    LOST,
    MADE,
    MAKES,
    NEW_IS_CURRENT,
    NO_SUCH_USER,
    NO_USER,
    OF_OTHER_ACCOUNT,
    OLD_STAYS,
    ROTATE,
    STORED,
    thrice,
)
from scripted_iam import (
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
    accepts,
    ago,
    asked,
    cannot_write,
    creates,
    deletes,
    entry,
    fails,
    finds_none,
    is_lost,
    iso,
    lists,
    quota,
    refused,
    switches_off,
    used,
    user,
    writes,
)

HOUR = Made("HOUR", ago(1 / 24))  # a list that lacks it is right

OF_OTHER_USER = Fails(
    "The keys of user ci in iam.yml belong to user id AIDACI, but IAM's user of that name is AIDAOTHER: deleted and made "
    "again; remove the old keys with state=absent, or rename their entry"
)

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
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active, previous", "held until": iso(-3)}),
    ),
    Case(
        "a hold keeps the current key, not one that only the list has",
        before=entry(OLD.stored(), hold=ago(-3)),
        wants=ROTATE,
        script=[lists(OLD.on, MID.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current", "MID": "Active", "held until": iso(-3)}),
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
        script=[lists(OLD.on), user(), STS_READY, quota(2), writes(ASKED), creates(NEW), writes(STORED)],
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
            STS_READY,
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
            {"OLD": "Active, current", "held until": iso(-3)},
            {"OLD": "Active, previous", "NEW": "Active, current", "held until": iso(-3)},
        ),
    ),
    Case(
        "a hold that ends now keeps nothing",
        before=entry(OLD.stored(), hold=NOW),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on),
            user(),
            STS_READY,
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD), hold=NOW)),
            creates(NEW),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD), hold=NOW)),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "held until": iso()},
            {"OLD": "Active, current", "NEW": "Active, next", "held until": iso()},
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
            STS_READY,
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
            STS_READY,
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
            f"IAM's list yet: a run after {iso(-1 / 24)} makes one, or names what was left"
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
            f"IAM's list yet: a run after {iso(-1 / 24)} makes one, or names what was left"
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
            deletes(NEW),
            cannot_write(OLD_STAYS),
        ],
        ends=Fails(
            "The new access key NEW of user ci could not be stored (iam.yml cannot be written: no space left), so it was "
            "deleted again; nothing else was changed: make the file writable and run again"
        ),
        checked=MADE,
    ),
    Case(
        "a new key that cannot be stored, and that IAM does not find yet, is there: lists and replicas lag",
        before=OLD_STAYS,
        wants=ROTATE,
        script=[*LOOKS, writes(ASKED), creates(), cannot_write(STORED), finds_none(NEW)],
        ends=Fails(
            "The new access key NEW of user ci could not be stored (iam.yml cannot be written: no space left) and could not "
            "be deleted again: nobody holds its secret; delete it with state=absent and access_key_id=NEW, once the store "
            "can be written",
            {"changed": True, "access_key": NEW.on.public()},
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
            STS_READY,
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
            STS_READY,
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
    ),
    Case(
        "a key that makes room and is gone already is deleted",
        before=OLD_STAYS,
        wants={**ROTATE, "at_limit": "delete_inactive"},
        script=[*WITH_MID, quota(2), finds_none(MID), fails(used(MID, None), "NoSuchEntity", 404), *GOES_ON],
        ends=MID_DELETED,
        checked_script=[*WITH_MID, quota(2)],
    ),
    Case(
        "a key that makes room and went with a user who was renamed just then makes none, and its secret stays",
        before=entry(MID.stored(promoted=ago(40)), OLD.stored(promoted=ago(100), off=ago(30))),
        wants={"max_age_days": 30, "at_limit": "delete_oldest", "verify": False},
        script=[lists(OLD.off, MID.on), user(), STS_READY, quota(2), finds_none(OLD), used(OLD, days=90, owner="ci-2")],
        ends=Fails(
            "Access key OLD is not removed: it belongs to user ci-2 now, so user ci was renamed; rename the entry in iam.yml"
        ),
        checked_script=[lists(OLD.off, MID.on), user(), STS_READY, quota(2)],
        checked=Done(
            NEW.on,
            "next",
            {"OLD": "Inactive, previous", "MID": "Active, current"},
            {"MID": "Active, current", "NEW": "Active, next"},
            deleted=OLD,
        ),
    ),
    Case(
        "without a store a key that makes room and is gone already is deleted, and nobody is asked whose it was",
        before=None,
        wants={"max_age_days": 0, "at_limit": "delete_oldest"},
        script=[lists(OLD.on, MID.off), quota(2), finds_none(OLD), creates()],
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

HALF_DAY = Made("LEFT", ago(0.5))


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
        "a leftover that is gone by the time of the request goes with what was asked",
        before=LONG_LEFT_OVER,
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on, LONG_LEFT.on),
            user(),
            used(LONG_LEFT, None),
            finds_none(LONG_LEFT),
            fails(used(LONG_LEFT, None), "AccessDenied", 403),
            used(OLD, None),
            writes(OLD_STAYS),
            STS_READY,
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
        checked_script=[lists(OLD.on, LONG_LEFT.on), user(), used(LONG_LEFT, None), STS_READY, quota(2)],
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
            STS_READY,
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
            STS_READY,
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

JUST_ASKED = entry(OLD.stored(), asked=asked(OLD, date=ago(seconds=3)))
HOUR_AGO = ago(seconds=3600)
MINUTES_AGO = Made("LATE", ago(seconds=304))


def not_made_again(asked_seconds_ago: float) -> Fails:
    return Fails(
        "No other access key is made for user ci: no answer came to the last request for one, and its key may show until "
        f"{iso(seconds=asked_seconds_ago - 3600)}; run again then, or ask_again=true makes one now"
    )


UNANSWERED = [
    Case(
        "seconds after a request without an answer no other key is made",
        before=JUST_ASKED,
        wants=ROTATE,
        script=LOOKS[:2],
        ends=not_made_again(3),
    ),
    Case(
        "a second less than an hour after a request without an answer no other key is made",
        before=entry(OLD.stored(), asked=asked(OLD, date=ago(seconds=3599))),
        wants={**ROTATE, "verify": False, "at_limit": "delete_oldest"},
        script=LOOKS[:2],
        ends=not_made_again(3599),
    ),
    Case(
        "max_age_days=0 makes no other key either",
        before=JUST_ASKED,
        wants={"max_age_days": 0},
        script=LOOKS[:2],
        ends=not_made_again(3),
    ),
    Case(
        "nor does a plan that names the key to be replaced",
        before=JUST_ASKED,
        wants={**ROTATE, "replaces": "OLD"},
        script=LOOKS[:2],
        ends=not_made_again(3),
    ),
    Case(
        "a user without a key in force gets no other one either",
        before=entry(asked=asked(date=ago(seconds=3))),
        wants={},
        script=[lists(), user()],
        ends=not_made_again(3),
    ),
    Case(
        "a key made six minutes after the request does not explain it",
        before=entry(OLD.stored(), asked=asked(OLD, date=ago(seconds=605))),
        wants=ROTATE,
        script=[lists(OLD.on, MINUTES_AGO.on), user()],
        ends=not_made_again(605),
    ),
    Case(
        "an hour after a request without an answer a key is made",
        before=entry(OLD.stored(), asked=asked(OLD, date=HOUR_AGO)),
        wants={**ROTATE, "verify": False},
        script=[lists(OLD.on), user(), STS_READY, quota(2), writes(ASKED), creates(), writes(STORED)],
        ends=Done(NEW.on, "next", {"OLD": "Active, current"}, {"OLD": "Active, current", "NEW": "Active, next"}),
    ),
    Case(
        "with ask_again a key is made within the hour",
        before=JUST_ASKED,
        wants={**ROTATE, "ask_again": True},
        script=[*MAKES, *thrice(accepts(NEW)), writes(NEW_IS_CURRENT)],
        ends=MADE,
    ),
    Case(
        "what shows in the list seconds after a request without an answer is a leftover",
        before=JUST_ASKED,
        wants=ROTATE,
        script=[lists(OLD.on, LATE.on), user(), used(LATE, None)],
        ends=Fails(left_over(LATE)),
    ),
    Case(
        "a current key that satisfies is enough, whatever was asked",
        before=JUST_ASKED,
        wants={},
        script=[lists(OLD.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current"}),
    ),
    Case(
        "a next that was stored explains the request, listed or not",
        before=entry(OLD.stored(), LATE.stored(), asked=asked(OLD, date=LATE.date)),
        wants={**ROTATE, "verify": False},
        script=[lists(OLD.on), user()],
        ends=Done(
            {"access_key_id": "LATE", "user_name": "ci", "create_date": iso(seconds=4)},
            "next",
            {"OLD": "Active, current"},
        ),
    ),
    Case(
        "a stored key that was switched off since explains the request: another is made",
        before=entry(OLD.stored(), LATE.stored(), asked=asked(OLD, date=LATE.date)),
        wants={**ROTATE, "verify": False},
        script=[
            lists(OLD.on, LATE.off),
            user(),
            STS_READY,
            quota(3),
            writes(entry(OLD.stored(), LATE.stored(), asked=asked(OLD, LATE))),
            creates(),
            writes(entry(OLD.stored(), LATE.stored(), NEW.stored(), asked=asked(OLD, LATE))),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "LATE": "Inactive, next"},
            {"OLD": "Active, current", "LATE": "Inactive", "NEW": "Active, next"},
        ),
    ),
]

HELD_OLD = entry(OLD.stored(), hold=ago(-3))
NOT_MADE = Fails(
    f"A new access key of user ci is not made: the user's keys are held as they are until {iso(-3)}, which hold_days=0 ends"
)

HELD = [
    Case(
        "nothing that was planned is made while the user is held",
        before=HELD_OLD,
        wants={"max_age_days": 0, "replaces": "OLD"},
        script=[lists(OLD.on)],
        ends=NOT_MADE,
    ),
    Case(
        "a planned key is not made for a held user whose current key is off",
        before=HELD_OLD,
        wants={**ROTATE, "replaces": "OLD"},
        script=[lists(OLD.off)],
        ends=NOT_MADE,
    ),
    Case(
        "what was planned is made once the hold has ended",
        before=entry(OLD.stored(), hold=NOW),
        wants={**ROTATE, "replaces": "OLD", "verify": False},
        script=[
            lists(OLD.on),
            user(),
            STS_READY,
            quota(2),
            writes(entry(OLD.stored(), asked=asked(OLD), hold=NOW)),
            creates(),
            writes(entry(OLD.stored(), NEW.stored(), asked=asked(OLD), hold=NOW)),
        ],
        ends=Done(
            NEW.on,
            "next",
            {"OLD": "Active, current", "held until": iso()},
            {"OLD": "Active, current", "NEW": "Active, next", "held until": iso()},
        ),
    ),
    Case(
        "a planned next is not made current while the user is held",
        before=entry(OLD.stored(), NEXT.stored(), hold=ago(-3)),
        wants={**ROTATE, "replaces": "OLD"},
        script=[lists(OLD.on, NEXT.on)],
        ends=NOT_MADE,
    ),
]

LEAKED_KEYS = [
    Case(
        f"a revoked {what} satisfies nothing, whatever the list says",
        before=before,
        wants={"verify": False},
        script=[
            lists(OLD.on),
            user(),
            STS_READY,
            quota(2),
            writes(replace(before, asked=asked(OLD))),
            creates(),
            writes(replace(before, asked=asked(OLD), others={**before.others, **dict([NEW.stored()])})),
        ],
        ends=Done(NEW.on, "next", {"OLD": "Active"}, {"OLD": "Active", "NEW": "Active, next"}),
    )
    for what, before in (
        ("key that was current", entry(None, OLD.stored(promoted=ago(100), off=ago(9), revoked=ago(9)))),
        ("key that an older store still calls current", entry(OLD.stored(off=ago(9), revoked=ago(9)))),
        ("next", entry(None, OLD.stored(off=ago(9), revoked=ago(9)))),
    )
]

CASES = [*SATISFIED, *MAKING, *REQUEST_FAILS, *AT_LIMIT, *LEFTOVERS, *UNANSWERED, *HELD, *LEAKED_KEYS]
