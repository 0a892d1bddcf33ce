"""What a job writes into a silo's ledger before it trains there."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.privacy.ledger.entries import Reserve


@dataclass(frozen=True)
class Parties:
    """Who may charge under the reservation, to whom updates are sealed, and the image the silo runs (by digest)."""

    silo: PublicKeys
    coordinator: PublicKeys
    image: str = ""


def first_open(one: Participant, uid: str, first: int) -> int:
    """The first round from `first` on that a reservation may cover: after every charged one."""
    charged = one.ledger.view.charged_rounds(uid, one.silo) if one.ledger else frozenset[int]()
    return max([first, *(round_ + 1 for round_ in charged)])


def reservation(acceptance: Acceptance, one: Participant, uid: str, first: int, parties: Parties) -> Reserve | None:
    """The entry that reserves the uncharged rounds from `first` on; None when there is nothing to reserve.

    That is so for a public dataset, and when every round is charged.
    """
    rounds = acceptance.job.spec.rounds
    start = first_open(one, uid, first)
    if one.plan is None or start > rounds:
        return None
    return Reserve(
        job=uid,
        job_name=acceptance.job.metadata.name,
        spec_digest=acceptance.job.digest(),
        silo=one.silo,
        manifest_version=one.manifest.version,
        manifest_digest=one.manifest.digest(),
        code=acceptance.code.digest,
        image=parties.image,
        plan=one.plan.record(),
        cost=one.plan.cost,
        first=start,
        rounds=rounds - start + 1,
        consumer=acceptance.job.metadata.namespace,
        silo_key=parties.silo.sign,
        silo_seal_key=parties.silo.seal,
        coordinator_key=parties.coordinator.sign,
        coordinator_seal_key=parties.coordinator.seal,
        shards=one.shards,
    )
