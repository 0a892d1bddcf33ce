"""Builders of ledgers for tests: real keys, real entries, a folder store, costs small enough to follow by hand."""

import hashlib
from dataclasses import replace
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import ObjectNotFound
from ringfence.privacy.ledger import (
    Charge,
    Ledger,
    PlanRecord,
    Reserve,
    ShardEntry,
    add_shards,
    add_writer,
    set_limit,
)
from ringfence.privacy.orders import DEFAULT_ORDERS
from ringfence.signing import public_name
from ringfence.store import FolderStore, ObjectInfo, ObjectVersion, Original

DATASET = "ds-0123456789abcdef0123456789abcdef"
SEAL_KEY = "x25519:" + "A" * 43


def key(name):
    """The same Ed25519 key for the same name, every time."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


OWNER, WRITER, SECOND, STRANGER, SILO = map(key, ("owner", "writer", "second writer", "stranger", "silo"))


def digest(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def cost(unit):
    """`unit` micro-units at order 1.5, growing with the order as a Gaussian's does."""
    return tuple(max(1, round(unit * float(order) / 1.5)) for order in DEFAULT_ORDERS)


def reserve_of(job="job-1", *, rounds=5, first=1, unit=10_000, shards=("s1",), **changes):
    plan = PlanRecord("poisson-gaussian", "1.1", "256/60000", 10, 100, "1", "2", "0.000001")
    body = Reserve(
        job=job,
        job_name=f"name-of-{job}",
        spec_digest=digest("spec"),
        silo="mercy",
        manifest_version=1,
        manifest_digest=digest("manifest"),
        code="builtin",
        image="",
        plan=plan,
        cost=cost(unit),
        first=first,
        rounds=rounds,
        consumer="research",
        silo_key=public_name(SILO),
        silo_seal_key=SEAL_KEY,
        coordinator_key=public_name(key("coordinator")),
        coordinator_seal_key=SEAL_KEY,
        shards=tuple(shards),
    )
    return replace(body, **changes)


def charge_of(job="job-1", number=1, *, bytes_="update", unit=10_000, **changes):
    return replace(Charge(job, "mercy", number, digest(bytes_), cost(unit)), **changes)


def new_ledger(store, *, unit="Record", epsilon="8", shards=("s1", "s2"), witness=None):
    """A ledger with a writer, shards of new records and a limit: entries 0 to 3."""
    ledger = Ledger.create(store, dataset=DATASET, unit=unit, owner=OWNER, witness=witness)
    add_writer(ledger, OWNER, public_name(WRITER), "operator")
    add_shards(ledger, OWNER, [ShardEntry(shard, None) for shard in shards])
    set_limit(ledger, OWNER, epsilon=Decimal(epsilon), delta=Decimal("0.000001"))
    return ledger


def folder(path):
    return FolderStore("s3://mercy/readmissions", path)


def reopen(ledger, **options):
    return Ledger.open(ledger.store, pin=ledger.entry0, **options)


class BucketStore:
    """A versioned bucket in memory, as S3 keeps one: a name that was deleted is free again, and nothing is lost."""

    url = "s3://mercy/readmissions"

    def __init__(self):
        self.history = {}
        self.reads = []

    def get(self, key):
        self.reads.append(key)
        if self.newest(key) is None:
            raise ObjectNotFound("no such object", where=f"{self.url}/{key}")
        return self.newest(key)

    def original(self, key):
        self.reads.append(key)
        known = self.history.get(key, [])
        versions = [
            ObjectVersion(f"v{n}", len(data or b""), deleted=data is None, when=f"2026-05-03T10:00:{n:02}", who="ann")
            for n, data in enumerate(known)
        ]
        for number, first in enumerate(versions):
            if not first.deleted:
                return Original(known[number], tuple(version for version in versions if version is not first))
        raise ObjectNotFound("no such object", where=f"{self.url}/{key}")

    def put(self, key, data):
        self.history.setdefault(key, []).append(data)

    def put_if_absent(self, key, data):
        if self.newest(key) is not None:
            return False
        self.put(key, data)
        return True

    def list(self, prefix=""):
        there = sorted(key for key in self.history if key.startswith(prefix) and self.newest(key) is not None)
        return [ObjectInfo(key, len(self.newest(key))) for key in there]

    def exists(self, key):
        return self.newest(key) is not None

    def delete(self, key):
        self.put(key, None)

    def newest(self, key):
        return self.history.get(key, [None])[-1]


class Memory:
    """A witness in memory."""

    def __init__(self, head=None):
        self.head = head

    def remembered(self, _dataset):
        return self.head

    def remember(self, _dataset, head):
        if self.head is None or self.head.index < head.index:
            self.head = head
