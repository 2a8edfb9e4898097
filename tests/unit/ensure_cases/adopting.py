# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key that a person brings, and the word that the current one was carried."""

from __future__ import annotations

from dataclasses import replace

from ensure_cases.worlds import NEXT_LEADS, OF_OTHER_ACCOUNT, thrice
from scripted_iam import (
    ACCOUNT,
    MID,
    NEXT,
    NOW,
    OLD,
    OTHER_ACCOUNT,
    Case,
    Done,
    Fails,
    Meanwhile,
    accepts,
    ago,
    cannot_write,
    entry,
    fails,
    iso,
    lists,
    refuses,
    sleeps,
    used,
    user,
    writes,
)

ADOPT = {"access_key_id": "OLD", "secret_access_key": OLD.secret}
ADOPT_MID = {"access_key_id": "MID", "secret_access_key": MID.secret}
NOTHING = entry(account_id=None, user_id=None)
ADOPTED = entry(OLD.stored(promoted=NOW))
OLD_ADOPTED = Done(OLD.on, "current", {"OLD": "Active"}, {"OLD": "Active, current"})
NOT_ADOPTED = "Access key OLD of user ci is not adopted"

ADOPTING = [
    Case(
        "a key that a person brings is stored and current once STS accepts the pair",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(OLD.on), user(), *thrice(accepts(OLD)), writes(ADOPTED)],
        ends=OLD_ADOPTED,
    ),
    Case(
        "the second time there is nothing to do",
        before=ADOPTED,
        wants=ADOPT,
        script=[lists(OLD.on)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current"}),
    ),
    Case(
        "what was current leaves as previous",
        before=entry(OLD.stored(carried=ago(90))),
        wants=ADOPT_MID,
        script=[
            lists(OLD.on, MID.on),
            user(),
            *thrice(accepts(MID)),
            writes(entry(MID.stored(promoted=NOW), OLD.stored(promoted=ago(100)))),
        ],
        ends=Done(
            MID.on,
            "current",
            {"OLD": "Active, current", "MID": "Active"},
            {"OLD": "Active, previous", "MID": "Active, current"},
        ),
    ),
    Case(
        "a younger key that was passed over is no next beside an adopted older one, and a hold stays",
        before=entry(NEXT.stored(promoted=ago(0.1)), MID.stored(), hold=ago(-3)),
        wants=ADOPT,
        script=[
            lists(OLD.on, MID.on, NEXT.on),
            user(),
            *thrice(accepts(OLD)),
            writes(
                entry(
                    OLD.stored(promoted=NOW),
                    MID.stored(promoted=ago(40)),
                    NEXT.stored(promoted=ago(0.1)),
                    hold=ago(-3),
                )
            ),
        ],
        ends=Done(
            OLD.on,
            "current",
            {"OLD": "Active", "MID": "Active", "NEXT": "Active, current", "held until": iso(-3)},
            {"OLD": "Active, current", "MID": "Active, previous", "NEXT": "Active, previous", "held until": iso(-3)},
        ),
    ),
    Case(
        "a key that the store only notes is completed",
        before=entry(NEXT.stored(promoted=ago(0.1)), OLD.noted(off=ago(5))),
        wants=ADOPT,
        script=[
            lists(OLD.on, NEXT.on),
            user(),
            *thrice(accepts(OLD)),
            writes(entry(OLD.stored(promoted=NOW), NEXT.stored(promoted=ago(0.1)))),
        ],
        ends=Done(
            OLD.on,
            "current",
            {"OLD": "Active", "NEXT": "Active, current"},
            {"OLD": "Active, current", "NEXT": "Active, previous"},
        ),
    ),
    Case(
        "an entry of which a person wrote the id alone is completed",
        before=entry(("OLD", replace(OLD.stored()[1], secret_access_key=None))),
        wants=ADOPT,
        script=[lists(OLD.on), user(), *thrice(accepts(OLD)), writes(ADOPTED)],
        ends=Done(OLD.on, "current", {"OLD": "Active, current"}, {"OLD": "Active, current"}),
    ),
    Case(
        "a wrong secret is told at once, and nothing is stored",
        before=NOTHING,
        wants={**ADOPT, "secret_access_key": "no"},
        script=[lists(OLD.on), user(), replace(refuses(OLD, "SignatureDoesNotMatch"), call="sts OLD no")],
        ends=Fails(
            f"{NOT_ADOPTED}: the given secret_access_key is not its secret, says STS; look up the right one, or have a "
            "new key made with max_age_days=0"
        ),
        checked=OLD_ADOPTED,
    ),
    Case(
        "a pair that STS does not accept in time is not stored",
        before=NOTHING,
        wants={**ADOPT, "verify_timeout": 0},
        script=[lists(OLD.on), user(), refuses(OLD)],
        ends=Fails(
            "STS did not accept access key OLD of user ci within 0 seconds; it is not adopted, and the store stays as it "
            "is: run again"
        ),
        checked=OLD_ADOPTED,
    ),
    Case(
        "another user's key",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(NEXT.on), used(OLD, 1, owner="di")],
        ends=Fails("Access key OLD is not adopted for user ci: it is user di's; name that one"),
    ),
    Case(
        "a key of another account, or none",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(NEXT.on), fails(used(OLD, 1), "AccessDenied", 403)],
        ends=Fails(
            f"User ci has no access key OLD in account {ACCOUNT}, so that none is adopted: is it another account's, or "
            "was it deleted?"
        ),
    ),
    Case(
        "a key whose owner cannot be read",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(NEXT.on), fails(used(OLD, 1), "Throttling")],
        ends=Fails("Could not last_used OLD"),
    ),
    Case(
        "a key that is off",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(OLD.off)],
        ends=Fails(f"{NOT_ADOPTED}: it is Inactive, and STS accepts none that is; switch it on first"),
    ),
    Case(
        "a key that was revoked",
        before=entry(None, OLD.noted(off=ago(5), revoked=ago(5))),
        wants=ADOPT,
        script=[lists(OLD.on)],
        ends=Fails(
            f"{NOT_ADOPTED}: it was revoked on {iso(5)}; active=true with leaked=false says that it is safe all the same"
        ),
    ),
    Case(
        "a key that is current, with another secret",
        before=entry(OLD.stored()),
        wants={**ADOPT, "secret_access_key": "another"},
        script=[lists(OLD.on)],
        ends=Fails(
            f"{NOT_ADOPTED}: it is the current one in iam.yml already, with another secret than the given one; if that one "
            "is wrong, correct it with ansible-vault edit"
        ),
    ),
    Case(
        "a key that is stored as previous",
        before=NEXT_LEADS,
        wants=ADOPT,
        script=[lists(OLD.on, NEXT.on)],
        ends=Fails(
            f"{NOT_ADOPTED}: it is in iam.yml already, as previous; stage=current, without secret_access_key, makes it the "
            "current one"
        ),
    ),
    Case(
        "an entry of another account",
        before=entry(NEXT.stored()),
        wants=ADOPT,
        account_id=OTHER_ACCOUNT,
        script=[lists(OLD.on), user(OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
    Case(
        "another run was faster",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(OLD.on), user(), *thrice(accepts(OLD)), Meanwhile(ADOPTED)],
        ends=Done(OLD.on, "current", {"OLD": "Active"}),
        checked=OLD_ADOPTED,
    ),
    Case(
        "what another run stored meanwhile stays",
        before=NOTHING,
        wants=ADOPT,
        script=[
            lists(OLD.on),
            user(),
            *thrice(accepts(OLD)),
            Meanwhile(entry(NEXT.stored(promoted=NOW))),
            writes(entry(OLD.stored(promoted=NOW), NEXT.stored(promoted=NOW))),
        ],
        ends=OLD_ADOPTED,
    ),
    Case(
        "a revocation that came meanwhile counts",
        before=NOTHING,
        wants=ADOPT,
        script=[
            lists(OLD.on),
            user(),
            *thrice(accepts(OLD)),
            Meanwhile(entry(None, OLD.noted(off=NOW, revoked=NOW))),
        ],
        ends=Fails(
            f"{NOT_ADOPTED}: it was revoked on {iso()}; active=true with leaked=false says that it is safe all the same"
        ),
        checked=OLD_ADOPTED,
    ),
    Case(
        "a store that cannot be written then",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(OLD.on), user(), *thrice(accepts(OLD)), cannot_write(ADOPTED)],
        ends=Fails("iam.yml cannot be written: no space left"),
        checked=OLD_ADOPTED,
    ),
    Case(
        "an answer that is lost is asked for again",
        before=NOTHING,
        wants=ADOPT,
        script=[lists(OLD.on), user(), refuses(OLD), sleeps(0.5), *thrice(accepts(OLD)), writes(ADOPTED)],
        ends=OLD_ADOPTED,
    ),
]

