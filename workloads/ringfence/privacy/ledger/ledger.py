"""The ledger of one dataset in a store: opening it, following it, and appending to it by PROTOCOL 2.

All rules are in `rules` and `replay`, which know no store. Here is only: begin, remember, put, and settle what a reply
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
)
from ringfence.privacy.ledger import objects, opening, rules
from ringfence.privacy.ledger.chain import Beyond, Chain
from ringfence.privacy.ledger.entries import Noop, Open
from ringfence.privacy.ledger.envelope import new_id, read, write
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.view import Head, LedgerView
from ringfence.privacy.ledger.witness import Witness
from ringfence.signing import public_name
from ringfence.store import ObjectVersion, Store, require_conditional_writes


class Ledger:
    """A verified ledger. `view` is what it says up to the head; `fault` why it is closed for spending, if it is."""

    def __init__(self, chain: Chain, witness: Witness | None, for_reading: bool) -> None:
        self.store = chain.store
        self.fault: LedgerError | None = None
        self._chain = chain
        self._witness = witness
        self._for_reading = for_reading
        self._proven = False

    @property
    def view(self) -> LedgerView:
        """What the entries up to the head say."""
        return self._chain.view

    @property
    def entry0(self) -> str:
        """The hash of entry 0, which a manifest pins."""
        return self._chain.view.entry0

    @property
    def evidence(self) -> dict[int, tuple[ObjectVersion, ...]]:
        """By entry, versions and delete markers that somebody put over it; only entries that were read are known."""
        return self._chain.evidence

    @classmethod
    def create(
        cls, store: Store, *, dataset: str, unit: str, owner: Ed25519PrivateKey, witness: Witness | None = None
    ) -> Self:
        """Writes entry 0, or adopts one that says the same by the same key (a crash came between it and the manifest).

        Raises ConditionalWritesUnsupported, LedgerOwned when another ledger lies here, and what `open` raises.
        """
        require_conditional_writes(store)
        body = Open(dataset, unit, public_name(owner))
        found = objects.fill(store, 0, write(body, owner, index=0, previous=None, entry_id=new_id())).data
        entry = read(found, where=f"{store.url}/{objects.place(0)}")
        if entry.body != body or entry.key != body.owner:
            whose = f"of dataset {entry.body.dataset}, " if isinstance(entry.body, Open) else ""
            raise LedgerOwned(
                f"another ledger lies here, {whose}signed by {entry.key}",
                where=store.url,
                remedy="choose another URL for the ledger",
            )
        return cls.open(store, pin=entry.hash, witness=witness)

    @classmethod
    def open(
        cls,
        store: Store,
        *,
        pin: str,
        witness: Witness | None = None,
        for_reading: bool = False,
        whole: bool = False,
    ) -> Self:
        """Reads and verifies the ledger. `pin` is the hash of entry 0 in the dataset's signed manifest.

        Begins at a snapshot that may be believed (`snapshots.believed`); `whole` verifies every entry from the first,
        computes snapshots again and lists the folder. Raises LedgerMissing, LedgerTampered, LedgerForked or
        LedgerRolledBack, naming the object. With `for_reading` the last three are kept in `fault` and the view is what
        was verified before it; appending then raises it.
        """
        first = objects.read(store, 0)
        where = f"{store.url}/{objects.place(0)}"
        if first is None:
            raise LedgerMissing("the ledger that the manifest pins is not there", where=store.url)
        if canonical.digest(first.data) != pin:
            raise LedgerMissing("this is not the ledger that the manifest pins", where=where)
        try:
            ledger = cls(Chain(store, first), witness, for_reading)
        except LedgerTampered:
            raise
        except LedgerError as error:
            raise LedgerTampered(error.message, where=where) from error
        hinted = objects.hinted(store)
        if not whole:
            ledger._begin(hinted)
        began_later = ledger.view.head.index > 0
        ledger._refresh(objects.everywhere(store) if whole else objects.far_beyond(store, hinted))
        if ledger.fault is not None and began_later:
            return cls.open(store, pin=pin, witness=witness, for_reading=True, whole=True)
        return ledger

    def refresh(self) -> LedgerView:
        """Reads and verifies what was appended since. Raises what `open` raises."""
        return self._refresh(None)

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
            if objects.fill(self.store, head.index + 1, data).data == data:
                self._chain.move(after)
                self._remember()
                return True
            # It is another's: "apply it, **validate again**, go to the next n."

    def pardon(self, key: Ed25519PrivateKey) -> Head:
        """The owner's noop for the faulty object that closed this ledger: readers skip it from now on.

        Opens the ledger again if no other object is faulty; else `fault` (or the error raised) names the next one.
        A rollback cannot be pardoned: what was spent in the lost entries is unknown.
        """
        faulty, head = self._chain.faulty, self.view.head
        found = objects.read(self.store, faulty) if faulty is not None else None
        if faulty is None or found is None:
            raise LedgerError("no faulty entry to pardon", where=self.store.url)
        if public_name(key) != self.view.owner_key:
            raise LedgerError(f"only the owner may pardon an entry, not {public_name(key)}", where=self.store.url)
        after = self._chain.rest().objects
        previous = canonical.digest(after[-1].data) if after else head.hash
        index = head.index + 1 + len(after)
        body = Noop(faulty, canonical.digest(found.data))
        objects.fill(self.store, index, write(body, key, index=index, previous=previous, entry_id=new_id()))
        self.refresh()
        return self.view.head

    def _begin(self, hinted: int) -> None:
        """Moves to the newest snapshot that this reader may believe."""
        seen = self._witness.remembered(self.view.dataset) if self._witness else None
        self._chain.move(opening.begin(self.store, self.view, hinted, seen))

    def _refresh(self, far: Beyond | None) -> LedgerView:
        self.fault = None
        try:
            self._chain.follow(far)
            self._remember()
        except (LedgerTampered, LedgerForked, LedgerRolledBack) as fault:
            self.fault = fault
            if not self._for_reading:
                raise
        return self.view

    def _admitted(self, data: bytes) -> LedgerView:
        """The view after the entry in `data`; a refusal names the ledger."""
        try:
            return rules.apply(self.view, read(data, where=self._chain.where(self.view.head.index + 1)))
        except (LedgerError, BudgetExhausted) as refusal:
            refusal.where = refusal.where or self.store.url
            raise

    def _remember(self) -> None:
        """Compares with the head that the witness remembers, and lets it remember this one."""
        if self._witness is None:
            return
        seen = self._witness.remembered(self.view.dataset)
        if seen is not None and seen.index > self.view.head.index:
            # Another process may have appended and remembered after we had read: look once more before accusing.
            self._chain.follow()
        head = self.view.head
        if seen is not None and seen.index > head.index:
            raise LedgerRolledBack(
                f"the ledger ends at entry {head.index}, and entry {seen.index} was seen before", where=self.store.url
            )
        self._compare(seen)
        if seen is None or seen.index < head.index:
            self._witness.remember(self.view.dataset, head)
            # Of two that append at one place of a ledger put back meanwhile, the second is remembered by nobody.
            self._compare(self._witness.remembered(self.view.dataset))

    def _compare(self, seen: Head | None) -> None:
        """Raises LedgerRolledBack when a remembered head within this chain is another entry than the chain's."""
        if seen is None or seen.index > self.view.head.index or self._chain.hash_at(seen.index) == seen.hash:
            return
        raise LedgerRolledBack(
            f"entry {seen.index} differs from what was seen before", where=self._chain.where(seen.index)
        )

    def _prove_conditional_writes(self) -> None:
        """Once for each Ledger: creating entry 0 again must be refused. (Where it is not, the bytes stay the same.)"""
        if not self._proven and self.store.put_if_absent(objects.place(0), self._chain.first):
            raise ConditionalWritesUnsupported(
                "the store creates an object that is there already", where=self.store.url
            )
        self._proven = True
