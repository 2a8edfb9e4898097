# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for the person at the screen, beside what the callback prints."""

from __future__ import annotations

from functools import cache

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

# What prints for people without being made from the default callback.
FOR_PEOPLE = ("minimal", "oneline", "tree", "selective", "counter_enabled")


def say(text: str, color: str | None = None) -> None:
    """Prints the text as it is, where standard output is read by people: to a program it would be no JSON."""
    if is_for_people(C.DEFAULT_STDOUT_CALLBACK):
        Display().display(text, color=color)


@cache
def is_for_people(callback: str) -> bool:
    """Whether what the callback prints is for people, as all is that builds on Ansible's default (AWX's does, too)."""
    if callback.rpartition(".")[2] in FOR_PEOPLE:
        return True
    found = callback_loader.get(callback, class_only=True)
    return isinstance(found, type) and issubclass(found, DefaultCallback)
