"""The full check of a ledger: every entry from the first, every version, every name in its folder. Reading only."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.errors import LedgerError
from ringfence.privacy.ledger import objects
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.view import LedgerView
from ringfence.privacy.ledger.witness import Witness
from ringfence.store import ObjectVersion, Store


@dataclass(frozen=True)
class Evidence:
    """A version or a delete marker that somebody put over an entry; the entry is the oldest version all the same."""

    where: str
    version: ObjectVersion

    def __str__(self) -> str:
        what = "somebody deleted this entry" if self.version.deleted else "somebody put other bytes over this entry"
        when = f" at {self.version.when}" if self.version.when else ""
        who = f", as {self.version.who}" if self.version.who else ""
        return f"{self.where}: {what}{when}{who} (version {self.version.version_id}); the first version still counts"


@dataclass(frozen=True)
class Verification:
    """What a full check found. `fault` is None when the whole ledger holds; else it names the object at fault.

    `view` is what was verified, up to the fault; `snapshots` how many snapshots were computed again and agreed;
    `pardoned` the faulty objects that an owner's noop lets readers skip; `strangers` names in the folder that are no
    entries. Neither of these, nor evidence, closes a ledger.
    """

    view: LedgerView
    fault: LedgerError | None
    evidence: tuple[Evidence, ...]
    strangers: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether every entry holds, nothing is missing, and no head seen before is contradicted."""
        return self.fault is None

    @property
    def entries(self) -> int:
        """How many entries were verified."""
        return self.view.head.index + 1

    @property
    def snapshots(self) -> int:
        """How many snapshots were computed again."""
        return len(self.view.snapshots)

    @property
    def pardoned(self) -> tuple[str, ...]:
        """Keys of the faulty objects that are skipped."""
        return tuple(objects.place(index) for index, _ in sorted(self.view.skipped))


def verify(store: Store, pin: str, witness: Witness | None = None) -> Verification:
    """Checks the ledger in `store` from entry 0, whose hash is `pin`: form, signatures, chain, every rule, snapshots
    against the replay, gaps, versions, and the head that `witness` remembers.

    Raises LedgerMissing when there is nothing to check, LedgerTampered when entry 0 itself is no opening.
    """
    ledger = Ledger.open(store, pin=pin, witness=witness, for_reading=True, whole=True)
    evidence = tuple(
        Evidence(f"{store.url}/{objects.place(index)}", version)
        for index, versions in sorted(ledger.evidence.items())
        for version in versions
    )
    return Verification(ledger.view, ledger.fault, evidence, tuple(objects.listed(store)[1]))
