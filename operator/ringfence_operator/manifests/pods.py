"""What all our pods have in common: Pod Security `restricted`, a read-only root, mounts, environment."""

from __future__ import annotations

from typing import Any

from ringfence_operator.manifests.attempt import Attempt, Document

METRICS = 8090  # KubeRay gives 8080 of a head's pod to Ray's own metrics
METRICS_PORT: Document = {"name": "ringfence", "containerPort": METRICS}
METRICS_ENV: Document = {"name": "RINGFENCE_METRICS_PORT", "value": str(METRICS)}
_USER = 1000
_READABLE = 0o440
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def pod(one: Attempt, containers: list[Document], volumes: list[Document], **fields: Any) -> Document:
    """A pod's spec with its service account, security and volumes; `fields` may override."""
    return {
        "serviceAccountName": one.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": volumes,
        **fields,
    }


def container(one: Attempt, name: str, env: list[Document], **fields: Any) -> Document:
    """A container with the attempt's image, mounts and environment; `env` comes after what all have."""
    found = {
        "name": name,
        "image": one.image,
        "env": [*_environment(one), *env],
        "securityContext": _CONTAINER_SECURITY,
        "volumeMounts": mounts(one),
        **fields,
    }
    return found if one.settings.credentials == "Managed" else {**found, "envFrom": [_provided(one)]}


def mounts(one: Attempt) -> list[Document]:
    """Where a container finds things; everything but /tmp and /dev/shm is read-only."""
    places = [("tmp", "/tmp"), ("shm", "/dev/shm")]  # noqa: S108 - a path in the pod
    given = [("assignment", "/etc/ringfence/assignment"), ("job", "/etc/ringfence/job")]
    if one.budget is not None:
        given.append(("key", "/etc/ringfence/key"))
    if one.settings.extra_claim is not None:
        given.append(("extra", one.settings.extra_claim[1]))
    return [
        *({"name": name, "mountPath": path} for name, path in places),
        *({"name": name, "mountPath": path, "readOnly": True} for name, path in given),
    ]


def volumes(one: Attempt, assignment: Document) -> list[Document]:
    """What `mounts` names; `assignment` is the source of assignment.json."""
    found: list[Document] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        {"name": "assignment", **assignment},
        {"name": "job", "secret": _files(one.secret, "keys")},
    ]
    if one.budget is not None:
        found.append({"name": "key", "projected": _keys(one.budget.spec.key_secret_ref.name)})
    if one.settings.extra_claim is not None:
        claim = {"claimName": one.settings.extra_claim[0], "readOnly": True}
        found.append({"name": "extra", "persistentVolumeClaim": claim})
    return found


def from_secret(one: Attempt) -> Document:
    """assignment.json from the attempt's own Secret."""
    return {"secret": _files(one.secret, "assignment.json")}


def from_anchor(one: Attempt) -> Document:
    """assignment.json from the anchor."""
    return {"configMap": {"name": one.name, "items": [{"key": "assignment.json", "path": "assignment.json"}]}}


def _keys(name: str) -> Document:
    """The owner's key, and during a rotation the next one; no other entry of the Secret enters the pod."""
    now = {"name": name, "items": [{"key": "kek", "path": "kek"}]}
    following = {"name": name, "items": [{"key": "kek-next", "path": "kek-next"}], "optional": True}
    return {"sources": [{"secret": now}, {"secret": following}], "defaultMode": _READABLE}


def _files(name: str, key: str) -> Document:
    return {"secretName": name, "items": [{"key": key, "path": key}], "defaultMode": _READABLE}


def _environment(one: Attempt) -> list[Document]:
    endpoint = one.settings.endpoint
    fixed = {
        "HOME": "/tmp",  # noqa: S108 - a path in the pod
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": one.settings.region,
        **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),
        **({"AWS_ALLOW_HTTP": "true"} if endpoint.startswith("http://") else {}),
    }
    own = {"POD_UID": "metadata.uid", "POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    found: list[Document] = [{"name": name, "value": value} for name, value in fixed.items()]
    found += [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in own.items()]
    if one.settings.credentials == "Managed":
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        found += [from_key(name, one.secret, name) for name in names]
    return found


def from_key(name: str, secret: str, key: str) -> Document:
    """An environment variable from one key of a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _provided(one: Attempt) -> Document:
    """The credentials that the namespace's owner made: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    ref = one.budget.spec.store_secret_ref if one.budget else None
    return {"secretRef": {"name": ref.name if ref else "ringfence-store"}}
