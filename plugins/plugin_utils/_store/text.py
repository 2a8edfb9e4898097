# Copyright (c) 2026 keyturn contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decrypted file's text, in pieces: one an entry, so that a change dumps one entry and leaves the rest, comments
too, as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import yaml
from ansible_collections.keyturn.iam.plugins.module_utils._entry import Entry
from ansible_collections.keyturn.iam.plugins.module_utils._errors import StoreError

KEYS = "iam_access_keys"
NULL = "tag:yaml.org,2002:null"
TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"
_OPENING = re.compile(rf"""^(["']?){KEYS}\1 *:(?= *(?:#.*)?\r?$)""", re.MULTILINE)
_END_OF_DOCUMENT = re.compile(r"^\.\.\.(?=\s|$)", re.MULTILINE)
# Entries read at a time: YAML's nodes take twenty times the room of their text.
AT_ONCE = 200
# Where one of these is, an entry may mean another thing within its file than by itself.
_BEYOND_ITSELF = re.compile(r"[&*\r]|^%", re.MULTILINE)
_NOT_INDENTED = re.compile(r"^[^ #\n]", re.MULTILINE)
_INDENTED = re.compile(r"^( +)[^ #\n]", re.MULTILINE)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """A dumper that leaves a person's scalars as they were written."""


class _Scalar(str):
    """A scalar's text that knows how it was written: its tag (such as !vault) and its style."""

    tag: str
    style: str | None

    @classmethod
    def of(cls, node: yaml.ScalarNode) -> str:
        if node.tag == TEXT and node.style not in ("|", ">"):
            return str(node.value)
        scalar = cls(node.value)
        scalar.tag, scalar.style = node.tag, node.style
        return scalar


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    """Quoted where another reader of YAML could see a number, as in 098765432109; tagged strings of Ansible's as plain
    ones.
    """
    style = "'" if text[:1] in tuple("0123456789+-.") else None
    node: yaml.ScalarNode = dumper.represent_scalar(TEXT, str.__str__(text), style=style)
    return node


_Dumper.add_multi_representer(str, _represent_text)
_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(_Scalar, lambda _dumper, text: yaml.ScalarNode(text.tag, str(text), style=text.style))


@dataclass
class Text:
    """The decrypted file: what comes before the entries, each entry's own lines and those before it, and what comes
    after.

    `parsed` has each entry's fields, or the reason why it has none.
    """

    head: str = ""
    entries: dict[str, str] = field(default_factory=dict)
    tail: str = ""
    parsed: dict[str, Any] = field(default_factory=dict)
    between: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, path: str) -> Text:
        """Raises StoreError where the file is not a mapping, or its access keys are not one."""
        pieces = _pieces_in_turn(text, path)
        if pieces is None:
            text, section = _compose(text, path)
            if section is None:
                end = found.start() if (found := _END_OF_DOCUMENT.search(text)) else len(text)
                return cls(f"{_whole_lines(text[:end])}{KEYS}:\n", tail=text[end:])
            users = section[1]
            if not users.value or users.tag == NULL:
                end = _end_of_line(text, users.end_mark.index)
                return cls(
                    _whole_lines(text[: users.start_mark.index].rstrip(" ") + text[users.end_mark.index : end]),
                    tail=text[end:],
                )
            pieces = list(_pieces(text, users))
        if len({piece.name for piece in pieces}) != len(pieces):
            raise StoreError(f"{path} names a user twice under {KEYS}")
        return cls(
            text[: pieces[0].start],
            {piece.name: text[piece.start : piece.end] for piece in pieces},
            text[pieces[-1].end :],
            {piece.name: piece.fields for piece in pieces},
            {after.name: text[before.end : after.start] for before, after in pairwise(pieces)},
        )

    def __str__(self) -> str:
        if self.entries:
            return (
                self.head
                + "".join([self.between.get(name, "") + entry for name, entry in self.entries.items()])
                + self.tail
            )
        openings = list(_OPENING.finditer(self.head))
        end = openings[-1].end() if openings else len(self.head)
        return self.head[:end] + " {}" * bool(openings) + self.head[end:] + self.tail

    def put(self, user_name: str, entry: Entry) -> None:
        if entry.empty:
            return self._drop(user_name)
        fields = entry.to_mapping()
        lines = yaml.dump(
            {user_name: fields}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
        ).splitlines(keepends=True)
        if lines[-1] == "...\n":  # the dumper ends a document so after a person's |+ text
            lines.pop()
        if user_name not in self.entries and self.entries:
            last = next(reversed(self.entries))
            if not self.entries[last].endswith("\n"):
                self.entries[last] += "\n"
        self.entries[user_name] = "".join(f"{self._indent}{line}" for line in lines)
        self.parsed[user_name] = fields

    def _drop(self, user_name: str) -> None:
        """The entry goes; what a person wrote before it stays."""
        if user_name not in self.entries:
            return
        names, kept = list(self.entries), self.between.pop(user_name, "")
        following = names[names.index(user_name) + 1 :]
        if following and names[0] == user_name:
            self.head += self.between.pop(following[0], "")
        elif following:
            self.between[following[0]] = kept + self.between.get(following[0], "")
        else:
            self.tail = kept + self.tail
        del self.entries[user_name], self.parsed[user_name]

    @property
    def _indent(self) -> str:
        first = next(iter(self.entries.values()), "  ")
        return first[: len(first) - len(first.lstrip(" "))] or "  "


