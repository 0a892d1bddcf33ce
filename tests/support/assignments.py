"""What an operator would tell a job's pods, made by hand: reservations with the owners' own keys, keys, assignments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ringfence.acceptance.accept import accept
from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.federation import reservations
from ringfence.federation.code import find_code
from ringfence.federation.rounds import COORDINATOR
from ringfence.federation.state import StateDirectory
from ringfence.privacy import jobkeys
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.assignment import CoordinatorAssignment, SiloAssignment
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores

MASTER = b"a master key of this test's own.."


@dataclass(frozen=True)
class Assigned:
    """An accepted and reserved job."""

    acceptance: Acceptance
    uid: str
    silos: dict[str, SiloAssignment]
    coordinator: CoordinatorAssignment

    def keys(self, party: str = COORDINATOR) -> JobKeys:
        return jobkeys.derive(MASTER, self.uid, party)


def assign(manifests: Manifests, stores: Stores, state: Path, keys: Path, uid: str, **changes: object) -> Assigned:
    """Accept and reserve the job; `changes` are of the coordinator's assignment."""
    job = manifests.job()
    acceptance = accept(manifests, stores, StateDirectory(state), find_code(job, stores, None))
    before = {one.silo: f"{one.ledger.view.spent_epsilon():f}" for one in acceptance.private}

    def public(party: str):
        return jobkeys.derive(MASTER, uid, party).public

    reservations.reserve(acceptance, uid, 1, keys, public, public(COORDINATOR))
    pins = {
        one.silo: {"version": one.manifest.version, "digest": one.manifest.digest()} for one in acceptance.participants
    }
    members = {
        one.silo: {**public(one.silo).__dict__, "records": one.manifest.records} for one in acceptance.participants
    }
    coordinator = CoordinatorAssignment.model_validate(
        {
            "uid": uid,
            "job": job.model_dump(mode="json", by_alias=True, exclude_none=True),
            "budgets": [b.model_dump(mode="json", by_alias=True, exclude_none=True) for b in manifests.budgets],
            "manifests": pins,
            "members": members,
            "before": before,
            **changes,
        }
    )
    silos = {one.silo: _silo(one, acceptance, uid, public(COORDINATOR).__dict__) for one in acceptance.participants}
    return Assigned(acceptance, uid, silos, coordinator)


def _silo(one: Participant, acceptance: Acceptance, uid: str, coordinator: dict[str, str]) -> SiloAssignment:
    heads = {}
    if one.ledger is not None:
        head = one.ledger.view.head
        heads[one.manifest.dataset] = {"index": head.index, "hash": head.hash}
    return SiloAssignment.model_validate(
        {
            "uid": uid,
            "silo": one.silo,
            "job": acceptance.job.model_dump(mode="json", by_alias=True, exclude_none=True),
            "dataset": one.url,
            "signer": one.budget.spec.signer if one.budget else None,
            "manifest": {"version": one.manifest.version, "digest": one.manifest.digest()},
            "code": acceptance.code.digest,
            "coordinator": coordinator,
            "private": one.ledger is not None,
            "heads": heads,
        }
    )
