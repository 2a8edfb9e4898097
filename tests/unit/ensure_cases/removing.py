# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting a key, and letting its secret go."""

from __future__ import annotations

from dataclasses import replace

from ensure_cases.worlds import (
    BOTH_ON,
    LEFT,
    LEFT_OVER,
    LONG_LEFT,
    LONG_LEFT_OVER,
    NEXT_LEADS,
    NEXT_LEADS_OLD_NOTED,
    NEXT_WAITS,
    NO_SUCH_USER,
    NO_USER,
    OF_OTHER_ACCOUNT,
    OLD_OFF,
    OLD_STAYS,
)
from scripted_iam import (
    MID,
    NEXT,
    OLD,
    OTHER_ACCOUNT,
    Case,
    Done,
    Fails,
    ago,
    cannot_write,
    deletes,
    entry,
    fails,
    finds_none,
    iso,
    lists,
    used,
    user,
    writes,
)

GONE = {"state": "absent", "access_key_id": "OLD"}
PLANNED = {**GONE, "min_idle_days": 7, "noted": True}
WITHOUT_OLD = entry(NEXT.stored(promoted=ago(9)))
LISTED = [lists(OLD.off, NEXT.on), user()]
OLD_DELETED = Done(None, None, OLD_OFF, {"NEXT": "Active, current"}, deleted=OLD)
UNLISTED_DELETED = Done(None, None, {"NEXT": "Active, current"}, {"NEXT": "Active, current"}, deleted=OLD)
HELD = Fails(
    f"Access key OLD of user ci is not deleted: the user's keys are held as they are until {iso(-3)}, which hold_days=0 ends"
)
RENAMED = Fails(
    "Access key OLD is not removed: it belongs to user ci-2 now, so user ci was renamed; rename the entry in iam.yml"
)
TAKEN_BACK = Fails(
    "Access key OLD of user ci is not deleted: somebody has taken it back into use since it was switched off; look again and "
    "plan anew"
)
DOES_NOT_EXIST = fails(used(OLD, None), "AccessDenied", 403)  # what AWS says of a key that does not exist

