"""Who may do what: the least that the code needs, without wildcard verbs, and Secrets by name or to create only.

The operator's watches come from its own roles. What it does in an owner's or an engineer's namespace comes from a
binding that they made there to `ringfence-silo` or `ringfence-job`; taking it away breaks no watch.
"""

from __future__ import annotations

from typing import Any

from ringfence_operator.controller.identity import NAME

Document = dict[str, Any]
_API = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]


def rule(group: str, resources: list[str], verbs: list[str], names: list[str] | None = None) -> Document:
    """One rule of a role."""
    found: Document = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    return found | ({"resourceNames": names} if names else {})


WATCHES = [
    rule("ringfence.dev", ["federatedjobs", "privacybudgets"], _READ),
    rule("ringfence.dev", ["federatedjobs"], ["patch", "delete"]),
    rule("ringfence.dev", ["federatedjobs/status", "privacybudgets/status"], ["update"]),
    rule("ringfence.dev", ["federatedjobs/finalizers"], ["update"]),
    rule("ray.io", ["rayclusters"], _READ),
    rule("batch", ["jobs"], _READ),
    rule("", ["pods", "configmaps"], _READ),
    rule("", ["events"], ["create"]),
]
"""Everywhere, or in each watched namespace. ConfigMaps and pods are asked for by our labels only."""

CLUSTER = [
    rule("", ["namespaces"], ["get"], ["kube-system"]),
]
"""The cluster's uid, which tells its budgets from another cluster's."""

SCANNING = [
    rule("", ["namespaces"], ["list", "watch"]),
    rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["list", "watch"]),
]
"""Cluster-wide installs notice when KubeRay arrives, and new namespaces."""

_CHILDREN = [
    rule("", ["configmaps"], ["create", "get", "patch", "delete"]),
    rule("", ["serviceaccounts"], ["create", "get"]),
    rule("", ["secrets"], ["create"]),
    rule("networking.k8s.io", ["networkpolicies"], ["create", "get"]),
]
_CLUSTERS = [rule("ray.io", ["rayclusters"], ["create", "get", "delete"])]

SILO = [*_CHILDREN, *_CLUSTERS, rule("authorization.k8s.io", ["localsubjectaccessreviews"], ["create"])]
"""In a silo's namespace, when its owner binds it."""

JOB = [
    *_CHILDREN,
    *_CLUSTERS,
    rule("batch", ["jobs"], ["create", "get", "delete"]),
    rule(_API, ["roles", "rolebindings"], ["create", "get"]),
]
"""In a job's namespace, when the engineer's side binds it; public silos run there too."""

OWN = [
    *JOB,
    rule("", ["secrets"], ["get"], [NAME]),
    rule("coordination.k8s.io", ["leases"], ["create", "get", "update"]),
]
"""In the operator's own namespace."""

VIEW = [rule("ringfence.dev", ["federatedjobs", "privacybudgets"], _READ)]
