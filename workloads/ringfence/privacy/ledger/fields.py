"""Strict conversion between an entry's body (JSON) and its dataclass: no field missing or unknown, types exact."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

from ringfence.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class Body:
    """Base of the bodies of ledger entries; a subclass checks its values in `__post_init__` (InvalidInput)."""

    kind: ClassVar[str] = ""
    """The name of this kind of entry; empty for a part of one."""

    def to_body(self) -> dict[str, Any]:
        """The JSON object of this body."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_body(cls, body: object) -> Self:
        """The body of a JSON object. Raises InvalidInput for an unknown or missing field or a value of another type."""
        hints = _hints(cls)
        if not isinstance(body, dict):
            raise InvalidInput("the body is not an object")
        for name in sorted(set(body) ^ set(hints)):
            raise InvalidInput(f"field {name[:60]!r} is {'missing' if name in hints else 'unknown'}")
        return cls(**{name: _typed(hint, body[name], name) for name, hint in hints.items()})


_HINTS: dict[type[Body], dict[str, Any]] = {}


def _hints(cls: type[Body]) -> dict[str, Any]:
    """The annotated type of each field; reading them is slow, so it is done once a class."""
    if cls not in _HINTS:
        hints = get_type_hints(cls)
        _HINTS[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _HINTS[cls]


def _plain(value: Any) -> Any:
    if isinstance(value, Body):
        return value.to_body()
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _typed(hint: Any, value: Any, name: str) -> Any:
    """`value` as the annotated type: str, int, a Body, a tuple of one of these, or None where allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        if isinstance(value, list):
            return tuple(_typed(get_args(hint)[0], item, name) for item in value)
    elif issubclass(hint, Body):
        return hint.from_body(value)
    elif type(value) is hint:  # a bool is no integer here
        return value
    raise InvalidInput(f"field {name!r} has the wrong type")
