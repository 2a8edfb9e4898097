# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shared credentials file of AWS's tools: the key of one profile read, and replaced by another.

It is read as botocore does (configparser, without a default section); all else in it stays as it is, byte by byte.
"""

from __future__ import annotations

import configparser
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from ansible_collections.keyturn.iam.plugins.plugin_utils._store.beside import beside, new_file
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import expanded

_ID, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
_SECTION = re.compile(r"\[(?P<name>[^]]+)\]")


def credentials_file() -> Path:
    """Where AWS's tools look for it."""
    named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return Path(expanded(named))


def profile_of(profile: str) -> dict[str, str]:
    """Id and secret of the profile's key. Raises ValueError, one sentence."""
    file = credentials_file()
    return _pair(_read(file), profile, file)


def check_profile(profile: str, access_key_ids: Collection[str]) -> None:
    """Sees that the profile could be given another key: that it has one of these, and that the file can be written.

    Raises ValueError, one sentence.
    """
    file = credentials_file()
    key_id = _pair(_read(file), profile, file)["access_key_id"]
    if key_id not in access_key_ids:
        raise ValueError(
            f"Profile {profile} in {file} has access key {key_id}, which is none of the user's "
            "whose key signs this run: name the profile of that user"
        )
    real = file.resolve()
    writable = os.access(real, os.W_OK) and os.access(real.parent, os.W_OK | os.X_OK)
    if not writable or not real.stat().st_mode & stat.S_IWUSR:  # root may write what its owner made read-only
        raise ValueError(f"{file}, whose profile {profile} is to get the new key, is read-only, or its folder is")


def write_profile(profile: str, access_key_id: str, secret_access_key: str) -> bool:
    """Gives the profile another key: whether it had another before. The file is replaced at once; a link stays one.

    Raises ValueError, one sentence.
    """
    file = credentials_file()
    before = _read(file)
    wanted = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
    if _pair(before, profile, file) == wanted:
        return False
    after = _with_values(before, profile, {_ID: access_key_id, _SECRET: secret_access_key})
    if _pair(after, profile, file) != wanted:
        raise ValueError(
            f"Profile {profile} in {file} is written in a way that is not understood: write its key by hand"
        )
    try:
        _replace(file.resolve(), after)
    except OSError as error:
        raise ValueError(f"{file} cannot be written: {error.strerror}") from None
    return True


def _read(file: Path) -> str:
    try:
        with open(file, encoding="utf-8", newline="") as opened:
            return opened.read()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text") from None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def _pair(text: str, profile: str, file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(text.removeprefix("\ufeff"))
    except configparser.Error:
        raise ValueError(f"{file} is no credentials file that AWS's tools can read") from None
    if profile not in parser:
        raise ValueError(f"There is no profile {profile} in {file}")
    section = parser[profile]
    if not section.get(_ID) or not section.get(_SECRET):
        raise ValueError(f"Profile {profile} in {file} has no access key with its secret")
    if section.get(_TOKEN):
        raise ValueError(f"Profile {profile} in {file} has a session token, so that its key is none of an IAM user")
    return {"access_key_id": section[_ID].strip(), "secret_access_key": section[_SECRET].strip()}


def _with_values(text: str, profile: str, values: dict[str, str]) -> str:
    """The text with these values in place of those that the profile has; nothing else is touched."""
    lines = text.splitlines(keepends=True)
    inside = False
    for number, line in enumerate(lines):
        section = _SECTION.match(line.removeprefix("\ufeff"))
        if section:
            inside = section["name"] == profile
        option = re.match(r"(?P<head>\s*(?P<name>\w+)\s*[=:]\s*)[^\r\n]*", line) if inside else None
        if option and option["name"].lower() in values:
            lines[number] = option["head"] + values[option["name"].lower()] + line[option.end() :]
    return "".join(lines)


def _replace(file: Path, text: str) -> None:
    temporary = beside(file, "keyturn")
    with new_file(temporary, file) as opened:
        opened.write(text.encode())
        opened.flush()
        os.fchmod(opened.fileno(), stat.S_IMODE(file.stat().st_mode))
        os.fsync(opened.fileno())
        os.replace(temporary, file)
