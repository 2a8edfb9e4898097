# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store against Ansible's own vault, loader and command line."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants as C
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import PromptVaultSecret, VaultAES256, VaultLib, VaultSecret, format_vaulttext_envelope
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store import file as store_file
from ansible_collections.keyturn.iam.plugins.plugin_utils._store import text as store_text
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text

NOW = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PRIVATE = "a person's own password"
CI = Entry(
    "012345678901", "AIDACKCEVSQ6C2EXAMPLE", "AKIAIOSFODNN7EXAMPLE", StoredKey(SECRET, NOW, NOW + timedelta(seconds=12))
)
NEXT = CI.ask(NOW, (str(CI.current_id),)).stage_next(
    "AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk+h3yCo8nvbEXAMPLEKEY", NOW
)
FORK = multiprocessing.get_context("fork")


def vault(**secrets: str) -> VaultLib:
    """Ansible's vault with the passwords of these vault ids; `default` where none is named."""
    return VaultLib(
        [
            (vault_id, VaultSecret(password.encode()))
            for vault_id, password in (secrets or {"default": "letmein"}).items()
        ]
    )


def encrypt(path: Path, text: str | bytes, label: str | None = None, password: str = "letmein") -> bytes:
    data = bytes(VaultLib().encrypt(text, VaultSecret(password.encode()), vault_id=label))
    path.write_bytes(data)
    return data


def decrypt(path: Path, password: str = "letmein") -> str:
    return bytes(vault(default=password).decrypt(path.read_bytes())).decode()


def put(store: VaultStore, user_name: str, entry: Entry) -> None:
    with store.locked(user_name, write=True) as stored:
        stored.write(entry)


def as_vars(path: Path, password: str = "letmein") -> Any:
    """The file as `vars_files` gives it to a play."""
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(password.encode()))])
    return loader.load_from_file(str(path))


class _Loader(yaml.SafeLoader):
    """Unknown tags, such as !vault, as pairs of tag and text."""


_Loader.add_multi_constructor("!", lambda _loader, tag, node: (tag, node.value))


def variables(text: str) -> dict[str, Any]:
    return dict(yaml.load(text, Loader=_Loader) or {})


def names(folder: Path) -> list[str]:
    """What lies in the folder, without what a store held before."""
    return sorted(
        entry.name for entry in folder.iterdir() if not re.fullmatch(r"\..*\.(last|notes|[1-9][0-9]*)", entry.name)
    )


