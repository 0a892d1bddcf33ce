"""Writing one version of a dataset: shards, quality report, and the manifest that makes them one.

Objects are written under new random names and never replaced. What a failed attempt wrote is deleted again; what a
crashed one left behind is swept by the next that succeeds.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import canonical
from ringfence.errors import InvalidInput, ObjectNotFound, StoreError
from ringfence.schema import DatasetSchema
from ringfence.shards import records
from ringfence.shards.binding import shard_binding, wrapping_binding
from ringfence.shards.container import KEY, seal_bytes
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo, encode_manifest
from ringfence.shards.open import Part
from ringfence.shards.sealed_quality import quality_key, seal_quality
from ringfence.store import Store

_ATTEMPTS = 3  # of writing a manifest whose outcome a store does not tell


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A version that is being written. `kek` is None for a public dataset; `written` lists the keys of its shards,
    which take the positions from `first_position` on."""

    store: Store
    dataset: str
    version: int
    schema: DatasetSchema
    kek: Kek | None
    first_position: int = 0
    written: list[str] = field(default_factory=list)
    _given: Iterator[int] = field(default_factory=count, repr=False)

    def next_position(self) -> int:
        """A position that no other shard of the dataset has."""
        return self.first_position + next(self._given)


def write_quality(draft: Draft, report: dict[str, Any]) -> str:
    """The digest of the quality report as written: sealed under a key of the owner's, or clear for a public dataset."""
    data = seal_quality(report, draft.dataset, draft.version, draft.kek)
    # Not among `written`: the name is the version's, so a rival for this version may have put its own report there.
    draft.store.put(quality_key(draft.version), data)
    return canonical.digest(data)


def discard(draft: Draft) -> None:
    """Destroy what a failed attempt wrote, as far as the store allows."""
    for key in draft.written:
        with suppress(StoreError):
            draft.store.purge(key)


def leftovers(store: Store, before: Manifest | None) -> list[str]:
    """Shards that the current manifest does not list: of attempts that crashed, or that will find their version taken.

    Read before a manifest is published and swept after it, this list holds no shard of a later version.
    """
    listed = {shard.key for shard in before.shards} if before else set()
    return [info.key for info in store.list("shards") if info.key not in listed]


def sweep(store: Store, stale: list[str]) -> None:
    """Destroy leftovers, as far as the store allows: they are sealed, and nobody lists them."""
    for key in stale:
        with suppress(StoreError):
            store.purge(key)


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


def write_shard(draft: Draft, rows: pa.Table, part: Part, position: int) -> ShardInfo:
    """`rows` as one sealed object under a random name and key. Raises StoreError."""
    shard, dek = f"sh-{secrets.token_hex(16)}", os.urandom(KEY)
    binding = shard_binding(draft.dataset, shard, draft.schema.digest(), draft.version, position)
    sealed = seal_bytes(memoryview(records.encode(rows)), dek=dek, aad=binding)
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
        part=part,
    )
    draft.written.append(info.key)
    draft.store.put(info.key, sealed)
    return info
