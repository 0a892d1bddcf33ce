"""A dataset's audit log: who did what to it, as signed entries chained by hash, beside the ledger.

An entry is written before what it tells of is done: no version of a manifest exists without one, and no job opens a
shard without one; an entry whose manifest never came is an attempt that failed. What jobs reserved, released and gave
back is in the ledger, which has a chain of its own; every entry here names the ledger's head, so that both can be told
as one story.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import canonical
from ringfence.errors import ObjectNotFound, SignatureRejected, StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.audit_entry import Entry, EventName, JobNote, decode_entry, encode_entry
from ringfence.store import Original, Store

FOLDER = "audit"

_NAME = re.compile(rf"{FOLDER}/(0|[1-9][0-9]{{0,8}})")
_TRIES = 8  # of a put whose answer is lost
_PLACES = 100  # tried by one writer while others are faster
_GAP = 1000  # entries that may be missing in a row; what lies further off was put there to make the log end late


@dataclass(frozen=True)
class AuditLog:
    """The log of one dataset: where it lies, who writes, and the ledger beside it."""

    store: Store
    dataset: str
    signer: Ed25519PrivateKey
    ledger: Ledger | None

    def record(
        self,
        event: EventName,
        *,
        version: int | None = None,
        manifest: str | None = None,
        job: JobNote | None = None,
        **details: int,
    ) -> Entry:
        """Appends an entry. Raises StoreError when its outcome stays unknown, SignatureRejected on a damaged end."""
        body = {
            "format_version": 1,
            "dataset": self.dataset,
            "id": secrets.token_hex(16),
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "event": event,
            "version": version,
            "manifest": manifest,
            "ledger": self.ledger.view.head.index if self.ledger else None,
            "details": details,
            **({"job": job.model_dump(mode="json")} if job else {}),
        }
        for _ in range(_PLACES):
            index = end(self.store)
            previous = canonical.digest(entry_bytes(self.store, index - 1)) if index else None
            data = encode_entry({**body, "index": index, "previous": previous}, self.signer)
            if _landed(self.store, f"{FOLDER}/{index}", data):
                return decode_entry(data, where=f"{self.store.url}/{FOLDER}/{index}")
        where = f"{self.store.url}/{FOLDER}"
        raise StoreError("no free place found: others write to this log all the time", where=where)


def indices(store: Store) -> list[int]:
    """The numbers of the entries that are there, in order; other names in the folder are none."""
    names = (_NAME.fullmatch(info.key) for info in store.list(FOLDER))
    return sorted(int(name.group(1)) for name in names if name)


def end(store: Store) -> int:
    """The place after the last entry. Missing entries are passed over; an object far beyond them moves no end, or
    whoever may write here could end the log."""
    last = -1
    for index in indices(store):
        if index - last > _GAP:
            break
        last = index
    return last + 1


def entry_bytes(store: Store, index: int) -> bytes:
    """The entry as it was first written, whatever was put over it since. Raises SignatureRejected when it is gone."""
    return original(store, index).data


def original(store: Store, index: int) -> Original:
    """The entry as it was first written, with what was put or deleted over it. Raises SignatureRejected."""
    try:
        return store.original(f"{FOLDER}/{index}")
    except ObjectNotFound as error:
        where = f"{store.url}/{FOLDER}/{index}"
        raise SignatureRejected("this entry of the audit log is missing", where=where) from error


def _landed(store: Store, key: str, data: bytes) -> bool:
    """Whether `data` stands at `key` now; False when another was first there. Raises StoreError when nobody knows."""
    fault: StoreError | None = None
    for _ in range(_TRIES):
        try:
            if store.put_if_absent(key, data):
                return True
        except StoreError as error:
            fault = error
        try:
            return store.original(key).data == data
        except ObjectNotFound:
            continue
    raise StoreError("cannot tell whether this entry was written", where=f"{store.url}/{key}") from fault
