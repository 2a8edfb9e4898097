# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-core is told otherwise about a task of `rotation_on_promoted`, in the worker process that runs this one
task and ends with it. Nothing else that ansible-core offers does either:

- A host that cannot be reached is a failure. Else the rotation's own host is out of the play, no `rescue` is tried, and
  neither the other users nor the report have their turn; and with `ignore_unreachable` a key would be taken for carried
  that never arrived.
- What failed is not told. From 2.19 on the error is displayed although the task has `no_log`, and it may hold the
  secret; the report tells it without. Warnings of modules are displayed, too.
- What a connection does is not told at -vvv: its command lines have what a task gives by `environment` or `raw`.

An ansible-core that knows these names no more goes on as it is, and the tests say so.
"""

from __future__ import annotations

from multiprocessing import parent_process
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.executor import task_executor
from ansible.playbook.task import Task
from ansible.utils.display import Display


def in_worker(condition: Any) -> Any:
    """The condition of a task as it is: it is looked at in the process that runs the task."""
    if parent_process() is not None:
        _unreachable_is_a_failure()
        _no_error_is_displayed()
        _no_warning_is_displayed()
        _no_command_is_displayed()
    return condition


def _unreachable_is_a_failure() -> None:
    failure: Any = AnsibleConnectionFailure
    failure.omit_failed_key = False
    failure.as_task_result = lambda self, result: result  # from 2.21 on
    failure.result_contribution = {}  # 2.19 and 2.20
    if hasattr(task_executor, "AnsibleConnectionFailure"):  # before, it is caught by its name; nothing is caught by ()
        vars(task_executor)["AnsibleConnectionFailure"] = ()


def _no_error_is_displayed() -> None:
    censor = getattr(Task, "update_result_no_log", None)
    if censor is None or censor is _censored:
        return
    _as_it_was.append(censor)
    Task.update_result_no_log = _censored


def _no_warning_is_displayed() -> None:
    context = getattr(getattr(task_executor, "_display_utils", None), "DeferredWarningContext", None)
    if context is not None:  # before 2.19 what warns in a result is censored with it
        context.capture = lambda self, warning: None


def _no_command_is_displayed() -> None:
    display = Display()
    display.verbosity = display.log_verbosity = 0


_as_it_was: list[Any] = []


def _censored(task: Task, templar: Any, result: Any) -> None:
    """The result, once it is known whether it is censored, without the error that is displayed all the same."""
    _as_it_was[0](task, templar, result)
    if isinstance(result, dict):  # 2.19 and 2.20
        result.pop("exception", None)
    else:
        result.exception = None
