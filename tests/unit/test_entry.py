# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Asked, Entry, StoredKey
from ansible_collections.keyturn.iam.plugins.module_utils._time import ASKED_WINDOW, from_iso, to_iso

NOW = datetime(2026, 11, 24, 4, tzinfo=timezone.utc)
DAY = timedelta(days=1)
OLD, NEW, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "AKIAIOSFODNN7EXAMPL3"

BY_HAND = Entry.from_mapping({"access_key_id": OLD, "secret_access_key": "old/secret+"})
RUNNING = Entry("123456789012", "AIDAEXAMPLE", OLD, StoredKey("old/secret+", NOW - 100 * DAY, NOW - 99 * DAY))
ASKED = RUNNING.ask(NOW, (OLD,))
STAGED = ASKED.stage_next(NEW, "new/secret+", NOW)
PROMOTED = STAGED.promote(NEW, NOW + timedelta(seconds=12))


def secrets(entry: Entry) -> dict[str, str | None]:
    return {key_id: key.secret_access_key for key_id in entry.key_ids if (key := entry.key(key_id))}


# -- a rotation, step by step --------------------------------------------------------------------------------------


def test_an_entry_that_a_person_wrote_counts_as_current() -> None:
    assert (BY_HAND.current_id, BY_HAND.stage(OLD), BY_HAND.next_id) == (OLD, "current", None)
    assert BY_HAND.current == StoredKey("old/secret+")
    assert BY_HAND.to_mapping() == {"access_key_id": OLD, "secret_access_key": "old/secret+"}


def test_the_owner_is_noted_where_a_person_left_it_out_and_never_changed() -> None:
    assert BY_HAND.of("123456789012", "AIDAEXAMPLE").to_mapping() == {
        "account_id": "123456789012",
        "user_id": "AIDAEXAMPLE",
        "access_key_id": OLD,
        "secret_access_key": "old/secret+",
    }
    assert RUNNING.of("999999999999", "AIDAOTHER") == RUNNING


def test_asking_notes_what_was_there() -> None:
    assert ASKED.asked == Asked(NOW, (OLD,))
    assert replace(ASKED, asked=None) == RUNNING


def test_a_new_key_waits_as_next_and_asked_stays() -> None:
    assert (STAGED.stage(OLD), STAGED.stage(NEW), STAGED.next_id) == ("current", "next", NEW)
    assert STAGED.asked == ASKED.asked
    assert STAGED.key(NEW) == StoredKey("new/secret+", NOW)
    assert STAGED.key_ids == (OLD, NEW)


def test_promotion_makes_it_current_and_keeps_the_other_as_previous() -> None:
    assert (PROMOTED.stage(NEW), PROMOTED.stage(OLD), PROMOTED.next_id) == ("current", "previous", None)
    assert PROMOTED.asked is None
    assert PROMOTED.current.promote_date == NOW + timedelta(seconds=12)
    assert PROMOTED.key(OLD) == RUNNING.current
    assert secrets(PROMOTED) == secrets(STAGED)


def test_promotion_of_the_current_key_changes_nothing() -> None:
    assert STAGED.promote(OLD, NOW) is STAGED


def test_promotion_of_a_key_that_is_not_stored_is_refused() -> None:
    with pytest.raises(KeyError):
        RUNNING.promote(NEW, NOW)


def test_the_first_key_of_a_user_leaves_no_previous() -> None:
    first = Entry().ask(NOW, ()).stage_next(NEW, "new", NOW).promote(NEW, NOW)
    assert first == Entry(current_id=NEW, current=StoredKey("new", NOW, NOW))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (StoredKey("s", NOW - 9 * DAY, NOW - 8 * DAY), NOW - 8 * DAY),
        (StoredKey("s", NOW - 9 * DAY), NOW - 9 * DAY),
        (StoredKey("s"), NOW),
    ],
)
def test_what_leaves_current_is_known_to_have_been_current(key: StoredKey, expected: datetime) -> None:
    entry = Entry(current_id=OLD, current=key).stage_next(NEW, "new", NOW).promote(NEW, NOW)
    assert entry.others[OLD].promote_date == expected
    assert (entry.stage(OLD), entry.next_id) == ("previous", None)


