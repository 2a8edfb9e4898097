# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An error in few words keeps AWS's code and what was denied, and who loses words is told all of them elsewhere."""

from __future__ import annotations

import random

import pytest
from ansible_collections.keyturn.iam.plugins.plugin_utils._gist import (
    REASON_MOST,
    denied_action,
    first_that_fits,
    gist,
    in_full,
    without_noise,
)

READS = "Could not list the access keys of user ci"
ROLE = "arn:aws:sts::123456789012:assumed-role/audit/nightly"
DENIED = f"User: {ROLE} is not authorized to perform: iam:ListAccessKeys on resource: arn:aws:iam::123456789012:user/ci"
IMPLICIT = "because no identity-based policy allows the iam:ListAccessKeys action"
EXPLICIT = (
    "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("denied", "Denied."),
        (
            f"{READS} (ListAccessKeys: Throttling): Rate exceeded",
            "Could not list the access keys: Throttling: Rate exceeded.",
        ),
        (
            "An error occurred (Throttling) when calling the ListUsers operation (reached max retries: 4): Rate exceeded",
            "Throttling: Rate exceeded.",
        ),
        (
            f"{READS} (ListAccessKeys: AccessDenied): {DENIED} {IMPLICIT}",
            "Could not list the access keys: AccessDenied: not authorized to perform: iam:ListAccessKeys.",
        ),
        (
            f"{READS} (ListAccessKeys: AccessDenied): {DENIED} {EXPLICIT}",
            "AccessDenied: not authorized to perform: iam:ListAccessKeys with an explicit deny in a service control policy.",
        ),
        (
            f"{READS} (ListAccessKeys: SignatureDoesNotMatch): Signature expired: 20261124T040000Z is now earlier than "
            "20261124T041500Z (20261124T043000Z - 15 min.)",
            "Could not list the access keys: SignatureDoesNotMatch: Signature expired.",
        ),
        (
            f"{READS} (ListAccessKeys: ServiceFailure): Try again. (Service: Iam; Status Code: 500; Request ID: 0a1b2c3d-1; Proxy: null)",
            "Could not list the access keys: ServiceFailure: Try again.",
        ),
        (f"{READS}: broken, request id: 0a1b2c3d-4e5f", "Could not list the access keys: broken."),
        (f"{READS}: one.\nTwo.  Three?", "Could not list the access keys: one; Two; Three?"),
        (
            f'{READS}: Could not connect to the endpoint URL: "https://iam.amazonaws.com/"',
            'Could not list the access keys: Could not connect to the endpoint URL: "https://iam.amazonaws.com/".',
        ),
        (f"The entry of user ci in /{'srv/' * 40}keys.yml is not a mapping", "The entry in keys.yml is not a mapping."),
        ("There is no IAM user ci (asked with key X)", "There is no such IAM user (asked with key X)."),
        ("There is no IAM user ci-2 like the one of user ci-2", "There is no IAM user ci-2 like the one of user ci-2."),
    ],
)
def test_what_is_left_of_an_error(error: str, said: str) -> None:
    assert gist(error, "ci") == said


def test_of_several_errors_the_first_is_told_and_all_elsewhere() -> None:
    error = f"{READS} (ListAccessKeys: AccessDenied): {DENIED} {IMPLICIT}"
    assert gist(f"{error}; {error}", "ci") == gist(error, "ci")
    assert in_full(f"{error}; {error}", "ci") == f"{error}; {error}."
    assert denied_action(error) == "iam:ListAccessKeys" and denied_action("denied") is None


@pytest.mark.parametrize("error", ["denied", f"{READS}: broken", "Is it?", "It is."])
def test_what_the_table_has_is_not_told_again(error: str) -> None:
    assert in_full(error, "ci") is None


def test_arns_request_ids_and_envelopes_are_noise() -> None:
    assert without_noise(f"An error occurred (AccessDenied) when calling the X operation: {DENIED} {IMPLICIT}") == (
        "AccessDenied: User: assumed-role/audit/nightly is not authorized to perform: iam:ListAccessKeys on resource: user/ci "
        "because no identity-based policy allows it"
    )


def test_a_sentence_is_short_whatever_the_error() -> None:
    chance = random.Random(1)
    parts = [
        *"abc.;:,!? ()'\n",
        "An error occurred (",
        ") when calling the X operation: ",
        " of user ci",
        DENIED,
        "x" * 200,
        " because ",
        "; ",
    ]
    for _turn in range(3000):
        error = "".join(chance.choice(parts) for _part in range(chance.randrange(1, 12)))
        said = gist(error, "ci")
        assert len(said) <= REASON_MOST and said[-1] in ".!?" and "\n" not in said


def test_words_are_left_whole_where_only_a_beginning_fits() -> None:
    assert first_that_fits("one two three", "one two", most=8) == "one two"
    assert first_that_fits("one two three four", most=14) == "one two (…)."
