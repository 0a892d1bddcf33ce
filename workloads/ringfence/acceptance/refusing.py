"""A job that terms or budget refuse, told to the audit logs of the datasets whose owners' word refused it.

Nothing was reserved or opened then, so a log that cannot be written changes nothing: the refusal stands. A job that is
refused twice is told twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.acceptance import participant
from ringfence.acceptance.accepted import Participant
from ringfence.errors import CodeNotApproved, RingfenceError, TermsRefused
from ringfence.privacy import admission
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit import AuditLog
from ringfence.shards.audit_entry import JobNote
from ringfence.shards.manifest import read_manifest
from ringfence.signing import public_name
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob, SiloSpec
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores

Signer = Callable[[Participant], Ed25519PrivateKey]


@dataclass(frozen=True)
class Refusal:
    """A silo that refuses a job: by which reason, and every clause of terms and budget."""

    one: Participant
    reason: str
    clauses: tuple[str, ...]


def tell_refusals(manifests: Manifests, stores: Stores, code: str, signer: Signer, uid: str = "") -> None:
    """Writes one entry into the log of each dataset that refuses the job, as far as that can be done.

    `code` is the digest of what would run, `signer` gives the key of the owner or of a writer of the ledger, `uid` is
    the job's, if it has one.
    """
    job = manifests.job()
    for silo in job.spec.silos:
        with suppress(RingfenceError):
            refusal = _refusal(manifests, stores, code, silo)
            if refusal is not None:
                _tell(refusal, job, stores, signer(refusal.one), uid)


def _refusal(manifests: Manifests, stores: Stores, code: str, silo: SiloSpec) -> Refusal | None:
    """Why this silo refuses; None when it does not, and for a public dataset, which no terms guard."""
    if silo.budget_ref is None:
        return None
    budget = manifests.budget(silo.budget_ref)
    url = budget.spec.dataset
    manifest = read_manifest(stores.open(url), signer=budget.spec.signer, where=url)
    one = Participant(silo.name, url, manifest, budget)
    reasons, clauses = [], list[str]()
    for check in (_by_budget, _by_terms):
        try:
            check(manifests.job(), one, budget, code)
        except TermsRefused as error:
            reasons.append(error.reason)
            clauses += error.clauses
        except CodeNotApproved as error:
            reasons.append(error.reason)
            clauses.append("budget.allowedCode")
    return Refusal(one, reasons[0], tuple(clauses)) if reasons else None


def _by_budget(job: FederatedJob, one: Participant, budget: PrivacyBudget, code: str) -> None:
    admission.check_terms(job, budget, code)


def _by_terms(job: FederatedJob, one: Participant, budget: PrivacyBudget, code: str) -> None:
    participant.check_terms(job, f"silo {one.silo}", one.url, one.manifest)


def _tell(refusal: Refusal, job: FederatedJob, stores: Stores, key: Ed25519PrivateKey, uid: str) -> None:
    manifest, pin = refusal.one.manifest, refusal.one.manifest.ledger
    if pin is None:
        return
    ledger = Ledger.open(stores.open(pin.url), pin=pin.entry0, for_reading=True)
    if public_name(key) not in {manifest.owner, *ledger.view.writers}:
        return  # a reader of the log would believe nothing that this key says
    note = JobNote(
        uid=uid,
        name=job.metadata.name,
        consumer=job.metadata.namespace,
        silo=refusal.one.silo,
        reason=refusal.reason,
        clauses=refusal.clauses,
    )
    log = AuditLog(ledger.store, manifest.dataset, key, ledger)
    log.record("refused", version=manifest.version, manifest=manifest.digest(), job=note)
