"""What a snapshot entry holds: all of a view, as a body that is read as strictly as any other.

`capture` and `restore` are inverses: equal views give equal bytes, and the bytes give an equal view. Sums of costs are
text, integers with a space between, because at an order that never binds a sum may outgrow canonical JSON's integers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.entries import Limit, Reserve, Writer
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.values import DIGEST, decimal, match
from ringfence.privacy.ledger.view import EVERYTHING, Block, Head, LedgerView, Past, Reservation, Share
from ringfence.privacy.orders import Cost

_SUM = re.compile(r"([0-9]{1,30}( [0-9]{1,30})*)?")


@dataclass(frozen=True)
class BlockState(Body):
    """A block by its name, sources before their heirs."""

    name: str
    inherits: tuple[str, ...]
    spent: str
    reserved: str

    def __post_init__(self) -> None:
        match(_SUM, self.spent, "spent")
        match(_SUM, self.reserved, "reserved")


@dataclass(frozen=True)
class ChargedRound(Body):
    """A charged round, with the digest of the only bytes that may leave for it."""

    round: int
    digest: str

    def __post_init__(self) -> None:
        match(DIGEST, self.digest, "digest")


@dataclass(frozen=True)
class ReservationState(Body):
    """A reservation that is open, or closed not long ago."""

    index: int
    key: str
    open: bool
    touched: int
    reserve: Reserve
    charged: tuple[ChargedRound, ...]


@dataclass(frozen=True)
class PastState(Body):
    """A job that closed long ago; `rounds` are first and last of each run of charged rounds, one after the other."""

    job: str
    silo: str
    rounds: tuple[int, ...]
    spent: str

    def __post_init__(self) -> None:
        match(_SUM, self.spent, "spent")
        if len(self.rounds) % 2:
            raise InvalidInput("rounds must be pairs")


@dataclass(frozen=True)
class ShareState(Body):
    """The sums of one consumer."""

    consumer: str
    spent: str
    reserved: str

    def __post_init__(self) -> None:
        match(_SUM, self.spent, "spent")
        match(_SUM, self.reserved, "reserved")


@dataclass(frozen=True)
class ObjectState(Body):
    """A faulty object, by place and hash."""

    at: int
    hash: str


@dataclass(frozen=True)
class Snapshot(Body):
    """All that the entries before it say, by whoever signed it; `entry0` binds it to one ledger."""

    kind: ClassVar[str] = "snapshot"
    entry0: str
    owner_identity: str | None
    writers: tuple[Writer, ...]
    limit: Limit | None
    highest_epsilon: str
    blocks: tuple[BlockState, ...]
    members: tuple[str, ...]
    erased: tuple[str, ...]
    reservations: tuple[ReservationState, ...]
    past: tuple[PastState, ...]
    shares: tuple[ShareState, ...]
    newest_manifest: int
    skipped: tuple[ObjectState, ...]
    pardoned: tuple[ObjectState, ...]
    snapshots: tuple[int, ...]

    def __post_init__(self) -> None:
        match(DIGEST, self.entry0, "entry0")
        decimal(self.highest_epsilon, "highest_epsilon")


def capture(view: LedgerView) -> Snapshot:
    """The body that says all of `view` but its head."""
    return Snapshot(
        entry0=view.entry0,
        owner_identity=view.owner_identity,
        writers=tuple(Writer(key, label) for key, label in sorted(view.writers.items())),
        limit=view.limit,
        highest_epsilon=format(view.highest_epsilon, "f"),
        blocks=tuple(
            BlockState(name, one.inherits, _text(one.spent), _text(one.reserved)) for name, one in view.blocks.items()
        ),
        members=tuple(sorted(view.members)),
        erased=tuple(sorted(view.erased)),
        reservations=tuple(map(_reservation, sorted(view.every_reservation(), key=lambda held: held.index))),
        past=tuple(
            PastState(job, silo, tuple(end for pair in one.rounds for end in pair), _text(one.spent))
            for (job, silo), one in sorted(view.past.items())
        ),
        shares=tuple(
            ShareState(name, _text(one.spent), _text(one.reserved)) for name, one in sorted(view.shares.items())
        ),
        newest_manifest=view.newest_manifest,
        skipped=_objects(view.skipped),
        pardoned=_objects(view.pardoned),
        snapshots=view.snapshots,
    )


def restore(first: LedgerView, body: Snapshot, head: Head) -> LedgerView:
    """The view that `body`, the entry at `head`, says; `first` is the view after entry 0 of the same ledger."""
    held = [_held(one) for one in body.reservations]
    latest = {(one.reserve.job, one.reserve.silo): one for one in held}
    charged: dict[tuple[str, str], dict[int, str]] = {}
    for one in held:
        if one.charged:
            charged.setdefault((one.reserve.job, one.reserve.silo), {}).update(one.charged)
    kept = set(map(id, latest.values()))
    return replace(
        first,
        head=head,
        owner_identity=body.owner_identity,
        writers={writer.key: writer.label for writer in body.writers},
        limit=body.limit,
        highest_epsilon=Decimal(body.highest_epsilon),
        blocks={one.name: Block(one.inherits, _cost(one.spent), _cost(one.reserved)) for one in body.blocks},
        members=frozenset(body.members),
        erased=frozenset(body.erased),
        reservations=latest,
        earlier=tuple(one for one in held if id(one) not in kept),
        charged=charged,
        past={
            (one.job, one.silo): Past(tuple(zip(one.rounds[::2], one.rounds[1::2], strict=True)), _cost(one.spent))
            for one in body.past
        },
        shares={one.consumer: Share(_cost(one.spent), _cost(one.reserved)) for one in body.shares},
        newest_manifest=body.newest_manifest,
        skipped=frozenset((one.at, one.hash) for one in body.skipped),
        pardoned=frozenset((one.at, one.hash) for one in body.pardoned),
        snapshots=(*body.snapshots, head.index),
    )


def is_sound(view: LedgerView) -> bool:
    """Whether the parts of a restored view belong together, so that the rules can go on from it.

    Not whether they are true: that is for who computes the snapshot again.
    """
    orders = len(view.limit.orders) if view.limit else 0
    names = view.members if view.by_shard else {EVERYTHING}
    held = tuple(view.every_reservation())
    vectors = [
        *(vector for block in view.blocks.values() for vector in (block.spent, block.reserved)),
        *(vector for share in view.shares.values() for vector in (share.spent, share.reserved)),
        *(one.spent for one in view.past.values()),
        *(one.reserve.cost for one in held),
    ]
    return (
        set(view.blocks) == names
        and all(names.issuperset(block.inherits) for block in view.blocks.values())
        and all(view.members.issuperset(one.reserve.shards) for one in held)
        and all(len(vector) == orders for vector in vectors)
    )


def _reservation(held: Reservation) -> ReservationState:
    charged = tuple(ChargedRound(number, digest) for number, digest in sorted(held.charged.items()))
    return ReservationState(held.index, held.key, held.open, held.touched, held.reserve, charged)


def _held(state: ReservationState) -> Reservation:
    charged = {one.round: one.digest for one in state.charged}
    return Reservation(state.index, state.reserve, state.key, charged, state.open, state.touched)


def _objects(places: Iterable[tuple[int, str]]) -> tuple[ObjectState, ...]:
    return tuple(ObjectState(at, digest) for at, digest in sorted(places))


def _text(cost: Cost) -> str:
    return " ".join(map(str, cost))


def _cost(text: str) -> Cost:
    return tuple(map(int, text.split()))
