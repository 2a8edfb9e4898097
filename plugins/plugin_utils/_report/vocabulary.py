# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How statuses and actions are spoken of, and what is shown of a key."""

from __future__ import annotations

from dataclasses import dataclass

KEY_FIELDS = (
    "access_key_id",
    "status",
    "stage",
    "create_date",
    "age_days",
    "last_used_date",
    "last_used_service",
    "last_used_region",
    "last_used_known",
    "idle_days",
    "deactivate_date",
    "stored",
)

# Statuses that are said otherwise than they are called.
_BEFORE_A_SENTENCE = {"retire": "to retire", "grace": "in grace"}
_IN_THE_TOTALS = {"leftover": "with a leftover", "error": "in error", "no_active_key": "without an active key"}


def status_head(status: str) -> str:
    """How a status is said before a sentence: `no active key`."""
    return _BEFORE_A_SENTENCE.get(status, status.replace("_", " "))


def status_of_users(status: str) -> str:
    """How it is said after a number of users: `3 without an active key`."""
    return _IN_THE_TOTALS.get(status, status_head(status))


@dataclass(frozen=True)
class Verb:
    """How one action is spoken of: what is to be done, what was done, and that there was nothing to do.

    `total` is its name in the totals, `group` the status among whose users it is told.
    """

    to_do: str
    did: str
    needless: str
    total: str
    group: str


VERBS = {
    "create": Verb("make a new key", "made a new key", "needed no new key", "made", "due"),
    "verify": Verb("verify and make current", "verified and made current", "was current already", "verified", "due"),
    "carry": Verb(
        "carry to where it is used", "carried to where it is used", "was carried already", "carried", "uncarried"
    ),
    "put_back": Verb("put back in force", "put back in force", "was in force already", "verified", "due"),
    "deactivate": Verb("switch off", "switched off", "was off already", "switched_off", "retire"),
    "delete": Verb("delete", "deleted", "was deleted already", "deleted", "retire"),
}
