"""Writing one version of a dataset: shards, quality report, and the manifest that makes them one.

Objects are written under new random names and never replaced. What a failed attempt wrote is deleted again; what a
crashed one left behind is swept by the next that succeeds.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import canonical
from ringfence.errors import InvalidInput, ObjectNotFound, StoreError
from ringfence.schema import DatasetSchema
from ringfence.shards.binding import quality_binding, shard_binding, wrapping_binding
from ringfence.shards.container import KEY, seal_bytes
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo, encode_manifest
from ringfence.shards.open import Progress, quality_dek, quality_key
from ringfence.store import Store

_ATTEMPTS = 3  # of writing a manifest whose outcome a store does not tell


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A version that is being written. `kek` is None for a public dataset; `written` lists the keys of its shards."""

    store: Store
    dataset: str
    version: int
    schema: DatasetSchema
    kek: Kek | None
    first_position: int = 0
    written: list[str] = field(default_factory=list)


def write_shards(draft: Draft, rows: pa.Table, most: int, progress: Progress | None) -> tuple[ShardInfo, ...]:
    """`rows` in their order as shards of at most `most` records, each sealed under a random key of its own."""
    starts = range(0, rows.num_rows, most)
    shards = []
    for number, start in enumerate(starts):
        shards.append(_write_shard(draft, rows.slice(start, most), draft.first_position + number))
        if progress:
            progress("sealing shards", number + 1, len(starts))
    return tuple(shards)


def write_quality(draft: Draft, report: dict[str, Any]) -> str:
    """The digest of the quality report as written: sealed under a key of the owner's, or clear for a public dataset."""
    data = canonical.encode(report)
    if draft.kek:
        binding = quality_binding(draft.dataset, draft.version)
        data = seal_bytes(data, dek=quality_dek(draft.kek, draft.dataset), aad=binding)
    # Not among `written`: the name is the version's, so a rival for this version may have put its own report there.
    draft.store.put(quality_key(draft.version), data)
    return canonical.digest(data)


def discard(draft: Draft) -> None:
    """Delete what a failed attempt wrote, as far as the store allows."""
    for key in draft.written:
        with suppress(StoreError):
            draft.store.delete(key)


def leftovers(store: Store, before: Manifest | None) -> list[str]:
    """Shards that the current manifest does not list: of attempts that crashed, or that will find their version taken.

    Read before a manifest is published and swept after it, this list holds no shard of a later version.
    """
    listed = {shard.key for shard in before.shards} if before else set()
    return [info.key for info in store.list("shards") if info.key not in listed]


def sweep(store: Store, stale: list[str]) -> None:
    """Delete leftovers, as far as the store allows: they are sealed, and nobody lists them."""
    for key in stale:
        with suppress(StoreError):
            store.delete(key)


def publish(draft: Draft, manifest: Manifest, signer: Ed25519PrivateKey) -> None:
    """Put the signed manifest where nobody was first. Raises InvalidInput if somebody was, StoreError if unknown.

    A put whose answer is lost may still land, so the store is read before it is tried again, with the same bytes, and
    the shards of an attempt that ends unknown are kept.
    """
    store, data = draft.store, encode_manifest(manifest, signer)
    where = f"{store.url}/{manifest.key}"
    fault: StoreError | None = None
    for _ in range(_ATTEMPTS):
        try:
            store.put_if_absent(manifest.key, data)
        except StoreError as error:
            fault = error
        try:
            found = store.get(manifest.key)
        except ObjectNotFound:
            continue
        if found == data:
            return
        discard(draft)
        remedy = "look at it with `ringfence inspect`, then seal again"
        raise InvalidInput("another seal published this version first", where=where, remedy=remedy)
    reason = fault.message if fault else "the object does not appear"
    remedy = "seal again: nothing was published unless `ringfence inspect` shows it"
    raise StoreError(f"the manifest could not be written: {reason}", where=where, remedy=remedy) from fault


def _write_shard(draft: Draft, rows: pa.Table, position: int) -> ShardInfo:
    shard, dek = f"sh-{secrets.token_hex(16)}", os.urandom(KEY)
    binding = shard_binding(draft.dataset, shard, draft.schema.digest(), draft.version, position)
    sealed = seal_bytes(memoryview(_arrow_stream(rows)), dek=dek, aad=binding)
    kek = draft.kek
    info = ShardInfo(
        id=shard,
        records=rows.num_rows,
        size=len(sealed),
        digest=canonical.digest(sealed),
        sealed_version=draft.version,
        position=position,
        kek=kek.id if kek else None,
        wrapped_dek=kek.wrap(dek, wrapping_binding(draft.dataset, shard, kek.id)) if kek else None,
        dek=None if kek else dek.hex(),
    )
    draft.written.append(info.key)
    draft.store.put(info.key, sealed)
    return info


def _arrow_stream(rows: pa.Table) -> Any:
    """An Arrow IPC stream of one record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return sink.getvalue()
