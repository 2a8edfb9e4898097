# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file of tasks can be included later: what is wrong with it is said before any key is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.mod_args import ModuleArgsParser

_NESTED = ("block", "rescue", "always")


def task_file_problems(
    path: str | None, loader: DataLoader, own_host: str, own_variables: Mapping[str, Any]
) -> list[str]:
    """One sentence for what keeps `rotation_on_promoted` from being included, as far as the file says so itself.

    None where nothing does. `own_variables`: those of the rotation's own host.
    """
    if path is None:
        return []
    try:
        tasks = list(_tasks(loader.load_from_file(path)))
        for task in (one for one in tasks if not _inner(one)):
            ModuleArgsParser(dict(task), collection_list=task.get("collections")).parse()
    except (AnsibleError, ValueError) as error:
        reason = str(getattr(error, "message", error)).strip().split("\n", 1)[0].rstrip(".")
        return [f"rotation_on_promoted {path} is not a file of tasks: {reason}"]
    delegates = any(task.get("delegate_to") and not task.get("connection") for task in tasks)
    if delegates and not own_variables.get("ansible_connection"):
        return [
            f"rotation_on_promoted {path} delegates to other hosts, and the local connection of the play "
            f"would count for these too: set ansible_connection to local for {own_host} in the inventory"
        ]
    return []


def _tasks(found: Any) -> Iterator[Mapping[str, Any]]:
    """Every task and block of a list of tasks. Raises ValueError for what is none."""
    if not isinstance(found, list):
        raise ValueError("it must be a list of tasks" if found else "it is empty")
    for one in found:
        if not isinstance(one, Mapping):
            raise ValueError("each of its items must be a task")
        yield one
        for name in _inner(one):
            yield from _tasks(one[name] or [])


def _inner(one: Mapping[str, Any]) -> list[str]:
    """The lists of tasks that a block has; none for a task."""
    return [name for name in _NESTED if name in one]
