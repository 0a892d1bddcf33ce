"""One entry of a dataset's audit log, as a document: what it may say, and reading it back.

No personal data has a place in it, and no text that somebody else wrote: a log that nobody may change cannot forget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError, model_validator

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, SignatureRejected
from ringfence.shards.strict import Digest, Public, Strict

_CONTEXT = "audit"
Index = Annotated[int, Field(ge=0, lt=10**9)]
EventName = Literal[
    "sealed", "appended", "rotated", "resealed", "erased", "expired", "accessed", "opened", "refused"
]  # fmt: skip
Name = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9._-]*$")]


class JobNote(Strict):
    """The job that an entry speaks of: its uid ("" before it has one), name, namespace and silo.

    `reason`, `clauses` and `object` say why it was refused: a word of the closed set of reasons, the clauses of terms
    and budget, and the object of the dataset that did not hold.
    """

    uid: Name
    name: Name
    consumer: Name
    silo: Name
    reason: Annotated[str, Field(pattern=r"^([A-Z][A-Za-z]{1,40})?$")] = ""
    clauses: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    object: Annotated[str, Field(pattern=r"^((shards/sh-[0-9a-f]{32})|(manifest/[0-9]{1,9}))?$")] = ""


class Entry(Strict):
    """Entry `index`: at `time` (UTC, by the writer's clock, which proves nothing) the holder of `key` did `event`.

    `id` is random, so that no two writers make the same bytes. `previous` is the hash of the entry before. `version`
    and `manifest` name the manifest that was about to be published or opened, None where none was; `ledger` the last
    entry of the ledger then, None for a public dataset. `job` is written for `opened` and `refused` only.
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
    job: JobNote | None = None
    key: Public

    @model_validator(mode="after")
    def _whole(self) -> Entry:
        if (self.job is not None) != (self.event in ("opened", "refused")):
            raise ValueError("a job is named exactly where one opened or was refused")
        if self.job is not None and bool(self.job.reason) != (self.event == "refused"):
            raise ValueError("a reason is given exactly where a job was refused")
        return self


def encode_entry(body: Mapping[str, Any], signer: Ed25519PrivateKey) -> bytes:
    """The object of an entry, signed: the fields of `Entry` but `key`."""
    return canonical.encode(signing.sign(dict(body), signer, _CONTEXT))


def decode_entry(data: bytes, *, where: str) -> Entry:
    """The entry in `data`, signed by the key that it names. Raises SignatureRejected, naming `where`."""
    try:
        document: Any = canonical.decode(data)
        if not isinstance(document, Mapping):
            raise SignatureRejected("not an entry of an audit log", where=where)
        named = signing.verify(dict(document), _CONTEXT, signer=str(document.get("key")), where=where)
        return Entry.model_validate_json(canonical.encode(named))
    except (InvalidInput, ValidationError) as error:
        raise SignatureRejected("not an entry of an audit log", where=where) from error
