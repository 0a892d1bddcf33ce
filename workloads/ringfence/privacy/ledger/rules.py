"""Who may say what, when: one pure rule a kind. `apply` gives the view after an entry, or refuses it.

The same rules hold for an entry that is about to be appended and for one that is read: what no honest writer would
append, no reader accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ringfence.errors import InvalidInput, LedgerError, LedgerOwned
from ringfence.privacy.ledger import erasure, snapshots, spending
from ringfence.privacy.ledger.entries import (
    Charge,
    Close,
    Limit,
    Noop,
    Open,
    Owner,
    Reserve,
    Shards,
    Writer,
)
from ringfence.privacy.ledger.envelope import Entry
from ringfence.privacy.ledger.erasure import Erase
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.states import Snapshot
from ringfence.privacy.ledger.view import EVERYTHING, Block, Head, LedgerView
from ringfence.privacy.orders import limits, zero


def begin(entry: Entry) -> LedgerView:
    """The view after entry 0. Raises LedgerError when it is no `open` signed by the owner it names."""
    body = entry.body
    if entry.index != 0 or entry.previous is not None or not isinstance(body, Open):
        raise LedgerError("a ledger starts with an open entry")
    if body.owner != entry.key:
        raise LedgerError("the open entry is not signed by the owner that it names")
    view = LedgerView(body.dataset, body.unit, body.owner, head=Head(0, entry.hash), entry0=entry.hash)
    return view if view.by_shard else replace(view, blocks={EVERYTHING: Block()})


def apply(view: LedgerView, entry: Entry) -> LedgerView:
    """The view after `entry`.

    Raises LedgerError (or BudgetExhausted, LedgerOwned) when the entry does not follow the head, its signer may not say
    this, or what it says is not possible at this place.
    """
    check_chain(view, entry)
    if isinstance(entry.body, Open):
        raise LedgerError("only entry 0 may be an open entry")
    after = _RULES[type(entry.body)](view, entry, entry.body)
    return replace(after, head=Head(entry.index, entry.hash))


def check_chain(view: LedgerView, entry: Entry) -> None:
    """Refuses an entry of another place or another history."""
    if entry.index != view.head.index + 1:
        raise LedgerError(f"this is entry {entry.index}, copied to another place")
    if entry.previous != view.head.hash:
        raise LedgerError(f"the entry does not follow entry {view.head.index} as it is now")


def is_repeated(view: LedgerView, body: Body) -> bool:
    """Whether the ledger says all of `body` already, so that whoever repeats it after a crash need not append it."""
    match body:
        case Limit():
            return view.limit == body
        case Writer():
            return view.writers.get(body.key) == body.label
        case Owner():
            return view.owner_identity == body.identity
        case Shards():
            known = view.members.intersection(shard.id for shard in body.shards)
            return len(known) == len(body.shards) and all(
                not view.by_shard or _derives(view.blocks[shard.id].inherits, shard.inherits) for shard in body.shards
            )
        case Reserve():
            there = view.reservations.get((body.job, body.silo))
            return there is not None and there.open and there.reserve == body
        case Charge():
            return view.charged.get((body.job, body.silo), {}).get(body.round) == body.digest
        case Close():
            there = view.reservations.get((body.job, body.silo))
            return not there.open if there is not None else (body.job, body.silo) in view.past
        case Erase():
            return view.erased.issuperset(body.shards)
    return False


def _derives(known: tuple[str, ...], named: tuple[str, ...] | None) -> bool:
    """Whether a block that inherits from `known` is what an owner means who names these sources."""
    return set(named) <= set(known) if named else not known


def _limit(view: LedgerView, entry: Entry, body: Limit) -> LedgerView:
    epsilon = Decimal(body.epsilon)
    if view.limit is None or epsilon >= Decimal(view.limit.epsilon):
        _owner_only(view, entry, "a limit that is not lower than before")
    check_writer(view, entry.key)
    if view.limit is not None and view.limit.grid != body.grid:
        raise LedgerError("delta, accountant, orders and their deltas are fixed by the first limit")
    try:
        allowed = limits(epsilon, [Decimal(each) for each in body.deltas], body.orders)
    except InvalidInput as error:
        raise LedgerError(error.message) from error
    if allowed != body.limits:
        raise LedgerError("the limit at some order is not what its epsilon and delta allow")
    if view.limit is not None and epsilon > Decimal(view.limit.epsilon) and not body.reason.strip():
        raise LedgerError("raising a limit needs a reason")
    blocks = view.blocks
    if view.limit is None:
        nothing = zero(body.orders)
        blocks = {name: replace(block, spent=nothing, reserved=nothing) for name, block in blocks.items()}
    return replace(view, limit=body, highest_epsilon=max(view.highest_epsilon, epsilon), blocks=blocks)


def _writer(view: LedgerView, entry: Entry, body: Writer) -> LedgerView:
    _owner_only(view, entry, "a new writer")
    return replace(view, writers={**view.writers, body.key: body.label})


def _owner(view: LedgerView, entry: Entry, body: Owner) -> LedgerView:
    """The first claim is any writer's; a transfer is the owner's."""
    if entry.key != view.owner_key and view.owner_identity is not None:
        raise LedgerOwned(
            f"the ledger belongs to {view.owner_identity}, and {body.identity} claims it",
            remedy="the owner may transfer it with a signed entry",
        )
    check_writer(view, entry.key)
    return replace(view, owner_identity=body.identity)


def _shards(view: LedgerView, entry: Entry, body: Shards) -> LedgerView:
    _owner_only(view, entry, "new shards")
    blocks = dict(view.blocks)
    nothing = zero(view.limit.orders) if view.limit else ()
    for shard in body.shards:
        if shard.id in view.members:
            raise LedgerError(f"shard {shard.id} is registered already")
        unknown = sorted(set(shard.inherits or ()) - view.members)
        if unknown:
            raise LedgerError(f"shard {shard.id} inherits from {unknown[0]}, which is not registered")
        if view.by_shard:
            heir = spending.inherited(view, shard.inherits) if shard.inherits else None
            blocks[shard.id] = heir or Block((), nothing, nothing)
    return replace(view, blocks=blocks, members=view.members.union(shard.id for shard in body.shards))


def _noop(view: LedgerView, entry: Entry, body: Noop) -> LedgerView:
    _owner_only(view, entry, "a noop")
    if body.at is None or body.hash is None:
        return view
    named = (body.at, body.hash)
    if body.at <= entry.index and named not in view.skipped:
        raise LedgerError(f"a noop may only pardon a faulty object, and ledger/{body.at} with that hash is none")
    return replace(view, pardoned=view.pardoned | {named})


def _erase(view: LedgerView, entry: Entry, body: Erase) -> LedgerView:
    _owner_only(view, entry, "an erasure")
    return erasure.erase(view, body)


def _snapshot(view: LedgerView, entry: Entry, body: Snapshot) -> LedgerView:
    check_writer(view, entry.key)
    return snapshots.apply(view, body, entry.index)


def _owner_only(view: LedgerView, entry: Entry, what: str) -> None:
    if entry.key != view.owner_key:
        raise LedgerError(f"{what} must be signed by the owner, not by {entry.key}")


def check_writer(view: LedgerView, key: str) -> None:
    """Refuses a key that the owner did not make a writer."""
    if key != view.owner_key and key not in view.writers:
        raise LedgerError(f"{key} is neither the owner nor a writer of this ledger")


def _reserve(view: LedgerView, entry: Entry, body: Reserve) -> LedgerView:
    check_writer(view, entry.key)
    return spending.reserve(view, entry, body)


_RULES: dict[type[Body], Callable[[LedgerView, Entry, Any], LedgerView]] = {
    Limit: _limit,
    Writer: _writer,
    Owner: _owner,
    Shards: _shards,
    Reserve: _reserve,
    Charge: spending.charge,
    Close: spending.close,
    Erase: _erase,
    Snapshot: _snapshot,
    Noop: _noop,
}
