"""The ledger of one dataset in a store: opening it, following it, and appending to it by PROTOCOL 2.

All rules are in `rules` and `replay`, which know no store. Here is only: read, remember, put, and settle what a reply
leaves open. A Ledger is for one thread; other processes append to the same objects at the same time.
"""

from __future__ import annotations

from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import canonical
from ringfence.errors import (
    BudgetExhausted,
    ConditionalWritesUnsupported,
    LedgerError,
    LedgerForked,
    LedgerMissing,
    LedgerOwned,
    LedgerRolledBack,
    LedgerTampered,
    ObjectNotFound,
)
from ringfence.privacy.ledger import objects, rules
from ringfence.privacy.ledger.entries import Noop, Open
from ringfence.privacy.ledger.envelope import new_id, read, write
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.replay import replay
from ringfence.privacy.ledger.view import Head, LedgerView
from ringfence.privacy.ledger.witness import Witness
from ringfence.signing import public_name
from ringfence.store import Store, require_conditional_writes


class Ledger:
    """A verified ledger. `view` is what it says up to the head; `fault` why it is closed for spending, if it is."""

    def __init__(self, store: Store, first: bytes, witness: Witness | None, for_reading: bool) -> None:
        self.store = store
        self.first = first
        self.view: LedgerView = rules.begin(read(first, where=_where(store, 0)))
        self.fault: LedgerError | None = None
        self._hashes = [self.view.head.hash]
        self._witness = witness
        self._for_reading = for_reading
        self._faulty_index: int | None = None
        self._proven = False

    @property
    def entry0(self) -> str:
        """The hash of entry 0, which a manifest pins."""
        return self._hashes[0]

    @classmethod
    def create(
        cls, store: Store, *, dataset: str, unit: str, owner: Ed25519PrivateKey, witness: Witness | None = None
    ) -> Self:
        """Writes entry 0, or adopts one that says the same by the same key (a crash came between it and the manifest).

        Raises ConditionalWritesUnsupported, LedgerOwned when another ledger lies here, and what `open` raises.
        """
        require_conditional_writes(store)
        body = Open(dataset, unit, public_name(owner))
        found = objects.fill(store, 0, write(body, owner, index=0, previous=None, entry_id=new_id()))
        entry = read(found, where=_where(store, 0))
        if entry.body != body or entry.key != body.owner:
            whose = f"of dataset {entry.body.dataset}, " if isinstance(entry.body, Open) else ""
            raise LedgerOwned(
                f"another ledger lies here, {whose}signed by {entry.key}",
                where=store.url,
                remedy="choose another URL for the ledger",
            )
        return cls.open(store, pin=entry.hash, witness=witness)

    @classmethod
    def open(cls, store: Store, *, pin: str, witness: Witness | None = None, for_reading: bool = False) -> Self:
        """Reads and verifies all entries. `pin` is the hash of entry 0 in the dataset's signed manifest.

        Raises LedgerMissing, LedgerTampered, LedgerForked or LedgerRolledBack, naming the object. With `for_reading`
        the last three are kept in `fault` and the view is what was verified before it; appending then raises it.
        """
        try:
            first = store.get(objects.place(0))
        except ObjectNotFound as error:
            raise LedgerMissing("the ledger that the manifest pins is not there", where=store.url) from error
        if canonical.digest(first) != pin:
            raise LedgerMissing("this is not the ledger that the manifest pins", where=_where(store, 0))
        try:
            ledger = cls(store, first, witness, for_reading)
        except LedgerTampered:
            raise
        except LedgerError as error:
            raise LedgerTampered(error.message, where=_where(store, 0)) from error
        ledger.refresh()
        return ledger

    def refresh(self) -> LedgerView:
        """Reads and verifies what was appended since. Raises what `open` raises."""
        self.fault, self._faulty_index = None, None
        try:
            self._follow()
            self._remember()
        except (LedgerTampered, LedgerForked, LedgerRolledBack) as fault:
            self.fault = fault
            if not self._for_reading:
                raise
        return self.view

    def append(self, body: Body, key: Ed25519PrivateKey) -> Head:
        """Appends `body`, signed by `key`; the head after it. Nothing is appended when the ledger says it already.

        Raises LedgerError (BudgetExhausted, LedgerOwned) when the rules refuse it at the place where it would stand,
        what `refresh` raises, and StoreError when the outcome is unknown: then it may be there, and is found next time.
        """
        self.append_once(body, key)
        return self.view.head

    def append_once(self, body: Body, key: Ed25519PrivateKey) -> bool:
        """As `append`; False when the ledger said it already."""
        entry_id = new_id()
        while True:
            # PROTOCOL 2, Append: "Find the first gap n (probe forward from the last known head)."
            self.refresh()
            if self.fault is not None:
                raise self.fault
            if rules.is_repeated(self.view, body):
                return False
            head = self.view.head
            data = write(body, key, index=head.index + 1, previous=head.hash, entry_id=entry_id)
            # "Validate the new entry against 0..n-1."
            after = self._admitted(data)
            self._prove_conditional_writes()
            # "Put-if-absent. On *any* error or AlreadyExists: read n. [...] Absent: retry the same bytes at the same n;
            # never move on before n is filled". Equal bytes hold our random id, so they are ours.
            if objects.fill(self.store, head.index + 1, data) == data:
                self.view = after
                self._hashes.append(after.head.hash)
                self._remember()
                return True
            # It is another's: "apply it, **validate again**, go to the next n."

    def _admitted(self, data: bytes) -> LedgerView:
        """The view after the entry in `data`; a refusal names the ledger."""
        try:
            return rules.apply(self.view, read(data, where=_where(self.store, self.view.head.index + 1)))
        except (LedgerError, BudgetExhausted) as refusal:
            refusal.where = refusal.where or self.store.url
            raise

    def pardon(self, key: Ed25519PrivateKey) -> Head:
        """The owner's noop for the faulty object that closed this ledger: readers skip it from now on.

        Opens the ledger again if no other object is faulty; else `fault` (or the error raised) names the next one.
        A rollback cannot be pardoned: what was spent in the lost entries is unknown.
        """
        if self._faulty_index is None:
            raise LedgerError("no faulty entry to pardon", where=self.store.url)
        if public_name(key) != self.view.owner_key:
            raise LedgerError(f"only the owner may pardon an entry, not {public_name(key)}", where=self.store.url)
        faulty = canonical.digest(self.store.get(objects.place(self._faulty_index)))
        after = objects.read_from(self.store, self.view.head.index + 1, set())
        previous = canonical.digest(after[-1]) if after else self.view.head.hash
        index = self.view.head.index + 1 + len(after)
        body = Noop(self._faulty_index, faulty)
        objects.fill(self.store, index, write(body, key, index=index, previous=previous, entry_id=new_id()))
        self.refresh()
        return self.view.head

    def _follow(self) -> None:
        """Reads up to the first gap, verifying each object, and looks for entries beyond the gap."""
        # Listed before reading: what is listed and still beyond the first gap was put there by no honest writer.
        known = objects.listed(self.store)
        gone = next((index for index in range(len(self._hashes)) if index not in known), None)
        if gone is not None:
            raise LedgerRolledBack(f"entry {gone} was read before and is gone", where=_where(self.store, gone))
        following = objects.read_from(self.store, self.view.head.index + 1, known)
        try:
            for step in replay(self.view, following, self.store.url):
                self.view = step.view
                self._hashes.append(step.view.head.hash)
        except LedgerTampered:
            self._faulty_index = self.view.head.index + 1
            raise
        self._check_gap(known)

    def _check_gap(self, known: set[int]) -> None:
        end = self.view.head.index
        named = {at for at, _ in self.view.pardoned}
        for index in sorted(index for index in known if index > end):
            if index in named:
                found = canonical.digest(self.store.get(objects.place(index)))
                if (index, found) in self.view.pardoned:
                    continue
            self._faulty_index = index
            raise LedgerForked(
                f"this entry lies beyond a gap: entry {end + 1} is missing", where=_where(self.store, index)
            )

    def _remember(self) -> None:
        """Compares with the head that the witness remembers, and lets it remember this one."""
        if self._witness is None:
            return
        seen = self._witness.remembered(self.view.dataset)
        if seen is not None and seen.index > self.view.head.index:
            # Another process may have appended and remembered after we had listed: look once more before accusing.
            self._follow()
        head = self.view.head
        if seen is not None and seen.index > head.index:
            raise LedgerRolledBack(
                f"the ledger ends at entry {head.index}, and entry {seen.index} was seen before", where=self.store.url
            )
        if seen is not None and self._hashes[seen.index] != seen.hash:
            raise LedgerRolledBack(
                f"entry {seen.index} differs from what was seen before", where=_where(self.store, seen.index)
            )
        if seen is None or seen.index < head.index:
            self._witness.remember(self.view.dataset, head)

    def _prove_conditional_writes(self) -> None:
        """Once for each Ledger: creating entry 0 again must be refused. (Where it is not, the bytes stay the same.)"""
        if not self._proven and self.store.put_if_absent(objects.place(0), self.first):
            raise ConditionalWritesUnsupported(
                "the store creates an object that is there already", where=self.store.url
            )
        self._proven = True


def _where(store: Store, index: int) -> str:
    return f"{store.url}/{objects.place(index)}"
