# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A leaked key: IAM is told before a list, a store or a lock is asked; then the store notes it, for good."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ensure_cases.worlds import (
    BOTH_ON,
    NEXT_LEADS,
    NEXT_LEADS_OLD_NOTED,
    NEXT_LEADS_OLD_REVOKED,
    NEXT_WAITS,
    NO_SUCH_USER,
    NO_USER,
    OLD_STAYS,
)
from scripted_iam import (
    ACCOUNT,
    MID,
    NEXT,
    NOW,
    OLD,
    OTHER_ACCOUNT,
    Barred,
    Case,
    Done,
    Fails,
    Step,
    ago,
    cannot_write,
    entry,
    fails,
    is_lost,
    iso,
    lists,
    switches_off,
    used,
    user,
    writes,
)

OF_OTHER_ACCOUNT = (
    f"The keys of user ci in iam.yml belong to account {OTHER_ACCOUNT}, but these credentials are for account {ACCOUNT}; "
    "use that account's credentials or another vault_file"
)
LEAK = {"access_key_id": "OLD", "active": False, "leaked": True}
NO_NAME = {**LEAK, "user_name": None}
REVOKED = {"OLD": "Inactive", "NEXT": "Active, current"}
GOES_OFF = Done(OLD.off, None, BOTH_ON, REVOKED)
NOTES = writes(NEXT_LEADS_OLD_REVOKED)
SHOWS = lists(OLD.off, NEXT.on)
IS_ON = [lists(OLD.on, NEXT.on)]  # what check mode sees: nothing was sent before
AS_SENT = {"access_key_id": "OLD", "user_name": "ci", "status": "Inactive"}
DOES_NOT_EXIST = fails(used(OLD, None), "AccessDenied", 403)
FINDS_NONE = fails(switches_off(OLD), "NoSuchEntity", 404)
LOCKED = Barred("iam.yml is locked by another run")
UNREADABLE = Barred("iam.yml cannot be decrypted")


def not_noted(now: str, why: str) -> str:
    return (
        f"Access key OLD of user ci {now}, but the store does not know that it was revoked: {why}; run the same again once that "
        "is mended, lest a rollback bring the key back"
    )


