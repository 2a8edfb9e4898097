# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role, all read before anything is done: one sentence for each wrong one, be it by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._names import read_name, read_names
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.benchmark import benchmark_called
from ansible_collections.keyturn.iam.plugins.plugin_utils._plan.policy import renewal_error
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.write import ENDINGS, ENDINGS_TEXT
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import (
    expanded,
    is_left_out,
    plain,
    read_days,
    read_number,
    read_optional_days,
    read_optional_key_count,
    shown,
)
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import read_bool as _bool
from ansible_collections.keyturn.iam.plugins.plugin_utils._values import read_text as _text

PREFIX = "rotation_"
ENTRY_POINTS = ("main", "audit", "revoke", "rollback", "adopt", "rotate_self")
# What the playbooks take and the role leaves beside its options.
BESIDE = ("rotation_hosts", "rotation_result", "rotation_promoted")
POLICY = (
    "max_age_days",
    "renew_before_days",
    "warn_days",
    "deactivate_after_days",
    "idle_days",
    "delete_after_days",
    "unused_days",
    "exempt",
    "now",
    "max_new_keys",
    "benchmark",
    "owner_tag",
    "tag_policy",
)


@dataclass(frozen=True)
class Setting:
    """One variable: how it is read (`read` raises ValueError, one sentence) and where it has a say.

    `wanted`, where an entry point cannot do without it, is what it takes.
    """

    name: str
    read: Callable[[str, Any], Any]
    entry_points: tuple[str, ...]
    required_by: tuple[str, ...] = ()
    wanted: str = ""

    @property
    def variable(self) -> str:
        return PREFIX + self.name


@dataclass(frozen=True)
class Settings:
    """What was read, by the names without the prefix; and what is wrong, a sentence each.

    Null is what is not set, what is wrong, and what has no say in this entry point.
    """

    values: dict[str, Any]
    problems: tuple[str, ...]

    @property
    def policy(self) -> dict[str, Any]:
        """What `rotation_plan` takes."""
        given = {name: self.values[name] for name in POLICY if self.values[name] is not None}
        return {**given, "carry": self.values["on_promoted"] is not None}


def read_settings(entry_point: str, variables: Mapping[str, Any], read: Callable[[str], Any]) -> Settings:
    """The settings of one of the role's entry points. `read` gives a variable's value, templated."""
    values: dict[str, Any] = {setting.name: None for setting in SETTINGS}
    problems: list[str] = []
    for setting in SETTINGS:
        if entry_point not in setting.entry_points:
            continue
        try:
            if setting.variable in variables:
                values[setting.name] = setting.read(setting.variable, plain(read(setting.variable)))
        except ValueError as error:
            problems.append(str(error))
            continue
        if entry_point in setting.required_by and not values[setting.name]:
            problems.append(_missing_error(setting, variables))
    problems += _together_errors(values)
    return Settings(values, (*problems, *unknown_variables(variables)))


def _together_errors(values: Mapping[str, Any]) -> list[str]:
    """What makes no sense together; where one of them is wrong by itself, that was said."""
    if values["max_age_days"] is None:
        return []
    names = [PREFIX + name for name in ("max_age_days", "renew_before_days")]
    wrong = renewal_error(names[0], values["max_age_days"], names[1], values["renew_before_days"])
    return [wrong] if wrong else []


def unknown_variables(variables: Iterable[str]) -> list[str]:
    """A sentence for each variable that begins as ours do and is none: it would change nothing, without a word."""
    known = {setting.variable for setting in SETTINGS} | set(BESIDE)
    return [_unknown_error(name) for name in sorted(set(map(str, variables)) - known) if name.startswith(PREFIX)]


def _unknown_error(name: str) -> str:
    meant = get_close_matches(name.removeprefix(PREFIX), [setting.name for setting in SETTINGS], n=1)
    hint = f"{PREFIX}{meant[0]} is meant, perhaps" if meant else "rename it if it is yours"
    return (
        f"{name} is no variable of the role keyturn.iam.rotation, to which all that begin with {PREFIX} belong: {hint}"
    )


def _missing_error(setting: Setting, variables: Mapping[str, Any]) -> str:
    state = "is empty" if setting.variable in variables else "is not set"
    return f"{setting.variable} {state}: {setting.wanted}"


# -- how a value is read ---------------------------------------------------------------------------------------


def _patterns(name: str, value: Any) -> list[str]:
    return list(read_names(name, None if is_left_out(value) else value, patterns=True))


def _names(name: str, value: Any) -> list[str]:
    return list(read_names(name, None if is_left_out(value) else value, patterns=False))


