"""Opening a dataset: fetch each shard whole, check it against the signed manifest, unwrap its key, decrypt in memory.

Nothing of a shard is returned before all of it verified. Plaintext exists only in the memory of the calling process; no
file, cache or shared memory ever holds it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from ringfence.errors import ShardUnavailable, TermsRefused
from ringfence.shards import records
from ringfence.shards.fetch import check_key, fetch_shard, unsealed
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.store.interface import Store

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is."""

Part = Literal["training", "validation"]

_THREADS = 4  # fetching one shard overlaps opening another; the cipher and the digest release the GIL


def open_dataset(
    store: Store, manifest: Manifest, kek: Kek | None, progress: Progress | None = None, part: Part = "training"
) -> pa.Table:
    """All rows of one part of a dataset, in the manifest's order of shards. `kek` may be None for a public dataset.

    Raises KeyRejected when `kek` is not the key that sealed it, TermsRefused when its retention is over,
    ShardUnavailable, naming the object, when a shard is missing, truncated, swapped or altered, and StoreError when the
    store cannot be read.
    """
    tables: list[pa.Table] = []
    total = len(_shards(manifest, part))
    for table in open_shards(store, manifest, kek, part):
        tables.append(table)
        if progress:
            progress("opening shards", len(tables), total)
    return pa.concat_tables(tables) if tables else manifest.schema_.arrow_schema().empty_table()


def open_shards(store: Store, manifest: Manifest, kek: Kek | None, part: Part = "training") -> Iterator[pa.Table]:
    """The rows of one shard after another, in the manifest's order, a few shards at a time in memory.

    Raises as `open_dataset` does; what was given before a fault verified by itself.
    """
    check_retention(manifest, store.url, datetime.now(UTC))
    check_key(manifest, kek, store.url)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="open-shards") as pool:
        waiting: deque[Future[pa.Table]] = deque()
        try:
            for shard in _shards(manifest, part):
                waiting.append(pool.submit(open_shard, store, manifest, shard, kek))
                if len(waiting) == _THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def open_shard(store: Store, manifest: Manifest, shard: ShardInfo, kek: Kek | None) -> pa.Table:
    """The rows of one shard, whatever its part and the terms; else raises as `open_dataset` does."""
    where = f"{store.url}/{shard.key}"
    found = unsealed(fetch_shard(store, manifest, shard), manifest, shard, kek, where)
    try:
        table = records.decode(found.read(0, found.length))
    except (pa.ArrowException, OSError):
        raise ShardUnavailable("it opens, but does not hold Arrow records", where=where) from None
    check_rows(table.num_rows, table.schema, manifest, shard, where)
    return table


def check_rows(count: int, schema: pa.Schema, manifest: Manifest, shard: ShardInfo, where: str) -> None:
    """Raises ShardUnavailable unless a shard holds what the manifest lists."""
    if count != shard.records:
        raise ShardUnavailable(f"it holds {count} records, the manifest lists {shard.records}", where=where)
    if schema != manifest.schema_.arrow_schema():
        raise ShardUnavailable("its columns are not those of the declared schema", where=where)


def check_retention(manifest: Manifest, where: str, now: datetime) -> None:
    """Raises TermsRefused once the last day on which the rows may be opened is over."""
    if manifest.terms is not None and manifest.terms.expired(now):
        raise TermsRefused(
            f"clause retainUntil: the rows may not be opened after {manifest.terms.retain_until}",
            where=where,
            remedy="their owner sweeps them with `ringfence erase URL --expired`",
            clauses=("retainUntil",),
        )


def _shards(manifest: Manifest, part: Part) -> tuple[ShardInfo, ...]:
    return manifest.training if part == "training" else manifest.validation
