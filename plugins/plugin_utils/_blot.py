# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets taken out of what other people's tasks say: as they are, in another writing, and in part."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:  # before ansible-core 2.22, where nothing but no_log hides a secret
    register_secret = None

STARS = "********"
# So many characters of a secret in a row are taken for a part of it: a message may be cut, or break a line.
PART = 8
_URL_SAFE = str.maketrans("+/", "-_")
# A password of SES's SMTP interface is derived from a secret (`_smtp.py`): 33 bytes, the first of which is 4.
_SMTP_PASSWORD = re.compile(r"B[A-P][A-Za-z0-9+/]{42}")


def keep_off_the_screen(secret: str) -> None:
    """Has Ansible mask the secret wherever it would show it, as it does with what comes from encrypted variables."""
    if register_secret:
        register_secret(secret)


def without_secrets_of(text: str, secrets: Iterable[str]) -> str:
    """The text with each of the secrets, and any part of one, made unreadable."""
    forms = {form for secret in secrets if secret for form in _writings(secret)}
    parts = {form[start : start + PART] for form in forms for start in range(max(len(form) - PART, 0) + 1)}
    sizes = {len(part) for part in parts}
    hidden: set[int] = set()
    for size in sizes:
        for start in range(len(text) - size + 1):
            if text[start : start + size] in parts:
                hidden.update(range(start, start + size))
    return _SMTP_PASSWORD.sub(STARS, _with_stars(text, hidden))


def _with_stars(text: str, hidden: set[int]) -> str:
    shown = []
    for place, character in enumerate(text):
        if place not in hidden:
            shown.append(character)
        elif place - 1 not in hidden:
            shown.append(STARS)
    return "".join(shown)


def _writings(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield secret.replace("/", "\\/")
    in_url = quote(secret, safe="")
    yield from (in_url, re.sub("%..", lambda code: code[0].lower(), in_url))
    yield secret.encode().hex()
    for before in range(3):  # inside a longer text it may begin at any bit of a character
        whole = b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        inner = whole[(before * 8 + 5) // 6 : -1]
        yield from (inner, inner.translate(_URL_SAFE))
