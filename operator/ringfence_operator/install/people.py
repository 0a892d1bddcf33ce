"""What people may do, as ClusterRoles to bind in their namespaces. Only reads aggregate into `view`.

An owner of data does not hold the rights of an engineer, nor the other way round: raising a budget and submitting a job
are different people's acts.
"""

from __future__ import annotations

from ringfence_operator.install.roles import rule

_WRITE = ["get", "list", "watch", "create", "update", "patch", "delete"]
_READ = ["get", "list", "watch"]
_GROUP = "ringfence.dev"

OWNER = [
    rule(_GROUP, ["privacybudgets"], _WRITE),
    rule(_GROUP, ["privacybudgets/status"], ["get"]),
    rule(_GROUP, ["privacybudgets"], ["use"]),
    rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], _WRITE),
    rule("rbac.authorization.k8s.io", ["clusterroles"], ["bind"], ["ringfence-silo"]),
    rule("", ["secrets"], ["create", "update", "patch", "delete"]),
    rule("", ["events", "pods"], _READ),
]
"""Budgets and their keys; `use` and `bind` so that they can consent: nobody can grant what they do not hold."""

ENGINEER = [
    rule(_GROUP, ["federatedjobs"], _WRITE),
    rule(_GROUP, ["federatedjobs/status"], ["get"]),
    rule("", ["events", "pods", "configmaps"], _READ),
    rule("", ["pods/log"], ["get"]),
]
"""Jobs, and what explains them."""
