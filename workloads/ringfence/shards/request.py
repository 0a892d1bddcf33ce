"""What an owner asks to be sealed, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.witness import Witness
from ringfence.schema import DatasetSchema
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest
from ringfence.shards.overlap import Overlap
from ringfence.shards.terms import Terms
from ringfence.signing import public_name

_UNIT = re.compile(r"Record|User:.{1,128}|Silo")


@dataclass(frozen=True)
class SealKeys:
    """The owner's signing key, and the key that wraps shard keys (None only for a public dataset).

    `ledger` is the key that opened the ledger, where the signing key was rotated since: a ledger keeps its own.
    """

    kek: Kek | None
    signer: Ed25519PrivateKey
    ledger: Ed25519PrivateKey | None = None

    @property
    def public(self) -> str:
        """The written form of the signing key's public half."""
        return public_name(self.signer)

    @property
    def ledger_signer(self) -> Ed25519PrivateKey:
        """What signs entries of the ledger."""
        return self.ledger or self.signer


@dataclass(frozen=True, kw_only=True)
class SealRequest:
    """What to seal, where, and what its owner declares.

    `unit` is `Record` or `User:<column>`. `public` is the owner's word that no person's privacy is at stake: no ledger,
    and shard keys in the manifest. With `append` the rows are added to the dataset at `url`; `new_records` is the
    owner's signed statement that none of them was in it before (unit `Record` only), without which they start with the
    largest loss of all that is there. `ledger_url` puts the ledger elsewhere than at `url`.
    `shard_records` is the largest number of records in a shard. `witness` remembers heads of the ledger.
    `validation` is the share of units kept for scores (a decimal below 1); appended rows follow the dataset's split.
    `terms` are the dataset's from now on; None leaves them as they are. `beside` are URLs of the owner's other
    datasets, whose persons are compared with these; `overlap` accepts that some stand in both, so that guarantees add
    up.
    """

    source: Path | str | pa.Table
    url: str
    schema: DatasetSchema
    unit: str = "Record"
    public: bool = False
    append: bool = False
    new_records: bool = False
    ledger_url: str | None = None
    shard_records: int = 65_536
    witness: Witness | None = None
    validation: str | None = None
    terms: Terms | None = None
    beside: tuple[str, ...] = ()
    overlap: bool = False


@dataclass(frozen=True)
class SealResult:
    """The manifest as published; records read and sealed; records that each column would drop, where one may count in
    several; exact duplicates; and persons who stand in other datasets too."""

    manifest: Manifest
    url: str
    read: int
    sealed: int
    dropped: Mapping[str, int]
    duplicates: int
    overlap: Overlap


def check_request(request: SealRequest, keys: SealKeys) -> None:
    """Raises InvalidInput, naming the URL, for a request that contradicts itself."""
    _check_unit(request)
    faults = {
        "a shard holds at least one record": request.shard_records < 1,
        "a public dataset has no ledger": request.public and (request.ledger_url or request.new_records),
        "new_records is said of appended rows only": request.new_records and not request.append,
        "appended rows of unit User or Silo inherit what was spent": request.new_records and request.unit != "Record",
        "appended rows are accounted for in the dataset's own ledger": request.append and request.ledger_url,
        "the split of a dataset is made with it, and appended rows follow it": request.append and request.validation,
        "the persons of a public dataset are not compared": request.public and (request.beside or request.overlap),
        "a key is needed to seal: name the owner's key file": not request.public and keys.kek is None,
    }
    for fault, present in faults.items():
        if present:
            raise InvalidInput(fault, where=request.url)


def _check_unit(request: SealRequest) -> None:
    column = request.schema.unit_column
    _, _, named = request.unit.partition(":")
    if not _UNIT.fullmatch(request.unit):
        raise InvalidInput(f"unit {request.unit[:60]!r} is not Record, User:<column> or Silo", where=request.url)
    if named and (column is None or column.name != named):
        message = f"unit {request.unit!r} names a column that is not the schema's unit column"
        raise InvalidInput(message, where=request.url, remedy="declare it with `role: unit` and type identifier")
