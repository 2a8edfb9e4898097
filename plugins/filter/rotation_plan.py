# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.plan import plan


def rotation_plan(info: Any, policy: Any = None) -> list[dict[str, Any]]:
    """See `ansible-doc -t filter keyturn.iam.rotation_plan`."""
    try:
        return plan(info, policy)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The decision about each user's access keys."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rotation_plan": rotation_plan}
