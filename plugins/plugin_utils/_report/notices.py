# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the owners of users are told: one text for each, for a mail or a chat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Report, UserReport
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.typed import remedy_lines
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.vocabulary import status_of_users
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import clean, last_use, moment, short_age, title

WIDTH = 78
TOLD = {
    "blocked": "The rotation does not go on before somebody has done something.",
    "uncarried": "The new key has not been carried to where it is used: until then the old one stays.",
    "due": "The next rotation makes a new key, and what uses the old one has to move to it.",
    "grace": "What uses the older key has to move to the current one by then.",
    "due_soon": "A new key is made then, and what uses the old one has to move to it.",
}
"""The statuses that owners are told of, the most urgent first, and what they mean to whoever uses the keys."""


def notices_of(report: Report) -> list[dict[str, Any]]:
    """One notice for each owner with a user that is worth telling, by name; then one without an owner (null) for the
    users that have none, so that they are not forgotten. Nothing where the decisions were not asked for owners.
    """
    if not any("owner" in decision for decision in report.decisions):
        return []
    users: dict[str | None, list[UserReport]] = {}
    for user in sorted(report.users, key=lambda user: (_urgency(user), user.user_name)):
        if user.status in TOLD:
            users.setdefault(user.owner, []).append(user)
    owners = sorted(users, key=lambda owner: (owner is None, owner or ""))
    return [_notice(report, owner, users[owner]) for owner in owners]


def _urgency(user: UserReport) -> int:
    return list(TOLD).index(user.status) if user.status in TOLD else len(TOLD)


def _notice(report: Report, owner: str | None, users: Sequence[UserReport]) -> dict[str, Any]:
    numbers = Counter(user.status for user in users)
    counts = ", ".join(f"{number} {status_of_users(status)}" for status, number in numbers.items())
    return {
        "owner": owner,
        "subject": clean(f"{title(report)}: {counts}"),
        "text": "\n".join("\n".join(_lines(user)) + "\n" for user in users),
        "users": [user.user_name for user in users],
    }


def _lines(user: UserReport) -> list[str]:
    """What is said of one user; what came from AWS or from a tag is one line wherever it stands."""
    sentences = [row.sentence for row in user.rows if row.sentence]
    date = [f"When: {moment(user.next_date)}"] if user.next_date else []
    lines = [clean(user.user_name), *(f"  {clean(sentence)}" for sentence in sentences), f"  {TOLD[user.status]}"]
    lines += [f"  {line}" for line in [*date, *map(_key, user.keys)]]
    lines += [f"  {line}" for remedy in user.remedies for line in remedy_lines(remedy, WIDTH)]
    return lines


def _key(key: Any) -> str:
    use = " ".join(filter(None, last_use(key)))
    stage = f", {key['stage']}" if key["stage"] else ""
    age = short_age(key["age_days"])
    return clean(f"Key {key['access_key_id']}: {key['status']}{stage}, age {age}, last used {use}")
