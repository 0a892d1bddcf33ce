"""Silos of one job must declare what one model can see."""

import pytest

from ringfence.errors import SchemaMismatch
from ringfence.schema import DatasetSchema, check_same, parse_schema


def schema(*columns: str) -> DatasetSchema:
    return parse_schema("columns:\n" + "".join(f"- {{{column}}}\n" for column in columns), "schema")


AGE = "name: age, type: integer, minimum: 0, maximum: 110, unit: years"
WARD = "name: ward, type: category, values: [a, b]"
LATE = "name: late, type: boolean, role: target"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((AGE.replace("110", "120"), WARD, LATE), "column 'age' has range 0 to 120, not 0 to 110"),
        ((AGE.replace("years", "months"), WARD, LATE), "column 'age' has unit months, not years"),
        ((AGE.replace("integer", "number"), WARD, LATE), "column 'age' has type number, not integer"),
        ((AGE.replace("age", "Age"), WARD, LATE), "column 'age' is missing (there is 'Age')"),
        ((AGE, WARD, "name: extra, type: boolean", LATE), "column 'extra' is not expected"),
        ((AGE, WARD.replace("b]", "b, c]"), LATE), "column 'ward' declares value 'c', which is not expected"),
        ((AGE, WARD.replace("a, b", "a"), LATE), "column 'ward' declares no value 'b'"),
        ((AGE, WARD.replace("a, b", "b, a"), LATE), "column 'ward' declares its values in another order"),
        ((WARD, AGE, LATE), "stands in another place in the order of columns"),
        ((AGE, WARD, LATE.replace("target", "feature")), "column 'late' has role feature, not target"),
    ],
)
def test_a_difference_names_silo_column_and_both_sides(other: tuple[str, ...], expected: str) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        check_same({"ewr": schema(AGE, WARD, LATE), "jfk": schema(*other)})
    assert str(caught.value).startswith("silo 'jfk' against silo 'ewr': ")
    assert expected in str(caught.value)


def test_treatment_descriptions_units_and_ignored_columns_are_a_silos_own_affair() -> None:
    other = schema(AGE + ", missing: drop, description: d", WARD, LATE, "name: p, type: identifier, role: unit")
    assert schema(AGE, WARD, LATE).compatible(other) == []
    check_same({"a": schema(AGE, WARD, LATE), "b": other, "c": schema(AGE, WARD, LATE, "name: z, role: ignore")})
