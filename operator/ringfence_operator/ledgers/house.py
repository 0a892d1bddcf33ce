"""What every question to the ledgers needs: the stores, the operator's keys, what it remembers, who it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import signing
from ringfence.acceptance.accepted import Memory
from ringfence.privacy import jobkeys
from ringfence.privacy.jobkeys import JobKeys
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.manifest import read_manifest
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.store.open import Stores
from ringfence_operator.names import COORDINATOR


@dataclass(frozen=True)
class House:
    """`writer` signs ledger entries and endorsements; `master` derives the jobs' keys; `cluster` is the uid of the
    kube-system namespace, which tells this cluster from others; `image` is the one of silos whose owners name none."""

    stores: Stores
    memory: Memory
    writer: Ed25519PrivateKey
    master: bytes
    cluster: str
    image: str = ""

    @property
    def public(self) -> str:
        """The key that owners let write: `ringfence budget open --writer`."""
        return signing.public_name(self.writer)

    def keys(self, uid: str, silo: str) -> JobKeys:
        """The keys of a silo, or of the coordinator (""), in a job: the same at every attempt."""
        return jobkeys.derive(self.master, uid, f"silo/{silo}" if silo else COORDINATOR)

    def identity(self, budget: PrivacyBudget) -> str:
        """Owner of a ledger: this cluster's PrivacyBudget, by namespace and name, so one made again is the same."""
        return f"kube:{self.cluster}/{budget.metadata.namespace}/{budget.metadata.name}"

    def ledger(self, dataset: str, signer: str | None, *, for_reading: bool = False) -> Ledger | None:
        """The ledger that a dataset's manifest pins, verified; None for a dataset sealed as public."""
        manifest = read_manifest(self.stores.open(dataset), signer=signer, where=dataset)
        if manifest.ledger is None:
            return None
        store = self.stores.open(manifest.ledger.url)
        return Ledger.open(store, pin=manifest.ledger.entry0, witness=self.memory.witness, for_reading=for_reading)


@dataclass(frozen=True)
class Asked:
    """A job as the ledgers are asked about it. `pins` holds it to the manifests that it was accepted with."""

    uid: str
    job: FederatedJob
    budgets: Mapping[str, PrivacyBudget]
    pins: Mapping[str, tuple[int, str]]
    first: int = 1
