# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a vault file is opened, and how it is encrypted again as it was found."""

from __future__ import annotations

from binascii import hexlify, unhexlify
from dataclasses import dataclass
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import (
    PromptVaultSecret,
    VaultAES256,
    VaultLib,
    format_vaulttext_envelope,
    is_encrypted,
    match_encrypt_secret,
    match_secrets,
)
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text

_NO_PASSWORD = "no vault password was given; use --ask-vault-pass, --vault-password-file or --vault-id"


@dataclass
class Opened:
    """The file as it was read: its text, and how to encrypt it again as it was found."""

    stamp: tuple[Any, ...] | None
    text: Text
    secret: Any = None
    label: str | None = None

    @property
    def head(self) -> bytes | None:
        return self.stamp[-1] if self.stamp else None


class Vault:
    """The vault secrets of the run, for the file that errors call `path`. Raises StoreError."""

    def __init__(self, path: str, vault: VaultLib, vault_id: str | None = None) -> None:
        self.path, self._vault, self._vault_id = path, vault, vault_id

    def open(self, data: bytes, stamp: tuple[Any, ...] | None) -> Opened:
        if not is_encrypted(data):
            what = "is empty" if not data.strip() else "is not encrypted with Ansible Vault"
            raise StoreError(f"{self.path} {what}; encrypt it with ansible-vault, or name another vault_file")
        if not self._vault.secrets:
            raise StoreError(f"{self.path} cannot be opened: {_NO_PASSWORD}")
        header = data.split(b"\n", 1)[0].decode("ascii", "replace").split(";")
        label = header[3].strip() if len(header) > 3 else None
        try:
            plain, _vault_id, secret = self._vault.decrypt_and_get_vault_id(data)
        except AnsibleError:
            whose = f" (its vault id is {label})" if label else ""
            raise StoreError(
                f"{self.path} cannot be opened with the vault password of this run{whose}: "
                "the password is another one, or the file is damaged"
            ) from None
        try:
            text = Text.parse(plain.decode("utf-8-sig"), self.path)
        except UnicodeDecodeError:
            raise StoreError(f"{self.path} is encrypted, but not text inside") from None
        return Opened(stamp, text, secret, label)

    def encrypt_with(self, opened: Opened) -> tuple[Any, str | None]:
        """The secret and the label to encrypt with: vault_id's, else the file's own, else what `ansible-vault encrypt`
        would take.
        """
        secrets = self._vault.secrets or []
        if self._vault_id:
            found = match_secrets(secrets, [self._vault_id])
            if not found:
                raise StoreError(f"vault_id {self._vault_id} is not among the vault ids of this run ({_ids(secrets)})")
            return self._proven(found[0][1], opened), self._vault_id
        if opened.secret is not None:
            return opened.secret, opened.label
        if not secrets:
            raise StoreError(f"{self.path} cannot be made: {_NO_PASSWORD}")
        configured = C.DEFAULT_VAULT_ENCRYPT_IDENTITY
        if not configured and len({vault_id for vault_id, _secret in secrets}) > 1:
            given = f"several vault ids were given ({_ids(secrets)})"
            raise StoreError(f"{self.path} cannot be made: {given}; say with vault_id which to encrypt with")
        try:
            vault_id, secret = match_encrypt_secret(secrets, encrypt_vault_id=configured or None)
        except AnsibleError as error:
            raise StoreError(f"{self.path} cannot be made: {_reason(error)}") from None
        return self._proven(secret, opened), vault_id

    def _proven(self, secret: Any, opened: Opened) -> Any:
        """A password that was typed once, and that has not opened the file, may be a slip of the finger: nobody could
        read what it encrypts.
        """
        if not isinstance(secret, PromptVaultSecret) or secret is opened.secret:
            return secret
        typed = "the vault password was typed once at a prompt, and nothing tells whether it is the one that was meant"
        if opened.stamp is None:
            raise StoreError(
                f"{self.path} is not made: {typed}; make the file with `ansible-vault create {self.path}`, "
                "which asks twice, or take the password from a file"
            )
        raise StoreError(
            f"{self.path} is not encrypted anew: {typed}; use `ansible-vault rekey {self.path}`, which asks twice, "
            "or take the password from a file"
        )


def encrypted(text: str, secret: Any, label: str | None) -> bytes:
    """What VaultLib.encrypt gives; it cuts the lines in Python, which takes longer than all else for a large file."""
    header = format_vaulttext_envelope(b"", "AES256", vault_id=label)
    # Of a whole fleet's file each of these is megabytes: none is kept longer than it is needed.
    content = unhexlify(VaultAES256.encrypt(text.encode(), secret))
    return b"".join((header, hexlify(content, b"\n", -40), b"\n"))


def _ids(secrets: list[tuple[str, Any]]) -> str:
    return ", ".join(sorted({str(vault_id) for vault_id, _secret in secrets})) or "none"


def _reason(error: AnsibleError) -> str:
    """Ansible's reason without the file's content."""
    return str(getattr(error, "message", error)).split("\n", 1)[0]
