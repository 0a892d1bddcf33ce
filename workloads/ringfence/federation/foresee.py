"""What a job will cost, before it runs: its plan for every dataset and whether it would be admitted. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ringfence.acceptance.accept import accept, require_room
from ringfence.acceptance.accepted import Participant
from ringfence.errors import RingfenceError
from ringfence.federation.code import find_code
from ringfence.federation.state import StateDirectory
from ringfence.privacy import admission
from ringfence.privacy.admission import Headroom
from ringfence.privacy.planner import Plan
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores


@dataclass(frozen=True)
class DatasetPlan:
    """One silo's share of a job. A public dataset has neither plan nor headroom; `refusal` is why it would not run."""

    silo: str
    dataset: str
    url: str
    records: int
    plan: Plan | None
    headroom: Headroom | None
    spent_epsilon: str
    limit_epsilon: str
    refusal: str


def plan_job(
    manifests: Manifests, store: Path | None = None, state: Path | None = None, code: Path | None = None
) -> list[DatasetPlan]:
    """The plan for every silo. Raises what acceptance raises; a lack of room is told in `refusal`."""
    stores = Stores(store)
    acceptance = accept(manifests, stores, StateDirectory(state), find_code(manifests.job(), stores, code))
    refusal = ""
    try:
        require_room(acceptance)
    except RingfenceError as error:
        refusal = f"{error.reason}: {error}"
    return [_dataset(one, refusal) for one in acceptance.participants]


def _dataset(one: Participant, refusal: str) -> DatasetPlan:
    view = one.ledger.view if one.ledger else None
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
    )
