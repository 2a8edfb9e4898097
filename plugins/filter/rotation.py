# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import carry, incident, steps
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation.in_worker import in_worker
from ansible_collections.keyturn.iam.plugins.plugin_utils._smtp import ses_smtp_password as derived_password
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import plain_text

# Of the role alone: they may change with it.
INNER = (
    steps.steps,
    steps.with_notes,
    steps.parts,
    steps.items,
    steps.results,
    steps.applied,
    steps.wrong,
    carry.promoted,
    carry.carried,
    carry.would_carry,
    carry.connection,
    in_worker,
    incident.previous,
    incident.revocation,
    incident.revoked,
    incident.unreplaced,
)


def rotation_plan(info: Any, policy: Any = None) -> list[dict[str, Any]]:
    """See `ansible-doc -t filter keyturn.iam.rotation_plan`."""
    try:
        return plan(info, policy)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def ses_smtp_password(secret_access_key: Any, region: Any) -> str:
    """See `ansible-doc -t filter keyturn.iam.ses_smtp_password`."""
    try:
        return derived_password(plain_text(secret_access_key) or "", plain_text(region) or "")
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def _in_one_sentence(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrong argument is one sentence, not a traceback."""

    @wraps(function)
    def filtered(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AnsibleFilterError(f"{name}: {type(error).__name__}: {error}") from error

    return filtered


class FilterModule:
    """The decision about each user's access keys, what the role needs between its looks, and a password from a key."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        inner = {f"_rotation_{function.__name__}": function for function in INNER}
        return {
            "rotation_plan": rotation_plan,
            "ses_smtp_password": ses_smtp_password,
            **{name: _in_one_sentence(name, function) for name, function in inner.items()},
        }
