# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which credentials are meant where more than one source gives some: the task's before wider defaults, and those before
the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec

CREDENTIALS = ("profile", "access_key", "secret_key", "session_token")
_SPEC: dict[str, dict[str, Any]] = aws_argument_spec()
_OPTIONS = {alias: name for name, option in _SPEC.items() for alias in (name, *option.get("aliases", ()))}


def without_foreign_credentials(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters without credentials of the environment beside some that the task gives: theirs is another key, or
    another account.

    amazon.aws refuses a task's keys beside AWS_PROFILE, and signs with a task's keys and the environment's
    AWS_SESSION_TOKEN.
    """
    given = [name for name in CREDENTIALS if params.get(name)]
    foreign = [name for name in given if params[name] in _in_environment(name)]
    return {**params, **(dict.fromkeys(foreign) if len(foreign) < len(given) else {})}


def _in_environment(name: str) -> list[str]:
    _fallback, variables = _SPEC[name]["fallback"]
    return [os.environ[variable] for variable in variables if variable in os.environ]


def connection_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of some options those that say which account, and how to reach it; by their own names, not their aliases."""
    return {_OPTIONS[name]: value for name, value in options.items() if name in _OPTIONS}


def with_wider(narrow: Mapping[str, Any], wide: Mapping[str, Any]) -> dict[str, Any]:
    """The options with those connection options of a wider scope that they leave open.

    Credentials are taken whole, never mixed.
    """
    given = connection_options(narrow)
    wider = connection_options(wide)
    if any(given.get(name) for name in CREDENTIALS):
        wider = {name: value for name, value in wider.items() if name not in CREDENTIALS}
    return {**{name: value for name, value in wider.items() if name not in given}, **narrow}
