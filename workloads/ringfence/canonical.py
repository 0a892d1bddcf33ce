"""Canonical JSON: the one byte string that is hashed and signed.

Keys are sorted, there is no white space, text is UTF-8, and values are objects, arrays, strings, integers, booleans
or null. Floats are refused: a figure that is signed is an integer or a decimal string. (A subset of RFC 8785 for
integers below 2**53; larger integers are refused too.)
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ringfence.errors import InvalidInput

_LARGEST = 2**53 - 1


def encode(value: Any) -> bytes:
    """The canonical bytes of `value`. Raises InvalidInput for a float, an integer of 2**53 or more, a lone surrogate
    or a foreign type."""
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("canonical JSON cannot hold a lone surrogate") from error


def decode(data: bytes) -> Any:
    """The value whose canonical bytes are `data`; anything else is refused, so that re-encoding is the identity."""
    try:
        value = json.loads(data)
        same = encode(value) == data
    except (ValueError, RecursionError, InvalidInput) as error:
        raise InvalidInput("not canonical JSON") from error
    if not same:
        raise InvalidInput("JSON is not in canonical form (key order, spacing or duplicate keys)")
    return value


def digest(data: bytes | memoryview) -> str:
    """`sha256:<hex>` of the bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _check(value: Any) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > _LARGEST:
                raise InvalidInput("integer out of range for canonical JSON")
        case list() | tuple():
            for item in value:
                _check(item)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise InvalidInput("canonical JSON needs string keys")
                _check(item)
        case _:
            raise InvalidInput(f"canonical JSON cannot hold a {type(value).__name__}")
