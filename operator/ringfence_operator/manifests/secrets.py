"""The one Secret of an attempt: the party's keys for this job, and store credentials that the operator made."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence_operator.manifests import coordinator
from ringfence_operator.manifests.attempt import Attempt, Document


@dataclass(frozen=True, repr=False)
class Confidential:
    """What goes into the Secret. `access` and `secret` are empty where owners provide credentials themselves."""

    keys: str
    access: str = ""
    secret: str = ""


def secret(one: Attempt, anchor: str, confidential: Confidential) -> Document:
    """Nothing but its pods reads it; the operator itself may create Secrets and not read them."""
    held = {"keys": confidential.keys}
    if confidential.access:
        held |= {"AWS_ACCESS_KEY_ID": confidential.access, "AWS_SECRET_ACCESS_KEY": confidential.secret}
    if not one.silo:
        held["assignment.json"] = coordinator.assignment(one).write()
    found = one.document("v1", "Secret", anchor, type="Opaque", stringData=held)
    found["metadata"]["name"] = one.secret
    return found