class _Piece(NamedTuple):
    """Where the lines of an entry are, and what it says."""

    name: str
    start: int
    end: int
    fields: Any


def _pieces(text: str, users: yaml.MappingNode, offset: int = 0) -> Iterator[_Piece]:
    """The entries of a mapping that stands in `text`, which begins at `offset` of the file."""
    for name, value in users.value:
        start, end = _line_start(text, name.start_mark.index), _end_of_line(text, _last_scalar(value))
        yield _Piece(name.value, offset + start, offset + end, _fields(value))


def _pieces_in_turn(text: str, path: str) -> list[_Piece] | None:
    """The entries of a large file, read some at a time; None where it is small, or is to be read as a whole."""
    cuts = _cuts(text)
    if not cuts:
        return None
    pieces: list[_Piece] = []
    try:
        if not _is_empty_section(text[: cuts[0]] + text[cuts[-1] :], cuts[0], path):
            return None
        for start, end in pairwise(cuts):
            part = text[start:end]
            users: Any = yaml.compose(part, Loader=_Loader)
            if not _are_entries(part, users):
                return None
            pieces += _pieces(part, users, start)
    except (yaml.YAMLError, RecursionError, StoreError):  # the whole says what is wrong with it
        return None
    return pieces


def _cuts(text: str) -> list[int]:
    """Where the entries begin and end, and where they can be cut between; nothing where that is not plain to see.

    A line that begins as far to the left as an entry's name ends whatever was before, but for a text in quotes or a
    list in brackets: cut there it is no YAML.
    """
    opening = _OPENING.search(text)
    if not opening or _BEYOND_ITSELF.search(text) or not text.endswith("\n"):
        return []
    start = _end_of_line(text, opening.start())
    end = found.start() if (found := _NOT_INDENTED.search(text, start)) else len(text)
    indent = _INDENTED.search(text, start, end)
    if not indent:
        return []
    names = re.compile(rf"^{indent[1]}[^ #\n]", re.MULTILINE).finditer(text, start, end)
    cuts = [match.start() for match in names][AT_ONCE::AT_ONCE]
    return [start, *cuts, end] if cuts else []


def _is_empty_section(text: str, end: int, path: str) -> bool:
    """Whether this is a mapping whose access keys, of which there are none, would begin at `end`."""
    section = _section(yaml.compose(text, Loader=_Loader), path)
    return section is not None and section[1].tag == NULL and _end_of_line(text, section[0].end_mark.index) == end


def _are_entries(part: str, users: Any) -> bool:
    """Whether each entry stands on lines of its own."""
    return isinstance(users, yaml.MappingNode) and all(
        isinstance(name, yaml.ScalarNode) and _on_own_line(part, name) for name, _value in users.value
    )


