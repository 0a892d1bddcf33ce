"""Acceptance: everything about a job that can be refused before anything is reserved, started or written.

Reads manifests and ledgers; opens no shard and needs no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringfence.acceptance import participant
from ringfence.acceptance.accepted import Acceptance, Memory, Participant
from ringfence.acceptance.code import Code
from ringfence.acceptance.units import check_together
from ringfence.errors import BudgetExhausted, InvalidInput, ManifestUnavailable
from ringfence.privacy import admission
from ringfence.schema import check_same
from ringfence.shards.manifest import Manifest, read_manifest, read_manifest_version
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import SiloSpec
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores

Pins = Mapping[str, tuple[int, str]]


def accept(
    manifests: Manifests,
    stores: Stores,
    memory: Memory,
    code: Code,
    pins: Pins | None = None,
) -> Acceptance:
    """The job of `manifests`, to run `code`, accepted; `pins` holds it to the manifests it started with.

    Raises by name: InvalidManifest, CodeNotApproved, TermsRefused, SignatureRejected, ManifestUnavailable,
    SchemaMismatch, ledger errors, PlanImpossible. Room in the budget is asked later, by `require_room`.
    """
    job = manifests.job()
    budgets = {s.name: manifests.budget(s.budget_ref) for s in job.spec.silos if s.budget_ref is not None}
    for budget in budgets.values():
        admission.check_terms(job, budget, code.digest)
    silos = sorted(job.spec.silos, key=lambda silo: silo.name)
    listed = [(silo, *_read(silo, budgets.get(silo.name), stores, memory, pins)) for silo in silos]
    check_same({silo.name: manifest.schema_ for silo, _, manifest in listed})
    check_together({silo.name: manifest for silo, _, manifest in listed})
    _refuse_twice([(silo.name, manifest.dataset) for silo, _, manifest in listed])
    participants = []
    for silo, url, manifest in listed:
        participant.check_terms(job, f"silo {silo.name}", url, manifest)
        found = budgets.get(silo.name)
        if found is None:
            participants.append(participant.public(silo.name, url, manifest, job))
        else:
            participants.append(participant.private(job, Participant(silo.name, url, manifest, found), stores, memory))
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
    silo: SiloSpec, budget: PrivacyBudget | None, stores: Stores, memory: Memory, pins: Pins | None
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
    seen = memory.seen_manifest(manifest.dataset)
    if manifest.version < seen:
        raise ManifestUnavailable(
            f"an older manifest was put back: version {manifest.version}, but version {seen} was seen before", where=url
        )
    memory.remember_manifest(manifest.dataset, manifest.version)
    return url, manifest


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
