"""Reading a dataset's audit log: every entry verified, every fault named."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import canonical
from ringfence.errors import ManifestUnavailable, RingfenceError, SignatureRejected
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.verification import Evidence
from ringfence.shards.audit import FOLDER, end, entry_bytes, indices, original
from ringfence.shards.audit_entry import Entry, decode_entry
from ringfence.shards.manifest import Manifest, current_version, read_manifest_version
from ringfence.shards.speakers import Speakers, speakers
from ringfence.store import Store


@dataclass(frozen=True)
class Audit:
    """The entries that verified, in order, who may speak in the log, and every fault found, each naming its object.

    `evidence` are versions and delete markers that somebody put over entries; the first version is the entry all the
    same, so they are told and are no fault of the log.
    """

    entries: tuple[Entry, ...]
    speakers: Speakers
    faults: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def examine(
    store: Store, log: Store, manifest: Manifest, ledger: Ledger | None, *, remembered: tuple[int, str] | None = None
) -> Audit:
    """Verifies the log in `log` of the dataset in `store`, whose current manifest is `manifest` and whose ledger is
    `ledger` (None for a public dataset).

    Checked are: that no entry is missing, each signed by one who may say it, each naming the hash of the one before,
    every manifest announced by an entry, every job that charged a round told to have opened shards, and the entry
    `remembered` (index, hash) still there.
    """
    heard = speakers(manifest, ledger)
    entries, faults, hashes, evidence = [], [], dict[int, str](), list[Evidence]()
    last = end(log)
    for index in range(last):
        where = f"{log.url}/{FOLDER}/{index}"
        try:
            found = original(log, index)
            evidence += [Evidence(where, version) for version in found.others]
            hashes[index] = canonical.digest(found.data)
            entry = decode_entry(found.data, where=where)
        except SignatureRejected as error:
            faults.append(str(error))
            continue
        fault = _misplaced(entry, index, hashes.get(index - 1), manifest) or heard.fault(entry)
        if fault:
            faults.append(f"{where}: {fault}")
        else:
            entries.append(entry)
    faults += [f"{log.url}/{FOLDER}/{index}: put far beyond the end" for index in indices(log) if index >= last]
    if remembered is not None and hashes.get(remembered[0]) != remembered[1]:
        faults.append(f"{log.url}/{FOLDER}/{remembered[0]}: gone or another than was seen before on this machine")
    faults += _unannounced(store, manifest, entries)
    faults += [
        f"{log.url}/ledger/{index}: silo {silo} of job {job} charged a round, and no entry tells that it opened shards"
        for (job, silo), index in heard.unopened(entries)
    ]
    return Audit(tuple(entries), heard, tuple(faults), tuple(evidence))


def head(log: Store) -> tuple[int, str] | None:
    """Index and hash of the last entry; None for an empty log."""
    last = end(log) - 1
    return None if last < 0 else (last, canonical.digest(entry_bytes(log, last)))


def _misplaced(entry: Entry, index: int, previous: str | None, manifest: Manifest) -> str | None:
    if entry.index != index:
        return f"entry {entry.index} was put in its place"
    if entry.dataset != manifest.dataset:
        return f"an entry of another dataset, {entry.dataset}"
    if entry.previous != previous:
        return "does not follow the entry before it: one of the two was exchanged, or the one before is missing"
    return None


def _unannounced(store: Store, manifest: Manifest, entries: list[Entry]) -> list[str]:
    """Manifests that no entry tells of."""
    announced = {(entry.version, entry.manifest) for entry in entries if entry.job is None}
    owners, faults = [manifest.owner, *(handover.key for handover in manifest.handovers)], []
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
