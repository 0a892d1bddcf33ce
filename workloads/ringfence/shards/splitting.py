"""Which records are kept for scores: by a keyed hash of their unit, so that all rows of one person lie on one side.

The key is random, made with the dataset, and listed in its manifest as a shard's key is: wrapped, and wrapped anew by a
rotation. So rows appended years later fall on the side of the rows they belong to.
"""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from ringfence.errors import InvalidInput, KeyRejected
from ringfence.shards.binding import wrapping_binding
from ringfence.shards.fingerprints import fingerprints, hashes_of
from ringfence.shards.keys import Kek
from ringfence.shards.strict import Strict

_NAME = "split"  # what the wrapped key is bound to, where a shard's is bound to the shard's id


class Split(Strict):
    """`share` of the units, a decimal below 1, is kept for scores. `kek` and `wrapped_key`, or `key` if public."""

    share: Annotated[str, Field(pattern=r"^0\.[0-9]{1,6}$")]
    kek: Annotated[str, Field(pattern=r"^kek:[0-9a-f]{16}$")] | None
    wrapped_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{80}$")] | None
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: str) -> str:
        if Decimal(share) == 0:
            raise ValueError("a share of 0 splits nothing")
        return share


def new_split(share: str, dataset: str, kek: Kek | None) -> Split:
    """A split of `share` with a random key. Raises InvalidInput for a share that is none."""
    try:
        text = format(Decimal(share).normalize(), "f")
        return _written(text, os.urandom(32), dataset, kek)
    except (InvalidOperation, ValueError) as error:
        raise InvalidInput(
            f"{share[:40]!r} is not a share", where="--split", remedy="write validation=0.2, with at most 6 digits"
        ) from error


def rewrapped_split(split: Split | None, dataset: str, old: Kek | None, new: Kek | None, where: str) -> Split | None:
    """The same split, its key wrapped under `new`. Raises KeyRejected."""
    if split is None or split.kek is None:
        return split
    return _written(split.share, _key(split, dataset, old, where), dataset, new)


class Splitter:
    """Tells the records kept for scores from the others."""

    def __init__(self, split: Split, dataset: str, kek: Kek | None, *, column: str, where: str) -> None:
        """`column` is the unit's, "" where a record is the unit. Raises KeyRejected."""
        self._key, self._column = _key(split, dataset, kek, where), column
        self._below = int(Decimal(split.share) * 2**64)

    def validation(self, rows: pa.Table) -> Any:
        """Boolean mask [B], true for records kept for scores. Equal units are on one side."""
        column = self._column
        hashes = hashes_of(rows.column(column), self._key) if column else fingerprints(rows, self._key)
        return pa.array(hashes < np.uint64(self._below))


def _written(share: str, key: bytes, dataset: str, kek: Kek | None) -> Split:
    if kek is None:
        return Split(share=share, kek=None, wrapped_key=None, key=key.hex())
    wrapped = kek.wrap(key, wrapping_binding(dataset, _NAME, kek.id))
    return Split(share=share, kek=kek.id, wrapped_key=wrapped, key=None)


def _key(split: Split, dataset: str, kek: Kek | None, where: str) -> bytes:
    if split.kek is None:
        return bytes.fromhex(split.key or "")
    if kek is None or kek.id != split.kek:
        raise KeyRejected(f"the split's key is wrapped under {split.kek}", where=where)
    return kek.unwrap(split.wrapped_key or "", wrapping_binding(dataset, _NAME, kek.id), where=where)
