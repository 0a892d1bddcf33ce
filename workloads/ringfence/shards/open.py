"""Opening a dataset: fetch each shard whole, check it against the signed manifest, unwrap its key, decrypt in memory.

Nothing is returned before all of it verified. Plaintext exists only in the memory of the calling process; no file,
cache or shared memory ever holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from ringfence import canonical
from ringfence.errors import InvalidInput, KeyRejected, ObjectNotFound, ShardUnavailable
from ringfence.shards.binding import quality_binding, shard_binding, wrapping_binding
from ringfence.shards.container import open_bytes
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.store.interface import Store

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is."""

_THREADS = 4  # fetching one shard overlaps opening another; the cipher and the digest release the GIL


def open_dataset(store: Store, manifest: Manifest, kek: Kek | None, progress: Progress | None = None) -> pa.Table:
    """All rows of a dataset, in the manifest's order of shards. `kek` may be None for a public dataset.

    Raises KeyRejected when `kek` is not the key that sealed it, ShardUnavailable, naming the object, when a shard is
    missing, truncated, swapped or altered, and StoreError when the store cannot be read.
    """
    check_key(manifest, kek, store.url)
    tables: list[pa.Table] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="open-shards") as pool:
        try:
            for table in pool.map(lambda shard: open_shard(store, manifest, shard, kek), manifest.shards):
                tables.append(table)
                if progress:
                    progress("opening shards", len(tables), len(manifest.shards))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return pa.concat_tables(tables)


def open_shard(store: Store, manifest: Manifest, shard: ShardInfo, kek: Kek | None) -> pa.Table:
    """The rows of one shard; raises as `open_dataset` does."""
    where = f"{store.url}/{shard.key}"
    dek = _shard_key(manifest, shard, kek, where)
    sealed = _fetch(store, manifest, shard, where)
    binding = shard_binding(manifest.dataset, shard.id, manifest.schema_.digest(), shard.sealed_version, shard.position)
    plain = open_bytes(sealed, dek=dek, aad=binding, where=where)
    del sealed
    return _rows(plain, manifest, shard, where)


def open_quality(store: Store, manifest: Manifest, kek: Kek | None) -> dict[str, Any]:
    """The quality report of this version, for the owner. Raises KeyRejected and ShardUnavailable."""
    where = f"{store.url}/{quality_key(manifest.version)}"
    check_key(manifest, kek, where)
    try:
        data: bytes | bytearray = store.get(quality_key(manifest.version))
    except ObjectNotFound as error:
        raise ShardUnavailable("the quality report is missing", where=where) from error
    if canonical.digest(bytes(data)) != manifest.quality_digest:
        raise ShardUnavailable("altered: not the quality report that the manifest lists", where=where)
    if kek is not None and not manifest.public:
        binding = quality_binding(manifest.dataset, manifest.version)
        data = open_bytes(data, dek=quality_dek(kek, manifest.dataset), aad=binding, where=where)
    try:
        report: dict[str, Any] = canonical.decode(bytes(data))
    except InvalidInput as error:
        raise ShardUnavailable("the quality report is malformed", where=where) from error
    return report


def quality_key(version: int) -> str:
    """The key of a quality report in the store."""
    return f"quality/{version}"


def quality_dek(kek: Kek, dataset: str) -> bytes:
    """The 32-byte key that seals the quality reports of one dataset."""
    return kek.derive(b"ringfence/quality/" + dataset.encode())


def check_key(manifest: Manifest, kek: Kek | None, where: str) -> None:
    """Raises KeyRejected, naming `where`, unless `kek` is the key that every shard was sealed under."""
    for shard in manifest.shards:
        _needed_key(shard, kek, where)


def _shard_key(manifest: Manifest, shard: ShardInfo, kek: Kek | None, where: str) -> bytes:
    kek = _needed_key(shard, kek, where)
    if kek is None:
        return bytes.fromhex(shard.dek or "")
    return kek.unwrap(shard.wrapped_dek or "", wrapping_binding(manifest.dataset, shard.id, kek.id), where=where)


def _needed_key(shard: ShardInfo, kek: Kek | None, where: str) -> Kek | None:
    """The key that unwraps this shard's key, None for a shard of a public dataset."""
    if shard.kek is None:
        return None
    if kek is None:
        raise KeyRejected(f"a key is needed: sealed under {shard.kek}", where=where, remedy="name the owner's key file")
    if kek.id != shard.kek:
        remedy = "name the key file that the dataset was sealed with"
        raise KeyRejected(f"sealed under {shard.kek}, the key given is {kek.id}", where=where, remedy=remedy)
    return kek


def _fetch(store: Store, manifest: Manifest, shard: ShardInfo, where: str) -> bytes:
    """The sealed object, its size and digest as the manifest lists them."""
    try:
        sealed = store.get(shard.key)
    except ObjectNotFound as error:
        raise ShardUnavailable("the shard is missing", where=where, remedy="restore the object") from error
    found = canonical.digest(sealed)
    if found == shard.digest and len(sealed) == shard.size:
        return sealed
    other = next((other.id for other in manifest.shards if other.digest == found), None)
    if other is not None:
        raise ShardUnavailable(f"swapped: it holds the bytes of shard {other}", where=where)
    if len(sealed) < shard.size:
        raise ShardUnavailable(f"truncated: {len(sealed)} bytes of {shard.size}", where=where)
    raise ShardUnavailable("altered: not the bytes that the manifest lists", where=where)


def _rows(plain: bytearray, manifest: Manifest, shard: ShardInfo, where: str) -> pa.Table:
    try:
        table = pa.ipc.open_stream(pa.py_buffer(plain)).read_all()
    except (pa.ArrowException, OSError):
        raise ShardUnavailable("it opens, but does not hold Arrow records", where=where) from None
    if table.num_rows != shard.records:
        raise ShardUnavailable(f"it holds {table.num_rows} records, the manifest lists {shard.records}", where=where)
    if table.schema != manifest.schema_.arrow_schema():
        raise ShardUnavailable("its columns are not those of the declared schema", where=where)
    return table
