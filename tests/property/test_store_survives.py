# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold of the store whatever happens to it: no secret lost, no text of a person's lost, old or new and nothing between.

A crash is real here: another process writes, and the kernel ends it in the midst of the write (a limit on the size of
files, at any byte), or it ends itself between two system calls, with the lock in its hand.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.plugin_utils._store import text as store_text
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.text import Text
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

START = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
KEYS = "iam_access_keys"
USERS = ("ci", "yes", "123", "svc_+=,.@-x")
SECRET = VaultSecret(b"letmein")
BEFORE = "# of the team\nregion: eu-west-1  # Ireland\ntoken: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132330a\n"
AFTER = "# the end\nlast: [a, {b: c}]\n"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Unknown tags, such as !vault, as pairs of tag and text."""


_Loader.add_multi_constructor("!", lambda _loader, tag, node: (tag, node.value))


def variables(text: str) -> dict[str, Any]:
    """All variables of a document but the access keys."""
    return {name: value for name, value in (yaml.load(text, Loader=_Loader) or {}).items() if name != KEYS}


# -- the file, and a process that may die --------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One change of a user's entry; `at` says where the process dies: never, or at a system call, or at a share of the bytes."""

    user_name: str
    change: str
    pick: int
    at: str | float | None = None


CHANGES = ("ask", "stage", "promote", "put_in_force", "deactivate", "take_back", "hold", "delete", "forget_asked")
CALLS = ("locked", "opened", "synced", "link", "linked", "copy", "copied", "rename", "replace", "replaced", "folder")
steps = st.builds(
    Step,
    user_name=st.sampled_from(USERS),
    change=st.sampled_from((*CHANGES, "ask", "stage", "stage", "promote")),
    pick=st.integers(0, 3),
    at=st.one_of(st.none(), st.none(), st.sampled_from(CALLS), st.floats(0, 1, exclude_max=True)),
)


