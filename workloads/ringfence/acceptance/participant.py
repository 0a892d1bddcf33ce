"""One silo of a job, accepted or refused: its manifest, its ledger, its plan, its owner's terms."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from ringfence.acceptance.accepted import Memory, Participant
from ringfence.acceptance.units import check_unit
from ringfence.errors import (
    InvalidInput,
    InvalidManifest,
    LedgerError,
    ManifestUnavailable,
    PlanImpossible,
    TermsRefused,
)
from ringfence.privacy import planner
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.planner import DatasetFacts
from ringfence.privacy.shape import counted
from ringfence.shards.manifest import Manifest
from ringfence.shards.terms import refusals
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.store.open import Stores


def check_terms(job: FederatedJob, whose: str, url: str, manifest: Manifest) -> None:
    """Raises TermsRefused, naming every clause of the manifest's terms that forbids the job now; `whose` dataset it is,
    in words."""
    found = refusals(manifest.terms, job, datetime.now(UTC))
    if found:
        raise TermsRefused(
            f"{whose}: {'; '.join(found.values())}",
            where=url,
            remedy="ask for what the terms allow, or ask the owner",
            clauses=tuple(found),
        )


def public(silo: str, url: str, manifest: Manifest, job: FederatedJob) -> Participant:
    if not manifest.public:
        raise TermsRefused(
            f"silo {silo}: the dataset is private, only a budget opens it",
            where=url,
            remedy="name a budgetRef instead of dataset",
        )
    check_unit(job, silo, manifest)
    batch = job.spec.local.batch(manifest.records)
    if not job.spec.local.by_user and manifest.records < batch:
        raise PlanImpossible(
            f"silo {silo} has fewer records ({manifest.records}) than batchSize {batch}",
            where="spec.local.batchSize",
            remedy="use a smaller batch",
        )
    return Participant(silo, url, manifest)


def private(job: FederatedJob, one: Participant, stores: Stores, memory: Memory) -> Participant:
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
    check_unit(job, one.silo, manifest)
    store = stores.open(manifest.ledger.url)
    ledger = Ledger.open(store, pin=manifest.ledger.entry0, witness=memory.witness)
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
    records = counted(unit, manifest.records, manifest.units)
    facts = DatasetFacts(manifest.dataset, one.url, records, unit, limit.orders, deltas)
    return Participant(one.silo, one.url, manifest, budget, ledger, planner.plan(job, facts))


def _check_newest(ledger: Ledger, manifest: Manifest, url: str) -> None:
    """Ledgers remember the manifests that jobs were reserved on: an older one than those was put back."""
    newest = ledger.view.newest_manifest
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
