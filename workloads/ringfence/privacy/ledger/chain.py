"""The entries of one ledger as far as they were read and verified, and how to read on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringfence import canonical
from ringfence.errors import LedgerForked, LedgerRolledBack, LedgerTampered
from ringfence.privacy.ledger import objects, rules
from ringfence.privacy.ledger.envelope import read
from ringfence.privacy.ledger.replay import replay
from ringfence.privacy.ledger.view import LedgerView
from ringfence.store import ObjectVersion, Original, Store

_LOOK_AHEAD = 5  # the head again, the place after it, and a few beyond: what every append reads, all at once

Beyond = Callable[[int], dict[int, bytes]]
"""Given the end of the chain, objects that lie beyond the gap after it."""


class Chain:
    """`view` is what the entries up to its head say; `faulty` the place of the object that closed the ledger, if any.

    `evidence` holds, by entry, the versions and delete markers that lie over an entry that was read.
    """

    def __init__(self, store: Store, first: Original) -> None:
        self.store = store
        self.first = first.data
        self.view: LedgerView = rules.begin(read(first.data, where=self.where(0)))
        self.faulty: int | None = None
        self.evidence: dict[int, tuple[ObjectVersion, ...]] = {0: first.others} if first.others else {}
        self._hashes = {0: self.view.head.hash}

    def where(self, index: int) -> str:
        """The object of an entry, as errors name it."""
        return f"{self.store.url}/{objects.place(index)}"

    def move(self, view: LedgerView) -> None:
        """Takes `view`, verified elsewhere, for what the entries up to its head say."""
        self.view = view
        self._hashes[view.head.index] = view.head.hash

    def hash_at(self, index: int) -> str:
        """The hash of the entry at `index`, at most the head; read now if it was not read on the way here."""
        if index not in self._hashes:
            found = objects.read(self.store, index)
            return canonical.digest(found.data) if found else ""
        return self._hashes[index]

    def follow(self, far: Beyond | None = None) -> None:
        """Reads on to the first gap, verifying each object, and looks for entries that it cut off.

        Right beyond the gap always, and with `far` wherever that finds some. Raises LedgerRolledBack when the head is
        not what it was, LedgerTampered at the first faulty object, LedgerForked for an entry beyond a gap.
        """
        self.faulty = None
        while True:
            beyond = self._read_on()
            cut_off = self._cut_off(beyond | (far(self.view.head.index) if far else {}))
            if cut_off is None:
                return
            # An honest writer may have filled the gap and the place beyond it while they were being read.
            if objects.read(self.store, self.view.head.index + 1) is None:
                break
        self.faulty = cut_off
        raise LedgerForked(
            f"this entry lies beyond a gap: entry {self.view.head.index + 1} is missing", where=self.where(cut_off)
        )

    def rest(self) -> objects.Run:
        """All objects after the head, unverified, up to the first gap."""
        found = list(objects.runs(self.store, self.view.head.index + 1, _LOOK_AHEAD))
        return objects.Run([original for run in found for original in run.objects], found[-1].beyond)

    def _read_on(self) -> dict[int, bytes]:
        """Verifies what follows the head; the objects found right beyond the gap."""
        start = self.view.head.index
        beyond: dict[int, bytes] = {}
        try:
            for found in objects.runs(self.store, start, _LOOK_AHEAD):
                new, beyond = found.objects, found.beyond
                if self.view.head.index == start:
                    self._check_head(new)
                    new = new[1:]
                self._apply(new)
        except LedgerTampered:
            found = self.rest()  # an owner's noop that pardons the object may stand anywhere after it
            self._apply(found.objects)
            beyond = found.beyond
        self.faulty = None
        return beyond

    def _check_head(self, found: Sequence[Original]) -> None:
        head = self.view.head
        if not found:
            raise LedgerRolledBack(f"entry {head.index} was read before and is gone", where=self.where(head.index))
        if canonical.digest(found[0].data) != head.hash:
            raise LedgerRolledBack(
                f"entry {head.index} differs from what was read before", where=self.where(head.index)
            )

    def _apply(self, found: Sequence[Original]) -> None:
        first = self.view.head.index + 1
        self.evidence |= {index: one.others for index, one in enumerate(found, first) if one.others}
        try:
            for step in replay(self.view, [one.data for one in found], self.store.url):
                self.move(step.view)
        except LedgerTampered:
            self.faulty = self.view.head.index + 1
            raise

    def _cut_off(self, beyond: dict[int, bytes]) -> int | None:
        """The first object beyond the gap that no owner's noop names."""
        end = self.view.head.index
        for index in sorted(beyond):
            if index > end and (index, canonical.digest(beyond[index])) not in self.view.pardoned:
                return index
        return None
