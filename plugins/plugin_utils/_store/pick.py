# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One user's access key out of the store, for whoever carries it to where it is used."""

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


def pick(store: VaultStore, user_name: str, stage: str = "current") -> dict[str, str]:
    """Id and secret of the user's key in that stage; of several previous ones the last that was current.

    Raises StoreError where the store has none.
    """
    entry = store.entry(user_name)
    if entry.empty:
        raise StoreError(f"{store.path} has no access key of user {user_name}: is that the name as IAM writes it?")
    key_id = _key_in_stage(entry, stage)
    key = entry.key(key_id)
    if key_id is None or key is None or not key.secret_access_key:
        there = ", ".join(f"{other} ({entry.stage(other) or 'no stage'})" for other in entry.key_ids) or "none"
        raise StoreError(f"{store.path} has no {stage} access key of user {user_name}; it has {there}")
    return {"access_key_id": key_id, "secret_access_key": key.secret_access_key}


def _key_in_stage(entry: Entry, stage: str) -> str | None:
    found = [key_id for key_id in entry.key_ids if entry.stage(key_id) == stage]
    return max(found, key=lambda key_id: _current_since(entry, key_id), default=None)


def _current_since(entry: Entry, key_id: str) -> datetime:
    key = entry.key(key_id)
    return (key.promote_date if key else None) or _LONG_AGO
