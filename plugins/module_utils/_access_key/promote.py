# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a stored key becomes current: STS accepts it while the store's lock is free, then it is promoted under it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from .._entry import Entry, StoredKey
from .._errors import KeyturnError
from .._failures import SDK_ERRORS, code_of, is_throttle
from .._iam import Iam
from .._options import same_name
from .._seen import Seen
from .._time import to_iso
from .._want import Want
from . import guards, switch
from .work import Transaction, Work

# STS must have answered for a new key this often in a row: new keys were seen to pass once and fail next.
ANSWERS_IN_A_ROW = 3
STS_PAUSE = 0.5
# What STS answers to a signature that was made with another secret.
WRONG_SECRET = "SignatureDoesNotMatch"
# Answers that are not of the key: STS is off in this region for the account, or an endpoint's policy denies whoever
# asks.
NOT_FOR_THIS_PLACE = ("RegionDisabledException", "OptInRequired", "AccessDenied", "AccessDeniedException")


# -- a stored next ---------------------------------------------------------------------------------------------------


def leave_next(work: Work, entry: Entry, seen: Seen | None) -> None:
    """A stored next that the task leaves as it is; `seen` where IAM was asked."""
    key = seen.listed(entry.next_id) if seen else None
    if seen and key:
        work.nothing_to_do(seen, key)
        return
    work.done.after = work.done.before
    work.done.access_key = _as_stored(work, entry, str(entry.next_id))
    work.done.stage = "next"


def _as_stored(work: Work, entry: Entry, key_id: str) -> dict[str, Any]:
    """What the store knows of a key that IAM was not asked for, or does not list yet."""
    record = entry.key(key_id)
    shown = {"access_key_id": key_id, "user_name": work.want.user_name}
    if record and record.create_date:
        shown["create_date"] = to_iso(record.create_date)
    return shown


def predict_named_next(work: Work, seen: Seen) -> None:
    """Check mode, of the next that the task names: all that can be known without asking STS."""
    guards.refuse_next_out_of_force(seen, str(seen.entry.next_id))
    _refuse_while_held(work, seen.entry)
    predict(work, guards.owned(work, seen))


def predict(work: Work, seen: Seen) -> None:
    """Check mode: the stored next would become current."""
    key_id = str(seen.entry.next_id)
    key = seen.listed(key_id)
    work.changed(seen.at(work.iam.now).promoted(key_id))
    work.done.access_key = key.public() if key else {"access_key_id": key_id, "user_name": seen.user_name}
    work.done.stage = "current"


# -- a key that a person names ---------------------------------------------------------------------------------------


def put_in_force(work: Work, stored: Transaction, seen: Seen) -> str | None:
    """A stored key that a person wants as the current one (again): it is switched on here, and current once STS accepts
    it.
    """
    want = work.want
    record, key = seen.record(want.access_key_id), seen.listed(want.access_key_id)
    seen = guards.owned(work, seen)
    said = f"Access key {want.access_key_id} of user {want.user_name} cannot be made current"
    if not record.has_secret:
        raise KeyturnError(f"{said}: {work.store.path} does not have its secret")
    if key is None:
        raise KeyturnError(f"{said}: IAM does not have it (any more); rotation_now gives the user a new key")
    guards.refuse_revoked(work, seen, key.access_key_id)
    guards.refuse_off_by_another_hand(work, seen, key)
    works = key.active and not record.deactivate_date
    if works and _by_word(want, seen).entry == seen.entry:
        work.nothing_to_do(seen, key)
        return None
    until = _by_word(want, seen.at(work.iam.now)).entry.hold_until
    if not works:
        seen = switch.switch_on(work, stored, seen, key, until)
    else:  # what was planned before is not to promote another key while STS is asked
        seen = switch.hold_first(work, stored, seen, key.access_key_id, until)
    predicted = _by_word(want, seen.at(work.iam.now))
    if work.check:
        work.changed_key(predicted, key.access_key_id)
        return None
    work.seen, work.done.after = seen, seen.picture()
    work.done.access_key = {**key.public(), "status": "Active"}
    work.done.stage = seen.entry.stage(key.access_key_id)
    return key.access_key_id