@dataclass
class World:
    """The file, and what must be in it."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)
    made: int = 0
    writes: int = 0
    store: VaultStore | None = None

    def opened(self) -> VaultStore:
        return VaultStore(str(self.path), VaultLib([("default", SECRET)]), lock_timeout=5)

    def changed(self, step: Step, entry: Entry) -> Entry:
        """The entry after the step, as a run would make it."""
        self.made += 1
        now = START + timedelta(seconds=self.made)
        key_id = entry.key_ids[step.pick % len(entry.key_ids)] if entry.key_ids else f"AKIAHAND{step.pick}"
        if step.change == "ask":
            return entry.of("012345678901", "AIDA").ask(now, entry.key_ids)
        if step.change == "stage":
            return entry.stage_next(f"AKIA{self.made:016d}", f"{self.made}/secret+{step.user_name}", now)
        if step.change == "promote":
            return entry.promote(key_id, now) if entry.key_ids else entry
        if step.change == "put_in_force":
            return entry.put_in_force(key_id, now, now) if entry.key_ids else entry
        if step.change in ("deactivate", "take_back"):
            return entry.deactivated(key_id, now) if step.change == "deactivate" else entry.activated(key_id)
        if step.change == "hold":
            return replace(entry, hold_until=None if entry.hold_until else now)
        return entry.without(key_id) if step.change == "delete" else replace(entry, asked=None)

    def take(self, step: Step) -> None:
        before = self.entries.get(step.user_name, Entry())
        after = self.changed(step, before)
        after = Entry() if after.empty else after  # an entry that nobody needs leaves the file
        if step.at is None:
            self.store = self.store or self.opened()
            _write(self.store, step.user_name, after)
            written = True
        else:
            _in_a_process_that_dies(lambda: _write(self.opened(), step.user_name, after), step.at, self.path)
            written = self.opened().entry(step.user_name) == after
        if written:
            self.writes += before != after or step.at is None
            self.entries[step.user_name] = after
            gone = set(before.key_ids) - set(after.key_ids)
            assert step.change == "delete" or not any(
                (key := before.key(key_id)) and key.secret_access_key for key_id in gone
            )
            self._note_secrets(step.user_name, after, gone if step.change == "delete" else set())
        self.check(step.user_name, before if not written else after)

    def _note_secrets(self, user_name: str, entry: Entry, deleted: set[str]) -> None:
        for key_id in deleted:
            self.secrets.pop((user_name, key_id), None)
        for key_id in entry.key_ids:
            key = entry.key(key_id)
            if key and key.secret_access_key:
                self.secrets.setdefault((user_name, key_id), key.secret_access_key)

    def check(self, user_name: str, expected: Entry) -> None:
        """A run that starts now finds the old state or the new one."""
        found = self.opened().entries()
        assert found == {name: entry for name, entry in self.entries.items() if not entry.empty}
        if not expected.empty:
            assert found[user_name] == expected
        held = {
            (name, key_id): key.secret_access_key
            for name, entry in found.items()
            if isinstance(entry, Entry)
            for key_id in entry.key_ids
            if (key := entry.key(key_id)) and key.secret_access_key
        }
        assert held == self.secrets
        for entry in found.values():
            assert isinstance(entry, Entry)
            assert entry.current_id not in entry.others
            assert len([key_id for key_id in entry.key_ids if entry.stage(key_id) == "next"]) <= 1
        self.check_predecessors()
        text = self.text()
        assert text.startswith(BEFORE)
        assert text.endswith(AFTER)

    def check_predecessors(self) -> None:
        """Ten, or as many as were written; each one whole, whatever died meanwhile.

        Beside them those that are pinned: what a run that died had been about to write may be the only one with a new secret.
        """
        names = [name for name in os.listdir(self.path.parent) if re.fullmatch(r"\.keys\.yml\.\d+", name)]
        notes = self.path.with_name(".keys.yml.notes")
        lost = json.loads(notes.read_text())["lost"].values() if notes.exists() else []
        assert len(names) <= 10 + len({one["predecessor"] for one in lost})
        assert self.writes == 0 or names
        for name in names:
            data = self.path.with_name(name).read_bytes()
            assert bytes(VaultLib([("default", SECRET)]).decrypt(data)).decode().startswith(BEFORE)
        # Nothing that was stored is missing from the file.
        unwritten = {key.access_key_id for key in self.opened().lost_keys()} & {
            key_id for _name, key_id in self.secrets
        }
        assert not unwritten

    def text(self) -> str:
        return bytes(VaultLib([("default", SECRET)]).decrypt(self.path.read_bytes())).decode()


def _write(store: VaultStore, user_name: str, entry: Entry) -> None:
    with store.locked(user_name, write=True) as stored:
        stored.write(entry)


def _in_a_process_that_dies(work: Callable[[], None], at: str | float, path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            _die(at, path)
            work()
        finally:  # whatever happened: this process is not the test's
            os._exit(9)
    _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (9, -signal.SIGXFSZ)


def _die(at: str | float, path: Path) -> None:
    """Arranges for this process to end there, without another line of ours."""
    if isinstance(at, float):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        size = int(at * path.stat().st_size)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return
    really_open, really_replace, really_sync = os.open, os.replace, os.fsync
    really_rename, really_link = os.rename, os.link

    def opened(name: Any, *arguments: Any, **options: Any) -> int:
        if at == "locked" and str(name).endswith(".tmp"):
            os._exit(9)
        if at == "copy" and str(name).endswith(".last.new"):
            os._exit(9)
        handle = really_open(name, *arguments, **options)
        if (at, str(name).removeprefix(f"{path.parent}/.keys.yml.")) in (("opened", "tmp"), ("copied", "last.new")):
            os._exit(9)
        return handle

    def renamed(*arguments: Any) -> None:
        really_rename(*arguments)
        if at == "rename":
            os._exit(9)

    def linked(*arguments: Any) -> None:
        if at == "link":
            os._exit(9)
        really_link(*arguments)
        if at == "linked":
            os._exit(9)

    def replaced(*arguments: Any) -> None:
        if at == "replace":
            os._exit(9)
        really_replace(*arguments)
        if at == "replaced":
            os._exit(9)

    def synced(handle: int) -> None:
        really_sync(handle)
        if at == ("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "synced"):
            os._exit(9)

    os.open, os.replace, os.fsync = opened, replaced, synced  # type: ignore[assignment]
    os.rename, os.link = renamed, linked  # type: ignore[assignment]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=4, max_size=14))
@example(
    [
        Step("ci", "ask", 0),
        Step("ci", "stage", 0),
        *(Step("ci", "promote", 0, at) for at in (*CALLS, 0.0, 0.5, 0.99)),
        Step("ci", "ask", 0),
    ]
)
@example(
    [
        Step("ci", "ask", 0),
        *(Step("ci", "stage", 0, at) for at in (*CALLS, 0.0, 0.01, 0.99)),
        Step("ci", "delete", 0),
        Step("ci", "stage", 0),
    ]
)
@example(
    [
        Step("ci", "stage", 0),
        *(Step("ci", "delete", 0, at) for at in (*CALLS, 0.5)),
        Step("yes", "stage", 0),
        Step("yes", "delete", 0),
    ]
)
def test_whatever_happens_nothing_is_lost(taken: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "keys.yml")
        world.path.write_bytes(VaultLib().encrypt(f"{BEFORE}{KEYS}: {{}}\n{AFTER}", SECRET))
        for step in taken:
            world.take(step)
        _write(world.opened(), "after", Entry(current_id="AKIAAFTER"))
        names = sorted(entry.name for entry in world.path.parent.iterdir())
        beside = re.compile(r"\.keys\.yml\.(last|notes|\d+)")
        assert [name for name in names if not beside.fullmatch(name)] == [".keys.yml.lock", "keys.yml"]


# -- the text ------------------------------------------------------------------------------------------------------

BLOCKS = (
    "a: 1\n",
    "# a comment\n",
    "\n",
    "text: |\n  one\n   two\n\n  iam_access_keys:\n",
    "folded: >-\n  one\n  two\n",
    "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132330a\n",
    "list:\n- x\n- {y: z}\n",
    "deep:\n    er:\n      - 1\n    # inside\n    more: ~\n",
    "quoted: \"tab\\t and 'quotes' & *stars\"  # & more\n",
    "Müller: 🔑\n",
    "base: &base {x: 1}\nderived:\n  <<: *base\nagain: *base\n",
    "date: 2026-01-02\nyes: no\noctal: 017\n",
    "flow: {a: [1,\n  2], b: c}\n",
    "empty:\n",
)
STYLES = ("block", "wide", "flow", "quoted", "comments", "anchored")
names = st.one_of(
    st.sampled_from(USERS), st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789_+=,.@-", min_size=1, max_size=64)
)
dates = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
secret_texts = st.text("abcXYZ0189/+=", min_size=1, max_size=40)
stored_keys = st.builds(StoredKey, secret_texts, st.none() | dates, st.none() | dates, st.none() | dates)
entries = st.builds(
    lambda current, others, account: Entry(account, None, "AKIACURRENT", current, others=others),
    stored_keys,
    st.dictionaries(st.sampled_from(["AKIA1", "AKIA2"]), stored_keys, max_size=2),
    st.none() | st.text("0123456789", min_size=12, max_size=12),
)


@dataclass(frozen=True)
class Document:
    """A vars file as people write them."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    users: dict[str, Entry]
    style: str
    start: str
    end: str
    newline: str
    complete: bool

    @property
    def text(self) -> str:
        between = "  # about the next\n\n" if self.style == "comments" else ""
        section = (
            f"{KEYS}:\n" + between.join(self.piece(name) for name in self.users) if self.users else f"{KEYS}: {{}}\n"
        )
        if self.style == "flow":
            section = f"{KEYS}: {{{', '.join(self.piece(name) for name in self.users)}}}\n"
        text = self.start + "".join(self.before) + section + "".join(self.after) + self.end
        return (text if self.complete else text.removesuffix("\n")).replace("\n", self.newline)

    def piece(self, name: str) -> str:
        fields = self.users[name].to_mapping()
        if self.style == "flow":
            return yaml.safe_dump({name: fields}, default_flow_style=True, width=10_000).strip()[1:-1]
        indent = 4 if self.style == "wide" else 2
        dumped = yaml.safe_dump(
            {name: fields},
            sort_keys=False,
            indent=indent,
            width=10_000,
            default_style='"' if self.style == "quoted" else None,
        )
        if self.style == "anchored" and name == next(iter(self.users)):
            first, rest = dumped.split("\n", 1)
            dumped = f"{first} &it\n{rest}"
        if self.style == "comments":
            dumped = dumped.replace("\n", "  # inside\n", 1)
        return "".join(f"{' ' * indent}{line}" for line in dumped.splitlines(keepends=True))


