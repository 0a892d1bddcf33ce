"""A coordinator made ready for an accepted job: the same on a laptop and in a pod."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.acceptance.accepted import Acceptance
from ringfence.acceptance.units import weight
from ringfence.federation import results
from ringfence.federation.central import central_noise
from ringfence.federation.collecting import Coordination, Member
from ringfence.federation.coordinator import Coordinator
from ringfence.federation.holdout import open_holdout
from ringfence.privacy.jobkeys import JobKeys, PublicKeys
from ringfence.store.interface import Store
from ringfence.store.open import Stores
from ringfence.training.flat import FlatModel


@dataclass(frozen=True)
class Conductor:
    """A coordinator, the model it trains, and the store of its job."""

    coordinator: Coordinator
    model: FlatModel
    store: Store
    url: str


def conductor(
    acceptance: Acceptance,
    uid: str,
    stores: Stores,
    keys: JobKeys,
    public: Callable[[str], PublicKeys],
    deadline: float | None = None,
) -> Conductor:
    """Opens the hold-out, builds and probes the task, and starts from the initial model.

    `public` gives a silo's keys; `deadline` is the time.monotonic() at which the whole job is given up. Raises
    InvalidTask, and what `open_holdout` raises, before anything is reserved or written.
    """
    holdout = open_holdout(acceptance, stores)
    task, model = results.build(acceptance)
    if holdout is not None:
        holdout.check(task)
    url = f"{acceptance.job.spec.output.rstrip('/')}/{uid}"
    store = stores.open(url)
    coordinator = Coordinator(
        _coordination(acceptance, uid, public, deadline),
        store,
        keys,
        model,
        evaluate=None if holdout is None else lambda flat: holdout.score(task, flat),
    )
    return Conductor(coordinator, model, store, url)


def _coordination(
    acceptance: Acceptance, uid: str, public: Callable[[str], PublicKeys], deadline: float | None
) -> Coordination:
    spec = acceptance.job.spec
    return Coordination(
        job=uid,
        rounds=spec.rounds,
        quorum=spec.quorum,
        round_deadline=spec.round_deadline_seconds,
        strategy=spec.strategy,
        members={
            one.silo: Member(public(one.silo), weight(acceptance.job, one.manifest)) for one in acceptance.participants
        },
        every_rounds=spec.evaluation.every_rounds if spec.evaluation else 1,
        deadline=deadline,
        noise=central_noise(acceptance, uid),
    )
