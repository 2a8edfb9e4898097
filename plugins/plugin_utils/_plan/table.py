# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of decisions: the statuses, in the order in which a report counts them, and which of them are drift."""

from __future__ import annotations

STATUSES = (
    "due",
    "unused",
    "retire",
    "blocked",
    "broken",
    "leftover",
    "gone",
    "unmanaged",
    "error",
    "no_active_key",
    "held",
    "grace",
    "due_soon",
    "compliant",
    "exempt",
)
"""What may be said of a user, in the order of a report's totals: first what is done, then what a person has to see, then what is well."""
DRIFT = frozenset(("error", "gone", "leftover", "due", "broken", "unused", "blocked", "retire"))
"""Statuses of users who are not as the policy wants them; so is whoever has an Active key over `max_age_days`."""
