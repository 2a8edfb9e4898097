# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be known before anything is done: whether what the role is about to keep would be lost with its job."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def thrown_away(path: str, folders: Iterable[str]) -> str | None:
    """The first of the folders in which the file lies, or null; it need not exist. Links are followed on both sides."""
    file = _real(path)
    return next((str(folder) for folder in folders if _real(folder) in (file, *file.parents)), None)


def _real(path: str) -> Path:
    return Path(os.path.realpath(os.path.expanduser(os.path.expandvars(str(path)))))
