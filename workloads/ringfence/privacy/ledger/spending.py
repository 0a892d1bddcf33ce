"""Reserve, charge, close: the three rules that move budget. All amounts are integers at each order of the grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from ringfence.errors import BudgetExhausted, LedgerError
from ringfence.privacy.filters import admits
from ringfence.privacy.ledger.entries import Charge, Close, Limit, Reserve
from ringfence.privacy.ledger.envelope import Entry
from ringfence.privacy.ledger.view import Block, LedgerView, Reservation, Share
from ringfence.privacy.orders import Cost, add, scale, zero

Moved = TypeVar("Moved", Block, Share)


def reserve(view: LedgerView, entry: Entry, body: Reserve) -> LedgerView:
    """Holds back `rounds * cost` on every named shard and its heirs, if the filter admits that on each.

    Raises LedgerError when the job holds a reservation already or would pay a charged round again, BudgetExhausted when
    no order of some shard has room.
    """
    limit = view.limit
    if limit is None:
        raise LedgerError("the ledger has no limit yet, so nothing can be reserved")
    if len(body.cost) != len(limit.orders):
        raise LedgerError(f"the cost has {len(body.cost)} orders and the ledger has {len(limit.orders)}")
    _check_job(view, body)
    gone = sorted(view.erased.intersection(body.shards))
    if gone:
        raise LedgerError(f"shard {gone[0]} was erased")
    touched = view.blocks_of(body.shards)
    total = scale(body.cost, body.rounds)
    blocks = _changed(view, touched, lambda block: replace(block, reserved=add(block.reserved, total)))
    after = replace(view, blocks=blocks)
    _check_filter(view, after, limit, touched)
    key = (body.job, body.silo)
    before = view.reservations.get(key)
    return replace(
        after,
        reservations={**view.reservations, key: Reservation(entry.index, body, entry.key, touched=entry.index)},
        earlier=_in_order(*view.earlier, before) if before else view.earlier,
        shares=_shared(view, body.consumer, lambda share: replace(share, reserved=add(share.reserved, total))),
        newest_manifest=max(view.newest_manifest, body.manifest_version),
    )


def charge(view: LedgerView, entry: Entry, body: Charge) -> LedgerView:
    """Turns one reserved round into a spent one. Raises LedgerError unless it is exactly what was reserved.

    A second charge of the same round for the same bytes changes nothing, whether its reservation is still open or not.
    """
    key = (body.job, body.silo)
    held = view.reservations.get(key)
    charged = view.charged.get(key, {})
    if held is not None and entry.key == held.reserve.silo_key and charged.get(body.round) == body.digest:
        return view
    if held is None or not held.open:
        raise LedgerError(f"job {body.job} holds no open reservation for silo {body.silo}")
    if entry.key != held.reserve.silo_key:
        raise LedgerError(f"a charge of silo {body.silo} must be signed by its key of this job, not by {entry.key}")
    if body.round in charged:
        raise LedgerError(f"round {body.round} of job {body.job} is charged already, for other bytes")
    if body.round not in held.reserve.covered:
        raise LedgerError(f"round {body.round} of job {body.job} is not among the reserved rounds")
    if body.cost != held.reserve.cost:
        raise LedgerError(f"the charge of round {body.round} differs from the reserved cost of a round")

    def spend(amount: Moved) -> Moved:
        return replace(amount, spent=add(amount.spent, body.cost), reserved=less(amount.reserved, body.cost))

    new = {body.round: body.digest}
    return replace(
        view,
        blocks=_changed(view, view.blocks_of(held.reserve.shards), spend),
        charged={**view.charged, key: {**charged, **new}},
        reservations={
            **view.reservations,
            key: replace(held, charged={**held.charged, **new}, touched=entry.index),
        },
        shares=_shared(view, held.reserve.consumer, spend),
    )


def close(view: LedgerView, entry: Entry, body: Close) -> LedgerView:
    """Gives back what was never charged; what would be charged later is refused: the chain's order is the fence."""
    key = (body.job, body.silo)
    held = view.reservations.get(key)
    if held is None:
        raise LedgerError(f"job {body.job} has no reservation for silo {body.silo}")
    if entry.key not in (held.key, view.owner_key):
        raise LedgerError(f"only who reserved for job {body.job}, or the owner, may close its reservation")
    if not held.open:
        return view
    back = held.held

    def give_back(amount: Moved) -> Moved:
        return replace(amount, reserved=less(amount.reserved, back))

    return replace(
        view,
        blocks=_changed(view, view.blocks_of(held.reserve.shards), give_back),
        reservations={**view.reservations, key: replace(held, open=False, touched=entry.index)},
        shares=_shared(view, held.reserve.consumer, give_back),
    )