CASES = [
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
        ends=Done(None, None, {"OLD": "Active, current", "held until": iso(-3)}, {}, deleted=OLD),
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
        script=[*LISTED, finds_none(OLD), DOES_NOT_EXIST, used(NEXT, None), writes(WITHOUT_OLD)],
        ends=OLD_DELETED,
        checked_script=LISTED,
    ),
    Case(
        "a key that is gone with a user who was renamed just then stays in the store",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, finds_none(OLD), used(OLD, days=90, owner="ci-2")],
        ends=RENAMED,
        checked_script=LISTED,
        checked=OLD_DELETED,
    ),
    Case(
        "a key that is gone, of which IAM cannot say whose it is, stays in the store",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[*LISTED, finds_none(OLD), fails(used(OLD, None), "Throttling")],
        ends=Fails("Could not last_used OLD"),
        checked_script=LISTED,
        checked=OLD_DELETED,
    ),
    Case(
        "without a store a key that is gone by the time of the request is deleted, and nobody is asked whose it was",
        before=None,
        wants=GONE,
        script=[lists(OLD.on, MID.on), finds_none(OLD)],
        ends=Done(None, None, {"OLD": "Active", "MID": "Active"}, {"MID": "Active"}, deleted=OLD),
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
        ends=HELD,
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
            "Access key OLD of user ci is not deleted: it is Active; switch it off first, or leave min_idle_days out"
        ),
    ),
    Case(
        "no planned deletion takes an Active key that the store does not know",
        before=NEXT_LEADS,
        wants={**GONE, "access_key_id": "MID", "min_idle_days": 7},
        script=[lists(MID.on, NEXT.on), user(), used(MID, days=8)],
        ends=Fails(
            "Access key MID of user ci is not deleted: it is Active; switch it off first, or leave min_idle_days out"
        ),
    ),
    Case(
        "without a store a planned deletion takes an idle Active key",
        before=None,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(OLD.on, MID.on), used(OLD, days=8), deletes(OLD)],
        ends=Done(None, None, {"OLD": "Active", "MID": "Active"}, {"MID": "Active"}, deleted=OLD),
    ),
    Case(
        "a planned deletion takes an Inactive key that the store does not know",
        before=NEXT_LEADS,
        wants={**GONE, "access_key_id": "MID", "min_idle_days": 7},
        script=[lists(MID.off, NEXT.on), user(), used(MID, days=8), lists(MID.off, NEXT.on), deletes(MID)],
        ends=Done(None, None, {"MID": "Inactive", "NEXT": "Active, current"}, {"NEXT": "Active, current"}, deleted=MID),
    ),
    Case(
        "no planned deletion takes a key that a person switches on while the task asks",
        before=NEXT_LEADS_OLD_NOTED,
        wants=PLANNED,
        script=[*LISTED, used(OLD, days=8), lists(OLD.on, NEXT.on)],
        ends=Fails(
            "Access key OLD of user ci is not deleted: it had been switched off and is Active again; keep it with "
            "active=true, or switch it off once more",
        ),
    ),
    Case(
        "a deletion that was planned for its note takes a key that still has it",
        before=NEXT_LEADS_OLD_NOTED,
        wants=PLANNED,
        script=[*LISTED, used(OLD, days=8), lists(OLD.off, NEXT.on), deletes(OLD), writes(WITHOUT_OLD)],
        ends=OLD_DELETED,
    ),
    Case(
        "a deletion that was planned for its note takes no key whose note is gone, whatever the list says",
        before=NEXT_LEADS,
        wants=PLANNED,
        script=[*LISTED, used(OLD, days=8)],
        ends=TAKEN_BACK,
    ),
    Case(
        "nor one that the list lacks",
        before=NEXT_LEADS,
        wants=PLANNED,
        script=[lists(NEXT.on)],
        ends=TAKEN_BACK,
    ),
    Case(
        "nothing that was planned and that the list lacks is deleted while the user is held",
        before=replace(NEXT_LEADS_OLD_NOTED, hold_until=ago(-3)),
        wants=PLANNED,
        script=[lists(NEXT.on)],
        ends=HELD,
    ),
    Case(
        "a person's own task deletes a held user's key",
        before=replace(NEXT_LEADS, hold_until=ago(-3)),
        wants=GONE,
        script=[*LISTED, deletes(OLD), writes(replace(WITHOUT_OLD, hold_until=ago(-3)))],
        ends=Done(
            None,
            None,
            {**OLD_OFF, "held until": iso(-3)},
            {"NEXT": "Active, current", "held until": iso(-3)},
            deleted=OLD,
        ),
    ),
    Case(
        "a planned deletion takes an idle Active key that the store does not know: a leftover",
        before=LONG_LEFT_OVER,
        wants={**GONE, "access_key_id": "LEFT", "min_idle_days": 7},
        script=[
            lists(OLD.on, LONG_LEFT.on),
            user(),
            used(LONG_LEFT, None),
            lists(OLD.on, LONG_LEFT.on),
            deletes(LONG_LEFT),
            writes(OLD_STAYS),
        ],
        ends=Done(None, None, {"OLD": "Active, current", "LEFT": "Active"}, {"OLD": "Active, current"}, deleted=LEFT),
    ),
    Case(
        "a stored key that the list lacks is deleted all the same: IAM's answer is the proof",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[
            lists(NEXT.on),
            DOES_NOT_EXIST,
            used(NEXT, None),
            user(),
            finds_none(OLD),
            DOES_NOT_EXIST,
            used(NEXT, None),
            writes(WITHOUT_OLD),
        ],
        ends=UNLISTED_DELETED,
        checked_script=[lists(NEXT.on), DOES_NOT_EXIST, used(NEXT, None), user()],
    ),
    Case(
        "a stored key that the list lacks is deleted, and the store cannot be written then: the deletion is told",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(NEXT.on), used(OLD, None), user(), deletes(OLD), cannot_write(WITHOUT_OLD)],
        ends=Fails(
            "iam.yml cannot be written: no space left (access key OLD was deleted before)",
            {"changed": True, "deleted_access_key_id": "OLD"},
        ),
        checked=UNLISTED_DELETED,
    ),
    Case(
        "a stored key that a list lacks which lags",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(NEXT.on), used(OLD, None), user(), deletes(OLD), writes(WITHOUT_OLD)],
        ends=UNLISTED_DELETED,
    ),
    Case(
        "a stored key that the list lacks, and that was used within min_idle_days",
        before=NEXT_LEADS_OLD_NOTED,
        wants={**GONE, "min_idle_days": 7},
        script=[lists(NEXT.on), used(OLD, days=1)],
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
        ends=RENAMED,
    ),
    Case(
        "a stored key that the list lacks, of which IAM cannot say whose it is",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(NEXT.on), fails(used(OLD, None), "Throttling")],
        ends=Fails("Could not last_used OLD"),
    ),
    Case(
        "a stored key that the list lacks, of credentials that may not read whose keys are: it stays",
        before=NEXT_LEADS_OLD_NOTED,
        wants=GONE,
        script=[lists(NEXT.on), DOES_NOT_EXIST, fails(used(NEXT, None), "AccessDenied", 403)],
        ends=Fails("Access key OLD of user ci is not removed: whose it is could not be read"),
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
        script=[lists(NEXT.on), DOES_NOT_EXIST, used(NEXT, None), user(), fails(deletes(OLD), "AccessDenied", 403)],
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
            used(MID, None),
            user(user_id="AIDAOTHER"),
            writes(WITHOUT_OLD),
        ],
        ends=Done(None, None, {"OLD": "gone, previous"}, {}),
    ),
    Case(
        "a stored key of a user that is gone leaves the store by a person's word",
        before=OLD_STAYS,
        wants=GONE,
        script=[NO_SUCH_USER, DOES_NOT_EXIST, writes(entry())],
        ends=Done(None, None, {"OLD": "gone, current"}, {}),
    ),
    Case(
        "a stored key of a user that is gone under that name",
        before=OLD_STAYS,
        wants=GONE,
        script=[NO_SUCH_USER, used(OLD, days=90, owner="ci-2")],
        ends=RENAMED,
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
        script=[*LISTED, used(OLD, days=8), lists(OLD.off, NEXT.on), deletes(OLD), writes(WITHOUT_OLD)],
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
    ),
]
