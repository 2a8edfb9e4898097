# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a file of tasks can be included later: what is wrong with it is said before any key is made.

ansible-core loads it here as it will then, when a file that it cannot read ends the whole run; and the files that this
one includes, where their names stand in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible.playbook.block import Block
from ansible.playbook.helpers import load_list_of_tasks
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task import Task
from ansible.playbook.task_include import TaskInclude

_META = ("meta", "ansible.builtin.meta", "ansible.legacy.meta")
_OF_THE_SECRET = re.compile(r"\{\{.*(keyturn\.iam\.access_key|secret_access_key|ses_smtp_password)")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def task_file_problems(variable: str, path: str | None, including: Task) -> list[str]:
    """One sentence for what keeps the file from being included by the role, of which `including` is a task; or none."""
    if path is None:
        return []
    try:
        _load(including, (path,))
    except ValueError as error:
        reason = " ".join(str(error).strip().splitlines()[:2]).rstrip(".")
        return [f"{variable} {path} is not a file of tasks: {reason}"]
    return []


def _load(including: Task, files: tuple[str, ...]) -> None:
    """Loads the last of the files, which the one before it includes, and what it includes. Raises ValueError."""
    path, loader = files[-1], including.get_loader()
    where = f"in {path}: " if len(files) > 1 else ""
    try:
        found = loader.load_from_file(path)
        if not isinstance(found, list):
            raise ValueError("it must be a list of tasks" if found else "it is empty")
        tasks = load_list_of_tasks(
            [{"ansible.builtin.import_tasks": path}],
            play=including.get_play(),
            block=Block(play=including.get_play()),
            role=including._role,
            variable_manager=including.get_variable_manager(),
            loader=loader,
        )
    except (AnsibleError, ValueError) as error:
        raise ValueError(f"{where}{getattr(error, 'message', error)}") from error
    for task in _tasks(tasks):
        if problem := _problem(task):
            raise ValueError(f"{where}{problem}")
        for name in _included_names(task):
            file = _resolved(name, os.path.dirname(task.get_path().rpartition(":")[0]), including)
            if file not in files:  # one that includes itself does so by a condition
                _load(including, (*files, file))


def _tasks(found: list[Any]) -> Iterator[Task]:
    for one in found:
        if isinstance(one, Block):
            yield from _tasks([*one.block, *one.rescue, *one.always])
        else:
            yield one


def _problem(task: Task) -> str | None:
    """Why the task does something else here than it seems to."""
    if task.notify:
        return (
            "a task of it notifies a handler, and handlers run at the end of the play, when the old key may be off "
            "already: restart in a task"
        )
    if _OF_THE_SECRET.search(str(task.name or "")):
        return "the name of a task of it has the secret, and names are shown as they are: leave it out there"
    ends = str(task.args.get("_raw_params") or "").strip()
    if task.action in _META and ends.startswith("end_"):
        return f"meta: {ends} would end the rotation, without a report: use when"
    return None


def _included_names(task: Task) -> list[str]:
    """The files that it includes by names that stand there, be it in its loop."""
    if not isinstance(task, TaskInclude) or isinstance(task, IncludeRole):
        return []
    name = str(task.args.get("_raw_params") or "")
    variable = _VARIABLE.fullmatch(name)
    of_loop = variable is not None and variable[1] == (task.loop_control.loop_var or "item")
    names = task.loop if of_loop and isinstance(task.loop, list) else [name]
    return [str(one) for one in names if one and isinstance(one, str) and "{{" not in one]


def _resolved(name: str, folder: str, including: Task) -> str:
    """The file of that name which ansible-core takes: the role's own comes before what lies in the same folder.

    Raises ValueError where it does, and where there is none.
    """
    role_folder = including._role._role_path
    taken = str(including.get_loader().path_dwim_relative(role_folder, "tasks", name, is_role=True))
    file = next((one for one in (taken, os.path.join(folder, name)) if os.path.isfile(one)), None)
    if file is None:
        raise ValueError(f"it includes {name}, which does not exist")
    collection = os.path.dirname(os.path.dirname(role_folder))
    if file.startswith(collection + os.sep) and not os.path.samefile(os.path.dirname(file), folder):
        raise ValueError(f"it includes {name}, and the role has a file of that name, which comes first: rename yours")
    return os.path.realpath(file)
