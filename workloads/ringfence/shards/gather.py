"""Cleaning a source of any size: a table at a time, with a sample for the quality report.

Up to 65,536 records and 64 MiB the report sees all of them. Beyond that it sees every second, then every
fourth, and so on, so that memory stays fixed; the report says how many it saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidRows
from ringfence.quality import Cleaned, ColumnCounts, clean
from ringfence.schema import DatasetSchema
from ringfence.shards.fingerprints import Seen, fingerprints
from ringfence.shards.sources import Source

_SAMPLE = 65_536
_SAMPLE_BYTES = 2**26  # images and texts: fewer of them
_PIECES = 256  # of a sample: a long source gives a record or two at a time, and each piece has a cost of its own


@dataclass(frozen=True)
class Gathered(Cleaned):
    """What cleaning a whole source found; `table` is the sample, `total` the records that remain."""

    total: int

    @property
    def kept(self) -> int:
        """Records that remain."""
        return self.total


class Gathering:
    """Cleans a source; its counts, and a sample if wanted, grow as `tables` is read. One pass a Gathering."""

    def __init__(self, source: Source, *, sample: bool = True) -> None:
        self._source = source
        self._seen = Seen() if source.schema.drop_exact_duplicates else None
        self._key = os.urandom(32)
        self._read = self._dropped = self._duplicates = self._kept = 0
        self._columns: dict[str, ColumnCounts] = {}
        self._sample, self._sampling = _Sample(source.schema), sample
        self.columns: list[str] = []

    def tables(self) -> Iterator[pa.Table]:
        """Clean rows in their order. Raises InvalidRows, naming the place, and what `Source.tables` raises."""
        for table in self._source.tables():
            self.columns = self.columns or table.column_names
            cleaned = self._clean(table)
            rows = cleaned.table
            if self._seen is not None and rows.num_rows:
                rows = rows.filter(pa.array(self._seen.new(fingerprints(rows, self._key))))
            self._read += cleaned.read
            self._dropped += cleaned.dropped
            self._duplicates += cleaned.duplicates + cleaned.table.num_rows - rows.num_rows
            self._kept += rows.num_rows
            self._columns = {name: _sum(self._columns.get(name), found) for name, found in cleaned.columns.items()}
            if self._sampling:
                self._sample.add(rows)
            if rows.num_rows:
                yield rows

    def result(self) -> Gathered:
        """What was found so far."""
        counts: Mapping[str, ColumnCounts] = self._columns
        sample = self._sample.table()
        return Gathered(sample, self._read, self._dropped, self._duplicates, counts, self._kept)

    def _clean(self, table: pa.Table) -> Cleaned:
        try:
            return clean(table, self._source.schema, where=self._source.where)
        except InvalidRows as error:
            if self._read == 0:
                raise
            place = f"{self._source.where}, from record {self._read + 1} on".removeprefix(", ")
            raise InvalidRows(error.message, where=place, remedy=error.remedy) from None


class _Sample:
    """Every n-th record, n a power of two, and the first record of each of two labels."""

    def __init__(self, schema: DatasetSchema) -> None:
        self._schema, self._step, self._next = schema, 1, 0
        self._records = self._bytes = 0
        self._tables: list[pa.Table] = []
        self._labels: dict[object, pa.Table] = {}

    def add(self, rows: pa.Table) -> None:
        target = self._schema.target_column
        if target is not None and len(self._labels) < 2:
            values = rows.column(target.name)
            for label in pc.unique(values).to_pylist()[:2]:
                self._labels.setdefault(label, rows.slice(pc.index(values, label).as_py(), 1))
        places = np.arange(self._next, rows.num_rows, self._step)
        self._next = int(self._next + len(places) * self._step - rows.num_rows)
        taken = rows if self._step == 1 else rows.take(pa.array(places))
        self._tables.append(taken)
        self._records, self._bytes = self._records + taken.num_rows, self._bytes + taken.nbytes
        while self._records > _SAMPLE or (self._records > 1 and self._bytes > _SAMPLE_BYTES):
            self._halve()
        if len(self._tables) == _PIECES:
            self._keep(pa.concat_tables(self._tables).combine_chunks())

    def table(self) -> pa.Table:
        sample = pa.concat_tables([self._schema.arrow_schema().empty_table(), *self._tables])
        target = self._schema.target_column
        if target is not None and self._step > 1 and pc.count_distinct(sample.column(target.name)).as_py() < 2:
            sample = pa.concat_tables([sample, *list(self._labels.values())[:2]])
        return sample

    def _halve(self) -> None:
        whole = pa.concat_tables(self._tables)
        self._keep(whole.take(pa.array(np.arange(0, whole.num_rows, 2))))
        self._step, self._next = 2 * self._step, self._next + (self._step if whole.num_rows % 2 else 0)

    def _keep(self, sample: pa.Table) -> None:
        self._tables = [sample]
        self._records, self._bytes = sample.num_rows, sample.nbytes


def _sum(first: ColumnCounts | None, second: ColumnCounts) -> ColumnCounts:
    if first is None:
        return second
    return ColumnCounts(
        missing=first.missing + second.missing,
        out_of_range=first.out_of_range + second.out_of_range,
        replaced=first.replaced + second.replaced,
        dropped=first.dropped + second.dropped,
    )
