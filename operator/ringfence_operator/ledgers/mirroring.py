"""Following the ledgers of budgets: what one says now, read only as far as it grew."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ringfence.errors import LedgerError, RingfenceError
from ringfence.privacy.ledger import operations
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import LedgerView
from ringfence.spec.budget import PrivacyBudget
from ringfence_operator.ledgers.house import House


@dataclass(frozen=True)
class Mirrored:
    """A ledger as last read; `fault` is why it is closed for spending, None while it is open."""

    url: str
    view: LedgerView
    fault: LedgerError | None = None


@dataclass
class Mirror:
    """Open ledgers by dataset URL and signer. A Ledger is for one thread, so each has a lock."""

    house: House
    _open: dict[tuple[str, str], tuple[Ledger, threading.Lock]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def read(self, budget: PrivacyBudget) -> Mirrored:
        """What the budget's ledger says. Raises RingfenceError when there is nothing to read."""
        key = (budget.spec.dataset, budget.spec.signer)
        with self._guard:
            known = self._open.get(key)
        if known is None:
            ledger = self.house.ledger(*key, for_reading=True)
            if ledger is None:
                raise LedgerError("the dataset is sealed as public: there is nothing to guard", where=key[0])
            with self._guard:
                known = self._open.setdefault(key, (ledger, threading.Lock()))
        ledger, lock = known
        with lock:
            try:
                ledger.refresh()
            except RingfenceError:
                self.forget(budget)
                raise
            return Mirrored(ledger.store.url, ledger.view, ledger.fault)

    def forget(self, budget: PrivacyBudget) -> None:
        """The next reading starts with the manifest again."""
        with self._guard:
            self._open.pop((budget.spec.dataset, budget.spec.signer), None)

    def close_gone(self, budget: PrivacyBudget, uid: str) -> None:
        """Gives back what a job holds that is not there any more; only what this operator reserved."""
        ledger = self.house.ledger(budget.spec.dataset, budget.spec.signer)
        if ledger is None:
            return
        for held in ledger.view.open_reservations():
            if held.reserve.job == uid and held.key == self.house.public:
                operations.close(ledger, self.house.writer, job=uid, silo=held.reserve.silo, reason="the job is gone")
