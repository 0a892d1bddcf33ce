"""The operator's own keys: made once, at the first start, by create-only; every replica and restart reads them."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence import signing
from ringfence.errors import ClusterError, KeyRejected
from ringfence_operator.actions import Document
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.kinds import OF_KIND

NAME = "ringfence-operator"
_BYTES = 32


@dataclass(frozen=True, repr=False)
class Identity:
    """`writer` signs ledgers and statements, `master` derives the jobs' keys, `cluster` is this cluster's uid."""

    writer: Ed25519PrivateKey
    master: bytes
    cluster: str


async def establish(api: Api, namespace: str) -> Identity:
    """The keys in Secret `ringfence-operator`, made if it is not there; their public half in a ConfigMap of that name.

    Raises KeyRejected when the Secret is there and malformed: new keys would orphan every ledger that trusts the old.
    """
    secret = await _created(api, _new(namespace))
    data = secret.get("data") or {}
    try:
        writer, master = (base64.b64decode(data[name], validate=True) for name in ("writer", "master"))
        identity = Identity(Ed25519PrivateKey.from_private_bytes(writer), master, await _cluster(api))
    except (KeyError, ValueError, TypeError, binascii.Error) as error:
        raise KeyRejected("the operator's keys are malformed", where=f"Secret {namespace}/{NAME}") from error
    if len(master) < _BYTES:
        raise KeyRejected("the operator's master key is too short", where=f"Secret {namespace}/{NAME}")
    public = {"writer": signing.public_name(identity.writer), "cluster": identity.cluster}
    metadata = {"name": NAME, "namespace": namespace}
    await _created(api, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": public})
    return identity


def _new(namespace: str) -> Document:
    fresh = {"writer": Ed25519PrivateKey.generate().private_bytes_raw(), "master": os.urandom(_BYTES)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": namespace},
        "type": "Opaque",
        "data": {name: base64.b64encode(value).decode() for name, value in fresh.items()},
    }


async def _created(api: Api, document: Document) -> Document:
    """Made by us or by whoever was first."""
    kind, metadata = OF_KIND[document["kind"]], document["metadata"]
    try:
        return await api.get(kind, metadata["namespace"], metadata["name"])
    except ClusterError as error:
        if error.status != 404:
            raise
    try:
        return await api.create(document)
    except ClusterError as error:
        if error.status != 409:
            raise
    return await api.get(kind, metadata["namespace"], metadata["name"])


async def _cluster(api: Api) -> str:
    found = await api.request("GET", OF_KIND["Namespace"].path(name="kube-system"))
    return str(found["metadata"]["uid"])
