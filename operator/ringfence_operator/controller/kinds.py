"""The kinds that we read or write, and where the API server has them."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence_operator.names import ANCHOR, GROUP, JOB_UID, MANAGED


@dataclass(frozen=True)
class Kind:
    """A kind by its API. `selector` is what we ask for of it: objects of ours only."""

    group: str
    version: str
    plural: str
    selector: str = ""

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Its URL path; without a namespace, of all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(["namespaces", namespace] if namespace else []), self.plural, name, sub]
        return "/".join(part for part in parts if part)


_OURS = f"{MANAGED}=ringfence,{JOB_UID}"
JOBS = Kind(GROUP, "v1alpha1", "federatedjobs")
BUDGETS = Kind(GROUP, "v1alpha1", "privacybudgets")
CONFIGS = Kind("", "v1", "configmaps", f"{_OURS},{ANCHOR}")
CLUSTERS = Kind("ray.io", "v1", "rayclusters", _OURS)
PODS = Kind("", "v1", "pods", _OURS)
TASKS = Kind("batch", "v1", "jobs", _OURS)
WATCHED = (JOBS, BUDGETS, CONFIGS, CLUSTERS, PODS, TASKS)

OF_KIND = {
    "FederatedJob": JOBS,
    "PrivacyBudget": BUDGETS,
    "ConfigMap": Kind("", "v1", "configmaps"),
    "RayCluster": CLUSTERS,
    "Job": TASKS,
    "Secret": Kind("", "v1", "secrets"),
    "ServiceAccount": Kind("", "v1", "serviceaccounts"),
    "NetworkPolicy": Kind("networking.k8s.io", "v1", "networkpolicies"),
    "Role": Kind("rbac.authorization.k8s.io", "v1", "roles"),
    "RoleBinding": Kind("rbac.authorization.k8s.io", "v1", "rolebindings"),
    "Lease": Kind("coordination.k8s.io", "v1", "leases"),
    "Event": Kind("", "v1", "events"),
    "Namespace": Kind("", "v1", "namespaces"),
    "LocalSubjectAccessReview": Kind("authorization.k8s.io", "v1", "localsubjectaccessreviews"),
}
