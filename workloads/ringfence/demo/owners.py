"""What the owners of the story do: make keys, seal their rows, open their budgets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ringfence.demo import jobs
from ringfence.demo.folder import Folder
from ringfence.privacy.ledger import FileWitness, Ledger, set_limit
from ringfence.privacy.orders import DEFAULT_ORDERS, fullest_order, split_delta
from ringfence.privacy.planner import DatasetFacts, plan
from ringfence.schema import load_schema
from ringfence.shards.keys import load_kek, load_signer, new_keys
from ringfence.shards.manifest import Manifest
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.spec import FederatedJob, PrivacyBudget, parse_document
from ringfence.store import Stores


@dataclass(frozen=True)
class Sealing:
    """One dataset to seal: whose, from which rows, where, and whether as public."""

    owner: str
    rows: str
    url: str
    public: bool


def sealings(airports: tuple[str, ...]) -> list[Sealing]:
    """The airports' flights, their copies sealed as public, and the common hold-out."""
    private = [Sealing(airport, airport, jobs.private_url(airport), False) for airport in airports]
    copies = [Sealing(airport, airport, jobs.public_url(airport), True) for airport in airports]
    return [*private, *copies, Sealing(jobs.TEAM, "holdout", jobs.HOLDOUT, True)]


def make_keys(folder: Folder, owners: tuple[str, ...]) -> None:
    """Each owner's keys, in a folder of its own."""
    for owner in owners:
        folder.key(owner).parent.mkdir(parents=True)
        new_keys(folder.key(owner))


def seal_one(folder: Folder, sealing: Sealing) -> Manifest:
    """One sealed dataset."""
    file = folder.key(sealing.owner)
    keys = SealKeys(kek=None if sealing.public else load_kek(file), signer=load_signer(file))
    request = SealRequest(
        source=folder.rows(sealing.rows),
        url=sealing.url,
        schema=load_schema(folder.schema),
        public=sealing.public,
        witness=_witness(folder.state),
    )
    return seal(request, Stores(folder.store), keys).manifest


def open_budget(folder: Folder, airport: str, manifest: Manifest, expected: FederatedJob) -> PrivacyBudget:
    """The owner's limit in the ledger, delta split for jobs like `expected`, and the PrivacyBudget to apply."""
    ledger = open_ledger(folder, manifest)
    epsilon, delta = Decimal(jobs.LIMIT), Decimal(jobs.DELTA)
    equal = (delta / len(DEFAULT_ORDERS),) * len(DEFAULT_ORDERS)
    url = jobs.private_url(airport)
    facts = DatasetFacts(manifest.dataset, url, manifest.records, manifest.unit, DEFAULT_ORDERS, equal)
    binding = fullest_order(plan(expected, facts).total(), epsilon, delta, DEFAULT_ORDERS)
    split = split_delta(delta, DEFAULT_ORDERS, binding)
    owner = load_signer(folder.key(airport))
    set_limit(ledger, owner, epsilon=epsilon, delta=delta, split=split, reason="opened")
    document = {
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "PrivacyBudget",
        "metadata": {"name": jobs.BUDGET, "namespace": airport},
        "spec": {
            "dataset": url,
            "signer": manifest.owner,
            "keySecretRef": {"name": folder.key(airport).name},
            "unit": manifest.unit,
            "epsilon": jobs.LIMIT,
            "delta": jobs.DELTA,
            "consumers": [{"namespace": jobs.TEAM}],
        },
    }
    budget = parse_document(document, f"demo budget {airport}")
    if not isinstance(budget, PrivacyBudget):
        raise TypeError(airport)
    return budget


def open_ledger(folder: Folder, manifest: Manifest) -> Ledger:
    """The ledger that an airport's manifest pins."""
    if manifest.ledger is None:
        raise TypeError("a public dataset has no ledger")
    store = Stores(folder.store).open(manifest.ledger.url)
    return Ledger.open(store, pin=manifest.ledger.entry0, witness=_witness(folder.state))


def _witness(state: Path) -> FileWitness:
    from ringfence.federation.state import StateDirectory

    return FileWitness(StateDirectory(state).heads)