def _user_name(name: str, value: Any) -> str | None:
    return read_name(name, value)


def _seconds(name: str, value: Any) -> float:
    return read_number(name, value, "seconds")


def _benchmark(name: str, value: Any) -> str:
    return benchmark_called(name, value).short_name


def _path(name: str, value: Any) -> str | None:
    """A relative path counts from where ansible-playbook was started; `~` is one's home."""
    text = _text(name, value)
    return expanded(text) if text else None


def _path_prefix(name: str, value: Any) -> str | None:
    text = _text(name, value)
    if text and not text.startswith("/"):
        raise ValueError(f"{name} must begin with a slash, as users' paths do, not be {shown(value)}")
    return text


def _account_id(name: str, value: Any) -> str | None:
    text = _text(name, value)
    if text and not re.fullmatch(r"[0-9]{12}", text):
        raise ValueError(
            f"{name} must be the twelve digits of an account, not {shown(value)} (in quotes: YAML reads a leading 0 "
            "otherwise)"
        )
    return text


def _report_file(name: str, value: Any) -> str | None:
    path = _path(name, value)
    if path is None:
        return None
    folder = os.path.dirname(path) or "."
    if os.path.splitext(path)[1].lower() not in ENDINGS or not os.path.isdir(folder):
        raise ValueError(f"{name} {value} must end in {ENDINGS_TEXT}, and its folder must exist")
    if os.path.isdir(path):
        raise ValueError(f"{name} {value} is a folder: name a file")
    return path


def _task_file(name: str, value: Any) -> str | None:
    """Absolute: an included file's relative path would count from the role."""
    path = _path(name, value)
    if path is None:
        return None
    path = os.path.realpath(path)
    if not os.path.isfile(path):
        why = "it is a folder" if os.path.isdir(path) else "it does not exist"
        raise ValueError(f"{name} {value} is not a file of tasks: {why}")
    return path


_LOOKS = ("main", "audit")
_ROTATES = ("main", "rotate_self")
_REPORTS = (*_LOOKS, "rotate_self")
_DECIDES = ("main", "audit", "revoke", "rotate_self")
_KEEPS = ("main", "revoke", "rollback", "adopt", "rotate_self")
_CARRIES = ("main", "audit", "revoke", "rollback", "rotate_self")
SETTINGS = (
    Setting("users", _patterns, _LOOKS, _LOOKS, "it takes names of users, or patterns like ci-*; ['*'] is everyone"),
    Setting("path_prefix", _path_prefix, _LOOKS),
    Setting("now", _names, _DECIDES),
    Setting("exempt", _patterns, _DECIDES),
    Setting("max_age_days", read_days, _DECIDES),
    Setting("renew_before_days", read_optional_days, _DECIDES),
    Setting("warn_days", read_days, _DECIDES),
    Setting("deactivate_after_days", read_days, _DECIDES),
    Setting("idle_days", read_days, _DECIDES),
    Setting("delete_after_days", read_days, _DECIDES),
    Setting("unused_days", read_optional_days, _DECIDES),
    Setting("max_new_keys", read_optional_key_count, _DECIDES),
    Setting("benchmark", _benchmark, _DECIDES),
    Setting("owner_tag", _text, _DECIDES),
    Setting("tag_policy", _bool, _DECIDES),
    Setting("account_id", _account_id, ENTRY_POINTS),
    Setting("report_file", _report_file, _REPORTS),
    Setting("report_key_ids", _bool, _REPORTS),
    Setting("fail_on_drift", _bool, _REPORTS),
    Setting("access_key_id", _text, ("revoke", "rollback"), ("revoke",), "it takes the id of the key that leaked"),
    Setting("replace", _bool, ("revoke",)),
    Setting(
        "user_name",
        _user_name,
        ("rollback", "adopt"),
        ("rollback", "adopt"),
        "it takes the name of the user whose key it is",
    ),
    Setting("profile", _text, ("adopt", "rotate_self")),
    Setting("csv", _path, ("adopt",)),
    Setting("hold_days", read_days, ("rollback",)),
    Setting(
        "vault_file",
        _path,
        ENTRY_POINTS,
        ("main", "rollback", "adopt", "rotate_self"),
        "name the Ansible Vault file in which new secrets are kept",
    ),
    Setting("vault_id", _text, _KEEPS),
    Setting("verify_delay", _seconds, (*_ROTATES, "revoke")),
    Setting("verify_timeout", _seconds, _KEEPS),
    Setting("on_stored", _task_file, _KEEPS),
    Setting("on_promoted", _task_file, _CARRIES),
)
