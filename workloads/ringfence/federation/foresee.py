"""What a job will cost, before it runs: its plan for every dataset and whether it would be admitted. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ringfence.acceptance.accept import accept, require_room
from ringfence.acceptance.accepted import Participant
from ringfence.errors import RingfenceError
from ringfence.federation.code import find_code
from ringfence.federation.state import StateDirectory
from ringfence.privacy import admission
from ringfence.privacy.admission import Headroom
from ringfence.privacy.changes import Change, changes
from ringfence.privacy.given_noise import GivenNoise, given_noise
from ringfence.privacy.ledger import Limit
from ringfence.privacy.planner import DatasetFacts, Plan
from ringfence.privacy.shape import counted
from ringfence.spec.job import FederatedJob
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores


@dataclass(frozen=True)
class DatasetPlan:
    """One silo's share of a job. A public dataset has neither plan nor headroom; `refusal` is why it would not run.

    `changes` is what other batches, rounds and silos would change; `given` what the job could be at a noise multiplier
    that was asked about.
    """

    silo: str
    dataset: str
    url: str
    records: int
    plan: Plan | None
    headroom: Headroom | None
    spent_epsilon: str
    limit_epsilon: str
    refusal: str
    changes: tuple[Change, ...] = ()
    given: GivenNoise | None = None


def plan_job(
    manifests: Manifests,
    store: Path | None = None,
    state: Path | None = None,
    code: Path | None = None,
    noise: str | None = None,
) -> list[DatasetPlan]:
    """The plan for every silo, and what `noise` would allow. Raises what acceptance raises; a lack of room is told in
    `refusal`."""
    stores = Stores(store)
    acceptance = accept(manifests, stores, StateDirectory(state), find_code(manifests.job(), stores, code))
    refusal = ""
    try:
        require_room(acceptance)
    except RingfenceError as error:
        refusal = f"{error.reason}: {error}"
    return [_dataset(acceptance.job, one, refusal, noise) for one in acceptance.participants]


def _dataset(job: FederatedJob, one: Participant, refusal: str, noise: str | None) -> DatasetPlan:
    view = one.ledger.view if one.ledger else None
    facts = _facts(one, view.limit) if view and view.limit else None
    room = admission.headroom(view, one.plan, one.shards) if view and one.plan else None
    return DatasetPlan(
        silo=one.silo,
        dataset=one.manifest.dataset,
        url=one.url,
        records=one.manifest.records,
        plan=one.plan,
        headroom=room,
        spent_epsilon=f"{view.spent_epsilon():f}" if view else "",
        limit_epsilon=view.limit.epsilon if view and view.limit else "",
        refusal=refusal,
        changes=changes(job, facts, one.plan) if facts and one.plan else (),
        given=given_noise(job, facts, noise) if facts and noise is not None else None,
    )


def _facts(one: Participant, limit: Limit) -> DatasetFacts:
    manifest = one.manifest
    units = counted(manifest.unit, manifest.records, manifest.units)
    deltas = tuple(Decimal(delta) for delta in limit.deltas)
    return DatasetFacts(manifest.dataset, one.url, units, manifest.unit, limit.orders, deltas)
