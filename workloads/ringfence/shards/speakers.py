"""Who may say what in a dataset's audit log, by its manifest and its ledger; and which openings the ledger demands.

An owner's key says all but that a job opened. A writer of the ledger (an operator) may say that it refused a job. A
silo's key of a job speaks for the one job and silo whose reservation names it, from there on: it opened, or it refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ringfence.privacy.ledger.entries import Charge, Reserve
from ringfence.privacy.ledger.history import entries
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit_entry import Entry
from ringfence.shards.manifest import Manifest

Party = tuple[str, str]
"""A job's uid and a silo's name."""


@dataclass(frozen=True)
class Speakers:
    """Keys and what they stand for. `silos` has by key of a silo each reservation that names it, with its place in the
    ledger; `charged` by party the place of its first charge."""

    owners: frozenset[str]
    writers: dict[str, str] = field(default_factory=dict)
    silos: dict[str, list[tuple[int, Reserve]]] = field(default_factory=dict)
    charged: dict[Party, int] = field(default_factory=dict)

    def fault(self, entry: Entry) -> str | None:
        """Why this entry's key may not say it; None if it may."""
        if entry.key in self.owners and entry.event != "opened":
            return None
        if entry.key in self.writers and entry.event == "refused":
            return None
        named = self.silos.get(entry.key)
        if not named:
            return f"signed by {entry.key}, who never owned this dataset and is named by no reservation"
        if any(_covers(index, reserve, entry) for index, reserve in named):
            return None
        reserve = named[-1][1]
        return f"signed by the key of silo {reserve.silo} in job {reserve.job}, whose reservation says another thing"

    def name(self, entry: Entry) -> str:
        """The signer, for people."""
        if entry.key in self.owners:
            return "owner"
        return self.writers.get(entry.key) or (f"silo {entry.job.silo}" if entry.job else entry.key)

    def unopened(self, told: Sequence[Entry]) -> list[tuple[Party, int]]:
        """Parties that charged a round, with the place of their first charge, though no entry before it tells that they
        opened the dataset."""
        first = dict[Party, int]()
        for entry in told:
            if entry.event == "opened" and entry.job and entry.ledger is not None:
                first.setdefault((entry.job.uid, entry.job.silo), entry.ledger)
        return [(party, index) for party, index in self.charged.items() if first.get(party, index) >= index]


def speakers(manifest: Manifest, ledger: Ledger | None) -> Speakers:
    """Read from the manifest's handovers and from the whole ledger, as far as it holds."""
    found = Speakers(frozenset({manifest.owner, *(handover.key for handover in manifest.handovers)}))
    if ledger is None:
        return found
    found.writers.update(ledger.view.writers)
    for entry in entries(ledger):
        if isinstance(entry.body, Reserve):
            found.silos.setdefault(entry.body.silo_key, []).append((entry.index, entry.body))
        elif isinstance(entry.body, Charge):
            found.charged.setdefault((entry.body.job, entry.body.silo), entry.index)
    return found


def _covers(index: int, reserve: Reserve, entry: Entry) -> bool:
    """Whether the reservation at `index` speaks of what the entry says: job, silo, manifest, and a later moment."""
    job, said = entry.job, (entry.version, entry.manifest)
    return (
        job is not None
        and (job.uid, job.silo) == (reserve.job, reserve.silo)
        and (job.name, job.consumer) == (reserve.job_name, reserve.consumer)
        and said == (reserve.manifest_version, reserve.manifest_digest)
        and entry.ledger is not None
        and entry.ledger >= index
    )
