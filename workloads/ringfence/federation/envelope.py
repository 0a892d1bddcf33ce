"""The sealed message: one object between coordinator and silos, bound to its job, round, sender and direction.

    magic "RFMSG" | format (1 byte) | header length (4 bytes, big endian) | header | payload

The header is a signed canonical JSON document: `kind`, `job`, `round`, what the kind adds, `payload` (digest of the
encrypted bytes) and `recipients` (name -> the content key sealed by HPKE to that recipient's X25519 key, with the
message's address as `info`). The payload is AES-256-GCM under a content key drawn for this one message, so the nonce
is zero; the additional data is the same address. A message moved to another job, round or recipient does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, KeyRejected, SignatureRejected
from ringfence.privacy.jobkeys import parse_seal_public

_MAGIC = b"RFMSG\x01"
_NONCE = bytes(12)
_TAG = 16
_BLOCK = 1 << 17
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True)
class Address:
    """What a message is bound to. `sender` and the recipients are silo names or `coordinator`."""

    kind: str
    job: str
    round: int
    sender: str

    def info(self, recipient: str) -> bytes:
        return canonical.encode(["ringfence-message", self.kind, self.job, self.round, self.sender, recipient])


@dataclass(frozen=True)
class Message:
    """A message whose signature, address and payload digest hold; its payload is still sealed."""

    address: Address
    header: dict[str, Any]
    payload: memoryview
    where: str

    @property
    def size(self) -> int:
        """Bytes of the plain payload."""
        return len(self.payload) - _TAG

    def open(self, recipient: str, key: X25519PrivateKey) -> bytes:
        """The plain payload. Raises KeyRejected when it was not sealed to this recipient's key."""
        with self._refusing(recipient):
            return AESGCM(self._content_key(recipient, key)).decrypt(_NONCE, self.payload, self.address.info(""))

    def blocks(self, recipient: str, key: X25519PrivateKey) -> Iterator[memoryview]:
        """The plain payload in blocks of 128 KiB, each valid until the next. Raises KeyRejected as `open` does.

        The cipher's tag is checked after the last block: do nothing lasting with them before the iterator has ended
        once.
        """
        with self._refusing(recipient):
            mode = modes.GCM(_NONCE, bytes(self.payload[-_TAG:]))
            cipher = Cipher(algorithms.AES256(self._content_key(recipient, key)), mode).decryptor()
            cipher.authenticate_additional_data(self.address.info(""))
        plain = memoryview(bytearray(_BLOCK + _TAG))
        for start in range(0, self.size, _BLOCK):
            yield plain[: cipher.update_into(self.payload[start : min(start + _BLOCK, self.size)], plain)]
        with self._refusing(recipient):
            cipher.finalize()

    def _content_key(self, recipient: str, key: X25519PrivateKey) -> bytes:
        wrapped = base64.b64decode(self.header["recipients"].get(recipient) or "", validate=True)
        return _SUITE.decrypt(wrapped, key, self.address.info(recipient))

    @contextmanager
    def _refusing(self, recipient: str) -> Iterator[None]:
        try:
            yield
        except (InvalidTag, ValueError) as error:
            raise KeyRejected(f"not sealed to {recipient}'s key for this job", where=self.where) from error


def seal(
    address: Address,
    payload: bytes,
    recipients: Mapping[str, str],
    key: Ed25519PrivateKey,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """The message's bytes. `recipients` maps names to public keys `x25519:...`; `extra` joins the header in clear."""
    content_key = os.urandom(32)
    sealed = AESGCM(content_key).encrypt(_NONCE, payload, address.info(""))
    wrapped = {
        name: base64.b64encode(_SUITE.encrypt(content_key, parse_seal_public(public), address.info(name))).decode()
        for name, public in recipients.items()
    }
    header = {
        **(extra or {}),
        "kind": address.kind,
        "job": address.job,
        "round": address.round,
        "sender": address.sender,
        "payload": canonical.digest(sealed),
        "recipients": wrapped,
    }
    head = canonical.encode(signing.sign(header, key, "message"))
    return _MAGIC + len(head).to_bytes(4, "big") + head + sealed


def read(data: bytes, expected: Address, *, signer: str, where: str) -> Message:
    """The message in `data`, verified: signed by `signer`, addressed as `expected`, payload as the header says.

    Raises SignatureRejected, naming `where`, for anything else.
    """
    start = len(_MAGIC) + 4
    size = int.from_bytes(data[len(_MAGIC) : start], "big")
    if data[: len(_MAGIC)] != _MAGIC or len(data) < start + size:
        raise SignatureRejected("not a message, or a truncated one", where=where)
    try:
        document = canonical.decode(data[start : start + size])
    except InvalidInput as error:
        raise SignatureRejected("the message's header is malformed", where=where) from error
    if not isinstance(document, dict):
        raise SignatureRejected("the message's header is malformed", where=where)
    header = signing.verify(document, "message", signer=signer, where=where)
    payload = memoryview(data)[start + size :]
    address = Address(*(header.get(name) for name in ("kind", "job", "round", "sender")))  # type: ignore[arg-type]
    if address != expected:
        raise SignatureRejected(f"a message for another place: {address}, expected {expected}", where=where)
    if header.get("payload") != canonical.digest(payload) or not isinstance(header.get("recipients"), dict):
        raise SignatureRejected("the payload is not the one that was signed", where=where)
    return Message(address, header, payload, where)
