"""Keyed hashes of records and of units, and sets of them in fixed space: 8 bytes each.

BLAKE2b (RFC 7693) with a key: without it nobody learns anything from a hash, or can choose rows that collide.
Two of n different rows collide with probability about n * n / 2**65: one in a thousand million for 200,000 rows.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

Hashes = npt.NDArray[np.uint64]
_SIZE = 8  # bytes of a hash


def fingerprints(rows: pa.Table, key: bytes) -> Hashes:
    """uint64 [B]: a hash of each record's values in the order of the columns, under `key` (up to 64 bytes)."""
    words = [_words(rows.column(name), key) for name in rows.column_names]
    matrix = np.stack(words, axis=1) if words else np.empty((0, 0), np.uint64)
    width, data = matrix.shape[1] * _SIZE, memoryview(matrix.tobytes())
    found = (blake2b(data[at : at + width], digest_size=_SIZE, key=key).digest() for at in range(0, len(data), width))
    return np.frombuffer(b"".join(found), np.uint64)


def hashes_of(values: pa.ChunkedArray, key: bytes) -> Hashes:
    """uint64 [B]: a hash of each text."""
    return _words(values, key)


def _words(values: pa.ChunkedArray, key: bytes) -> Hashes:
    """One word a value: the bits of a number, a hash of a text or an image; equal values give equal words."""
    flat = values.combine_chunks()
    if kinds.is_string(flat.type):
        coded = flat.dictionary_encode()
        texts = (text.encode() for text in coded.dictionary.to_pylist())
        table = b"".join(blake2b(text, digest_size=_SIZE, key=key).digest() for text in texts)
        words: Hashes = np.frombuffer(table, np.uint64)[coded.indices.to_numpy()]
    elif kinds.is_fixed_size_binary(flat.type):
        images = (blake2b(image.as_buffer(), digest_size=_SIZE, key=key).digest() for image in flat)
        words = np.frombuffer(b"".join(images), np.uint64)
    elif kinds.is_floating(flat.type):
        words = (pc.cast(flat, pa.float64()).to_numpy() + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    else:
        words = np.asarray(pc.cast(flat, pa.int64()).to_numpy()).view(np.uint64)
    return words


class Seen:
    """A set of hashes that grows: sorted runs, each at least twice as long as the next, merged as they fill up."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def new(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Boolean [B], true for the first of each hash that was not seen before; all of them are seen from now on."""
        distinct, first = np.unique(hashes, return_index=True)
        unknown = np.ones(len(distinct), dtype=bool)
        for run in self._runs:
            place = np.searchsorted(run, distinct)
            unknown &= run[np.minimum(place, len(run) - 1)] != distinct
        mask = np.zeros(len(hashes), dtype=bool)
        mask[first[unknown]] = True
        if unknown.any():
            self._add(distinct[unknown])
        return mask

    def sorted(self) -> Hashes:
        """All of them in order."""
        return np.sort(np.concatenate(self._runs)) if self._runs else np.empty(0, np.uint64)

    def _add(self, run: Hashes) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate((self._runs.pop(), run))
            run.sort()
        self._runs.append(run)
