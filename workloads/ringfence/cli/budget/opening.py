"""What an owner sees on opening a budget: the manifest to apply, the grid, and what the limit would admit. No I/O but
reading the expected job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.errors import InvalidInput, LedgerError
from ringfence.privacy.orders import GRIDS, fullest_order, gaussian_order, split_delta

if TYPE_CHECKING:
    from ringfence.cli.budget.open_options import OpenOptions
    from ringfence.privacy.ledger import Ledger
    from ringfence.privacy.planner import DatasetFacts
    from ringfence.privacy.typical import Typical
    from ringfence.shards.manifest import Manifest
    from ringfence.spec import FederatedJob, PrivacyBudget


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
        "accountant": options.accountant,
        "consumers": [consumer(text) for text in options.consumer],
    }
    if options.purpose:
        spec["purposes"] = list(options.purpose)
    if options.allow_code:
        spec["runtime"] = {"allowedCode": ["builtin", *options.allow_code]}
    if options.image is not None:
        spec.setdefault("runtime", {})["image"] = options.image
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


def check_unopened(ledger: Ledger, asked: tuple[Decimal, Decimal, str], url: str) -> None:
    """Opening twice with the same (epsilon, delta, accountant) is no fault (a crash came between); else it is."""
    limit = ledger.view.limit
    if limit is None or (Decimal(limit.epsilon), Decimal(limit.delta), limit.accountant) == asked:
        return
    raise LedgerError(
        f"the budget is open already: epsilon {limit.epsilon} at delta {limit.delta}, accountant {limit.accountant}",
        where=url,
        remedy="raise it with: ringfence budget raise",
    )


def facts(manifest: Manifest, url: str, accountant: str) -> DatasetFacts:
    """What the planner needs, on the grid of new ledgers; the split of delta plays no part in a job's own cost."""
    from ringfence.privacy.planner import DatasetFacts
    from ringfence.privacy.shape import counted

    orders = GRIDS[accountant]
    none = (Decimal("1e-9"),) * len(orders)
    units = counted(manifest.unit, manifest.records, manifest.units)
    return DatasetFacts(manifest.dataset, url, units, manifest.unit, orders, none)


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
    """The opened budget in words and numbers; with what its owner applies beside it where an operator may write."""
    from ringfence.privacy.typical import typical_jobs
    from ringfence.spec import dump
    from ringfence.spec.consent import dump_bindings

    limit = ledger.view.limit
    if limit is None:
        raise LedgerError("the ledger has no limit", where=ledger.store.url)
    orders = tuple(zip(limit.orders, limit.deltas, limit.limits, strict=True))
    typical = typical_jobs(of.unit, of.records, (limit.epsilon, limit.delta), (limit.orders, limit.limits))
    text = dump(manifest) + (dump_bindings(manifest) if ledger.view.writers else "")
    return Opening(text, of.dataset, limit.epsilon, limit.delta, orders, typical)
