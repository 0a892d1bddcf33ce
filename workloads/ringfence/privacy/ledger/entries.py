"""What a ledger entry can say: one frozen dataclass a kind. A kind never changes meaning; new meanings are new kinds.

Decimals are strings, costs are integers: micro-units of RDP at each order of the grid that the first `limit` fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.values import (
    DATASET,
    DIGEST,
    MOST_ROUNDS,
    OWNER,
    SEAL_KEY,
    UNIT,
    check_cost,
    decimal,
    distinct,
    match,
    public_key,
    text,
    within,
)
from ringfence.privacy.orders import GRIDS, Cost, accountant


@dataclass(frozen=True)
class Open(Body):
    """Entry 0, signed by the owner: which dataset, which unit (`Record`, `User`, `Silo`), whose ledger, for good."""

    kind: ClassVar[str] = "open"
    dataset: str
    unit: str
    owner: str

    def __post_init__(self) -> None:
        match(DATASET, self.dataset, "dataset")
        match(UNIT, self.unit, "unit")
        public_key(self.owner, "owner")


@dataclass(frozen=True)
class Limit(Body):
    """How much may be spent: the owner's word, or a writer's that lowers it. All but epsilon never changes again.

    `limits` is what epsilon allows at each order, in micro-units; every reader computes it again.
    """

    kind: ClassVar[str] = "limit"
    epsilon: str
    delta: str
    accountant: str
    orders: tuple[str, ...]
    deltas: tuple[str, ...]
    reason: str
    limits: Cost

    def __post_init__(self) -> None:
        if decimal(self.epsilon, "epsilon") <= 0:
            raise InvalidInput("epsilon must be greater than 0")
        if not 0 < decimal(self.delta, "delta") < 1:
            raise InvalidInput("delta must lie between 0 and 1")
        if self.accountant not in GRIDS:
            raise InvalidInput(f"accountant {self.accountant[:60]!r} is neither rdp nor gdp")
        if self.accountant != accountant(self.orders):
            raise InvalidInput(f"accountant {self.accountant} cannot count over this grid of orders")
        if sum(Fraction(decimal(each, "deltas")) for each in self.deltas) > Fraction(self.delta):
            raise InvalidInput("the deltas of the orders add up to more than delta")
        text(self.reason, "reason")
        check_cost(self.limits, "limits")

    @property
    def grid(self) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
        """What the first limit fixes for good."""
        return (self.delta, self.accountant, self.orders, self.deltas)


@dataclass(frozen=True)
class Writer(Body):
    """The owner lets `key` reserve, close and lower the limit."""

    kind: ClassVar[str] = "writer"
    key: str
    label: str

    def __post_init__(self) -> None:
        public_key(self.key, "key")
        text(self.label, "label")


@dataclass(frozen=True)
class Owner(Body):
    """Who spends from it: PrivacyBudget `kube:<cluster uid>/<namespace>/<name>`, or laptop user `key:ed25519:...`."""

    kind: ClassVar[str] = "owner"
    identity: str

    def __post_init__(self) -> None:
        match(OWNER, self.identity, "identity")


@dataclass(frozen=True)
class ShardEntry(Body):
    """A new shard: fresh records (`inherits` is None), or records that were in other shards, which it inherits from."""

    id: str
    inherits: tuple[str, ...] | None

    def __post_init__(self) -> None:
        for shard in (self.id, *(self.inherits or ())):
            match(DATASET, shard, "shard id")
        if self.inherits == ():
            raise InvalidInput("inherits names no shard; null means fresh records")


@dataclass(frozen=True)
class Shards(Body):
    """The owner's word on new shards."""

    kind: ClassVar[str] = "shards"
    shards: tuple[ShardEntry, ...]

    def __post_init__(self) -> None:
        distinct(tuple(shard.id for shard in self.shards), "shards")


@dataclass(frozen=True)
class PlanRecord(Body):
    """What a job will do; a silo computes the cost from it again. Decimals are strings, the rate is `batch/records`."""

    mechanism: str
    noise_multiplier: str
    sampling_rate: str
    steps_per_round: int
    rounds: int
    max_grad_norm: str
    job_epsilon: str
    job_delta: str

    def __post_init__(self) -> None:
        for name in ("mechanism", "noise_multiplier", "sampling_rate", "max_grad_norm", "job_epsilon", "job_delta"):
            text(getattr(self, name), name)
        within(1, self.steps_per_round, 10**9, "steps_per_round")
        within(1, self.rounds, MOST_ROUNDS, "rounds")


@dataclass(frozen=True)
class Reserve(Body):
    """A job's whole plan on this dataset: rounds `first` to `first + rounds - 1`, each costing `cost` on each shard."""

    kind: ClassVar[str] = "reserve"
    job: str
    job_name: str
    spec_digest: str
    silo: str
    manifest_version: int
    manifest_digest: str
    code: str
    image: str
    plan: PlanRecord
    cost: Cost
    first: int
    rounds: int
    consumer: str
    silo_key: str
    silo_seal_key: str
    coordinator_key: str
    coordinator_seal_key: str
    shards: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("job", "job_name", "silo", "code", "image", "consumer"):
            text(getattr(self, name), name, empty=name in ("image", "job_name", "consumer"))
        match(DIGEST, self.spec_digest, "spec_digest")
        match(DIGEST, self.manifest_digest, "manifest_digest")
        within(0, self.manifest_version, 10**9, "manifest_version")
        within(0, self.first, MOST_ROUNDS, "first")
        within(1, self.rounds, self.plan.rounds, "rounds")
        check_cost(self.cost, "cost", least=1)
        for key in (self.silo_key, self.coordinator_key):
            public_key(key, "key of the job")
        for key in (self.silo_seal_key, self.coordinator_seal_key):
            match(SEAL_KEY, key, "sealing key of the job")
        distinct(self.shards, "shards")

    @property
    def covered(self) -> range:
        """The rounds that this reservation pays for."""
        return range(self.first, self.first + self.rounds)


@dataclass(frozen=True)
class Charge(Body):
    """One round of one silo, spent, with the digest of the only bytes that may leave for it; signed by `silo_key`."""

    kind: ClassVar[str] = "charge"
    job: str
    silo: str
    round: int
    digest: str
    cost: Cost

    def __post_init__(self) -> None:
        text(self.job, "job", empty=False)
        text(self.silo, "silo", empty=False)
        within(0, self.round, 2 * MOST_ROUNDS, "round")
        match(DIGEST, self.digest, "digest")
        check_cost(self.cost, "cost")


@dataclass(frozen=True)
class Close(Body):
    """Gives back the rounds of a reservation that were never charged; signed by who reserved, or by the owner."""

    kind: ClassVar[str] = "close"
    job: str
    silo: str
    reason: str

    def __post_init__(self) -> None:
        text(self.job, "job", empty=False)
        text(self.silo, "silo", empty=False)
        text(self.reason, "reason")


@dataclass(frozen=True)
class Noop(Body):
    """Nothing, in a gap (both None); or the owner's word to skip the faulty object `ledger/<at>` with that hash."""

    kind: ClassVar[str] = "noop"
    at: int | None
    hash: str | None

    def __post_init__(self) -> None:
        if (self.at is None) != (self.hash is None):
            raise InvalidInput("a noop names both a place and a hash, or neither")
        if self.at is not None and self.hash is not None:
            within(1, self.at, 10**15, "at")
            match(DIGEST, self.hash, "hash")
