# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of the modules, written once for the module and for the controller's process."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec

ACCESS_KEY: dict[str, Any] = {
    "user_name": {"type": "str", "aliases": ["username"]},
    "access_key_id": {"type": "str", "aliases": ["id"], "no_log": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "active": {"type": "bool", "aliases": ["enabled"]},
    "secret_access_key": {"type": "str", "no_log": True},
    "carried": {"type": "bool"},
    "stage": {"type": "str", "choices": ["current"]},
    "hold_days": {"type": "float"},
    "leaked": {"type": "bool"},
    "max_age_days": {"type": "float"},
    "replaces": {"type": "str"},
    "replacement": {"type": "str"},
    "assume_deleted": {"type": "list", "elements": "str", "default": []},
    "at_limit": {"type": "str", "choices": ["fail", "delete_inactive", "delete_oldest"], "default": "fail"},
    "min_idle_days": {"type": "float"},
    "noted": {"type": "bool", "default": False},
    "ask_again": {"type": "bool", "default": False},
    "vault_file": {"type": "path"},
    "vault_id": {"type": "str"},
    "verify": {"type": "bool", "default": True},
    "verify_delay": {"type": "float", "default": 10},
    "verify_timeout": {"type": "float", "default": 60},
}

# Beside the list the options of an item, as defaults for all of them.
ACCESS_KEYS: dict[str, Any] = {
    "access_keys": {"type": "list", "elements": "dict", "required": True, "no_log": False},
    "max_concurrency": {"type": "int", "default": 16},
    **ACCESS_KEY,
}

INFO: dict[str, Any] = {
    "user_name": {"type": "list", "elements": "str", "aliases": ["username"]},
    "path_prefix": {"type": "str"},
    "access_key_id": {"type": "str", "aliases": ["id"], "no_log": False},
    "status": {"type": "str", "choices": ["Active", "Inactive", "Expired"]},
    "min_age_days": {"type": "float"},
    "min_idle_days": {"type": "float"},
    "last_used": {"type": "bool", "default": True},
    "tags": {"type": "bool", "default": False},
    "quarantined": {"type": "bool", "default": True},
    "vault_file": {"type": "path"},
    "max_concurrency": {"type": "int", "default": 16},
}
INFO_EXCLUSIVE: tuple[tuple[str, ...], ...] = (("access_key_id", "user_name"), ("access_key_id", "path_prefix"))

LOOK_AGAIN: dict[str, Any] = {
    "info": {"type": "dict", "required": True},
    "user_names": {"type": "list", "elements": "str", "required": True},
    "made": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "vault_file": {"type": "path", "required": True},
    "max_concurrency": {"type": "int", "default": 16},
}


def with_aws(spec: dict[str, Any]) -> dict[str, Any]:
    """The arguments with amazon.aws's common ones, for where no AnsibleAWSModule adds them."""
    return {**aws_argument_spec(), **spec}
