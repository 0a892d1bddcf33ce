"""Cleaning follows the declaration, by record, and refuses with column and counts."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InvalidRows
from ringfence.quality import clean
from ringfence.schema import DatasetSchema, parse_schema


def schema(column: str, top: str = "") -> DatasetSchema:
    return parse_schema(f"{top}\ncolumns: [{{name: x, {column}}}]", "schema")


def cleaned(values: object, column: str) -> list[object]:
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return clean(pa.table({"x": array}), schema(column)).table.column("x").to_pylist()


def refusal(values: object, column: str) -> str:
    with pytest.raises(InvalidRows) as caught:
        cleaned(values, column)
    return str(caught.value)


NUMBER = "type: number, minimum: 0, maximum: 10"


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        (["1", "+2.5", " .5 ", "3.", "1e1"], NUMBER, [1, 2.5, 0.5, 3, 10]),
        ([1, 2, 3], NUMBER, [1, 2, 3]),
        ([1.0, 2.0], "type: integer, minimum: 0, maximum: 10", [1, 2]),
        ([True, False], NUMBER, [1, 0]),
        ([1.0, float("nan"), None, 99.0, -1.0], NUMBER + ", missing: drop, out_of_range: drop", [1]),
        ([5.0, 99.0, -1.0, float("inf")], NUMBER + ", out_of_range: clip", [5, 10, 0, 10]),
        ([None, 4], "type: integer, minimum: 0, maximum: 10, missing: 7", [7, 4]),
        ([None, 99, 4], "type: integer, minimum: 0, maximum: 10, missing: 7, out_of_range: drop", [7, 4]),
        ([123456789012.0, None], "type: category, values: ['123456789012'], missing: drop", ["123456789012"]),
        ([4, 2**62, -(2**62)], "type: integer, minimum: 0, maximum: 10, out_of_range: clip", [4, 10, 0]),
        ([4.5, 5.0], "type: integer, minimum: 0, maximum: 10, out_of_range: drop", [5]),
        (
            ["a", " b", "zz", None],
            "type: category, values: [a, b, o, m], out_of_range: o, missing: m",
            ["a", "b", "o", "m"],
        ),
        ([1, 2], 'type: category, values: ["1", "2"]', ["1", "2"]),
        ([1.0, None, 2.0], 'type: category, values: ["1", "2"], missing: drop', ["1", "2"]),
        ([True, False], "type: category, values: ['true', 'false']", ["true", "false"]),
        (["yes", "N", "TRUE", "0"], "type: boolean", [True, False, True, False]),
        ([1, 0], "type: boolean", [True, False]),
        ([1.0, 0.0, None], "type: boolean, missing: 'false'", [True, False, False]),
        ([1, 5], "type: boolean, out_of_range: drop", [True]),
    ],
)
def test_values_are_read_and_treated_as_declared(values: list[object], column: str, expected: list[object]) -> None:
    assert cleaned(values, column) == expected


def test_dictionary_large_and_chunked_text_is_text() -> None:
    column = "type: category, values: [a, b]"
    assert cleaned(pa.array(["a", "b"]).dictionary_encode(), column) == ["a", "b"]
    assert cleaned(pa.array(["a", "b"], pa.large_string()), column) == ["a", "b"]
    chunked = pa.table({"x": pa.chunked_array([["a"], ["b"]])})
    assert clean(chunked, schema(column)).table.column("x").to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        ([1.0, 11.0, -3.0], NUMBER, "column 'x': 2 of 3 values are not numbers from 0 to 10"),
        (["1", "hello"], NUMBER, "column 'x': 1 of 2 values are not numbers from 0 to 10"),
        (["1", "hello"], NUMBER + ", out_of_range: clip", "column 'x': 1 of 2 values are not numbers;"),
        ([1.5], "type: integer, minimum: 0, maximum: 9, out_of_range: clip", "1 of 1 values are not whole numbers"),
        ([None, 1.0], NUMBER, "column 'x': 1 of 2 values are missing"),
        ([None, "", " "], NUMBER, "column 'x': 3 of 3 values are missing"),
        (["c"], "type: category, values: [a, b]", "column 'x': 1 of 1 values are not among the declared values"),
        (["maybe"], "type: boolean", "column 'x': 1 of 1 values are not true or false"),
        ([datetime.datetime(2020, 1, 1)], NUMBER, "column 'x' holds timestamp[us], which cannot be read as number"),
        ([[1]], "type: category, values: [a]", "which cannot be read as category"),
    ],
)
def test_refusals_name_column_and_count_but_no_value(values: list[object], column: str, expected: str) -> None:
    line = refusal(values, column)
    assert expected in line and "\n" not in line
    assert not any(text in line for text in ("hello", "maybe", "11", "1.5"))


def test_an_unknown_category_is_dropped_even_when_a_value_is_called_drop() -> None:
    assert cleaned(["c", "drop"], "type: category, values: [drop, a], out_of_range: drop") == ["drop"]
    assert "not among the declared values" in refusal(["c"], "type: category, values: [refuse, a]")


def test_missing_columns_are_named_with_the_nearest() -> None:
    with pytest.raises(InvalidRows, match=r"rows\.csv: the rows have no column 'x'; did you mean 'X'\?"):
        clean(pa.table({"X": [1]}), schema(NUMBER), where="rows.csv")


def test_a_column_given_twice_is_refused() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(InvalidRows, match="column 'x' more than once"):
        clean(table, schema(NUMBER))


def test_a_unit_column_with_nulls_is_refused() -> None:
    declared = parse_schema("columns: [{name: p, type: identifier, role: unit}, {name: x, type: boolean}]", "s")
    with pytest.raises(InvalidRows, match=r"column 'p' \(the unit\): 1 of 2 values are missing"):
        clean(pa.table({"p": ["a", None], "x": [True, False]}), declared)


def test_only_declared_columns_remain_in_declared_order_and_type() -> None:
    declared = parse_schema(
        "columns: [{name: b, type: boolean}, {name: n, role: ignore}, {name: a, type: boolean}]", "s"
    )
    table = clean(pa.table({"a": [1], "n": ["secret"], "b": [0], "other": [2]}), declared).table
    assert table.column_names == ["b", "a"] and table.schema == declared.arrow_schema()


def test_one_record_counts_in_each_column_but_is_dropped_once() -> None:
    declared = parse_schema(
        "columns: [{name: a, type: boolean, missing: drop}, {name: b, type: boolean, missing: drop}]", "s"
    )
    result = clean(pa.table({"a": [1, None, None], "b": [1, None, 0]}), declared)
    assert (result.read, result.kept, result.dropped) == (3, 1, 2)
    assert (result.columns["a"].missing, result.columns["b"].missing) == (2, 1)


def test_exact_duplicates_go_only_when_declared_and_the_first_stays() -> None:
    rows = pa.table({"x": [3.0, 1.0, 3.0, 2.0, 1.0]})
    kept = clean(rows, schema(NUMBER, "drop_exact_duplicates: true"))
    assert kept.table.column("x").to_pylist() == [3, 1, 2] and kept.duplicates == 2
    assert clean(rows, schema(NUMBER)).kept == 5


def test_no_rows_are_clean() -> None:
    assert clean(pa.table({"x": pa.array([], pa.float64())}), schema(NUMBER)).kept == 0
    assert clean(pa.table({"x": pa.array([], pa.null())}), schema(NUMBER)).kept == 0


def test_a_large_table_is_cleaned_without_loops_over_rows() -> None:
    rows = pa.table({"x": np.random.default_rng(0).normal(5, 5, 110_000)})
    assert 60_000 < clean(rows, schema(NUMBER + ", out_of_range: drop")).kept < 100_000
