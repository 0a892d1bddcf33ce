"""Records opened at random from shards that were fetched whole and are still sealed, in memory or on local disk.

What the store sees does not depend on which records are drawn, and the disk sees only what the store sees.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from ringfence.errors import InvalidInput, ShardUnavailable, StoreError
from ringfence.shards.container import Buffer
from ringfence.shards.fetch import check_key, fetch_shard, unsealed
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.shards.open import Part, check_retention, check_rows
from ringfence.shards.records import Indices, RecordFile, in_groups
from ringfence.store.interface import Store

_THREADS = 4


class FetchedDataset:
    """One part of a dataset, fetched and verified, still sealed. Records are numbered in the manifest's order."""

    def __init__(self, files: Sequence[RecordFile], schema: pa.Schema) -> None:
        self._files, self._schema = list(files), schema
        self._ends = np.cumsum([file.count() for file in files], dtype=np.int64)

    @classmethod
    def fetch(
        cls, store: Store, manifest: Manifest, kek: Kek | None, *, folder: Path | None = None, part: Part = "training"
    ) -> Self:
        """Fetches every shard, to memory or as a file of `folder` (which the caller removes).

        Raises KeyRejected, TermsRefused, ShardUnavailable, naming the object, and StoreError.
        """
        check_retention(manifest, store.url, datetime.now(UTC))
        check_key(manifest, kek, store.url)
        shards = manifest.training if part == "training" else manifest.validation

        def fetched(shard: ShardInfo) -> RecordFile:
            sealed: Buffer = fetch_shard(store, manifest, shard)
            if folder is not None:
                sealed = _on_disk(folder / shard.id, sealed)
            return _records(sealed, manifest, shard, kek, f"{store.url}/{shard.key}")

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch-shards") as pool:
            return cls(list(pool.map(fetched, shards)), manifest.schema_.arrow_schema())

    def __len__(self) -> int:
        """How many records there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, indices: Indices) -> pa.Table:
        """The records `indices` [n] in their order. Raises ShardUnavailable for a segment that does not verify."""
        if len(indices) == 0:
            return self._schema.empty_table()
        if indices.min() < 0 or indices.max() >= len(self):
            raise InvalidInput(f"there are records 0 to {len(self) - 1} only")
        owners = np.searchsorted(self._ends, indices, side="right")

        def taken(shard: int, wanted: Indices) -> pa.Table:
            first = self._ends[shard - 1] if shard else 0
            return self._files[shard].take(indices[wanted] - first)

        return in_groups(owners, taken)


def _records(sealed: Buffer, manifest: Manifest, shard: ShardInfo, kek: Kek | None, where: str) -> RecordFile:
    found = unsealed(sealed, manifest, shard, kek, where)
    try:
        file = RecordFile(found)
        check_rows(file.count(), file.schema, manifest, shard, where)
    except (pa.ArrowException, OSError):
        raise ShardUnavailable("it opens, but does not hold Arrow records", where=where) from None
    return file


def _on_disk(path: Path, sealed: Buffer) -> Buffer:
    """The sealed bytes as a memory-mapped file that only this user may read."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.write(sealed)
            file.flush()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise StoreError(f"cannot keep a sealed shard here: {error.strerror}", where=str(path)) from error
