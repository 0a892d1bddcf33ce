"""What acceptance finds: a job's code and its silos, verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ringfence.acceptance.code import Code
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.witness import Witness
from ringfence.privacy.planner import Plan
from ringfence.shards.manifest import Manifest
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob


class Memory(Protocol):
    """What was seen before, kept where no owner of data can take it back: a state directory, the operator's namespace.

    An older manifest or a shorter ledger than one remembered was put back by somebody.
    """

    @property
    def witness(self) -> Witness:
        """The remembered heads of ledgers."""

    def seen_manifest(self, dataset: str) -> int:
        """The highest manifest version ever seen of a dataset; 0 if none."""

    def remember_manifest(self, dataset: str, version: int) -> None:
        """Keeps `version` if it is higher than the one remembered; durable when it returns."""


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
        return tuple(shard.id for shard in self.manifest.training)


@dataclass(frozen=True)
class Acceptance:
    """A job that may be reserved: its code and its silos, in the order of their names."""

    job: FederatedJob
    code: Code
    participants: tuple[Participant, ...]

    @property
    def private(self) -> tuple[Participant, ...]:
        return tuple(one for one in self.participants if one.ledger is not None)
