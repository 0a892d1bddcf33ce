"""A first schema from rows, for a person to review before it is declared.

What is proposed was measured, and a declaration is public: so bounds are rounded outward from quantiles, never taken
from the one extreme record, and categories held by few records are not named. Nothing here is used without review.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from ringfence.errors import InvalidInput
from ringfence.quality.friendly import friendly_range
from ringfence.quality.personal import personal_columns
from ringfence.quality.reading import Read, read
from ringfence.schema import Column, DatasetSchema
from ringfence.schema.columns import CLIP, DROP, REFUSE
from ringfence.schema.spelling import hint

OTHER = "other"  # stands for categories that are not declared
MISSING = "missing"  # stands for an absent category
_MOST_VALUES = 100
_FEW = 10  # a category held by fewer records might point at a person
_OFTEN = 0.05  # above this share a missing value is filled in rather than its record dropped
_SMALL_DOMAIN = 64  # whole numbers with no more distinct values keep their true bounds
_TAILS = (0.005, 0.995)


def propose_schema(table: pa.Table, *, target: str | None = None, unit: str | None = None) -> DatasetSchema:
    """A column for each column of the table; `target` and `unit` name those with these roles.

    What cannot be used as it stands (dates, free text, identifiers, constants, what looks like e-mail addresses and
    other direct identifiers) gets the role ignore. Raises
    InvalidInput for an empty table, a name that is not a column, or when no feature is left.
    """
    if table.num_rows == 0:
        raise InvalidInput("there are no rows to propose a schema from")
    for role, name in (("target", target), ("unit", unit)):
        if name is not None and name not in table.column_names:
            remedy = hint(name, table.column_names)
            raise InvalidInput(f"the rows have no column {name!r} for the {role}", remedy=remedy)
    personal = personal_columns(table)
    names = dict.fromkeys(name for name in table.column_names if name.strip() == name and name.isprintable() and name)
    roles = (target, unit)
    columns = [
        Column(name=name, role="ignore")
        if name in personal and name not in roles
        else _column(name, table.column(table.column_names.index(name)), *roles)
        for name in names
    ]
    if not any(column.role == "feature" for column in columns):
        raise InvalidInput(
            "no column can be used as a feature",
            remedy="a feature is a number, a boolean, a category of at most 100 values that differ between records, "
            "or an image as fixed-size binary",
        )
    return DatasetSchema(columns=tuple(columns))


def _column(name: str, values: Any, target: str | None, unit: str | None) -> Column:
    flat = values.combine_chunks()
    if kinds.is_dictionary(flat.type):
        flat = flat.cast(flat.type.value_type)
    if name == unit:
        return Column(name=name, type="identifier", role="unit", missing=DROP if flat.null_count else REFUSE)
    proposed = _feature(name, flat, label=name == target)
    if name != target:
        return proposed or Column(name=name, role="ignore")
    if proposed is None:
        raise InvalidInput(f"column {name!r} cannot be a target: it is constant, a date, or has too many values")
    return proposed.model_copy(update={"role": "target"})


def _feature(name: str, values: Any, *, label: bool) -> Column | None:
    if kinds.is_boolean(values.type) or _zero_one(values):
        found = read(values, Column(name=name, type="boolean"))
        varies = found is not None and pc.count_distinct(found.values).as_py() > 1
        return _boolean(name, _absent(found), label) if varies and found is not None else None
    if kinds.is_integer(values.type) or kinds.is_floating(values.type) or kinds.is_decimal(values.type):
        return _number(name, values, label)
    if kinds.is_string(values.type) or kinds.is_large_string(values.type) or kinds.is_string_view(values.type):
        return _category(name, values, label)
    if kinds.is_fixed_size_binary(values.type) and not label:
        return _image(name, values)
    return None


def _boolean(name: str, absent: float, label: bool) -> Column:
    constant = "false" if absent > _OFTEN and not label else DROP
    return Column(name=name, type="boolean", missing=constant if absent else REFUSE)


def _number(name: str, values: Any, label: bool) -> Column | None:
    found = read(values, Column(name=name, type="number", minimum="0", maximum="1"))
    if found is None:
        return None
    finite = pc.if_else(pc.is_finite(found.values), found.values, None).drop_null()
    distinct = pc.count_distinct(finite).as_py()
    whole = bool(pc.all(pc.equal(pc.floor(finite), finite), min_count=0).as_py())
    if distinct < 2 or (whole and not label and distinct == len(values) > _SMALL_DOMAIN):
        return None  # a constant, or whole numbers that all differ: most likely an identifier
    bounds = _bounds(finite, whole=whole, exact=label or (whole and distinct <= _SMALL_DOMAIN))
    if bounds is None:
        return None
    absent = _absent(found)
    constant = _filler(*bounds) if absent > _OFTEN and not label else DROP
    return Column(
        name=name,
        type="integer" if whole else "number",
        minimum=bounds[0],
        maximum=bounds[1],
        missing=constant if absent else REFUSE,
        out_of_range=REFUSE if label else CLIP,
    )


def _bounds(values: Any, *, whole: bool, exact: bool) -> tuple[str, str] | None:
    low, high = pc.quantile(values, q=list(_TAILS)).to_pylist()
    if exact or low == high:
        low, high = pc.min(values).as_py(), pc.max(values).as_py()
    return friendly_range(low, high, whole=whole)


def _category(name: str, values: Any, label: bool) -> Column | None:
    found = read(values, Column(name=name, type="identifier", role="ignore"))
    if found is None:
        return None
    counts = pc.value_counts(found.values.drop_null())
    tally = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
    few = 1 if label else max(2, min(_FEW, len(values) // 20))
    common = [value for value in tally if tally[value] >= few and value.isprintable() and len(value) <= 128]
    listed = sorted(sorted(common, key=lambda value: -tally[value])[:_MOST_VALUES])
    if len(tally) < 2 or 2 * sum(tally[value] for value in listed) < sum(tally.values()):
        return None  # a constant, or free text and identifiers
    rest = len(listed) < len(tally)
    if label and rest:
        return None
    absent = _absent(found)
    fill = absent > _OFTEN and not label
    extra = ([OTHER] if rest else []) + ([MISSING] if fill else [])
    return Column(
        name=name,
        type="category",
        values=tuple(dict.fromkeys([*listed, *extra])),
        missing=(MISSING if fill else DROP) if absent else REFUSE,
        out_of_range=OTHER if rest else REFUSE,
    )


def _image(name: str, values: Any) -> Column:
    """The shape that the number of bytes suggests: a square of one, three or four channels, else one row of numbers."""
    size = values.type.byte_width
    squares = [(channels, math.isqrt(size // channels)) for channels in (1, 3, 4)]
    shape = next(((c, side, side) for c, side in squares if c * side * side == size), (1, 1, size))
    return Column(name=name, type="image", shape=shape, missing=DROP if values.null_count else REFUSE)


def _zero_one(values: Any) -> bool:
    """Whole numbers 0 and 1 alone."""
    if not (kinds.is_integer(values.type) or kinds.is_floating(values.type)):
        return False
    distinct = pc.unique(values.drop_null()).to_pylist()
    return len(distinct) == 2 and set(distinct) == {0, 1}


def _filler(low: str, high: str) -> str:
    """A declared stand-in for a missing number: zero where it is in range, else the minimum."""
    return "0" if float(low) <= 0 <= float(high) else low


def _absent(found: Read | None) -> float:
    """Share of records without a value."""
    if found is None:
        return 0.0
    return float(pc.mean(found.missing()).as_py() or 0.0)
