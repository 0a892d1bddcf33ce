"""Three small hospitals with invented rows, sealed, budgeted and ready for a job: what most tests start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from ringfence.federation.run import RunOptions
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import LedgerView
from ringfence.schema import DatasetSchema
from ringfence.shards.keys import load_kek, load_signer, new_keys
from ringfence.shards.manifest import Manifest, read_manifest
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.spec.load import Manifests, parse_document
from ringfence.store.open import Stores

SILOS = ("mercy", "northside", "stjude")

SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "age", "type": "number", "minimum": "0", "maximum": "120"},
            {"name": "stay", "type": "number", "minimum": "0", "maximum": "60"},
            {"name": "ward", "type": "category", "values": ["a", "b", "c"]},
            {"name": "readmitted", "type": "boolean", "role": "target"},
        ]
    }
)


def patients(records: int, seed: int) -> pa.Table:
    """Rows in which age, stay and ward decide readmission, with noise."""
    draw = np.random.default_rng(seed)
    age, stay = draw.uniform(0, 120, records), draw.uniform(0, 60, records)
    ward = draw.integers(0, 3, records)
    score = (age - 60) / 40 + (stay - 30) / 20 + (ward - 1) + draw.normal(0, 0.5, records)
    wards = [("a", "b", "c")[w] for w in ward]
    return pa.table({"age": age, "stay": stay, "ward": wards, "readmitted": score > 0})


@dataclass
class House:
    """A folder with keys, stores and state of one laptop; `private` says whether the silos are behind budgets."""

    root: Path
    records: int = 600
    private: bool = True
    epsilon: str = "8"
    job: dict = field(default_factory=dict)
    allowed: tuple[str, ...] = ("builtin",)
    silos: tuple[str, ...] = SILOS
    schema: DatasetSchema = SCHEMA

    @property
    def stores(self) -> Stores:
        return Stores(self.root / "store")

    def url(self, silo: str) -> str:
        return f"s3://{silo}/readmissions"

    def key(self, silo: str) -> Path:
        return self.root / "keys" / silo / "shard-key"

    def build(self) -> House:
        """Keys, sealed silos with open budgets, and a public hold-out."""
        for number, silo in enumerate((*self.silos, "public")):
            self.key(silo).parent.mkdir(parents=True)
            new_keys(self.key(silo))
            self.seal(silo, patients(self.records, number))
            if self.private and silo != "public":
                self.open_budget(silo)
        return self

    def seal(self, silo: str, rows: pa.Table, **changes: object) -> Manifest:
        public = silo == "public" or not self.private
        keys = SealKeys(None if public else load_kek(self.key(silo)), self.signer(silo))
        request = SealRequest(source=rows, url=self.url(silo), schema=self.schema, public=public, **changes)
        return seal(request, self.stores, keys).manifest

    def signer(self, silo: str):
        return load_signer(self.key(silo).with_name("shard-key.sign"))

    def open_budget(self, silo: str) -> None:
        operations.set_limit(
            self.ledger(silo), self.signer(silo), epsilon=Decimal(self.epsilon), delta=Decimal("1e-5"), reason="opened"
        )

    def manifest(self, silo: str) -> Manifest:
        return read_manifest(self.stores.open(self.url(silo)), signer=None)

    def ledger(self, silo: str) -> Ledger:
        pin = self.manifest(silo).ledger
        assert pin is not None
        return Ledger.open(self.stores.open(pin.url), pin=pin.entry0)

    def view(self, silo: str) -> LedgerView:
        return self.ledger(silo).view

    def budget_document(self, silo: str) -> dict:
        return {
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "PrivacyBudget",
            "metadata": {"name": "patients", "namespace": silo},
            "spec": {
                "dataset": self.url(silo),
                "signer": self.manifest(silo).owner,
                "keySecretRef": {"name": "shard-key"},
                "unit": "Record",
                "epsilon": self.epsilon,
                "delta": "1e-5",
                "consumers": [{"namespace": "research"}],
                "runtime": {"allowedCode": list(self.allowed)},
            },
        }

    def job_document(self, **changes: object) -> dict:
        def silo(name: str) -> dict:
            if self.private:
                return {"name": name, "budgetRef": {"namespace": name, "name": "patients"}}
            return {"name": name, "dataset": self.url(name)}

        spec = {
            "task": {"class": "ringfence.tasks:TabularClassifier", "args": {"hidden": [8], "embedding_dim": 2}},
            "silos": [silo(name) for name in self.silos],
            "rounds": 3,
            "roundDeadlineSeconds": 60,
            "local": {"epochs": "1", "batchSize": 32, "optimizer": {"name": "sgd", "learningRate": "0.5"}},
            "strategy": {"name": "fedavg"},
            "evaluation": {"dataset": self.url("public"), "metrics": ["auc", "accuracy", "loss"]},
            "output": "s3://research/models/readmission",
        }
        if self.private:
            spec["privacy"] = {"epsilon": "2", "delta": "1e-5", "maxGradNorm": "1"}
        return {
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "FederatedJob",
            "metadata": {"name": "readmission", "namespace": "research"},
            "spec": {**spec, **self.job, **changes},
        }

    def manifests(self, **changes: object) -> Manifests:
        budgets = [self.budget_document(silo) for silo in self.silos] if self.private else []
        return Manifests(
            jobs=(parse_document(self.job_document(**changes), "job"),),
            budgets=tuple(parse_document(document, "budget") for document in budgets),
        )

    def options(self, **changes: object) -> RunOptions:
        given = {"keys": self.root / "keys", "store": self.root / "store", "state": self.root / "state"}
        return RunOptions(**{**given, **changes})
