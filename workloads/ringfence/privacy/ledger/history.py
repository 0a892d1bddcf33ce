"""A ledger told to people: one row an entry, with what was spent after it; a closed ledger too, up to its fault."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ringfence.privacy.ledger import objects, rules
from ringfence.privacy.ledger.entries import Charge, Close, Limit, Noop, Open, Owner, Reserve, Shards, Writer
from ringfence.privacy.ledger.envelope import Entry, read
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.replay import replay
from ringfence.privacy.ledger.view import LedgerView


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
    """All verified entries from the first. `ledger` may be closed (opened for reading): its `fault` tells the rest."""
    first = read(ledger.first, where=f"{ledger.store.url}/{objects.place(0)}")
    view = rules.begin(first)
    rows = [_row(view, view, first)]
    following = objects.read_from(ledger.store, 1, objects.listed(ledger.store))[: ledger.view.head.index]
    for step in replay(view, following, ledger.store.url):
        rows.append(_row(view, step.view, step.entry))
        view = step.view
    return rows


def _row(before: LedgerView, after: LedgerView, entry: Entry | None) -> Row:
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
            return f"lets {body.label or body.key} reserve and close"
        case Owner():
            return f"budget {body.identity} spends from this ledger"
        case Shards():
            fresh = sum(shard.inherits is None for shard in body.shards)
            return f"registers {fresh} shards of new records and {len(body.shards) - fresh} that inherit"
        case Reserve():
            rounds = f"rounds {body.first} to {body.covered[-1]}"
            return f"reserves {rounds} for job {body.job_name or body.job} ({body.job}), silo {body.silo}"
        case Charge():
            return f"charges round {body.round} of job {body.job}, before {body.digest[:15]}... leaves"
        case Close():
            held = view.reservations.get((body.job, body.silo))
            back = held.reserve.rounds - len(held.charged) if held and held.open else 0
            return f"closes job {body.job}: {back} rounds given back" + (f" ({body.reason})" if body.reason else "")
        case Noop():
            return f"pardons the faulty object ledger/{body.at}" if body.hash else "fills a gap"
    return ""


def _limit(view: LedgerView, body: Limit) -> str:
    because = f" ({body.reason})" if body.reason else ""
    if view.limit is None:
        return f"sets the limit: epsilon {body.epsilon} at delta {body.delta}{because}"
    verb = "raises" if Decimal(body.epsilon) > Decimal(view.limit.epsilon) else "lowers"
    return f"{verb} the limit from epsilon {view.limit.epsilon} to {body.epsilon}{because}"