def _by_word(want: Want, seen: Seen) -> Seen:
    key_id = str(want.access_key_id)
    until = switch.hold(want, seen, seen.now, settled=key_id == seen.entry.current_id)
    return seen.put_in_force(key_id, until)


# -- once STS accepts it ---------------------------------------------------------------------------------------------


def verify(work: Work, access_key_id: str) -> Iterator[float]:
    """Waits, without the lock, until STS accepts the key; then makes it current under the lock.

    Gives the seconds for which there is nothing to do.
    """
    want, iam = work.want, work.iam
    with work.store.locked(want.user_name, write=False) as stored:
        asked_with = stored.entry
    if asked_with.current_id != access_key_id or want.stage:  # else another run was faster
        asked_with = _with_account(work, asked_with)
        yield from await_sts(work, asked_with, access_key_id)
    with work.store.locked(want.user_name, write=True) as stored:
        before = stored.entry
        _refuse_what_changed(work, before, asked_with, access_key_id)
        entry = before.of(asked_with.account_id, asked_with.user_id)
        seen = Seen(want.user_name, work.seen.keys if work.seen else (), entry, iam.now)
        after = _by_word(want, seen) if want.stage else seen.promoted(access_key_id)
        if after.entry != entry:
            stored.write(after.entry)
            work.done.changed = True
    _show_promotion(work, before, after, access_key_id)


def _with_account(work: Work, entry: Entry) -> Entry:
    """STS answers with account and name; only an entry that a person wrote needs IAM's word for whose it is."""
    if entry.account_id:
        return entry
    user = work.iam.user(work.want.user_name)
    return entry.of(user.account_id, user.user_id)


def _refuse_what_changed(work: Work, entry: Entry, asked_with: Entry, access_key_id: str) -> None:
    """What another run or a person did to the key while STS was asked is left as it is. Raises KeyturnError."""
    said = f"Access key {access_key_id} of user {work.want.user_name}"
    record, then = entry.key(access_key_id), asked_with.key(access_key_id)
    if record is None:
        raise KeyturnError(f"{said} left the store while STS was asked: run again")
    noted_before = then is not None and then.deactivate_date == record.deactivate_date
    if record.revoke_date and work.want.leaked is not False:
        raise KeyturnError(f"{said} was revoked while STS was asked: it is not made current")
    if record.deactivate_date and not noted_before:
        raise KeyturnError(f"{said} was switched off while STS was asked: run again")
    if work.want.stage:
        return
    if access_key_id not in (entry.current_id, entry.next_id):
        raise KeyturnError(f"{said} is no longer the newest in the store: run again")
    if entry.hold_until != asked_with.hold_until or work.want.access_key_id:
        _refuse_while_held(work, entry)


def _refuse_while_held(work: Work, entry: Entry) -> None:
    """A next is not made current against a person's rollback, be it that the plan or STS's answer is older."""
    if entry.hold_until and entry.hold_until > work.iam.now:
        raise guards.held_error(work.want, "made current", entry.hold_until)


def _show_promotion(work: Work, before: Entry, after: Seen, access_key_id: str) -> None:
    done, entry = work.done, after.entry
    done.stage = "current"
    done.access_key = done.access_key or {**_as_stored(work, entry, access_key_id), "status": "Active"}
    if work.seen:
        done.after = after.picture()
        return
    # The role's way to a key of an earlier run asks STS only, so the store's stages are what there is to show.
    done.before = {key_id: before.stage(key_id) or "stored" for key_id in before.key_ids}
    done.after = {key_id: entry.stage(key_id) or "stored" for key_id in entry.key_ids}


# -- STS -------------------------------------------------------------------------------------------------------------


