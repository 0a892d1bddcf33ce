"""What a ledger says up to its head: a value, computed by `rules.apply` entry after entry, never changed in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal

from ringfence.errors import LedgerError
from ringfence.privacy.ledger.entries import Limit, Reserve
from ringfence.privacy.orders import Cost, add, epsilon_of, scale, zero

EVERYTHING = "*"
"""The one block of a ledger whose unit is a user: a user's rows may lie in several shards."""


@dataclass(frozen=True)
class Head:
    """The last object that was read: its index, and the hash of its bytes."""

    index: int
    hash: str


@dataclass(frozen=True)
class Reservation:
    """A reserve entry (at `index`, signed by `key`) and what became of it: the digests charged, by round.

    `touched` is the last entry that changed it.
    """

    index: int
    reserve: Reserve
    key: str
    charged: Mapping[int, str] = field(default_factory=dict)
    open: bool = True
    touched: int = 0

    @property
    def spent(self) -> Cost:
        """What its charges cost."""
        return scale(self.reserve.cost, len(self.charged))

    @property
    def held(self) -> Cost:
        """What its uncharged rounds hold back; nothing once it is closed."""
        return scale(self.reserve.cost, self.reserve.rounds - len(self.charged) if self.open else 0)


@dataclass(frozen=True)
class Past:
    """What is kept of a job that closed long ago: the rounds it charged, as (first, last) pairs, and their cost."""

    rounds: tuple[tuple[int, int], ...]
    spent: Cost


@dataclass(frozen=True)
class Share:
    """What the jobs of one consumer spent and hold, as if all of it had fallen on the same records."""

    spent: Cost
    reserved: Cost


@dataclass(frozen=True)
class Block:
    """What is composed, a shard or everything: the costs of all that reached these records, here or in a source.

    `spent` starts with the largest of the sources' (a record lay in one of them), `reserved` with what is held on any
    of them; afterwards whatever names a source reaches its heirs too, and counts once.
    """

    inherits: tuple[str, ...] = ()
    spent: Cost = ()
    reserved: Cost = ()

    @property
    def committed(self) -> Cost:
        """Spent and reserved together: what the filter compares."""
        return add(self.spent, self.reserved)


