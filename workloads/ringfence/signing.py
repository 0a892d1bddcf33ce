"""Ed25519 signatures over canonical JSON documents (RFC 8032).

A public key is written `ed25519:<base64url of its 32 bytes>`. A signed document is a JSON object with the fields
`key` (who signed) and `signature`; the signature covers the canonical bytes of all other fields and `key`, behind a
context string, so that a signature made for one kind of document is worth nothing on another.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ringfence import canonical
from ringfence.errors import SignatureRejected

_PREFIX = "ed25519:"


def public_name(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The written form of a key's public half."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return _PREFIX + _encode(public.public_bytes_raw())


def parse_public(name: str, where: str = "") -> Ed25519PublicKey:
    """The key behind its written form. Raises SignatureRejected, naming `where`, when it is not one."""
    try:
        if not name.startswith(_PREFIX):
            raise ValueError
        return Ed25519PublicKey.from_public_bytes(_decode(name.removeprefix(_PREFIX)))
    except (ValueError, binascii.Error) as error:
        raise SignatureRejected(
            f"{name[:80]!r} is not a public key of the form ed25519:<base64url>", where=where
        ) from error


def sign(document: dict[str, Any], key: Ed25519PrivateKey, context: str) -> dict[str, Any]:
    """`document` with `key` and `signature` added."""
    named = {**document, "key": public_name(key)}
    return {**named, "signature": _encode(key.sign(_message(named, context)))}


def verify(document: dict[str, Any], context: str, *, signer: str, where: str) -> dict[str, Any]:
    """The document without `signature`, verified as signed by `signer`.

    Raises SignatureRejected, naming `where`, when it is unsigned, altered, or signed by another key.
    """
    named = {name: value for name, value in document.items() if name != "signature"}
    text = document.get("signature")
    if not isinstance(text, str) or not isinstance(named.get("key"), str):
        raise SignatureRejected("not signed", where=where)
    if named["key"] != signer:
        raise SignatureRejected(f"signed by {named['key'][:60]}, not by {signer}", where=where)
    try:
        parse_public(signer, where).verify(_decode(text), _message(named, context))
    except (ValueError, binascii.Error, InvalidSignature) as error:
        raise SignatureRejected("the signature does not match the content", where=where) from error
    return named


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """The bytes of unpadded base64url. Raises ValueError for any but the one spelling of them (idle bits are zero)."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(raw) != text:
        raise ValueError("not the canonical spelling")
    return raw


def _message(document: dict[str, Any], context: str) -> bytes:
    return b"ringfence/" + context.encode() + b"\x00" + canonical.encode(document)
