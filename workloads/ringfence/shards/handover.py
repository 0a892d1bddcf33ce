"""A new signing key for a dataset: the old one signs the new one's name.

A reader who pinned the old key follows the handovers from there to the key that signs today. Who rotates because the
old key leaked must also change the pins: whoever holds the old key can sign another handover.
"""

from __future__ import annotations

from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from ringfence import canonical, signing
from ringfence.errors import SignatureRejected
from ringfence.shards.strict import Public, Strict

_CONTEXT = "handover"


class Handover(Strict):
    """`key` says that from the manifest version `version` on `successor` signs for `dataset`."""

    dataset: Annotated[str, Field(pattern=r"^ds-[0-9a-f]{32}$")]
    version: Annotated[int, Field(ge=2, lt=10**9)]
    successor: Public
    key: Public
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{86}$")]


def hand_over(dataset: str, version: int, old: Ed25519PrivateKey, successor: str) -> Handover:
    """Signed by the old key."""
    document = {"dataset": dataset, "version": version, "successor": successor}
    return Handover.model_validate(signing.sign(document, old, _CONTEXT))


def check_handovers(handovers: Any, dataset: str, pinned: str, where: str) -> str:
    """The key that signs today, by the handovers after the pinned one; `pinned` itself if none starts there.

    Raises SignatureRejected, naming `where`, for one that is false, of another dataset, or breaks the chain.
    """
    try:
        listed = [Handover.model_validate_json(canonical.encode(item)) for item in handovers]
    except (ValidationError, TypeError):
        raise SignatureRejected("a handover to a new signing key is malformed", where=where) from None
    current = pinned
    for item in listed:
        if item.key != current:
            if current == pinned:
                continue  # before the pinned key's own time
            raise SignatureRejected(f"the handovers do not lead on from {current}", where=where)
        if item.dataset != dataset:
            raise SignatureRejected(f"a handover is of another dataset, {item.dataset}", where=where)
        signing.verify(item.model_dump(mode="json"), _CONTEXT, signer=current, where=where)
        current = item.successor
    return current
