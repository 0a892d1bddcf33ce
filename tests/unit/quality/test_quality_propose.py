"""A proposed schema accepts its own rows, exposes no extreme or rare record, and says what to review."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InvalidInput
from ringfence.quality import check_cleaned, clean, proposal_text, propose_schema
from ringfence.quality.friendly import friendly_range
from ringfence.schema import parse_schema

N = 1000
GENERATOR = np.random.default_rng(0)
ROWS = pa.table(
    {
        "record": np.arange(N),
        "salary": np.append(GENERATOR.lognormal(10, 0.3, N - 1), 9_876_543.0),
        "month": GENERATOR.integers(1, 13, N),
        "gappy": np.where(GENERATOR.random(N) < 0.3, np.nan, GENERATOR.normal(0, 1, N)),
        "ward": ["rare-disease" if i == 7 else "abc"[i % 3] for i in range(N)],
        "name": [f"person {i}" for i in range(N)],
        "day": [datetime.date(2020, 1, 1)] * N,
        "constant": [5] * N,
        "flag": GENERATOR.integers(0, 2, N),
        "y": ["yes" if i % 4 else "no" for i in range(N)],
    }
)
PROPOSED = propose_schema(ROWS, target="y")


def test_types_and_roles() -> None:
    kinds = {column.name: (column.type, column.role) for column in PROPOSED.columns}
    assert kinds["month"] == ("integer", "feature") and kinds["salary"] == ("number", "feature")
    assert kinds["flag"] == ("boolean", "feature") and kinds["ward"] == ("category", "feature")
    assert kinds["y"] == ("category", "target")
    assert {name for name, (_, role) in kinds.items() if role == "ignore"} == {"record", "name", "day", "constant"}


def test_ranges_are_rounded_outward_and_hide_the_extreme_record() -> None:
    assert (PROPOSED.column("month").minimum, PROPOSED.column("month").maximum) == ("1", "12")
    assert float(PROPOSED.column("salary").maximum or 0) < 200_000
    assert PROPOSED.column("salary").out_of_range == "clip"


def test_rare_categories_are_not_named() -> None:
    assert PROPOSED.column("ward").values == ("a", "b", "c", "other")
    assert PROPOSED.column("ward").out_of_range == "other"
    assert "rare-disease" not in proposal_text(PROPOSED)


def test_the_text_parses_back_and_tells_what_becomes_public() -> None:
    text = proposal_text(PROPOSED)
    assert parse_schema(text, "proposed") == PROPOSED
    assert "becomes PUBLIC" in text and "class 1 is 'yes'" in text and "No column is the target yet" not in text
    assert "No column is the target yet" in proposal_text(propose_schema(ROWS))


def test_the_rows_pass_their_own_proposal() -> None:
    result = clean(ROWS, PROPOSED)
    check_cleaned(result, PROPOSED)
    assert result.kept == N


def test_values_that_yaml_would_bend_survive() -> None:
    rows = pa.table({"a": ["no", "on", "1e3", "'x'", "#y: z"] * 100, "#b: 'c": [1, 2, 3, 4, 5] * 100})
    schema = propose_schema(rows)
    assert parse_schema(proposal_text(schema), "s") == schema
    assert set(schema.column("a").values) == {"no", "on", "1e3", "'x'", "#y: z"}


def test_the_unit_is_an_identifier() -> None:
    unit = propose_schema(ROWS, target="y", unit="name").unit_column
    assert unit is not None and (unit.name, unit.type) == ("name", "identifier")


@pytest.mark.parametrize(
    ("rows", "target", "expected"),
    [
        (ROWS, "Y", "the rows have no column 'Y' for the target; did you mean 'y'?"),
        (ROWS, "constant", "column 'constant' cannot be a target"),
        (ROWS.slice(0, 0), None, "there are no rows to propose a schema from"),
        (ROWS.select(["name", "day"]), None, "no column can be used as a feature"),
    ],
)
def test_what_cannot_be_proposed_is_said(rows: pa.Table, target: str | None, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        propose_schema(rows, target=target)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (17.2, 96.1, False, ("0", "100")),
        (-43, 1301, True, ("-100", "1400")),
        (1, 12, True, ("1", "12")),
        (0.0123, 0.0456, False, ("0", "0.046")),
        (1000.5, 1001.5, False, ("1000.5", "1001.5")),
        (5, 5, True, None),
        (0, 1e16, False, None),
    ],
)
def test_friendly_bounds(low: float, high: float, whole: bool, expected: tuple[str, str] | None) -> None:
    assert friendly_range(low, high, whole=whole) == expected
