# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan says: for each row of the table a reason in sentences, for each action a phrase that follows it. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ansible_collections.keyturn.iam.plugins.module_utils._time import DAY, LEFTOVER_WAIT, to_iso
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.case import SECOND, Case, used_after_switch_off
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import in_days, later
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import LONG_AGO, Key

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

CIS_ONE_ACTIVE_KEY = 'CIS AWS Foundations Benchmark v3.0.0, 1.13 "Ensure there is only one active access key available for any single IAM user"'
CIS_ROTATED = 'CIS AWS Foundations Benchmark v3.0.0, 1.14 "Ensure access keys are rotated every 90 days or less"'


# -- why an action: "would make a new key: 120 days old, limit 90" ---------------------------------------------------


def left_over(case: Case, key: Key) -> str:
    return f"made {span(case.age(key))} ago by a run that never got its secret, never used"


def finished(case: Case, key: Key) -> str:
    gone = "" if key.listed else ", no longer in IAM"
    return f"switched off {span(case.since(key.deactivated or LONG_AGO))} ago, not used since{gone}"


def in_the_way(case: Case, key: Key) -> str:
    return f"Inactive and unused for {span(case.since(key.last_sign_of_life))}, to make room for a new key"


def unused(case: Case, key: Key) -> str:
    return f"unused for {span(case.since(key.last_sign_of_life))}, limit {_number(case.policy.unused_days or 0)}"


def idle(case: Case, key: Key) -> str:
    how = "never used" if key.last_used is None else f"idle for {span(case.since(key.last_used))}"
    return f"{how}, replaced {_since_current(case)} ago"


def due(case: Case) -> str:
    old = case.replacement
    if old is None:
        return "no Active key, and rotation_now names the user"
    if case.named and case.current and not case.current.active:
        return f"the stored current key {case.current.id} is not Active, and rotation_now names the user"
    named = " (the user is in rotation_now)" if case.named else ""
    return f"{span(case.age(old))} old, limit {_number(case.max_age_days)}{named}"


def stored_as_next(case: Case, key: Key) -> str:
    return f"stored as next, made {span(case.age(key))} ago"


# -- why a row, in the table's order ---------------------------------------------------------------------------------


def not_read(case: Case, _keys: Sequence[Key]) -> str:
    text = case.user.error or ""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def gone(case: Case, _keys: Sequence[Key]) -> str:
    name, new_name = case.user.name, case.user.new_name
    if new_name:
        return f"User {name} is now called {new_name}: rename its entry in the vault file to {new_name} with ansible-vault edit."
    if not case.user.gone_ids:
        return f"IAM has no user {name}, but the store has an entry: if it is no longer needed, remove it with ansible-vault edit."
    return (
        f"IAM has no user {name}, but the store has an entry with {_and(case.user.gone_ids)}: if it is no longer needed, remove it "
        f"with {_task(case, ' and '.join(case.user.gone_ids), 'state: absent')}."
    )


def exempt(case: Case, _keys: Sequence[Key]) -> str:
    pattern = case.policy.exempts(case.user.name)
    return f"User {case.user.name} is exempt (rotation_exempt has {pattern}){_though_named(case)}."


def held(case: Case, _keys: Sequence[Key]) -> str:
    until = case.user.hold_until or case.now
    return f"User {case.user.name} is held until {date(until)} after a rollback: nothing is done before{_though_named(case)}."


def leftover(case: Case, keys: Sequence[Key]) -> str:
    (key,) = keys
    reason = (
        f"{_of_user(case, key)} was made {span(case.age(key))} ago by a run that never got its secret: nobody holds it, so "
        f"it does no harm; it is deleted after {date(later(key.made, LEFTOVER_WAIT))}, or at once with {case.user.name} in rotation_now."
    )
    return _join(reason, _left_as_they_are(case, case.keys, " before"))


def waits_for_sts(case: Case, keys: Sequence[Key]) -> str:
    (key,) = keys
    made = f"made {span(case.age(key))} ago"
    reason = f"{_of_user(case, key)}, {made}, is stored as next: it becomes current once STS accepts it."
    return _join(reason, _left_as_they_are(case, [other for other in case.keys if other is not key], " before"))