def _check_job(view: LedgerView, body: Reserve) -> None:
    for held in view.reservations.values():
        if held.open and held.reserve.job == body.job:
            raise LedgerError(
                f"job {body.job} holds a reservation already (entry {held.index})",
                remedy="close it before reserving again",
            )
    twice = view.charged_rounds(body.job, body.silo).intersection(body.covered)
    if twice:
        raise LedgerError(f"round {min(twice)} of job {body.job} is charged already and cannot be reserved again")


def _check_filter(before: LedgerView, after: LedgerView, limit: Limit, touched: tuple[str, ...]) -> None:
    """The Renyi filter on every block that the reservation reaches: those named and all that inherit from them."""
    nothing = zero(limit.orders)
    for committed in {after.blocks[name].committed for name in touched}:
        if not admits(nothing, committed, limit.limits):
            holders = sorted({held.reserve.job_name or held.reserve.job for held in before.open_reservations()})
            waiting = f", held in part by {', '.join(holders[:5])}" if holders else ""
            raise BudgetExhausted(
                f"with this plan epsilon would reach {_short(after.reading(committed))}, over the limit "
                f"{limit.epsilon}; {_short(before.committed_epsilon())} is spent or reserved already{waiting}",
                remedy="plan fewer rounds or a smaller epsilon",
            )


def inherited(view: LedgerView, sources: tuple[str, ...]) -> Block:
    """The block of a new shard whose records were in `sources`, and so perhaps in what came from them meanwhile.

    `spent` is the largest of theirs at each order, since a record lay in one of them; `reserved` is all that is held.
    """
    family = view.blocks_of(sources)
    spent = tuple(map(max, zip(*(view.spent(source) for source in family), strict=True)))
    reserved = zero(view.limit.orders) if view.limit else ()
    for held in view.open_reservations():
        if not frozenset(family).isdisjoint(view.blocks_of(held.reserve.shards)):
            reserved = add(reserved, held.held)
    return Block(family, spent, reserved)


def _changed(view: LedgerView, names: tuple[str, ...], change: Callable[[Block], Block]) -> dict[str, Block]:
    """All blocks with `change` made to `names`; equal blocks (most shards of a dataset) are computed once."""
    done: dict[Block, Block] = {}
    blocks = dict(view.blocks)
    for name in names:
        block = blocks[name]
        if block not in done:
            done[block] = change(block)
        blocks[name] = done[block]
    return blocks


def _in_order(*reservations: Reservation) -> tuple[Reservation, ...]:
    return tuple(sorted(reservations, key=lambda held: held.index))


def _shared(view: LedgerView, consumer: str, change: Callable[[Share], Share]) -> dict[str, Share]:
    """All shares with `change` made to that of `consumer`."""
    nothing = zero(view.limit.orders) if view.limit else ()
    return {**view.shares, consumer: change(view.shares.get(consumer, Share(nothing, nothing)))}


def less(a: Cost, b: Cost) -> Cost:
    """`a` without `b`, order by order."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def _short(epsilon: Decimal) -> str:
    return f"{epsilon:.3f}"
