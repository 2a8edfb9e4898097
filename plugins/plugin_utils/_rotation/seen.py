# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the first look at the users shows to be meant otherwise: another account, a name that fits nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ansible_collections.keyturn.iam.plugins.module_utils._options import names_user


def account_error(wanted: str | None, account_id: str | None) -> str | None:
    """Why nothing may be done in the account of these credentials; null where it may."""
    if not wanted or wanted == account_id:
        return None
    if not account_id:
        return (
            "Which account these credentials are for could not be learned, "
            f"and rotation_account_id asks for {wanted}: nothing was done"
        )
    return (
        f"These credentials are for account {account_id}, but rotation_account_id is {wanted}: "
        "nothing was done; use that account's"
    )


def unmatched_names(settings: Mapping[str, Any], user_names: Iterable[str]) -> list[str]:
    """A sentence for each name of `exempt` that fits none of the users; the report says those of `now`.

    Who is meant may be among those who were not looked at, so it is told only where everyone was.
    """
    users = list(user_names)
    everyone = "*" in (settings.get("users") or ()) and settings.get("path_prefix") in (None, "", "/")
    return [
        f"rotation_exempt names {name}, which no user has{_hint(name, users)}"
        for name in (settings.get("exempt") or () if everyone else ())
        if not any(names_user(name, user) for user in users)
    ]


def _hint(name: str, users: Iterable[str]) -> str:
    meant = get_close_matches(name, users, n=1, cutoff=0.75)
    return f": {meant[0]} is meant, perhaps" if meant else ""
