# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a key goes: from IAM, and only then from the store."""

from __future__ import annotations

from .._errors import KeyturnError
from .._seen import Seen, in_words
from . import guards
from .work import Transaction, Work


def absent(work: Work, stored: Transaction, seen: Seen) -> None:
    """The named key is to be gone, from IAM and from the store."""
    key_id = str(work.want.access_key_id)
    if seen.listed(key_id):
        _absent_listed(work, stored, seen, key_id)
    elif seen.entry.key(key_id):
        _absent_unlisted(work, stored, seen, key_id)
    else:
        work.nothing_to_do(seen, None)


def _absent_listed(work: Work, stored: Transaction, seen: Seen, key_id: str) -> None:
    seen = guards.owned(work, seen)
    guards.refuse_held(work, seen, "deleted")
    guards.refuse_in_use(work, key_id, "deleted")
    guards.refuse_active_again(work, seen, key_id)
    work.changed(delete(work, stored, seen, key_id))


def delete(work: Work, stored: Transaction, seen: Seen, key_id: str) -> Seen:
    """Deletes the key; then its secret may leave the store.

    A key that IAM no longer finds is deleted, unless another user has it.
    """
    after = seen.without([key_id])
    if not work.check and not work.iam.delete(seen.user_name, key_id) and work.keeps:
        guards.refuse_elsewhere(work, seen, key_id)
    work.done.deleted_access_key_id = key_id  # told even where the store cannot be written now
    if not work.check and after.entry != stored.entry:
        stored.write(after.entry)
    return after


def _absent_unlisted(work: Work, stored: Transaction, seen: Seen, key_id: str) -> None:
    """A stored key that the list lacks: deleted by an earlier run that died before it noted so, by a person, or renamed
    away.

    That the list lacks it proves nothing, so the key is deleted all the same and IAM's answer is the proof.
    """
    guards.refuse_held(work, seen, "deleted")
    guards.refuse_active_again(work, seen, key_id)
    guards.refuse_elsewhere(work, seen, key_id)
    user, entry = work.iam.user(seen.user_name), seen.entry
    made_again = user.account_id == entry.account_id and entry.user_id and user.user_id != entry.user_id
    if made_again:  # the user that had this key is gone
        _forget(work, stored, key_id)
        return
    guards.refuse_wrong_owner(work, entry, user.account_id, user.user_id)
    owned = seen.with_entry(entry.of(user.account_id, user.user_id))
    work.changed(delete(work, stored, owned, key_id))


def from_a_store_without_its_user(work: Work, stored: Transaction) -> None:
    """A person says that a key of a user whom IAM no longer has may leave the store."""
    key_id, entry = str(work.want.access_key_id), stored.entry
    if entry.key(key_id) is None:
        return
    if entry.account_id:
        guards.refuse_wrong_owner(work, entry, work.iam.account_id, None)
    guards.refuse_elsewhere(work, None, key_id)
    _forget(work, stored, key_id)


def _forget(work: Work, stored: Transaction, key_id: str) -> None:
    """Only a person says so: a plan knows no user that IAM does not have."""
    if work.want.planned:
        raise KeyturnError(
            f"Access key {key_id} of user {work.want.user_name} is not removed from {work.store.path}: IAM does not "
            "have that user (any more); remove it with a task of its own (state=absent) if nobody needs it"
        )
    work.done.before = {key_id: in_words("gone", stored.entry.stage(key_id))}
    work.done.changed = True
    if not work.check:
        stored.write(stored.entry.without(key_id))
