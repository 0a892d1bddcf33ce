"""Rows that come as a stream -> shards of bounded size, sealed and uploaded while the next rows are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from ringfence.shards.manifest import ShardInfo
from ringfence.shards.open import Part
from ringfence.shards.publish import Draft, write_shard

_LARGEST = 2**23  # bytes of rows in a shard: a few of them fit in memory, sealed and open, wherever they are opened
_UPLOADS = 2


class ShardWriter:
    """Shards of one version. Use as a context: at its end every upload has ended, well or badly."""

    def __init__(self, draft: Draft, most: int, written: Callable[[int], None]) -> None:
        """At most `most` records and 8 MiB of rows go into a shard; `written` is told of each shard's records."""
        self._draft, self._most, self._written = draft, most, written
        self._pending: dict[Part, list[pa.Table]] = {"training": [], "validation": []}
        self._waiting: deque[Future[ShardInfo]] = deque()
        self._shards: list[ShardInfo] = []
        self._pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="seal-shards")

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *failure: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, rows: pa.Table, part: Part = "training") -> None:
        """Takes rows; full shards are written. Raises StoreError."""
        for start in range(0, rows.num_rows, self._most):
            self._take(rows.slice(start, self._most), part)

    def finish(self) -> tuple[ShardInfo, ...]:
        """Writes what is left; all shards in the order of their positions. Raises StoreError."""
        for part, tables in self._pending.items():
            if tables:
                self._submit(pa.concat_tables(tables), part)
        while self._waiting:
            self._settle()
        return tuple(sorted(self._shards, key=lambda shard: shard.position))

    def _take(self, rows: pa.Table, part: Part) -> None:
        pending = self._pending[part]
        pending.append(rows)
        while sum(table.num_rows for table in pending) >= self._most or sum(t.nbytes for t in pending) >= _LARGEST:
            whole = pa.concat_tables(pending)
            fits = max(1, min(self._most, whole.num_rows * _LARGEST // max(1, whole.nbytes)))
            self._submit(whole.slice(0, fits), part)
            rest = whole.slice(fits)
            pending[:] = [rest] if rest.num_rows else []

    def _submit(self, rows: pa.Table, part: Part) -> None:
        position = self._draft.next_position()
        self._waiting.append(self._pool.submit(write_shard, self._draft, rows, part, position))
        if len(self._waiting) > _UPLOADS:
            self._settle()

    def _settle(self) -> None:
        shard = self._waiting.popleft().result()
        self._shards.append(shard)
        self._written(shard.records)
