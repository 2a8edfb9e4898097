# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How statuses and actions are spoken of, and what is shown of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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

BY_NO_RUN = frozenset(("error", "gone", "quarantined", "broken", "blocked", "unmanaged"))
"""Statuses about which nothing is done, however often the rotation runs: a person is needed where they are drift."""
SAYS_WHEN = frozenset(("leftover", "held", "grace"))
"""Statuses whose sentence says itself when it goes on."""
BY_THIS_RUN_OR_NONE = frozenset(("revoked", "uncarried"))
"""Statuses that a run ends at once where it may: where it has nothing to do about them, a person is needed."""


class Ahead(NamedTuple):
    """What is to be known of a user who is no drift and for whom nothing is done now.

    `is_for_a_person`: unless the user is named in rotation_now.
    """

    meaning: str
    is_for_a_person: bool = False


AHEAD = {
    "no_active_key": Ahead("They get a key only where you name them:", True),
    "unmanaged": Ahead("Their keys were made by hand, and none is stored. For one that is:", True),
    "held": Ahead("After a rollback the rotation leaves them alone until then."),
    "grace": Ahead("A key that was replaced goes then, once nobody uses it."),
    "due_soon": Ahead("They are due for a new key then, and a run makes it."),
}
"""By status, in the order in which they are told."""

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

    `total` is its name in the totals, nothing for what is not counted, `group` the status among whose users it is told.
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
    "take_note_back": Verb(
        "take back the note that it was switched off",
        "took back the note that it was switched off",
        "had no note any more",
        "",
        "retire",
    ),
    "delete": Verb("delete", "deleted", "was deleted already", "deleted", "retire"),
}
