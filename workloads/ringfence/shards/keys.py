"""A silo's keys: FILE (the key that wraps shard keys), FILE.sign (the owner's signature) and FILE.pub.

FILE holds 32 random bytes in base64, FILE.sign an Ed25519 private key as PKCS 8 PEM, FILE.pub its public half in its
written form. FILE is mounted where shards are opened; FILE.sign never leaves its owner.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ringfence.errors import InvalidInput, KeyRejected, SignatureRejected
from ringfence.signing import parse_public, public_name

_BYTES = 32
_NONCE = 12
_LARGEST_FILE = 4096
_LOST = "restore it: nothing sealed under a lost key opens again (`ringfence keys new FILE` makes keys for new rows)"


class Kek:
    """A key-encryption key. It wraps shard keys, and other keys are derived from it; its bytes are never shown.

    `id` names it without revealing it: the first 16 hexadecimal digits of the SHA-256 of a value derived from it.
    """

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        """Raises KeyRejected unless `key` has 32 bytes."""
        if len(key) != _BYTES:
            raise KeyRejected(f"a key has {_BYTES} bytes, this one {len(key)}")
        self._key = key
        self.id = "kek:" + hashlib.sha256(self.derive(b"ringfence/kek/id")).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Kek({self.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled: pass the path of its file")

    def derive(self, info: bytes) -> bytes:
        """32 bytes for the use that `info` names: HKDF-Expand with SHA-256 (RFC 5869) on the uniform key."""
        return HKDFExpand(SHA256(), _BYTES, info=info).derive(self._key)

    def wrap(self, dek: bytes, aad: bytes) -> str:
        """A 32-byte shard key under AES-256-GCM with a random nonce, in base64url: 60 bytes, bound to `aad`."""
        nonce = os.urandom(_NONCE)
        return base64.urlsafe_b64encode(nonce + self._wrapping().encrypt(nonce, dek, aad)).decode()

    def unwrap(self, wrapped: str, aad: bytes, *, where: str) -> bytes:
        """The shard key. Raises KeyRejected, naming `where`, for another key, other bindings or altered text."""
        try:
            raw = base64.b64decode(wrapped, altchars=b"-_", validate=True)
            return self._wrapping().decrypt(raw[:_NONCE], raw[_NONCE:], aad)
        except (InvalidTag, ValueError, binascii.Error):
            raise KeyRejected(f"the shard's key does not unwrap under {self.id}", where=where) from None

    def _wrapping(self) -> AESGCM:
        return AESGCM(self.derive(b"ringfence/kek/wrap"))


def new_keys(path: Path) -> str:
    """Write FILE, FILE.sign (both mode 0600) and FILE.pub; the written form of the public key is returned.

    Raises InvalidInput when one of them exists or cannot be written; nothing is overwritten, nothing is left half made.
    """
    signer = Ed25519PrivateKey.generate()
    public = public_name(signer)
    pem = signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    contents = {
        path: (base64.b64encode(os.urandom(_BYTES)) + b"\n", 0o600),
        _beside(path, ".sign"): (pem, 0o600),
        _beside(path, ".pub"): (f"{public}\n".encode(), 0o644),
    }
    made: list[Path] = []
    try:
        for file, (content, mode) in contents.items():
            _write_new(file, content, mode, made)
    except OSError as error:
        for file in made:
            file.unlink(missing_ok=True)
        where = str(error.filename or path)
        if isinstance(error, FileExistsError):
            remedy = "choose another name: keys are never overwritten"
            raise InvalidInput("the file exists already", where=where, remedy=remedy) from error
        raise InvalidInput(f"cannot write the key: {error.strerror}", where=where) from error
    return public


def load_kek(path: Path) -> Kek:
    """The key in FILE. Raises KeyRejected, naming the file, when it is missing or not 32 bytes in base64."""
    text = _read(path)
    if text.startswith(b"-----BEGIN"):
        raise KeyRejected("this is a signing key", where=str(path), remedy="name the file without .sign")
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _BYTES:
        raise KeyRejected(f"not a key: {_BYTES} bytes in base64 are expected", where=str(path))
    return Kek(key)


def load_signer(path: Path) -> Ed25519PrivateKey:
    """The owner's signing key in FILE.sign (`path` with or without the ending). Raises KeyRejected."""
    file = _beside(path, ".sign")
    try:
        key = load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRejected("not a private key in PEM", where=str(file)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRejected("not an Ed25519 key", where=str(file))
    return key


def load_public(path: Path) -> str:
    """The written public key in FILE.pub (`path` with or without the ending). Raises KeyRejected."""
    file = _beside(path, ".pub")
    try:
        name = _read(file).decode("ascii")
        parse_public(name)
    except (UnicodeDecodeError, SignatureRejected):
        raise KeyRejected("not a public key of the form ed25519:<base64url>", where=str(file)) from None
    return name


def _beside(path: Path, ending: str) -> Path:
    return path if path.name.endswith(ending) else path.with_name(path.name + ending)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).strip()
    except OSError as error:
        remedy = _LOST if isinstance(error, FileNotFoundError) else ""
        raise KeyRejected(f"cannot read the key: {error.strerror}", where=str(path), remedy=remedy) from error


def _write_new(path: Path, content: bytes, mode: int, made: list[Path]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    made.append(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
