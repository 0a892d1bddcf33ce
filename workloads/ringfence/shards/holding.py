"""A dataset in its owner's hands: what changing it starts with, and how a change is finished.

A change writes new shards under new names, tells the ledger whose loss they inherit, publishes the next manifest, and
only then destroys what was replaced. A crash in between leaves the old version or the new one, never a mixture; what
was left over is destroyed by the next change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import LedgerError, StoreError
from ringfence.privacy.ledger.entries import ShardEntry
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.operations import add_shards, erase
from ringfence.privacy.ledger.witness import Witness
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import EventName
from ringfence.shards.fetch import check_key
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo, read_manifest
from ringfence.shards.open import Progress, open_shard
from ringfence.shards.publish import Draft, discard, publish, write_shard
from ringfence.shards.request import SealKeys
from ringfence.store import Store, Stores

Keep = Callable[[pa.Table], pa.Table]
Replaced = Mapping[str, ShardInfo | None]
"""By the id of a replaced shard: what takes its place, None where nothing is left of it."""


@dataclass(frozen=True)
class Holding:
    """The current version of a dataset, its ledger (None for a public one), and its owner's keys."""

    store: Store
    manifest: Manifest
    ledger: Ledger | None
    keys: SealKeys

    @classmethod
    def open(cls, url: str, stores: Stores, keys: SealKeys, witness: Witness | None) -> Holding:
        """Raises ManifestUnavailable, SignatureRejected, KeyRejected and ledger errors."""
        store = stores.open(url)
        manifest = read_manifest(store, signer=keys.public)
        check_key(manifest, keys.kek, store.url)
        pin = manifest.ledger
        ledger = Ledger.open(stores.open(pin.url), pin=pin.entry0, witness=witness) if pin else None
        return cls(store, manifest, ledger, keys)

    @property
    def log(self) -> AuditLog:
        """The audit log, beside the ledger if there is one."""
        store = self.ledger.store if self.ledger else self.store
        return AuditLog(store, self.manifest.dataset, self.keys.signer, self.ledger)

    def draft(self, kek: Kek | None) -> Draft:
        """The next version, whose new shards are wrapped under `kek`."""
        return Draft(
            store=self.store,
            dataset=self.manifest.dataset,
            version=self.manifest.version + 1,
            schema=self.manifest.schema_,
            kek=None if self.manifest.public else kek,
            first_position=max(shard.position for shard in self.manifest.shards) + 1,
        )

    def successor(self, **changes: Any) -> Manifest:
        """The next manifest. Validated as a whole, as one that is read is."""
        now = self.manifest
        given = {name: getattr(now, name) for name in Manifest.model_fields if name != "schema_"}
        given |= {"schema": now.schema_, "version": now.version + 1, "previous": now.digest(), **changes}
        return Manifest(**given)

    def require_idle(self, what: str) -> None:
        """Raises LedgerError while a job holds a reservation: it was promised the shards that `what` destroys."""
        held = list(self.ledger.refresh().open_reservations()) if self.ledger else []
        if held:
            raise LedgerError(
                f"{len(held)} jobs hold reservations on the shards that {what} destroys: {held[0].reserve.job_name}",
                where=self.store.url,
                remedy="let them end, or close them with `ringfence budget close URL --job UID`",
            )


def rewrite(
    holding: Holding, draft: Draft, shards: Sequence[ShardInfo], keep: Keep, progress: Progress | None = None
) -> Replaced:
    """Each of `shards` opened, passed through `keep`, and sealed anew under a key of its own. On failure what was
    written is discarded."""
    replaced: dict[str, ShardInfo | None] = {}
    try:
        for number, shard in enumerate(shards):
            rows = keep(open_shard(holding.store, holding.manifest, shard, holding.keys.kek))
            replaced[shard.id] = write_shard(draft, rows, shard.part, draft.next_position()) if rows.num_rows else None
            if progress:
                progress("resealing shards", number + 1, len(shards))
    except BaseException:
        discard(draft)
        raise
    return replaced


def in_place(manifest: Manifest, replaced: Replaced) -> tuple[ShardInfo, ...]:
    """The manifest's shards with each replaced one's successor in its place."""
    found = (replaced.get(shard.id, shard) for shard in manifest.shards)
    return tuple(shard for shard in found if shard is not None)


@dataclass(frozen=True)
class Change:
    """A next version as it is announced: what was done, the manifest, who signs it, and what replaces which shards."""

    event: EventName
    manifest: Manifest
    signer: Ed25519PrivateKey
    replaced: Replaced


def put_in_place(holding: Holding, draft: Draft, change: Change) -> None:
    """The ledger's word on the new shards, each the heir of the one it replaces, then the audit log's entry, then the
    manifest."""
    manifest, replaced = change.manifest, change.replaced
    heirs = [ShardEntry(new.id, (old,)) for old, new in replaced.items() if new is not None]
    try:
        if holding.ledger and heirs:
            add_shards(holding.ledger, holding.keys.ledger_signer, heirs)
        digest = manifest.digest()
        holding.log.record(change.event, version=manifest.version, manifest=digest, shards=len(replaced))
    except BaseException:
        discard(draft)
        raise
    publish(draft, manifest, change.signer)


def destroy(holding: Holding, manifest: Manifest | None, reason: str) -> list[str]:
    """Destroys every version of every shard that `manifest`, now current, does not list (None: of all), and of every
    quality report but its own; then the ledger is told. Returns the keys destroyed.

    Raises StoreError, naming the objects that a lock or a missing right keeps: calling it again goes on there.
    """
    listed = {shard.id for shard in manifest.shards} if manifest else set()
    kept: dict[str, StoreError] = {}
    doomed = _doomed(holding, manifest)
    for key in doomed:
        try:
            holding.store.purge(key)
        except StoreError as error:
            kept[key] = error
    if kept:
        first = next(iter(kept.values()))
        raise StoreError(
            f"{len(kept)} of {len(doomed)} objects are still there: {', '.join(sorted(kept)[:3])} ({first.message})",
            where=holding.store.url,
            remedy="destroy all their versions with the store's own means",
        ) from first
    if holding.ledger:
        view = holding.ledger.refresh()
        gone = sorted(view.members - listed - view.erased)
        if gone:
            erase(holding.ledger, holding.keys.ledger_signer, gone, reason)
    return doomed


def _doomed(holding: Holding, manifest: Manifest | None) -> list[str]:
    """Objects that are there and not listed, and those of the version before, which a store may still hide versions
    of."""
    store = holding.store
    listed = {shard.key for shard in manifest.shards} if manifest else set()
    if manifest and manifest.quality_digest:
        listed.add(f"quality/{manifest.version}")
    there = {info.key for folder in ("shards", "quality") for info in store.list(folder)}
    absent = (shard.key for shard in holding.manifest.shards if shard.key not in there)
    hidden = {key for key in absent if store.versions(key)}
    return sorted((there | hidden) - listed)
