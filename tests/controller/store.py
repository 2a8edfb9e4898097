# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as a person would read or write it beside the collection: Ansible's own vault code, and none of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lab.messages import KeyState, UserState

PASSWORD = "the password of the laboratory's store"
Passwords = str | Mapping[str, str] | None


def open_store(path: Path, password: Passwords = PASSWORD) -> dict[str, Any]:
    """What an Ansible Vault file holds, read by Ansible's own code; its errors for one that does not open."""
    return dict(yaml.safe_load(vault(password).decrypt(path.read_bytes())) or {})


def write_store(
    path: Path, content: Mapping[str, Any] | str, password: Passwords = PASSWORD, vault_id: str | None = None
) -> None:
    """Encrypt a mapping, or text as it is, into an Ansible Vault file as `ansible-vault create` would."""
    lib = vault(password)
    text = content if isinstance(content, str) else yaml.safe_dump(dict(content), sort_keys=False)
    name, secret = next(pair for pair in lib.secrets if vault_id in (None, pair[0]))
    path.write_bytes(lib.encrypt(text.encode(), secret, vault_id=vault_id or (name if name != "default" else None)))
    path.chmod(0o600)


def stored(key: KeyState, **dates: str) -> dict[str, Any]:
    """A key as the store has it beside its id."""
    return {"secret_access_key": key.secret_access_key, "create_date": key.create_date, **dates}


def entry_of(user: UserState, key: KeyState, **more: Any) -> dict[str, Any]:
    """A user's entry in the store whose current key this is, promoted as it was made."""
    owner = {"account_id": user.account_id, "user_id": user.user_id}
    return {**owner, "access_key_id": key.access_key_id, **stored(key, promote_date=key.create_date), **more}


def vault_id_of(path: Path) -> str | None:
    """The vault id in the file's header, None where there is none (format 1.1)."""
    header = path.read_text().partition("\n")[0].split(";")
    return header[3] if len(header) > 3 else None


def vault(password: Passwords) -> Any:
    """Ansible's VaultLib with these passwords."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    return VaultLib([(name, VaultSecret(secret.encode())) for name, secret in passwords_by_id(password).items()])


def passwords_by_id(password: Passwords) -> dict[str, str]:
    """The passwords by vault id; one alone has the id `default`."""
    if password is None:
        return {}
    return {"default": password} if isinstance(password, str) else dict(password)
