"""A silo's Ray cluster: one pod, the Ray head with our driver beside it; nothing connects into it.

Ray's object store never spills to disk: what is opened stays in memory. KubeRay makes the token's Secret, named as the
cluster, and gives it to the first container only.
"""

from __future__ import annotations

from ringfence.spec.assignment import Keys, ManifestPin, RememberedHead, SiloAssignment
from ringfence_operator.manifests import pods
from ringfence_operator.manifests.attempt import Attempt, Document

_QUEUE = "kueue.x-k8s.io/queue-name"
_LEAST = {"cpu": "250m", "memory": "512Mi"}
"""Requested where the job says nothing: without a share of its own a Ray head dies on a busy node."""
_RAY_PORTS = (("gcs", 6379), ("dashboard", 8265), ("client", 10001))


def assignment(one: Attempt) -> SiloAssignment:
    """What the driver is told: no secret, and nothing that it does not check against its own ledger."""
    pin, party = one.accepted.silos[one.silo], one.accepted.coordinator
    head = {pin.head[0]: RememberedHead(index=pin.head[1], hash=pin.head[2])} if pin.head else {}
    return SiloAssignment(
        uid=one.job.uid,
        silo=one.silo,
        job=one.resource,
        dataset=pin.dataset,
        signer=one.budget.spec.signer if one.budget else None,
        manifest=ManifestPin(version=pin.version, digest=pin.digest),
        code=one.accepted.code,
        coordinator=Keys(sign=party.sign, seal=party.seal),
        private=one.budget is not None,
        heads=head,
    )


def cluster(one: Attempt, anchor: str) -> Document:
    """The RayCluster of the attempt."""
    head = {
        "rayStartParams": {"dashboard-host": "0.0.0.0"},  # noqa: S104 - in the pod; the policy lets only its own cluster in
        "template": {"metadata": {"labels": one.pod_labels}, "spec": _pod(one)},
    }
    spec: Document = {
        "rayVersion": one.settings.ray,
        "enableInTreeAutoscaling": False,
        "authOptions": {"mode": "token"},
        "headGroupSpec": head,
    }
    found = one.document("ray.io/v1", "RayCluster", anchor, spec=spec)
    queue = one.budget.spec.runtime.queue_name if one.budget else None
    if queue:
        found["metadata"]["labels"] = {**one.labels, _QUEUE: queue}
    return found


def _pod(one: Attempt) -> Document:
    runtime = one.budget.spec.runtime if one.budget else None
    fields: Document = {"shareProcessNamespace": True}
    if runtime and runtime.node_selector:
        fields["nodeSelector"] = dict(runtime.node_selector)
    if runtime and runtime.tolerations:
        fields["tolerations"] = [one.to_document() for one in runtime.tolerations]
    return pods.pod(one, [_head(one), _driver(one)], pods.volumes(one, pods.from_anchor(one)), **fields)


def _head(one: Attempt) -> Document:
    """Training runs in Ray's workers, so the job's resources are this container's. KubeRay writes its command."""
    asked = one.resource.spec.resources
    env = [{"name": "RAY_automatic_object_spilling_enabled", "value": "false"}]
    ports = [{"name": name, "containerPort": port} for name, port in _RAY_PORTS]
    limits = dict(asked.limits) if asked else {}
    resources: Document = {"requests": {**_LEAST, **limits}, **({"limits": limits} if limits else {})}
    return pods.container(one, "ray-head", env, ports=ports, resources=resources)


def _driver(one: Attempt) -> Document:
    env = [
        {"name": "RAY_AUTH_MODE", "value": "token"},
        pods.from_key("RAY_AUTH_TOKEN", one.name, "auth_token"),
        {"name": "RAY_ADDRESS", "value": "127.0.0.1:6379"},
        pods.METRICS_ENV,
    ]
    command = ["python", "-m", "ringfence.federation.pods.driver"]
    ready = {"exec": {"command": ["test", "-e", "/tmp/ringfence-ready"]}, "periodSeconds": 2}  # noqa: S108
    fields: Document = {"readinessProbe": ready, "terminationMessagePolicy": "File", "ports": [pods.METRICS_PORT]}
    return pods.container(one, "driver", env, command=command, **fields)
