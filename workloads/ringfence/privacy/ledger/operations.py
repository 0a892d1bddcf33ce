"""What owners, writers and silos do with a ledger: each one entry, safe to repeat after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import InvalidInput, RingfenceError
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
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import Head
from ringfence.privacy.orders import DEFAULT_ORDERS, gaussian_order, limits, split_delta

Request = tuple[Ledger, Ed25519PrivateKey, Reserve]


def set_limit(
    ledger: Ledger,
    owner_key: Ed25519PrivateKey,
    *,
    epsilon: Decimal,
    delta: Decimal | None = None,
    split: Sequence[Decimal] | None = None,
    reason: str = "",
) -> Head:
    """The owner's limit. The first needs `delta` and fixes it, the default grid and `split` (its share of each order).

    Without `split` most of delta goes to the order that Gaussians fill first. A later limit keeps what the first fixed;
    raising it needs a reason. Raises InvalidInput for numbers that make no limit, LedgerError when it is not allowed.
    """
    now = ledger.refresh().limit
    if now is None:
        if delta is None:
            raise InvalidInput("the first limit needs a delta")
        if split is None:
            split = split_delta(delta, DEFAULT_ORDERS, gaussian_order(epsilon, delta, DEFAULT_ORDERS))
        orders, deltas = DEFAULT_ORDERS, tuple(split)
    else:
        if delta is not None and delta != Decimal(now.delta):
            raise InvalidInput(f"delta {delta} differs from {now.delta}, which the first limit fixed for good")
        orders, deltas, delta = now.orders, tuple(Decimal(each) for each in now.deltas), Decimal(now.delta)
    allowed = limits(epsilon, deltas, orders)
    if not any(allowed):
        raise InvalidInput(f"epsilon {epsilon} at delta {delta} is too small to admit anything at any order")
    texts = now.deltas if now else tuple(_text(each) for each in deltas)
    body = Limit(_text(epsilon), now.delta if now else _text(delta), "rdp", orders, texts, reason, allowed)
    return ledger.append(body, owner_key)


def add_writer(ledger: Ledger, owner_key: Ed25519PrivateKey, writer: str, label: str) -> Head:
    """The owner lets the key named `writer` (`ed25519:...`) reserve and close."""
    return ledger.append(Writer(writer, label), owner_key)


def claim(ledger: Ledger, key: Ed25519PrivateKey, identity: str) -> Head:
    """Says who spends from this ledger. Raises LedgerOwned when another does, unless `key` is the owner's."""
    return ledger.append(Owner(identity), key)


def add_shards(ledger: Ledger, owner_key: Ed25519PrivateKey, shards: Sequence[ShardEntry]) -> Head:
    """The owner's word on new shards: fresh records, or which shards their records were in before."""
    return ledger.append(Shards(tuple(shards)), owner_key)


def reserve(ledger: Ledger, key: Ed25519PrivateKey, body: Reserve) -> Head:
    """Reserves a plan. Raises BudgetExhausted, with nothing written, when it does not fit."""
    return ledger.append(body, key)


def charge(ledger: Ledger, silo_key: Ed25519PrivateKey, body: Charge) -> bool:
    """Charges one round before its bytes leave. False if that very charge was there already; both mean: publish.

    Raises LedgerError when the reservation is closed or the round is charged for other bytes: publish nothing. A
    StoreError leaves the round perhaps spent: publish nothing until a repeated call returned.
    """
    return ledger.append_once(body, silo_key)


def close(ledger: Ledger, key: Ed25519PrivateKey, *, job: str, silo: str, reason: str) -> Head:
    """Gives back what `job` reserved and never charged; no error when it is closed already."""
    return ledger.append(Close(job, silo, reason), key)


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


def _text(value: Decimal) -> str:
    return format(value, "f")
