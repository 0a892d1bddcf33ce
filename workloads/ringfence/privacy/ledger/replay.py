"""Objects to views: verifies each object at its place, and lets an owner's pardon skip a faulty one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ringfence import canonical
from ringfence.errors import BudgetExhausted, InvalidInput, LedgerError, LedgerTampered
from ringfence.privacy.ledger import rules
from ringfence.privacy.ledger.entries import Noop
from ringfence.privacy.ledger.envelope import Entry, read
from ringfence.privacy.ledger.view import Head, LedgerView


@dataclass(frozen=True)
class Step:
    """One object read: the entry in it (None if it was skipped), and the view after it, whose head is the object."""

    entry: Entry | None
    view: LedgerView


def replay(view: LedgerView, objects: Sequence[bytes], where: str) -> Iterator[Step]:
    """One step for each of the consecutive `objects` that follow `view.head`; `where` is the ledger's URL.

    Raises LedgerTampered, naming the object, at the first that is faulty and that no owner's noop names.
    """
    pardons: set[tuple[int, str]] | None = None
    for offset, data in enumerate(objects):
        try:
            step = _step(view, data, where)
        except LedgerTampered:
            if pardons is None:
                pardons = _pardons(view.owner_key, objects[offset:])
            place = (view.head.index + 1, canonical.digest(data))
            if place not in view.pardoned | pardons:
                raise
            step = Step(None, replace(view, head=Head(*place), skipped=view.skipped | {place}))
        view = step.view
        yield step


def _step(view: LedgerView, data: bytes, where: str) -> Step:
    """Verifies all, assigns last: form, signature, place in the chain, then the rule of its kind."""
    name = f"{where}/ledger/{view.head.index + 1}"
    entry = read(data, where=name)
    try:
        return Step(entry, rules.apply(view, entry))
    except (LedgerError, BudgetExhausted, InvalidInput) as error:
        raise LedgerTampered(f"the entry breaks a rule: {error.message}", where=name) from error


def _pardons(owner: str, objects: Sequence[bytes]) -> set[tuple[int, str]]:
    """What noops signed by the owner among `objects` name; replay proves later that they stand in their places."""
    found = set()
    for data in objects:
        try:
            entry = read(data, where="")
        except LedgerTampered:
            continue
        if entry.key == owner and isinstance(entry.body, Noop) and entry.body.at is not None and entry.body.hash:
            found.add((entry.body.at, entry.body.hash))
    return found