def _compose(text: str, path: str) -> tuple[str, tuple[Any, Any] | None]:
    """The text, in block style where it was not in pieces, and the nodes of `iam_access_keys`. Raises StoreError."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None and _says_nothing(root):  # no key may follow it
            text, root = text[: root.start_mark.index] + text[root.end_mark.index :], None
        section = _section(root, path)
        if isinstance(root, yaml.MappingNode) and not _in_pieces(text, root, section):
            text = yaml.serialize(_in_block_style(root), Dumper=_Dumper, width=10_000, allow_unicode=True)
            section = _section(yaml.compose(text, Loader=_Loader), path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise StoreError(f"{path} is encrypted, but not YAML inside{where}") from None
    except RecursionError:
        raise StoreError(f"{path} is encrypted, but its YAML holds itself or is nested too deeply") from None
    return text, section


def _says_nothing(root: yaml.Node) -> bool:
    return root.tag == NULL or (isinstance(root, yaml.MappingNode) and not root.value)


def _section(root: Any, path: str) -> tuple[Any, Any] | None:
    """The nodes of `iam_access_keys` and its users, None where the file has none yet."""
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode):
        raise StoreError(f"{path} is not a mapping inside: it must hold variables, as a vars file does")
    found = [(key, value) for key, value in root.value if key.value == KEYS]
    if len(found) > 1:
        raise StoreError(f"{path} has {KEYS} twice")
    for _key, value in found:
        if not isinstance(value, yaml.MappingNode) and value.tag != NULL:
            raise StoreError(f"{KEYS} in {path} is not a mapping of users")
        if isinstance(value, yaml.MappingNode) and not all(
            isinstance(name, yaml.ScalarNode) for name, _value in value.value
        ):
            raise StoreError(f"{KEYS} in {path} has a user whose name is not text")
    return found[0] if found else None


def _in_pieces(text: str, root: yaml.MappingNode, section: tuple[Any, Any] | None) -> bool:
    """Whether each entry stands on lines of its own that nothing else refers to, so that lines can be added and
    replaced.
    """
    if root.flow_style or root.start_mark.column > 0:
        return False
    if not text.endswith("\n") and _ends_in_block_scalar(root):
        return False
    if section is None:
        return True
    key, users = section
    if _has_anchors(text, key, root) or not _on_own_line(text, key):
        return False
    if not users.value or users.tag == NULL:
        return True
    indented = not users.flow_style and users.value[0][0].start_mark.column > 0
    return indented and all(_on_own_line(text, name) for name, _value in users.value)


def _on_own_line(text: str, name: yaml.ScalarNode) -> bool:
    start = name.start_mark.index
    return not text[_line_start(text, start) : start].strip() and text.startswith(
        (name.value, f'"{name.value}"', f"'{name.value}'"), start
    )


def _has_anchors(text: str, key: yaml.ScalarNode, root: yaml.MappingNode) -> bool:
    """Whether the entries hold anchors or aliases: an alias has the marks of what it refers to."""
    start = key.start_mark.index
    end = min(
        (other.start_mark.index for other, _value in root.value if other.start_mark.index > start), default=len(text)
    )
    if "&" not in text[start:end] and "*" not in text[start:end]:
        return False
    anchors = (yaml.AnchorToken, yaml.AliasToken)
    return any(
        isinstance(token, anchors) and start <= token.start_mark.index < end
        for token in yaml.scan(text, Loader=_Loader)
    )


def _ends_in_block_scalar(node: yaml.Node) -> bool:
    """Whether a newline added to the text would become part of its last value."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _end_of_line(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _last_scalar(node: yaml.Node) -> int:
    """The index of a node's last character; the end mark of a block lies beyond the comments that follow it."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return max(node.end_mark.index - 1, node.start_mark.index)


def _in_block_style(node: Any) -> yaml.Node:
    """The same document in block style, with aliases written out; unknown tags (such as !vault) stay."""
    if isinstance(node, yaml.MappingNode):
        return yaml.MappingNode(
            node.tag, [(_in_block_style(key), _in_block_style(value)) for key, value in node.value], flow_style=False
        )
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [_in_block_style(item) for item in node.value], flow_style=False)
    return yaml.ScalarNode(node.tag, node.value, style=node.style)


def _fields(node: yaml.Node) -> Any:
    try:
        return _value_of(node)
    except ValueError as error:
        return error


def _value_of(node: Any) -> Any:
    """A node's value, every scalar as it is written: an account id must not become a number, nor a date an object.

    Raises ValueError.
    """
    if isinstance(node, yaml.SequenceNode):
        return [_value_of(item) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return None if node.tag == NULL else _Scalar.of(node)
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if key.tag == MERGE:
            for defaults in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                merged = {**_value_of(defaults), **merged}
        elif not isinstance(key, yaml.ScalarNode):
            raise ValueError("has a field whose name is not text")
        elif key.value in own:  # one of the two would be lost
            raise ValueError(f"has {key.value} twice")
        else:
            own[key.value] = _value_of(value)
    return {**merged, **own}