def test_a_rollback_swaps_current_and_previous() -> None:
    back = PROMOTED.promote(OLD, NOW + DAY)
    assert (back.stage(OLD), back.stage(NEW), back.next_id) == ("current", "previous", None)
    assert back.current.promote_date == NOW + DAY
    assert secrets(back) == {OLD: "old/secret+", NEW: "new/secret+"}


def test_what_a_person_puts_in_force_is_held_and_leaves_another_keys_request_alone() -> None:
    asking = replace(PROMOTED, asked=Asked(NOW + DAY, (OLD, NEW)))
    back = asking.put_in_force(OLD, NOW + DAY, NOW + 8 * DAY)
    assert (back.stage(OLD), back.stage(NEW), back.hold_until, back.asked) == (
        "current",
        "previous",
        NOW + 8 * DAY,
        asking.asked,
    )
    assert secrets(back) == secrets(PROMOTED)
    forward = back.put_in_force(NEW, NOW + 2 * DAY, None)
    assert (forward.current_id, forward.hold_until) == (NEW, None)
    assert STAGED.put_in_force(NEW, NOW, None).asked is None  # it was that key's own


# -- stages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current_made", "others", "expected"),
    [
        (NOW, {}, None),
        (NOW, {NEW: StoredKey("s", NOW + DAY)}, NEW),
        (NOW, {NEW: StoredKey("s", NOW)}, NEW),  # AWS's dates are whole seconds
        (NOW, {NEW: StoredKey("s", NOW - timedelta(seconds=1))}, None),
        (NOW, {NEW: StoredKey("s")}, None),
        (None, {NEW: StoredKey("s")}, NEW),
        (None, {NEW: StoredKey("s", NOW)}, NEW),
        (NOW, {NEW: StoredKey("s", NOW + DAY, NOW + DAY)}, None),
        (NOW, {NEW: StoredKey(None, NOW + DAY)}, None),
        (NOW, {NEW: StoredKey("s", NOW + DAY), OTHER: StoredKey("s", NOW + 2 * DAY)}, OTHER),
        (NOW, {OTHER: StoredKey("s", NOW + 2 * DAY), NEW: StoredKey("s", NOW + DAY)}, OTHER),
        (NOW, {NEW: StoredKey("s", NOW + DAY), OTHER: StoredKey("s", NOW + 2 * DAY, NOW + 2 * DAY)}, NEW),
    ],
)
def test_next_is_the_newest_key_that_was_never_current(
    current_made: datetime | None, others: dict[str, StoredKey], expected: str | None
) -> None:
    entry = Entry(current_id=OLD, current=StoredKey("s", current_made), others=others)
    assert entry.next_id == expected
    assert [key_id for key_id in entry.key_ids if entry.stage(key_id) == "next"] == ([expected] if expected else [])


def test_a_key_without_a_secret_has_no_stage() -> None:
    entry = replace(RUNNING, others={NEW: StoredKey(deactivate_date=NOW)})
    assert (entry.stage(NEW), entry.stage(OTHER), entry.stage(None)) == (None, None, None)
    assert (entry.key(OTHER), entry.key(None)) == (None, None)
    assert Entry().stage(None) is None


def test_two_keys_that_wait_have_one_next() -> None:
    entry = STAGED.stage_next(OTHER, "third", NOW + timedelta(seconds=5))
    assert (entry.stage(NEW), entry.stage(OTHER)) == (None, "next")


# -- asked ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key_id", "made", "expected"),
    [
        (NEW, NOW, True),
        (NEW, NOW + ASKED_WINDOW, True),
        (NEW, NOW - ASKED_WINDOW, True),
        (NEW, NOW + ASKED_WINDOW + timedelta(seconds=1), False),
        (NEW, NOW - ASKED_WINDOW - timedelta(seconds=1), False),
        (NEW, None, False),
        (OLD, NOW, False),
    ],
)
def test_asked_explains_what_was_not_there_and_was_made_then(
    key_id: str, made: datetime | None, expected: bool
) -> None:
    assert Asked(NOW, (OLD,)).explains(key_id, made) is expected


