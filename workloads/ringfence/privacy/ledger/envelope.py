"""An entry as an object: canonical JSON, chained by the hash of the object before, signed, and read back strictly."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, LedgerTampered, SignatureRejected
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.kinds import KINDS

_VERSION = 1
_CONTEXT = "ledger"
_FIELDS = {"version", "kind", "index", "previous", "id", "body", "key", "signature"}
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """A well-formed entry whose signature holds for `key`. Whether that key may say this is for `rules.apply`."""

    index: int
    previous: str | None
    body: Body
    key: str
    hash: str


def new_id() -> str:
    """A random entry id."""
    return secrets.token_hex(16)


def write(body: Body, key: Ed25519PrivateKey, *, index: int, previous: str | None, entry_id: str) -> bytes:
    """The object of an entry. The same arguments give the same bytes, so a retry repeats and never duplicates."""
    document = {
        "version": _VERSION,
        "kind": body.kind,
        "index": index,
        "previous": previous,
        "id": entry_id,
        "body": body.to_body(),
    }
    return canonical.encode(signing.sign(document, key, _CONTEXT))


def read(data: bytes, *, where: str) -> Entry:
    """The entry of an object. Raises LedgerTampered, naming `where`, for anything that `write` cannot have written."""
    try:
        document = canonical.decode(data)
    except InvalidInput as error:
        raise LedgerTampered("this is not a ledger entry", where=where) from error
    if not isinstance(document, dict):
        raise LedgerTampered("this is not a ledger entry", where=where)
    version, kind = document.get("version"), document.get("kind")
    if type(version) is not int or version != _VERSION:
        raise LedgerTampered(
            f"entry of format version {str(version)[:20]}, and this release reads {_VERSION}",
            where=where,
            remedy="upgrade ringfence if a newer release wrote it",
        )
    if not isinstance(kind, str) or kind not in KINDS:
        raise LedgerTampered(f"entry of unknown kind {str(kind)[:40]!r}", where=where)
    return _verified(document, data, where)


def _verified(document: dict[str, object], data: bytes, where: str) -> Entry:
    key, index, previous = document.get("key"), document.get("index"), document.get("previous")
    try:
        signing.verify(document, _CONTEXT, signer=str(key), where=where)
        if set(document) != _FIELDS or not isinstance(key, str) or type(index) is not int:
            raise InvalidInput("fields are missing or unknown")
        if not (previous is None or isinstance(previous, str)) or not _ID.fullmatch(str(document["id"])):
            raise InvalidInput("previous or id is malformed")
        body = KINDS[str(document["kind"])].from_body(document["body"])
    except SignatureRejected as error:
        raise LedgerTampered(error.message, where=where) from error
    except InvalidInput as error:
        raise LedgerTampered(f"malformed entry: {error.message}", where=where) from error
    return Entry(index=index, previous=previous, body=body, key=key, hash=canonical.digest(data))
