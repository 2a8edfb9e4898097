# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a current key is carried to where it is used: what the tasks of `rotation_on_promoted` are told, where they run,
and what came of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible import constants as C
from ansible_collections.keyturn.iam.plugins.plugin_utils._blot import without_secrets_of
from ansible_collections.keyturn.iam.plugins.plugin_utils._rotation import steps

Action = Mapping[str, Any]
Result = Mapping[str, Any]
_OF_CORE = "Task failed: "
_CENSORED = "<error censored due to no log>"  # in place of what SSH said
# What says nothing of the reason, which then is on the program's standard error.
_SAYS_NOTHING = ("non-zero return code", "MODULE FAILURE", "Module result deserialization failed")


def promoted(action: Action, tagged: Mapping[str, Any]) -> dict[str, Any]:
    """`rotation_promoted`: who gets which key, with the user's tags as `tagged`, a look at them, has them; no secret.

    `problem` says that the tags could not be read: tasks may decide by them, so that none is run then.
    """
    name = action["user_name"]
    user = next((one for one in tagged.get("users") or () if one["user_name"] == name), None)
    if user is None or user.get("error") or user.get("tags") is None:
        why = (user or {}).get("error") or tagged.get("msg") or "the user vanished meanwhile"
        return {"problem": f"The tags of user {name} could not be read: {why}"}
    return {"user_name": name, "access_key_id": action["access_key_id"], "tags": user["tags"]}


def connection(delegated_to: Mapping[str, Any]) -> str:
    """By which connection a task is run whose host has no ansible_connection; `delegated_to` is ansible_delegated_vars.

    A play's `connection: local`, which is for the rotation's own host, would count for the others, too: the key would
    go into a file of the controller.
    """
    return str(C.DEFAULT_TRANSPORT) if delegated_to else "local"


def carried(results: Iterable[Result], action: Action, msg: str | None = None) -> list[dict[str, Any]]:
    """The results so far with that of one more user; `msg` says why it failed."""
    came = {"failed": True, "msg": msg} if msg else {"changed": True}
    return [*map(dict, results), steps.outcome_of(action, came)]


def would_carry(results: Iterable[Result], actions: Iterable[Action]) -> list[dict[str, Any]]:
    """Check mode: the same with all of them, none of which was carried out."""
    return [*map(dict, results), *(steps.outcome_of(action, {"changed": True}) for action in actions)]


def failure(failed: Mapping[str, Any], task: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """Why a task failed: its name, the host it was delegated to, the first line of its message; without the secrets."""
    items = [one for one in failed.get("results") or () if isinstance(one, Mapping) and one.get("failed")]
    result = items[0] if items else failed
    message = _first_line(result.get("msg"))
    if not message or message.startswith(_SAYS_NOTHING):
        said = _first_line(result.get("stderr")) or _last_line(result.get("module_stderr"))
        message = ": ".join(part for part in (message, said) if part)
    host = _plain_host(task.get("delegate_to"))
    where = [str(task.get("name") or ""), f"on {host}" if host else ""]
    told = message.removeprefix(_OF_CORE) or "it failed without a message"
    told = told.replace(_CENSORED, f"ansible {host or 'HOST'} -m ansible.builtin.ping shows why")
    return without_secrets_of(": ".join(part for part in (" ".join(filter(None, where)), told) if part), secrets)


def _plain_host(delegate_to: Any) -> str:
    """A host that is a template still is not told."""
    return "" if "{{" in str(delegate_to) else str(delegate_to or "")


def _first_line(text: Any) -> str:
    return next(iter(_lines(text)), "")


def _last_line(text: Any) -> str:
    """Where a traceback says what went wrong."""
    return next(reversed(_lines(text)), "")


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]
