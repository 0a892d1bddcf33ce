"""Acceptance: everything about a job that can be refused before anything is reserved, started or written.

Reads manifests and ledgers; opens no shard and needs no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ringfence.errors import (
    BudgetExhausted,
    InvalidInput,
    InvalidManifest,
    LedgerError,
    ManifestUnavailable,
    PlanImpossible,
    TermsRefused,
)
from ringfence.federation.code import Code, resolve_code
from ringfence.federation.state import StateDirectory
from ringfence.privacy import admission, planner
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.witness import FileWitness
from ringfence.privacy.planner import DatasetFacts, Plan
from ringfence.schema import check_same
from ringfence.shards.manifest import Manifest, read_manifest, read_manifest_version
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob, SiloSpec
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores

Pins = Mapping[str, tuple[int, str]]


@dataclass(frozen=True)
class Participant:
    """One silo of an accepted job. `budget`, `ledger` and `plan` are None exactly for a public dataset."""

    silo: str
    url: str
    manifest: Manifest
    budget: PrivacyBudget | None = None
    ledger: Ledger | None = None
    plan: Plan | None = None

    @property
    def shards(self) -> tuple[str, ...]:
        return tuple(shard.id for shard in self.manifest.shards)


@dataclass(frozen=True)
class Acceptance:
    """A job that may be reserved: its code and its silos, in the order of their names."""

    job: FederatedJob
    code: Code
    participants: tuple[Participant, ...]

    @property
    def private(self) -> tuple[Participant, ...]:
        return tuple(one for one in self.participants if one.ledger is not None)


def accept(
    manifests: Manifests,
    stores: Stores,
    state: StateDirectory,
    code_dir: Path | None = None,
    pins: Pins | None = None,
) -> Acceptance:
    """The job of `manifests`, accepted; `pins` keeps a resumed job on the manifests it started with.

    Raises by name: InvalidManifest, CodeNotApproved, TermsRefused, SignatureRejected, ManifestUnavailable,
    SchemaMismatch, ledger errors, PlanImpossible. Room in the budget is asked later, by `require_room`.
    """
    job = manifests.job()
    code = resolve_code(job, stores, code_dir)
    budgets = {s.name: manifests.budget(s.budget_ref) for s in job.spec.silos if s.budget_ref is not None}
    for budget in budgets.values():
        admission.check_terms(job, budget, code.digest)
    silos = sorted(job.spec.silos, key=lambda silo: silo.name)
    listed = [(silo, *_read(silo, budgets.get(silo.name), stores, state, pins)) for silo in silos]
    check_same({silo.name: manifest.schema_ for silo, _, manifest in listed})
    _refuse_twice([(silo.name, manifest.dataset) for silo, _, manifest in listed])
    participants = []
    for silo, url, manifest in listed:
        found = budgets.get(silo.name)
        if found is None:
            participants.append(_public(silo.name, url, manifest, job))
        else:
            participants.append(_private(job, Participant(silo.name, url, manifest, found), stores, state))
    return Acceptance(job, code, tuple(participants))


def require_room(acceptance: Acceptance, *, holding: Callable[[Participant], bool] = lambda one: False) -> None:
    """Raises BudgetExhausted unless every budget has room for the plan; silos that already hold it are passed over."""
    for one in acceptance.private:
        if one.ledger and one.plan and one.budget and not holding(one):
            admission.check_consumer(one.ledger.view, one.budget, acceptance.job.metadata.namespace, one.plan)
            try:
                admission.require_room(one.ledger.view, one.plan, one.shards)
            except BudgetExhausted as error:
                where = f"silo {one.silo}, dataset {one.url}"
                raise BudgetExhausted(error.message, where=where, remedy=error.remedy) from error


def _read(
    silo: SiloSpec, budget: PrivacyBudget | None, stores: Stores, state: StateDirectory, pins: Pins | None
) -> tuple[str, Manifest]:
    """The silo's dataset URL and manifest, signed by the owner that the budget pins, and no older than any seen."""
    url = budget.spec.dataset if budget else silo.dataset or ""
    signer = budget.spec.signer if budget else None
    store = stores.open(url)
    if pins and silo.name in pins:
        version, digest = pins[silo.name]
        manifest = read_manifest_version(store, version, signer=signer, where=url)
        if manifest.digest() != digest:
            raise ManifestUnavailable("not the manifest that the job started with", where=f"{url}/manifest/{version}")
        return url, manifest
    manifest = read_manifest(store, signer=signer, where=url)
    seen = state.seen_manifest(manifest.dataset)
    if manifest.version < seen:
        raise ManifestUnavailable(
            f"an older manifest was put back: version {manifest.version}, but version {seen} was seen before", where=url
        )
    state.remember_manifest(manifest.dataset, manifest.version)
    return url, manifest


