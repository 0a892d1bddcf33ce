"""Rows become numbers by declared constants only."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InvalidRows, InvalidSchema
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    """
columns:
- {name: age, type: integer, minimum: 0, maximum: 110}
- {name: ward, type: category, values: [a, b, c]}
- {name: smoker, type: boolean}
- {name: late, type: category, values: ["no", "yes"], role: target}
""",
    "schema",
)
ROWS = pa.table(
    {"age": [0, 110, 55], "ward": ["a", "c", "b"], "smoker": [True, False, True], "late": ["no", "yes", "no"]}
)


def test_scaled_has_one_column_a_feature_within_minus_one_and_one() -> None:
    expected = [[-1, -1, 1], [1, 1, -1], [0, 0, 1]]
    np.testing.assert_array_equal(SCHEMA.scaled(ROWS), np.array(expected, np.float32))
    assert SCHEMA.scaled(ROWS).dtype == np.float32 and SCHEMA.scaled(ROWS).shape[1] == len(SCHEMA.features)


def test_scaled_of_chosen_columns() -> None:
    np.testing.assert_array_equal(SCHEMA.scaled(ROWS, SCHEMA.numeric), [[-1, 1], [1, -1], [0, 1]])


def test_codes_are_positions_among_declared_values() -> None:
    codes = SCHEMA.codes(ROWS)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, [[0], [2], [1]])


def test_target_of_classes_is_their_position_and_of_a_number_itself() -> None:
    np.testing.assert_array_equal(SCHEMA.target(ROWS), np.array([0, 1, 0], np.float32))
    number = parse_schema(
        "columns: [{name: x, type: boolean}, {name: y, type: number, minimum: 0, maximum: 9, role: target}]", "s"
    )
    np.testing.assert_array_equal(number.target(pa.table({"y": [2.5, 9.0]})), np.array([2.5, 9.0], np.float32))


def test_a_batch_of_record_batches_and_no_rows_work_alike() -> None:
    np.testing.assert_array_equal(SCHEMA.scaled(ROWS.to_batches()[0]), SCHEMA.scaled(ROWS))
    assert SCHEMA.scaled(ROWS.slice(0, 0)).shape == (0, 3) and SCHEMA.codes(ROWS.slice(0, 0)).shape == (0, 1)


def test_numbers_of_a_row_do_not_depend_on_other_rows() -> None:
    for row in range(3):
        np.testing.assert_array_equal(SCHEMA.scaled(ROWS.slice(row, 1))[0], SCHEMA.scaled(ROWS)[row])


def test_an_absent_column_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidRows, match=r"the rows have no column 'age'; did you mean 'Age'\?"):
        SCHEMA.scaled(pa.table({"Age": [1]}))


@pytest.mark.parametrize("column", [{"ward": ["a", "secret", "b"]}, {"ward": ["a", None, "b"]}, {"age": [1, None, 2]}])
def test_rows_that_are_not_clean_are_refused_without_their_values(column: dict[str, list[object]]) -> None:
    name = next(iter(column))
    rows = ROWS.set_column(ROWS.column_names.index(name), name, pa.array(column[name]))
    with pytest.raises(InvalidRows) as caught:
        SCHEMA.scaled(rows)
    assert f"column {name!r} holds values that its declaration does not allow" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_schema_without_target_says_so() -> None:
    with pytest.raises(InvalidSchema, match="declares no target; give one column `role: target`"):
        parse_schema("columns: [{name: x, type: boolean}]", "s").target(pa.table({"x": [True]}))
