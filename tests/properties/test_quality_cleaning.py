"""For any rows: what is clean satisfies the schema, and what happens to a record never depends on another."""

import math

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence import canonical
from ringfence.errors import InvalidRows
from ringfence.quality import clean, proposal_text, propose_schema, report
from ringfence.schema import parse_schema

SCHEMA = parse_schema(
    """
columns:
- {name: n, type: number, minimum: -1.5, maximum: 10, missing: drop, out_of_range: clip}
- {name: i, type: integer, minimum: 0, maximum: 9, missing: "3", out_of_range: drop}
- {name: c, type: category, values: [a, b, o], missing: drop, out_of_range: o}
- {name: b, type: boolean, missing: "false", out_of_range: drop, role: target}
- {name: p, type: identifier, role: unit, missing: drop}
""",
    "schema",
)
UNIQUE = SCHEMA.model_copy(update={"drop_exact_duplicates": True})
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.floats(-2, 12) | st.floats() | st.none(),
            "i": st.integers(0, 9).map(float) | st.integers(-3, 12).map(float) | st.floats(-3, 12) | st.none(),
            "c": st.sampled_from(["a", " b ", "zz", "o", "", None]),
            "b": st.sampled_from(["true", "No", "1", "f", "?", "", None]),
            "p": st.sampled_from(["x", "y", "z", "", None]),
        }
    ),
    max_size=12,
)
TYPES = pa.schema(
    [("n", pa.float64()), ("i", pa.float64()), ("c", pa.string()), ("b", pa.string()), ("p", pa.string())]
)


def table(records: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(records, schema=TYPES)


@settings(deadline=None, max_examples=150)
@given(RECORDS)
def test_cleaned_rows_satisfy_the_schema_and_stay_as_they_are(records: list[dict[str, object]]) -> None:
    result = clean(table(records), SCHEMA)
    rows = result.table
    assert rows.schema == SCHEMA.arrow_schema() and all(column.null_count == 0 for column in rows.columns)
    assert pc.all(pc.and_(pc.greater_equal(rows["n"], -1.5), pc.less_equal(rows["n"], 10)), min_count=0).as_py()
    assert set(rows["c"].to_pylist()) <= {"a", "b", "o"} and set(rows["i"].to_pylist()) <= set(range(10))
    assert not any(math.isnan(value) for value in rows["n"].to_pylist())
    assert result.kept + result.dropped == result.read == len(records)
    assert clean(rows, SCHEMA).table.equals(rows)
    canonical.encode(report(table(records), result, SCHEMA))


@settings(deadline=None, max_examples=100)
@given(RECORDS, RECORDS)
def test_cleaning_is_by_record(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    together = clean(table(first + second), SCHEMA).table.to_pylist()
    assert together == clean(table(first), SCHEMA).table.to_pylist() + clean(table(second), SCHEMA).table.to_pylist()


@settings(deadline=None, max_examples=60)
@given(RECORDS)
def test_dropping_exact_duplicates_keeps_the_first_of_each(records: list[dict[str, object]]) -> None:
    every = clean(table(records + records), SCHEMA).table.to_pylist()
    unique = clean(table(records + records), UNIQUE).table.to_pylist()
    assert unique == [row for place, row in enumerate(every) if row not in every[:place]]


@settings(deadline=None, max_examples=60)
@given(RECORDS.filter(bool))
def test_a_proposal_reads_back_and_accepts_its_rows_but_for_the_rare(records: list[dict[str, object]]) -> None:
    rows = table(records * 3)
    try:
        schema = propose_schema(rows)
    except InvalidRows:
        raise
    except Exception as error:
        assert str(error).startswith("no column can be used as a feature")
        return
    assert parse_schema(proposal_text(schema), "s") == schema
    clean(rows, schema)
