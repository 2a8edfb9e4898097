# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: one Ansible Vault file with the secrets, on the controller.

Its text is kept in pieces, one an entry, so that a change dumps one entry and leaves the rest, comments too, as it was.
Reading needs no lock, for the file is only ever replaced whole; whoever decides and writes holds the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.parsing.vault import (
    VaultAES256,
    VaultLib,
    format_vaulttext_envelope,
    is_encrypted,
    match_encrypt_secret,
    match_secrets,
)
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError

KEYS = "iam_access_keys"
NULL = "tag:yaml.org,2002:null"
TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
LOCK_TIMEOUT = 120.0
_NO_PASSWORD = "no vault password was given; use --ask-vault-pass, --vault-password-file or --vault-id"
_OPENING = re.compile(rf"""^(["']?){KEYS}\1 *:(?= *(?:#.*)?\r?$)""", re.MULTILINE)
_END_OF_DOCUMENT = re.compile(r"^\.\.\.(?=\s|$)", re.MULTILINE)
# Bytes that tell two encryptions apart (header, salt, digest), whatever a file system's clock says.
_FINGERPRINT = 1024
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """A dumper that leaves a person's scalars as they were written."""


class _Scalar(str):
    """A scalar's text that knows how it was written: its tag (such as !vault) and its style."""

    tag: str
    style: str | None

    @classmethod
    def of(cls, node: yaml.ScalarNode) -> str:
        if node.tag == TEXT and node.style not in ("|", ">"):
            return str(node.value)
        scalar = cls(node.value)
        scalar.tag, scalar.style = node.tag, node.style
        return scalar


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    """Quoted where another reader of YAML could see a number, as in 098765432109; tagged strings of Ansible's as plain ones."""
    return dumper.represent_scalar(TEXT, str.__str__(text), style="'" if text[:1] in tuple("0123456789+-.") else None)


_Dumper.add_multi_representer(str, _represent_text)
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(_Scalar, lambda _dumper, text: yaml.ScalarNode(text.tag, str(text), style=text.style))


# -- the text --------------------------------------------------------------------------------------------------------


@dataclass
class Text:
    """The decrypted file: what comes before the entries, each entry's own lines and those before it, and what comes after.

    `parsed` has each entry's fields, or the reason why it has none.
    """

    head: str = ""
    entries: dict[str, str] = field(default_factory=dict)
    tail: str = ""
    parsed: dict[str, Any] = field(default_factory=dict)
    between: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, path: str) -> Text:
        """Raises StoreError where the file is not a mapping, or its access keys are not one."""
        try:
            root = yaml.compose(text, Loader=_Loader)
            if root is not None and (root.tag == NULL or (isinstance(root, yaml.MappingNode) and not root.value)):
                # says nothing, and no key may follow it
                text, root = text[: root.start_mark.index] + text[root.end_mark.index :], None
            section = _section(root, path)
            if root is not None and not _in_pieces(text, root, section):
                text = yaml.serialize(_plain(root), Dumper=_Dumper, width=10_000, allow_unicode=True)
                section = _section(yaml.compose(text, Loader=_Loader), path)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise StoreError(
                f"{path} is encrypted, but not YAML inside{f' (line {mark.line + 1})' if mark else ''}"
            ) from None
        except RecursionError:
            raise StoreError(f"{path} is encrypted, but its YAML holds itself or is nested too deeply") from None
        if section is None:
            end = found.start() if (found := _END_OF_DOCUMENT.search(text)) else len(text)
            return cls(f"{_whole_lines(text[:end])}{KEYS}:\n", tail=text[end:])
        users = section[1]
        if not users.value or users.tag == NULL:
            end = _end_of_line(text, users.end_mark.index)
            return cls(
                _whole_lines(text[: users.start_mark.index].rstrip(" ") + text[users.end_mark.index : end]),
                tail=text[end:],
            )
        names = [name.value for name, _value in users.value]
        if len(set(names)) != len(names):
            raise StoreError(f"{path} names a user twice under {KEYS}")
        starts = [_line_start(text, name.start_mark.index) for name, _value in users.value]
        ends = [_end_of_line(text, _last_scalar(value)) for _name, value in users.value]
        pieces = [text[start:end] for start, end in zip(starts, ends)]
        between = {name: text[end:start] for name, end, start in zip(names[1:], ends, starts[1:])}
        parsed = {name.value: _fields(value) for name, value in users.value}
        return cls(text[: starts[0]], dict(zip(names, pieces)), text[ends[-1] :], parsed, between)

    def __str__(self) -> str:
        if self.entries:
            return (
                self.head
                + "".join([self.between.get(name, "") + entry for name, entry in self.entries.items()])
                + self.tail
            )
        openings = list(_OPENING.finditer(self.head))
        end = openings[-1].end() if openings else len(self.head)
        return self.head[:end] + " {}" * bool(openings) + self.head[end:] + self.tail

    def put(self, user_name: str, entry: Entry) -> None:
        if entry.empty:
            return self._drop(user_name)
        fields = entry.to_mapping()
        lines = yaml.dump(
            {user_name: fields}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
        ).splitlines(keepends=True)
        if lines[-1] == "...\n":  # the dumper ends a document so after a person's |+ text
            lines.pop()
        if user_name not in self.entries and self.entries:
            last = next(reversed(self.entries))
            if not self.entries[last].endswith("\n"):
                self.entries[last] += "\n"
        self.entries[user_name] = "".join(f"{self._indent}{line}" for line in lines)
        self.parsed[user_name] = fields

    def _drop(self, user_name: str) -> None:
        """The entry goes; what a person wrote before it stays."""
        if user_name not in self.entries:
            return
        names, kept = list(self.entries), self.between.pop(user_name, "")
        following = names[names.index(user_name) + 1 :]
        if following and names[0] == user_name:
            self.head += self.between.pop(following[0], "")
        elif following:
            self.between[following[0]] = kept + self.between.get(following[0], "")
        else:
            self.tail = kept + self.tail
        del self.entries[user_name], self.parsed[user_name]

    @property
    def _indent(self) -> str:
        first = next(iter(self.entries.values()), "  ")
        return first[: len(first) - len(first.lstrip(" "))] or "  "


