# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, entries and endings that the cases share."""

from __future__ import annotations

from scripted_iam import (
    ACCOUNT,
    NEW,
    NEXT,
    NOW,
    OLD,
    OTHER_ACCOUNT,
    STS_READY,
    Done,
    Fails,
    Made,
    Step,
    ago,
    asked,
    creates,
    entry,
    fails,
    lists,
    quota,
    sleeps,
    user,
    writes,
)

LATE = Made("LATE", ago(seconds=4))  # too young for STS's answers to count
LEFT = Made("LEFT", ago(0.1))  # made by a request without an answer
LOST = Made("LOST", ago(60))
OLD_STAYS = entry(OLD.stored())
ASKED = entry(OLD.stored(), asked=asked(OLD))
STORED = entry(OLD.stored(), NEW.stored(), asked=asked(OLD))
NEW_IS_CURRENT = entry(NEW.stored(promoted=NOW), OLD.stored(promoted=ago(100)))
NEXT_WAITS = entry(OLD.stored(), NEXT.stored(), asked=asked(OLD, date=ago(0.1)))


def thrice(step: Step) -> list[Step]:
    """STS answers three times, half a second apart."""
    return [step, sleeps(0.5), step, sleeps(0.5), step]


# What a rotation of OLD does, up to where NEW waits for STS; and how it ends.
LOOKS = [lists(OLD.on), user(), STS_READY, quota(2)]
MAKES = [*LOOKS, writes(ASKED), creates(NEW), writes(STORED)]
MADE = Done(NEW.on, "current", {"OLD": "Active, current"}, {"OLD": "Active, previous", "NEW": "Active, current"})
ROTATE = {"max_age_days": 90}
NEXT_LEADS = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100)))
NEXT_LEADS_OLD_NOTED = entry(NEXT.stored(promoted=ago(9)), OLD.stored(promoted=ago(100), off=NOW))
BOTH_ON = {"OLD": "Active, previous", "NEXT": "Active, current"}
OLD_OFF = {"OLD": "Inactive, previous", "NEXT": "Active, current"}

OF_OTHER_ACCOUNT = Fails(
    f"The keys of user ci in iam.yml belong to account {ACCOUNT}, but these credentials are for account {OTHER_ACCOUNT}; "
    "use that account's credentials or another vault_file"
)
NO_USER = Fails("There is no IAM user ci (asked with access key SIGNER: is it the right account?)")
NO_SUCH_USER = fails(lists(), "NoSuchEntity", 404)
LEFT_OVER = entry(OLD.stored(), asked=asked(OLD, date=ago(0.1)))
LONG_LEFT = Made("LEFT", ago(1))
LONG_LEFT_OVER = entry(OLD.stored(), asked=asked(OLD, date=ago(1)))
OLD_REVOKED = OLD.stored(promoted=ago(100), off=NOW, revoked=NOW)
NEXT_LEADS_OLD_REVOKED = entry(NEXT.stored(promoted=ago(9)), OLD_REVOKED)
