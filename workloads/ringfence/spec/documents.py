"""YAML files as plain JSON values, read within bounds.

The reader takes the parser's events one by one and builds dictionaries, lists and scalars itself: no recursion that a
hostile file could exhaust, no aliases that multiply, no tags that make objects, no key twice. Unquoted scalars mean
what they mean to kubectl (`yes` is true, `1e-6` a number), so that one file is read alike on a laptop and in a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ringfence.errors import InvalidManifest
from ringfence.spec.bounds import DEEPEST, MOST_VALUES
from ringfence.spec.scalars import is_number, plain_scalar

LARGEST_FILE = 1024 * 1024

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_file(path: Path) -> str:
    """The text of a manifest file. Raises InvalidManifest when it is missing, too large or not UTF-8."""
    where = str(path)
    try:
        if path.is_dir():
            raise InvalidManifest("is a directory", where=where, remedy="name the files in it")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise InvalidManifest("no such file", where=where) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise InvalidManifest(f"cannot be read ({reason})", where=where) from error
    if len(data) > LARGEST_FILE:
        raise InvalidManifest(f"is larger than {LARGEST_FILE // 1024} KiB", where=where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidManifest(
            f"is not UTF-8 text (byte {error.start})", where=where, remedy="save it as UTF-8"
        ) from error


def documents(text: str, where: str) -> Iterator[Any]:
    """The documents of a YAML text, without the empty ones. Raises InvalidManifest with the line."""
    try:
        reader = _Reader(yaml.parse(text, Loader=_PARSER), where)
        for value in reader.documents():
            if value is not None:
                yield value
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidManifest(f"not valid YAML: {error.problem or error.context}", where=where + line) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidManifest(
            "not valid YAML: it holds characters or nesting that YAML forbids", where=where
        ) from error


class _Reader:
    """Builds values from events with a stack of its own instead of recursion."""

    def __init__(self, events: Iterator[Any], where: str) -> None:
        self._events = events
        self._where = where
        self._values = 0

    def documents(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                yield self._document()

    def _document(self) -> Any:
        root = _Node(sequence=True)
        stack = [root]
        for event in self._events:
            if isinstance(event, yaml.DocumentEndEvent):
                break
            self._admit(event, len(stack))
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
            elif isinstance(event, yaml.CollectionStartEvent):
                child = _Node(sequence=isinstance(event, yaml.SequenceStartEvent))
                self._add(stack[-1], child.value, event)
                stack.append(child)
            else:
                self._add(stack[-1], self._scalar(event), event)
        return root.value[0]

    def _add(self, parent: _Node, value: Any, event: Any) -> None:
        if parent.sequence:
            parent.value.append(value)
        elif parent.key is None:
            if not isinstance(value, str):
                raise self._fault("a field name must be text", event, "quote it")
            if value in parent.value:
                raise self._fault(f"field {_short(value)} appears twice in one mapping", event, "keep one of them")
            parent.key = value
        else:
            parent.value[parent.key] = value
            parent.key = None

    def _admit(self, event: Any, depth: int) -> None:
        """Refuse what could grow without bound or make anything but JSON."""
        self._values += 1
        if self._values > 2 * MOST_VALUES:
            raise self._fault(f"holds more than {MOST_VALUES} values", event)
        if depth > DEEPEST:
            raise self._fault(f"is nested deeper than {DEEPEST} levels", event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._fault("anchors and aliases are not accepted", event, "write the value out")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise self._fault(f"tag {_short(str(tag))} is not accepted", event, "remove it")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style or event.tag:
            return text
        if len(text) > 100 and is_number(text):
            raise self._fault("a number has more than 100 digits", event)
        return plain_scalar(text)

    def _fault(self, message: str, event: Any, remedy: str = "") -> InvalidManifest:
        return InvalidManifest(message, where=f"{self._where} line {event.start_mark.line + 1}", remedy=remedy)


class _Node:
    """A list or dictionary being filled; `key` waits for its value."""

    def __init__(self, *, sequence: bool) -> None:
        self.sequence = sequence
        self.value: Any = [] if sequence else {}
        self.key: str | None = None


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
