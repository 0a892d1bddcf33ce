"""What owners, writers and silos do with a ledger: each one entry, safe to repeat after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import InvalidInput, LedgerError, LedgerOwned, RingfenceError, StoreError
from ringfence.privacy.ledger import objects, snapshots
from ringfence.privacy.ledger.entries import (
    Charge,
    Close,
    Limit,
    Owner,
    Reserve,
    ShardEntry,
    Shards,
    Writer,
)
from ringfence.privacy.ledger.erasure import Erase
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import Head
from ringfence.privacy.orders import DEFAULT_ORDERS, GRIDS, accountant, gaussian_order, limits, split_delta

Request = tuple[Ledger, Ed25519PrivateKey, Reserve]


def set_limit(
    ledger: Ledger,
    key: Ed25519PrivateKey,
    *,
    epsilon: Decimal,
    delta: Decimal | None = None,
    split: Sequence[Decimal] | None = None,
    reason: str = "",
) -> Head:
    """A limit: the owner's, or a writer's that is lower. The first needs `delta` and fixes it, the grid and the split.

    `split` has a share of delta for each order of a grid, which is so chosen: one share for GDP. Without it most of
    delta goes to the Renyi order that Gaussians fill first. A later limit keeps what the first fixed; raising it needs
    the owner's key and a reason. Raises InvalidInput for numbers that make no limit, LedgerError when not allowed.
    """
    now = ledger.refresh().limit
    if now is None:
        if delta is None:
            raise InvalidInput("the first limit needs a delta")
        if split is None:
            split = split_delta(delta, DEFAULT_ORDERS, gaussian_order(epsilon, delta, DEFAULT_ORDERS))
        orders = next((grid for grid in GRIDS.values() if len(grid) == len(split)), ())
        return ledger.append(_limit(epsilon, delta, orders, tuple(split), reason), key)
    if delta is not None and delta != Decimal(now.delta):
        raise InvalidInput(f"delta {delta} differs from {now.delta}, which the first limit fixed for good")
    fixed = _limit(epsilon, Decimal(now.delta), now.orders, tuple(map(Decimal, now.deltas)), reason)
    return ledger.append(replace(fixed, delta=now.delta, deltas=now.deltas), key)


def add_writer(ledger: Ledger, owner_key: Ed25519PrivateKey, writer: str, label: str) -> Head:
    """The owner lets the key named `writer` (`ed25519:...`) reserve, close and lower the limit."""
    return ledger.append(Writer(writer, label), owner_key)


def claim(ledger: Ledger, key: Ed25519PrivateKey, identity: str) -> Head:
    """Says who spends from this ledger, for good; nothing to do when that is said already (a recreated budget adopts).

    Raises LedgerOwned when another does, for the owner's key too: taking a ledger over is a deliberate act, `transfer`.
    """
    body = Owner(identity)
    known = ledger.refresh().owner_identity
    if known not in (None, identity):
        raise LedgerOwned(
            f"the ledger belongs to {known}, and {identity} claims it",
            where=ledger.store.url,
            remedy="its owner may transfer it with a signed entry",
        )
    return ledger.append(body, key)


def transfer(ledger: Ledger, owner_key: Ed25519PrivateKey, identity: str) -> Head:
    """The owner's word that from now on `identity` spends from this ledger, whoever did before."""
    return ledger.append(Owner(identity), owner_key)


def add_shards(ledger: Ledger, owner_key: Ed25519PrivateKey, shards: Sequence[ShardEntry]) -> Head:
    """The owner's word on new shards: fresh records, or which shards their records were in before."""
    return ledger.append(Shards(tuple(shards)), owner_key)


def erase(ledger: Ledger, owner_key: Ed25519PrivateKey, shards: Sequence[str], reason: str) -> Head:
    """The owner's word that all objects of `shards` were destroyed: nothing is reserved on them any more."""
    return ledger.append(Erase(tuple(shards), reason), owner_key)


def reserve(ledger: Ledger, key: Ed25519PrivateKey, body: Reserve) -> Head:
    """Reserves a plan. Raises BudgetExhausted, with nothing written, when it does not fit."""
    keep_short(ledger, key)
    return ledger.append(body, key)


def keep_short(ledger: Ledger, key: Ed25519PrivateKey) -> None:
    """Appends a snapshot when one is due, so that opening the ledger stays quick. `key` is a writer's or the owner's.

    Housekeeping: another's snapshot, a race or a store that fails leave the ledger as good as it was, only longer.
    """
    if not snapshots.is_due(ledger.view):
        return
    with suppress(LedgerError, StoreError):
        if snapshots.is_due(ledger.refresh()):
            snapshot(ledger, key)


def snapshot(ledger: Ledger, key: Ed25519PrivateKey) -> Head:
    """Appends a snapshot now, and hints at it. Raises LedgerError when another entry came first: then try again."""
    head = ledger.append(snapshots.taken(ledger.refresh()), key)
    objects.hint(ledger.store, head.index)
    return head


def charge(ledger: Ledger, silo_key: Ed25519PrivateKey, body: Charge) -> bool:
    """Charges one round before its bytes leave. False if that very charge was there already; both mean: publish.

    Raises LedgerError when the reservation is closed or the round is charged for other bytes: publish nothing. A
    StoreError leaves the round perhaps spent: publish nothing until a repeated call returned.
    """
    return ledger.append_once(body, silo_key)


def close(ledger: Ledger, key: Ed25519PrivateKey, *, job: str, silo: str, reason: str) -> Head:
    """Gives back what `job` reserved and never charged; no error when it is closed already."""
    head = ledger.append(Close(job, silo, reason), key)
    keep_short(ledger, key)
    return head


def reserve_all(requests: Sequence[Request]) -> list[Head]:
    """Reserves on all ledgers, in the order of their dataset ids, or on none: closes those taken when one fails.

    All-or-none is economy, not safety. Raises InvalidInput when two requests are for one dataset, else the first error.
    """
    ordered = sorted(requests, key=lambda request: request[0].view.dataset)
    names = [ledger.view.dataset for ledger, _, _ in ordered]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"two silos of one job use the same dataset {twice}")
    heads: dict[str, Head] = {}
    tried: list[Request] = []
    try:
        for request in ordered:
            tried.append(request)
            ledger, key, body = request
            heads[ledger.view.dataset] = reserve(ledger, key, body)
    except BaseException:
        _give_back(tried)
        raise
    return [heads[ledger.view.dataset] for ledger, _, _ in requests]


def _give_back(requests: Sequence[Request]) -> None:
    """Closes what was taken, the last one too, since its outcome may be unknown; what fails stays held, never spent."""
    for ledger, key, body in reversed(requests):
        with suppress(RingfenceError):
            held = ledger.refresh().reservations.get((body.job, body.silo))
            if held is not None and held.open and held.reserve == body:
                close(ledger, key, job=body.job, silo=body.silo, reason="another dataset of the job had no room")


def _limit(
    epsilon: Decimal, delta: Decimal, orders: tuple[str, ...], deltas: tuple[Decimal, ...], reason: str
) -> Limit:
    """The entry that says so. Raises InvalidInput when it would admit nothing."""
    allowed = limits(epsilon, deltas, orders)
    if not any(allowed):
        raise InvalidInput(f"epsilon {epsilon} at delta {delta} is too small to admit anything at any order")
    texts = tuple(_text(each) for each in deltas)
    return Limit(_text(epsilon), _text(delta), accountant(orders), orders, texts, reason, allowed)


def _text(value: Decimal) -> str:
    return format(value, "f")
