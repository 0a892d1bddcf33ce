"""The container of one sealed object: segmented AES-256-GCM, the STREAM construction.

    header      magic "RFSHARD" | version 1 (1 byte) | salt (32 bytes)
    commitment  32 bytes
    segments    of 65,536 bytes of plaintext, each followed by its 16-byte tag; only the last may be shorter

HKDF-SHA256(key, salt, info = header) gives 64 bytes: segment key | commitment. AES-GCM alone does not commit to its
key, so the commitment is compared, in constant time, before any segment is opened. A segment's nonce is 7 zero bytes,
its number as 32 bits, and 1 for the last segment, else 0: the number stops reordering, the flag truncation. No caller
chooses a nonce or a salt, and a fresh salt gives every object a segment key of its own.

Nothing here reads or writes a store, and nothing is released before its segment verified: `open_bytes` and `open_into`
give all or nothing, `Sealed.read` gives the bytes of verified segments. Lengths follow from one another, so that equal
plaintexts have one encoding for a salt.

Source: Hoang, Reyhanitabar, Rogaway, Vizar, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015 (STREAM).
"""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringfence.errors import InvalidInput, ShardUnavailable

SEGMENT = 65_536
MAGIC = b"RFSHARD"
VERSION = 1
KEY = 32

_SALT = 32
_COMMITMENT = 32
_TAG = 16
_HEADER = len(MAGIC) + 1 + _SALT
_BODY = _HEADER + _COMMITMENT
_STEP = SEGMENT + _TAG
_MOST_SEGMENTS = 2**32

Buffer: TypeAlias = bytes | bytearray | memoryview


