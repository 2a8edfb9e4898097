# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One user, at one time, under one policy: what the rows of the table look at, and what each of them sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property

from ansible_collections.keyturn.iam.plugins.module_utils._time import DAY, LEFTOVER_WAIT, NOTE_LEADS
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.key import LONG_AGO, Key
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.phrases import SECOND
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import NAMED_DAYS, Policy, in_days, later
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.tags import exempt_until
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.users import User

UNKNOWN_QUOTA_FULL_AT = 2
"""Where the quota may not be read, AWS's answer decides.

But no key is planned for a user who has as many as IAM's default allows.
"""

Sight = Sequence[Key] | None
"""What a row sees: the keys that it is about, none of them perhaps; null where it does not fit."""


def _if(fits: object, *about: Key) -> Sight:
    return about if fits else None


class Case:
    def __init__(self, user: User, policy: Policy, now: datetime) -> None:
        self.user = user
        self.policy = policy
        self.now = now
        self.named = policy.names(user.name)
        self.exempt_until = exempt_until(user, policy)
        self.max_age_days = min(policy.max_age_days, NAMED_DAYS) if self.named else policy.max_age_days
        self.due_at_days = min(policy.renewed_at_days, NAMED_DAYS) if self.named else policy.renewed_at_days
        self.delete_after_days_for_room = (
            min(policy.delete_after_days, NAMED_DAYS) if self.named else policy.delete_after_days
        )
        self.seen = user.seen.at(now)
        self.leftover = self._leftover()
        ours = [key for key in (*user.keys, *user.departed) if key.deactivated is not None and key is not self.leftover]
        self.finished = [key for key in ours if self.may_be_deleted(key, policy.delete_after_days)]
        # The rows are about what is left once the leftover and the keys that are due for deletion are gone.
        outgoing = {key.id for key in self.finished}
        if self.leftover:
            outgoing.add(self.leftover.id)
        self.keys = [key for key in user.keys if key.id not in outgoing] if outgoing else user.keys
        self.departed = [key for key in user.departed if key.id not in outgoing]
        self.active = [key for key in self.keys if key.active]
        self.current = user.current
        next_id = self.seen.without(outgoing).entry.next_id if outgoing else self.seen.entry.next_id
        self.next = next((key for key in (*self.keys, *self.departed) if key.id == next_id), None)

    def _leftover(self) -> Key | None:
        """The key that a request whose answer was lost has made: nobody holds its secret, so that it was never used."""
        found = self.seen.leftover
        key = next((key for key in self.user.keys if found and key.id == found.access_key_id), None)
        if key is None or key.stored or key.lost or key is self.user.current:
            return None
        return None if key.last_used or key.signing else key

    # -- ages and uses -----------------------------------------------------------------------------------------

    def since(self, date: datetime) -> timedelta:
        return self.now - date

    def age(self, key: Key) -> timedelta:
        return self.now - key.made

    def in_use(self, key: Key) -> bool:
        """The key that signs this run is in use now, although its last use may be known hours late."""
        return key.signing or (key.last_used is not None and self.since(key.last_used) < in_days(self.policy.idle_days))

    def unused(self, key: Key) -> bool:
        """Whether the key shows no sign of life for `unused_days`."""
        days = self.policy.unused_days
        if days is None or not key.listed or self.in_use(key):
            return False
        return self.since(key.last_sign_of_life) >= in_days(days)

    def unused_for(self, key: Key) -> int:
        """Whole days without a sign of life."""
        return self.since(key.last_sign_of_life) // DAY

    def may_be_deleted(self, key: Key, after_days: float) -> bool:
        """Whether we switched the key off so long ago.

        Never the replacement, not what was switched off this very second, nor what was revoked just now: for others
        that is news.
        """
        if key.deactivated is None or key.active or key is self.user.current:
            return False
        if key.revoked and self.since(key.revoked) < NOTE_LEADS:
            return False
        if self.in_use(key) or used_after_switch_off(key):
            return False
        return key.deactivated < self.now and self.since(key.deactivated) >= in_days(after_days)

    # -- dates ahead -------------------------------------------------------------------------------------------

    def due_date(self, key: Key) -> datetime:
        """When the key is due for a new one, so long before it reaches its age."""
        return later(key.made, in_days(self.due_at_days))

    @property
    def grace_ends(self) -> datetime:
        """When the keys that the current one has replaced may be switched off."""
        since = self.in_place_since(self.current) if self.current else self.now
        return later(since, in_days(self.policy.deactivate_after_days))

    def in_place_since(self, current: Key) -> datetime:
        """Since when what the current key has replaced is needed no more: it was carried, or else became current."""
        return current.carried if self.policy.carry and current.carried else current.current_since

    def deletion_date(self, key: Key, after_days: float) -> datetime:
        """When a key that we switched off is deleted, if nobody uses it until then."""
        return max(later(key.deactivated or LONG_AGO, in_days(after_days)), self.now)

    def room_date(self) -> datetime:
        """When what is switched off now will have made room.

        What was switched off this very second counts from the next.
        """
        return later(self.now, max(in_days(self.delete_after_days_for_room), SECOND))

    # -- which key stands for which ----------------------------------------------------------------------------

    @cached_property
    def replacement(self) -> Key | None:
        """The key whose age counts.

        The current one, or the newest Active one where nothing is stored or the current one is off.
        """
        if self.current and self.current.active:
            return self.current
        return self.active[-1] if self.active else None

    @property
    def is_replaced_by_name(self) -> bool:
        """Whether a person has named a user whose stored current key does not work: that is replaced at any age."""
        return self.named and self.current is not None and not self.current.active

    @cached_property
    def due(self) -> bool:
        """Whether the user is to have a new key, room or not."""
        if self.is_replaced_by_name:
            return True
        key = self.replacement
        if key is None:
            return self.named
        # What became current, or was carried, this very second is not replaced in the same breath, be it as old as it
        # may (a next that waited for long).
        just_now = any(date is not None and date >= self.now for date in (key.promoted, key.carried))
        return key.listed and self.age(key) >= in_days(self.due_at_days) and not just_now

    @cached_property
    def older(self) -> list[Key]:
        """Active keys that the current one has replaced.

        A key of its very second is older only if it once was current.
        """
        if not (self.current and self.current.active):
            return []
        return [key for key in self.active if key.listed and self._was_made_before_current(key)]

    @cached_property
    def replaced(self) -> list[Key]:
        """Keys that still work (or did this very second) though another followed them.

        What a new key would replace is none of them.
        """
        still_active = [key for key in self.keys if key.active or self._was_switched_off_this_second(key)]
        if self.is_replaced_by_name:  # what a person wants replaced is in nobody's way
            still_active = [key for key in still_active if key is not self.current]
        others = [key for key in still_active if key is not self.replacement]
        return [key for key in others if key.promoted is not None or self._was_made_before_current(key)]

    def _was_switched_off_this_second(self, key: Key) -> bool:
        return key.deactivated is not None and key.deactivated >= self.now and key.revoked is None

    def _was_made_before_current(self, key: Key) -> bool:
        if self.current is None or key is self.current:
            return False
        made, of_current = self.age(key), self.age(self.current)
        return made > of_current or (made == of_current and key.promoted is not None)

    @property
    def in_grace(self) -> bool:
        """Whether the replacement is too young as the current key for an older one to be switched off (or not to be
        seen in IAM yet).
        """
        current = self.current
        return current is not None and (
            not current.listed or self.since(self.in_place_since(current)) < in_days(self.policy.deactivate_after_days)
        )

    @property
    def waiting(self) -> list[Key]:
        """Keys that we switched off and that are not due for deletion.

        The current one never is, but waits no longer than others.
        """
        after = in_days(self.policy.delete_after_days)
        ours = [key for key in (*self.keys, *self.departed) if key.off_by_us]
        return [key for key in ours if not (self.since(key.deactivated or LONG_AGO) >= after and key is self.current)]

    # -- room for one more key ---------------------------------------------------------------------------------

    @property
    def excess(self) -> int:
        """How many keys have to go before IAM accepts one more; none where this is not positive."""
        quota = UNKNOWN_QUOTA_FULL_AT if self.user.quota is None else self.user.quota
        return len(self.keys) + 1 - quota

    @property
    def is_elsewhere(self) -> bool:
        """A renamed user whose entry keeps the old name.

        A new key would be stored where nobody looks, and would be in the entry's way.
        """
        return self.user.old_name is not None and not self.named

    @property
    def spare(self) -> list[Key]:
        """Keys that can make room: not the current one, not the last that works, none that is to be put back."""
        others = [key for key in self.keys if not key.lost]
        return [key for key in others if not (key.active and (key is self.current or len(self.active) == 1))]

    def _room(self) -> Sight:
        """What has to be deleted for one more key, mostly nothing; null where there is no room."""
        if self.replaced or self.is_elsewhere:
            return None
        after_days = self.delete_after_days_for_room
        waiting = sorted(
            (key for key in self.keys if self.may_be_deleted(key, after_days)),
            key=lambda key: key.deactivated or LONG_AGO,
        )
        return waiting[: max(self.excess, 0)] if len(waiting) >= self.excess else None

    def _not_stored_and_unused(self) -> list[Key]:
        if self.policy.unused_days is None or self.is_elsewhere:
            return []
        others = [key for key in self.keys if not key.stored and not key.lost and key is not self.current]
        return [key for key in others if self.unused(key)]

    def _may_be_in_grace(self, key: Key) -> bool:
        """Of a key of the current one's very second nobody can say that it is not the older one."""
        current = self.current
        if current is None or not current.active:
            return False
        return self.in_grace and self.age(key) >= self.age(current)

    # -- what the rows see -------------------------------------------------------------------------------------

    def cannot_be_read(self) -> Sight:
        return _if(self.user.error is not None)

    def is_gone(self) -> Sight:
        return _if(self.user.gone, *(Key(key_id) for key_id in self.user.gone_ids))

    def revoked_keys_that_work(self) -> Sight:
        return [key for key in self.user.keys if key.revoked and key.active] or None

    def is_exempt(self) -> Sight:
        return _if(self.policy.exempts(self.user.name))

    def is_exempt_by_its_tag(self) -> Sight:
        return _if(self.exempt_until and self.exempt_until > self.now)

    def is_held(self) -> Sight:
        return _if(self.seen.held)

    def is_quarantined(self) -> Sight:
        return _if(self.user.quarantined and not self.named, *self.active)

    def a_young_leftover(self) -> Sight:
        key = self.leftover
        return _if(not self.named and self.age(key) < LEFTOVER_WAIT, key) if key else None

    def next_that_is_active(self) -> Sight:
        return _if(self.next.active, self.next) if self.next else None

    def a_request_without_an_answer(self) -> Sight:
        """What a run asked for within the hour may have been made, and show yet."""
        unanswered = self.seen.asked_in_vain and not self.named
        return _if(unanswered, *filter(None, [self.replacement]))

    def a_broken_stored_key(self) -> Sight:
        broken = [key for key in (self.next, self.current) if key and not key.active and key.deactivated is None]
        return broken if broken and not self.named else None

    def no_active_key(self) -> Sight:
        return _if(not self.named and not self.active, *self.keys)

    def only_unused_keys(self) -> Sight:
        may_be = not self.named and not self.is_elsewhere
        applies = may_be and self.active and all(self.unused(key) for key in self.keys)
        return _if(applies, *self.active)

    def current_that_was_never_carried(self) -> Sight:
        """One that is not Active, or whose secret is not there, can be carried nowhere."""
        key = self.current
        can_be = key is not None and key.active and key.stored
        return [key] if key and can_be and self.policy.carry and key.carried is None else None

    def due_with_room(self) -> Sight:
        return self._room() if self.due else None

    def due_with_an_unused_key_to_delete(self) -> Sight:
        """An Inactive key that nobody needs and that makes room by itself.

        Not stored, not switched off by us, unused for long.
        """
        if not self.due or self.excess > 1 or self.replaced:
            return None
        parked = [key for key in self._not_stored_and_unused() if not key.active and not key.off_by_us]
        return [min(parked, key=lambda key: key.last_sign_of_life)] if parked else None

    def due_with_unused_keys_to_switch_off(self) -> Sight:
        """Active keys that nobody needs and whose deletion will make room.

        As few as that takes, and never the last Active one.
        """
        if not self.due:
            return None
        candidates = [key for key in self._not_stored_and_unused() if key.active and not self._may_be_in_grace(key)]
        candidates.sort(key=lambda key: (key not in self.replaced, key.last_sign_of_life))
        leaving = sum(key.off_by_us and key is not self.current and not used_after_switch_off(key) for key in self.keys)
        chosen = candidates[: max(self.excess - leaving, len(self.replaced))]
        makes_room = all(key in chosen for key in self.replaced) and len(chosen) + leaving >= self.excess
        return chosen if chosen and makes_room and len(chosen) < len(self.active) else None

    def due_with_an_idle_key_to_switch_off(self) -> Sight:
        """Else an older key that was in use until now would be in the way for good."""
        return self.idle_older_keys() if self.due and not self.in_grace else None

    def due_without_room(self) -> Sight:
        return _if(self.due, *self.keys)

    def older_keys_in_grace(self) -> Sight:
        return _if(self.older and self.in_grace, *self.older)

    def older_keys_all_in_use(self) -> Sight:
        return _if(self.older and all(self.in_use(key) for key in self.older), *self.older)

    def idle_older_keys(self) -> Sight:
        return [key for key in self.older if not self.in_use(key)] or None

    def keys_that_we_switched_off(self) -> Sight:
        return self.waiting or None

    def several_made_by_hand(self) -> Sight:
        return _if(self.current is None and len(self.active) > 1, *self.active)

    def due_soon(self) -> Sight:
        key = self.replacement
        return _if(self.age(key) >= in_days(self.due_at_days - self.policy.warn_days), key) if key else None

    def anything(self) -> Sight:
        return _if(True, *filter(None, [self.replacement]))


def used_after_switch_off(key: Key) -> bool:
    return key.last_used is not None and key.deactivated is not None and key.last_used > key.deactivated
