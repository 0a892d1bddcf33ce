"""The documents of an installation. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ringfence.spec import crds
from ringfence_operator.controller.identity import NAME
from ringfence_operator.install import roles

Document = dict[str, Any]
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
_PROBES = 8081
_METRICS = 8080


@dataclass(frozen=True)
class Installation:
    """`watched` is empty for all namespaces. `variables` are the RINGFENCE_* of the operator; `store` names the Secret
    with its own AWS_* credentials."""

    namespace: str
    image: str
    replicas: int = 2
    watched: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    store: str = "ringfence-operator-store"
    with_crds: bool = True


def documents(one: Installation) -> list[Document]:
    """Everything, in the order in which it can be applied."""
    account = (one.namespace, NAME)
    found: list[Document] = [crds.crd(kind) for kind in ("FederatedJob", "PrivacyBudget")] if one.with_crds else []
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one.namespace, "labels": labels}})
    metadata = {"name": NAME, "namespace": one.namespace}
    found.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    found += [
        roles.cluster_role("ringfence-silo", roles.SILO),
        roles.cluster_role("ringfence-job", roles.JOB),
        roles.cluster_role("ringfence-view", roles.VIEW, {"rbac.authorization.k8s.io/aggregate-to-view": "true"}),
        roles.role(NAME, one.namespace, roles.OWN),
        roles.binding(NAME, ("Role", NAME), account, one.namespace),
        *_watching(one, account),
        deployment(one),
        _disruption(one),
    ]
    return found


def _watching(one: Installation, account: tuple[str, str]) -> list[Document]:
    """Read roles at the scope of the installation."""
    if not one.watched:
        rules = [*roles.WATCHES, *roles.CLUSTER, *roles.SCANNING]
        wide = roles.cluster_role(NAME, rules)
        return [wide, roles.binding(NAME, ("ClusterRole", NAME), account)]
    cluster, watches = f"{NAME}-cluster", f"{NAME}-watch"
    return [
        roles.cluster_role(cluster, roles.CLUSTER),
        roles.binding(cluster, ("ClusterRole", cluster), account),
        roles.cluster_role(watches, roles.WATCHES),
        *(
            roles.binding(watches, ("ClusterRole", watches), account, namespace)
            for namespace in dict.fromkeys([*one.watched, one.namespace])
        ),
    ]


def deployment(one: Installation) -> Document:
    """The operator. Both replicas watch; one works."""
    labels = {"app.kubernetes.io/name": NAME}
    own = {"RINGFENCE_NAMESPACE": "metadata.namespace", "POD_NAME": "metadata.name"}
    variables = {**one.variables, **({"RINGFENCE_WATCH_NAMESPACES": ",".join(one.watched)} if one.watched else {})}
    container: Document = {
        "name": "operator",
        "image": one.image,
        "command": ["python", "-m", "ringfence_operator"],
        "env": [
            {"name": "HOME", "value": "/tmp"},  # noqa: S108 - a path in the pod
            *({"name": name, "value": value} for name, value in sorted(variables.items())),
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in own.items()),
        ],
        "envFrom": [{"secretRef": {"name": one.store, "optional": True}}],
        "ports": [{"name": "probes", "containerPort": _PROBES}, {"name": "metrics", "containerPort": _METRICS}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "probes"}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/livez", "port": "probes"}, "periodSeconds": 20, "timeoutSeconds": 10},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": _SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path in the pod
    }
    pod = {
        "serviceAccountName": NAME,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    spec = {
        "replicas": one.replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"name": NAME, "namespace": one.namespace, "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _disruption(one: Installation) -> Document:
    """A drained node takes one replica at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}}}
    metadata = {"name": NAME, "namespace": one.namespace}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
