"""PrivacyBudgets: the ledger mirrored into status, and waiting jobs woken when there may be room.

The next entry of a ledger is asked for every 2 s while a reservation is open or a job waits, else every 60 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ringfence.errors import ClusterError, RingfenceError
from ringfence.privacy.ledger.view import LedgerView
from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.status import PrivacyBudgetStatus
from ringfence_operator.actions import Document
from ringfence_operator.budgets import status as told
from ringfence_operator.controller.kinds import BUDGETS
from ringfence_operator.ledgers.mirroring import Mirrored

if TYPE_CHECKING:
    from ringfence_operator.controller.carrying import Hands

_OPEN, _CLOSED = 2.0, 60.0
_GONE_FOR = 60.0
Place = tuple[str, str]


@dataclass
class Budgets:
    """`enqueue` puts a job's uid into the queue."""

    hands: Hands
    enqueue: Callable[[str], None]
    _heads: dict[Place, int] = field(default_factory=dict)
    _missing: dict[str, float] = field(default_factory=dict)

    async def turn(self, place: Place) -> float | None:
        """One look at a budget; seconds until the next."""
        document, budget = self.hands.cache.budget_document(place), self.hands.cache.budget(place)
        if document is None or budget is None:
            self._heads.pop(place, None)
            return None
        mirrored, fault = await self._read(budget)
        view = mirrored.view if mirrored else None
        await self._write(document, budget, mirrored, fault)
        if view is None:
            return _CLOSED
        if self._heads.get(place) != view.head.index:
            self._heads[place] = view.head.index
            self._wake_first(place)
        await self._sweep(budget, view)
        busy = bool(view.open_reservations()) or bool(self.hands.cache.waiting(place))
        return _OPEN if busy else _CLOSED

    def wake(self, uid: str) -> None:
        """A job waits no more: the next in its budgets may go."""
        document = self.hands.cache.document(uid)
        silos = (document or {}).get("spec", {}).get("silos", ())
        for ref in [silo["budgetRef"] for silo in silos if silo.get("budgetRef")]:
            self._wake_first((ref["namespace"], ref["name"]))

    def _wake_first(self, place: Place) -> None:
        """The longest waiting asks again at once; the others wait for it."""
        for one in self.hands.cache.waiting(place)[:1]:
            self.hands.notes.note(one.uid, reservation=None)
            self.enqueue(one.uid)

    async def _read(self, budget: PrivacyBudget) -> tuple[Mirrored | None, RingfenceError | None]:
        try:
            found = await self.hands.port.mirror(budget)
        except RingfenceError as error:
            return None, error
        return found, found.fault

    async def _write(
        self, document: Document, budget: PrivacyBudget, found: Mirrored | None, fault: RingfenceError | None
    ) -> None:
        """The status, if it changed. What another wrote meanwhile brings an event, and with it another turn."""
        before = status_of(document.get("status"))
        place = (budget.metadata.namespace, budget.metadata.name)
        writer, view = self.hands.port.writer, found.view if found else None
        status = before if found is None else told.mirrored(found.view, budget, found.url, writer)
        generation = int(document["metadata"].get("generation", 0))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = told.condition(before, told.ready(view, fault, budget, writer), generation, now)
        waiting = len(self.hands.cache.waiting(place))
        status = status.model_copy(
            update={"conditions": conditions, "observed_generation": generation, "waiting": waiting, "writer": writer}
        )
        if status == before:
            return
        try:
            body = {**document, "status": status.to_document()}
            written = await self.hands.api_write(self.hands.api.replace_status(BUDGETS, body))
        except ClusterError as error:
            if error.status not in (404, 409):
                raise
            return
        self.hands.cache.put(BUDGETS, written)

    async def _sweep(self, budget: PrivacyBudget, view: LedgerView) -> None:
        """Closes what jobs hold that are not there any more, once they have been missing for a while: an operator that
        has just started, or watches again after a gap, may not have heard of them yet."""
        known, now = set(self.hands.cache.uids()), time.monotonic()
        for held in view.open_reservations():
            uid = held.reserve.job
            if uid in known or held.key != self.hands.port.writer or not self.hands.cache.synced:
                self._missing.pop(uid, None)
            elif now - self._missing.setdefault(uid, now) >= _GONE_FOR:
                await self.hands.port.close_gone(budget, uid)
                self._missing.pop(uid, None)


def status_of(document: object) -> PrivacyBudgetStatus:
    """A budget's status; one by another's hand that its model refuses counts as none."""
    try:
        return PrivacyBudgetStatus.model_validate(document or {}, by_alias=True, by_name=False)
    except ValidationError:
        return PrivacyBudgetStatus()
