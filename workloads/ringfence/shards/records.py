"""The plaintext of a shard: records as an Arrow IPC file.

Every record batch but the last holds the same number of records, about one segment's worth, so that the footer is an
index by record: record n is number n % size of batch n // size. (Shards of the first release hold an Arrow IPC stream
of one batch; they open whole.)
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ringfence.shards.container import SEGMENT, Buffer, Sealed

_FILE = b"ARROW1"
Indices = npt.NDArray[np.int64]


def encode(rows: pa.Table) -> Any:
    """An Arrow buffer with the IPC file of `rows`."""
    size = max(1, SEGMENT * rows.num_rows // max(1, rows.nbytes))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks(), max_chunksize=size)
    return sink.getvalue()


def decode(plain: Buffer) -> pa.Table:
    """The rows in a shard's whole plaintext, without a copy. Raises ArrowException or OSError when it holds none."""
    source = pa.py_buffer(plain)
    whole = memoryview(plain)[: len(_FILE)] == _FILE
    return (pa.ipc.open_file(source) if whole else pa.ipc.open_stream(source)).read_all()


class RecordFile:
    """Records of one sealed object, opened at random: only the segments that hold them are decrypted."""

    def __init__(self, sealed: Sealed) -> None:
        """Raises ShardUnavailable, ArrowException or OSError."""
        self._table: pa.Table | None = None
        if bytes(sealed.read(0, len(_FILE))) != _FILE:
            self._table = decode(sealed.read(0, sealed.length))
            return
        self._file = pa.ipc.open_file(pa.PythonFile(_Plaintext(sealed), mode="r"))
        self._size = self._file.get_batch(0).num_rows

    @property
    def schema(self) -> pa.Schema:
        """Of the records."""
        return self._file.schema if self._table is None else self._table.schema

    def count(self) -> int:
        """How many records there are."""
        if self._table is not None:
            return int(self._table.num_rows)
        last = self._file.num_record_batches - 1
        return int(last * self._size + self._file.get_batch(last).num_rows)

    def take(self, indices: Indices) -> pa.Table:
        """The records `indices` [n], n at least 1, each below `count()`, in their order; repeats are allowed."""
        if self._table is not None:
            return self._table.take(pa.array(indices))
        batches, places = np.divmod(indices, self._size)

        def taken(batch: int, wanted: Indices) -> pa.Table:
            return pa.Table.from_batches([self._file.get_batch(batch).take(pa.array(places[wanted]))])

        return in_groups(batches, taken)


def in_groups(groups: Indices, take: Callable[[int, Indices], pa.Table]) -> pa.Table:
    """One row for each of `groups` [n], in their order; `take` gives those of one group, by their places in `groups`.
    There is at least one."""
    if (groups == groups[0]).all():
        return take(int(groups[0]), np.arange(len(groups)))
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_tables([take(int(groups[part[0]]), part) for part in parts]).take(pa.array(back))


class _Plaintext:
    """The plaintext of a sealed object as a file that is read, never whole: what Arrow asks of one, without a copy."""

    closed = False

    def __init__(self, sealed: Sealed) -> None:
        self._sealed, self._place = sealed, 0

    def close(self) -> None:
        """There is nothing to close."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def size(self) -> int:
        return self._sealed.length

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._sealed.length}[whence]
        self._place = start + offset
        return self._place

    def read(self, size: int | None = -1) -> memoryview:
        stop = self._sealed.length if size is None or size < 0 else self._place + size
        found = self._sealed.read(self._place, stop)
        self._place += len(found)
        return found
