# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plays of many small tasks, so that one start of ansible-playbook serves a whole story, and what is asked of their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from controller.runner import Run
from lab.client import Lab
from lab.messages import Request, UserState

ACCESS_KEY = "keyturn.iam.iam_access_key"
INFO = "keyturn.iam.iam_access_key_info"
WRITES = ("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey")
Task = dict[str, Any]


def key_task(
    name: str, user_name: str | None = None, check: bool = False, task: Mapping[str, Any] | None = None, **options: Any
) -> Task:
    """A task with iam_access_key that shows its diff and whose failure lets the play go on; `task`: further task keywords."""
    given = options if user_name is None else {"user_name": user_name, **options}
    return {
        "name": name,
        ACCESS_KEY: given,
        "register": name,
        "diff": True,
        "check_mode": check,
        "ignore_errors": True,
        **(task or {}),
    }


def info_task(name: str, task: Mapping[str, Any] | None = None, **options: Any) -> Task:
    return {"name": name, INFO: options, "register": name, "ignore_errors": True, **(task or {})}


def show(name: str) -> Task:
    """Prints what the variable `name` registered, its secret as a hash: the result itself is censored."""
    hashed = f"{{'secret_access_key': ({name}.secret_access_key | hash('sha256')) if {name}.secret_access_key is defined else None}}"
    return {"name": f"show {name}", "ansible.builtin.debug": {"msg": f"{{{{ {name} | combine({hashed}) }}}}"}}


def play(*tasks: Task, **keywords: Any) -> dict[str, Any]:
    return {"hosts": "localhost", "gather_facts": False, "tasks": list(tasks), **keywords}


def returned(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a task returned of its own: without what Ansible adds, and without values that are null."""
    from_aws = ("boto3_version", "botocore_version", "response_metadata", "error")
    # ansible-core 2.20 warns of what amazon.aws imports, in a module's result, and 2.22 says that it could read it.
    from_core = ("invocation", "failed", "exception", "deprecations", "ansible_parsed")
    return {
        name: value
        for name, value in result.items()
        if name not in (*from_aws, *from_core) and not name.startswith("_") and value is not None
    }


def pictured(result: dict[str, Any]) -> dict[str, Any]:
    """The result with its diff read: two texts with a line for each key, `AKIA…  Active, current`; those of a batch stay texts."""
    if "diff" not in result or isinstance(result["diff"], list):
        return result
    texts = {side: result["diff"][side] for side in ("before", "after")}
    assert all(isinstance(text, str) and (not text or text.endswith("\n")) for text in texts.values()), texts
    read = {side: dict(line.split("  ", 1) for line in text.splitlines()) for side, text in texts.items()}
    return {**result, "diff": {**result["diff"], **read}}


def ok(run: Run, name: str) -> dict[str, Any]:
    """The result of the one task of that name, which succeeded."""
    (found,) = run.tasks(name)
    assert found.status == "ok", f"{name}: {found.msg}\n{run}"
    return pictured(found.result)


def shown(run: Run, name: str) -> dict[str, Any]:
    """What the variable `name` registered, see `show`."""
    return pictured(returned(run.result(f"show {name}")["msg"]))


def refusal(run: Run, name: str, changed: bool = False) -> str:
    """The one sentence with which the task failed."""
    found = run.tasks(name)
    assert [one.status for one in found] == ["failed"], f"{name} did not fail\n{run}"
    message = found[0].msg
    assert message and "\n" not in message and "Traceback" not in message, message
    assert found[0].changed is changed, message
    assert message in run.output.replace("\\u2026", "…"), f"{message} is not on the screen\n{run}"
    return message


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def secrets(users: Iterable[UserState]) -> list[str]:
    return [key.secret_access_key for user in users for key in user.keys]


def later(date: str, **by: float) -> str:
    return (datetime.fromisoformat(date) + timedelta(**by)).isoformat()


def actions(lab: Lab, **of: Any) -> list[str]:
    return [request.action for request in lab.requests(**of)]


def writes(lab: Lab, user: str | None = None) -> list[Request]:
    return [request for request in lab.requests(user=user) if request.action in WRITES]


def files(folder: Path) -> dict[str, bytes | None]:
    """Every file below the folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
