"""For any declared schema: text and back is the identity, invented rows are clean, and numbers keep to their bounds."""

from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InvalidSchema
from ringfence.quality import clean
from ringfence.schema import Column, DatasetSchema, dump_schema, parse_schema
from ringfence.schema.columns import DROP, REFUSE
from ringfence.tasks.synthetic import synthetic_rows

NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
BOUNDS = st.decimals(-(10**9), 10**9, places=4, allow_nan=False)


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    kind = draw(st.sampled_from(["number", "integer", "category", "boolean", "ignored"]))
    missing = draw(st.sampled_from([REFUSE, DROP]))
    if kind in ("number", "integer"):
        places = 3 if kind == "number" else 0
        low = draw(BOUNDS).quantize(Decimal(1).scaleb(-places))
        high = low + draw(st.integers(1, 10**6)) * Decimal(1).scaleb(-places)
        treatment = draw(st.sampled_from([REFUSE, DROP, "clip"]))
        bounds = {"minimum": str(low), "maximum": str(high)}
        return Column(name=name, type=kind, missing=missing, out_of_range=treatment, **bounds)
    if kind == "category":
        values = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
        return Column(name=name, type=kind, values=tuple(values), missing=missing)
    return Column(name=name, role="ignore") if kind == "ignored" else Column(name=name, type=kind, missing=missing)


@st.composite
def schemas(draw: st.DrawFn) -> DatasetSchema:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True).filter(lambda names: "_first" not in names))
    return DatasetSchema(columns=(Column(name="_first", type="boolean"), *(draw(columns(name)) for name in names)))


@settings(deadline=None, max_examples=80)
@given(schemas())
def test_text_and_back_is_the_identity(schema: DatasetSchema) -> None:
    again = parse_schema(dump_schema(schema), "again")
    assert again == schema and again.digest() == schema.digest() and schema.compatible(again) == []


@settings(deadline=None, max_examples=60)
@given(schemas(), st.integers(0, 2**31))
def test_invented_rows_are_clean_and_their_numbers_keep_to_their_bounds(schema: DatasetSchema, seed: int) -> None:
    rows = synthetic_rows(schema, 20, seed)
    assert rows.equals(synthetic_rows(schema, 20, seed))
    cleaned = clean(rows, schema)
    assert cleaned.kept == 20 and cleaned.table.equals(rows)
    scaled = schema.scaled(rows)
    assert scaled.shape == (20, len(schema.features)) and np.abs(scaled).max(initial=0) <= 1
    codes = schema.codes(rows)
    assert all((codes[:, i] < len(column.values)).all() for i, column in enumerate(schema.categorical))


@settings(deadline=None, max_examples=150)
@given(st.recursive(st.text(max_size=8), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x)))
def test_any_document_is_a_schema_or_one_line(document: object) -> None:
    import yaml

    for text in (yaml.safe_dump(document), yaml.safe_dump({"columns": document}), str(document)):
        try:
            parse_schema(text, "any")
        except InvalidSchema as error:
            assert "\n" not in str(error) and str(error).startswith("any: ")