def test_asked_goes_with_the_key_that_it_explains_only() -> None:
    assert ASKED.without(NEW, NOW).asked is None
    assert STAGED.without(NEW).asked is None
    assert ASKED.without(NEW).asked == ASKED.asked
    assert ASKED.without(NEW, NOW - DAY).asked == ASKED.asked
    assert STAGED.without(OLD).asked == ASKED.asked


# -- switched off, deleted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_id", [OLD, NEW, OTHER])
def test_a_deactivation_is_noted_and_taken_back(key_id: str) -> None:
    noted = PROMOTED.deactivated(key_id, NOW + DAY)
    record = noted.key(key_id)
    assert record is not None
    assert record.deactivate_date == NOW + DAY
    assert {**secrets(noted), OTHER: None} == {**secrets(PROMOTED), OTHER: None}
    assert noted.activated(key_id) == PROMOTED


def test_a_key_made_by_hand_is_noted_without_a_secret() -> None:
    noted = RUNNING.deactivated(OTHER, NOW)
    assert noted.others == {OTHER: StoredKey(deactivate_date=NOW)}
    assert noted.to_mapping()["other_keys"] == {OTHER: {"deactivate_date": "2026-11-24T04:00:00+00:00"}}
    assert (noted.stage(OTHER), noted.next_id) == (None, None)


def test_taking_back_a_note_that_is_not_there_changes_nothing() -> None:
    assert RUNNING.activated(OTHER) == RUNNING


def test_taking_back_a_note_keeps_what_a_person_wrote_beside_it() -> None:
    entry = replace(RUNNING, others={OTHER: StoredKey(deactivate_date=NOW, extra={"note": "of the vendor"})})
    assert entry.activated(OTHER).others == {OTHER: StoredKey(extra={"note": "of the vendor"})}


def test_without_takes_one_key_and_nothing_else() -> None:
    assert PROMOTED.without(OLD) == replace(PROMOTED, others={})
    assert PROMOTED.without(NEW) == replace(PROMOTED, current_id=None, current=StoredKey())
    assert PROMOTED.without(OTHER) == PROMOTED


def test_without_a_current_key_the_previous_one_does_not_take_its_place() -> None:
    entry = PROMOTED.without(NEW)
    assert (entry.current_id, entry.stage(OLD), entry.next_id) == (None, "previous", None)
    assert "access_key_id" not in entry.to_mapping()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(), True),
        (Entry("123456789012", "AIDAEXAMPLE"), True),
        (RUNNING, False),
        (RUNNING.without(OLD), True),
        (Entry().ask(NOW, ()), False),
        (Entry(hold_until=NOW), False),
        (Entry(others={OTHER: StoredKey(deactivate_date=NOW)}), False),
        (Entry(extra={"owner": "team-a"}), False),
    ],
)
def test_empty_is_what_nobody_needs(entry: Entry, expected: bool) -> None:
    assert entry.empty is expected


def test_no_step_overwrites_a_secret() -> None:
    for entry in (RUNNING, STAGED, PROMOTED, PROMOTED.deactivated(OLD, NOW)):
        for key_id in entry.key_ids:
            with pytest.raises(ValueError, match="is in the store already"):
                entry.stage_next(key_id, "another", NOW)
    with pytest.raises(ValueError, match="is in the store already"):
        RUNNING.deactivated(OTHER, NOW).stage_next(OTHER, "another", NOW)


# -- as the file has it --------------------------------------------------------------------------------------------

FULL = replace(
    PROMOTED.deactivated(OLD, NOW + 8 * DAY).deactivated(OTHER, NOW + 9 * DAY).ask(NOW + 90 * DAY, (OLD, NEW)),
    hold_until=NOW + 99 * DAY,
    extra={"owner": "team-a", "tags": {"a": ["b"]}, "note": None},
)


def test_the_mapping_is_the_contracts() -> None:
    assert FULL.to_mapping() == {
        "account_id": "123456789012",
        "user_id": "AIDAEXAMPLE",
        "access_key_id": NEW,
        "secret_access_key": "new/secret+",
        "create_date": "2026-11-24T04:00:00+00:00",
        "promote_date": "2026-11-24T04:00:12+00:00",
        "asked": {"date": "2027-02-22T04:00:00+00:00", "known": [OLD, NEW]},
        "hold_until": "2027-03-03T04:00:00+00:00",
        "other_keys": {
            OLD: {
                "secret_access_key": "old/secret+",
                "create_date": "2026-08-16T04:00:00+00:00",
                "promote_date": "2026-08-17T04:00:00+00:00",
                "deactivate_date": "2026-12-02T04:00:00+00:00",
            },
            OTHER: {"deactivate_date": "2026-12-03T04:00:00+00:00"},
        },
        "owner": "team-a",
        "tags": {"a": ["b"]},
        "note": None,
    }


