# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One access key as the plan sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

LONG_AGO = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""When a key was made of which nobody noted when."""


@dataclass(frozen=True)
class Key:
    """One access key: what IAM says of it and what the store does.

    `status` is IAM's word, and null where IAM does not list the key. `created`, `last_used`, `promoted` (when it became
    current), `carried` (to where it is used), `deactivated` (by our hand) and `revoked` (for good) are null where there
    is none. `appearing`: not listed, but made so shortly ago that it may still be. `stored`: the store has its secret.
    `lost`: the file beside the store that has it, where another hand has overwritten the store. `signing`: it signs the
    requests of this run.
    """

    id: str
    status: str | None = None
    created: datetime | None = None
    last_used: datetime | None = None
    service: str | None = None
    region: str | None = None
    promoted: datetime | None = None
    carried: datetime | None = None
    deactivated: datetime | None = None
    revoked: datetime | None = None
    stored: bool = False
    lost: str | None = None
    signing: bool = False
    appearing: bool = False

    @property
    def listed(self) -> bool:
        return self.status is not None

    @property
    def exists(self) -> bool:
        return self.listed or self.appearing

    @property
    def active(self) -> bool:
        """Whether it works; a status that is neither Active nor Inactive counts as not Active."""
        return self.status == "Active" or self.appearing

    @property
    def off_by_us(self) -> bool:
        """A note beside an Active key is of the past.

        Somebody switched the key on again, or the request was never sent.
        """
        return self.deactivated is not None and not self.active

    @property
    def made(self) -> datetime:
        """When it was made; of a key that exists this is always known."""
        return self.created or LONG_AGO

    @property
    def current_since(self) -> datetime:
        """An entry that a person wrote has no promotion.

        It counts from the key's creation, as when the key leaves current.
        """
        return self.made if self.promoted is None else self.promoted

    @property
    def last_sign_of_life(self) -> datetime:
        return max(self.made, self.last_used or LONG_AGO, self.promoted or LONG_AGO)
