"""What an owner applies beside a PrivacyBudget: who may use it, and that the operator may act in the namespace.

A custom resource does not record who made it, so consent is a right in the owner's own namespace: the service accounts
of each consumer may `use` this budget, by name. Taking a binding away takes the consent back.
"""

from __future__ import annotations

from typing import Any

import yaml

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.resource import GROUP

OPERATOR = ("ringfence-system", "ringfence-operator")
"""Namespace and service account of the operator as it is installed by default."""
RBAC = "rbac.authorization.k8s.io"


def bindings(budget: PrivacyBudget, operator: tuple[str, str] = OPERATOR) -> list[dict[str, Any]]:
    """The Role and RoleBindings: `use` for the consumers, ClusterRole `ringfence-silo` for the operator."""
    namespace, name = budget.metadata.namespace, f"use-{budget.metadata.name}"[:63].rstrip("-")
    rule = {
        "apiGroups": [GROUP],
        "resources": ["privacybudgets"],
        "resourceNames": [budget.metadata.name],
        "verbs": ["use"],
    }
    users = [
        {"apiGroup": RBAC, "kind": "Group", "name": f"system:serviceaccounts:{consumer.namespace}"}
        for consumer in budget.spec.consumers
    ]
    account = {"kind": "ServiceAccount", "namespace": operator[0], "name": operator[1]}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name, "namespace": namespace}}
    return [
        {**role, "rules": [rule]},
        _binding(name, namespace, ("Role", name), users),
        _binding(operator[1], namespace, ("ClusterRole", "ringfence-silo"), [account]),
    ]


def dump_bindings(budget: PrivacyBudget, operator: tuple[str, str] = OPERATOR) -> str:
    """`bindings` as YAML that follows the budget's in one file."""
    documents = [yaml.safe_dump(one, sort_keys=False, width=120) for one in bindings(budget, operator)]
    return "".join(f"---\n{one}" for one in documents)


def _binding(name: str, namespace: str, refers: tuple[str, str], subjects: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": refers[0], "name": refers[1]},
        "subjects": subjects,
    }
