"""Several sources of one silo -> one table, and where each of its columns came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from ringfence.errors import InvalidRows
from ringfence.quality.mapping import Rule, SourceMapping
from ringfence.quality.reading import read
from ringfence.schema import Column
from ringfence.schema.spelling import hint

_TEXT = Column(name="key", type="identifier", role="unit")
_NUMBER = Column(name="value", type="number", minimum="0", maximum="1")
_PARTS = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "weekday": pc.day_of_week,
    "hour": pc.hour,
    "minute": pc.minute,
}


@dataclass(frozen=True)
class Fused:
    """`lineage` says of every column which source's column it was and what was done to its values."""

    table: pa.Table
    lineage: Mapping[str, str]


def fuse(mapping: SourceMapping, tables: Mapping[str, pa.Table]) -> Fused:
    """The rows of the first source, with the columns of the others joined by key: one record in, one record out.

    A key without a row in another source leaves its columns missing. Raises InvalidRows, without quoting a value, for
    an absent column, a key that is not unique where it must be, and values of a kind that a rule cannot work on.
    """
    records = tables[mapping.first].num_rows
    places = {name: _rows_of(mapping, tables, name) for name in mapping.sources}
    columns = {}
    for column, rule in mapping.columns.items():
        source, name = rule.place
        values = _column(tables[source], source, name)
        columns[column] = _changed(values.take(places[source]) if places[source] is not None else values, rule, column)
    if not all(len(values) == records for values in columns.values()):
        raise InvalidRows("the sources do not fit together", where=mapping.first)
    lineage = {column: rule.words() for column, rule in mapping.columns.items()}
    return Fused(pa.table(columns), lineage)


def _rows_of(mapping: SourceMapping, tables: Mapping[str, pa.Table], name: str) -> Any:
    """For each record, the row of source `name` that belongs to it (null for none); None for the first source."""
    if name == mapping.first:
        return None
    here = _keys(mapping, tables, mapping.first)
    there = _keys(mapping, tables, name)
    if pc.count_distinct(there, mode="only_valid").as_py() < len(there) - there.null_count:
        key = mapping.sources[name].key
        raise InvalidRows(
            f"source {name!r} has several rows for one value of its key {key!r}",
            where=f"sources.{name}",
            remedy="bring it to one row a key first: which of them counts is for its owner to say",
        )
    return pc.index_in(here, value_set=there, skip_nulls=True)


def _keys(mapping: SourceMapping, tables: Mapping[str, pa.Table], name: str) -> Any:
    """A source's key as text, so that 7 and "7" are one person."""
    key = mapping.sources[name].key or ""
    found = read(_column(tables[name], name, key), _TEXT)
    if found is None:
        raise InvalidRows(f"key {key!r} of source {name!r} has no plain text", where=f"sources.{name}.key")
    return found.values


def _column(table: pa.Table, source: str, name: str) -> Any:
    if name not in table.column_names:
        remedy = hint(name, table.column_names)
        raise InvalidRows(f"source {source!r} has no column {name!r}", where=f"sources.{source}", remedy=remedy)
    return table.column(name).combine_chunks()


def _changed(values: Any, rule: Rule, column: str) -> Any:
    if rule.codes is not None:
        return _recoded(values, rule.codes, column)
    if rule.multiply or rule.add:
        found = read(values, _NUMBER)
        if found is None or pc.any(found.unreadable, min_count=0).as_py():
            raise InvalidRows(f"column {column!r}: {rule.source} holds values that are no numbers", where="columns")
        return pc.add(pc.multiply(found.values, float(rule.multiply or 1)), float(rule.add or 0))
    if rule.time_zone or rule.part:
        return _timed(values, rule, column)
    return values


def _recoded(values: Any, codes: Mapping[str, str], column: str) -> Any:
    found = read(values, _TEXT)
    if found is None:
        raise InvalidRows(f"column {column!r} holds values that have no plain text to be recoded", where="columns")
    places = pc.index_in(found.values, value_set=pa.array(list(codes)))
    return pa.array(list(codes.values())).take(places)


def _timed(values: Any, rule: Rule, column: str) -> Any:
    """Times as read in `time_zone`; those that name a zone of their own are converted to it."""
    try:
        times = values if kinds.is_timestamp(values.type) else values.cast(pa.timestamp("us"))
        if rule.time_zone and times.type.tz:
            times = times.cast(pa.timestamp("us", tz=rule.time_zone))
        elif rule.time_zone:
            times = pc.assume_timezone(times, rule.time_zone, ambiguous="earliest", nonexistent="earliest")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidRows(f"column {column!r}: {rule.source} holds values that are no times", where="columns") from None
    if rule.part is None:
        return times
    numbers = _PARTS[rule.part](times)
    return pc.cast(numbers, pa.int64()) if len(numbers) else pa.array(np.empty(0, dtype=np.int64))
