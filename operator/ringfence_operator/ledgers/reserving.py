"""The reservation of a run over all its ledgers, or over none; and giving back."""

from __future__ import annotations

from collections.abc import Mapping

from ringfence.acceptance.accepted import Acceptance, Participant
from ringfence.acceptance.reserving import Parties, reservation
from ringfence.errors import BudgetExhausted, LedgerError
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.entries import Reserve
from ringfence.privacy.ledger.ledger import Ledger
from ringfence_operator import reasons
from ringfence_operator.budgets.room import has_room
from ringfence_operator.ledgers.accepting import acceptance
from ringfence_operator.ledgers.house import Asked, House
from ringfence_operator.seen import Refused


def reserve(house: House, asked: Asked) -> bool | Refused:
    """True once every private silo holds a reservation for its uncharged rounds from `asked.first` on.

    Refused with WaitingForBudget when there would be room once others are closed. Raises BudgetExhausted when there
    never would, LedgerOwned, and what acceptance and the ledgers raise.
    """
    found = acceptance(house, asked)
    for one in found.private:
        refusal = _claimed(house, one)
        if refusal is not None:
            return refusal
    bodies = _bodies(house, asked, found)
    full = [one.silo for one, body in bodies if _ledger(one) and not _fits(one, body)]
    if full:
        return Refused(reasons.WAITING_FOR_BUDGET, f"waits for room in the budget of {', '.join(full)}")
    try:
        operations.reserve_all([(_ledger(one), house.writer, body) for one, body in bodies])
    except BudgetExhausted:
        return Refused(reasons.WAITING_FOR_BUDGET, "another job was faster; waits for room")
    return True


def close(house: House, uid: str, datasets: Mapping[str, str | None], reason: str) -> None:
    """Gives back what the job never charged, in the ledgers of these datasets (URL to the pinned signer, if known)."""
    for dataset, signer in sorted(datasets.items()):
        ledger = house.ledger(dataset, signer)
        if ledger is None:
            continue
        for held in ledger.view.open_reservations():
            if held.reserve.job == uid:
                operations.close(ledger, house.writer, job=uid, silo=held.reserve.silo, reason=reason)


def _claimed(house: House, one: Participant) -> Refused | None:
    """Says in the ledger that this PrivacyBudget spends from it; what it is refused for, if the owner must act."""
    ledger, budget = _ledger(one), one.budget
    if budget is None:
        return None
    view = ledger.view
    if house.public not in view.writers and house.public != view.owner_key:
        return Refused(
            reasons.NOT_A_WRITER,
            f"silo {one.silo}: {ledger.store.url}: this operator may not write the ledger; its owner lets it with "
            f"`ringfence budget open --writer {house.public}`",
        )
    operations.claim(ledger, house.writer, house.identity(budget))
    return None


def _bodies(house: House, asked: Asked, found: Acceptance) -> list[tuple[Participant, Reserve]]:
    """What each ledger is to hold; silos that hold theirs already, and those with every round charged, are left out."""
    bodies = []
    for one in found.private:
        held = _ledger(one).view.reservations.get((asked.uid, one.silo))
        if held is not None and held.open:
            continue
        image = (one.budget.spec.runtime.image if one.budget else None) or house.image
        parties = Parties(house.keys(asked.uid, one.silo).public, house.keys(asked.uid, "").public, image)
        body = reservation(found, one, asked.uid, asked.first, parties)
        if body is not None:
            bodies.append((one, body))
    return bodies


def _fits(one: Participant, body: Reserve) -> bool:
    if one.budget is None:
        return False
    return has_room(_ledger(one).view, one.budget, body)


def _ledger(one: Participant) -> Ledger:
    if one.ledger is None:
        raise LedgerError("a public dataset has no ledger", where=one.url)
    return one.ledger
