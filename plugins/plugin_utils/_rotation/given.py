# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key that a person has: in a profile, or in the CSV file that AWS's console gives once."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from ansible_collections.keyturn.iam.plugins.module_utils._options import same_name
from ansible_collections.keyturn.iam.plugins.plugin_utils._credentials_file import profile_of

_ID, _SECRET, _USER = "access key id", "secret access key", "user name"


def given_key(user_name: str, profile: str | None, csv_file: str | None) -> dict[str, str]:
    """Id and secret of the key to be adopted. Raises ValueError, one sentence without a secret."""
    if bool(profile) == bool(csv_file):
        raise ValueError("name the key that is to be adopted: by rotation_profile, or by rotation_csv")
    return _of_csv(user_name, str(csv_file)) if csv_file else profile_of(str(profile))


def _of_csv(user_name: str, path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # the console writes a byte-order mark
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise ValueError(f"rotation_csv {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"rotation_csv {path} is no CSV file as AWS's console gives it") from None
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if _ID not in head or _SECRET not in head:
        raise ValueError(
            f"rotation_csv {path} is no CSV file as AWS's console gives it: its first line must name "
            "the columns Access key ID and Secret access key"
        )
    found = [dict(zip(head, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]
    return _of_user(user_name, path, found)


def _of_user(user_name: str, path: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Some of these files have a column with the user's name, and a line for each user."""
    own = [row for row in rows if not row.get(_USER) or same_name(row[_USER], user_name)]
    if len(own) != 1:
        count = "no key" if not own else f"{len(own)} keys"
        raise ValueError(f"rotation_csv {path} has {count} of user {user_name}")
    key_id, secret = own[0].get(_ID), own[0].get(_SECRET)
    if not key_id or not secret:
        raise ValueError(f"rotation_csv {path} has a line without an access key id or without its secret")
    return {"access_key_id": key_id, "secret_access_key": secret}
