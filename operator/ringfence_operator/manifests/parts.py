"""The documents of an attempt in the order in which they are made: policies and secrets before what starts pods."""

from __future__ import annotations

from ringfence_operator.manifests import coordinator, network, silo
from ringfence_operator.manifests.attempt import Attempt, Document
from ringfence_operator.manifests.secrets import Confidential, secret


def anchor(one: Attempt) -> Document:
    """The ConfigMap that owns the rest. A silo's holds its assignment; the coordinator's will hold its progress."""
    if one.silo:
        return one.document("v1", "ConfigMap", "", data={"assignment.json": silo.assignment(one).write()})
    return one.document("v1", "ConfigMap", "", data={"progress": "", "lost": ""})


def parts(one: Attempt, uid: str, confidential: Confidential) -> list[Document]:
    """What the anchor with this uid owns."""
    return [
        one.document("v1", "ServiceAccount", uid, automountServiceAccountToken=False),
        secret(one, uid, confidential),
        network.policy(one, uid),
        *([silo.cluster(one, uid)] if one.silo else [*coordinator.rights(one, uid), coordinator.task(one, uid)]),
    ]
