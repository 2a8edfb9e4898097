# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for the person at the screen, beside what the callback prints: how wide, in which colours, whether at all."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.plugins.loader import callback_loader
from ansible.utils.color import stringc
from ansible.utils.display import Display

LEAST_WIDTH = 72
WIDTH_WITHOUT_TERMINAL = 100
COLOURS = {
    "person": C.COLOR_ERROR,
    "done": C.COLOR_CHANGED,
    "waiting": C.COLOR_SKIP,
    "ahead": C.COLOR_SKIP,
    "well": C.COLOR_OK,
}
"""Of each group of users in a report, as Ansible colours what it says itself."""
# What prints for people without being made from the default callback.
FOR_PEOPLE = ("minimal", "oneline", "tree", "selective", "counter_enabled")


def _terminal() -> int:
    """How many columns the terminal has; 0 where there is none."""
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
    except (OSError, ValueError):
        return 0


# Asked for when Ansible loads the plugin, in its own process: the worker that runs the task has no terminal.
_TERMINAL = _terminal()


def screen_width() -> int:
    """As wide as the terminal, or as COLUMNS says, and wide enough for a table."""
    told = os.environ.get("COLUMNS", "")
    columns: int = int(told) if told.isascii() and told.isdecimal() and len(told) < 5 else 0
    return max(LEAST_WIDTH, columns or _TERMINAL or WIDTH_WITHOUT_TERMINAL)


def paint(text: str, group: str) -> str:
    """The text in the colour of such users, where Ansible has colour."""
    return str(stringc(text, COLOURS[group])) if text else text


def say(text: str, color: str | None = None, painted: str | None = None) -> None:
    """Prints the text as it is, where standard output is read by people: to a program it would be no JSON.

    In one `color`; or `painted`, which is the same with several, for the screen, while Ansible's log gets the text.
    """
    if not is_for_people(C.DEFAULT_STDOUT_CALLBACK):
        return
    if painted is None or painted == text:
        Display().display(text, color=color)
        return
    Display().display(painted, screen_only=True)
    Display().display(text, log_only=True)


def is_task_named_late() -> bool:
    """Whether the callback names a task with its result only, since what is ok or skipped is not shown."""
    shown = [_option_of_callback(name) for name in ("display_ok_hosts", "display_skipped_hosts")]
    return not all(shown)


def _option_of_callback(name: str) -> Any:
    try:
        return C.config.get_config_value(name, plugin_type="callback", plugin_name=C.DEFAULT_STDOUT_CALLBACK)
    except AnsibleError:  # a callback without it
        return True


@cache
def is_for_people(callback: str) -> bool:
    """Whether what the callback prints is for people, as all is that builds on Ansible's default (AWX's does, too)."""
    if callback.rpartition(".")[2] in FOR_PEOPLE:
        return True
    found = callback_loader.get(callback, class_only=True)
    return isinstance(found, type) and issubclass(found, DefaultCallback)
