"""The free-form arguments of a task: the one place of a manifest where the author's own JSON goes.

Arguments reach the constructor of the task's class and nothing else, so floats are welcome here. They are bounded: at
most 32 names, 8 levels and 16 KiB as JSON.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_NAMES = 32
_DEPTH = 8
_BYTES = 16 * 1024
_EXACT = 2**53


def _bounded(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, checked, with 1.0 read as 1 (as the API server stores it, so that both digests agree)."""
    if len(arguments) > _NAMES:
        raise PydanticCustomError("arguments", f"has {len(arguments)} names, more than {_NAMES}")
    for name in arguments:
        if not (name.isascii() and name.isidentifier()):
            raise PydanticCustomError("arguments", "has a name that is no Python parameter name")
    plain = {name: _plain(value, _DEPTH) for name, value in arguments.items()}
    if len(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")) > _BYTES:
        raise PydanticCustomError("arguments", f"is larger than {_BYTES // 1024} KiB")
    return plain


def _plain(value: Any, depth: int) -> Any:
    if depth == 0:
        raise PydanticCustomError("arguments", f"is nested deeper than {_DEPTH} levels")
    match value:
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case list() | tuple():
            return [_plain(item, depth - 1) for item in value]
        case dict():
            return {str(name): _plain(item, depth - 1) for name, item in value.items()}
        case None | bool() | str() | float() | int():
            return value
    raise PydanticCustomError("arguments", "holds a value that is not JSON")


Arguments = Annotated[
    dict[str, Any],
    AfterValidator(_bounded),
    WithJsonSchema({"type": "object", "maxProperties": _NAMES, "x-kubernetes-preserve-unknown-fields": True}),
]


def without_floats(value: Any) -> Any:
    """`value` for a digest: every float becomes {"float": its shortest exact text}; the rest stays."""
    match value:
        case float():
            return {"float": repr(value)}
        case list() | tuple():
            return [without_floats(item) for item in value]
        case dict():
            return {name: without_floats(item) for name, item in value.items()}
    return value
