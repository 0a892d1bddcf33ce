"""Cleaned Arrow rows -> numpy arrays, by declared constants only.

B is the number of rows, F the number of columns. Nothing is measured on the rows, so one record's numbers never depend
on another record.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidRows
from ringfence.schema.columns import Column
from ringfence.schema.spelling import hint

_ARROW = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
    "text": pa.string(),
    "identifier": pa.string(),
}


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a cleaned column."""
    if column.type == "image":
        return pa.binary(column.size)
    return _ARROW[column.type or "identifier"]


def scaled(rows: Any, columns: tuple[Column, ...]) -> npt.NDArray[np.float32]:
    """float32 [B, F], each value within [-1, 1] when the rows are clean."""
    result = np.empty((rows.num_rows, len(columns)), dtype=np.float32)
    for position, column in enumerate(columns):
        middle, half = _frame(column)
        result[:, position] = (_numbers(rows, column) - middle) / half
    return result


def codes(rows: Any, columns: tuple[Column, ...]) -> npt.NDArray[np.int64]:
    """int64 [B, F]: positions among declared values."""
    result = np.empty((rows.num_rows, len(columns)), dtype=np.int64)
    for position, column in enumerate(columns):
        result[:, position] = _numbers(rows, column)
    return result


def target(rows: Any, column: Column) -> npt.NDArray[np.float32]:
    """float32 [B]: the class position, or the number as it is."""
    return np.asarray(_numbers(rows, column), dtype=np.float32)


def pixels(rows: Any, column: Column) -> npt.NDArray[np.uint8]:
    """uint8 [B, channels, height, width], without a copy."""
    values = _clean(rows, column)
    start = values.offset * column.size
    numbers = np.frombuffer(values.buffers()[1] or b"", np.uint8)[start : start + len(values) * column.size]
    return numbers.reshape(len(values), *(column.shape or ()))


def texts(rows: Any, column: Column) -> list[str]:
    """B texts."""
    found: list[str] = _clean(rows, column).to_pylist()
    return found


def _frame(column: Column) -> tuple[float, float]:
    """Middle and half-width of the declared range of the column's numbers or codes."""
    if column.ranged:
        low, high = Decimal(column.minimum or 0), Decimal(column.maximum or 0)
    else:
        low, high = Decimal(0), Decimal(max(len(column.classes) - 1, 1))
    return float((low + high) / 2), float((high - low) / 2)


def _numbers(rows: Any, column: Column) -> npt.NDArray[Any]:
    """[B] numbers of one column: values, 0 and 1, or codes. Raises InvalidRows unless the column is clean."""
    numbers: npt.NDArray[Any] = _clean(rows, column).to_numpy(zero_copy_only=False)
    return numbers


def _clean(rows: Any, column: Column) -> Any:
    """One column as an Arrow array of its declared type, a category as codes."""
    if rows.schema.get_field_index(column.name) < 0:
        raise InvalidRows(f"the rows have no column {column.name!r}", remedy=hint(column.name, rows.schema.names))
    values = rows.column(column.name)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if column.type == "category":
        values = pc.index_in(_as(values, pa.string(), column), value_set=pa.array(column.values, pa.string()))
    else:
        values = _as(values, arrow_type(column), column)
    if values.null_count:
        raise _unclean(column)
    return values


def _as(values: Any, kind: pa.DataType, column: Column) -> Any:
    try:
        return values if values.type == kind else values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise _unclean(column) from None


def _unclean(column: Column) -> InvalidRows:
    return InvalidRows(
        f"column {column.name!r} holds values that its declaration does not allow",
        remedy="clean the rows with the declared schema first",
    )