FIRST = [
    Case(
        "a leaked key is switched off, then noted as revoked; the list is for the picture",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[switches_off(OLD), NOTES, SHOWS],
        checked_script=IS_ON,
        ends=GOES_OFF,
    ),
    Case(
        "a leaked key that was current leaves current, and is known to have been it",
        before=OLD_STAYS,
        wants=LEAK,
        script=[
            switches_off(OLD),
            writes(entry(None, OLD.stored(promoted=ago(100), off=NOW, revoked=NOW))),
            lists(OLD.off),
        ],
        checked_script=[lists(OLD.on)],
        ends=Done(OLD.off, None, {"OLD": "Active, current"}, {"OLD": "Inactive"}),
    ),
    Case(
        "a leaked key that was current by an entry that a person wrote leaves current",
        before=entry(("OLD", StoredKey(OLD.secret)), account_id=None, user_id=None),
        wants=LEAK,
        script=[
            switches_off(OLD),
            user(),
            writes(entry(None, ("OLD", StoredKey(OLD.secret, None, NOW, NOW, NOW)))),
            lists(OLD.off),
        ],
        checked_script=[lists(OLD.on), user()],
        ends=Done(OLD.off, None, {"OLD": "Active, current"}, {"OLD": "Inactive"}),
    ),
    Case(
        "a leaked key that waited is next no more",
        before=NEXT_WAITS,
        wants={**LEAK, "access_key_id": "NEXT"},
        script=[
            switches_off(NEXT),
            writes(replace(NEXT_WAITS, others=dict([NEXT.stored(off=NOW, revoked=NOW)]))),
            lists(OLD.on, NEXT.off),
        ],
        checked_script=IS_ON,
        ends=Done(
            NEXT.off,
            None,
            {"OLD": "Active, current", "NEXT": "Active, next"},
            {"OLD": "Active, current", "NEXT": "Inactive"},
        ),
    ),
    Case(
        "a leaked key that was made by hand is noted without a secret",
        before=OLD_STAYS,
        wants={**LEAK, "access_key_id": "MID"},
        script=[
            switches_off(MID),
            writes(entry(OLD.stored(), MID.noted(off=NOW, revoked=NOW))),
            lists(OLD.on, MID.off),
        ],
        checked_script=[lists(OLD.on, MID.on)],
        ends=Done(
            MID.off,
            None,
            {"OLD": "Active, current", "MID": "Active"},
            {"OLD": "Active, current", "MID": "Inactive"},
        ),
    ),
    Case(
        "a leaked key of a user whom the store does not know is noted",
        before=Entry(),
        wants=LEAK,
        script=[
            switches_off(OLD),
            user(),
            writes(entry(None, OLD.noted(off=NOW, revoked=NOW))),
            lists(OLD.off),
        ],
        checked_script=[lists(OLD.on), user()],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
    Case(
        "a leaked key of a user whom the store does not know is noted, though IAM may not be asked whose it is",
        before=Entry(),
        wants=LEAK,
        script=[
            switches_off(OLD),
            fails(user(), "AccessDenied", 403),
            writes(Entry(others=dict([OLD.noted(off=NOW, revoked=NOW)]))),
            lists(OLD.off),
        ],
        checked_script=[lists(OLD.on), fails(user(), "AccessDenied", 403)],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
    Case(
        "a leaked key is not noted in another account's entry",
        before=replace(NEXT_LEADS, user_id=None, account_id=OTHER_ACCOUNT),
        wants=LEAK,
        script=[switches_off(OLD), user()],
        checked_script=[*IS_ON, user()],
        ends=Fails(
            "Access key OLD of user ci is Inactive, but the store does not know that it was revoked: "
            + OF_OTHER_ACCOUNT
            + "; run the same again once that is mended, lest a rollback bring the key back",
            {"changed": True, "access_key": {"access_key_id": "OLD", "user_name": "ci", "status": "Inactive"}},
        ),
        checked=Fails(OF_OTHER_ACCOUNT),
    ),
    Case(
        "a hold ends with the key that leaked",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants=LEAK,
        script=[switches_off(OLD), NOTES, SHOWS],
        checked_script=IS_ON,
        ends=replace(GOES_OFF, before={**BOTH_ON, "held until": iso(-3)}),
    ),
    Case(
        "a leaked key that we had switched off is switched off again, and noted as revoked",
        before=NEXT_LEADS_OLD_NOTED,
        wants=LEAK,
        script=[switches_off(OLD), NOTES, SHOWS],
        ends=replace(GOES_OFF, before={"OLD": "Inactive, previous", "NEXT": "Active, current"}),
    ),
    Case(
        "without a store the request is sent, and the list is for the picture",
        before=None,
        wants=LEAK,
        script=[switches_off(OLD), lists(OLD.off)],
        checked_script=[lists(OLD.on)],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
    Case(
        "the list that cannot be read afterwards does not matter",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[switches_off(OLD), NOTES, fails(lists(), "AccessDenied", 403)],
        ends=Done(AS_SENT, None, {}, {}),
        checked_script=IS_ON,
        checked=GOES_OFF,
    ),
    Case(
        "a list that lacks the key does not matter",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[switches_off(OLD), NOTES, lists(NEXT.on)],
        ends=replace(GOES_OFF, key=AS_SENT),
        checked=Fails("User ci has no access key OLD"),
    ),
]

AGAIN = [
    Case(
        "a second run sends the request again, and changes nothing",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[switches_off(OLD), SHOWS],
        ends=Done(OLD.off, None, REVOKED),
    ),
    Case(
        "a second run, days later, keeps the dates of the first",
        before=entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(9), revoked=ago(5))),
        wants=LEAK,
        script=[switches_off(OLD), SHOWS],
        ends=Done(OLD.off, None, REVOKED),
    ),
    Case(
        "a second run whose list still calls the key Active does not say that nothing was done",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[switches_off(OLD), lists(OLD.on, NEXT.on), switches_off(OLD)],
        ends=Done(OLD.off, None, {**REVOKED, "OLD": "Active"}, REVOKED),
    ),
    Case(
        "the request that goes out again, for a list that calls the key Active, may fail, and that is said",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[switches_off(OLD), lists(OLD.on, NEXT.on), fails(switches_off(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD off", {"changed": True}),
        checked=Done(OLD.off, None, {**REVOKED, "OLD": "Active"}, REVOKED),
    ),
    Case(
        "a user who was held since stays held: that word came later",
        before=replace(NEXT_LEADS_OLD_REVOKED, hold_until=ago(-3)),
        wants=LEAK,
        script=[switches_off(OLD), SHOWS],
        ends=Done(OLD.off, None, {**REVOKED, "held until": iso(-3)}),
    ),
    Case(
        "without a store nobody knows whether the key was off: the request is told as a change, and check mode says what it sees",
        before=None,
        wants=LEAK,
        script=[switches_off(OLD), lists(OLD.off)],
        ends=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
        checked=Done(OLD.off, None, {"OLD": "Inactive"}),
    ),
]

NOBODY = Fails(
    "No user of this account could be found for access key OLD: name the user (user_name), or use the credentials of the key's "
    "own account"
)

WHOSE = [
    Case(
        "without a user_name GetAccessKeyLastUsed tells whose the key is",
        before=NEXT_LEADS,
        wants=NO_NAME,
        script=[used(OLD, days=1), switches_off(OLD), NOTES, SHOWS],
        checked_script=[used(OLD, days=1), *IS_ON],
        ends=GOES_OFF,
    ),
    Case("that may be denied", NEXT_LEADS, NO_NAME, [DOES_NOT_EXIST], NOBODY),
    Case("it may know of no such key", NEXT_LEADS, NO_NAME, [fails(used(OLD, None), "NoSuchEntity", 404)], NOBODY),
    Case(
        "it may not answer",
        NEXT_LEADS,
        NO_NAME,
        [fails(used(OLD, None), "Throttling")],
        Fails("Could not last_used OLD"),
    ),
    Case(
        "it may name nobody",
        NEXT_LEADS,
        NO_NAME,
        [used(OLD, days=1, owner=None)],
        Fails("Access key OLD belongs to no IAM user (to the root user, perhaps)"),
    ),
    Case(
        "the key that signs the run is refused",
        before=NEXT_LEADS,
        wants={**LEAK, "access_key_id": "SIGNER"},
        script=[],
        ends=Fails("Access key SIGNER signs this run, which would lock itself out: run it with other credentials"),
    ),
    Case(
        "the key that signs the run is refused before anybody is asked whose it is",
        before=NEXT_LEADS,
        wants={**NO_NAME, "access_key_id": "SIGNER"},
        script=[],
        ends=Fails("Access key SIGNER signs this run, which would lock itself out: run it with other credentials"),
    ),
    Case(
        "of another user than the one named, nothing is noted",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[FINDS_NONE, used(OLD, days=1, owner="di")],
        ends=Fails("User ci has no access key OLD, which is user di's: name that user, or leave user_name out"),
        checked_script=[lists(NEXT.on)],
        checked=Fails("User ci has no access key OLD"),
    ),
    Case(
        "a key that is gone has nothing left to be switched off",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[FINDS_NONE, DOES_NOT_EXIST],
        ends=Fails("User ci has no access key OLD (any more): nothing is left to be switched off"),
        checked_script=[lists(NEXT.on)],
        checked=Fails("User ci has no access key OLD"),
    ),
    Case(
        "a key of the root user is none of ci's",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[FINDS_NONE, used(OLD, days=1, owner=None)],
        ends=Fails("User ci has no access key OLD, which is no IAM user's"),
        checked_script=[lists(NEXT.on)],
        checked=Fails("User ci has no access key OLD"),
    ),
    Case(
        "check mode of a user that is missing",
        NEXT_LEADS,
        LEAK,
        [FINDS_NONE, DOES_NOT_EXIST],
        ends=Fails("User ci has no access key OLD (any more): nothing is left to be switched off"),
        checked_script=[NO_SUCH_USER],
        checked=NO_USER,
    ),
]


def failed(what: str, *script: Step, before: Entry = NEXT_LEADS, noted: Step = NOTES, **wants: None) -> Case:
    """A request that failed is noted all the same: nothing makes the key current or switches it on, and the next run goes on."""
    return Case(
        f"a request {what} is noted all the same",
        before=before,
        wants={**LEAK, **wants},
        script=[*script, noted],
        ends=Fails("Could not set_status ci OLD off", {"changed": True}),
        checked_script=[*(step for step in script if step.reads and wants), *IS_ON],
        checked=GOES_OFF,
    )


A_DAY_BEHIND = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=ago(1), revoked=ago(1)))

FAILED = [
    failed("that was refused", fails(switches_off(OLD), "AccessDenied", 403)),
    failed("of which nobody knows whether it was done", fails(switches_off(OLD), "ServiceFailure", 503)),
    failed("that was cut, after AWS had told its time,", used(OLD, days=1), is_lost(switches_off(OLD)), user_name=None),
    failed("that was cut before AWS had told its time", is_lost(switches_off(OLD)), noted=writes(A_DAY_BEHIND)),
    failed("of which IAM contradicts itself, as its replicas lag,", FINDS_NONE, used(OLD, days=1)),
    failed("that found no key, of which nobody can say whose it is,", FINDS_NONE, fails(used(OLD, 1), "Throttling")),
    Case(
        "a request that is refused again, of a key that was noted before, writes nothing",
        before=NEXT_LEADS_OLD_REVOKED,
        wants=LEAK,
        script=[fails(switches_off(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD off"),
        checked_script=IS_ON,
        checked=Done(OLD.off, None, {**REVOKED, "OLD": "Active"}, REVOKED),
    ),
    Case(
        "without a store a request that is refused is no change",
        before=None,
        wants=LEAK,
        script=[fails(switches_off(OLD), "AccessDenied", 403)],
        ends=Fails("Could not set_status ci OLD off"),
        checked_script=[lists(OLD.on)],
        checked=Done(OLD.off, None, {"OLD": "Active"}, {"OLD": "Inactive"}),
    ),
]

IS_OFF_TOLD = {"changed": True, "access_key": AS_SENT}


def barred(what: str, *script: Step | Barred, ends: Fails) -> Case:
    return Case(f"a store that {what}", NEXT_LEADS, LEAK, script, ends, checked_script=IS_ON, checked=GOES_OFF)


NOT_NOTED = [
    barred(
        "is locked does not stand before the request, and is told after it",
        switches_off(OLD),
        LOCKED,
        ends=Fails(not_noted("is Inactive", LOCKED.sentence), IS_OFF_TOLD),
    ),
    barred(
        "cannot be written",
        switches_off(OLD),
        cannot_write(NEXT_LEADS_OLD_REVOKED),
        ends=Fails(not_noted("is Inactive", "iam.yml cannot be written: no space left"), IS_OFF_TOLD),
    ),
    barred(
        "is locked, and a request that was refused: the key may still be Active, and nothing was done",
        fails(switches_off(OLD), "AccessDenied", 403),
        LOCKED,
        ends=Fails(not_noted("may still be Active (Could not set_status ci OLD off)", LOCKED.sentence)),
    ),
    Case(
        "a store that cannot be read is told after the request, in check mode at once",
        before=NEXT_LEADS,
        wants=LEAK,
        script=[switches_off(OLD), UNREADABLE],
        ends=Fails(not_noted("is Inactive", UNREADABLE.sentence), IS_OFF_TOLD),
        checked_script=[UNREADABLE],
        checked=Fails(UNREADABLE.sentence),
    ),
    Case(
        "a store that cannot be read, and no user_name",
        before=NEXT_LEADS,
        wants=NO_NAME,
        script=[used(OLD, days=1), switches_off(OLD), UNREADABLE],
        ends=Fails(not_noted("is Inactive", UNREADABLE.sentence), IS_OFF_TOLD),
        checked_script=[used(OLD, days=1), UNREADABLE],
        checked=Fails(UNREADABLE.sentence),
    ),
]

CASES = [*FIRST, *AGAIN, *WHOSE, *FAILED, *NOT_NOTED]
