"""The container of one sealed object: segmented AES-256-GCM, the STREAM construction.

    header      magic "RFSHARD" | version 1 (1 byte) | salt (32 bytes)
    commitment  32 bytes
    segments    of 65,536 bytes of plaintext, each followed by its 16-byte tag; only the last may be shorter

HKDF-SHA256(key, salt, info = header) gives 64 bytes: segment key | commitment. AES-GCM alone does not commit to its
key, so the commitment is compared, in constant time, before any segment is opened. A segment's nonce is 7 zero bytes,
its number as 32 bits, and 1 for the last segment, else 0: the number stops reordering, the flag truncation. No caller
chooses a nonce or a salt, and a fresh salt gives every object a segment key of its own.

Source: Hoang, Reyhanitabar, Rogaway, Vizar, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015 (STREAM).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

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
_MOST_SEGMENTS = 2**32

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment: its nonce, and where its plaintext and its ciphertext lie."""

    nonce: bytes
    plain: slice
    sealed: slice


def seal_bytes(plaintext: Buffer, *, dek: bytes, aad: bytes) -> bytes:
    """`plaintext` sealed under the 32-byte key `dek` and bound to `aad`, under a fresh salt.

    Raises InvalidInput for a key of another length or a plaintext of more than 2**32 segments (256 TiB).
    """
    return _seal(plaintext, dek, aad, os.urandom(_SALT))


def open_bytes(sealed: Buffer, *, dek: bytes, aad: bytes, where: str) -> bytearray:
    """The plaintext of a sealed object, returned only after every segment verified.

    Raises ShardUnavailable, naming `where`: another format or version, truncated, another key, or altered, moved or
    bound to something else than `aad`.
    """
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
    return _open_segments(view[_BODY:], AESGCM(segment_key), aad, where)


def _seal(plaintext: Buffer, dek: bytes, aad: bytes, salt: bytes) -> bytes:
    """`seal_bytes` under a given salt. Only for test vectors: a salt used twice with one key breaks both objects."""
    view = memoryview(plaintext).cast("B")
    header = MAGIC + bytes([VERSION]) + salt
    segment_key, commitment = _derive(dek, header)
    cipher = AESGCM(segment_key)
    count = max(1, -(-len(view) // SEGMENT))
    if count > _MOST_SEGMENTS:
        raise InvalidInput("more than 2**32 segments in one object", remedy="seal smaller shards")
    sealed = bytearray(_BODY + len(view) + count * _TAG)
    sealed[:_HEADER] = header
    sealed[_HEADER:_BODY] = commitment
    body = memoryview(sealed)[_BODY:]
    for segment in _segments(len(view), count):
        cipher.encrypt_into(segment.nonce, view[segment.plain], aad, body[segment.sealed])
    return bytes(sealed)


def _open_segments(body: memoryview, cipher: AESGCM, aad: bytes, where: str) -> bytearray:
    count = max(1, -(-len(body) // (SEGMENT + _TAG)))
    length = len(body) - count * _TAG
    # One encoding only: a further segment exists only to hold a byte that the ones before it could not.
    if count > _MOST_SEGMENTS or length < 0 or (count > 1 and length <= (count - 1) * SEGMENT):
        raise ShardUnavailable("truncated inside a segment", where=where)
    plain = bytearray(length)
    view = memoryview(plain)
    for number, segment in enumerate(_segments(length, count)):
        try:
            cipher.decrypt_into(segment.nonce, body[segment.sealed], aad, view[segment.plain])
        except InvalidTag:
            view[:] = bytes(length)  # what verified before this segment is not released either
            message = f"segment {number + 1} of {count} is altered, moved, truncated or belongs to another object"
            raise ShardUnavailable(message, where=where) from None
    return plain


def _segments(length: int, count: int) -> Iterator[_Segment]:
    for number in range(count):
        start = number * SEGMENT
        end = min(start + SEGMENT, length)
        last = number == count - 1
        nonce = bytes(7) + number.to_bytes(4, "big") + bytes([last])
        yield _Segment(nonce, slice(start, end), slice(start + number * _TAG, end + (number + 1) * _TAG))


def _derive(dek: bytes, header: bytes) -> tuple[bytes, bytes]:
    if len(dek) != KEY:
        raise InvalidInput(f"a sealing key has {KEY} bytes, this one {len(dek)}")
    okm = HKDF(SHA256(), KEY + _COMMITMENT, salt=header[-_SALT:], info=header).derive(dek)
    return okm[:KEY], okm[KEY:]
