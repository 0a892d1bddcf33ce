"""Rows invented from a declared schema: valid under `clean`, and about nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ringfence.schema import Column, DatasetSchema
from ringfence.schema.arrays import arrow_type

_WORDS = 100  # of an invented text
_TEXT = ("a", "the", "one", "who", "found", "it", "good", "bad", "not", "too", "and", "price", "taste", "?", "1999")


def synthetic_rows(schema: DatasetSchema, records: int, seed: int = 0) -> pa.Table:
    """`records` rows with `schema.arrow_schema()`, each column uniform over its declared domain and independent.

    Equal arguments give equal rows. With two records or more every target of classes shows at least two of them.
    """
    generator = np.random.default_rng(seed)
    columns = [pa.array(_values(column, records, generator), arrow_type(column)) for column in schema.kept]
    return pa.Table.from_arrays(columns, schema=schema.arrow_schema())


def _values(column: Column, records: int, generator: np.random.Generator) -> Any:
    if column.type == "identifier":
        people = max(1, records // 4)
        return [f"invented-{number}" for number in generator.integers(0, people, records)]
    if column.type == "image":
        return [generator.bytes(column.size) for _ in range(records)]
    if column.type == "text":
        lengths = generator.integers(1, min(_WORDS, column.max_length or 1), records, endpoint=True)
        return [" ".join(generator.choice(_TEXT, length))[: column.max_length].strip() for length in lengths]
    if column.type == "number":
        low, high = column.bounds
        return np.clip(low + (high - low) * generator.random(records), low, high)
    if column.type == "integer":
        low, high = column.bounds
        values = generator.integers(int(low), int(high), records, endpoint=True)
        return _both(values, int(low), int(low) + 1) if column.role == "target" else values
    codes = generator.integers(0, len(column.classes), records)
    if column.role == "target" and len(column.classes) > 1:
        codes = _both(codes, 0, 1)
    return codes.astype(bool) if column.type == "boolean" else [column.values[code] for code in codes]


def _both(values: Any, first: int, second: int) -> Any:
    values[:1], values[1:2] = first, second
    return values
