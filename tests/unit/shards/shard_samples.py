"""Small datasets to seal, and stores that fail on purpose (the real store underneath)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import StoreError
from ringfence.privacy.ledger.entries import PlanRecord, Reserve
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.operations import reserve, set_limit
from ringfence.schema import DatasetSchema
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest
from ringfence.shards.seal import SealKeys, SealRequest
from ringfence.signing import public_name
from ringfence.store import Store, Stores

SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "age", "type": "integer", "minimum": "0", "maximum": "120", "missing": "drop"},
            {"name": "ward", "type": "category", "values": ["north", "south"]},
            {"name": "person", "type": "identifier", "role": "unit"},
            {"name": "ill", "type": "boolean", "role": "target"},
        ]
    }
)
CANARY = "CANARY-9d1f"
KEYS = SealKeys(Kek(b"K" * 32), Ed25519PrivateKey.from_private_bytes(b"S" * 32))
OTHER = SealKeys(Kek(b"L" * 32), Ed25519PrivateKey.from_private_bytes(b"T" * 32))


def rows(count: int = 10, start: int = 0) -> pa.Table:
    """`count` clean rows; every person has two."""
    numbers = range(start, start + count)
    return pa.table(
        {
            "age": [number % 100 for number in numbers],
            "ward": ["north" if number % 3 else "south" for number in numbers],
            "person": [f"{CANARY}-{number // 2}" for number in numbers],
            "ill": [number % 2 == 0 for number in numbers],
        }
    )


def request(url: str, **changed: Any) -> SealRequest:
    """Ten rows in shards of four."""
    given = {"source": rows(), "url": url, "schema": SCHEMA, "shard_records": 4}
    return SealRequest(**{**given, **changed})


def reserved(folder: Path, manifest: Manifest, silo: Ed25519PrivateKey = KEYS.signer) -> Ledger:
    """The dataset's ledger with a limit and one job's open reservation on all shards, under the silo's key `silo`."""
    pin = manifest.ledger
    assert pin is not None
    ledger = Ledger.open(Stores().open(url_of(folder)), pin=pin.entry0)
    set_limit(ledger, KEYS.signer, epsilon=Decimal(8), delta=Decimal("1e-6"))
    plan = PlanRecord("poisson-gaussian", "1.0", "1/10", 1, 1, "1", "1", "1e-6")
    owner, sealing = public_name(KEYS.signer), "x25519:" + "A" * 43
    limit = ledger.view.limit
    assert limit is not None
    body = Reserve(
        job="job", job_name="job", spec_digest="sha256:" + "0" * 64, silo="mercy", manifest_version=manifest.version,
        manifest_digest=manifest.digest(), code="builtin", image="", plan=plan, cost=(1,) * len(limit.orders),
        first=1, rounds=1, consumer="research", silo_key=public_name(silo), silo_seal_key=sealing,
        coordinator_key=owner, coordinator_seal_key=sealing, shards=tuple(shard.id for shard in manifest.training),
    )  # fmt: skip
    reserve(ledger, KEYS.signer, body)
    return ledger


def url_of(folder: Path) -> str:
    return f"file://{folder}"


@dataclass
class Crashed(BaseException):
    """The process ended here: no clean-up of the code under test may rely on running."""

    key: str


@dataclass
class FailingStores:
    """Stores whose write number `at` fails: the process ends `before` or `after` it, or the store gives an `error`."""

    at: int
    how: str
    inner: Stores = field(default_factory=Stores)
    writes: list[str] = field(default_factory=list)
    dead: bool = False

    def open(self, url: str) -> Store:
        return FailingStore(self.inner.open(url), self)


@dataclass
class FailingStore:
    """The real store, except for one write; after a crash nothing reaches it any more, not even a clean-up."""

    inner: Store
    plan: FailingStores

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def put(self, key: str, data: bytes) -> None:
        self._write(key, lambda: self.inner.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return bool(self._write(key, lambda: self.inner.put_if_absent(key, data)))

    def delete(self, key: str) -> None:
        if not self.plan.dead:
            self.inner.delete(key)

    def purge(self, key: str) -> None:
        if not self.plan.dead:
            self.inner.purge(key)

    def _write(self, key: str, write: Any) -> Any:
        plan = self.plan
        if plan.dead:
            raise Crashed(key)
        plan.writes.append(key)
        if len(plan.writes) - 1 != plan.at:
            return write()
        if plan.how == "error":
            raise StoreError("cannot write this object: No space left on device", where=f"{self.inner.url}/{key}")
        plan.dead = True
        if plan.how == "after":
            write()
        raise Crashed(key)
