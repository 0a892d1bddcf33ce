"""Snapshots: the whole state of a ledger in one entry, so that opening a long ledger reads few objects.

Whoever replays a ledger computes each snapshot again and refuses one that says anything else. Whoever begins at a
snapshot believes it instead; `believed` says when that is safe.

A snapshot also forgets. Jobs that closed before the snapshot before it keep their charged rounds and what they cost,
so that no round is reserved twice and sums stay whole, but no longer the digest of each round: a silo that comes back
that late to publish a charged round finds no digest, and publishes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from ringfence.errors import LedgerError
from ringfence.privacy.ledger.states import Snapshot, capture
from ringfence.privacy.ledger.view import Head, LedgerView, Past, Reservation

INTERVAL = 256
"""Entries between two snapshots, and so what opening reads beside one; more where many jobs are past."""

_PAST_PER_ENTRY = 16
"""A snapshot names every past job: the more there are the rarer it is, so that snapshots stay a share of the bytes."""


def is_due(view: LedgerView) -> bool:
    """Whether enough has been appended since the last snapshot to be worth another."""
    last = view.snapshots[-1] if view.snapshots else 0
    return view.head.index - last >= INTERVAL + len(view.past) // _PAST_PER_ENTRY


def taken(view: LedgerView) -> Snapshot:
    """The one snapshot that may follow `view`."""
    return capture(_forgetting(view))


def apply(view: LedgerView, body: Snapshot, index: int) -> LedgerView:
    """The view after the snapshot at `index`. Raises LedgerError unless it says what the entries before it say."""
    kept = _forgetting(view)
    if capture(kept) != body:
        raise LedgerError("the snapshot says something else than the entries before it")
    return replace(kept, snapshots=(*view.snapshots, index))


def believed(index: int, signer: str, *, owner: str, seen: Head | None) -> bool:
    """Whether a reader may begin at the snapshot at `index` instead of computing it again.

    With a memory of this ledger (`seen`, a head that was remembered only after everything up to it had been verified):
    any snapshot up to that head, since the entries after the snapshot must lead to the remembered hash, which commits
    to it. Without: only one that the owner signed, whose budget it is. A writer's word alone is never enough: a stolen
    operator's key must not be able to forget what was spent.
    """
    return index <= seen.index if seen is not None else signer == owner


def _forgetting(view: LedgerView) -> LedgerView:
    """`view` with the jobs that closed before its last snapshot moved to `past`."""
    fence = view.snapshots[-1] if view.snapshots else 0
    by_job: dict[tuple[str, str], list[Reservation]] = defaultdict(list)
    for held in view.every_reservation():
        by_job[held.reserve.job, held.reserve.silo].append(held)
    old = {key for key, all_of in by_job.items() if all(not one.open and one.touched <= fence for one in all_of)}
    if not old:
        return view
    past = dict(view.past)
    for job, silo in old:
        rounds = view.charged_rounds(job, silo)
        if rounds:
            past[job, silo] = Past(_runs(sorted(rounds)), view.spent_of(job, silo))
    return replace(
        view,
        reservations={key: held for key, held in view.reservations.items() if key not in old},
        earlier=tuple(held for held in view.earlier if (held.reserve.job, held.reserve.silo) not in old),
        charged={key: rounds for key, rounds in view.charged.items() if key not in old},
        past=past,
    )


def _runs(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Rising numbers as (first, last) pairs of runs without a gap."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return tuple(runs)
