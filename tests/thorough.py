# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether all faults are asked for, or what has been chosen from them for `make test`."""

from __future__ import annotations

import os
from typing import Any

import pytest

ALL = os.environ.get("KEYTURN_FAULTS") == "all"


def thorough(*values: Any) -> Any:
    """Parameters of a test by which it shows once more what it shows by others."""
    return pytest.param(*values, marks=pytest.mark.thorough)
