"""More than 200 malformed and hostile manifests on a real API server: each is refused by the schema or by a condition.

Nothing is made for them, nothing reserved, no turn of the loop fails, and an honest job after them goes its way.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from typing import Any

import pytest
from cluster import hostile
from cluster.place import KINDS, NAMESPACE, WAIT, Place
from support.operated import condition, consent, missing_for_operator, wait
from support.played import children

from ringfence_operator import reasons
from ringfence_operator.names import child

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(
        bool(missing_for_operator()), reason=f"needs {', '.join(missing_for_operator())} (make cluster-up builds them)"
    ),
]


def path(document: dict[str, Any]) -> str:
    plural = {"FederatedJob": "federatedjobs", "PrivacyBudget": "privacybudgets"}[document["kind"]]
    return f"/apis/ringfence.dev/v1alpha1/namespaces/{document['metadata']['namespace']}/{plural}"


def post(place: Place, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """As kubectl posts it: unknown fields are refused."""
    return place.plane.request("POST", f"{path(document)}?fieldValidation=Strict", document)


def reserved(place: Place) -> set[str]:
    """Uids of all jobs that ever reserved; and no ledger is another's than its owner's budget's."""
    views = [place.hospitals.view(silo) for silo in place.hospitals.silos]
    owners = [view.owner_identity for view in views]
    assert [str(one).partition("/")[2] for one in owners] == [f"{silo}/patients" for silo in place.hospitals.silos]
    return {uid for view in views for uid, _ in view.reservations}


def settled(place: Place, admitted: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The refusals of all admitted jobs, by uid, once each has one."""
    found, others = {}, {}
    for job in place.plane.get("federatedjobs", ""):
        if (uid := job["metadata"]["uid"]) in admitted:
            refusals = [(condition(job, kind), status) for kind, status in (("Failed", "True"), ("Accepted", "False"))]
            held = next((one for one, status in refusals if one.get("status") == status), None)
            if held is not None:
                found[uid] = held
            else:
                others[admitted[uid]] = (job.get("status") or {}).get("conditions")
    assert not others, others
    return found


def faulty_turns(place: Place) -> float:
    """Turns of the loop that ended in an exception."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.operator.settings.metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if "reconciles_total" in line and 'result="error"' in line
    )


def test_two_hundred_hostile_manifests_wedge_nothing_and_reach_nothing(place: Place) -> None:
    silo, other = place.hospitals.silos
    place.apply("before")
    place.until("before", "BudgetReserved")
    honest = place.hospitals.job_document()
    for name in ("thief", "strangers"):
        place.plane.kubectl("create", "namespace", name)
    stolen = place.hospitals.budget_document(silo)
    stolen["metadata"] = {"name": "stolen", "namespace": "thief"}
    place.plane.apply([*consent(stolen, NAMESPACE), stolen])
    answers, admitted = Counter[int](), {}
    for name, document in hostile.jobs(honest, silo, other):
        status, made = post(place, document)
        answers[status] += 1
        if status == 201:
            admitted[made["metadata"]["uid"]] = name
    assert sum(answers.values()) >= 200, answers
    assert set(answers) <= {201, 400, 413, 422}, answers
    refusals = wait("every hostile job is refused", lambda: settled(place, admitted), 2 * WAIT)
    assert set(refusals) == set(admitted)
    for uid, refusal in refusals.items():
        assert refusal["reason"] in reasons.ALL, admitted[uid]
        assert refusal["message"], admitted[uid]
        assert not children(place.plane, KINDS, uid), admitted[uid]
    assert not reserved(place) & set(admitted)
    place.apply("after")
    place.until("after", "BudgetReserved")
    assert faulty_turns(place) == 0
    reasons_ = Counter(one["reason"] for one in refusals.values())
    print(f"answers {dict(answers)}; reasons {dict(reasons_)}")


def test_hostile_budgets_never_become_ready(place: Place) -> None:
    silo, _ = place.hospitals.silos
    ready = {}
    for name, document in hostile.budgets(place.hospitals.budget_document(silo)):
        status, made = post(place, document)
        assert status in (201, 400, 422), (name, status)
        assert status != 201 or "(schema)" not in name, f"{name} was let through"
        if status == 201:
            ready[made["metadata"]["name"]] = name

    def told() -> list[dict[str, Any]] | None:
        found = [one for one in place.plane.get("privacybudgets", silo) if one["metadata"]["name"] in ready]
        return found if all(condition(one, "Ready") for one in found) else None

    for one in wait("every budget has a condition", told, WAIT):
        held = condition(one, "Ready")
        assert held["status"] == "False", (ready[one["metadata"]["name"]], held)
        assert held["reason"] in reasons.ALL
    assert condition(place.plane.get("pb", silo, "patients"), "Ready")["status"] == "True"
    assert faulty_turns(place) == 0


@pytest.mark.parametrize("kind", ["ConfigMap", "ServiceAccount", "NetworkPolicy", "RayCluster", "Job", "Role"])
def test_a_foreign_object_of_the_same_name_is_not_touched(place: Place, kind: str) -> None:
    """Whoever guesses a name, which is a hash over the job's uid, stops the job and loses nothing."""
    silo = place.hospitals.silos[0]
    document = place.hospitals.job_document(suspend=True)
    document["metadata"]["name"] = "collision"
    place.plane.apply([document])
    uid = place.job("collision")["metadata"]["uid"]
    at_coordinator = kind in ("Job", "Role")
    name = child(uid, "" if at_coordinator else silo, 1, coordinator=at_coordinator)
    namespace = "research" if at_coordinator else silo
    foreign = {**FOREIGN[kind], "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    place.plane.apply([foreign])
    before = place.plane.get(foreign["kind"].lower(), namespace, name)
    go = json.dumps({"spec": {"suspend": False}})
    place.plane.kubectl("patch", "fj", "collision", "-n", "research", "--type=merge", "-p", go)
    if at_coordinator:
        place.silo_pods(uid)
    place.until("collision", "Failed", reason=reasons.NAME_COLLISION)
    wait("its own are gone", lambda: place.nothing_left(uid), WAIT)
    after = place.plane.get(foreign["kind"].lower(), namespace, name)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    place.plane.kubectl("delete", "fj", "collision", "-n", "research", "--timeout=60s")


_CONTAINERS = {"spec": {"containers": [{"name": "a", "image": "b"}], "restartPolicy": "Never"}}
FOREIGN: dict[str, dict[str, Any]] = {
    "ConfigMap": {"apiVersion": "v1", "data": {"mine": "1"}},
    "ServiceAccount": {"apiVersion": "v1"},
    "NetworkPolicy": {"apiVersion": "networking.k8s.io/v1", "spec": {"podSelector": {}}},
    "RayCluster": {
        "apiVersion": "ray.io/v1",
        "spec": {"headGroupSpec": {"rayStartParams": {}, "template": _CONTAINERS}},
    },
    "Job": {"apiVersion": "batch/v1", "spec": {"template": _CONTAINERS}},
    "Role": {"apiVersion": "rbac.authorization.k8s.io/v1", "rules": []},
}