def several(blocks: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(blocks), max_size=4, unique=True).map(tuple)


documents = st.builds(
    Document,
    several(BLOCKS[: len(BLOCKS) // 2]),
    several(BLOCKS[len(BLOCKS) // 2 :]),
    st.dictionaries(names, entries, max_size=3),
    st.sampled_from(STYLES),
    st.sampled_from(["", "---\n", "%YAML 1.1\n---\n# start\n"]),
    st.sampled_from(["", "...\n"]),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.booleans(),
)
writes = st.lists(
    st.tuples(st.one_of(names, st.integers(0, 2)), st.one_of(st.just(Entry()), entries)), min_size=1, max_size=5
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents, writes)
def test_a_person_finds_again_what_a_person_wrote(document: Document, changes: list[tuple[str | int, Entry]]) -> None:
    text = document.text
    expected, untouched = dict(document.users), dict.fromkeys(document.users)
    others = variables(text)
    parsed = _parsed(text)
    assert _entries(parsed) == expected
    for who, entry in changes:
        name = who if isinstance(who, str) else [*document.users, "ci"][min(who, len(document.users))]
        parsed.put(name, entry)
        untouched.pop(name, None)
        if entry.empty:
            expected.pop(name, None)
        else:
            expected[name] = entry
        written = str(parsed)
        parsed = _parsed(written)
        assert _entries(parsed) == expected
        assert list(parsed.entries) == list(expected)
        assert variables(written) == others
        assert yaml.load(written, Loader=_Loader)[KEYS].keys() == expected.keys()
    if document.style in ("flow", "anchored"):
        return  # written anew, for no line there is an entry's own
    for name in untouched:
        assert document.piece(name).rstrip().replace("\n", document.newline) in written
    after = "".join(document.after) + document.end
    assert written.startswith((document.start + "".join(document.before)).replace("\n", document.newline))
    assert written.endswith((after if document.complete else after.removesuffix("\n")).replace("\n", document.newline))
    assert written.count("# about the next") == text.count("# about the next")


def _parsed(text: str) -> Text:
    """The same, be it read as a whole or each entry by itself, as in a large file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_text, "AT_ONCE", 1)
        in_turn = Text.parse(text, "keys.yml")
    assert in_turn == Text.parse(text, "keys.yml")
    return in_turn


def _entries(text: Text) -> dict[str, Entry]:
    return {name: Entry.from_mapping(fields) for name, fields in text.parsed.items()}
