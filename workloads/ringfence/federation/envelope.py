"""The sealed message: one object between coordinator and silos, bound to its job, round, sender and direction.

    magic "RFMSG" | format (1 byte) | header length (4 bytes, big endian) | header | payload

The header is a signed canonical JSON document: `kind`, `job`, `round`, what the kind adds, `payload` (digest of the
encrypted bytes) and `recipients` (name -> the content key sealed by HPKE to that recipient's X25519 key, with the
message's address as `info`). The payload is AES-256-GCM under a content key drawn for this one message, so the nonce
is zero; the additional data is the same address. A message moved to another job, round or recipient does not open.

A message is read from a file, a block at a time: a model may be a large part of the memory of whoever reads it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
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
_BLOCK = 1 << 19
_LONGEST_HEADER = 1 << 22
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
    """A message whose signature, address and payload digest hold; its payload is still sealed.

    `digest` is that of the whole object. `sealed` stays open, and holds what it held, as long as the message is used.
    """

    address: Address
    header: dict[str, Any]
    digest: str
    sealed: BufferedIOBase
    start: int
    size: int  # bytes of the plain payload
    where: str

    def open(self, recipient: str, key: X25519PrivateKey) -> bytes:
        """The plain payload. Raises KeyRejected when it was not sealed to this recipient's key."""
        self.sealed.seek(self.start)
        with self._refusing(recipient):
            cipher = AESGCM(self._content_key(recipient, key))
            return cipher.decrypt(_NONCE, self.sealed.read(self.size + _TAG), self.address.info(""))

    def blocks(self, recipient: str, key: X25519PrivateKey) -> Iterator[memoryview]:
        """The plain payload in blocks of 512 KiB, each valid until the next. Raises KeyRejected as `open` does.

        The cipher's tag is checked after the last block: do nothing lasting with them before the iterator has ended
        once.
        """
        self.sealed.seek(self.start + max(0, self.size))
        with self._refusing(recipient):
            mode = modes.GCM(_NONCE, self.sealed.read(_TAG))
            cipher = Cipher(algorithms.AES256(self._content_key(recipient, key)), mode).decryptor()
            cipher.authenticate_additional_data(self.address.info(""))
        sealed, plain = memoryview(bytearray(_BLOCK)), memoryview(bytearray(_BLOCK + _TAG))
        for at in range(0, self.size, _BLOCK):
            self.sealed.seek(self.start + at)
            read = self.sealed.readinto(sealed[: min(_BLOCK, self.size - at)])
            yield plain[: cipher.update_into(sealed[:read], plain)]
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
    """The message's bytes. `recipients` maps names to public keys `x25519:...`; `extra` joins the header in clear.

    The payload is encrypted twice, block by block: for the digest in the header before it, and into the message. So
    there is no third copy of a model beside the two.
    """
    content_key, digest = os.urandom(32), hashlib.sha256()
    for block in _encrypted(payload, content_key, address):
        digest.update(block)
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
        "payload": f"sha256:{digest.hexdigest()}",
        "recipients": wrapped,
    }
    head = canonical.encode(signing.sign(header, key, "message"))
    message = BytesIO()
    message.write(_MAGIC + len(head).to_bytes(4, "big") + head)
    for block in _encrypted(payload, content_key, address):
        message.write(block)
    return message.getvalue()


def _encrypted(payload: bytes, content_key: bytes, address: Address) -> Iterator[bytes | memoryview]:
    """AES-256-GCM of the payload, then its tag, in blocks that are each valid until the next."""
    cipher = Cipher(algorithms.AES256(content_key), modes.GCM(_NONCE)).encryptor()
    cipher.authenticate_additional_data(address.info(""))
    plain, sealed = memoryview(payload), memoryview(bytearray(_BLOCK + _TAG))
    for start in range(0, len(plain), _BLOCK):
        yield sealed[: cipher.update_into(plain[start : start + _BLOCK], sealed)]
    cipher.finalize()
    yield cipher.tag


def read(data: bytes | BufferedIOBase, expected: Address, *, signer: str, where: str) -> Message:
    """The message in `data`, verified: signed by `signer`, addressed as `expected`, payload as the header says.

    Raises SignatureRejected, naming `where`, for anything else.
    """
    file = BytesIO(data) if isinstance(data, bytes) else data
    first = file.read(len(_MAGIC) + 4)
    size = int.from_bytes(first[len(_MAGIC) :], "big")
    head = file.read(min(size, _LONGEST_HEADER))
    if first[: len(_MAGIC)] != _MAGIC or len(head) < size:
        raise SignatureRejected("not a message, or a truncated one", where=where)
    try:
        document = canonical.decode(head)
    except InvalidInput as error:
        raise SignatureRejected("the message's header is malformed", where=where) from error
    if not isinstance(document, dict):
        raise SignatureRejected("the message's header is malformed", where=where)
    header = signing.verify(document, "message", signer=signer, where=where)
    address = Address(*(header.get(name) for name in ("kind", "job", "round", "sender")))  # type: ignore[arg-type]
    if address != expected:
        raise SignatureRejected(f"a message for another place: {address}, expected {expected}", where=where)
    payload, whole, length = _digests(first + head, file)
    if header.get("payload") != payload or not isinstance(header.get("recipients"), dict):
        raise SignatureRejected("the payload is not the one that was signed", where=where)
    return Message(address, header, whole, file, len(first) + len(head), length - _TAG, where)


def _digests(head: bytes, file: BufferedIOBase) -> tuple[str, str, int]:
    """Digests of the rest of the file and of `head` with it, and the length of the rest."""
    payload, whole, length = hashlib.sha256(), hashlib.sha256(head), 0
    block = memoryview(bytearray(_BLOCK))
    while read := file.readinto(block):
        payload.update(block[:read])
        whole.update(block[:read])
        length += read
    return f"sha256:{payload.hexdigest()}", f"sha256:{whole.hexdigest()}", length
