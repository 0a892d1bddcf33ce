"""Cleaning by record with declared constants.

`clean` of two tables one after the other is `clean` of the one and then the other (unless exact duplicates are
dropped): one person's record never changes what becomes of another's, so cleaning costs no privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidRows
from ringfence.quality.checks import check_columns
from ringfence.quality.duplicates import first_of_each
from ringfence.quality.reading import read
from ringfence.quality.treatment import ColumnCounts, Treated, treat
from ringfence.schema import Column, DatasetSchema

__all__ = ["Cleaned", "ColumnCounts", "clean"]


@dataclass(frozen=True)
class Cleaned:
    """`table` has `schema.arrow_schema()`. `read` records came in, `dropped` went by their own values and `duplicates`
    as exact copies of an earlier one; `columns` counts by column, where one record may count in several."""

    table: pa.Table
    read: int
    dropped: int
    duplicates: int
    columns: Mapping[str, ColumnCounts]

    @property
    def kept(self) -> int:
        """Records that remain."""
        return int(self.table.num_rows)


def clean(table: pa.Table, schema: DatasetSchema, *, where: str = "") -> Cleaned:
    """The rows that satisfy the schema, in their order, and what happened to the others.

    Columns of the schema's kept roles remain, in declared order; all others are left out. Raises InvalidRows, naming
    column and counts, for an absent column, one of a wrong type, and values whose treatment is `refuse`.
    """
    check_columns(table, schema, where)
    treated = {column.name: _treated(table.column(column.name), column, where) for column in schema.kept}
    refused = [fault for item in treated.values() for fault in item.refused]
    if refused:
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        remedy = "mend the rows, or declare drop, clip or a constant for these columns in the schema"
        raise InvalidRows("; ".join(refused[:5]) + more, where=where, remedy=remedy)
    keep = reduce(pc.and_, [item.keep for item in treated.values()])
    columns = [item.values.filter(keep) for item in treated.values()]
    rows = pa.Table.from_arrays(columns, schema=schema.arrow_schema())
    unique = rows.filter(first_of_each(rows)) if schema.drop_exact_duplicates else rows
    return Cleaned(
        table=unique,
        read=table.num_rows,
        dropped=table.num_rows - rows.num_rows,
        duplicates=rows.num_rows - unique.num_rows,
        columns={name: item.counts for name, item in treated.items()},
    )


def _treated(values: Any, column: Column, where: str) -> Treated:
    found = read(values, column)
    if found is None:
        message = f"column {column.name!r} holds {values.type}, which cannot be read as {column.type}"
        raise InvalidRows(message, where=where, remedy="convert the column, or give it the role ignore")
    return treat(found, column)
