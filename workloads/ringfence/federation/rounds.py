"""What coordinator and silos write about a round: the global model, an update, an absence, a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, SignatureRejected
from ringfence.training.flat import FlatModel

COORDINATOR = "coordinator"
_FORMAT = 1


@dataclass(frozen=True)
class Commit:
    """The one outcome of a round: who took part with which bytes, and the model that came of it.

    `members` maps silo to the digest of its published update; `heads` maps silo to the ledger head that its update
    named; `metrics` and `seconds` hold decimal strings.
    """

    job: str
    round: int
    members: dict[str, str]
    input: str
    model: str
    heads: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, str] = field(default_factory=dict)

    def signed(self, key: Ed25519PrivateKey) -> bytes:
        return canonical.encode(signing.sign({"format": _FORMAT, **self.__dict__}, key, "commit"))


def read_commit(data: bytes, *, signer: str, job: str, round_: int, where: str) -> Commit:
    """The commit in `data`, verified. Raises SignatureRejected."""
    try:
        document = canonical.decode(data)
        body = signing.verify(document, "commit", signer=signer, where=where)
        body.pop("key")
        format_ = body.pop("format")
        found = Commit(**body)
    except (InvalidInput, TypeError, KeyError, AttributeError) as error:
        raise SignatureRejected("not a commit", where=where) from error
    if format_ != _FORMAT or (found.job, found.round) != (job, round_):
        raise SignatureRejected(f"a commit of job {found.job}, round {found.round}", where=where)
    return found


def absence(job: str, round_: int, silo: str, key: Ed25519PrivateKey) -> bytes:
    """A silo's signed word that it sits a round out."""
    return canonical.encode(signing.sign({"job": job, "round": round_, "silo": silo}, key, "absence"))


def is_absence(data: bytes, expected: Mapping[str, Any], *, signer: str, where: str) -> bool:
    """Whether `data` is that silo's signed absence from that round."""
    try:
        return signing.verify(canonical.decode(data), "absence", signer=signer, where=where) == {
            **expected,
            "key": signer,
        }
    except (InvalidInput, SignatureRejected, AttributeError):
        return False


def model_digest(model: FlatModel) -> str:
    """`sha256:<hex>` of the model's safetensors file: how commits, headers and statements name a model."""
    return canonical.digest(model.to_bytes())


def pack_update(update: NDArray[np.float32]) -> bytes:
    """An update [P] as safetensors."""
    return save({"update": update})


def unpack_update(data: bytes, parameters: int, where: str) -> NDArray[np.float32]:
    """The update [P]. Raises InvalidInput when it is not one of `parameters` finite float32 values."""
    try:
        update = load(data)["update"]
    except (SafetensorError, KeyError) as error:
        raise InvalidInput("not an update", where=where) from error
    if update.dtype != np.float32 or update.shape != (parameters,) or not np.isfinite(update).all():
        raise InvalidInput(f"not {parameters} finite float32 values", where=where)
    return update