CARRIED = entry(NEXT.stored(promoted=ago(9), carried=NOW), OLD.stored(promoted=ago(100)))
BOTH = {"OLD": "Active, previous", "NEXT": "Active, current"}

CARRYING = [
    Case(
        "that the current key was carried is noted",
        before=NEXT_LEADS,
        wants={"carried": True},
        script=[lists(OLD.on, NEXT.on), user(), writes(CARRIED)],
        ends=Done(NEXT.on, "current", BOTH, BOTH),
    ),
    Case(
        "once",
        before=CARRIED,
        wants={"carried": True, "access_key_id": "NEXT"},
        script=[lists(OLD.on, NEXT.on)],
        ends=Done(NEXT.on, "current", BOTH),
    ),
    Case(
        "and taken back",
        before=CARRIED,
        wants={"carried": False},
        script=[lists(OLD.on, NEXT.on), user(), writes(NEXT_LEADS)],
        ends=Done(NEXT.on, "current", BOTH, BOTH),
    ),
    Case(
        "of the key that was carried, and no other that became current meanwhile",
        before=NEXT_LEADS,
        wants={"carried": True, "access_key_id": "OLD"},
        script=[lists(OLD.on, NEXT.on)],
        ends=Fails("Access key OLD of user ci is not noted as carried: the current one is NEXT; carry that one"),
    ),
    Case(
        "and no key is made for a user who has none",
        before=NOTHING,
        wants={"carried": True},
        script=[lists(OLD.on)],
        ends=Fails("iam.yml has no current access key of user ci, so that none is noted as carried"),
    ),
    Case(
        "nor noted for a key that is gone",
        before=entry(OLD.stored()),
        wants={"carried": True},
        script=[lists(NEXT.on)],
        ends=Fails("User ci has no access key OLD (any more), so that it is not noted as carried"),
    ),
    Case(
        "nor in another account's entry",
        before=NEXT_LEADS,
        wants={"carried": True},
        account_id=OTHER_ACCOUNT,
        script=[lists(OLD.on, NEXT.on), user(OTHER_ACCOUNT)],
        ends=OF_OTHER_ACCOUNT,
    ),
]

CASES = [*ADOPTING, *CARRYING]
