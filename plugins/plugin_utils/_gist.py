# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An error in so few words that it stands in a table: AWS's code and what was denied stay, what only fills lines goes.

Who shows the gist of an error shows its full words too, elsewhere.
"""

from __future__ import annotations

import re

REASON_MOST = 120
"""Characters of a sentence in a table, its full stop among them."""

_CODE = r"\w[\w.]*"
# What says nothing to a person, and what takes its place.
_NOISE = (
    # botocore's "An error occurred (AccessDenied) when calling the ListUsers operation: ", and our own form of it
    (rf"An error occurred \(({_CODE})\) when calling the \w+ operation(?: \(reached max retries: \d+\))?: ", r"\1: "),
    (rf" \(\w+: ({_CODE})\): ", r": \1: "),
    (r"\s*\((?:[^()]*;\s*)?request ?id: ?[^()]*\)", ""),
    (r"[,;]?\s*\brequest ?id:? ?[0-9a-f][\w-]{7,}", ""),
    # The part of an ARN that tells it from others: what is before is the same in all of an account.
    (r"\barn:[\w-]+:[\w-]+:[\w-]*:\d*:([^\s,;]+?)(?=[.:]?(?:[\s,;]|$))", r"\1"),
    (r"(is not authorized to perform: (\S+).*?) allows the \2 action\b", r"\1 allows it"),
)
# What a long error can do without, the least missed first: folders, then what a denial has beside what is denied.
_LESS = (
    (r"(?<![:\w/])/\S+/(?=\S)", ""),
    (r" because no [\w-]+ policy allows it", ""),
    (r"(?:User: )?\S+ is (not authorized to perform)", r"\1"),
    (r" on resource: .*?(?= with | because |$)", ""),
    (rf"^Could not .*?: (?={_CODE}: not authorized)", ""),
    (r"( service control policy| boundary| policy): \S+$", r"\1"),
)
_BETWEEN_ERRORS = "; Could not "
_END_OF_CLAUSE = re.compile(r"[;:,.]? (?=because |with |so that )|[;:,.] ")


def without_noise(text: str) -> str:
    """The error in one line, without request ids, botocore's envelope, the beginnings of ARNs and repetitions."""
    text = " ".join(text.split())
    for noise, rest in _NOISE:
        text = re.sub(noise, rest, text, flags=re.IGNORECASE)
    return text


def gist(text: str, user_name: str = "", most: int = REASON_MOST) -> str:
    """The error as one sentence of at most `most` characters, that does not name the user in whose row it stands."""
    text = _without_user(without_noise(text), user_name)
    if len(sentence(text)) > most:
        text = text.partition(_BETWEEN_ERRORS)[0]
    for more, less in _LESS:
        if len(sentence(text)) > most:
            text = re.sub(more, less, text)
    return first_that_fits(*map(sentence, _beginnings(text)), most=most)


def in_full(text: str, user_name: str = "") -> str | None:
    """All words of the error, null where its gist has them."""
    text = " ".join(text.split())
    if gist(text, user_name) == sentence(_without_user(text, user_name)):
        return None
    return text if text.endswith((".", "!", "?")) else f"{text}."


def denied_action(text: str) -> str | None:
    """What AWS says that the caller may not do, such as `iam:ListAccessKeys`; null where it says no such thing."""
    found = re.search(r"is not authorized to perform: (\w+:\w+)", text)
    return found[1] if found else None


def _without_user(text: str, user_name: str) -> str:
    """The text without the name in whose row it stands."""
    if not user_name:
        return text
    name = rf"{re.escape(user_name)}(?![\w+=,.@-]*\w)"
    text = re.sub(rf" (?:of user|for user|on resource: user) {name}| on resource: user/(?:\S+/)?{name}", "", text)
    return re.sub(rf"\bno IAM user {name}", "no such IAM user", text)


def _beginnings(text: str) -> list[str]:
    """The text, then what is left of it clause by clause."""
    ends = [match.start() for match in _END_OF_CLAUSE.finditer(text) if match.start() > 0]
    return [text, *(text[:end] for end in reversed(ends))]


def sentence(text: str) -> str:
    """The text as one sentence, however many it was."""
    text = re.sub(r"[.!?] (?=\S)", "; ", " ".join(text.split()))
    end = text[-1:] if text[-1:] in ("!", "?") else "."
    text = text.rstrip(".!?;:, ")
    return f"{text[:1].upper()}{text[1:]}{end}"


def first_that_fits(*sentences: str, most: int = REASON_MOST) -> str:
    """The first that is short enough; where none is, as many words of the last."""
    for one in sentences:
        if len(one) <= most:
            return one
    end = " (…)."
    beginning = sentences[-1][: most - len(end)]
    return f"{beginning.rpartition(' ')[0] or beginning}{end}"
