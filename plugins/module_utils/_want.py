# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task with `iam_access_key` wants, and which wishes make no sense together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._errors import KeyturnError
from ._options import refuse_negative

# Days and seconds beyond this are a mistake, and dates do not reach much further.
MOST = 1_000_000
_NUMBERS = ("max_age_days", "min_idle_days", "hold_days", "verify_delay", "verify_timeout")


@dataclass(frozen=True)
class Want:
    """A task's options, see the documentation of `iam_access_key`. Ages are days, the others seconds."""

    user_name: str = ""
    access_key_id: str | None = None
    state: str = "present"
    active: bool | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    carried: bool | None = None
    stage: str | None = None
    hold_days: float | None = None
    leaked: bool | None = None
    max_age_days: float | None = None
    replaces: str | None = None
    replacement: str | None = None
    assume_deleted: tuple[str, ...] = ()
    at_limit: str = "fail"
    min_idle_days: float | None = None
    noted: bool = False
    ask_again: bool = False
    verify: bool = True
    verify_delay: float = 10
    verify_timeout: float = 60

    @property
    def planned(self) -> bool:
        """Whether a plan decided it, some time ago: it names what has to be so still.

        A person's own task names none of that.
        """
        return self.min_idle_days is not None or bool(self.replacement or self.replaces)

    @property
    def may_name_next(self) -> bool:
        """Whether the key that the task names, if it is the stored next, is to be made current."""
        plain = self.state == "present" and self.active is None and not self.stage and not self.notes_only
        return bool(self.access_key_id) and plain

    @property
    def notes_only(self) -> bool:
        """Whether no key is made, switched or deleted: one that exists is adopted, or was carried."""
        return self.secret_access_key is not None or self.carried is not None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Want:
        """The task that validated options describe. Raises KeyturnError for options that do not go together."""
        want = cls(**{name: params[name] for name in cls.__dataclass_fields__ if params.get(name) is not None})
        refuse_negative(vars(want), _NUMBERS, MOST)
        for wrong, sentence in want._mistakes(params):
            if wrong:
                raise KeyturnError(sentence)
        return want

    @property
    def _wishes_more(self) -> bool:
        """Whether a task that adopts a key, or notes that it was carried, wants something of another kind too."""
        both = self.secret_access_key is not None and self.carried is not None
        others = (self.active, self.stage, self.max_age_days, self.leaked, self.replaces)
        return both or not self.verify or any(other is not None for other in others)

    def _mistakes(self, params: Mapping[str, Any]) -> tuple[tuple[bool, str], ...]:
        """What makes no sense together, and how it is said."""
        named, present, off = bool(self.access_key_id), self.state == "present", self.active is False
        stored = bool(params.get("vault_file"))
        return (
            (params.get("user_name") is None and not self.leaked, "missing required arguments: user_name"),
            (params.get("user_name") is not None and not self.user_name.strip(), "user_name must not be empty"),
            (
                params.get("vault_file") == "",
                "vault_file must not be empty: name the file, or leave the option out where the secret is to be "
                "returned",
            ),
            (
                self.secret_access_key is not None and not (named and stored and present),
                "secret_access_key goes with access_key_id and vault_file: which key is to be adopted, and where its "
                "secret is kept",
            ),
            (self.secret_access_key == "", "secret_access_key must not be empty: it is the secret of access_key_id"),
            (
                self.carried is not None and not (stored and present),
                "carried goes with vault_file: in which store the current key is noted as carried",
            ),
            (
                self.notes_only and self._wishes_more,
                "secret_access_key, carried, active, stage, max_age_days and verify=false do not go together: adopt "
                "the key, or note that it was carried, in a task of its own",
            ),
            (not present and not named, "state=absent needs access_key_id: which key is to be deleted"),
            (
                named and self.max_age_days is not None,
                "max_age_days does not go with access_key_id: a named key is neither too old nor replaced",
            ),
            (
                bool(self.replacement) and not (named and off and present),
                "replacement goes with access_key_id and active=false: which key is in force when that one is "
                "switched off",
            ),
            (
                self.hold_days is not None and not (named and stored and present and (self.stage or self.active)),
                "hold_days goes with access_key_id, vault_file, and stage=current or active=true: how long the "
                "rotation leaves the user alone",
            ),
            (
                bool(self.stage) and not (named and stored and present),
                "stage=current needs access_key_id and vault_file: which of the store's keys is to be current",
            ),
            (
                bool(self.stage) and (off or not self.verify),
                "stage=current does not go with active=false or verify=false: what is current is Active, and STS has "
                "accepted it",
            ),
            (
                bool(self.leaked) and not (named and off and present),
                "leaked=true goes with access_key_id and active=false: which key is to be switched off for good",
            ),
            (
                self.leaked is False and not (named and present and (self.stage or self.active)),
                "leaked=false goes with access_key_id, and stage=current or active=true: it says that a revoked key "
                "is safe",
            ),
            (named and bool(self.replaces), "replaces does not go with access_key_id: it is for making a new key"),
            (
                present and off and not named and self.max_age_days != 0,
                "active=false needs access_key_id (which key is to be switched off), or max_age_days=0 for a new key",
            ),
            (
                present and off and not named and stored,
                "active=false for a new key does not go with vault_file: a key must be Active to be made current",
            ),
        )
