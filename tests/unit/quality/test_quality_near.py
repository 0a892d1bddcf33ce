"""Near copies and outliers are counted exactly, by the plain definition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.quality.near import near_duplicates, outliers
from ringfence.schema import Column

NAMES = ("a", "b", "c")
COLUMNS = tuple(Column(name=name, type="integer", minimum="0", maximum="9") for name in NAMES)
records = st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=12)


@given(records)
@settings(deadline=None, max_examples=150)
def test_a_near_copy_equals_another_record_in_all_columns_but_one(rows):
    table = pa.table({name: pa.array([row[place] for row in rows], pa.int64()) for place, name in enumerate(NAMES)})
    near = sum(any(sum(x != y for x, y in zip(row, other, strict=True)) == 1 for other in rows) for row in rows)
    assert near_duplicates(table, COLUMNS) == {"looked_at": len(rows), "records": near}


def test_the_unit_column_does_not_hide_a_copy():
    columns = (*COLUMNS[:2], Column(name="patient", type="identifier", role="unit"))
    table = pa.table({"a": [1, 1], "b": [2, 3], "patient": ["p", "q"]})
    assert near_duplicates(table, columns)["records"] == 2


def test_values_beyond_the_outer_fences_are_outliers():
    values = [*range(101), 50 + 176, -126, 50 + 174]  # quartiles about 25 and 75: fences at about -126 and 226
    low, high = np.quantile(values, [0.25, 0.75])
    expected = sum(value < low - 3 * (high - low) or value > high + 3 * (high - low) for value in values)
    assert outliers(pa.chunked_array([values])) == expected
    assert outliers(pa.chunked_array([[0.0] * 9 + [10.0**6]])) == 1
    assert outliers(pa.chunked_array([pa.array([], pa.float64())])) == 0