def broken(case: Case, keys: Sequence[Key]) -> str:
    name = case.user.name
    sentences = []
    for key in keys:
        stage = "current" if key is case.current else "next"
        owner = dict(case.user.strangers).get(key.id)
        what = (
            f"belongs to user {owner}"
            if owner
            else f"is {key.status}, not by this collection"
            if key.listed
            else "is no longer in IAM"
        )
        sentences.append(f"The stored {stage} key {key.id} of user {name} {what}.")
    again = [key.id for key in keys if key.listed]
    switch_on = f"switch it on again with {_task(case, again[0], 'active: true')}, or " if again else ""
    way_out = f"Nobody is given a new key against that: {switch_on}name {name} in rotation_now for a new key."
    return _join(*sentences, way_out, _left_as_they_are(case, [key for key in case.keys if key not in keys]))


def no_active_key(case: Case, keys: Sequence[Key]) -> str:
    name = case.user.name
    if not keys:
        return _join(f"User {name} has no access key; name {name} in rotation_now for one.", _loose_ends(case))
    return (
        f"User {name} has no Active key: {_described(case, keys)}; name {name} in rotation_now for a new one, or delete what is no longer "
        f"needed with {_task(case, '…', 'state: absent')}."
    )


def nothing_used(case: Case, keys: Sequence[Key]) -> str:
    return (
        f"No key of user {case.user.name} was used for {_quiet(case, case.keys)} (rotation_unused_days {_unused_days(case)}): {_ids(keys)} "
        f"{_is(keys)} switched off; name {case.user.name} in rotation_exempt to keep them."
    )


def new_key(case: Case, keys: Sequence[Key]) -> str:
    """`keys` make room for it, mostly none."""
    old = case.replacement
    whose = _of_user(case, old) if old else f"User {case.user.name}"
    why = (finished if keys and keys[0].off_by_us else in_the_way)(case, keys[0]) if keys else ""
    room = f" {_ids(keys)} makes room: {why}." if keys else ""
    return _join(f"{whose} is due for a new key: {due(case)}.{room}", _loose_ends(case, but=keys))


def room_later(case: Case, keys: Sequence[Key]) -> str:
    reason = (
        f"User {case.user.name} is due for a new key ({due(case)}) and has no room for it: {_ids(keys)}, unused for "
        f"{_quiet(case, keys)} (rotation_unused_days {_unused_days(case)}), "
        f"{_is(keys)} switched off now, and there is room once deleted, on {date(case.room_date())}."
    )
    return _join(reason, _one_key_rule(case))


def no_room(case: Case, keys: Sequence[Key]) -> str:
    name = case.user.name
    if case.is_elsewhere:
        return (
            f"User {name} is due for a new key ({due(case)}), but its entry in the store has the old name {case.user.old_name}: "
            f"rename the entry in the vault file with ansible-vault edit first, or name {name} in rotation_now."
        )
    quota = case.user.quota if case.user.quota is not None else "unknown"
    why = f"{_count(len(keys), 'key')}, quota {quota}" if case.excess > 0 else "a replaced key still works"
    spare = [key for key in keys if not (key.active and (key is case.current or len(case.active) == 1))]
    reason = f"User {name} is due for a new key ({due(case)}) and has no room for it ({why}): {'; '.join(_one(case, key) for key in keys)}."
    return _join(reason, " ".join(_way_to_room(case, key) for key in spare), _one_key_rule(case))


def _way_to_room(case: Case, key: Key) -> str:
    """How the key would make room, in one sentence."""
    name, delete_it = case.user.name, f"delete it with {_task(case, key.id, 'state: absent')}"
    if key.off_by_us and used_after_switch_off(key):
        return f"{key.id} was used after it was switched off: {delete_it}."
    if key.off_by_us and key is not case.current:
        when = case.deletion_date(key, case.delete_after_days_for_room)
        sooner = (
            ""
            if case.named
            else f" (a smaller rotation_delete_after_days, or {name} in rotation_now, makes that sooner)"
        )
        return f"{key.id} makes room when it is deleted, on {date(when)}{sooner}."
    if key.off_by_us:
        return f"{key.id} was switched off and stays as the store's current key until another replaces it: {delete_it}, and there is room."
    if key.appearing:
        return f"{key.id} is not in IAM's lists yet."
    if key.signing:
        return f"{key.id} signs this run: run it with the current key."
    switch_off = f"switch it off with {_task(case, key.id, 'active: false')}; there is room once it is deleted (rotation_delete_after_days)"
    if case.in_use(key):
        return f"{key.id} is in use: move its users to another key, then {switch_off}."
    by_hand = switch_off if key.active else delete_it
    days = case.since(key.last_sign_of_life) // DAY
    if key.stored or key is case.current or days < case.policy.idle_days:
        return f"{key.id} is not in use: {by_hand}."
    return f"{key.id} is not in use: set rotation_unused_days to {days} or less, or {by_hand}."


