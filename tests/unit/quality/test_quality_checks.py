"""What nothing can be learned from is not sealed."""

import pyarrow as pa
import pytest

from ringfence.errors import InvalidRows
from ringfence.quality import check_cleaned, clean
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    "columns: [{name: x, type: boolean, missing: drop}, {name: y, type: boolean, role: target}]", "schema"
)


def check(x: list[object], y: list[object]) -> None:
    rows = pa.table({"x": pa.array(x, pa.bool_()), "y": pa.array(y, pa.bool_())})
    check_cleaned(clean(rows, SCHEMA), SCHEMA, "rows.csv")


def test_an_empty_silo_is_refused() -> None:
    with pytest.raises(InvalidRows, match=r"rows\.csv: there are no records to seal; check the source"):
        check([], [])


def test_a_silo_that_cleaning_emptied_names_the_column() -> None:
    with pytest.raises(
        InvalidRows, match=r"cleaning dropped all 2; column 'x' alone dropped 2 \(2 missing, 0 outside\)"
    ):
        check([None, None], [True, False])


def test_a_label_with_one_class_is_refused() -> None:
    with pytest.raises(InvalidRows, match="the label 'y' holds one class only in 2 records"):
        check([True, False], [True, True])


def test_two_classes_pass() -> None:
    check([True, False], [True, False])
