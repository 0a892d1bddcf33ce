"""Who may do what: each account's own token tries every act on a real API server, with the chart's roles bound as the
documentation says. Writes are dry runs; only a 403 is a no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cluster.place import NAMESPACE, WAIT
from support.control_plane import ControlPlane
from support.operated import missing_for_operator, wait

from ringfence.spec.consent import RBAC, bindings
from ringfence.spec.load import parse_document
from ringfence_operator.controller.identity import NAME

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(
        bool(missing_for_operator()), reason=f"needs {', '.join(missing_for_operator())} (make cluster-up builds them)"
    ),
]

OURS, CORE = "/apis/ringfence.dev/v1alpha1/namespaces", "/api/v1/namespaces"
RAY, BATCH, ROLES = "/apis/ray.io/v1/namespaces", "/apis/batch/v1/namespaces", f"/apis/{RBAC}/v1/namespaces"
NOBODY: set[str] = set()


def bound(role: str) -> dict[str, Any]:
    """A RoleBinding of ClusterRole `role` to the operator: allowed to whoever may `bind` it or holds all it gives."""
    subject = {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": NAME}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    metadata = {"name": "tried"}
    return {"kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}


MATRIX: dict[str, tuple[str, str, dict[str, Any] | None, set[str]]] = {
    "read jobs": ("GET", f"{OURS}/research/federatedjobs", None, {"engineer", "viewer", "operator"}),
    "make a job": ("POST", f"{OURS}/research/federatedjobs", {}, {"engineer"}),
    "end a job": ("DELETE", f"{OURS}/research/federatedjobs/none", None, {"engineer", "operator"}),
    "write a job's status": ("PUT", f"{OURS}/research/federatedjobs/none/status", {}, {"operator"}),
    "make a job in a silo": ("POST", f"{OURS}/mercy/federatedjobs", {}, NOBODY),
    "read budgets": ("GET", f"{OURS}/mercy/privacybudgets", None, {"owner", "viewer", "operator"}),
    "make a budget": ("POST", f"{OURS}/mercy/privacybudgets", {}, {"owner"}),
    "change a budget": ("PATCH", f"{OURS}/mercy/privacybudgets/none", {}, {"owner"}),
    "delete a budget": ("DELETE", f"{OURS}/mercy/privacybudgets/none", None, {"owner"}),
    "write a budget's status": ("PUT", f"{OURS}/mercy/privacybudgets/none/status", {}, {"operator"}),
    "read another owner's budgets": ("GET", f"{OURS}/stjude/privacybudgets", None, {"operator"}),
    "change another owner's budget": ("PATCH", f"{OURS}/stjude/privacybudgets/none", {}, NOBODY),
    "list a silo's Secrets": ("GET", f"{CORE}/mercy/secrets", None, NOBODY),
    "read a silo's key": ("GET", f"{CORE}/mercy/secrets/shard-key", None, NOBODY),
    "make a silo's Secret": ("POST", f"{CORE}/mercy/secrets", {}, {"owner", "operator"}),
    "list every Secret": ("GET", "/api/v1/secrets", None, NOBODY),
    "read a job's Secret": ("GET", f"{CORE}/research/secrets/any", None, NOBODY),
    "read the operator's key": ("GET", f"{CORE}/{NAMESPACE}/secrets/{NAME}", None, {"operator"}),
    "read the operator's store credentials": ("GET", f"{CORE}/{NAMESPACE}/secrets/{NAME}-store", None, NOBODY),
    "write remembered heads": ("PATCH", f"{CORE}/{NAMESPACE}/configmaps/ringfence-heads", {}, {"operator"}),
    "take the Lease": ("POST", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases", {}, {"operator"}),
    "let the operator into a silo": ("POST", f"{ROLES}/mercy/rolebindings", bound("ringfence-silo"), {"owner"}),
    "give a silo away whole": ("POST", f"{ROLES}/mercy/rolebindings", bound("cluster-admin"), NOBODY),
    "let the operator run coordinators": (
        "POST",
        f"{ROLES}/research/rolebindings",
        bound("ringfence-job"),
        {"operator"},
    ),
    "run a Ray cluster in a silo": ("POST", f"{RAY}/mercy/rayclusters", {}, {"operator"}),
    "run a Ray cluster where no owner let us in": ("POST", f"{RAY}/stjude/rayclusters", {}, NOBODY),
    "make an anchor where no owner let us in": ("POST", f"{CORE}/stjude/configmaps", {}, NOBODY),
    "run a batch Job in a silo": ("POST", f"{BATCH}/mercy/jobs", {}, NOBODY),
    "run a coordinator": ("POST", f"{BATCH}/research/jobs", {}, {"operator"}),
    "make a pod in a silo": ("POST", f"{CORE}/mercy/pods", {}, NOBODY),
    "enter a silo's pod": ("POST", f"{CORE}/mercy/pods/any/exec", {}, NOBODY),
    "see a silo's pods": ("GET", f"{CORE}/mercy/pods", None, {"owner", "viewer", "operator"}),
    "see a job's pods": ("GET", f"{CORE}/research/pods", None, {"engineer", "viewer", "operator"}),
    "read a coordinator's log": ("GET", f"{CORE}/research/pods/any/log", None, {"engineer", "viewer"}),
    "watch jobs everywhere": ("GET", "/apis/ringfence.dev/v1alpha1/federatedjobs", None, {"operator"}),
    "change the CRDs": ("PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/none", {}, NOBODY),
    "delete a namespace": ("DELETE", "/api/v1/namespaces/mercy", None, NOBODY),
}
"""Act -> method, path, body, and who may."""

ACCOUNTS = {
    "owner": ("mercy", [("mercy", "ringfence-owner")]),
    "engineer": ("research", [("research", "ringfence-engineer")]),
    "viewer": ("people", [("mercy", "view"), ("research", "view")]),
    "silo": ("mercy", []),
}
"""Service account -> its namespace, and ClusterRoles bound to it where."""


@pytest.fixture(scope="module")
def ask(plane: ControlPlane) -> Callable[[str, str, str, dict[str, Any] | None], int]:
    """The status of an account's request."""
    spec = {
        "dataset": "s3://mercy/rows",
        "signer": "ed25519:" + "A" * 43,
        "keySecretRef": {"name": "shard-key"},
        "unit": "Record",
        "epsilon": "8",
        "delta": "1e-5",
        "consumers": [{"namespace": "research"}],
    }
    metadata = {"name": "patients", "namespace": "mercy"}
    budget = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "PrivacyBudget", "metadata": metadata, "spec": spec}
    for name in ("mercy", "stjude", "people"):
        plane.kubectl("create", "namespace", name)
    plane.apply(bindings(parse_document(budget, "budget"), (NAMESPACE, NAME)))
    tokens = {"operator": plane.token(NAMESPACE, NAME)}
    for account, (home, roles) in ACCOUNTS.items():
        plane.kubectl("create", "serviceaccount", account, "-n", home)
        for where, role in roles:
            given = (f"--clusterrole={role}", f"--serviceaccount={home}:{account}", "-n", where)
            plane.kubectl("create", "rolebinding", f"{account}-{role}", *given)
        tokens[account] = plane.token(home, account)

    def asked(account: str, method: str, path: str, body: dict[str, Any] | None) -> int:
        query = "" if method == "GET" else "?dryRun=All"
        return plane.request(method, f"{path}{query}", body, tokens[account])[0]

    wait("the chart's reads are in view", lambda: asked("viewer", *MATRIX["read jobs"][:3]) == 200, WAIT)
    return asked


@pytest.mark.parametrize("account", ["owner", "engineer", "viewer", "operator", "silo"])
def test_an_account_may_do_what_its_role_says_and_nothing_else(ask, account: str) -> None:
    answers = {act: ask(account, method, path, body) for act, (method, path, body, _) in MATRIX.items()}
    assert 401 not in answers.values()
    may = {act for act, status in answers.items() if status != 403}
    assert may == {act for act, (*_, who) in MATRIX.items() if account in who}


def test_a_silos_account_may_read_nothing_at_all(ask) -> None:
    """Not even its own anchor, though it knows the name."""
    for path in (f"{CORE}/mercy/configmaps/rf-any", f"{CORE}/mercy/serviceaccounts/silo", f"{RAY}/mercy/rayclusters"):
        assert ask("silo", "GET", path, None) == 403
