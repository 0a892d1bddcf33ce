"""A ledger told to people: one row an entry, with what was spent after it; a closed ledger too, up to its fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from ringfence.errors import LedgerTampered
from ringfence.privacy.ledger import objects, rules
from ringfence.privacy.ledger.entries import Charge, Close, Limit, Noop, Open, Owner, Reserve, Shards, Writer
from ringfence.privacy.ledger.envelope import Entry, read
from ringfence.privacy.ledger.erasure import Erase
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.replay import Step, replay
from ringfence.privacy.ledger.states import Snapshot
from ringfence.privacy.ledger.view import LedgerView

_AT_FIRST = 64  # entries in the first run of reads; each further run is twice as long


@dataclass(frozen=True)
class Row:
    """One entry in words; `epsilon` is the reading of everything charged up to here, `committed` with what is held."""

    index: int
    kind: str
    who: str
    what: str
    epsilon: Decimal
    committed: Decimal


def story(ledger: Ledger) -> list[Row]:
    """All entries from the first, verified again on the way, up to the head or to the first that does not hold.

    `ledger` may be closed (opened for reading): its `fault` tells the rest.
    """
    return [_row(before, step) for before, step in _steps(ledger)]


def entries(ledger: Ledger) -> list[Entry]:
    """Every entry that holds, in the order of the chain, read from the first on: those too that snapshots have long
    forgotten."""
    return [step.entry for _, step in _steps(ledger) if step.entry]


def reservations(ledger: Ledger) -> list[Reserve]:
    """Everything that was ever reserved, which `view.every_reservation` does not have."""
    return [entry.body for entry in entries(ledger) if isinstance(entry.body, Reserve)]


def _steps(ledger: Ledger) -> Iterator[tuple[LedgerView, Step]]:
    """Each entry with the view before it."""
    known = [one.data for run in objects.runs(ledger.store, 0, _AT_FIRST) for one in run.objects]
    first = read(known[0], where=f"{ledger.store.url}/{objects.place(0)}")
    view = rules.begin(first)
    yield view, Step(first, view)
    with suppress(LedgerTampered):
        for step in replay(view, known[1 : ledger.view.head.index + 1], ledger.store.url):
            yield view, step
            view = step.view


def _row(before: LedgerView, step: Step) -> Row:
    entry, after = step.entry, step.view
    kind = entry.body.kind if entry else "skipped"
    who = _who(before, entry) if entry else ""
    what = _what(before, entry.body) if entry else "a faulty object that the owner pardoned"
    return Row(after.head.index, kind, who, what, after.spent_epsilon(), after.committed_epsilon())


def _who(view: LedgerView, entry: Entry) -> str:
    if isinstance(entry.body, Charge):
        return f"silo {entry.body.silo}"
    if entry.key == view.owner_key:
        return "owner"
    return view.writers.get(entry.key) or entry.key


def _what(view: LedgerView, body: Body) -> str:
    match body:
        case Open():
            return f"opens the ledger of dataset {body.dataset}, unit {body.unit}"
        case Limit():
            return _limit(view, body)
        case Writer():
            return f"lets {body.label or body.key} reserve, close and lower the limit"
        case Owner():
            return _owner(view, body)
        case Shards():
            fresh = sum(shard.inherits is None for shard in body.shards)
            return f"registers {fresh} shards of new records and {len(body.shards) - fresh} that inherit"
        case Reserve():
            rounds = f"rounds {body.first} to {body.covered[-1]}"
            whom = f"job {body.job_name or body.job} ({body.job}) of {body.consumer or 'nobody named'}"
            return f"reserves {rounds} for {whom}, silo {body.silo}"
        case Charge():
            return f"charges round {body.round} of job {body.job}, before {body.digest[:15]}... leaves"
        case Close():
            held = view.reservations.get((body.job, body.silo))
            back = held.reserve.rounds - len(held.charged) if held and held.open else 0
            return f"closes job {body.job}: {back} rounds given back{_because(body.reason)}"
        case Erase():
            return f"destroyed {len(body.shards)} shards for good{_because(body.reason)}"
        case Snapshot():
            return f"sums up the {view.head.index + 1} entries before it; {len(body.past)} jobs are past"
        case Noop():
            return f"pardons the faulty object ledger/{body.at}" if body.hash else "fills a gap"
    return ""


def _owner(view: LedgerView, body: Owner) -> str:
    if view.owner_identity is None:
        return f"budget {body.identity} spends from this ledger"
    return f"transfers the ledger from {view.owner_identity} to {body.identity}"


def _limit(view: LedgerView, body: Limit) -> str:
    because = _because(body.reason)
    if view.limit is None:
        return f"sets the limit: epsilon {body.epsilon} at delta {body.delta}, by {body.accountant}{because}"
    verb = "raises" if Decimal(body.epsilon) > Decimal(view.limit.epsilon) else "lowers"
    return f"{verb} the limit from epsilon {view.limit.epsilon} to {body.epsilon}{because}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
