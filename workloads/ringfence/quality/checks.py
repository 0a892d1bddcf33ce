"""What must hold before anything is sealed. The owner's side: messages may give counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidRows
from ringfence.schema import DatasetSchema
from ringfence.schema.spelling import hint

if TYPE_CHECKING:
    from ringfence.quality.cleaning import Cleaned


def check_columns(table: pa.Table, schema: DatasetSchema, where: str = "") -> None:
    """Raises InvalidRows unless the table has every column to be sealed, once."""
    present = table.column_names
    absent = [column.name for column in schema.kept if column.name not in present]
    if absent:
        others = [name for name in present if name not in {column.name for column in schema.kept}]
        listed = ", ".join(repr(name) for name in absent[:5]) + (", ..." if len(absent) > 5 else "")
        noun = "column" if len(absent) == 1 else "columns"
        raise InvalidRows(f"the rows have no {noun} {listed}", where=where, remedy=hint(absent[0], others))
    repeated = [column.name for column in schema.kept if present.count(column.name) > 1]
    if repeated:
        raise InvalidRows(f"the rows have column {repeated[0]!r} more than once", where=where)


def check_cleaned(cleaned: Cleaned, schema: DatasetSchema, where: str = "") -> None:
    """Raises InvalidRows when no record is left, or when the label holds a single class."""
    if cleaned.kept == 0:
        lost = f"; cleaning dropped all {cleaned.read}" if cleaned.read else ""
        raise InvalidRows(f"there are no records to seal{lost}", where=where, remedy=_emptied(cleaned))
    target = schema.target_column
    if target is not None and pc.count_distinct(cleaned.table.column(target.name)).as_py() < 2:
        noun = "class" if target.classes else "value"
        raise InvalidRows(
            f"the label {target.name!r} holds one {noun} only in {cleaned.kept} records",
            where=where,
            remedy="nothing can be learned from it: check the column, its declared values and the treatment drop",
        )


def _emptied(cleaned: Cleaned) -> str:
    """Names the column that dropped most."""
    worst = max(cleaned.columns.items(), key=lambda item: item[1].dropped, default=None)
    if worst is None or worst[1].dropped == 0:
        return "check the source"
    name, counts = worst
    return f"column {name!r} alone dropped {counts.dropped} ({counts.missing} missing, {counts.out_of_range} outside)"