def _section(root: Any, path: str) -> tuple[Any, Any] | None:
    """The nodes of `iam_access_keys` and its users, None where the file has none yet."""
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode):
        raise StoreError(f"{path} is not a mapping inside: it must hold variables, as a vars file does")
    found = [(key, value) for key, value in root.value if key.value == KEYS]
    if len(found) > 1:
        raise StoreError(f"{path} has {KEYS} twice")
    for _key, value in found:
        if not isinstance(value, yaml.MappingNode) and value.tag != NULL:
            raise StoreError(f"{KEYS} in {path} is not a mapping of users")
        if isinstance(value, yaml.MappingNode) and not all(
            isinstance(name, yaml.ScalarNode) for name, _value in value.value
        ):
            raise StoreError(f"{KEYS} in {path} has a user whose name is not text")
    return found[0] if found else None


def _in_pieces(text: str, root: yaml.MappingNode, section: tuple[Any, Any] | None) -> bool:
    """Whether each entry stands on lines of its own that nothing else refers to, so that lines can be added and replaced."""
    if root.flow_style or root.start_mark.column > 0 or (not text.endswith("\n") and _ends_in_block_scalar(root)):
        return False
    if section is None:
        return True
    key, users = section
    if _has_anchors(text, key, root) or not _on_own_line(text, key):
        return False
    if not users.value or users.tag == NULL:
        return True
    indented = not users.flow_style and users.value[0][0].start_mark.column > 0
    return indented and all(_on_own_line(text, name) for name, _value in users.value)


def _on_own_line(text: str, name: yaml.ScalarNode) -> bool:
    start = name.start_mark.index
    return not text[_line_start(text, start) : start].strip() and text.startswith(
        (name.value, f'"{name.value}"', f"'{name.value}'"), start
    )


def _has_anchors(text: str, key: yaml.ScalarNode, root: yaml.MappingNode) -> bool:
    """Whether the entries hold anchors or aliases: an alias has the marks of what it refers to."""
    start = key.start_mark.index
    end = min(
        (other.start_mark.index for other, _value in root.value if other.start_mark.index > start), default=len(text)
    )
    if "&" not in text[start:end] and "*" not in text[start:end]:
        return False
    anchors = (yaml.AnchorToken, yaml.AliasToken)
    return any(
        isinstance(token, anchors) and start <= token.start_mark.index < end
        for token in yaml.scan(text, Loader=_Loader)
    )


