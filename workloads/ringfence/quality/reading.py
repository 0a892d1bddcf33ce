"""Values of any Arrow type -> values of a declared type, by record.

A value is *missing* when it is null, NaN or empty text, and *unreadable* when it is there but is not of the declared
type (a word in a number column, an image of another size, bytes that are not UTF-8). Text is read without space at its
ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from ringfence.schema import Column

_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_TRUE = pa.array(["true", "t", "yes", "y", "1"])
_FALSE = pa.array(["false", "f", "no", "n", "0"])
_EXACT = 1e15  # whole numbers below it are exact in a double


@dataclass(frozen=True)
class Read:
    """`values`: null where nothing could be read; `unreadable`: true where something stood there all the same."""

    values: Any
    unreadable: Any

    def missing(self) -> Any:
        """True where there is no value at all."""
        return pc.and_not(self.values.is_null(), self.unreadable)


def read(values: Any, column: Column) -> Read | None:
    """Values as float64 (number, integer), bool (boolean), fixed-size binary (image) or string.

    None when the Arrow type cannot hold them.
    """
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if kinds.is_dictionary(flat.type):
        flat = flat.cast(flat.type.value_type)
    if kinds.is_null(flat.type):
        flat = flat.cast(pa.string())
    if column.ranged:
        return _numbers(flat, whole=column.type == "integer")
    if column.type == "boolean":
        return _booleans(flat)
    if column.type == "image":
        return _images(flat, column.size)
    if column.type == "text" and _is_bytes(flat.type):
        return _decoded(flat)
    text = _text(flat)
    return None if text is None else Read(text, _none(text))


def _numbers(values: Any, *, whole: bool) -> Read | None:
    given = _given(values)
    if kinds.is_string(given.type):
        legible = pc.match_substring_regex(given, _DECIMAL)
        plain = pc.utf8_ltrim(pc.if_else(legible, given, None), "+")
        numbers = plain.cast(pa.float64())
    elif kinds.is_integer(given.type) or kinds.is_floating(given.type) or kinds.is_decimal(given.type):
        numbers = given.cast(pa.float64(), safe=False)
    elif kinds.is_boolean(given.type):
        numbers = given.cast(pa.int8()).cast(pa.float64())
    else:
        return None
    if whole:
        legible = pc.or_kleene(pc.equal(pc.floor(numbers), numbers), pc.invert(pc.is_finite(numbers)))
        numbers = pc.if_else(legible, numbers, None)
    return Read(numbers, _lost(given, numbers))


def _booleans(values: Any) -> Read | None:
    given = _given(values)
    if kinds.is_boolean(given.type):
        return Read(given, _none(given))
    text = _text(given)
    if text is None:
        return None
    lower = pc.utf8_lower(text)
    true, false = pc.is_in(lower, value_set=_TRUE), pc.is_in(lower, value_set=_FALSE)
    truth = pc.if_else(pc.or_(true, false), true, None)
    return Read(truth, _lost(text, truth))


def _images(values: Any, size: int) -> Read | None:
    if not _is_bytes(values.type):
        return None
    if values.type == pa.binary(size):
        return Read(values, _none(values))
    given = values.cast(pa.large_binary())
    whole = pc.fill_null(pc.equal(pc.binary_length(given), size), False)
    images = pc.if_else(whole, given, pa.scalar(None, given.type)).cast(pa.binary(size))
    return Read(images, _lost(given, images))


def _decoded(values: Any) -> Read:
    """Bytes as UTF-8 text, each for itself: one that is damaged never decides over another."""
    given = values.cast(pa.binary())
    try:
        text = given.cast(pa.string())
    except pa.ArrowInvalid:
        text = pa.array([_utf8(value) for value in given.to_pylist()], pa.string())
    damaged = _lost(given, text)
    return Read(_given(text), damaged)


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (kinds.is_fixed_size_binary, kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
    return any(test(kind) for test in tests)


def _text(values: Any) -> Any:
    """Values as trimmed text; whole numbers without a point. None for types that have no plain text."""
    given = _given(values)
    kind = given.type
    if kinds.is_string(kind):
        return given
    if kinds.is_floating(kind):
        return _float_text(given.cast(pa.float64()))
    if kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_temporal(kind) or kinds.is_decimal(kind):
        return given.cast(pa.string())
    return None


def _float_text(numbers: Any) -> Any:
    """A column of whole numbers with gaps is often stored as floats: 3.0 is the category "3"."""
    whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), _EXACT))
    integers = pc.if_else(whole, numbers, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(integers, numbers.cast(pa.string()))


def _given(values: Any) -> Any:
    """The same values with null for NaN and for empty text, and all text of one Arrow type."""
    kind = values.type
    if kinds.is_floating(kind):
        return pc.if_else(pc.is_nan(values), None, values)
    if kinds.is_large_string(kind) or kinds.is_string_view(kind):
        values = values.cast(pa.string())
    if not kinds.is_string(values.type):
        return values
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), None, trimmed)


def _lost(given: Any, values: Any) -> Any:
    return pc.and_(given.is_valid(), values.is_null())


def _none(values: Any) -> Any:
    return pa.repeat(pa.scalar(False), len(values))
