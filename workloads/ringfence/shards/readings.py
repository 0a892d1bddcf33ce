"""The two readings of a source: one to check that every record may be sealed, one to seal.

Between them nothing is kept but counts and a sample, so that a source of any size fits in memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidRows
from ringfence.quality import check_cleaned, report
from ringfence.shards.comparing import Comparison
from ringfence.shards.fingerprints import Seen, hashes_of
from ringfence.shards.gather import Gathered, Gathering
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.shards.open import Progress, open_shards
from ringfence.shards.publish import Draft
from ringfence.shards.request import SealKeys, SealRequest
from ringfence.shards.sources import Source
from ringfence.shards.splitting import Split, Splitter
from ringfence.shards.writing import ShardWriter
from ringfence.store import Store


@dataclass(frozen=True)
class Found:
    """What the first reading of a source found: counts, and the quality report."""

    cleaned: Gathered
    report: dict[str, Any]


def first_reading(request: SealRequest, source: Source, before: Manifest | None, comparison: Comparison) -> Found:
    """Every row read and cleaned, its person kept for `comparison`; nothing has been written yet."""
    gathering = Gathering(source)
    for rows in gathering.tables():
        comparison.add(rows)
    cleaned = gathering.result()
    if before is None:
        check_cleaned(cleaned, request.schema, source.where)
    elif cleaned.kept == 0:  # appended rows may well hold one class only
        raise InvalidRows("there are no records to append", where=source.where, remedy="check the source")
    names = pa.table({name: pa.nulls(0) for name in gathering.columns})
    described = {**report(names, cleaned, request.schema), "described": cleaned.table.num_rows}
    described |= {"lineage": dict(source.lineage)} if source.lineage else {}
    return Found(cleaned, described)


class Units:
    """Counts the units of training rows: distinct values of `column`, or records where it is ""."""

    def __init__(self, column: str) -> None:
        self.column, self._records = column, 0
        self._seen, self._key = Seen(), os.urandom(32)

    @property
    def count(self) -> int:
        """How many there are so far."""
        return len(self._seen) if self.column else self._records

    def add(self, rows: pa.Table) -> None:
        """Those of more training rows."""
        self._records += rows.num_rows
        if self.column:
            self._seen.new(hashes_of(rows.column(self.column), self._key))

    def add_all(self, store: Store, before: Manifest | None, keys: SealKeys) -> None:
        """Those of the version before; its shards are opened only where units must be told apart."""
        if before is not None and self.column:
            for rows in open_shards(store, before, keys.kek):
                self.add(rows)
        elif before is not None:
            self._records += before.records


@dataclass(frozen=True)
class Writing:
    """Where rows come from and go to, how they are split, and what counts their units."""

    draft: Draft
    source: Source
    units: Units
    split: Split | None


def second_reading(
    request: SealRequest, writing: Writing, found: Found, progress: Progress | None
) -> tuple[ShardInfo, ...]:
    """The shards of the second reading. Raises InvalidRows when the source is not what the first one found."""
    draft, source, split, units = writing.draft, writing.source, writing.split, writing.units
    splitter = Splitter(split, draft.dataset, draft.kek, column=units.column, where=request.url) if split else None
    done, gathering = [0], Gathering(source, sample=False)

    def written(records: int) -> None:
        done[0] += records
        if progress:
            progress("sealing records", done[0], found.cleaned.kept)

    with ShardWriter(draft, request.shard_records, written) as writer:
        for rows in gathering.tables():
            kept = splitter.validation(rows) if splitter else None
            training = rows if kept is None else rows.filter(pc.invert(kept))
            units.add(training)
            writer.add(training)
            if kept is not None:
                writer.add(rows.filter(kept), "validation")
        shards = writer.finish()
    if gathering.result().kept != found.cleaned.kept:
        raise InvalidRows("the source changed while it was sealed", where=source.where, remedy="seal it again")
    if not any(shard.part == "training" for shard in shards) and draft.first_position == 0:
        raise InvalidRows("the split leaves no record to train on", where=source.where, remedy="take a smaller share")
    return shards