def grace(case: Case, keys: Sequence[Key]) -> str:
    reason = (
        f"{_became_current(case)}: {_described(case, keys)} {_is(keys)} switched off after {date(case.grace_ends)} if idle for "
        f"{_number(case.policy.idle_days)} days by then (rotation_deactivate_after_days {_number(case.policy.deactivate_after_days)})."
    )
    return _join(reason, _one_key_rule(case, on_purpose=True), _loose_ends(case))


def in_use(case: Case, _keys: Sequence[Key]) -> str:
    return _join(_older_in_use(case), _one_key_rule(case), _loose_ends(case))


def retired(case: Case, keys: Sequence[Key]) -> str:
    reason = f"{_became_current(case)}: {_described(case, keys)} {_is(keys)} idle and switched off."
    return _join(reason, _older_in_use(case), _loose_ends(case))


def _older_in_use(case: Case) -> str:
    sentences = []
    for key in case.older:
        if key.signing:
            sentences.append(f"{_of_user(case, key)} signs this run, so that it stays: run it with the current key.")
        elif case.in_use(key):
            sentences.append(
                f"{_of_user(case, key)} was replaced {_since_current(case)} ago but is in use ({_last_use(case, key)}): move what uses it "
                f"to {case.current.id if case.current else 'the current key'}; it is switched off once idle for {_number(case.policy.idle_days)} days."
            )
    return " ".join(sentences)


def until_deleted(case: Case, keys: Sequence[Key]) -> str:
    sentences = [_switched_off(case, key) for key in keys]
    made_by_hand = (
        _age_and_limit(case, case.replacement) if case.replacement and case.replacement is not case.current else ""
    )
    return _join(*sentences, made_by_hand, _one_key_rule(case), _loose_ends(case, but=keys))


def _switched_off(case: Case, key: Key) -> str:
    """What becomes of a key that we switched off."""
    off = key.deactivated or LONG_AGO
    ago = f"{_of_user(case, key)} was switched off {span(case.since(off))} ago"
    if used_after_switch_off(key):
        by_hand = _task(case, key.id, "state: absent")
        return f"{ago} but was used after that ({_last_use(case, key)}), so that it is not deleted: delete it with {by_hand}."
    if key is case.current:
        return f"{ago}; it stays, as the store's current key, until another key replaces it."
    when = case.deletion_date(key, case.policy.delete_after_days)
    return f"{ago}{'' if key.listed else ' and IAM no longer has it'}: it is deleted after {date(when)} (rotation_delete_after_days)."


def unmanaged(case: Case, keys: Sequence[Key]) -> str:
    name = case.user.name
    old = [key for key in keys if case.age(key) >= in_days(case.max_age_days)]
    too_old = (
        f"{_ids(old)} {_is(old)} over the limit of {_number(case.max_age_days)} days ({CIS_ROTATED})." if old else ""
    )
    reason = (
        f"User {name} has {len(keys)} Active keys made by hand, and none of them is stored: {_described(case, keys)}. Switch off what is no "
        f"longer used with {_task(case, '…', 'active: false')}; name {name} in rotation_now for a stored key."
    )
    return _join(reason, too_old, _one_key_rule(case), _loose_ends(case, but=keys))


def due_soon(case: Case, keys: Sequence[Key]) -> str:
    (key,) = keys
    ends = case.due_date(key)
    when = (
        f"due for a new key on {date(ends)}"
        if ends > case.now
        else f"over the limit of {_number(case.max_age_days)} days"
    )
    reason = f"{_of_user(case, key)} is {span(case.age(key))} old and {when}{_not_stored(case, key)}."
    return _join(reason, _one_key_rule(case), _loose_ends(case))


def compliant(case: Case, keys: Sequence[Key]) -> str:
    if not keys:
        return _join(f"User {case.user.name} needs nothing.", _loose_ends(case))
    return _join(_age_and_limit(case, keys[0]), _one_key_rule(case), _loose_ends(case))


def deleted(case: Case, key: Key, why: str) -> str:
    return f"{_of_user(case, key)} is deleted: {why}."


# -- parts of sentences ----------------------------------------------------------------------------------------------


def _of_user(case: Case, key: Key) -> str:
    return f"Key {key.id} of user {case.user.name}"


def _became_current(case: Case) -> str:
    return f"{_of_user(case, case.current)} became current {_since_current(case)} ago" if case.current else ""