def _ends_in_block_scalar(node: yaml.Node) -> bool:
    """Whether a newline added to the text would become part of its last value."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _end_of_line(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _last_scalar(node: yaml.Node) -> int:
    """The index of a node's last character; the end mark of a block lies beyond the comments that follow it."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return max(node.end_mark.index - 1, node.start_mark.index)


def _plain(node: yaml.Node) -> yaml.Node:
    """The same document in block style, with aliases written out; unknown tags (such as !vault) stay."""
    if isinstance(node, yaml.MappingNode):
        return yaml.MappingNode(node.tag, [(_plain(key), _plain(value)) for key, value in node.value], flow_style=False)
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_plain(item) for item in node.value], flow_style=False)
    return yaml.ScalarNode(node.tag, node.value, style=node.style)


def _fields(node: yaml.Node) -> Any:
    try:
        return _value_of(node)
    except ValueError as error:
        return error


def _value_of(node: yaml.Node) -> Any:
    """A node's value, every scalar as it is written: an account id must not become a number, nor a date an object. Raises ValueError."""
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(item) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return None if node.tag == NULL else _Scalar.of(node)
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if key.tag == MERGE:
            for defaults in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                merged = {**_value_of(defaults), **merged}
        elif not isinstance(key, yaml.ScalarNode):
            raise ValueError("has a field whose name is not text")
        elif key.value in own:  # one of the two would be lost
            raise ValueError(f"has {key.value} twice")
        else:
            own[key.value] = _value_of(value)
    return {**merged, **own}


# -- the file --------------------------------------------------------------------------------------------------------


@dataclass
class _Opened:
    """The file as it was read: its text, and how to encrypt it again as it was found."""

    stamp: tuple[Any, ...] | None
    text: Text
    secret: Any = None
    label: str | None = None


