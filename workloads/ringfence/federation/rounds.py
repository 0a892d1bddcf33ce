"""What coordinator and silos write about a round: the global model, an update, an absence, a commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ringfence import canonical, signing
from ringfence.errors import InvalidInput, SignatureRejected

if TYPE_CHECKING:  # a silo's ledger steps need what is written here, and no torch
    from ringfence.training.flat import FlatModel

COORDINATOR = "coordinator"
_FORMAT = 1


@dataclass(frozen=True)
class Commit:
    """The one outcome of a round: who took part with which bytes, and the model that came of it.

    `members` maps silo to the digest of its published update; `heads` maps silo to the ledger head that its update
    named; `state` is the digest of the server optimizer's state after the round, empty for one without any; `metrics`
    and `seconds` hold decimal strings.
    """

    job: str
    round: int
    members: dict[str, str]
    input: str
    model: str
    state: str = ""
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


def pack_state(state: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The vectors [P] of a server optimizer, by name, as safetensors; the same values give the same bytes."""
    return save({name: state[name] for name in sorted(state)})


def unpack_state(data: bytes, into: Mapping[str, NDArray[np.float32]], where: str) -> None:
    """Load vectors of these names and lengths, or change nothing and raise InvalidInput."""
    try:
        found = load(data)
    except SafetensorError as error:
        raise InvalidInput("not the state of a server optimizer", where=where) from error
    if {name: (v.dtype, v.shape) for name, v in found.items()} != {n: (v.dtype, v.shape) for n, v in into.items()}:
        raise InvalidInput("the state is another server optimizer's", where=where)
    for name, vector in into.items():
        vector[:] = found[name]