class Sealed:
    """A sealed object in a buffer, its header verified; `length` is that of its plaintext in bytes.

    The buffer may be memory or a memory-mapped file: it holds only what is sealed.
    """

    __slots__ = ("_aad", "_body", "_cipher", "_count", "_where", "length")

    def __init__(self, sealed: Buffer, *, dek: bytes, aad: bytes, where: str) -> None:
        """Raises ShardUnavailable, naming `where`: another format or version, truncated, another key."""
        view = memoryview(sealed).cast("B")
        if view[: len(MAGIC)] != MAGIC[: len(view)]:
            raise ShardUnavailable("not a sealed object", where=where)
        if len(view) < _BODY + _TAG:
            raise ShardUnavailable("truncated inside the header", where=where)
        if view[len(MAGIC)] != VERSION:
            raise ShardUnavailable(
                f"container version {view[len(MAGIC)]}, this release opens version {VERSION}",
                where=where,
                remedy="open it with a newer release, or restore the object",
            )
        segment_key, commitment = _derive(dek, bytes(view[:_HEADER]))
        if not bytes_eq(commitment, bytes(view[_HEADER:_BODY])):
            raise ShardUnavailable("its header was altered, or it was sealed under another key", where=where)
        self._body, self._aad, self._where = view[_BODY:], aad, where
        self._cipher = AESGCM(segment_key)
        self._count = max(1, -(-len(self._body) // _STEP))
        self.length = len(self._body) - self._count * _TAG
        # One encoding only: a further segment exists only to hold a byte that the ones before it could not.
        several = self._count > 1 and self.length <= (self._count - 1) * SEGMENT
        if self._count > _MOST_SEGMENTS or self.length < 0 or several:
            raise ShardUnavailable("truncated inside a segment", where=where)

    def read(self, start: int, stop: int) -> memoryview:
        """The plaintext from `start` to `stop` (or its end), of verified segments only, in memory of its own.

        Raises ShardUnavailable, naming the segment: altered, moved, or bound to something else than `aad`.
        """
        stop = min(stop, self.length)
        if stop <= start:
            return memoryview(b"")
        first, last = start // SEGMENT, (stop - 1) // SEGMENT
        plain = np.empty(min((last + 1) * SEGMENT, self.length) - first * SEGMENT, np.uint8).data
        self._open(first, last + 1, plain)
        return plain[start - first * SEGMENT : stop - first * SEGMENT]

    def open_into(self, plain: memoryview) -> None:
        """Fills `plain`, of `length` bytes, with the whole plaintext; with zeros when a segment does not verify."""
        try:
            self._open(0, self._count, plain)
        except ShardUnavailable:
            plain[:] = bytes(self.length)  # what verified before that segment is not released either
            raise

    def _open(self, first: int, end: int, plain: memoryview) -> None:
        decrypt, body, aad, last = self._cipher.decrypt_into, self._body, self._aad, self._count - 1
        number = first
        try:
            for number in range(first, min(end, last)):
                start, place = number * _STEP, (number - first) * SEGMENT
                decrypt(_nonce(number), body[start : start + _STEP], aad, plain[place : place + SEGMENT])
            if end > last:
                number = last
                decrypt(_nonce(number, last=True), body[number * _STEP :], aad, plain[(number - first) * SEGMENT :])
        except InvalidTag:
            message = "is altered, moved, truncated or belongs to another object"
            raise ShardUnavailable(f"segment {number + 1} of {self._count} {message}", where=self._where) from None


def sealed_length(length: int) -> int:
    """Bytes of a sealed object with `length` bytes of plaintext. Raises InvalidInput above 2**32 segments (256 TiB)."""
    count = max(1, -(-length // SEGMENT))
    if count > _MOST_SEGMENTS:
        raise InvalidInput("more than 2**32 segments in one object", remedy="seal smaller shards")
    return _BODY + length + count * _TAG


def seal_bytes(plaintext: Buffer, *, dek: bytes, aad: bytes) -> bytes:
    """`plaintext` sealed under the 32-byte key `dek` and bound to `aad`, under a fresh salt.

    Raises InvalidInput for a key of another length or a plaintext of more than 2**32 segments.
    """
    return _seal(plaintext, dek, aad, os.urandom(_SALT))


def seal_into(plaintext: Buffer, sealed: memoryview, *, dek: bytes, aad: bytes) -> None:
    """`seal_bytes` into a buffer of `sealed_length` bytes, which a caller that seals much uses again and again."""
    _seal_into(memoryview(plaintext).cast("B"), sealed, dek, aad, os.urandom(_SALT))


def open_bytes(sealed: Buffer, *, dek: bytes, aad: bytes, where: str) -> bytearray:
    """The plaintext of a sealed object, returned only after every segment verified.

    Raises ShardUnavailable, naming `where`: another format or version, truncated, another key, or altered, moved or
    bound to something else than `aad`.
    """
    found = Sealed(sealed, dek=dek, aad=aad, where=where)
    plain = bytearray(found.length)
    found.open_into(memoryview(plain))
    return plain


def _seal(plaintext: Buffer, dek: bytes, aad: bytes, salt: bytes) -> bytes:
    """`seal_bytes` under a given salt. Only for test vectors: a salt used twice with one key breaks both objects."""
    view = memoryview(plaintext).cast("B")
    sealed = bytearray(sealed_length(len(view)))
    _seal_into(view, memoryview(sealed), dek, aad, salt)
    return bytes(sealed)


def _seal_into(view: memoryview, sealed: memoryview, dek: bytes, aad: bytes, salt: bytes) -> None:
    header = MAGIC + bytes([VERSION]) + salt
    segment_key, commitment = _derive(dek, header)
    encrypt, count = AESGCM(segment_key).encrypt_into, max(1, -(-len(view) // SEGMENT))
    sealed[:_HEADER] = header
    sealed[_HEADER:_BODY] = commitment
    body = sealed[_BODY:]
    for number in range(count):
        plain = view[number * SEGMENT : (number + 1) * SEGMENT]
        place = number * _STEP
        encrypt(_nonce(number, last=number == count - 1), plain, aad, body[place : place + len(plain) + _TAG])


def _nonce(number: int, last: bool = False) -> bytes:
    """Seven zero bytes, the segment's number in 32 bits, and whether it is the last one."""
    return (number << 8 | last).to_bytes(12, "big")


def _derive(dek: bytes, header: bytes) -> tuple[bytes, bytes]:
    if len(dek) != KEY:
        raise InvalidInput(f"a sealing key has {KEY} bytes, this one {len(dek)}")
    okm = HKDF(SHA256(), KEY + _COMMITMENT, salt=header[-_SALT:], info=header).derive(dek)
    return okm[:KEY], okm[KEY:]
