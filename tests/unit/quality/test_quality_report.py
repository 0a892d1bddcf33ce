"""The report counts what was found and holds no float."""

import pyarrow as pa

from ringfence import canonical
from ringfence.quality import clean, report
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    """
columns:
- {name: age, type: integer, minimum: 0, maximum: 100, missing: drop, out_of_range: clip}
- {name: ward, type: category, values: [a, b, o], out_of_range: o}
- {name: p, type: identifier, role: unit}
- {name: y, type: boolean, role: target}
""",
    "schema",
)
ROWS = pa.table(
    {
        "age": [10, 20, None, 120, 10],
        "ward": ["a", "b", "a", "zz", "a"],
        "p": ["1", "2", "3", "4", "1"],
        "y": [1, 0, 1, 1, 1],
        "note": ["n"] * 5,
    }
)


def test_the_report_is_canonical_json_and_says_what_was_found() -> None:
    result = report(ROWS, clean(ROWS, SCHEMA), SCHEMA)
    assert canonical.decode(canonical.encode(result)) == result
    assert result["records"] == {"read": 5, "kept": 4, "dropped": 1, "duplicates_dropped": 0, "duplicates_left": 1}
    assert result["not_sealed"] == ["note"]
    assert result["label"] == {
        "column": "y",
        "counts": {"false": 1, "true": 3},
        "shares": {"false": "0.25", "true": "0.75"},
    }
    age = result["columns"]["age"]
    assert (age["missing"], age["out_of_range"], age["replaced"], age["dropped"]) == (1, 1, 1, 1)
    assert age["quantiles"] == ["10", "10", "15", "40", "100"] and age["mean"] == "35"
    assert result["columns"]["ward"]["counts"] == {"a": 2, "b": 1, "o": 1}
    assert result["columns"]["p"]["distinct"] == 3


def test_a_report_on_nothing_is_still_a_report() -> None:
    empty = ROWS.slice(0, 0)
    assert report(empty, clean(empty, SCHEMA), SCHEMA)["records"]["kept"] == 0
