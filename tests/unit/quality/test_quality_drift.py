"""Drift between versions by the population stability index, from the sealed reports alone."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.quality import clean, report
from ringfence.quality.drift import drift, stability
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    """
columns:
- {name: age, type: number, minimum: 0, maximum: 100}
- {name: ward, type: category, values: [a, b]}
""",
    "schema",
)


def sealed(centre: float, share: float) -> dict:
    draw = np.random.default_rng(1)
    age = np.clip(draw.normal(centre, 10, 2000), 0, 100)
    ward = np.where(draw.random(2000) < share, "a", "b")
    rows = pa.table({"age": age, "ward": ward})
    return report(rows, clean(rows, SCHEMA), SCHEMA)


def test_a_column_that_moved_comes_first_and_one_that_stayed_is_near_zero():
    found = drift(sealed(40, 0.5), sealed(60, 0.5))
    assert list(found) == ["age", "ward"]
    assert float(found["age"]) > 0.25 and float(found["ward"]) < 0.1


def test_the_index_is_the_published_sum():
    before, after = [600, 400], [500, 500]
    p, q = (600.5 / 1001, 400.5 / 1001), (500.5 / 1001, 500.5 / 1001)
    expected = sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert stability(before, after) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=10))
def test_it_is_never_negative_and_zero_for_equal_counts(pairs):
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    assert stability(before, after) >= 0
    assert stability(before, before) == 0


def test_columns_that_cannot_be_compared_are_left_out():
    other = {"columns": {"age": {"mean": "1"}, "new": {"histogram": [1]}}}
    assert drift(sealed(40, 0.5), other) == {}
