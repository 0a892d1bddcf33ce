"""A dataset's audit log: what its owner did to it, as signed entries chained by hash, beside the ledger.

An entry is written before what it tells of is published, so that no version of a manifest exists without one; an entry
whose manifest never came is an attempt that failed. What jobs did is in the ledger, which has a chain of its own; every
entry here names the ledger's head, so that both can be told as one story. No personal data stands in it: a log that
nobody may change cannot forget.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, ObjectNotFound, SignatureRejected, StoreError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.strict import Digest, Public, Strict
from ringfence.store import Store

FOLDER = "audit"

_CONTEXT = "audit"
_NAME = re.compile(rf"{FOLDER}/(0|[1-9][0-9]{{0,8}})")
_TRIES = 8  # of finding a free place, and of a put whose answer is lost
Index = Annotated[int, Field(ge=0, lt=10**9)]
EventName = Literal["sealed", "appended", "rotated", "resealed", "erased", "expired", "accessed"]


class Entry(Strict):
    """Entry `index`: at `time` (UTC, by the writer's clock, which proves nothing) the holder of `key` did `event`.

    `id` is random, so that no two writers make the same bytes. `previous` is the hash of the entry before. `version`
    and `manifest` name the manifest that was about to be published, None where none was; `ledger` the last entry of the
    ledger then, None for a public dataset.
    """

    format_version: Literal[1]
    dataset: Annotated[str, Field(pattern=r"^ds-[0-9a-f]{32}$")]
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    index: Index
    previous: Digest | None
    time: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$")]
    event: EventName
    version: Index | None
    manifest: Digest | None
    ledger: Index | None
    details: dict[str, int]
    key: Public


@dataclass(frozen=True)
class AuditLog:
    """The log of one dataset: where it lies, who writes, and the ledger beside it."""

    store: Store
    dataset: str
    signer: Ed25519PrivateKey
    ledger: Ledger | None

    def record(
        self, event: EventName, *, version: int | None = None, manifest: str | None = None, **details: int
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
        }
        for _ in range(_TRIES):
            index = max(indices(self.store), default=-1) + 1
            previous = canonical.digest(entry_bytes(self.store, index - 1)) if index else None
            document = signing.sign({**body, "index": index, "previous": previous}, self.signer, _CONTEXT)
            if _landed(self.store, f"{FOLDER}/{index}", canonical.encode(document)):
                return decode_entry(canonical.encode(document), where=self._where(index))
        where = f"{self.store.url}/{FOLDER}"
        raise StoreError("no free place found: others write to this log all the time", where=where)

    def _where(self, index: int) -> str:
        return f"{self.store.url}/{FOLDER}/{index}"


def indices(store: Store) -> list[int]:
    """The numbers of the entries that are there, in order; other names in the folder are none."""
    names = (_NAME.fullmatch(info.key) for info in store.list(FOLDER))
    return sorted(int(name.group(1)) for name in names if name)


def entry_bytes(store: Store, index: int) -> bytes:
    """The entry as it was first written, whatever was put over it since. Raises SignatureRejected when it is gone."""
    try:
        return store.original(f"{FOLDER}/{index}").data
    except ObjectNotFound as error:
        where = f"{store.url}/{FOLDER}/{index}"
        raise SignatureRejected("this entry of the audit log is missing", where=where) from error


def decode_entry(data: bytes, *, where: str) -> Entry:
    """The entry in `data`, signed by the key that it names. Raises SignatureRejected, naming `where`."""
    try:
        document: Any = canonical.decode(data)
        if not isinstance(document, Mapping):
            raise SignatureRejected("not an entry of an audit log", where=where)
        named = signing.verify(dict(document), _CONTEXT, signer=str(document.get("key")), where=where)
        return Entry.model_validate(named)
    except (InvalidInput, ValidationError) as error:
        raise SignatureRejected("not an entry of an audit log", where=where) from error


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
