"""The operator as its own service account on a real API server, over real ledgers; the pods are played.

What needs kubelets, KubeRay and MinIO is tested end to end elsewhere in this folder.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from cluster.place import NAMESPACE, Place
from support.operated import Operator, condition, consent, missing_for_operator, wait
from support.played import children, containers, ended, pod, say, train

from ringfence.privacy import statement
from ringfence_operator import reasons

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(
        bool(missing_for_operator()), reason=f"needs {', '.join(missing_for_operator())} (make cluster-up builds them)"
    ),
]


def test_a_job_from_apply_to_an_endorsed_statement_and_nothing_left(place: Place) -> None:
    uid = place.apply("whole")["metadata"]["uid"]
    place.until("whole", "BudgetReserved")
    pods = place.pods(uid)
    assert set(pods) == {*place.hospitals.silos, "coordinator"}
    job = place.until("whole", "Progressing")
    assert job["status"]["silosReady"] == "2/2"
    (anchor,) = [one for one in children(place.plane, "configmaps", uid) if one["metadata"]["namespace"] == "research"]
    progress = {
        "round": 2,
        "rounds": 3,
        "etaSeconds": 60,
        "heartbeat": "2026-01-01T00:00:00+00:00",
        "metrics": {"auc": "0.7"},
    }
    patch = json.dumps({"data": {"progress": json.dumps(progress)}})
    place.plane.kubectl("patch", "cm", anchor["metadata"]["name"], "-n", "research", "--type=merge", "-p", patch)
    job = wait("progress", lambda: (found := place.job("whole"))["status"].get("round") == 2 and found)
    assert job["status"]["metrics"] == {"auc": "0.700000"}
    assert 0 < float(job["status"]["epsilon"]) < 2
    place.finish("whole", uid)
    place.plane.kubectl("wait", "fj/whole", "-n", "research", "--for=condition=Complete", "--timeout=40s")
    wait("clean", lambda: place.nothing_left(uid))
    job = wait("released", lambda: not (found := place.job("whole"))["metadata"].get("finalizers") and found)
    data = place.hospitals.stores.open(f"s3://research/models/readmission/{uid}").get("statement.json")
    known = statement.Signers(place.operator.house.keys(uid, "").public.sign, place.operator.house.public)
    statement.read(data, "statement", known=known)
    assert all(held["observedGeneration"] == 1 for held in job["status"]["conditions"])
    story = place.plane.kubectl("describe", "fj", "whole", "-n", "research")
    assert "the whole plan is reserved in every ledger" in story
    assert "Trained" in story


def test_a_statement_that_says_another_cost_than_the_ledgers_is_not_endorsed(place: Place) -> None:
    uid = place.apply("liar")["metadata"]["uid"]
    place.until("liar", "BudgetReserved")
    place.pods(uid)
    place.until("liar", "Progressing")
    place.finish("liar", uid, lie=2)
    job = place.until("liar", "Failed", reason=reasons.NOT_ENDORSED)
    assert "the cost is not what the ledger was charged" in condition(job, "Failed")["message"]
    wait("clean", lambda: place.nothing_left(uid))


def test_a_budget_mirrors_its_ledger_within_three_seconds(place: Place) -> None:
    uid = place.apply("mirror")["metadata"]["uid"]
    silo = place.hospitals.silos[0]

    def shown(field: str) -> float:
        return float(place.plane.get("pb", silo, "patients")["status"].get(field, 0))

    place.until("mirror", "BudgetReserved")
    wait("reserved", lambda: shown("reserved") > 0, 3)
    train(place.hospitals, place.operator.house, place.job("mirror"), 1)
    wait("spent", lambda: shown("spent") > 0, 3)
    found = place.plane.get("pb", silo, "patients")["status"]
    assert found["jobs"][0] | {"uid": uid, "charged": 1, "rounds": 3, "open": True} == found["jobs"][0]
    assert found["conditions"][0]["reason"] == reasons.LEDGER_OPEN
    heads = place.plane.get("cm", NAMESPACE, "ringfence-heads")
    dataset = place.hospitals.manifest(silo).dataset
    assert json.loads(heads["data"][f"{dataset}.head"])["index"] == place.hospitals.view(silo).head.index
    assert "ownerReferences" not in heads["metadata"]


@pytest.mark.parametrize("place", [{"epsilon": "2.7"}], indirect=True, ids=["room-for-one"])
def test_jobs_wait_their_turn_until_there_is_no_room_for_good(place: Place) -> None:
    uids = [place.apply(f"turn-{number}")["metadata"]["uid"] for number in range(4)]
    place.until("turn-0", "BudgetReserved")
    waiting = place.until("turn-1", "BudgetReserved", "False", reasons.WAITING_FOR_BUDGET)
    assert "room" in condition(waiting, "BudgetReserved")["message"]
    place.until("turn-2", "BudgetReserved", "False", reasons.WAITING_FOR_BUDGET)
    place.pods(uids[0])
    place.until("turn-0", "Progressing")
    place.finish("turn-0", uids[0])
    place.until("turn-0", "Complete")
    last = {f"turn-{number}": place.until(f"turn-{number}", "Failed", seconds=120) for number in (1, 2, 3)}
    for job in last.values():
        assert condition(job, "Failed")["reason"] == reasons.BUDGET_EXHAUSTED
    for uid in uids:
        wait("clean", lambda uid=uid: place.nothing_left(uid))


def test_consent_is_asked_of_the_owner_and_its_revocation_stops_the_job_alone(place: Place) -> None:
    silo = place.hospitals.silos[1]
    place.plane.kubectl("delete", "rolebinding", "use-patients", "-n", silo)
    uid = place.apply("consent")["metadata"]["uid"]
    job = place.until("consent", "Accepted", "False", reasons.CONSENT_MISSING)
    assert "system:serviceaccount:research:default may not use" in condition(job, "Accepted")["message"]
    assert not children(place.plane, "rayclusters", uid)
    place.plane.apply(consent(place.hospitals.budget_document(silo), NAMESPACE))
    place.until("consent", "BudgetReserved")
    place.pods(uid)
    place.until("consent", "Progressing")
    place.plane.kubectl("delete", "rolebinding", "use-patients", "-n", silo)
    place.until("consent", "Failed", reason=reasons.CONSENT_MISSING)
    wait("clean", lambda: place.nothing_left(uid))


def test_a_deleted_budget_stops_its_jobs_and_made_again_keeps_what_was_spent(place: Place) -> None:
    silo = place.hospitals.silos[0]
    uid = place.apply("orphan")["metadata"]["uid"]
    place.until("orphan", "BudgetReserved")
    place.pods(uid)
    train(place.hospitals, place.operator.house, place.job("orphan"), 1)
    place.plane.kubectl("delete", "pb", "patients", "-n", silo)
    place.until("orphan", "Failed", reason=reasons.CONSENT_MISSING)
    wait("clean", lambda: place.nothing_left(uid))
    place.plane.apply([place.hospitals.budget_document(silo)])

    def spent() -> float:
        return float((place.plane.get("pb", silo, "patients").get("status") or {}).get("spent", 0))

    assert wait("what was spent", spent) > 0


def test_a_deleted_job_loses_no_charge_and_leaves_nothing(place: Place) -> None:
    uid = place.apply("deleted")["metadata"]["uid"]
    place.until("deleted", "BudgetReserved")
    place.pods(uid)
    train(place.hospitals, place.operator.house, place.job("deleted"), 2)
    place.plane.kubectl("delete", "fj", "deleted", "-n", "research", "--timeout=60s")
    assert place.nothing_left(uid)
    for silo in place.hospitals.silos:
        assert len(place.hospitals.view(silo).charged[(uid, silo)]) == 2


def test_a_suspended_job_gives_everything_back_and_goes_on_under_new_names(place: Place) -> None:
    uid = place.apply("pause")["metadata"]["uid"]
    place.until("pause", "BudgetReserved")
    place.pods(uid)
    place.until("pause", "Progressing")
    before = {one["metadata"]["name"] for one in children(place.plane, "rayclusters", uid)}
    train(place.hospitals, place.operator.house, place.job("pause"), 1)
    place.plane.kubectl("patch", "fj", "pause", "-n", "research", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    place.until("pause", "Suspended")
    assert place.nothing_left(uid)
    place.plane.kubectl("patch", "fj", "pause", "-n", "research", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    place.until("pause", "BudgetReserved")
    place.pods(uid)
    job = place.until("pause", "Progressing")
    after = {one["metadata"]["name"] for one in children(place.plane, "rayclusters", uid)}
    assert len(after) == 2
    assert not before & after
    assert [one["failures"] for one in job["status"]["silos"]] == [0, 0]
    for silo in place.hospitals.silos:
        assert place.hospitals.view(silo).reservations[(uid, silo)].reserve.rounds == 2


def test_a_failed_driver_uses_up_an_attempt_and_an_evicted_one_does_not(place: Place) -> None:
    silo = place.hospitals.silos[0]
    uid = place.apply("attempts", backoffLimit=1, quorum=1)["metadata"]["uid"]
    place.until("attempts", "BudgetReserved")
    pods = place.pods(uid)
    place.until("attempts", "Progressing")

    def seen() -> dict[str, Any]:
        return next(one for one in place.job("attempts")["status"]["silos"] if one["name"] == silo)

    evicted = pods[silo]
    say(place.plane, evicted, {**containers(evicted), "phase": "Failed", "reason": "Evicted"})
    wait("training has stopped", lambda: seen()["state"] == "Starting" or seen()["state"] == "Training")
    assert seen()["failures"] == 0
    say(place.plane, evicted, {**containers(evicted, driver=ended(evicted, 1, error="WorkloadFailed")), "reason": None})
    wait("a second attempt", lambda: seen()["attempt"] == 2)
    assert seen()["failures"] == 1

    def second() -> dict[str, Any] | None:
        found = [
            one
            for one in children(place.plane, "rayclusters", uid)
            if one["metadata"]["labels"]["ringfence.dev/attempt"] == "2"
        ]
        return found[0] if found else None

    again = pod(place.plane, wait("the second cluster", second))
    foreign = {"podUid": evicted["metadata"]["uid"], "error": "", "published": 3}
    message = {"terminated": {"exitCode": 0, "reason": "Completed", "message": json.dumps(foreign)}}
    say(place.plane, again, containers(again, driver=message))
    job = wait("lost", lambda: seen()["state"] == "Lost" and place.job("attempts"))
    assert condition(job, "Failed") == {}
    (anchor,) = [one for one in children(place.plane, "configmaps", uid) if one["metadata"]["namespace"] == "research"]
    assert json.loads(anchor["data"]["lost"]) == {silo: "WorkloadFailed"}


def test_what_keeps_a_pod_from_running_is_told_in_its_own_words(place: Place) -> None:
    uid = place.apply("words")["metadata"]["uid"]
    place.until("words", "BudgetReserved")
    pods = place.pods(uid)
    one = pods[place.hospitals.silos[0]]
    words = 'Back-off pulling image "workload:1"'
    say(place.plane, one, containers(one, driver={"waiting": {"reason": "ImagePullBackOff", "message": words}}))
    job = place.until("words", "ClustersReady", "False", reasons.IMAGE)
    assert words in condition(job, "ClustersReady")["message"]


def test_the_other_replica_goes_on_where_the_first_stopped(place: Place) -> None:
    uid = place.apply("failover")["metadata"]["uid"]
    place.until("failover", "BudgetReserved")
    place.pods(uid)
    place.until("failover", "Progressing")
    names = {one["metadata"]["name"] for one in children(place.plane, "rayclusters", uid)}
    second = Operator(place.plane, NAMESPACE, place.operator.store).start("two")
    place.operator.stop()
    place.finish("failover", uid)
    place.until("failover", "Complete", seconds=60)
    assert {one["metadata"]["name"] for one in children(place.plane, "rayclusters", uid)} <= names
    wait("clean", lambda: place.nothing_left(uid))
    place.operator = second
