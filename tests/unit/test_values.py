# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as Ansible hands them out, made plain, and secrets in them made unreadable."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import blotted

ALL_OF_IT = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("s3cret", ALL_OF_IT),
        ("a s3cret here", "a ******** here"),
        ("say s3cret and more", "say ********"),  # the longer secret goes first
        ({"s3cret": ["s3cret", ("x", "s3cret!")]}, {"s3cret": [ALL_OF_IT, ["x", "********!"]]}),
        (4711, ALL_OF_IT),
        (14711, "1********"),
        (1.5, 1.5),
        (True, True),
        (None, None),
    ],
    ids=str,
)
def test_secrets_are_blotted_out_at_any_depth(value: Any, seen: Any) -> None:
    result = blotted(value, {"s3cret", "s3cret and more", "4711", "True", ""})
    assert result == seen and type(result) is type(seen)
