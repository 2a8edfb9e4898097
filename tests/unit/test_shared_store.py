# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store that the threads of a batch share: what is ready together is one write, and another run has its turn."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError
from ansible_collections.keyturn.iam.plugins.plugin_utils._store import shared
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.file import VaultStore
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.lock import Lock
from ansible_collections.keyturn.iam.plugins.plugin_utils._store.shared import SharedStore

ACCOUNT = "123456789012"
NAMES = [f"user{number:02}" for number in range(24)]


def entry(name: str, turn: int = 0) -> Entry:
    return Entry(ACCOUNT, f"AIDA{name}", f"AKIA{name}{turn}", StoredKey(f"secret-of-{name}-{turn}"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yml"


def opened(path: Path, timeout: float = 5) -> VaultStore:
    return VaultStore(str(path), VaultLib([("default", VaultSecret(b"letmein"))]), lock_timeout=timeout)


def sharing(path: Path, room: int = 100, timeout: float = 5) -> SharedStore:
    return SharedStore(opened(path, timeout), lambda: room)


def in_threads(work: Callable[[str], Any], names: Iterable[str] = NAMES) -> list[Any]:
    """What each returned or raised."""

    def tried(name: str) -> Any:
        try:
            return work(name)
        except StoreError as error:
            return error.message

    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(tried, names))


def put(store: SharedStore, name: str, turn: int = 0) -> None:
    with store.locked(name, write=True) as stored:
        stored.write(entry(name, turn))


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries each write of the file has."""
    sizes: list[int] = []
    real = VaultStore.write_all

    def write_all(self: VaultStore, changes: Any) -> Any:
        sizes.append(len(changes))
        return real(self, changes)

    monkeypatch.setattr(VaultStore, "write_all", write_all)
    return sizes


def test_what_is_ready_together_is_one_write_and_each_goes_on_with_its_own_in_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, store = count_writes(monkeypatch), sharing(path)
    all_inside = threading.Barrier(len(NAMES))

    def work(name: str) -> bool:
        with store.locked(name, write=True) as stored:
            all_inside.wait(10)
            for turn in range(3):
                stored.write(entry(name, turn))
                assert opened(path).entry(name) == entry(name, turn), "it went on before its entry was in the file"
        return True

    assert in_threads(work) == [True] * len(NAMES)
    assert sum(sizes) == 3 * len(NAMES) and len(sizes) < sum(sizes) / 2, sizes
    assert {name: opened(path).entry(name) for name in NAMES} == {name: entry(name, 2) for name in NAMES}


def test_an_entry_that_another_hand_changed_is_not_written_over_and_the_others_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sharing(path)
    in_threads(lambda name: put(store, name))
    all_inside = threading.Barrier(len(NAMES) + 1)

    def work(name: str) -> None:
        with store.locked(name, write=True) as stored:
            all_inside.wait(10)
            all_inside.wait(10)
            stored.write(entry(name, 1))

    def meddle() -> None:
        all_inside.wait(10)
        other = opened(path)
        other.lock.acquire = lambda *_a, **_k: None  # type: ignore[method-assign]  # an editor takes no lock
        with other.locked("user07", write=True) as stored:
            stored.write(entry("user07", 9))
        all_inside.wait(10)

    hand = threading.Thread(target=meddle)
    hand.start()
    ended = in_threads(work)
    hand.join()
    refused = {name: told for name, told in zip(NAMES, ended, strict=True) if told}
    assert list(refused) == ["user07"] and "was changed by another hand" in refused["user07"]
    assert opened(path).entry("user07") == entry("user07", 9)
    assert all(opened(path).entry(name) == entry(name, 1) for name in NAMES if name != "user07")


def test_a_write_that_fails_fails_for_all_that_were_in_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, real = sharing(path), VaultStore._replace

    def full(self: VaultStore, *arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VaultStore, "_replace", full)
    assert {told.partition(": ")[2] for told in in_threads(lambda name: put(store, name))} == {
        "No space left on device"
    }
    monkeypatch.setattr(VaultStore, "_replace", real)
    assert in_threads(lambda name: put(store, name)) == [None] * len(NAMES)


def test_another_run_has_its_turn_however_many_come(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LEASE_SECONDS", 0.3)
    store, ended, waited = sharing(path), threading.Event(), []

    def busy(name: str) -> None:
        turn = 0
        while not ended.is_set():
            turn += 1
            with store.locked(name, write=True):
                time.sleep(0.005)

    def other() -> None:
        lock = Lock(path, str(path), 5)
        for _turn in range(4):
            began = time.monotonic()
            with lock.held():
                waited.append(time.monotonic() - began)
            time.sleep(0.05)

    def other_run() -> None:
        try:
            other()
        finally:
            ended.set()

    another = threading.Thread(target=other_run)
    another.start()
    in_threads(busy, NAMES[:8])
    another.join()
    assert len(waited) == 4 and max(waited) < 1.5, waited


def test_nobody_is_in_beside_another_run(path: Path) -> None:
    store = sharing(path)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with ThreadPoolExecutor(len(NAMES)) as pool:
            begun = [pool.submit(put, store, name) for name in NAMES]
            time.sleep(0.3)
            assert not path.exists() and not any(one.done() for one in begun)
            fcntl.flock(file, fcntl.LOCK_UN)
            assert [one.result(5) for one in begun] == [None] * len(NAMES)


def test_a_lock_that_cannot_be_had_is_waited_for_once(path: Path) -> None:
    store = sharing(path, timeout=0.4)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        began = time.monotonic()
        told = in_threads(lambda name: put(store, name))
        assert all("is locked by another run for more than 0.4 seconds" in one for one in told)
        assert time.monotonic() - began < 2
        fcntl.flock(file, fcntl.LOCK_UN)
        put(store, "user00")
    assert opened(path).entry("user00") == entry("user00")


def test_who_waits_for_the_lock_is_told_of_the_end(path: Path) -> None:
    store = sharing(path, timeout=60)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.2, store.stop, ["SIGTERM"]).start()
        told = in_threads(lambda name: put(store, name))
    assert all("another run, which was waited for no longer" in one or "was stopped by SIGTERM" in one for one in told)


def test_so_many_are_inside_at_a_time_as_there_is_room(path: Path) -> None:
    store, inside, most = sharing(path, room=3), 0, []
    counting = threading.Lock()

    def work(name: str) -> None:
        nonlocal inside
        with store.locked(name, write=True):
            with counting:
                inside += 1
                most.append(inside)
            time.sleep(0.01)
            with counting:
                inside -= 1

    in_threads(work)
    assert max(most) == 3


def test_one_user_is_one_threads_at_a_time(path: Path) -> None:
    store, inside = sharing(path), []

    def work(number: str) -> None:
        with store.locked("ci", write=True) as stored:
            inside.append(number)
            assert len(inside) == 1
            stored.write(entry("ci", int(number)))
            inside.remove(number)

    assert in_threads(work, [str(number) for number in range(8)]) == [None] * 8


def test_the_lock_is_free_while_nobody_is_inside(path: Path) -> None:
    store = sharing(path)
    put(store, "ci")
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with store.locked("ci", write=False) as stored:
        assert stored.entry == entry("ci")
        with pytest.raises(AssertionError):
            stored.write(entry("ci", 1))


def test_one_thread_writes_for_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it frees the C library keeps: with each thread's own writes a run would hold the file dozens of times."""
    writers: set[int] = set()
    replace = VaultStore._replace

    def noted(self: VaultStore, *arguments: Any) -> Any:
        writers.add(threading.get_ident())
        return replace(self, *arguments)

    monkeypatch.setattr(VaultStore, "_replace", noted)
    store = sharing(path)
    for turn in range(3):
        in_threads(lambda name, turn=turn: put(store, name, turn))  # type: ignore[misc]
    assert len(writers) == 1


def test_where_no_thread_can_be_had_whoever_is_first_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(ThreadPoolExecutor):
        def submit(self, *_a: Any, **_k: Any) -> Any:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(shared, "ThreadPoolExecutor", NoThread)
    store = sharing(path)
    assert in_threads(lambda name: put(store, name)) == [None] * len(NAMES)
    assert {name: opened(path).entry(name) for name in NAMES} == {name: entry(name) for name in NAMES}
