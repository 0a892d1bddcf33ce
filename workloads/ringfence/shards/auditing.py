"""Reading a dataset's audit log: every entry verified, every fault named, and the whole told as a story."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence import canonical
from ringfence.errors import ManifestUnavailable, RingfenceError, SignatureRejected
from ringfence.privacy.ledger.history import story as ledger_story
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit import FOLDER, Entry, decode_entry, entry_bytes, indices
from ringfence.shards.manifest import Manifest, current_version, read_manifest_version
from ringfence.store import Store

_WORDS = {
    "sealed": "sealed the dataset",
    "appended": "appended rows",
    "rotated": "wrapped its keys anew",
    "resealed": "sealed every shard anew",
    "erased": "erased a person",
    "expired": "swept rows whose retention is over",
    "accessed": "looked up what is held on a person",
}


@dataclass(frozen=True)
class Audit:
    """The entries that verified, in order, and every fault found, each naming its object."""

    entries: tuple[Entry, ...]
    faults: tuple[str, ...]


def examine(store: Store, log: Store, manifest: Manifest, *, remembered: tuple[int, str] | None = None) -> Audit:
    """Verifies the log in `log` of the dataset in `store`, whose current manifest is `manifest`.

    Checked are: that no entry is missing, each signed by a key that owned the dataset, each naming the hash of the one
    before, every manifest announced by an entry, and the entry `remembered` (index, hash) still there.
    """
    owners = {manifest.owner, *(handover.key for handover in manifest.handovers)}
    entries, faults, hashes = [], [], dict[int, str]()
    found = indices(log)
    for index in range(max(found, default=-1) + 1):
        where = f"{log.url}/{FOLDER}/{index}"
        try:
            data = entry_bytes(log, index)
            hashes[index] = canonical.digest(data)
            entry = decode_entry(data, where=where)
        except SignatureRejected as error:
            faults.append(str(error))
            continue
        fault = _misplaced(entry, index, hashes.get(index - 1), owners)
        if fault:
            faults.append(f"{where}: {fault}")
        else:
            entries.append(entry)
    if remembered is not None and hashes.get(remembered[0]) != remembered[1]:
        faults.append(f"{log.url}/{FOLDER}/{remembered[0]}: gone or another than was seen before on this machine")
    faults += _unannounced(store, manifest, entries)
    return Audit(tuple(entries), tuple(faults))


def tell(audit: Audit, ledger: Ledger | None) -> Iterator[str]:
    """The story, a line an event: entries of the log in order, and what jobs did between them by the ledger."""
    rows = ledger_story(ledger) if ledger else []
    told = 0
    for entry in audit.entries:
        upto = entry.ledger if entry.ledger is not None else -1
        for row in [row for row in rows if told <= row.index <= upto]:
            yield f"ledger {row.index:>4}  {row.who} {row.what}"
        told = max(told, upto + 1)
        version = f", version {entry.version}" if entry.version else ""
        details = "".join(f", {count} {name}" for name, count in sorted(entry.details.items()))
        yield f"audit  {entry.index:>4}  {entry.time} owner {_WORDS[entry.event]}{version}{details}"
    for row in [row for row in rows if row.index >= told]:
        yield f"ledger {row.index:>4}  {row.who} {row.what}"


def head(log: Store) -> tuple[int, str] | None:
    """Index and hash of the last entry; None for an empty log."""
    found = indices(log)
    return (found[-1], canonical.digest(entry_bytes(log, found[-1]))) if found else None


def _misplaced(entry: Entry, index: int, previous: str | None, owners: set[str]) -> str | None:
    if entry.index != index:
        return f"entry {entry.index} was put in its place"
    if entry.key not in owners:
        return f"signed by {entry.key}, who never owned this dataset"
    if entry.previous != previous:
        return "does not follow the entry before it: one of the two was exchanged, or the one before is missing"
    return None


def _unannounced(store: Store, manifest: Manifest, entries: list[Entry]) -> list[str]:
    """Manifests that no entry tells of."""
    announced, faults = {(entry.version, entry.manifest) for entry in entries}, []
    owners = [manifest.owner, *(handover.key for handover in manifest.handovers)]
    for version in range(1, current_version(store) + 1):
        try:
            one = _any_owner(store, version, owners)
        except RingfenceError as error:
            faults.append(str(error))
            continue
        if (version, one.digest()) not in announced:
            faults.append(f"{store.url}/manifest/{version}: published without an entry in the audit log")
    return faults


def _any_owner(store: Store, version: int, owners: list[str]) -> Manifest:
    """A version signed by whoever owned the dataset then."""
    one = read_manifest_version(store, version, signer=None)
    if one.owner not in owners:
        raise ManifestUnavailable("signed by one who never owned it", where=f"{store.url}/manifest/{version}")
    return one