def _public(silo: str, url: str, manifest: Manifest, job: FederatedJob) -> Participant:
    if not manifest.public:
        raise TermsRefused(
            f"silo {silo}: the dataset is private, only a budget opens it",
            where=url,
            remedy="name a budgetRef instead of dataset",
        )
    if manifest.records < job.spec.local.batch_size:
        raise PlanImpossible(
            f"silo {silo} has fewer records ({manifest.records}) than batchSize {job.spec.local.batch_size}",
            where="spec.local.batchSize",
            remedy="use a smaller batch",
        )
    return Participant(silo, url, manifest)


def _private(job: FederatedJob, one: Participant, stores: Stores, state: StateDirectory) -> Participant:
    """The participant with its ledger verified and its cost planned."""
    budget, manifest = one.budget, one.manifest
    if budget is None or manifest.ledger is None:
        raise TermsRefused(
            f"silo {one.silo}: the dataset is sealed as public, a budget cannot guard it",
            where=one.url,
            remedy="name it as dataset instead of budgetRef",
        )
    where = f"budget {budget.metadata.namespace}/{budget.metadata.name}"
    if manifest.unit.partition(":")[0] != budget.spec.unit:
        raise InvalidManifest(
            f"unit {budget.spec.unit} is not the dataset's ({manifest.unit})", where=f"{where} spec.unit"
        )
    store = stores.open(manifest.ledger.url)
    ledger = Ledger.open(store, pin=manifest.ledger.entry0, witness=FileWitness(state.heads))
    if ledger.view.dataset != manifest.dataset:
        raise LedgerError(f"the ledger is of dataset {ledger.view.dataset}, not {manifest.dataset}", where=store.url)
    limit = ledger.view.limit
    if limit is None:
        remedy = "its owner runs `ringfence budget open` first"
        raise LedgerError("the ledger has no limit yet", where=store.url, remedy=remedy)
    _check_newest(ledger, manifest, one.url)
    _check_limit(budget, limit.epsilon, limit.delta, where)
    deltas = tuple(Decimal(delta) for delta in limit.deltas)
    unit = manifest.unit.partition(":")[0]
    facts = DatasetFacts(manifest.dataset, one.url, manifest.records, unit, limit.orders, deltas)
    return Participant(one.silo, one.url, manifest, budget, ledger, planner.plan(job, facts))


def _check_newest(ledger: Ledger, manifest: Manifest, url: str) -> None:
    """Ledgers remember the manifests that jobs were reserved on: an older one than those was put back."""
    newest = max((one.reserve.manifest_version for one in ledger.view.every_reservation()), default=0)
    if manifest.version < newest:
        raise ManifestUnavailable(
            f"an older manifest was put back: version {manifest.version}, but the ledger saw version {newest}",
            where=f"{url}/manifest",
        )


def _check_limit(budget: PrivacyBudget, epsilon: str, delta: str, where: str) -> None:
    if Decimal(budget.spec.epsilon) > Decimal(epsilon):
        raise InvalidInput(
            f"epsilon {budget.spec.epsilon} is more than the ledger's limit {epsilon}",
            where=f"{where} spec.epsilon",
            remedy="the owner raises it with `ringfence budget raise`",
        )
    if Decimal(budget.spec.delta) != Decimal(delta):
        raise InvalidInput(
            f"delta {budget.spec.delta} is not the ledger's {delta}, which is fixed", where=f"{where} spec.delta"
        )


def _refuse_twice(datasets: list[tuple[str, str]]) -> None:
    first: dict[str, str] = {}
    for silo, dataset in datasets:
        if dataset in first:
            raise InvalidInput(
                f"silos {first[dataset]} and {silo} name the same dataset {dataset}",
                where="spec.silos",
                remedy="name each dataset once; a copy of it is still the same people",
            )
        first[dataset] = silo