class VaultStore:
    """The vault file at `path`, opened with the vault secrets of the run. Raises StoreError for whatever is wrong with it."""

    def __init__(
        self, path: str, vault: VaultLib, vault_id: str | None = None, lock_timeout: float = LOCK_TIMEOUT
    ) -> None:
        self.path: str = path
        self._file = Path(os.path.realpath(path))  # a symbolic link stays one
        self._vault, self._vault_id, self._lock_timeout = vault, vault_id, lock_timeout
        self._opened: _Opened | None = None

    @contextlib.contextmanager
    def locked(self, user_name: str, write: bool) -> Iterator[_Transaction]:
        with self._lock() if write else contextlib.nullcontext():
            entry = self.entry(user_name)
            self._check_writable()
            yield _Transaction(self, user_name, entry, write)

    def entry(self, user_name: str) -> Entry:
        """What the store knows of the user; an empty entry where it knows nothing."""
        fields = self._read().text.parsed.get(user_name)
        try:
            if isinstance(fields, ValueError):
                raise fields
            return Entry() if fields is None else Entry.from_mapping(fields)
        except ValueError as error:
            raise StoreError(f"The entry of user {user_name} in {self.path} {error}") from None

    def entries(self) -> dict[str, Entry | StoreError]:
        """All entries by user; an entry that cannot be read is its error."""
        found: dict[str, Entry | StoreError] = {}
        for user_name in self._read().text.parsed:
            try:
                found[user_name] = self.entry(user_name)
            except StoreError as error:
                found[user_name] = error
        return found

    # -- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> _Opened:
        """The file's text, decrypted again only where another has written it since."""
        self._check_folder()
        try:
            with open(self._file, "rb") as file:
                status = os.fstat(file.fileno())
                data = file.read(_FINGERPRINT)
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size, data)
                if self._opened and self._opened.stamp == stamp:
                    return self._opened
                data += file.read()
        except FileNotFoundError:
            self._opened = _Opened(None, Text.parse("", self.path))
            return self._opened
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from None
        self._opened = self._decrypt(data, stamp)
        return self._opened

    def _check_folder(self) -> None:
        if not self._file.parent.is_dir():
            raise StoreError(f"The folder {self._file.parent} of vault_file {self.path} does not exist")

    def _check_writable(self) -> None:
        """What reading can show of a write that would fail, before anything is asked of AWS."""
        self._encrypt_with(self._read())
        if not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise StoreError(f"{self.path} cannot be written: the folder {self._file.parent} is not writable")
        if self._file.exists() and not os.access(self._file, os.W_OK):
            raise StoreError(f"{self.path} cannot be written: the file is read-only")

    def _decrypt(self, data: bytes, stamp: tuple[Any, ...]) -> _Opened:
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
            raise StoreError(
                f"{self.path} cannot be opened with the vault password of this run{f' (its vault id is {label})' if label else ''}: "
                "the password is another one, or the file is damaged"
            ) from None
        try:
            text = Text.parse(plain.decode("utf-8-sig"), self.path)
        except UnicodeDecodeError:
            raise StoreError(f"{self.path} is encrypted, but not text inside") from None
        return _Opened(stamp, text, secret, label)

    def _encrypt_with(self, opened: _Opened) -> tuple[Any, str | None]:
        """The secret and the label to encrypt with: vault_id's, else the file's own, else what `ansible-vault encrypt` would take."""
        secrets = self._vault.secrets or []
        if self._vault_id:
            found = match_secrets(secrets, [self._vault_id])
            if not found:
                raise StoreError(f"vault_id {self._vault_id} is not among the vault ids of this run ({_ids(secrets)})")
            return found[0][1], self._vault_id
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
        return secret, vault_id

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, user_name: str, entry: Entry) -> None:
        """Replaces the user's entry; when this returns, the file and its folder are synced. The lock is held."""
        opened = self._read()
        secret, label = self._encrypt_with(opened)
        try:
            opened.text.put(user_name, entry)
            opened.stamp = self._replace(_encrypted(str(opened.text), secret, label))
        except OSError as error:
            self._opened = None  # what the text says is not what the file says
            raise StoreError(f"{self.path} cannot be written: {_os_reason(error)}") from None
        except BaseException:
            self._opened = None
            raise

    def _replace(self, data: bytes) -> tuple[Any, ...]:
        temporary = self._file.with_name(f".{self._file.name}.tmp")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()  # of a run that died; the lock is ours
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o600)
                self._give_to_owner(file.fileno())
                os.fsync(file.fileno())
                status = os.fstat(file.fileno())
            os.replace(temporary, self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._sync_folder()
        return status.st_ino, status.st_mtime_ns, status.st_size, data[:_FINGERPRINT]

    def _give_to_owner(self, handle: int) -> None:
        """Root writes, and locks, for the owner of the file."""
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                owner = self._file.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)

    def _sync_folder(self) -> None:
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems know no such thing
                raise
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One at a time, on this machine and over whatever of its file systems carry flock."""
        self._check_folder()
        name = self._file.with_name(f".{self._file.name}.lock")
        try:
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written: no lock file in {self._file.parent} ({error.strerror})"
            ) from None
        try:
            self._give_to_owner(handle)
            _acquire(
                handle,
                self._lock_timeout,
                lambda: StoreError(
                    f"{self.path} is locked by another run for more than {self._lock_timeout:g} seconds; wait for it, or see with "
                    f"`fuser {name}` who holds it, and run again"
                ),
            )
            yield
        finally:
            os.close(handle)


@dataclass
class _Transaction:
    """One user's entry while the lock is held (or, in check mode, just read)."""

    store: VaultStore
    user_name: str
    entry: Entry
    writable: bool

    def write(self, entry: Entry) -> None:
        if not self.writable:
            raise AssertionError("a write without the store's lock")
        self.store.write(self.user_name, entry)
        self.entry = entry


def _encrypted(text: str, secret: Any, label: str | None) -> bytes:
    """What VaultLib.encrypt gives; it cuts the lines in Python, which takes longer than all else for a large file."""
    header = format_vaulttext_envelope(b"", "AES256", vault_id=label)
    return header + hexlify(unhexlify(VaultAES256.encrypt(text.encode(), secret)), b"\n", -40) + b"\n"


def _acquire(handle: int, timeout: float, late: Callable[[], Exception]) -> None:
    deadline, pause = time.monotonic() + timeout, 0.002
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreError(f"The lock of the store cannot be had: {error.strerror}") from None
        if time.monotonic() >= deadline:
            raise late()
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def _ids(secrets: list[tuple[str, Any]]) -> str:
    return ", ".join(sorted({str(vault_id) for vault_id, _secret in secrets})) or "none"


def _reason(error: AnsibleError) -> str:
    """Ansible's reason without the file's content."""
    return str(getattr(error, "message", error)).split("\n", 1)[0]


def _os_reason(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "it cannot be replaced (a file mounted singly into a container? mount its folder instead)"
    return error.strerror or str(error)
