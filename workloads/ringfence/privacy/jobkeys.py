"""The keys of one job: for the coordinator and for each silo a signing and a sealing pair, made for that job only.

Each party's secret lies in a file of its own, so that a silo's process is handed the path of its own keys and of no
other's. Ed25519 signs; X25519 receives what is sealed by HPKE (RFC 9180).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringfence import canonical, signing
from ringfence.errors import KeyRejected

_PREFIX = "x25519:"
_LENGTH = 32


@dataclass(frozen=True)
class PublicKeys:
    """What others know of a party: written `ed25519:...` and `x25519:...`."""

    sign: str
    seal: str


@dataclass(frozen=True, repr=False)
class JobKeys:
    """The secrets of one party in one job."""

    sign: Ed25519PrivateKey
    seal: X25519PrivateKey

    def document(self) -> str:
        """The secrets as `load` reads them: what a key file, or a Secret mounted as one, holds."""
        return json.dumps(
            {"sign": _encode(self.sign.private_bytes_raw()), "seal": _encode(self.seal.private_bytes_raw())}
        )

    @property
    def public(self) -> PublicKeys:
        raw = self.seal.public_key().public_bytes_raw()
        return PublicKeys(signing.public_name(self.sign), _PREFIX + _encode(raw))


def parse_seal_public(name: str) -> X25519PublicKey:
    """The key behind `x25519:<base64url>`. Raises KeyRejected."""
    try:
        if not name.startswith(_PREFIX):
            raise ValueError
        return X25519PublicKey.from_public_bytes(_decode(name.removeprefix(_PREFIX)))
    except (ValueError, binascii.Error) as error:
        raise KeyRejected("not a public key of the form x25519:<base64url>") from error


def derive(master: bytes, uid: str, party: str) -> JobKeys:
    """The keys of `party` (a silo's name, or the coordinator) in job `uid`: HKDF-SHA256 (RFC 5869) of `master`.

    No attempt is in it, so that a party started again has the keys that its reservation names. Raises KeyRejected for a
    master key of less than 32 bytes.
    """
    if len(master) < _LENGTH:
        raise KeyRejected(f"a master key has at least {_LENGTH} bytes")
    info = canonical.encode(["job keys", uid, party])
    raw = HKDF(algorithm=hashes.SHA256(), length=2 * _LENGTH, salt=None, info=info).derive(master)
    sign = Ed25519PrivateKey.from_private_bytes(raw[:_LENGTH])
    return JobKeys(sign, X25519PrivateKey.from_private_bytes(raw[_LENGTH:]))


def create(path: Path) -> JobKeys:
    """The keys in `path`, made there (mode 0600, synced) if the file is absent."""
    keys = JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(keys.document())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # whoever links first has made the keys; the other reads them
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return load(path)


def load(path: Path) -> JobKeys:
    """The keys in `path`. Raises KeyRejected when the file is missing or malformed."""
    try:
        document = json.loads(path.read_text())
        sign = Ed25519PrivateKey.from_private_bytes(_decode(document["sign"]))
        return JobKeys(sign, X25519PrivateKey.from_private_bytes(_decode(document["seal"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeyRejected("the job's keys are missing or malformed", where=str(path)) from error


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
