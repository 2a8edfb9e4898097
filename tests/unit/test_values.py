# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as Ansible hands them out, made plain, and secrets in them made unreadable."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import blotted, plain, plain_text, shown


class Text(str):
    """As ansible-core 2.19+ hands strings out; what prints or joins it must not see the class."""

    def __str__(self) -> str:  # pylint: disable=invalid-str-returned
        return self

    def __repr__(self) -> str:
        return "tagged"


class Number(int):
    pass


class Many(list[Any]):
    pass


def types_in(value: Any) -> set[type]:
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return {type(value)}.union(*map(types_in, inside))


def test_arguments_become_plain_and_keep_what_they_say() -> None:
    strange = object()
    given = {
        Text("name"): Many([Text("a"), Number(3), True, None, 1.5, (Text("b"),)]),
        "secret_access_key": Text("kept"),
    }
    out = plain({**given, "strange": strange})
    assert out == {"name": ["a", 3, True, None, 1.5, ["b"]], "secret_access_key": "kept", "strange": strange}
    assert types_in(out) == {dict, list, str, int, bool, type(None), float, object}


@pytest.mark.parametrize(("value", "text"), [(None, None), (Text("ci"), "ci"), (1234, "1234"), (True, "True")])
def test_text_is_plain_and_null_stays_null(value: Any, text: str | None) -> None:
    assert plain_text(value) == text
    assert type(plain_text(value)) in (str, type(None))


def test_an_error_shows_a_value_without_its_class() -> None:
    assert (shown(Text("ci")), shown(7), shown([Text("ci")])) == ("'ci'", "7", "['ci']")


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
