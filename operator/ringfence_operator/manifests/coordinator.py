"""The coordinator: a plain batch Job without Ray that may read and patch one ConfigMap, its own."""

from __future__ import annotations

from ringfence.spec.assignment import CoordinatorAssignment, ManifestPin, MemberKeys, ObjectRef
from ringfence_operator.manifests import pods
from ringfence_operator.manifests.attempt import Attempt, Document

_REFUSED = 2
_LEAST = {"cpu": "100m", "memory": "256Mi"}
"""Requested, so that a busy node does not starve the one pod that all silos wait for."""


def assignment(one: Attempt) -> CoordinatorAssignment:
    """What the coordinator is told."""
    silos = one.accepted.silos
    keys = {name: one.accepted.keys[name] for name in silos}
    return CoordinatorAssignment(
        uid=one.job.uid,
        job=one.resource,
        budgets=tuple(one.budgets[name] for name in sorted(one.budgets)),
        manifests={name: ManifestPin(version=pin.version, digest=pin.digest) for name, pin in silos.items()},
        members={
            name: MemberKeys(sign=keys[name].sign, seal=keys[name].seal, records=pin.records)
            for name, pin in silos.items()
        },
        before={one.name: one.before for one in one.job.status.silos if one.before is not None},
        image=one.image,
        progress=ObjectRef(namespace=one.namespace, name=one.name),
    )


def rights(one: Attempt, anchor: str) -> list[Document]:
    """Role and binding: this ConfigMap, by name, and nothing else."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [one.name], "verbs": ["get", "patch"]}
    group = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": one.name, "namespace": one.namespace}
    reference = {"apiGroup": group, "kind": "Role", "name": one.name}
    return [
        one.document(f"{group}/v1", "Role", anchor, rules=[rule]),
        one.document(f"{group}/v1", "RoleBinding", anchor, roleRef=reference, subjects=[account]),
    ]


def task(one: Attempt, anchor: str) -> Document:
    """The Job. Two of its pods never overlap by design, and are safe by the commit if they do. A disrupted pod uses up
    no try; an input at fault (exit code 2) ends it at once."""
    container = pods.container(
        one,
        "coordinator",
        [pods.METRICS_ENV],
        command=["python", "-m", "ringfence.federation.pods.coordinator"],
        terminationMessagePolicy="File",
        ports=[pods.METRICS_PORT],
        resources={"requests": _LEAST},
    )
    spec = pods.pod(one, [container], pods.volumes(one, pods.from_secret(one)), automountServiceAccountToken=True)
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"containerName": "coordinator", "operator": "In", "values": [_REFUSED]},
        },
    ]
    body = {
        "backoffLimit": one.resource.spec.backoff_limit,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": rules},
        "template": {"metadata": {"labels": one.pod_labels}, "spec": spec},
    }
    return one.document("batch/v1", "Job", anchor, spec=body)
