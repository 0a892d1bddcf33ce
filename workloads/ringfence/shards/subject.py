"""One person's rows: found for them (subject access), or removed from every version of a dataset (erasure).

A person is a value of the unit column. Where the schema declares none, nobody can be found, and that is said. A model
is not erased: the ledger tells which jobs had the rows, and their statements what holds for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.witness import Witness
from ringfence.shards.holding import Change, Holding, Replaced, destroy, in_place, put_in_place, rewrite
from ringfence.shards.lineage import TrainedJob, trained_on
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.shards.open import Progress, open_shard
from ringfence.shards.publish import discard
from ringfence.shards.request import SealKeys
from ringfence.store import Stores


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who (a value of the unit column), in which dataset; the owner's keys."""

    url: str
    unit: str
    keys: SealKeys
    witness: Witness | None = None


@dataclass(frozen=True)
class Held:
    """All records held on a person, with the ids of their shards in the column `shard`, and the jobs that had them."""

    records: pa.Table
    jobs: tuple[TrainedJob, ...]


@dataclass(frozen=True)
class Erased:
    """The manifest as it is now, records removed, keys of objects destroyed, and jobs that had the records."""

    manifest: Manifest
    records: int
    destroyed: tuple[str, ...]
    jobs: tuple[TrainedJob, ...]


def held_on(subject: Subject, stores: Stores) -> Held:
    """What is held on a person. Raises InvalidInput when no column says whose a row is, and what opening raises."""
    holding = _holding(subject, stores)
    holding.log.record("accessed")
    schema = holding.manifest.schema_.arrow_schema().append(pa.field("shard", pa.string()))
    tables, shards = [schema.empty_table()], set()
    for shard, rows in _rows_of(holding, subject.unit):
        tables.append(rows.append_column(schema.field("shard"), pa.array([shard.id] * rows.num_rows, pa.string())))
        shards.add(shard.id)
    return Held(pa.concat_tables(tables), _jobs(holding, shards))


def erase(subject: Subject, stores: Stores, progress: Progress | None = None) -> Erased:
    """Removes a person from every version: shards with their rows are sealed anew without them; the old ones, and the
    quality reports that counted them, are destroyed with all their versions.

    Called again after a failure it goes on where it stopped. Raises InvalidInput when no column says whose a row is or
    nobody else would be left, LedgerError while a job holds the shards, and StoreError naming what a lock keeps.
    """
    holding = _holding(subject, stores)
    counts = {shard.id: rows.num_rows for shard, rows in _rows_of(holding, subject.unit)}
    manifest = holding.manifest
    if counts:
        holding.require_idle("erasing")
        manifest = _without(holding, subject, counts, progress)
    else:
        holding.log.record("erased", records=0)
    destroyed = destroy(holding, manifest, "erasure")
    return Erased(manifest, sum(counts.values()), tuple(destroyed), _jobs(holding, set(counts)))


def _without(holding: Holding, subject: Subject, counts: dict[str, int], progress: Progress | None) -> Manifest:
    """The next version, published: the shards named by `counts` sealed anew without the person."""
    now, column, draft = holding.manifest, _column(holding), holding.draft(subject.keys.kek)
    shards = [shard for shard in now.shards if shard.id in counts]

    def others(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.not_equal(rows.column(column), subject.unit))

    replaced: Replaced = rewrite(holding, draft, shards, others, progress)
    kept = in_place(now, replaced)
    records = sum(shard.records for shard in kept if shard.part == "training")
    if records == 0:
        discard(draft)
        message = "no other record would be left to train on"
        raise InvalidInput(message, where=subject.url, remedy="delete the whole dataset instead")
    trained = any(shard.id in counts for shard in now.training)
    units = now.units - trained if ":" in now.unit else records
    manifest = holding.successor(shards=kept, records=records, units=units, quality_digest=None)
    put_in_place(holding, draft, Change("erased", manifest, subject.keys.signer, replaced))
    return manifest


def _holding(subject: Subject, stores: Stores) -> Holding:
    holding = Holding.open(subject.url, stores, subject.keys, subject.witness)
    _column(holding)
    return holding


def _column(holding: Holding) -> str:
    column = holding.manifest.schema_.unit_column
    if column is None:
        raise InvalidInput(
            "no column says whose a row is, so nobody can be found in it",
            where=holding.store.url,
            remedy="seal with a column of `role: unit`",
        )
    return column.name


def _rows_of(holding: Holding, unit: str) -> Iterator[tuple[ShardInfo, pa.Table]]:
    """Each shard, of either part, that holds rows of the person, and these rows."""
    column = _column(holding)
    for shard in holding.manifest.shards:
        rows = open_shard(holding.store, holding.manifest, shard, holding.keys.kek)
        found = rows.filter(pc.equal(rows.column(column), unit))
        if found.num_rows:
            yield shard, found


def _jobs(holding: Holding, shards: set[str]) -> tuple[TrainedJob, ...]:
    return trained_on(holding.ledger.refresh(), shards) if holding.ledger else ()
