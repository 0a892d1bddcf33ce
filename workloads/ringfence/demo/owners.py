"""What the owners of the story do: make keys, seal their rows, open their budgets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ringfence.demo.cast import Cast
from ringfence.demo.folder import Folder
from ringfence.privacy.ledger import FileWitness, Ledger, set_limit
from ringfence.privacy.orders import DEFAULT_ORDERS, fullest_order, split_delta
from ringfence.privacy.planner import DatasetFacts, plan
from ringfence.privacy.shape import counted
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
    unit: str = "Record"


def sealings(cast: Cast) -> list[Sealing]:
    """The silos' rows, their copies sealed as public, and the common hold-out."""
    copies = [Sealing(silo, silo, cast.public_url(silo), True, cast.unit) for silo in cast.silos]
    return [*private_sealings(cast), *copies, Sealing(cast.team, "holdout", cast.holdout, True, cast.unit)]


def private_sealings(cast: Cast) -> list[Sealing]:
    """The silos' rows."""
    return [Sealing(silo, silo, cast.private_url(silo), False, cast.unit) for silo in cast.silos]


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
        unit=sealing.unit,
        witness=_witness(folder.state),
    )
    return seal(request, Stores(folder.store), keys).manifest


def open_budget(folder: Folder, cast: Cast, silo: str, manifest: Manifest, expected: FederatedJob) -> PrivacyBudget:
    """The owner's limit in the ledger, delta split for jobs like `expected`, and the PrivacyBudget to apply."""
    ledger = open_ledger(folder, manifest)
    epsilon, delta = Decimal(cast.limit), Decimal(cast.delta)
    equal = (delta / len(DEFAULT_ORDERS),) * len(DEFAULT_ORDERS)
    url = cast.private_url(silo)
    unit = manifest.unit.partition(":")[0]
    units = counted(unit, manifest.records, manifest.units)
    facts = DatasetFacts(manifest.dataset, url, units, unit, DEFAULT_ORDERS, equal)
    binding = fullest_order(plan(expected, facts).total(), epsilon, delta, DEFAULT_ORDERS)
    split = split_delta(delta, DEFAULT_ORDERS, binding)
    owner = load_signer(folder.key(silo))
    set_limit(ledger, owner, epsilon=epsilon, delta=delta, split=split, reason="opened")
    document = {
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "PrivacyBudget",
        "metadata": {"name": cast.dataset, "namespace": silo},
        "spec": {
            "dataset": url,
            "signer": manifest.owner,
            "keySecretRef": {"name": folder.key(silo).name},
            "unit": unit,
            "epsilon": cast.limit,
            "delta": cast.delta,
            "consumers": [{"namespace": cast.team}],
        },
    }
    budget = parse_document(document, f"demo budget {silo}")
    if not isinstance(budget, PrivacyBudget):
        raise TypeError(silo)
    return budget


def open_ledger(folder: Folder, manifest: Manifest) -> Ledger:
    """The ledger that a silo's manifest pins."""
    if manifest.ledger is None:
        raise TypeError("a public dataset has no ledger")
    store = Stores(folder.store).open(manifest.ledger.url)
    return Ledger.open(store, pin=manifest.ledger.entry0, witness=_witness(folder.state))


def _witness(state: Path) -> FileWitness:
    from ringfence.federation.state import StateDirectory

    return FileWitness(StateDirectory(state).heads)
