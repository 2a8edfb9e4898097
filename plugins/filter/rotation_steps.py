# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import incident, steps


def _said(function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrong argument is one sentence, not a traceback."""

    @wraps(function)
    def filtered(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AnsibleFilterError(f"rotation_{function.__name__}: {type(error).__name__}: {error}") from error

    return filtered


class FilterModule:
    """What the rotation role needs between its looks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        functions = (steps.steps, steps.results, steps.look, steps.applied, incident.previous, incident.revoked)
        return {f"rotation_{function.__name__}": _said(function) for function in functions}
