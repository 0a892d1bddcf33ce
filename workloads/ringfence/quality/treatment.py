"""What becomes of missing and out-of-range values of one column, as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.quality.reading import Read
from ringfence.schema import Column
from ringfence.schema.arrays import arrow_type
from ringfence.schema.columns import CLIP, DROP, REFUSE


@dataclass(frozen=True)
class ColumnCounts:
    """Records by what was found in one column: absent values; values outside the declaration (unreadable ones too);
    values replaced by a declared constant or bound; records that this column alone would drop."""

    missing: int
    out_of_range: int
    replaced: int
    dropped: int


@dataclass(frozen=True)
class Treated:
    """`values`: of the declared type, null only where `keep` is false. `refused`: why nothing may be sealed."""

    values: Any
    keep: Any
    counts: ColumnCounts
    refused: tuple[str, ...]


def treat(found: Read, column: Column) -> Treated:
    """Applies `missing` and `out_of_range` of the column to what was read."""
    missing = found.missing()
    outside = pc.or_(found.unreadable, _outside(found.values, column))
    beyond_repair = found.unreadable if column.out_of_range == CLIP else outside
    values = _replace(found.values, missing, outside, column)
    lost = values.is_null()
    counts = ColumnCounts(
        missing=_count(missing),
        out_of_range=_count(outside),
        replaced=_count(pc.and_not(pc.or_(missing, outside), lost)),
        dropped=_count(lost),
    )
    total = len(missing)
    refused = []
    if column.missing == REFUSE and counts.missing:
        refused.append(f"{_label(column)}: {counts.missing} of {total} values are missing")
    bad = _count(beyond_repair)
    if column.out_of_range in (REFUSE, CLIP) and bad:
        refused.append(f"{_label(column)}: {bad} of {total} values {_complaint(column)}")
    return Treated(values, pc.invert(lost), counts, tuple(refused))


def _outside(values: Any, column: Column) -> Any:
    """True where a value was read and lies outside the declared domain."""
    if column.ranged:
        low, high = column.bounds
        beyond = pc.or_(pc.less(values, low), pc.greater(values, high))
    elif column.type == "category":
        beyond = pc.invert(pc.is_in(values, value_set=pa.array(column.values, pa.string())))
        beyond = pc.and_(beyond, values.is_valid())
    elif column.type == "text":
        beyond = pc.greater(pc.utf8_length(values), column.max_length)
    else:
        beyond = pa.repeat(pa.scalar(False), len(values))
    return pc.fill_null(beyond, False)


def _replace(values: Any, missing: Any, outside: Any, column: Column) -> Any:
    """Values of the declared Arrow type; null where the record goes."""
    if column.type == "text" and column.out_of_range == CLIP:
        values = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(values, 0, column.max_length))
    elif column.out_of_range == CLIP:
        low, high = column.bounds
        values = pc.min_element_wise(pc.max_element_wise(values, low, skip_nulls=False), high, skip_nulls=False)
    else:
        stand_in = None if column.out_of_range in (REFUSE, DROP) else column.out_of_range
        values = pc.if_else(outside, pa.scalar(stand_in, values.type), values)
    if column.missing not in (REFUSE, DROP):
        constant = pa.scalar(column.missing, pa.string()).cast(values.type)
        values = pc.if_else(missing, constant, values)
    return values.cast(arrow_type(column))


def _complaint(column: Column) -> str:
    if column.type == "image":
        return f"are not images of {' x '.join(map(str, column.shape or ()))}, {column.size} bytes"
    if column.type == "text":
        most = "" if column.out_of_range == CLIP else f" of at most {column.max_length} characters"
        return f"are not UTF-8 text{most}"
    if column.out_of_range == CLIP:
        return "are not whole numbers" if column.type == "integer" else "are not numbers"
    if column.ranged:
        kind = "whole numbers" if column.type == "integer" else "numbers"
        return f"are not {kind} from {column.minimum} to {column.maximum}"
    return "are not among the declared values" if column.type == "category" else "are not true or false"


def _label(column: Column) -> str:
    return f"column {column.name!r}" + (f" (the {column.role})" if column.role in ("unit", "target") else "")


def _count(mask: Any) -> int:
    return int(pc.sum(mask, min_count=0).as_py())
