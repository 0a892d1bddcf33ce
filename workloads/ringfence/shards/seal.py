"""Sealing: rows by a declared schema -> sealed shards, a sealed quality report, a ledger entry, a signed manifest.

The order is what makes a crash harmless: conditional writes are tried, entry 0 of the ledger is created or adopted,
then come shards, quality report, the owner's `shards` entry, and the manifest last. Until the manifest is there,
nothing is a dataset, and sealing again to the same URL with the same keys succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import signing
from ringfence.errors import InvalidInput, SchemaMismatch
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import EventName
from ringfence.shards.comparing import Comparison
from ringfence.shards.fetch import check_key
from ringfence.shards.manifest import Manifest, ShardInfo, current_version, read_manifest
from ringfence.shards.open import Progress
from ringfence.shards.publish import Draft, discard, leftovers, publish, sweep, write_quality
from ringfence.shards.readings import Units, Writing, first_reading, second_reading
from ringfence.shards.register import found_ledger, new_dataset, pin, register
from ringfence.shards.request import SealKeys, SealRequest, SealResult, check_request
from ringfence.shards.sources import Source
from ringfence.shards.splitting import Split, new_split
from ringfence.store import Store, Stores, require_conditional_writes

__all__ = ["SealKeys", "SealRequest", "SealResult", "seal"]


def seal(request: SealRequest, stores: Stores, keys: SealKeys, progress: Progress | None = None) -> SealResult:
    """Seal rows as a new dataset, or append them to one.

    The source is read twice: once to check that every record may be sealed, before anything is written, and once to
    seal. Raises InvalidInput for a request that contradicts itself, a URL that holds a dataset already or persons who
    stand in another dataset of the owner, InvalidRows when the rows do not satisfy the schema, SchemaMismatch,
    KeyRejected and SignatureRejected when they do not fit the dataset they are appended to,
    ConditionalWritesUnsupported and StoreError, and the ledger's errors.
    """
    check_request(request, keys)
    store = stores.open(request.url)
    before = _before(request, store, keys)
    source, comparison = Source(request.source, request.schema), Comparison(request)
    found = first_reading(request, source, before, comparison)
    overlap = comparison.result(stores, keys, before.dataset if before else "", progress)
    require_conditional_writes(store)
    ledger = _ledger(request, stores, keys, before)
    draft = _draft(request, store, keys, before, ledger)
    split = _split(request, draft, before)
    stale = leftovers(store, before)
    try:
        units = Units(request.unit.partition(":")[2])
        units.add_all(store, before, keys)
        writing = Writing(draft, source, units, split)
        shards = second_reading(request, writing, found, progress)
        quality = write_quality(draft, {**found.report, **overlap.report()})
        if ledger:
            register(ledger, keys.ledger_signer, shards, fresh=before is None or request.new_records)
        sealed = _Sealed(shards, units.count, quality, keys.public, split)
        manifest = _manifest(request, draft, before, ledger, sealed)
        log = AuditLog(ledger.store if ledger else store, draft.dataset, keys.signer, ledger)
        event: EventName = "appended" if before else "sealed"
        log.record(event, version=draft.version, manifest=manifest.digest(), records=found.cleaned.kept)
    except BaseException:
        discard(draft)
        raise
    publish(draft, manifest, keys.signer)
    sweep(store, stale)
    cleaned = found.cleaned
    dropped = {name: counts.dropped for name, counts in cleaned.columns.items() if counts.dropped}
    return SealResult(manifest, store.url, cleaned.read, cleaned.kept, dropped, cleaned.duplicates, overlap)


@dataclass(frozen=True)
class _Sealed:
    """What a version adds: its new shards, the units trained on in the whole dataset, its quality report, who signs,
    its split."""

    shards: tuple[ShardInfo, ...]
    units: int
    quality_digest: str
    owner: str
    split: Split | None


def _before(request: SealRequest, store: Store, keys: SealKeys) -> Manifest | None:
    """The version that rows are appended to, None for a new dataset."""
    if not request.append:
        if current_version(store):
            remedy = "append to it, or seal to another URL"
            raise InvalidInput("there is a dataset already", where=store.url, remedy=remedy)
        return None
    before = read_manifest(store, signer=signing.public_name(keys.signer))
    if (before.unit, before.public) != (request.unit, request.public):
        kind = "a public dataset" if before.public else "a dataset"
        raise InvalidInput(f"this is {kind} of unit {before.unit}, and stays so", where=store.url)
    if before.schema_.digest() != request.schema.digest():
        found = before.schema_.compatible(request.schema)
        remedy = "append with the schema of its manifest"
        message = "; ".join(found[:3]) or "descriptions, or how missing and outlying values are treated, differ"
        raise SchemaMismatch(message, where=store.url, remedy=remedy)
    check_key(before, keys.kek, store.url)
    return before


def _split(request: SealRequest, draft: Draft, before: Manifest | None) -> Split | None:
    if before is not None:
        return before.split
    return new_split(request.validation, draft.dataset, draft.kek) if request.validation else None


def _ledger(request: SealRequest, stores: Stores, keys: SealKeys, before: Manifest | None) -> Ledger | None:
    if request.public:
        return None
    if before and before.ledger:
        return Ledger.open(stores.open(before.ledger.url), pin=before.ledger.entry0, witness=request.witness)
    store = stores.open(request.ledger_url or request.url)
    return found_ledger(store, request.unit, keys.ledger_signer, request.witness)


def _draft(request: SealRequest, store: Store, keys: SealKeys, before: Manifest | None, ledger: Ledger | None) -> Draft:
    return Draft(
        store=store,
        dataset=before.dataset if before else ledger.view.dataset if ledger else new_dataset(),
        version=before.version + 1 if before else 1,
        schema=request.schema,
        kek=None if request.public else keys.kek,
        first_position=max(shard.position for shard in before.shards) + 1 if before else 0,
    )


def _manifest(
    request: SealRequest, draft: Draft, before: Manifest | None, ledger: Ledger | None, sealed: _Sealed
) -> Manifest:
    shards = (*(before.shards if before else ()), *sealed.shards)
    training = sum(shard.records for shard in shards if shard.part == "training")
    pinned = before.ledger if before else pin(ledger, request.ledger_url or draft.store.url) if ledger else None
    return Manifest(
        format_version=1,
        dataset=draft.dataset,
        version=draft.version,
        unit=request.unit,
        public=request.public,
        owner=sealed.owner,
        schema=request.schema,
        records=training,
        units=sealed.units,
        shards=shards,
        ledger=pinned,
        quality_digest=sealed.quality_digest,
        previous=before.digest() if before else None,
        terms=request.terms or (before.terms if before else None),
        split=sealed.split,
        handovers=before.handovers if before else (),
    )
