# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person types, as it is typed: a task as YAML, a command for a shell.

Broken lines can be pasted as they stand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.keyturn.iam.plugins.plugin_utils._report.model import Remedy
from ansible_collections.keyturn.iam.plugins.plugin_utils._report.words import clean, columns, wrap

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+=@-]*")
_SOMETHING_ELSE = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null"))
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""")
_JSON_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|[^\s"])+""")
_CONTINUED = "    "


def remedy_lines(remedy: Remedy, width: int) -> list[str]:
    """What can be done, then the task or the command that does it, on lines of their own."""
    first, *more = wrap(clean(f"- {remedy.before_command}"), width - 2, whole_words=True)
    typed = task_lines(remedy.task, width - 2) if remedy.task else []
    if remedy.command:
        typed = command_lines(clean(remedy.command), width - 2)
    return [first, *(f"  {text}" for text in (*more, *typed))]


def task_lines(task: Mapping[str, Any], width: int) -> list[str]:
    """The task as an item of a list of tasks, in lines of at most so many columns, as far as its words let it.

    What is long stands in braces over several lines, which YAML reads as one.
    """
    lines: list[str] = []
    for name, value in task.items():
        start = "  " if lines else "- "
        lines += _filled([f"{start}{_scalar(name)}:", *_units(value)], width, _CONTINUED)
    return lines


def command_lines(command: str, width: int) -> list[str]:
    """The command, in lines that a shell reads as one. Words stay whole, but for JSON, which may have line breaks."""
    lines: list[str] = []
    for word in _WORD.findall(command):
        first, *others = _json_words(word) if columns(_CONTINUED + word) > width else [word]
        if lines and columns(f"{lines[-1]} {first} \\") <= width:
            lines[-1] = f"{lines[-1]} {first}"
        elif lines:
            lines[-1] = f"{lines[-1]} \\"
            lines.append(f"{_CONTINUED}{first}")
        else:
            lines.append(first)
        for part in others:  # within quotes a line ends without a backslash
            if columns(f"{lines[-1]} {part} \\") <= width:
                lines[-1] = f"{lines[-1]} {part}"
            else:
                lines.append(f"{_CONTINUED}{part}")
    return lines


def _json_words(word: str) -> list[str]:
    """The parts between which a mapping in single quotes may be broken; the word as it is where it is none."""
    is_mapping = word.startswith("'{") and word.endswith("}'") and word.count("'") == len("''")
    return _JSON_WORD.findall(word) if is_mapping else [word]


def _filled(units: Iterable[str], width: int, indent: str) -> list[str]:
    """The units in lines; a line ends between two units, or behind the name of a unit that is too long for one."""
    lines: list[str] = []
    for unit in units:
        if lines and columns(lines[-1]) + 1 + columns(unit) <= width:
            lines[-1] = f"{lines[-1]} {unit}"
        elif columns(indent + unit) > width and ": " in unit and not unit.startswith('"'):
            name, value = unit.split(": ", 1)
            lines += [f"{indent}{name}:", f"{indent}  {value}"]
        else:
            lines.append(f"{indent}{unit}" if lines else unit)
    return lines


def _units(value: Any) -> list[str]:
    """The value in parts that stay in one line each: `{user_name: ci,` and `active: false}`."""
    if isinstance(value, Mapping) and value:
        return _closed("{", [f"{_scalar(name)}: {_in_one_line(item)}" for name, item in value.items()], "}")
    if _is_list(value) and value:
        return _closed("[", [_in_one_line(item) for item in value], "]")
    return [_in_one_line(value)]


def _closed(opening: str, parts: list[str], closing: str) -> list[str]:
    *others, last = parts
    units = [*(f"{part}," for part in others), f"{last}{closing}"]
    return [f"{opening}{units[0]}", *units[1:]]


def _in_one_line(value: Any) -> str:
    if (isinstance(value, Mapping) or _is_list(value)) and value:
        return " ".join(_units(value))
    return _scalar(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _scalar(value: Any) -> str:
    """The value as YAML reads it within braces."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _SOMETHING_ELSE:
        return value
    return f'"{"".join(_characters(value))}"'


def _characters(text: str) -> Iterator[str]:
    """What a terminal does not show, or could be steered by, is written as YAML's escapes."""
    for character in text:
        if character in '"\\':
            yield f"\\{character}"
        elif character.isprintable():
            yield character
        else:
            yield f"\\U{ord(character):08x}"
