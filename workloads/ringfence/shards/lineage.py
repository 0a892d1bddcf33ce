"""Which jobs had shards in their hands, as the ledger tells: reservations name shards, heirs name their sources."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from ringfence.privacy.ledger.view import LedgerView


@dataclass(frozen=True)
class TrainedJob:
    """A job that was given shards: who asked, the rounds it released, and what its statement guarantees for a unit."""

    job: str
    name: str
    consumer: str
    rounds: int
    unit: str
    epsilon: str
    delta: str

    def words(self) -> str:
        """One line for people."""
        asked = f"job {self.name} ({self.job}) of {self.consumer}"
        if not self.rounds:
            return f"{asked}: released nothing"
        return (
            f"{asked}: released {self.rounds} rounds; a model is not erased: its statement guarantees epsilon "
            f"{self.epsilon} at delta {self.delta} for each {self.unit.lower()}"
        )


def trained_on(view: LedgerView, shards: Set[str]) -> tuple[TrainedJob, ...]:
    """The jobs that reserved any of `shards` or of the shards that these inherit from, in the order of the ledger.

    A ledger of another unit than `Record` counts all shards as one, so every job is named. Jobs so old that the ledger
    keeps only their rounds are not among them.
    """
    by_shard = view.unit == "Record"
    lineage, wanted = set[str](), set(shards)
    while wanted:
        lineage |= wanted
        blocks = (view.blocks.get(shard) for shard in wanted)
        wanted = {source for block in blocks if block for source in block.inherits} - lineage
    found = []
    for reservation in sorted(view.every_reservation(), key=lambda one: one.index):
        reserve = reservation.reserve
        if lineage & set(reserve.shards) or (lineage and not by_shard):
            plan, rounds = reserve.plan, len(view.charged_rounds(reserve.job, reserve.silo))
            found.append(
                TrainedJob(reserve.job, reserve.job_name, reserve.consumer, rounds, view.unit, plan.job_epsilon,
                           plan.job_delta)
            )  # fmt: skip
    return tuple({one.job: one for one in found}.values())