@dataclass(frozen=True)
class LedgerView:
    """The state of a ledger at `head`.

    `blocks` is what composes (by shard, or EVERYTHING alone); `members` are the shard ids that exist, `erased` those
    whose objects were destroyed. `reservations` has the latest of each (job, silo); `earlier` those before it;
    `charged` the digests of all of them, by round; `past` what snapshots keep of jobs that closed long ago. `shares`
    are sums by consumer, `newest_manifest` the highest version ever reserved for. `skipped` are faulty objects, and
    `pardoned` those an owner's noop names, as (index, hash). `snapshots` are the indices of snapshot entries.
    """

    dataset: str
    unit: str
    owner_key: str
    head: Head
    entry0: str = ""
    owner_identity: str | None = None
    writers: Mapping[str, str] = field(default_factory=dict)
    limit: Limit | None = None
    highest_epsilon: Decimal = Decimal(0)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    reservations: Mapping[tuple[str, str], Reservation] = field(default_factory=dict)
    earlier: tuple[Reservation, ...] = ()
    charged: Mapping[tuple[str, str], Mapping[int, str]] = field(default_factory=dict)
    past: Mapping[tuple[str, str], Past] = field(default_factory=dict)
    shares: Mapping[str, Share] = field(default_factory=dict)
    newest_manifest: int = 0
    skipped: frozenset[tuple[int, str]] = frozenset()
    pardoned: frozenset[tuple[int, str]] = frozenset()
    snapshots: tuple[int, ...] = ()

    @property
    def by_shard(self) -> bool:
        """Whether shards compose apart (unit Record) or all as one block."""
        return self.unit == "Record"

    @property
    def shards(self) -> dict[str, Cost]:
        """What was spent on each block."""
        return {name: block.spent for name, block in self.blocks.items()}

    def blocks_of(self, shards: Iterable[str]) -> tuple[str, ...]:
        """The blocks that spending on `shards` reaches: they and their heirs. Raises LedgerError for an unknown one."""
        unknown = sorted(set(shards) - self.members)
        if unknown:
            raise LedgerError(f"shard {unknown[0]} is not registered in this ledger")
        if not self.by_shard:
            return (EVERYTHING,)
        reached = set(shards)
        for name, block in self.blocks.items():  # sources stand before their heirs
            if not reached.isdisjoint(block.inherits):
                reached.add(name)
        return tuple(sorted(reached))

    def spent(self, shard: str) -> Cost:
        """What the charges so far cost the records of `shard`, at each order."""
        return self._block(shard).spent

    def reserved(self, shard: str) -> Cost:
        """What open reservations hold back from `shard`."""
        return self._block(shard).reserved

    def committed(self, shard: str) -> Cost:
        """Spent, and held by open reservations."""
        return self._block(shard).committed

    def worst_spent(self) -> Cost:
        """The spent vector of the block with the largest epsilon."""
        return self._worst(lambda block: block.spent)

    def spent_epsilon(self) -> Decimal:
        """The filter's reading of all charges on the worst block, rounded up to six digits."""
        return self.reading(self._worst(lambda block: block.spent))

    def committed_epsilon(self) -> Decimal:
        """The reading of charges and open reservations on the worst block."""
        return self.reading(self._worst(lambda block: block.committed))

    def effective_epsilon(self) -> Decimal:
        """The limit as it stands: after lowering below what is committed, that amount, until reservations close."""
        return max(Decimal(self.limit.epsilon), self.committed_epsilon()) if self.limit else Decimal(0)

    def remaining_epsilon(self) -> Decimal:
        """The limit less what is committed; a figure for people: epsilons of two jobs do not add up."""
        return self.effective_epsilon() - self.committed_epsilon()

    def reading(self, cost: Cost) -> Decimal:
        """`cost` as an epsilon at this ledger's deltas: the least over orders, rounded up to six digits."""
        if self.limit is None or not any(cost):
            return Decimal(0)
        found = epsilon_of(cost, [Decimal(each) for each in self.limit.deltas], self.limit.orders)
        return Decimal(found).quantize(Decimal("0.000001"), ROUND_CEILING)

    @property
    def ever_reserved(self) -> bool:
        """Whether any job ever reserved here."""
        return bool(self.reservations or self.past or self.shares)

    def every_reservation(self) -> Iterator[Reservation]:
        """All reservations that are open or closed since the snapshot before the last one; older ones are `past`."""
        yield from self.earlier
        yield from self.reservations.values()

    def spent_of(self, job: str, silo: str) -> Cost:
        """What all charges of a job in this silo cost, ever."""
        total = self.past[job, silo].spent if (job, silo) in self.past else self._nothing
        for held in self.every_reservation():
            if (held.reserve.job, held.reserve.silo) == (job, silo):
                total = add(total, held.spent)
        return total

    def charged_rounds(self, job: str, silo: str) -> frozenset[int]:
        """Every round that a job ever charged in this silo, also where its digest is forgotten."""
        long_ago = self.past[job, silo].rounds if (job, silo) in self.past else ()
        past = (number for first, last in long_ago for number in range(first, last + 1))
        return frozenset((*self.charged.get((job, silo), {}), *past))

    def open_reservations(self) -> tuple[Reservation, ...]:
        """Those that hold something back, in the order of their arrival."""
        found = (reservation for reservation in self.reservations.values() if reservation.open)
        return tuple(sorted(found, key=lambda reservation: reservation.index))

    def spent_by(self, consumer: str) -> Cost:
        """What all jobs of one consumer spent, as if all of it had fallen on the same records."""
        return self.shares[consumer].spent if consumer in self.shares else self._nothing

    def reserved_by(self, consumer: str) -> Cost:
        """What open reservations of one consumer hold."""
        return self.shares[consumer].reserved if consumer in self.shares else self._nothing

    def consumer_committed(self, namespace: str) -> Cost:
        """Spent and held by one consumer: what a filter on its share compares."""
        return add(self.spent_by(namespace), self.reserved_by(namespace))

    @property
    def _nothing(self) -> Cost:
        return zero(self.limit.orders) if self.limit else ()

    def _worst(self, amount: Callable[[Block], Cost]) -> Cost:
        vectors = {amount(block) for block in self.blocks.values()}
        return max(vectors, key=self.reading, default=self._nothing)

    def _block(self, shard: str) -> Block:
        name = shard if self.by_shard else EVERYTHING
        if name not in self.blocks:
            raise LedgerError(f"shard {shard} is not registered in this ledger")
        return self.blocks[name]