def predecessors(path: Path) -> list[str]:
    """What `path` held before, the newest first, decrypted."""
    found = [beside for number in range(1, 20) if (beside := path.with_name(f".{path.name}.{number}")).exists()]
    return [decrypt(beside) for beside in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yml"


@pytest.fixture(params=[store_text.AT_ONCE, 1])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many entries are read at a time: all of a small file's, or each by itself as in a large one."""
    monkeypatch.setattr(store_text, "AT_ONCE", request.param)


@pytest.fixture
def ansible_vault(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The real command, with a home of its own."""
    home = tmp_path_factory.mktemp("home")
    for name, password in (("old", "letmein"), ("new", "changed")):
        (home / name).write_text(f"{password}\n")
    (home / "editor").write_text(
        '#!/bin/sh\nprintf \'%s\\n\' \'# by hand\' \'mine: 1\' | cat - "$1" > "$1.new" && cat "$1.new" > "$1" && rm "$1.new"\n'
    )
    (home / "editor").chmod(0o700)

    def run(*arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANSIBLE_HOME": str(home / ".ansible"),
            "EDITOR": str(home / "editor"),
        }
        command = [
            str(Path(sys.executable).with_name("ansible-vault")),
            *(argument.format(home=home) for argument in arguments),
        ]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    return run


# -- a new file ----------------------------------------------------------------------------------------------------


def test_a_new_file_is_private_and_of_the_default_vault_id(path: Path) -> None:
    previous = os.umask(0)
    try:
        put(VaultStore(str(path), vault()), "ci", CI)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert names(path.parent) == [".keys.yml.lock", "keys.yml"]
    assert decrypt(path) == (
        "iam_access_keys:\n"
        "  ci:\n"
        "    account_id: '012345678901'\n"
        "    user_id: AIDACKCEVSQ6C2EXAMPLE\n"
        "    access_key_id: AKIAIOSFODNN7EXAMPLE\n"
        f"    secret_access_key: {SECRET}\n"
        "    create_date: '2026-11-24T04:00:00+00:00'\n"
        "    promote_date: '2026-11-24T04:00:12+00:00'\n"
    )


def test_the_temporary_file_is_private_from_its_first_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    change = os.fchmod
    monkeypatch.setattr(
        os, "fchmod", lambda handle, mode: (modes.append(stat.S_IMODE(os.fstat(handle).st_mode)), change(handle, mode))
    )
    previous = os.umask(0)
    try:
        put(VaultStore(str(path), vault()), "ci", CI)
    finally:
        os.umask(previous)
    assert modes == [0o600]


def test_a_file_that_others_could_read_is_private_once_it_is_written(path: Path) -> None:
    encrypt(path, "a: 1\n")
    path.chmod(0o644)
    put(VaultStore(str(path), vault()), "ci", CI)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_has_the_label_of_the_only_vault_id(path: Path) -> None:
    put(VaultStore(str(path), vault(prod="letmein")), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert decrypt(path).startswith("iam_access_keys:\n")


def test_vault_id_chooses_among_several(path: Path) -> None:
    put(VaultStore(str(path), vault(dev="one", prod="letmein"), "prod"), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert "ci:" in decrypt(path)


def test_several_vault_ids_for_a_new_file_need_a_word(path: Path) -> None:
    refused(
        path,
        "several vault ids were given (dev, prod); say with vault_id which to encrypt with",
        vault(dev="one", prod="two"),
        reads=True,
    )


def test_the_configured_encrypt_identity_chooses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(C, "DEFAULT_VAULT_ENCRYPT_IDENTITY", "prod", raising=False)
    put(VaultStore(str(path), vault(dev="one", prod="letmein")), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    monkeypatch.setattr(C, "DEFAULT_VAULT_ENCRYPT_IDENTITY", "other", raising=False)
    refused(path.with_name("more.yml"), "cannot be made: ", vault(dev="one", prod="two"), reads=True)


def test_a_vault_id_that_was_not_given_is_an_error(path: Path) -> None:
    encrypt(path, "a: 1\n")
    refused(
        path,
        "vault_id prod is not among the vault ids of this run (default, dev)",
        vault(default="letmein", dev="x"),
        "prod",
        reads=True,
    )


def test_what_is_written_is_what_vaultlib_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = VaultSecret(b"letmein")
    monkeypatch.setattr(VaultAES256, "_get_salt", staticmethod(lambda: b"0" * 32))
    for label in (None, "default", "prod"):
        for length in (0, 1, 7, 15, 16, 17, 100, 5000):
            text = "é" * length
            assert store_file._encrypted(text, secret, label) == VaultLib().encrypt(text, secret, vault_id=label)
    assert format_vaulttext_envelope(b"", "AES256") == b"$ANSIBLE_VAULT;1.1;AES256\n"


# -- as it was found -----------------------------------------------------------------------------------------------


def test_a_file_is_encrypted_again_as_it_was_found(path: Path) -> None:
    encrypt(path, "mine: 1\n", "prod", "second")
    put(VaultStore(str(path), vault(dev="first", prod="second", default="letmein")), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert decrypt(path, "second").startswith("mine: 1\niam_access_keys:\n")


def test_the_label_and_the_password_that_opened_stay_though_they_do_not_match(path: Path) -> None:
    encrypt(path, "mine: 1\n", "elsewhere", "second")
    put(VaultStore(str(path), vault(dev="first", prod="second")), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;elsewhere\n")
    assert "ci:" in decrypt(path, "second")


def test_vault_id_encrypts_a_file_of_another_one_anew(path: Path) -> None:
    encrypt(path, "mine: 1\n", "dev", "first")
    put(VaultStore(str(path), vault(dev="first", prod="second"), "prod"), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert "ci:" in decrypt(path, "second")


def test_a_checkout_with_crlf_opens(path: Path) -> None:
    path.write_bytes(encrypt(path, "mine: 1\n", "prod").replace(b"\n", b"\r\n"))
    put(VaultStore(str(path), vault()), "ci", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")


def test_the_command_line_works_on_it_and_its_work_is_taken(path: Path, ansible_vault: Callable[..., str]) -> None:
    path.write_text("mine: 0\n")
    ansible_vault("encrypt", "--vault-password-file", "{home}/old", str(path))
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    assert ansible_vault("view", "--vault-password-file", "{home}/old", str(path)) == decrypt(path)

    ansible_vault("edit", "--vault-password-file", "{home}/old", str(path))
    put(store, "backup", NEXT)
    assert decrypt(path).startswith("# by hand\nmine: 1\nmine: 0\niam_access_keys:\n  ci:\n")
    assert store.entries() == {"ci": CI, "backup": NEXT}

    ansible_vault("rekey", "--vault-password-file", "{home}/old", "--new-vault-id", "prod@{home}/new", str(path))
    both = VaultStore(str(path), vault(default="letmein", prod="changed"))
    put(both, "third", CI)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert ansible_vault("view", "--vault-id", "prod@{home}/new", str(path)) == decrypt(path, "changed")
    with pytest.raises(StoreError, match="with the vault password of this run"):
        store.entries()


# -- bad input -----------------------------------------------------------------------------------------------------


def refused(
    path: Path,
    message: str,
    secrets: VaultLib | None = None,
    vault_id: str | None = None,
    user_name: str = "ci",
    reads: bool = False,
    **options: Any,
) -> str:
    """One sentence that holds the message and nothing of what the file says, and the file untouched. `reads`: only a write is refused."""
    before, listed = path.read_bytes() if path.is_file() else None, names(path.parent) if path.parent.is_dir() else []
    store = VaultStore(str(path), secrets or vault(), vault_id, **options)
    said = []
    attempts: list[Callable[[], Any]] = [
        lambda: put(store, user_name, CI),
        lambda: store.locked(user_name, write=False).__enter__(),
    ]
    for attempt in attempts if reads else [*attempts, lambda: store.entry(user_name)]:
        with pytest.raises(StoreError) as caught:
            attempt()
        said.append(caught.value.message)
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET not in shown
        assert PRIVATE not in shown
    assert len(set(said)) == 1
    assert message in said[0]
    assert "\n" not in said[0]
    assert len(said[0]) < 400
    assert (path.read_bytes() if path.is_file() else None) == before
    if path.parent.is_dir():
        assert [name for name in names(path.parent) if name not in listed] in ([], [f".{path.name}.lock"])
    return said[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (f"iam_access_keys: {{ci: {{secret_access_key: {SECRET}}}}}\n".encode(), "is not encrypted with Ansible Vault"),
        (f"mine: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  {SECRET}\n".encode(), "is not encrypted with Ansible Vault"),
        (b"\xff\xfe\x00binary", "is not encrypted with Ansible Vault"),
        (b"$ANSIBLE_VAULT", "file is damaged"),
        (b"$ANSIBLE_VAULT;", "file is damaged"),
        (b"$ANSIBLE_VAULT;1.1;AES256", "file is damaged"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n", "file is damaged"),
        (b"$ANSIBLE_VAULT;1.1;AES256\nzz\n", "file is damaged"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n3131\n", "file is damaged"),
        (b"$ANSIBLE_VAULT;1.1;ROT13\n3131\n", "file is damaged"),
        (b"$ANSIBLE_VAULT;9.9;AES256;x;y;z\n3131\n", "file is damaged"),
    ],
)
def test_what_is_no_vault_file_is_refused(path: Path, data: bytes, message: str) -> None:
    path.write_bytes(data)
    refused(path, message)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    data = encrypt(
        path, f"iam_access_keys:\n  ci: {{access_key_id: AKIAIOSFODNN7EXAMPLE, secret_access_key: {SECRET}}}\n"
    )
    for length in [*range(1, 40), *range(41, len(data) - 1, 17), len(data) - 2]:
        path.write_bytes(data[:length])
        store = VaultStore(str(path), vault())
        with pytest.raises(StoreError) as caught:
            put(store, "ci", CI)
        assert "\n" not in caught.value.message
        assert path.read_bytes() == data[:length]


def test_a_file_damaged_in_the_middle_is_refused(path: Path) -> None:
    data = encrypt(path, f"mine: {PRIVATE}\n")
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    refused(path, "the password is another one, or the file is damaged")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"mine: [{PRIVATE}\n", "is encrypted, but not YAML inside (line "),
        (f"mine: {PRIVATE}: {SECRET}: x\n", "is encrypted, but not YAML inside (line 1)"),
        (f"a: 1\n\tb: {SECRET}\n", "is encrypted, but not YAML inside (line 2)"),
        (f"a: \x01{SECRET}\n", "is encrypted, but not YAML inside"),
        (f"a: 1\n---\nb: {SECRET}\n", "is encrypted, but not YAML inside (line 2)"),
        (f"a: *unknown\nb: {SECRET}\n", "is encrypted, but not YAML inside (line 1)"),
        (f"- {SECRET}\n", "is not a mapping inside"),
        (f"{SECRET}\n", "is not a mapping inside"),
        ("[]\n", "is not a mapping inside"),
        (f"iam_access_keys: [{SECRET}]\n", "iam_access_keys in {path} is not a mapping of users"),
        (f"iam_access_keys:\n- name: ci\n  secret_access_key: {SECRET}\n", "is not a mapping of users"),
        (f"iam_access_keys: {SECRET}\n", "is not a mapping of users"),
        (f"iam_access_keys: !vault |\n  {SECRET}\n", "is not a mapping of users"),
        (f"iam_access_keys:\n  ? [{SECRET}]\n  : x\n", "has a user whose name is not text"),
        ("iam_access_keys: {a: {}}\nmine: 1\niam_access_keys: {b: {}}\n", "has iam_access_keys twice"),
        (
            f"iam_access_keys:\n  ci: {{secret_access_key: {SECRET}}}\n  backup: {{}}\n  ci: {{}}\n",
            "names a user twice",
        ),
        (f"iam_access_keys:\n  ci: {{secret_access_key: {SECRET}}}\n  'ci': {{}}\n", "names a user twice"),
    ],
)
def test_what_is_no_mapping_of_users_is_refused(path: Path, text: str, message: str) -> None:
    encrypt(path, text)
    refused(path, message.format(path=path))


def test_yaml_that_holds_itself_is_refused(path: Path) -> None:
    encrypt(path, f"iam_access_keys:\n  ci: &a\n    x: *a\n    secret_access_key: {SECRET}\n")
    refused(path, "holds itself")


def test_what_is_not_text_inside_is_refused(path: Path) -> None:
    encrypt(path, b"\xff\xfe\x00" + SECRET.encode())
    refused(path, "is encrypted, but not text inside")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (SECRET, "is not a mapping"),
        (f"[{SECRET}]", "is not a mapping"),
        (f"{{secret_access_key: {SECRET}}}", "has a secret_access_key without an access_key_id"),
        (f"{{access_key_id: A, secret_access_key: {SECRET}, secret_access_key: x}}", "has secret_access_key twice"),
        (f"{{other_keys: {{AKIAX: {{secret_access_key: {SECRET}}}, AKIAX: {{}}}}}}", "has AKIAX twice"),
        (f"{{? [{SECRET}] : x}}", "has a field whose name is not text"),
        (f"{{create_date: {SECRET}}}", "has a value of create_date that is not an ISO 8601 date"),
        (f"{{asked: {SECRET}}}", "has an 'asked' without date and known keys"),
        (f"{{other_keys: {SECRET}}}", "has other_keys that are not a mapping of mappings"),
    ],
)
def test_an_entry_of_a_foreign_structure_is_that_users_error(path: Path, entry: str, message: str) -> None:
    encrypt(
        path, f"iam_access_keys:\n  good: {{access_key_id: AKIAGOOD, secret_access_key: {SECRET}}}\n  ci: {entry}\n"
    )
    assert refused(path, message).startswith(f"The entry of user ci in {path} ")
    store = VaultStore(str(path), vault())
    found = store.entries()
    assert isinstance(found["ci"], StoreError)
    assert found["good"] == Entry(current_id="AKIAGOOD", current=StoredKey(SECRET))
    put(store, "good", CI)
    assert decrypt(path).endswith(f"\n  ci: {entry}\n")


def test_a_wrong_password_is_named_as_such(path: Path) -> None:
    encrypt(path, f"mine: {PRIVATE}\n", "prod", "another")
    said = refused(path, f"{path} cannot be opened with the vault password of this run (its vault id is prod)")
    assert "letmein" not in said


@pytest.mark.parametrize("secrets", [VaultLib(), VaultLib([])])
def test_no_password_is_named_as_such(path: Path, secrets: VaultLib) -> None:
    refused(path, f"{path} cannot be made: no vault password was given; use --ask-vault-pass", secrets, reads=True)
    encrypt(path, f"mine: {PRIVATE}\n")
    refused(path, f"{path} cannot be opened: no vault password was given; use --ask-vault-pass", secrets)


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    refused(
        tmp_path / "absent" / "keys.yml",
        f"The folder {tmp_path}/absent of vault_file {tmp_path}/absent/keys.yml does not exist",
    )
    assert names(tmp_path) == []


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    refused(path, f"{path} cannot be read: Is a directory")


# -- what a person wrote -------------------------------------------------------------------------------------------

INNER = "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132330a\n  3435360a\n"

AROUND = [
    pytest.param("", "", id="nothing"),
    pytest.param("# keys of the team\n\n", "", id="comment-before"),
    pytest.param("---\n# of the team\nregion: eu-west-1   # Ireland\n", "# the end\n", id="document-start"),
    pytest.param("a: 1\n", "\n# about b\nb:\n- x\n-   y\n", id="in-the-middle"),
    pytest.param(f"db_password: {INNER}", f"other: {INNER}", id="inner-vault"),
    pytest.param("name: Müller\nemoji: 🔑 # ключ\n", "город: Örebro\n", id="non-ascii"),
    pytest.param('tabs: "a\tb"\n# c\td\n', "# \t tabs\n", id="tabs"),
    pytest.param("base: &base {x: 1}\nmore:\n  <<: *base\n", "again: *base\n", id="anchors-elsewhere"),
    pytest.param("ampersand: 'AT&T & &co *x'\n", "note: a &b *c\n", id="ampersands"),
    pytest.param("flow: {a: [1, 2], b: {c: d}}\nnothing: ~\nempty:\n", "last: null\n", id="flow-and-null"),
    pytest.param(
        "text: |+\n  keep\n\n\nfolded: >-\n  a\n  b\n",
        "text2: |\n  iam_access_keys:\n    ci: not this one\n",
        id="block-scalars",
    ),
    pytest.param("a: 1\n", "b: 2\n...\n", id="document-end"),
    pytest.param("%YAML 1.1\n---\na: 1\n", "", id="directive"),
    pytest.param("no: yes\n", "b: without newline", id="no-trailing-newline"),
]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("before", "after"), AROUND)
@pytest.mark.parametrize("users", [2, 0])
def test_what_stands_around_the_entries_stays(path: Path, before: str, after: str, users: int) -> None:
    entries = (
        "  # the build server\n  ci: {access_key_id: AKIAOLD, secret_access_key: s}  # made by hand\n\n"
        "  # nightly\n  backup:\n    access_key_id: AKIAB # x\n"
    )
    text = f"{before}iam_access_keys:{' # ours' if users else ' {}'}\n{entries if users else ''}{after}"
    encrypt(path, text)
    others = {name: value for name, value in variables(text).items() if name != "iam_access_keys"}
    store = VaultStore(str(path), vault())
    put(store, "ci", NEXT)
    put(store, "new", CI)
    written = decrypt(path)
    assert written.startswith(before)
    assert written.endswith(after)
    if users:
        assert "iam_access_keys: # ours\n  # the build server\n  ci:\n" in written
        assert "\n\n  # nightly\n  backup:\n    access_key_id: AKIAB # x\n  new:\n" in written
    assert {name: value for name, value in variables(written).items() if name != "iam_access_keys"} == others
    fresh = VaultStore(str(path), vault())
    assert (fresh.entry("ci"), fresh.entry("new")) == (NEXT, CI)
    put(store, "ci", Entry())
    put(store, "new", Entry())
    put(store, "backup", Entry())
    emptied = decrypt(path)
    assert emptied.startswith(f"{before}iam_access_keys: {{}}{' # ours' if users else ''}\n")
    assert emptied.endswith(after)
    assert VaultStore(str(path), vault()).entries() == {}
    put(store, "ci", CI)
    assert VaultStore(str(path), vault()).entries() == {"ci": CI}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n",
        "---\n...\n",
        "# nothing yet\n",
        "null\n",
        "a: 1",
        "a: |\n  no newline at the end",
        "a: 1\n...\n",
        "{}\n",
        "{a: 1, b: {c: 2}}\n",
        "  a: 1\n  b: 2\n",
        "iam_access_keys:\n",
        "iam_access_keys: # nobody yet\n",
        "iam_access_keys: {}\n",
        "iam_access_keys: {}  # nobody yet\nb: 1\n",
        "iam_access_keys: {\n}\nb: 1\n",
        "iam_access_keys:\n  {}\nb: 1\n",
        "iam_access_keys: null\nb: 1\n",
        "iam_access_keys: ~",
        "'iam_access_keys': !!map {}\nb: 1\n",
        '"iam_access_keys": {}\n',
        "iam_access_keys: &none {}\nb: *none\n",
        "? iam_access_keys\n: {}\n",
        "{iam_access_keys: {}, b: 1}\n",
        "  iam_access_keys: {}\n  b: 1\n",
        "\ufeffiam_access_keys: {}\nb: 1\n",
        "\ufeffa: 1\n",
        "a: 1\r\nb: 2\r\n",
        "a: 1\r\niam_access_keys: {}\r\nb: 2\r\n",
    ],
)
def test_a_first_entry_finds_its_place(path: Path, text: str) -> None:
    encrypt(path, text)
    others = {name: value for name, value in variables(text).items() if name != "iam_access_keys"}
    store = VaultStore(str(path), vault())
    for entry in (CI, NEXT, Entry(), CI):
        put(store, "ci", entry)
        fresh = VaultStore(str(path), vault())
        assert fresh.entries() == ({} if entry.empty else {"ci": entry})
        seen = variables(decrypt(path))
        assert {name: value or None for name, value in seen.items() if name != "iam_access_keys"} == {
            n: v or None for n, v in others.items()
        }
    assert "# nobody yet" in decrypt(path) or "# nobody yet" not in text


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "text",
    [
        "iam_access_keys:\n    ci:\n        access_key_id: A\n        secret_access_key: s\n    # b\n    b:\n        access_key_id: B\n",
        "iam_access_keys: {ci: {access_key_id: A, secret_access_key: s}, b: {access_key_id: B}}\n",
        "iam_access_keys:\n  {ci: {access_key_id: A,\n   secret_access_key: s}, b: {access_key_id: B}}\nother: x\n",
        "iam_access_keys:\n  ci: {access_key_id: A,\n    secret_access_key: s}\n  b: {access_key_id: B}\n",
        'iam_access_keys:\n  "ci":\n    "access_key_id": "A"\n    secret_access_key: \'s\'\n  \'b\':\n    access_key_id: B',
        "iam_access_keys:\n  ci: &ci\n    access_key_id: A\n    secret_access_key: s\n  b:\n    access_key_id: B\nother: *ci\n",
        "ci: &ci {access_key_id: A, secret_access_key: s}\niam_access_keys:\n  ci: *ci\n  b: &b\n    access_key_id: B\n",
        "d: &d {secret_access_key: s}\niam_access_keys:\n  ci:\n    <<: *d\n    access_key_id: A\n  b: {access_key_id: B}\n",
        "d: &d {secret_access_key: x}\ne: &e {secret_access_key: s}\n"
        "iam_access_keys:\n  ci: {<<: [*e, *d], access_key_id: A}\n  b: {access_key_id: B}",
        "iam_access_keys:\n  ? ci\n  : access_key_id: A\n    secret_access_key: s\n  b: {access_key_id: B}\n",
        "iam_access_keys:\n  !!str ci:\n    access_key_id: A\n    secret_access_key: s\n  b: {access_key_id: B}\n",
        'iam_access_keys:\n  "\\x63i":\n    access_key_id: A\n    secret_access_key: s\n  b: {access_key_id: B}\n',
        "iam_access_keys:\r\n  ci:\r\n    access_key_id: A\r\n    secret_access_key: s\r\n  b:\r\n    access_key_id: B\r\nz: 1\r\n",
        "\ufeff---\niam_access_keys:\n  ci:\n    access_key_id: A\n    secret_access_key: s\n  b:\n    access_key_id: B\nz: 1\n",
    ],
)
def test_entries_in_every_style_are_read_and_written(path: Path, text: str) -> None:
    encrypt(path, text)
    others = {name: value for name, value in variables(text).items() if name != "iam_access_keys"}
    store = VaultStore(str(path), vault())
    mine, theirs = Entry(current_id="A", current=StoredKey("s")), Entry(current_id="B")
    assert store.entries() == {"ci": mine, "b": theirs}
    put(store, "new", NEXT)
    put(store, "ci", CI)
    assert VaultStore(str(path), vault()).entries() == {"ci": CI, "b": theirs, "new": NEXT}
    seen = variables(decrypt(path))
    assert {name: value for name, value in seen.items() if name != "iam_access_keys"} == others
    assert set(seen["iam_access_keys"]) == {"ci", "b", "new"}


ENTRY = "{access_key_id: A, secret_access_key: s}"
CUT = [
    pytest.param(f"  a: {ENTRY}\n  b:\n    access_key_id: B\n  # c\n  c:\n  d: {ENTRY}\n", True, id="plain"),
    pytest.param(f"# a\n\n  a: {ENTRY}\n\n# b\n   # b\n  b: {ENTRY}\n# end\n", True, id="comments"),
    pytest.param(f"    a: {ENTRY}\n    b: {ENTRY}\n", True, id="wide"),
    pytest.param("  a:\n    note: one\n      b: two\n  b: {}\n", False, id="no-yaml"),
    pytest.param("  a:\n    note: one\n      two\n  b: {}\n", True, id="text-of-two-lines"),
    pytest.param("  a:\n    note: |+\n      b: x\n\n\n  b: {}\n", True, id="block-text"),
    pytest.param("  a:\n    note: >1-\n     b: x\n  b: {}\n", True, id="indented-block-text"),
    pytest.param("  a:\n    note: 'one\n  b: two'\n  c: {}\n", False, id="quotes"),
    pytest.param('  a:\n    note: "one\n  b: \\"two"\n  c: {}\n', False, id="double-quotes"),
    pytest.param("  a:\n    note: [x,\n  b]\n  c: {}\n", False, id="brackets"),
    pytest.param("  a:\n    note: {x: y,\n  b: z}\n  c: {}\n", False, id="braces"),
    pytest.param("  a:\n  - x\n  - y\n  b: {}\n", False, id="list"),
    pytest.param("  ? a\n  : {}\n  b: {}\n", False, id="question-mark"),
    pytest.param(f"  a: {ENTRY}\n b: {ENTRY}\n", False, id="less-far-to-the-right"),
    pytest.param(f"  a: {ENTRY}\n   b: {ENTRY}\n  c: {{}}\n", False, id="farther-to-the-right"),
    pytest.param(f"  a: {ENTRY}\n\tb: {ENTRY}\n  c: {{}}\n", False, id="tab"),
    pytest.param(f"  a: &a {ENTRY}\n  b: *a\n", False, id="alias"),
    pytest.param("  a: {x: &x y, z: *x}\n  b: {}\n", False, id="alias-inside"),
    pytest.param("  a: {}\r\n  b: {}\r\n", False, id="crlf"),
    pytest.param("  !!str a: {}\n  b: {}\n", False, id="tagged-name"),
    pytest.param('  "\\x61": {}\n  b: {}\n', False, id="escaped-name"),
    pytest.param("  {a: {}}\n  {b: {}}\n", False, id="names-in-braces"),
    pytest.param(f"  a: {ENTRY}\n  a: {ENTRY}\n", True, id="twice"),
    pytest.param(f"  a: {ENTRY}\n  b: {{c: 1, c: 2}}\n", True, id="field-twice"),
    pytest.param(f"  a: {ENTRY}\n---\n  b: {ENTRY}\n", False, id="two-documents"),
]


def read(text: str, at_once: int) -> tuple[Text | str, bool]:
    """What the text holds, or is refused with, and whether it was read as a whole."""
    compose, composed = yaml.compose, []

    def noted(stream: str, Loader: Any) -> Any:
        composed.append(stream)
        return compose(stream, Loader=Loader)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_text, "AT_ONCE", at_once)
        patch.setattr(yaml, "compose", noted)
        try:
            found = Text.parse(text, "keys.yml")
        except StoreError as error:
            return error.message, text in composed
    found.parsed = {name: str(fields) for name, fields in found.parsed.items()}  # some are errors
    return found, text in composed


@pytest.mark.parametrize(("entries", "cut"), CUT)
def test_what_is_read_some_entries_at_a_time_is_what_the_whole_says(entries: str, cut: bool) -> None:
    around = ("", ""), ("---\nx: 'y\n\n  z'\n", "# end\nz: |\n  a: b\n...\n")
    for before, after in around:
        text = f"{before}iam_access_keys: # ours\n{entries}{after}"
        (whole, _by_default), (in_turn, at_once) = read(text, 1000), read(text, 1)
        assert (in_turn, at_once) == (whole, not cut), text


@pytest.mark.parametrize(
    ("before", "end"),
    [
        ("'\n", "  c: {}\n"),
        ("x: '\n", "'\niam_access_keys: ~\n"),
        ("x: '\n", "'\niam_access_keys: {}\n"),
        ("%TAG ! tag:example.com,2026:\n---\n", "  c: {note: !vault x}\n"),
        ("", "  c:\n    note: |\n      no newline at the end"),
        ("", "  c: {}\n- x\n"),
        ("", "  c: {}\niam_access_keys:\n  d: {}\n"),
        ("", "  c: {}\n'iam_access_keys': {}\n"),
        ("x: &x {}\n", "  c: {}\nz: *x\n"),
    ],
)
def test_what_means_more_than_it_says_is_read_as_a_whole(before: str, end: str) -> None:
    text = f"{before}iam_access_keys:\n  a: {ENTRY}\n  b: {ENTRY}\n{end}"
    whole = read(text, 1000)
    assert read(text, 1) == whole
    assert whole[1]


@pytest.mark.usefixtures("at_once")
def test_comments_before_entries_survive_every_change_of_their_neighbours(path: Path) -> None:
    entries = "  # one\n  a: {access_key_id: A}\n  # two\n  b: {access_key_id: B}\n  # three\n  c: {access_key_id: C}\n"
    encrypt(path, f"iam_access_keys:\n{entries}# end\nz: 1\n")
    store = VaultStore(str(path), vault())
    put(store, "b", CI)
    for gone in ("b", "a", "c"):
        put(store, gone, Entry())
        written = decrypt(path)
        assert [line.strip() for line in written.splitlines() if "#" in line] == ["# one", "# two", "# three", "# end"]
        assert list(VaultStore(str(path), vault()).entries()) == [name for name in "abc" if f"  {name}:" in written]


@pytest.mark.parametrize(
    "ending",
    [
        "    note: |\n      a\n",
        "    note: |+\n      a\n\n\n",
        "    note:\n",
        "    note: [\n     a]\n",
        "    note: >\n      a\n\n",
    ],
)
def test_an_entry_ends_where_its_last_value_ends(path: Path, ending: str) -> None:
    first, second = f"  a:\n    access_key_id: A\n{ending}", f"  b:\n    access_key_id: B\n{ending}"
    text = f"iam_access_keys:\n{first}{second}c: 1\n"
    encrypt(path, text)
    store = VaultStore(str(path), vault())
    for name in "ab":
        with store.locked(name, write=True) as stored:
            stored.write(stored.entry.of("012345678901", None))
    expected = variables(text)
    for name in "ab":
        expected["iam_access_keys"][name]["account_id"] = "012345678901"
    assert variables(decrypt(path)) == expected


def test_what_a_person_added_to_an_entry_stays_as_it_is(path: Path) -> None:
    added = (
        '    owner: team-a\n    enabled: yes\n    port: 0o17\n    since: 2026-01-02\n    quoted: "yes"\n    nothing: null\n'
        "    tags: [a, 1]\n    token: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n      3132330a\n"
    )
    text = f"iam_access_keys:\n  ci:\n    access_key_id: A\n    secret_access_key: s\n{added}"
    encrypt(path, text)
    before = variables(text)["iam_access_keys"]["ci"]
    store = VaultStore(str(path), vault())
    with store.locked("ci", write=True) as stored:
        stored.write(stored.entry.of("012345678901", "AIDA").stage_next("B", "t", NOW).promote("B", NOW))
    after = variables(decrypt(path))["iam_access_keys"]["ci"]
    assert {name: after.get(name, "gone") for name in list(before)[2:]} == {
        name: before[name] for name in list(before)[2:]
    }
    assert after["other_keys"]["A"]["secret_access_key"] == "s"
    assert "!vault |\n" in decrypt(path)


def test_an_entry_with_an_addition_is_not_empty(path: Path) -> None:
    encrypt(path, "iam_access_keys:\n  ci: {access_key_id: A, note: mine}\n")
    store = VaultStore(str(path), vault())
    with store.locked("ci", write=True) as stored:
        stored.write(stored.entry.without("A"))
    assert variables(decrypt(path))["iam_access_keys"]["ci"] == {"note": "mine"}


def test_an_entry_of_nothing_is_an_empty_one(path: Path) -> None:
    encrypt(path, "iam_access_keys:\n  ci:\n  b: {}\n")
    assert VaultStore(str(path), vault()).entries() == {"ci": Entry(), "b": Entry()}


@pytest.mark.parametrize(
    "date", ["2026-11-24T04:00:00Z", "2026-11-24T04:00:00+00:00", "2026-11-24T05:00:00+01:00", "2026-11-24 04:00:00"]
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_numbers_and_dates_that_a_person_did_not_quote_are_what_they_say(path: Path, date: str, quote: str) -> None:
    encrypt(
        path,
        f"iam_access_keys:\n  ci:\n    account_id: {quote}012345670123{quote}\n    access_key_id: 1234567890\n    secret_access_key: 0123\n"
        f"    create_date: {quote}{date}{quote}\n    hold_until: {date}\n    asked: {{date: '{date}', known: [1234]}}\n",
    )
    store = VaultStore(str(path), vault())
    entry = store.entry("ci")
    assert (entry.account_id, entry.current_id, entry.current.secret_access_key) == (
        "012345670123",
        "1234567890",
        "0123",
    )
    assert entry.current.create_date == entry.hold_until == NOW
    assert entry.asked is not None
    assert (entry.asked.date, entry.asked.known) == (NOW, ("1234",))
    put(store, "ci", entry.of(None, "AIDA"))
    assert as_vars(path)["iam_access_keys"]["ci"]["account_id"] == "012345670123"
    assert as_vars(path)["iam_access_keys"]["ci"]["create_date"] == "2026-11-24T04:00:00+00:00"


# -- names and secrets that YAML could take for something else -----------------------------------------------------

NAMES = [
    "ci", "yes", "No", "on", "null", "NULL", "true", "123", "007", "0x1F", "0b11", "1e3", "1.5e3", "1_000", ".5", ".inf", ".NaN",
    "2026-11-24", "=", "-", "--", "---", "...", "+1", "-1", "@", "@home", ",", "a,b", "+", "_", ".", "..", "a=b", "=a", "a_b+c=d,e.f@g-h",
    "svc@example.com", "-dash", "a-", "y", "n", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", "_+=,.@-" * 9 + "x",
]  # fmt: skip


def test_every_name_comes_back_as_the_same_string(path: Path) -> None:
    assert max(map(len, NAMES)) == 64
    encrypt(path, "")
    store = VaultStore(str(path), vault())
    for index, name in enumerate(NAMES):
        store._read().text.put(name, Entry(f"{index:012d}", None, f"AKIA{index}", StoredKey(f"{index}/+{index}=")))
    put(store, "last", CI)
    expected = [*NAMES, "last"]
    assert list(VaultStore(str(path), vault()).entries()) == expected
    seen = as_vars(path)["iam_access_keys"]
    assert list(seen) == expected
    assert [str(entry["access_key_id"]) for entry in seen.values()][:-1] == [
        f"AKIA{index}" for index in range(len(NAMES))
    ]
    again = VaultStore(str(path), vault())
    for name in NAMES:
        put_in_text(again, name)
    put(again, "last", NEXT)
    assert list(as_vars(path)["iam_access_keys"]) == expected


def put_in_text(store: VaultStore, name: str) -> None:
    """A change of the entry that costs no encryption."""
    store._read().text.put(name, store.entry(name).of("000000000001", "AIDA"))


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "/" * 40,
        "+" * 40,
        "1" * 40,
        "0x" + "1" * 38,
        "1e" + "3" * 38,
        "+1" * 20,
        "/+" * 20,
        "=" * 40,
        "null",
        "yes",
    ],
)
def test_every_secret_comes_back_as_the_same_string(path: Path, secret: str) -> None:
    put(VaultStore(str(path), vault()), "ci", Entry("098765432109", None, "AKIA", StoredKey(secret, NOW)))
    seen = as_vars(path)["iam_access_keys"]["ci"]
    assert (seen["secret_access_key"], seen["account_id"]) == (secret, "098765432109")
    assert VaultStore(str(path), vault()).entry("ci").current.secret_access_key == secret


def test_a_tagged_name_is_taken(path: Path) -> None:
    class Tagged(str):
        pass

    store = VaultStore(str(path), vault())
    put(store, Tagged("ci"), Entry(Tagged("012345678901"), None, Tagged("AKIA"), StoredKey(Tagged(SECRET))))
    assert as_vars(path)["iam_access_keys"] == {
        "ci": {"account_id": "012345678901", "access_key_id": "AKIA", "secret_access_key": SECRET}
    }


# -- the file and its folder ---------------------------------------------------------------------------------------


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "secrets.yml", tmp_path / "keys.yml"
    encrypt(target, "mine: 1\n")
    link.symlink_to("real/secrets.yml")
    put(VaultStore(str(link), vault()), "ci", CI)
    assert os.readlink(link) == "real/secrets.yml"
    assert "ci:" in decrypt(target)
    assert names(tmp_path) == ["keys.yml", "real"]
    assert names(tmp_path / "real") == [".secrets.yml.lock", "secrets.yml"]


def test_a_link_to_a_file_that_is_not_there_yet_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "keys.yml"
    link.symlink_to("later.yml")
    put(VaultStore(str(link), vault()), "ci", CI)
    assert link.is_symlink()
    assert "ci:" in decrypt(tmp_path / "later.yml")


def test_a_link_into_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.yml").symlink_to("absent/keys.yml")
    refused(tmp_path / "keys.yml", f"The folder {tmp_path}/absent of vault_file {tmp_path}/keys.yml does not exist")


@pytest.mark.parametrize(
    ("what", "message"), [("folder", "the folder {folder} is not writable"), ("file", "the file is read-only")]
)
def test_what_cannot_be_written_is_an_error_before_anything_is_decided(
    path: Path, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    encrypt(path, "mine: 1\n")
    locked = path.parent if what == "folder" else path
    access = os.access  # tests may run as root, whom no mode stops
    monkeypatch.setattr(
        os, "access", lambda at, mode, **more: access(at, mode, **more) and not (Path(at) == locked and mode & os.W_OK)
    )
    refused(path, f"{path} cannot be written: {message.format(folder=path.parent)}", reads=True)
    assert VaultStore(str(path), vault()).entries() == {}


def test_a_lock_file_that_cannot_be_made_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(path, "mine: 1\n")
    failing_open(monkeypatch, ".lock", errno.EROFS)
    with pytest.raises(StoreError) as caught:
        put(VaultStore(str(path), vault()), "ci", CI)
    assert caught.value.message == f"{path} cannot be written: no lock file in {path.parent} (Read-only file system)"


def test_a_link_in_place_of_the_lock_or_the_temporary_file_is_not_followed(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.with_name(".keys.yml.tmp").symlink_to(victim)
    put(VaultStore(str(path), vault()), "ci", CI)
    assert victim.read_text() == "precious"
    path.with_name(".keys.yml.lock").unlink()
    path.with_name(".keys.yml.lock").symlink_to(victim)
    with pytest.raises(StoreError, match="no lock file in"):
        put(VaultStore(str(path), vault()), "ci", NEXT)
    assert victim.read_text() == "precious"
    assert VaultStore(str(path), vault()).entry("ci") == CI


def failing_open(monkeypatch: pytest.MonkeyPatch, ending: str, number: int) -> None:
    really = os.open

    def opened(name: Any, *arguments: Any, **options: Any) -> int:
        if str(name).endswith(ending):
            raise OSError(number, os.strerror(number))
        return really(name, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)


def fails(number: int) -> Callable[..., Any]:
    def failing(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return failing


@pytest.mark.parametrize(
    ("call", "number", "message"),
    [
        (
            "replace",
            errno.EBUSY,
            "it cannot be replaced (a file mounted singly into a container? mount its folder instead)",
        ),
        ("replace", errno.EACCES, "Permission denied"),
        ("fsync", errno.ENOSPC, "No space left on device"),
        ("fsync", errno.EDQUOT, "Disk quota exceeded"),
        ("fchmod", errno.EPERM, "Operation not permitted"),
        (".tmp", errno.EROFS, "Read-only file system"),
    ],
)
def test_a_write_that_fails_leaves_the_file_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, message: str
) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        if call == ".tmp":
            failing_open(patched, call, number)
        else:
            patched.setattr(os, call, fails(number))
        with pytest.raises(StoreError) as caught:
            put(store, "ci", NEXT)
    assert caught.value.message == f"{path} cannot be written: {message}"
    assert path.read_bytes() == before
    assert names(path.parent) == [".keys.yml.lock", "keys.yml"]
    assert store.entry("ci") == CI  # the cache does not have what the file has not
    put(store, "ci", NEXT)
    assert VaultStore(str(path), vault()).entry("ci") == NEXT


def test_a_full_disk_leaves_the_file_and_no_other(path: Path) -> None:
    """At any byte of the write: the kernel's own answer, by a limit on the size of files."""
    encrypt(path, "mine: 1\n# " + "x" * 20_000 + "\n")
    before = path.read_bytes()
    for size in (0, 1, 4096, 40_000):
        with FORK.Pool(1, initializer=_limit_file_size, initargs=(size,)) as pool:
            said = pool.apply(_message_of_a_write, (str(path),))
        assert said == f"{path} cannot be written: File too large"
        assert path.read_bytes() == before
        assert names(path.parent) == [".keys.yml.lock", "keys.yml"]


def _limit_file_size(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _message_of_a_write(path: str) -> str:
    try:
        put(VaultStore(path, vault()), "ci", CI)
    except StoreError as error:
        return error.message
    return "written"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupted_write_leaves_no_temporary_file_and_no_wrong_cache(
    path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)

    def interrupted(*_arguments: Any) -> Any:
        raise interruption

    for where, name in ((os, "replace"), (os, "fsync"), (store_file, "_encrypted"), (Text, "__str__")):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, interrupted)
            with pytest.raises(interruption):
                put(store, "ci", NEXT)
        assert store.entry("ci") == CI
        assert names(path.parent) == [".keys.yml.lock", "keys.yml"]


def test_file_and_folder_are_synced_before_a_write_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        sync(handle)
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"file of {os.fstat(handle).st_size}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *arguments: (replace(*arguments), done.append("replace")))
    put(VaultStore(str(path), vault()), "ci", CI)
    assert done == [f"file of {path.stat().st_size}", "replace", "folder"]


def test_a_file_system_that_cannot_sync_folders_is_good_enough(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: fails(errno.EINVAL)() if stat.S_ISDIR(os.fstat(handle).st_mode) else sync(handle)
    )
    put(VaultStore(str(path), vault()), "ci", CI)
    assert VaultStore(str(path), vault()).entry("ci") == CI
    monkeypatch.setattr(
        os, "fsync", lambda handle: fails(errno.EIO)() if stat.S_ISDIR(os.fstat(handle).st_mode) else sync(handle)
    )
    with pytest.raises(StoreError, match="Input/output error"):
        put(VaultStore(str(path), vault()), "ci", NEXT)


def test_root_writes_and_locks_for_the_owner_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(path, "mine: 1\n")
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        os, "fchown", lambda handle, user, group: given.append((os.readlink(f"/proc/self/fd/{handle}"), user, group))
    )
    owner = (path.stat().st_uid, path.stat().st_gid)
    put(VaultStore(str(path), vault()), "ci", CI)
    assert given == [(f"{path.parent}/.keys.yml.{name}", *owner) for name in ("lock", "tmp", "1.new", "last.new")]
    given.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    put(VaultStore(str(path), vault()), "ci", NEXT)
    assert given == []


def test_a_temporary_file_of_a_dead_run_goes(path: Path) -> None:
    left = path.with_name(".keys.yml.tmp")
    left.write_bytes(b"$ANSIBLE_VAULT;1.1;AES256\n3132")
    left.chmod(0o444)
    put(VaultStore(str(path), vault()), "ci", CI)
    assert names(path.parent) == [".keys.yml.lock", "keys.yml"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reading_takes_no_lock_and_makes_no_file(path: Path) -> None:
    encrypt(path, "mine: 1\n")
    store = VaultStore(str(path), vault())
    assert (store.entries(), store.entry("ci")) == ({}, Entry())
    with store.locked("ci", write=False) as stored, pytest.raises(AssertionError):
        stored.write(CI)
    assert VaultStore(str(path.with_name("absent.yml")), vault()).entries() == {}
    assert names(path.parent) == ["keys.yml"]


def test_plaintext_never_touches_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    really = os.open

    def opened(name: Any, *arguments: Any, **options: Any) -> int:
        written.append(os.fsencode(name))
        return really(name, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "replace", lambda temporary, _file: written.append(Path(temporary).read_bytes()))
    put(VaultStore(str(path), vault()), "ci", CI)
    assert [line for line in written if line.startswith(b"/")] == [
        os.fsencode(path.parent / name) for name in (".keys.yml.lock", ".keys.yml.tmp", ".keys.yml.last.new", "")
    ]
    assert not any(SECRET.encode() in line for line in written)
    assert any(line.startswith(b"$ANSIBLE_VAULT;1.1;AES256\n") for line in written)


# -- the lock ------------------------------------------------------------------------------------------------------


@pytest.fixture
def holder(path: Path) -> Iterator[Any]:
    """Another process that holds the lock."""
    parent, child = FORK.Pipe()
    process = FORK.Process(target=_hold, args=(str(path), child))
    process.start()
    assert parent.recv() == "held"
    yield process
    process.kill()
    process.join()


def _hold(path: str, pipe: Any) -> None:
    with VaultStore(path, vault()).locked("ci", write=True):
        pipe.send("held")
        signal.pause()


def test_a_lock_held_too_long_is_one_sentence(path: Path, holder: Any) -> None:
    with pytest.raises(StoreError) as caught:
        put(VaultStore(str(path), vault(), lock_timeout=0.15), "ci", CI)
    assert caught.value.message == (
        f"{path} is locked by another run for more than 0.15 seconds; wait for it, or see with "
        f"`fuser {path.parent}/.keys.yml.lock` who holds it, and run again"
    )
    assert not path.exists()
    assert VaultStore(str(path), vault()).entries() == {}


def test_a_killed_holder_frees_the_lock(path: Path, holder: Any) -> None:
    killer = threading.Timer(0.2, holder.kill)
    killer.start()
    put(VaultStore(str(path), vault(), lock_timeout=20), "ci", CI)
    killer.join()
    assert VaultStore(str(path), vault()).entry("ci") == CI


def test_the_lock_is_free_after_an_error_inside(path: Path) -> None:
    store = VaultStore(str(path), vault(), lock_timeout=0)
    with pytest.raises(RuntimeError), store.locked("ci", write=True):
        raise RuntimeError("inside")
    put(store, "ci", CI)


def test_the_lock_is_one_for_all_names_of_the_file(path: Path, holder: Any) -> None:
    link = path.with_name("link.yml")
    link.symlink_to("keys.yml")
    with pytest.raises(StoreError, match="is locked by another run"):
        put(VaultStore(str(link), vault(), lock_timeout=0), "ci", CI)


def _count(path: str, user_name: str, times: int) -> None:
    store = VaultStore(path, vault(), lock_timeout=60)
    for index in range(times):
        with store.locked("shared", write=True) as stored:
            number = int(stored.entry.account_id or 0)
            stored.write(Entry(str(number + 1), None, "AKIA"))
        put(store, f"{user_name}-{index}", Entry(None, None, f"AKIA{index}"))


@pytest.mark.parametrize("kind", [threading.Thread, FORK.Process])
def test_writers_at_once_lose_nothing(path: Path, kind: Any) -> None:
    workers = [kind(target=_count, args=(str(path), f"writer{number}", 8)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    entries = VaultStore(str(path), vault()).entries()
    assert entries["shared"] == Entry("24", None, "AKIA")
    assert len(entries) == 25
    assert names(path.parent) == [".keys.yml.lock", "keys.yml"]


# -- the cache -----------------------------------------------------------------------------------------------------


def test_a_file_that_nobody_touched_is_decrypted_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    monkeypatch.setattr(VaultLib, "decrypt_and_get_vault_id", fails(errno.EIO))
    put(store, "b", NEXT)
    assert store.entries() == {"ci": CI, "b": NEXT}


def test_what_another_run_wrote_is_seen(path: Path) -> None:
    mine, theirs = VaultStore(str(path), vault()), VaultStore(str(path), vault())
    put(mine, "ci", CI)
    put(theirs, "b", NEXT)
    assert mine.entries() == {"ci": CI, "b": NEXT}
    put(mine, "c", CI)
    assert theirs.entries() == {"ci": CI, "b": NEXT, "c": CI}


@pytest.mark.parametrize("same_inode", [False, True])
def test_a_write_within_the_same_tick_of_the_clock_is_seen(path: Path, same_inode: bool) -> None:
    """Inodes are used again, and some file systems keep whole seconds: the file's own salt and digest tell."""
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    status = path.stat()
    other = Entry(CI.account_id, CI.user_id, CI.current_id, StoredKey(SECRET[::-1], NOW, NOW + timedelta(seconds=12)))
    written = VaultStore(str(path.with_name("other.yml")), vault())
    put(written, "ci", other)
    if same_inode:
        path.write_bytes(path.with_name("other.yml").read_bytes())
    else:
        path.with_name("other.yml").rename(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert store.entry("ci") == other


def test_a_file_that_went_away_is_a_new_one(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    path.unlink()
    assert store.entries() == {}
    put(store, "b", NEXT)
    assert VaultStore(str(path), vault()).entries() == {"b": NEXT}


def test_an_older_copy_put_back_is_what_is_read(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    older = path.read_bytes()
    put(store, "ci", NEXT)
    path.write_bytes(older)
    assert store.entry("ci") == CI


# -- what the store held before ------------------------------------------------------------------------------------


def test_the_last_ten_predecessors_stay_beside_the_file(path: Path) -> None:
    store = VaultStore(str(path), vault())
    texts = []
    for number in range(14):
        put(store, "ci", replace(CI, hold_until=NOW + timedelta(days=number)))
        texts.insert(0, decrypt(path))
        assert predecessors(path) == texts[1:11]
    assert all(stat.S_IMODE(entry.stat().st_mode) == 0o600 for entry in path.parent.iterdir())


def test_a_predecessor_is_the_old_file_itself(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    before = path.stat().st_ino
    put(store, "ci", NEXT)
    assert path.with_name(".keys.yml.1").stat().st_ino == before


def test_what_a_dead_run_had_begun_goes(path: Path) -> None:
    store = VaultStore(str(path), vault())
    for name in (".keys.yml.3.new", ".keys.yml.notes.new", ".keys.yml.last.new"):
        path.with_name(name).write_text("$ANSIBLE_VAULT;1.1;AES256\n31")
    path.with_name(".keys.yml.mine.new").write_text("a person's")
    put(store, "ci", CI)
    assert names(path.parent) == [".keys.yml.lock", ".keys.yml.mine.new", "keys.yml"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK])
def test_where_no_hard_link_can_be_made_it_is_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    encrypt(path, "mine: 1\n")
    path.chmod(0o600)
    monkeypatch.setattr(os, "link", fails(number))
    put(VaultStore(str(path), vault()), "ci", CI)
    assert predecessors(path) == ["mine: 1\n"]


def test_a_file_that_others_can_read_has_a_private_predecessor(path: Path) -> None:
    encrypt(path, "mine: 1\n")
    path.chmod(0o644)
    put(VaultStore(str(path), vault()), "ci", CI)
    assert predecessors(path) == ["mine: 1\n"]
    assert stat.S_IMODE(path.with_name(".keys.yml.1").stat().st_mode) == 0o600


def test_a_linked_stores_predecessors_lie_beside_the_real_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "keys.yml").symlink_to("real/secrets.yml")
    store = VaultStore(str(tmp_path / "keys.yml"), vault())
    put(store, "ci", CI)
    put(store, "ci", NEXT)
    assert len(predecessors(tmp_path / "real" / "secrets.yml")) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["keys.yml", "real"]


@pytest.mark.parametrize("way", ["a new file", "into the file", "removed"])
def test_what_another_hand_overwrote_is_found_again(path: Path, way: str) -> None:
    store = VaultStore(str(path), vault())
    put(store, "backup", Entry(current_id="AKIAB", current=StoredKey("b")))
    put(store, "ci", Entry().of("012345678901", "AIDA").ask(NOW, ()))
    stale = encrypt(path.with_name("stale"), decrypt(path))
    put(store, "ci", store.entry("ci").stage_next("AKIANEXT", SECRET, NOW))
    if way == "a new file":
        path.with_name("stale").rename(path)
    elif way == "into the file":
        path.write_bytes(stale)
    else:
        path.unlink()
    path.with_name("stale").unlink(missing_ok=True)
    for fresh in (store, VaultStore(str(path), vault())):
        lost = {key.access_key_id: key for key in fresh.lost_keys()}
        assert set(lost) == ({"AKIANEXT", "AKIAB"} if way == "removed" else {"AKIANEXT"})
        assert SECRET in decrypt(lost["AKIANEXT"].file)
    with store.locked("ci", write=True) as stored:
        assert [key.access_key_id for key in stored.lost] == ["AKIANEXT"]
        stored.refuse_lost(["AKIAOTHER"])
        with pytest.raises(StoreError) as caught:
            stored.refuse_lost(["AKIANEXT"])
        assert str(lost["AKIANEXT"].file) in caught.value.message
        assert f"ansible-vault edit {path}" in caught.value.message
    # However often others are written meanwhile.
    for number in range(25):
        put(store, f"user{number}", CI)
    (found,) = [key for key in store.lost_keys() if key.access_key_id == "AKIANEXT"]
    assert (found.user_name, SECRET in decrypt(found.file)) == ("ci", True)
    assert len(predecessors(path)) == (12 if way == "removed" else 11)
    # Put back, nothing is lost any more, and the predecessor may go.
    with store.locked("ci", write=True) as stored:
        stored.write(stored.entry.stage_next("AKIANEXT", SECRET, NOW))
    assert "AKIANEXT" not in [key.access_key_id for key in store.lost_keys()]


def test_what_is_named_keeps_its_name(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    stale = path.read_bytes()
    put(store, "b", Entry(current_id="AKIAB", current=StoredKey(SECRET)))
    put(store, "c", CI.deactivated("AKIAHAND", NOW))
    path.write_bytes(stale)
    (lost,) = (key for key in store.lost_keys() if key.access_key_id == "AKIAB")
    assert lost.file.name == ".keys.yml.1"
    for number in range(12):
        put(store, f"user{number}", CI)
        assert lost in store.lost_keys()
        assert SECRET in decrypt(lost.file)


def test_what_we_removed_ourselves_is_not_lost(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", NEXT)
    with store.locked("ci", write=True) as stored:
        stored.write(stored.entry.without("AKIAI44QH8DHBEXAMPLE"))
    encrypt(path, f"{decrypt(path)}mine: 1\n")
    assert store.lost_keys() == ()
    put(store, "b", CI)
    assert store.lost_keys() == ()


def test_a_renamed_entry_or_a_rekeyed_file_lacks_nothing(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    put(store, "b", Entry(current_id="AKIAB", current=StoredKey("b")))
    encrypt(path, decrypt(path).replace("  ci:", "  moved:"))
    assert store.lost_keys() == ()
    encrypt(path, decrypt(path), password="changed")
    rekeyed = VaultStore(str(path), vault(default="changed"))
    assert rekeyed.lost_keys() == ()
    put(rekeyed, "c", CI)
    assert decrypt(path.with_name(".keys.yml.1"), "changed")
    assert "moved:" not in decrypt(path.with_name(".keys.yml.3"))


def test_predecessors_are_cleaned_of_keys_that_are_gone_for_good(path: Path) -> None:
    now = NOW
    store = VaultStore(str(path), vault())
    store.keep_deleted(lambda: now, 30)
    put(store, "ci", NEXT)
    put(store, "b", Entry(current_id="AKIAB", current=StoredKey("of b")))
    with store.locked("ci", write=True) as stored:
        stored.write(stored.entry.without("AKIAI44QH8DHBEXAMPLE"))
    gone = "je7MtGbClwBF"
    assert gone in predecessors(path)[0]
    for days, kept in ((29.9, True), (30, False)):
        now = NOW + timedelta(days=days)
        put(store, "b", replace(store.entry("b"), hold_until=now))
        assert any(gone in text for text in predecessors(path)) is kept
    assert all(SECRET in text for text in predecessors(path))
    assert any("of b" in text for text in predecessors(path))
    assert not path.with_name(".keys.yml.notes").exists()


@pytest.mark.parametrize(
    "notes", ["", "{", "[]", '{"removed": 3, "lost": {}}', '{"removed": {}, "lost": {"A": {"x": 1}}}']
)
def test_notes_of_another_make_are_none(path: Path, notes: str) -> None:
    path.with_name(".keys.yml.notes").write_text(notes)
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    put(store, "ci", NEXT)
    assert (store.lost_keys(), store.entry("ci")) == ((), NEXT)


# -- another hand's text ------------------------------------------------------------------------------------------


def test_what_another_hand_wrote_meanwhile_is_kept(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    with store.locked("ci", write=True) as stored:
        encrypt(path, f"# a person\n{decrypt(path)}mine: 1\n")
        stored.write(NEXT)
    assert decrypt(path).startswith("# a person\n") and decrypt(path).endswith("mine: 1\n")
    assert store.entry("ci") == NEXT


def test_an_entry_that_another_hand_changed_is_not_written_over(path: Path) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    with store.locked("ci", write=True) as stored:
        theirs = encrypt(path, decrypt(path).replace(SECRET, "another secret"))
        with pytest.raises(StoreError, match="was changed by another hand while this task worked on it"):
            stored.write(NEXT)
        assert path.read_bytes() == theirs


def test_a_hand_that_saves_while_we_encrypt_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    really, saved = store_file._encrypted, []

    def encrypted(*arguments: Any) -> bytes:
        if not saved:
            saved.append(encrypt(path, f"# a person\n{decrypt(path)}"))
        return really(*arguments)

    monkeypatch.setattr(store_file, "_encrypted", encrypted)
    put(store, "ci", NEXT)
    assert decrypt(path).startswith("# a person\n")
    assert VaultStore(str(path), vault()).entry("ci") == NEXT


def test_a_write_that_failed_after_it_reached_the_file_can_be_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = VaultStore(str(path), vault())
    put(store, "ci", CI)
    with store.locked("ci", write=True) as stored:
        with monkeypatch.context() as patched:
            sync = os.fsync
            patched.setattr(
                os,
                "fsync",
                lambda handle: fails(errno.EIO)() if stat.S_ISDIR(os.fstat(handle).st_mode) else sync(handle),
            )
            with pytest.raises(StoreError):
                stored.write(NEXT)
        assert store.entry("ci") == NEXT
        stored.write(CI)
    assert store.entry("ci") == CI


# -- a lock that was removed --------------------------------------------------------------------------------------


def test_who_waits_for_a_lock_that_was_removed_waits_for_the_one_that_is_there(path: Path) -> None:
    inside, first = [], VaultStore(str(path), vault())
    second, third = VaultStore(str(path), vault(), lock_timeout=20), VaultStore(str(path), vault())

    def wait() -> None:
        with second.locked("ci", write=True):
            inside.append("second")

    with first.locked("ci", write=True):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        path.with_name(".keys.yml.lock").unlink()
        third_holds = third.locked("ci", write=True)
        third_holds.__enter__()
    time.sleep(0.4)
    assert inside == []
    third_holds.__exit__(None, None, None)
    waiting.join(20)
    assert inside == ["second"]


def test_a_lock_file_removed_between_opening_and_locking_is_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, really, locked = path.with_name(".keys.yml.lock"), fcntl.flock, []

    def flock(handle: int, operation: int) -> None:
        if not locked:
            lock.unlink()
        really(handle, operation)
        locked.append(os.fstat(handle).st_ino)

    monkeypatch.setattr(fcntl, "flock", flock)
    with VaultStore(str(path), vault()).locked("ci", write=True):
        assert len(locked) == 2
        assert locked[-1] == lock.stat().st_ino


def test_a_write_whose_lock_was_removed_waits_in_line_once_more(path: Path) -> None:
    first, second = VaultStore(str(path), vault(), lock_timeout=0.2), VaultStore(str(path), vault())
    with first.locked("ci", write=True) as stored:
        path.with_name(".keys.yml.lock").unlink()
        with second.locked("b", write=True), pytest.raises(StoreError, match="is locked by another run"):
            stored.write(CI)
    assert not path.exists()
    put(first, "ci", CI)


# -- a password typed once -----------------------------------------------------------------------------------------


def typed(*vault_ids: str, password: str = "letmein") -> VaultLib:
    return VaultLib([(vault_id, PromptVaultSecret(password.encode(), vault_id)) for vault_id in vault_ids])


def test_a_new_file_is_not_made_with_a_password_typed_once(path: Path) -> None:
    way_out = f"make the file with `ansible-vault create {path}`, which asks twice"
    for vault_id in (None, "default"):
        assert way_out in refused(path, f"{path} is not made: ", typed("default"), vault_id, reads=True)
    encrypt(path, "")
    put(VaultStore(str(path), typed("default")), "ci", CI)
    assert "ci:" in decrypt(path)


def test_a_file_is_not_encrypted_anew_with_a_password_typed_once(path: Path) -> None:
    encrypt(path, "mine: 1\n", "dev")
    both = VaultLib([*vault(dev="letmein").secrets, *typed("prod", password="slip").secrets])
    refused(path, f"{path} is not encrypted anew: ", both, "prod", reads=True)
    put(VaultStore(str(path), both), "ci", CI)
    assert "ci:" in decrypt(path)
    # What has opened the file is proven, by whatever name.
    encrypt(path, "mine: 1\n", "prod")
    put(VaultStore(str(path), typed("prod"), "prod"), "ci", CI)
    assert "ci:" in decrypt(path)
