# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The password of Amazon SES's SMTP interface, which is derived from a secret access key for one region.

SES Developer Guide, "Obtaining Amazon SES SMTP credentials": the chain of signature version 4 with a fixed date, and a
version byte before its end. The user name is the access key id.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256

_DATE, _SERVICE, _TERMINAL, _MESSAGE = "11111111", "ses", "aws4_request", "SendRawEmail"
_VERSION = b"\x04"


def ses_smtp_password(secret_access_key: str, region: str) -> str:
    """The password for SES's SMTP endpoint of that region. Raises ValueError where either is empty."""
    if not secret_access_key:
        raise ValueError("ses_smtp_password needs a secret access key, and got none")
    if not region:
        raise ValueError("ses_smtp_password needs the region of the SMTP endpoint, such as eu-central-1")
    key = f"AWS4{secret_access_key}".encode()
    for part in (_DATE, region, _SERVICE, _TERMINAL, _MESSAGE):
        key = hmac.new(key, part.encode(), sha256).digest()
    return b64encode(_VERSION + key).decode()
