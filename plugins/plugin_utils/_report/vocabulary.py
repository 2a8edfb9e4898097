# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How statuses and actions are spoken of, which statuses are drift, and what is shown of a key."""

from __future__ import annotations

from dataclasses import dataclass

# status: (as the head of a sentence, in the line of totals); the order is that of the table and of the totals.
STATUSES = {
    "due": ("due", "due"),
    "unused": ("unused", "unused"),
    "retire": ("to retire", "to retire"),
    "blocked": ("blocked", "blocked"),
    "broken": ("broken", "broken"),
    "leftover": ("leftover", "with a leftover"),
    "gone": ("gone", "gone"),
    "unmanaged": ("unmanaged", "unmanaged"),
    "error": ("error", "in error"),
    "no_active_key": ("no active key", "without an active key"),
    "held": ("held", "held"),
    "grace": ("in grace", "in grace"),
    "due_soon": ("due soon", "due soon"),
    "compliant": ("compliant", "compliant"),
    "exempt": ("exempt", "exempt"),
}
DRIFT = frozenset(("error", "gone", "leftover", "due", "broken", "unused", "blocked", "retire"))


@dataclass(frozen=True)
class Verb:
    """How one action is spoken of: what is to be done, what was done, and that there was nothing to do."""

    to_do: str
    did: str
    needless: str
    total: str
    group: str


VERBS = {
    "create": Verb("make a new key", "made a new key", "needed no new key", "made", "due"),
    "verify": Verb("verify and make current", "verified and made current", "was current already", "verified", "due"),
    "deactivate": Verb("switch off", "switched off", "was off already", "switched_off", "retire"),
    "delete": Verb("delete", "deleted", "was deleted already", "deleted", "retire"),
}
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
POLICY_FIELDS = (
    "max_age_days",
    "warn_days",
    "deactivate_after_days",
    "idle_days",
    "delete_after_days",
    "unused_days",
    "exempt",
    "now",
)


def status_head(status: str) -> str:
    return STATUSES[status][0] if status in STATUSES else status.replace("_", " ")