def await_sts(work: Work, entry: Entry, access_key_id: str) -> Iterator[float]:
    """Ends when STS answered three times in a row for the user's own key; gives the seconds to wait until then.

    Raises KeyturnError when it gives up.
    """
    want, iam = work.want, work.iam
    record = entry.key(access_key_id)
    if record is None or not record.secret_access_key:
        raise KeyturnError(
            f"Access key {access_key_id} of user {want.user_name} left the store while its turn came: run again"
        )
    delayed = iam.knows_time
    if delayed:
        yield _too_early(want, record, iam)
    deadline: float | None = None
    answers, looked, by_word = 0, False, bool(want.stage or want.secret_access_key)
    while True:
        refusal = _ask_sts(work, entry, record, access_key_id)
        if not delayed and iam.knows_time:
            delayed, wait = True, _too_early(want, record, iam)
            if wait:  # too early to count
                yield wait
                continue
        if deadline is None:
            deadline = time.monotonic() + want.verify_timeout
        throttled = is_throttle(refusal)  # which says nothing of the key
        if not throttled:
            answers = 0 if refusal else answers + 1
        if answers == ANSWERS_IN_A_ROW:
            return
        if refusal and not throttled:
            _refuse_for_good(want, access_key_id, refusal)
            if not looked and not by_word:  # of a key that was just switched on the list may still say Inactive
                looked = True
                listed = guards.keys_of_user(work)
                seen = Seen(want.user_name, listed, entry, iam.now)
                guards.refuse_next_out_of_force(seen, access_key_id)
        if refusal and time.monotonic() >= deadline:
            if not want.secret_access_key:
                with work.store.locked(want.user_name, write=False) as stored:
                    _refuse_what_changed(work, stored.entry, entry, access_key_id)  # the reason, where there is one
            raise _not_accepted_error(want, access_key_id, refusal)
        yield STS_PAUSE


def _ask_sts(work: Work, entry: Entry, record: StoredKey, access_key_id: str) -> Exception | None:
    """Asks STS once: None where it answered for the user's own key, else what it answered.

    Raises KeyturnError for another's key.
    """
    try:
        answer = work.iam.sts.identity(access_key_id, str(record.secret_access_key))
    except SDK_ERRORS as error:
        work.iam.noticed(getattr(error, "response", None) or {})  # a lost connection has none
        return error
    work.iam.noticed(answer)
    _refuse_another_identity(work.want.user_name, entry, access_key_id, answer)
    return None


def _too_early(want: Want, record: StoredKey, iam: Iam) -> float:
    """Seconds until an answer counts: verify_delay after the key was made, by AWS's clock, and never longer than that
    setting.
    """
    if not record.create_date or not want.verify_delay:
        return 0
    left = want.verify_delay - (iam.now - record.create_date).total_seconds()
    return min(max(left, 0), want.verify_delay)


def _refuse_for_good(want: Want, access_key_id: str, refusal: Exception) -> None:
    """What STS answers for the place where it is asked, and not for the key, stays so however long one waits."""
    if want.secret_access_key and code_of(refusal) == WRONG_SECRET and not _says_expired(refusal):
        raise KeyturnError(
            f"Access key {access_key_id} of user {want.user_name} is not adopted: the given secret_access_key "
            "is not its secret, says STS; look up the right one, or have a new key made with max_age_days=0"
        )
    if code_of(refusal) not in NOT_FOR_THIS_PLACE:
        return
    raise KeyturnError(
        f"STS cannot be asked for access key {access_key_id} of user {want.user_name} in this region or through this "
        f"endpoint, so {_then(want)}, with a region (or endpoint_url) where STS answers",
        refusal,
    )


def _not_accepted_error(want: Want, access_key_id: str, last: Exception | None) -> KeyturnError:
    return KeyturnError(
        f"STS did not accept access key {access_key_id} of user {want.user_name} within {want.verify_timeout:g} "
        f"seconds; {_then(want)}",
        last,
    )


def _says_expired(refusal: Exception) -> bool:
    """Whether it is this machine's clock that STS does not like: then the code tells nothing of the secret."""
    return "expired" in str(refusal) or "not yet current" in str(refusal)


def _then(want: Want) -> str:
    if want.secret_access_key:
        return "it is not adopted, and the store stays as it is: run again"
    if want.stage:
        held = " and held" if want.hold_days else ""
        return f"it is switched on{held}, but not current: run again"
    return "it stays in the store as next and the next run goes on with it"


def _refuse_another_identity(user_name: str, entry: Entry, access_key_id: str, answer: Mapping[str, Any]) -> None:
    account_id, name = answer["Account"], answer["Arn"].rsplit("/", 1)[-1]
    # IAM tells no two names apart by their capitals.
    if account_id != entry.account_id or not same_name(name, user_name):
        raise KeyturnError(
            f"Access key {access_key_id}, stored for user {user_name} of account {entry.account_id}, belongs to user "
            f"{name} of account {account_id}; rename the entry, or remove the key from it"
        )
