"""The world of a trial: keys that follow from names, and two ledgers with room for a known number of rounds."""

from __future__ import annotations

import hashlib
import json
import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trials.scenario import DATASETS, Job, Scenario

from ringfence.privacy import orders
from ringfence.privacy.ledger import Ledger, PlanRecord, Reserve, ShardEntry, add_shards, add_writer, set_limit
from ringfence.shards.keys import Kek
from ringfence.signing import public_name
from ringfence.store import FolderStore

EPSILON, DELTA = Decimal(8), Decimal("0.000001")
SHARDS = ((ShardEntry("s1", None), ShardEntry("s3", None)), (ShardEntry("s2", ("s1",)),))
_SEAL_KEY = "x25519:" + "A" * 43


@cache
def key(name: str) -> Ed25519PrivateKey:
    """The same Ed25519 key for the same name, every time."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


@cache
def kek(dataset: str) -> Kek:
    """The key under which a silo stages."""
    return Kek(hashlib.sha256(f"kek of {dataset}".encode()).digest())


def owner(dataset: str) -> Ed25519PrivateKey:
    """The dataset's owner."""
    return key(f"owner of {dataset}")


def silo_key(job: str, dataset: str) -> Ed25519PrivateKey:
    """The only key that may charge for this job on this dataset."""
    return key(f"silo {dataset} in {job}")


def writer_of(controller: str) -> Ed25519PrivateKey:
    """A controller's key; the owners made both writers."""
    return key(f"writer {controller}")


@cache
def ledger_objects(dataset: str) -> dict[str, bytes]:
    """The objects of a ledger that its owner has just opened."""
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore("file:///template", Path(folder))
        ledger = Ledger.create(store, dataset=dataset_id(dataset), unit="Record", owner=owner(dataset))
        for controller in ("controller-1", "controller-2"):
            add_writer(ledger, owner(dataset), public_name(writer_of(controller)), controller)
        for shards in SHARDS:
            add_shards(ledger, owner(dataset), shards)
        set_limit(ledger, owner(dataset), epsilon=EPSILON, delta=DELTA)
        return {found.key: store.get(found.key) for found in store.list()}


def warm() -> None:
    """Makes both ledgers, so that processes forked from this one share them, and keeps the logarithms of their grid:
    every opening of a ledger computes its limits again, and that would be a fifth of a trial's time."""
    orders._conversion = cache(orders._conversion)
    for dataset in DATASETS:
        ledger_objects(dataset)


def dataset_id(dataset: str) -> str:
    """The id that entry 0 gives the dataset."""
    return f"ds-{dataset}"


def pin(dataset: str) -> str:
    """The hash of entry 0, as a manifest would pin it."""
    return "sha256:" + hashlib.sha256(ledger_objects(dataset)["ledger/0"]).hexdigest()


@cache
def cost_of_a_round(dataset: str, capacity: int) -> tuple[int, ...]:
    """The cost at each order of which the first limit admits exactly `capacity`; 1 at orders that allow nothing."""
    bodies = (json.loads(data) for data in ledger_objects(dataset).values())
    limit = next(document["body"]["limits"] for document in bodies if document["kind"] == "limit")
    return tuple(each // capacity or 1 for each in limit)


def reserve_of(scenario: Scenario, job: Job, dataset: str, first: int) -> Reserve:
    """The reservation of the rounds of `job` from `first` on."""
    digest = "sha256:" + hashlib.sha256(job.uid.encode()).hexdigest()
    return Reserve(
        job=job.uid,
        job_name=f"name-of-{job.uid}",
        spec_digest=digest,
        silo=dataset,
        manifest_version=1,
        manifest_digest=digest,
        code="builtin",
        image="",
        plan=PlanRecord("poisson-gaussian", "1.1", "256/60000", 10, job.rounds, "1", "2", "0.000001"),
        cost=cost_of_a_round(dataset, scenario.capacity),
        first=first,
        rounds=job.rounds - first + 1,
        consumer="research",
        silo_key=public_name(silo_key(job.uid, dataset)),
        silo_seal_key=_SEAL_KEY,
        coordinator_key=public_name(key("coordinator")),
        coordinator_seal_key=_SEAL_KEY,
        shards=job.shards,
    )