@pytest.mark.parametrize("entry", [Entry(), BY_HAND, RUNNING, ASKED, STAGED, PROMOTED, FULL, PROMOTED.without(NEW)])
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert Entry.from_mapping(entry.to_mapping()) == entry


def test_what_may_be_shown_has_no_secret_and_says_so() -> None:
    shown = replace(FULL, extra={"secret_note": "a secret too"}).public()
    assert "secret" not in repr(shown)
    assert shown["stored"] is True
    assert {key_id: key["stored"] for key_id, key in shown["other_keys"].items()} == {OLD: True, OTHER: False}
    assert Entry(others={OTHER: StoredKey(deactivate_date=NOW)}).public()["stored"] is False
    assert "secret" not in repr(FULL)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T04:00:00+00:00", NOW),
        ("2026-11-24T04:00:00Z", NOW),
        ("2026-11-24 04:00:00", NOW),
        ("2026-11-24T05:30:00+01:30", NOW),
        ("2026-11-24T04:00:00.987654+00:00", NOW),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=timezone.utc)),
        (datetime(2026, 11, 24, 4), NOW),
        (NOW + timedelta(microseconds=5), NOW),
    ],
)
def test_dates_are_read_as_people_write_them(text: Any, expected: datetime) -> None:
    assert from_iso(text) == expected
    assert to_iso(from_iso(text)) == expected.isoformat()


SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("text", "is not a mapping"),
        ([SECRET], "is not a mapping"),
        ({"secret_access_key": SECRET}, "has a secret_access_key without an access_key_id"),
        ({"access_key_id": [SECRET]}, "has a value of access_key_id that is not text"),
        (
            {"access_key_id": OLD, "secret_access_key": {"value": SECRET}},
            "has a value of secret_access_key that is not text",
        ),
        ({"account_id": {"value": SECRET}}, "has a value of account_id that is not text"),
        ({"create_date": SECRET}, "has a value of create_date that is not an ISO 8601 date"),
        ({"promote_date": [SECRET]}, "has a value of promote_date that is not an ISO 8601 date"),
        ({"hold_until": SECRET}, "has a value of hold_until that is not an ISO 8601 date"),
        ({"asked": {"date": SECRET, "known": []}}, "has a value of date that is not an ISO 8601 date"),
        ({"asked": SECRET}, "has an 'asked' without date and known keys"),
        ({"asked": {"known": [SECRET]}}, "has an 'asked' without date and known keys"),
        ({"asked": {"date": "2026-11-24", "known": SECRET}}, "has an 'asked' without date and known keys"),
        ({"other_keys": [SECRET]}, "has other_keys that are not a mapping of mappings"),
        ({"other_keys": {OLD: SECRET}}, "has other_keys that are not a mapping of mappings"),
        ({"other_keys": {OLD: {"create_date": SECRET}}}, "has a value of create_date that is not an ISO 8601 date"),
        ({"access_key_id": OLD, "other_keys": {OLD: {}}}, f"names {OLD} both as its current key and in other_keys"),
    ],
)
def test_a_foreign_structure_is_an_error_that_quotes_no_value(fields: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Entry.from_mapping(fields)
    assert str(caught.value) == message
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# -- read from what may be shown --------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [BY_HAND, RUNNING, ASKED, STAGED, PROMOTED, Entry(), FULL])
def test_what_is_shown_can_be_read_again(entry: Entry) -> None:
    again = Entry.from_public(entry.public())
    assert again.public() == entry.public() and set(secrets(again).values()) <= {None}
    assert (again.next_id, again.key_ids) == (entry.next_id, entry.key_ids)
    assert [again.stage(key_id) for key_id in again.key_ids] == [entry.stage(key_id) for key_id in entry.key_ids]


REVOKED = PROMOTED.revoked(OLD, NOW + DAY)
SHOWN = {
    "by hand": BY_HAND,
    "running": RUNNING,
    "staged": STAGED,
    "promoted": PROMOTED,
    "held": PROMOTED.put_in_force(OLD, NOW + DAY, NOW + 8 * DAY),
    "switched off": PROMOTED.deactivated(OLD, NOW + DAY).deactivated(OTHER, NOW + DAY),
    "current revoked": STAGED.revoked(OLD, NOW + DAY),
    "previous revoked": REVOKED,
    "revoked, and taken back": REVOKED.activated(OLD),
}
STEPS = {
    "of": lambda entry, key_id: entry.of("123456789012", "AIDAEXAMPLE"),
    "ask": lambda entry, key_id: entry.ask(NOW + DAY, entry.key_ids),
    "promote": lambda entry, key_id: entry.promote(key_id, NOW + DAY) if key_id in entry.others else entry,
    "put in force": lambda entry, key_id: (
        entry.put_in_force(key_id, NOW + DAY, NOW + 2 * DAY) if entry.key(key_id) else entry
    ),
    "deactivated": lambda entry, key_id: entry.deactivated(key_id, NOW + DAY),
    "activated": lambda entry, key_id: entry.activated(key_id),
    "revoked": lambda entry, key_id: entry.revoked(key_id, NOW + DAY),
    "without": lambda entry, key_id: entry.without(key_id),
}


@pytest.mark.parametrize("key_id", [OLD, NEW, OTHER])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", SHOWN)
def test_what_is_done_to_what_is_shown_is_what_is_shown_of_what_was_done(name: str, step: str, key_id: str) -> None:
    entry, do = SHOWN[name], STEPS[step]
    assert do(Entry.from_public(entry.public()), key_id).public() == do(entry, key_id).public()


def test_a_revoked_key_is_nothing_to_anybody_and_its_secret_stays() -> None:
    held = PROMOTED.put_in_force(OLD, NOW + DAY, NOW + 8 * DAY)
    after = held.revoked(OLD, NOW + 2 * DAY)
    assert (after.current_id, after.hold_until, after.stage(OLD)) == (None, None, None)
    assert secrets(after) == {OLD: "old/secret+", NEW: "new/secret+"}
    assert after.revoked(OLD, NOW + 3 * DAY) == after, "when it was revoked does not change"
    waiting = STAGED.revoked(NEW, NOW + DAY)
    assert (waiting.next_id, waiting.stage(NEW), waiting.current_id) == (None, None, OLD)
    taken_back = after.activated(OLD).key(OLD)
    assert taken_back and (taken_back.deactivate_date, taken_back.revoke_date) == (None, None)
    by_hand = RUNNING.revoked(OTHER, NOW)
    assert by_hand.key(OTHER) == StoredKey(deactivate_date=NOW, revoke_date=NOW)
    assert by_hand.activated(OTHER) == RUNNING


def test_what_was_read_without_its_secrets_is_never_written() -> None:
    for shown in (RUNNING.public(), replace(STAGED, current_id=None, current=StoredKey()).public()):
        with pytest.raises(ValueError, match="secret is not known here"):
            Entry.from_public(shown).to_mapping()
    assert Entry.from_public({"other_keys": {OTHER: {"deactivate_date": to_iso(NOW), "stored": False}}}).to_mapping()


def test_an_info_that_a_person_wrote_may_leave_stored_out() -> None:
    entry = Entry.from_public({"access_key_id": OLD, "other_keys": {NEW: {"create_date": to_iso(NOW)}, OTHER: None}})
    assert [entry.key(key_id).has_secret for key_id in (OLD, NEW, OTHER)] == [True, True, False]  # type: ignore[union-attr]
    assert not Entry.from_public({"access_key_id": OLD, "stored": False}).current.has_secret
    assert "secret" not in repr(Entry.from_public({"access_key_id": OLD, "secret_access_key": "secret"}))


@pytest.mark.parametrize("shown", ["gibberish", {"other_keys": [OLD]}, {"other_keys": {OLD: "x"}}, {"asked": "x"}])
def test_what_is_not_an_entry_is_refused(shown: Any) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) "):
        Entry.from_public(shown)