def _since_current(case: Case) -> str:
    return span(case.since(case.current.current_since if case.current else case.now))


def _though_named(case: Case) -> str:
    return ", although rotation_now names it" if case.named else ""


def _quiet(case: Case, keys: Iterable[Key]) -> str:
    return span(min(case.since(key.last_sign_of_life) for key in keys))


def _unused_days(case: Case) -> str:
    return _number(case.policy.unused_days or 0)


def _described(case: Case, keys: Sequence[Key]) -> str:
    return _and(_one(case, key) for key in keys)


def _one(case: Case, key: Key) -> str:
    status = "not listed yet" if key.appearing else key.status or "not in IAM"
    off = (
        f", switched off by this collection {span(case.since(key.deactivated))} ago"
        if key.off_by_us and key.deactivated
        else ""
    )
    return f"{key.id} ({status}, {span(case.age(key))} old, {_last_use(case, key)}{off})"


def _last_use(case: Case, key: Key) -> str:
    if key.signing:
        return "signs this run"
    if key.last_used is None:
        return "never used"
    by = f" by {key.service}" if key.service and key.service != "N/A" else ""
    where = f" in {key.region}" if key.region and key.region != "N/A" else ""
    return f"last used {span(case.since(key.last_used))} ago{by}{where}"


def _age_and_limit(case: Case, key: Key) -> str:
    return f"{_of_user(case, key)} is {span(case.age(key))} old, limit {_number(case.max_age_days)} days{_not_stored(case, key)}."


def _not_stored(case: Case, key: Key) -> str:
    return "" if key is case.current else ", and not stored: the role stores the key that replaces it"


def _loose_ends(case: Case, but: Sequence[Key] = ()) -> str:
    """Keys that no row is about: made, parked or switched off by people, or gone from IAM. They are left alone, and not passed over."""
    name = case.user.name
    sentences = []
    for key in case.keys:
        if key in (case.replacement, case.next) or key in case.older or key in but:
            continue
        if key.off_by_us:
            sentences.append(_switched_off(case, key))
        elif key.active:
            end = f"switch it off with {_task(case, key.id, 'active: false')} if nothing needs it"
            sentences.append(
                f"{_one(case, key)} works beside {case.replacement.id if case.replacement else 'it'}: {end}."
            )
        else:
            end = f"delete it with {_task(case, key.id, 'state: absent')} if nothing needs it"
            sentences.append(f"{_one(case, key)} is left alone: {end}.")
    for key in case.departed:
        if key.deactivated is None:
            sentences.append(
                f"The store has {key.id}, which IAM no longer has: remove it with {_task(case, key.id, 'state: absent')}."
            )
    for key_id, owner in case.user.strangers:
        sentences.append(
            f"The store's entry for {name} has {key_id}, which belongs to user {owner}: correct it with ansible-vault edit."
        )
    return " ".join(sentences)


def _left_as_they_are(case: Case, keys: Sequence[Key], until: str = "") -> str:
    return f"Nothing is done{until} with {_described(case, keys)}." if keys else ""


def _one_key_rule(case: Case, on_purpose: bool = False) -> str:
    if len(case.active) < 2:
        return ""
    how = ", on purpose until then" if on_purpose else ""
    return f"{len(case.active)} Active keys break {CIS_ONE_ACTIVE_KEY}{how}."


def _task(case: Case, key_id: str, option: str) -> str:
    return f"iam_access_key (user_name: {case.user.name}, access_key_id: {key_id}, {option})"


def _join(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _ids(keys: Iterable[Key]) -> str:
    return _and(key.id for key in keys)


def _and(items: Iterable[str]) -> str:
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _is(items: Sequence[object]) -> str:
    return "is" if len(items) == 1 else "are"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _number(days: float) -> str:
    return f"{days:g}"


def span(length: timedelta) -> str:
    """Whole days, or hours within the first two, or minutes within the first hour."""
    if length >= 2 * DAY:
        return _count(length // DAY, "day")
    if length >= HOUR:
        return _count(length // HOUR, "hour")
    return _count(max(length // MINUTE, 0), "minute")


def date(moment: datetime) -> str:
    """ISO 8601, in UTC and in whole seconds."""
    return to_iso(whole_second(moment))


def whole_second(moment: datetime) -> datetime:
    """The first whole second at which the moment has come: times are whole seconds, and a limit is reached with the first that is not below."""
    return moment.replace(microsecond=0) + SECOND if moment.microsecond else moment
