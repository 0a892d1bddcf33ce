"""What an owner sees on opening a budget: the manifest to apply, the grid, and what the limit would admit. No I/O but
reading the expected job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.errors import InvalidInput, LedgerError, PlanImpossible
from ringfence.privacy.filters import uses_left
from ringfence.privacy.orders import DEFAULT_ORDERS, fullest_order, gaussian_order, split_delta

if TYPE_CHECKING:
    from ringfence.cli.budget.open import OpenOptions
    from ringfence.privacy.ledger import Ledger
    from ringfence.privacy.planner import DatasetFacts
    from ringfence.shards.manifest import Manifest
    from ringfence.spec import FederatedJob, PrivacyBudget

_EPOCHS, _BATCHES = 10, 100  # a typical job: ten passes over the records in batches of a hundredth
_SHARES = (Decimal("0.1"), Decimal("0.25"), Decimal("0.5"), Decimal("1"))


@dataclass(frozen=True)
class Typical:
    """How many jobs of one kind an untouched ledger admits."""

    epsilon: str
    shape: str
    admitted: int


@dataclass(frozen=True)
class Opening:
    """A budget as opened. `orders` has (order, delta at it, limit in micro-units)."""

    manifest: str
    dataset: str
    epsilon: str
    delta: str
    orders: tuple[tuple[str, str, int], ...]
    typical: tuple[Typical, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        orders = [{"order": order, "delta": delta, "limit": limit} for order, delta, limit in self.orders]
        typical = [{"epsilon": job.epsilon, "shape": job.shape, "admitted": job.admitted} for job in self.typical]
        named = {"dataset": self.dataset, "epsilon": self.epsilon, "delta": self.delta, "orders": orders}
        return named | {"typicalJobs": typical, "manifest": self.manifest}


def budget(options: OpenOptions, manifest: Manifest) -> PrivacyBudget:
    """The PrivacyBudget that the options describe. Raises InvalidManifest naming its fields."""
    from ringfence.spec import PrivacyBudget, parse_document

    spec: dict[str, Any] = {
        "dataset": options.url,
        "signer": manifest.owner,
        "keySecretRef": {"name": options.keys.name},
        "unit": manifest.unit.partition(":")[0],
        "epsilon": options.epsilon,
        "delta": options.delta,
        "consumers": [consumer(text) for text in options.consumer],
    }
    if options.purpose:
        spec["purposes"] = list(options.purpose)
    if options.allow_code:
        spec["runtime"] = {"allowedCode": ["builtin", *options.allow_code]}
    metadata = {"name": options.name, "namespace": options.namespace}
    document = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "PrivacyBudget", "metadata": metadata, "spec": spec}
    found = parse_document(document, "ringfence budget open")
    if not isinstance(found, PrivacyBudget):
        raise InvalidInput("is not a PrivacyBudget", where="ringfence budget open")
    return found


def consumer(text: str) -> dict[str, str]:
    """`NAMESPACE[=EPSILON[,PER_JOB]]` as the fields of a consumer."""
    namespace, equals, shares = text.partition("=")
    parts = shares.split(",") if equals else []
    if not namespace or len(parts) > 2 or (equals and not any(parts)):
        raise InvalidInput(
            f"{text[:80]!r} names no consumer", where="--consumer", remedy="write NAMESPACE[=EPSILON[,PER_JOB]]"
        )
    names = ("maxEpsilon", "maxEpsilonPerJob")
    return {"namespace": namespace} | {name: part for name, part in zip(names, parts, strict=False) if part}


def check_unopened(ledger: Ledger, epsilon: Decimal, delta: Decimal, url: str) -> None:
    """Opening twice with the same numbers is no fault (a crash came between); with others it is."""
    limit = ledger.view.limit
    if limit is None or (Decimal(limit.epsilon), Decimal(limit.delta)) == (epsilon, delta):
        return
    raise LedgerError(
        f"the budget is open already: epsilon {limit.epsilon} at delta {limit.delta}",
        where=url,
        remedy="raise it with: ringfence budget raise",
    )


def facts(manifest: Manifest, url: str) -> DatasetFacts:
    """What the planner needs, on the grid of new ledgers; the split of delta plays no part in a job's own cost."""
    from ringfence.privacy.planner import DatasetFacts

    none = (Decimal("1e-9"),) * len(DEFAULT_ORDERS)
    return DatasetFacts(manifest.dataset, url, manifest.records, manifest.unit, DEFAULT_ORDERS, none)


def expected(path: Path | None) -> FederatedJob | None:
    """The job that an owner expects, if one is given."""
    from ringfence.spec import load_manifests

    return None if path is None else load_manifests([path]).job()


def split(job: FederatedJob | None, of: DatasetFacts, epsilon: Decimal, delta: Decimal) -> Sequence[Decimal]:
    """Delta over the orders: most of it where jobs like `job`, or else Gaussians, run out of budget last."""
    from ringfence.privacy.planner import plan

    if job is None:
        binding = gaussian_order(epsilon, delta, of.orders)
    else:
        binding = fullest_order(plan(job, of).total(), epsilon, delta, of.orders)
    return split_delta(delta, of.orders, binding)


def describe(manifest: PrivacyBudget, ledger: Ledger, of: DatasetFacts) -> Opening:
    """The opened budget in words and numbers."""
    from ringfence.spec import dump

    limit = ledger.view.limit
    if limit is None:
        raise LedgerError("the ledger has no limit", where=ledger.store.url)
    orders = tuple(zip(limit.orders, limit.deltas, limit.limits, strict=True))
    trained = of.unit == "Record"  # this release has no jobs on other units to count
    shares = _SHARES if trained else ()
    typical = tuple(_typical(Decimal(limit.epsilon) * share, limit.delta, limit.limits, of) for share in shares)
    return Opening(dump(manifest), of.dataset, limit.epsilon, limit.delta, orders, typical)


def _typical(epsilon: Decimal, delta: str, limits: tuple[int, ...], of: DatasetFacts) -> Typical:
    from ringfence.privacy.planner import plan

    batch = max(1, of.records // _BATCHES)
    shape = f"{_EPOCHS} passes in batches of {batch:,}"
    text = f"{epsilon.normalize():f}"
    try:
        cost = plan(_job(text, delta, batch), of).total()
    except PlanImpossible:
        return Typical(text, shape, 0)
    return Typical(text, shape, max(0, uses_left((0,) * len(cost), cost, limits) or 0))


def _job(epsilon: str, delta: str, batch: int) -> FederatedJob:
    """A job that exists only to be planned."""
    from ringfence.spec import FederatedJob, parse_document

    document = {
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "FederatedJob",
        "metadata": {"name": "typical"},
        "spec": {
            "task": {"class": "ringfence.tasks:TabularClassifier"},
            "silos": [{"name": "silo", "budgetRef": {"namespace": "default", "name": "budget"}}],
            "rounds": _EPOCHS,
            "local": {"epochs": "1", "batchSize": batch, "optimizer": {"name": "sgd", "learningRate": "0.1"}},
            "strategy": {"name": "fedavg"},
            "privacy": {"epsilon": epsilon, "delta": delta, "maxGradNorm": "1"},
            "output": "s3://typical/models",
        },
    }
    job = parse_document(document, "a typical job")
    if not isinstance(job, FederatedJob):
        raise InvalidInput("is not a FederatedJob", where="a typical job")
    return job
