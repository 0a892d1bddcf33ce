"""What is decided about one job, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.operator_jobs import (
    NOW,
    RUNS,
    SETTINGS,
    UID,
    anchor,
    budget,
    cluster,
    everything,
    findings,
    job,
    pod,
    report,
    seen,
    task,
)

from ringfence.spec.status import FederatedJobStatus
from ringfence_operator import reasons
from ringfence_operator.actions import (
    AddFinalizer,
    Again,
    Ask,
    AskConsent,
    Begin,
    Delete,
    DeleteJob,
    DropFinalizer,
    Question,
    Tell,
    TellLost,
    Write,
)
from ringfence_operator.reconcile import reconcile
from ringfence_operator.reconcile.turn import stamp
from ringfence_operator.seen import Children, Consent, Container, Endorsed, Findings, Refused, Seen


def decide(one: Seen) -> list[Any]:
    return reconcile(one, SETTINGS)


def written(actions: list[Any]) -> FederatedJobStatus:
    (found,) = [one.status for one in actions if isinstance(one, Write)]
    return found


def held(status: FederatedJobStatus, kind: str) -> tuple[str, str]:
    return next(((one.status, one.reason) for one in status.conditions if one.type == kind), ("", ""))


def words(status: FederatedJobStatus, kind: str) -> str:
    return next((one.message for one in status.conditions if one.type == kind), "")


def of(actions: list[Any], kind: type) -> list[Any]:
    return [one for one in actions if isinstance(one, kind)]


def started(**spec: Any) -> FederatedJobStatus:
    """The status of a job whose attempts have begun."""
    first = written(decide(seen(job(spec=spec), findings=findings(reservation=None))))
    second = written(decide(seen(job(first, spec), findings=findings())))
    assert [one.attempt for one in second.silos] == [1, 1]
    return second


def running(**spec: Any) -> FederatedJobStatus:
    """The status of a job all of whose silos train."""
    return written(decide(seen(job(started(**spec), spec), everything())))


def test_before_the_first_effect_outside_the_finalizer_is_written() -> None:
    actions = decide(seen(job(finalizers=()), findings=findings(acceptance=None, reservation=None)))
    assert isinstance(actions[0], AddFinalizer)
    assert not of(actions, Ask)


def test_consent_is_asked_of_every_owner_before_anything_else() -> None:
    fresh = Findings()
    actions = decide(seen(job(finalizers=()), findings=fresh))
    assert of(actions, AskConsent) == [AskConsent("mercy")]
    assert not of(actions, AddFinalizer)


def test_a_refused_consent_waits_and_asks_again() -> None:
    no = {"mercy": Consent(False, "may not use it", NOW)}
    actions = decide(seen(job(), findings=findings(consent=no, acceptance=None)))
    assert held(written(actions), "Accepted") == ("False", reasons.CONSENT_MISSING)
    assert words(written(actions), "Accepted") == "silo mercy: may not use it"
    assert of(actions, Again)
    later = decide(seen(job(), findings=findings(consent=no, acceptance=None), now=NOW + 60))
    assert of(later, AskConsent) == [AskConsent("mercy")]


def test_an_old_yes_is_asked_again_while_the_job_runs() -> None:
    old = {name: Consent(True, "", NOW - 61) for name in ("mercy", "stjude")}
    actions = decide(seen(job(running()), everything(), findings=findings(consent=old)))
    assert of(actions, AskConsent) == [AskConsent("mercy")]
    assert not of(actions, Delete)


def test_consent_revoked_while_it_runs_ends_the_job() -> None:
    no = {"mercy": Consent(True, "", NOW), "stjude": Consent(False, "revoked", NOW)}
    status = written(decide(seen(job(running()), everything(), findings=findings(consent=no))))
    assert held(status, "Failed") == ("True", reasons.CONSENT_MISSING)


@pytest.mark.parametrize("begun", [True, False], ids=["running", "not-started"])
def test_a_missing_budget_waits_before_the_start_and_ends_a_job_after_it(begun: bool) -> None:
    one = job(running()) if begun else job()
    budgets = {"mercy": None, "stjude": budget("stjude")}
    status = written(decide(seen(one, everything() if begun else None, budgets=budgets)))
    if begun:
        assert held(status, "Failed") == ("True", reasons.CONSENT_MISSING)
        assert "mercy-ns/patients of silo mercy was deleted" in words(status, "Failed")
    else:
        assert held(status, "Accepted") == ("False", reasons.BUDGET_MISSING)
        assert status.completed is None


def test_a_malformed_job_fails_with_its_faults() -> None:
    status = written(decide(seen(job(resource=None, fault="spec.quorum: 3 is more than 2"))))
    assert held(status, "Failed") == ("True", reasons.INVALID_MANIFEST)
    assert words(status, "Failed") == "spec.quorum: 3 is more than 2"


@pytest.mark.parametrize(
    ("output", "words_"),
    [
        ("s3://mercy/models", "jobs of namespace research write below s3://research"),
        ("s3://research-two/x", "jobs of namespace research write below s3://research"),
        ("s3://research/rows/x", "lie within each other"),
        ("s3://research", "lie within each other"),
    ],
    ids=["another-bucket", "a-longer-name", "among-the-rows", "around-the-rows"],
)
def test_an_output_that_is_not_granted_is_refused(output: str, words_: str) -> None:
    budgets = {"mercy": budget("mercy", dataset="s3://research/rows"), "stjude": budget("stjude")}
    status = written(decide(seen(job(spec={"output": output}), budgets=budgets)))
    assert held(status, "Failed") == ("True", reasons.OUTPUT_NOT_GRANTED)
    assert words_ in words(status, "Failed")


def test_more_than_the_owner_gives_a_job_is_refused() -> None:
    small = budget("mercy", runtime={"maxResources": {"cpu": "1500m", "memory": "2Gi"}})
    spec = {"resources": {"limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"}}}
    one = seen(job(spec=spec), budgets={"mercy": small, "stjude": budget("stjude")})
    status = written(decide(one))
    assert held(status, "Failed") == ("True", reasons.TERMS_REFUSED)
    assert "resources.limits cpu 2 is more than 1500m" in words(status, "Failed")


@pytest.mark.parametrize(
    ("reason", "ends"),
    [("CodeNotApproved", True), ("SchemaMismatch", True), ("StoreUnavailable", False), ("ClusterRefused", False)],
)
def test_a_refusal_ends_a_job_unless_waiting_may_help(reason: str, ends: bool) -> None:
    no = Refused(reason, "because", NOW)
    actions = decide(seen(job(), findings=findings(acceptance=no, reservation=None)))
    status = written(actions)
    assert held(status, "Accepted") == ("False", reason)
    assert held(status, "Failed") == (("True", reason) if ends else ("", ""))
    assert bool(of(actions, Again)) is not ends


def test_manifests_are_pinned_in_the_status_before_anything_is_reserved() -> None:
    actions = decide(seen(job(), findings=findings(reservation=None)))
    status = written(actions)
    assert [(one.manifest_version, one.dataset) for one in status.silos] == [
        (1, "s3://mercy/rows"),
        (1, "s3://stjude/rows"),
    ]
    assert actions.index(of(actions, Write)[0]) < actions.index(of(actions, Ask)[0])
    assert of(actions, Ask) == [Ask(Question.RESERVE)]


def test_who_came_first_goes_first() -> None:
    actions = decide(seen(job(), ahead=("research/older",), findings=findings(reservation=None)))
    assert held(written(actions), "BudgetReserved") == ("False", reasons.WAITING_FOR_BUDGET)
    assert "behind research/older" in words(written(actions), "BudgetReserved")
    assert not of(actions, Ask)


@pytest.mark.parametrize(
    ("reason", "ends"), [(reasons.WAITING_FOR_BUDGET, False), (reasons.BUDGET_EXHAUSTED, True)], ids=["later", "never"]
)
def test_a_full_budget_lets_a_job_wait_unless_it_could_never_fit(reason: str, ends: bool) -> None:
    status = written(decide(seen(job(), findings=findings(reservation=Refused(reason, "full", NOW)))))
    assert held(status, "BudgetReserved") == ("False", reason)
    assert held(status, "Failed") == (("True", reason) if ends else ("", ""))


def test_an_attempt_begins_only_after_its_number_is_written() -> None:
    first = written(decide(seen(job(), findings=findings(reservation=None))))
    actions = decide(seen(job(first)))
    assert [type(one) for one in actions if isinstance(one, Write | Begin)] == [Write, Begin, Begin]
    assert of(actions, Begin) == [Begin("mercy", 1), Begin("stjude", 1)]
    assert written(actions).run == 1


def test_the_coordinator_begins_once_all_silos_have_run() -> None:
    """A round's deadline must not pass while Ray starts; later it comes back whatever the silos do."""
    silos = replace(everything(), anchors=(anchor("mercy"), anchor("stjude")), tasks=())
    half = replace(silos, pods=(pod("mercy"), pod("stjude", main=Container(running=True))))
    actions = decide(seen(job(started()), half))
    assert not of(actions, Begin)
    assert held(written(actions), "Progressing") == ("", "")
    actions = decide(seen(job(written(actions)), replace(half, pods=(pod("mercy"), pod("stjude")))))
    assert of(actions, Begin) == [Begin("", 1)]
    assert held(written(actions), "Progressing") == ("True", reasons.RUNNING)
    again = decide(seen(job(written(actions)), half))
    assert of(again, Begin) == [Begin("", 2)]


def test_nothing_changed_writes_nothing() -> None:
    actions = decide(seen(job(running()), everything()))
    assert not of(actions, Write)
    assert not of(actions, Tell)


def test_silos_that_all_run_make_progress() -> None:
    status = running()
    assert held(status, "ClustersReady") == ("True", reasons.RUNNING)
    assert held(status, "Progressing") == ("True", reasons.RUNNING)
    assert (status.silos_ready, status.phase) == ("2/2", "Training")
    assert all(one.observed_generation == 1 for one in status.conditions)


@pytest.mark.parametrize("what", ["anchor", "cluster", "edited", "deleted"])
def test_an_attempt_that_lost_its_cluster_is_over_and_used_up_nothing(what: str) -> None:
    here = everything()
    if what == "anchor":
        here = replace(here, anchors=(anchor(""), anchor("stjude")))
    if what == "cluster":
        here = replace(here, clusters=(cluster("stjude"),))
    if what in ("edited", "deleted"):
        changed = cluster("mercy", edited=what == "edited", deleting=what == "deleted")
        here = replace(here, clusters=(changed, cluster("stjude")))
    actions = decide(seen(job(running()), here))
    (silo, other) = written(actions).silos
    assert (silo.state, silo.attempt, silo.failures) == ("Stopped", 1, 0)
    assert other.state == "Training"
    assert not of(actions, Begin)


def test_a_new_attempt_waits_until_nothing_of_the_old_is_left() -> None:
    stopped = running().model_copy(
        update={
            "silos": tuple(
                one.model_copy(update={"state": "Stopped"}) if one.name == "mercy" else one for one in running().silos
            )
        }
    )
    left = replace(everything(), anchors=(anchor(""), anchor("stjude")), clusters=(cluster("stjude"),))
    assert not of(decide(seen(job(stopped), left)), Begin)
    gone = replace(left, pods=(pod(""), pod("stjude")))
    once = decide(seen(job(stopped), gone))
    assert of(once, Begin) == [Begin("mercy", 2)]
    assert next(one.attempt for one in written(once).silos if one.name == "mercy") == 2


def failing(one: Any, **changes: Any) -> FederatedJobStatus:
    here = replace(everything(), pods=(pod(""), one, pod("stjude")))
    actions = decide(seen(job(running(**changes), changes), here))
    found = of(actions, Write)
    return found[0].status if found else running(**changes)


def test_a_failure_of_the_workload_uses_up_an_attempt() -> None:
    one = pod("mercy")
    status = failing(replace(one, main=report(one, 1, error="WorkloadFailed", message="died", where="task.py:3")))
    assert (status.silos[0].state, status.silos[0].failures, status.silos[0].message) == (
        "Stopped",
        1,
        "task.py:3: died",
    )


def test_an_input_at_fault_is_not_tried_again() -> None:
    one = pod("mercy")
    status = failing(replace(one, main=report(one, 2, error="KeyRejected", message="not the key")), quorum=1)
    assert (status.silos[0].state, status.silos[0].reason) == ("Lost", "KeyRejected")
    assert held(status, "Failed") == ("", "")


def test_a_silo_out_of_attempts_is_lost_and_the_quorum_with_it() -> None:
    one = pod("mercy")
    status = failing(replace(one, main=report(one, 1, error="ShardUnavailable", message="gone")), backoffLimit=0)
    assert held(status, "Failed") == ("True", "ShardUnavailable")
    assert "1 of the 2 silos of the quorum are left; silo mercy: gone" in words(status, "Failed")


@pytest.mark.parametrize(
    "changes",
    [{"deleting": True}, {"disrupted": True}],
    ids=["being-deleted", "evicted"],
)
def test_the_end_of_a_pod_that_was_taken_away_counts_for_nothing(changes: dict[str, Any]) -> None:
    one = pod("mercy", **changes)
    for code in (0, 1, 2):
        status = failing(replace(one, main=report(one, code, error="WorkloadFailed")))
        assert status.silos[0].failures == 0
        assert status.silos[0].state in ("Starting", "Training")


def test_a_report_of_another_pod_is_not_believed() -> None:
    one = pod("mercy")
    foreign = report(pod("stjude"), 0, published=3)
    status = failing(replace(one, main=foreign))
    assert (status.silos[0].state, status.silos[0].failures) == ("Stopped", 1)


def test_a_head_that_ended_makes_its_drivers_report_void() -> None:
    one = pod("mercy", ray=Container(code=137, reason="OOMKilled"))
    status = failing(replace(one, main=report(one, 0)))
    assert (status.silos[0].state, status.silos[0].failures) == ("Stopped", 1)
    assert "the Ray head ended with exit code 137 (OOMKilled)" in (status.silos[0].message or "")


def test_a_driver_that_is_done_is_done() -> None:
    one = pod("mercy")
    assert failing(replace(one, main=report(one, 0, published=3))).silos[0].state == "Done"


def test_what_an_attempt_counted_is_added_up_in_the_status_and_believed_by_name_only() -> None:
    one = pod("mercy")
    told = {"rounds": "2", "trainSeconds": "4", "trainCount": "2", "row": "41", "examples": "many"}
    first = failing(replace(one, main=report(one, 1, error="WorkloadFailed", message="died", totals=told)))
    assert first.silos[0].totals == {"rounds": "2", "trainSeconds": "4"}
    again = first.model_copy(
        update={"silos": (first.silos[0].model_copy(update={"state": "Training"}), *first.silos[1:])}
    )
    here = replace(everything(), pods=(pod(""), replace(one, main=report(one, 0, totals=told)), pod("stjude")))
    assert written(decide(seen(job(again), here))).silos[0].totals == {"rounds": "4", "trainSeconds": "8"}


def test_the_coordinators_totals_are_progress() -> None:
    progress = '{"round": 2, "totals": {"rounds": "2", "sentBytes": "900", "secret": "1"}}'
    here = replace(everything(), anchors=(anchor("", progress=progress), anchor("mercy"), anchor("stjude")))
    assert written(decide(seen(job(running()), here))).totals == {"rounds": "2", "sentBytes": "900"}
    assert not of(decide(seen(job(running()), here, findings=findings(wrote=NOW - 4))), Write), "written too often"


def test_the_coordinator_is_told_who_is_lost_once() -> None:
    lost = running(quorum=1)
    lost = lost.model_copy(
        update={
            "silos": tuple(
                one.model_copy(update={"state": "Lost", "reason": "KeyRejected"}) if one.name == "mercy" else one
                for one in lost.silos
            )
        }
    )
    one = job(lost, {"quorum": 1})
    here = everything(("stjude",))
    assert of(decide(seen(one, here)), TellLost) == [TellLost("research", anchor("").name, '{"mercy": "KeyRejected"}')]
    told = replace(here, anchors=(anchor("", lost='{"mercy": "KeyRejected"}'), anchor("stjude")))
    assert not of(decide(seen(one, told)), TellLost)


def test_a_finished_coordinator_is_endorsed_and_its_statement_has_the_last_word_on_the_status() -> None:
    here = replace(everything(), tasks=(task(complete=True),))
    assert Ask(Question.ENDORSE) in decide(seen(job(running()), here))
    said = Endorsed(3, "1.999999", {"auc": "0.700000"})
    status = written(decide(seen(job(running()), here, findings=findings(endorsement=said))))
    assert held(status, "Complete") == ("True", reasons.TRAINED)
    assert (status.round, status.epsilon, status.metrics) == (3, "1.999999", {"auc": "0.700000"})
    assert held(status, "Progressing") == ("False", reasons.TRAINED)
    assert status.statement == f"s3://research/models/readmission/{UID}/statement.json"
    refused = findings(endorsement=Refused("SignatureRejected", "another cost", NOW))
    assert held(written(decide(seen(job(running()), here, findings=refused))), "Failed") == (
        "True",
        reasons.NOT_ENDORSED,
    )


def test_a_failed_coordinator_ends_the_job_with_its_own_words() -> None:
    one = pod("", main=Container())
    one = replace(one, main=report(one, 2, error="QuorumLost", message="1 of 2 silos", remedy="ask them"))
    here = replace(everything(), tasks=(task(failed="PodFailurePolicy: x"),), pods=(one,))
    status = written(decide(seen(job(running()), here)))
    assert held(status, "Failed") == ("True", reasons.QUORUM_LOST)
    assert words(status, "Failed") == "1 of 2 silos; ask them"


def test_a_coordinator_that_is_gone_is_made_again_under_another_name() -> None:
    here = replace(
        everything(), tasks=(), anchors=(anchor("mercy"), anchor("stjude")), pods=(pod("mercy"), pod("stjude"))
    )
    actions = decide(seen(job(running()), here))
    assert of(actions, Begin) == [Begin("", 2)]
    assert written(actions).run == 2


def test_a_coordinator_whose_rounds_hang_is_made_again_and_a_slow_start_is_none() -> None:
    limit = SETTINGS.limits.stall
    quiet = findings(heard=("r", NOW - limit))
    actions = decide(seen(job(running()), everything(), findings=quiet))
    assert {(one.kind, one.uid) for one in of(actions, Delete)} == {("ConfigMap", "anchor--1")}
    assert [one.reason for one in of(actions, Tell)] == [reasons.STALLED]
    assert not of(decide(seen(job(running()), everything(), findings=findings(heard=("r", NOW - limit + 1)))), Delete)
    starting = replace(everything(), pods=(pod("", main=Container()), pod("mercy"), pod("stjude")))
    assert not of(decide(seen(job(running()), starting, findings=quiet)), Delete)


def test_a_task_that_only_says_it_is_ours_is_not_believed() -> None:
    here = replace(everything(), tasks=(task(complete=True, anchor="another"),))
    assert Ask(Question.ENDORSE) not in decide(seen(job(running()), here))


def test_the_deadline_counts_running_time_only() -> None:
    late = seen(job(running(activeDeadlineSeconds=100), {"activeDeadlineSeconds": 100}), everything(), now=NOW + 100)
    late = replace(
        late, findings=replace(late.findings, consent={n: Consent(True, "", NOW + 100) for n in ("mercy", "stjude")})
    )
    assert held(written(decide(late)), "Failed") == ("True", reasons.DEADLINE_EXCEEDED)
    paused = running(activeDeadlineSeconds=100).model_copy(update={"started": stamp(NOW + 90), "ran_seconds": 50})
    early = replace(late, job=job(paused, {"activeDeadlineSeconds": 100}))
    assert not of(decide(early), Write) or held(written(decide(early)), "Failed") == ("", "")


def test_a_suspended_job_takes_everything_away_before_it_gives_back() -> None:
    spec = {"suspend": True}
    first = decide(seen(job(running(), spec), everything(), now=NOW + 50))
    assert {one.kind for one in of(first, Delete)} == {"ConfigMap"}
    assert len(of(first, Delete)) == 3
    assert not of(first, Ask)
    assert written(first).ran_seconds == 50
    second = decide(seen(job(written(first), spec)))
    assert of(second, Ask) == [Ask(Question.CLOSE)]
    third = written(decide(seen(job(written(first), spec), findings=findings(closed=True))))
    assert held(third, "Suspended") == ("True", reasons.SUSPENDED)
    assert held(third, "BudgetReserved") == ("False", reasons.CLOSED)
    assert [one.state for one in third.silos] == ["Pending", "Pending"]
    again = decide(seen(job(third), findings=findings(reservation=None)))
    assert held(written(again), "Suspended") == ("False", reasons.RESUMED)
    begun = decide(seen(job(written(again))))
    assert of(begun, Begin) == [Begin("mercy", 2), Begin("stjude", 2)]


def test_clusters_that_do_not_start_in_time_give_everything_back_and_queue_again() -> None:
    here = replace(everything(), pods=(pod(""),))
    now = NOW + SETTINGS.limits.start + 1
    yes = {name: Consent(True, "", now) for name in ("mercy", "stjude")}
    status = written(decide(seen(job(started()), here, now=now, findings=findings(consent=yes))))
    assert held(status, "ClustersReady") == ("False", reasons.REQUEUED)
    assert status.retry_after is not None
    gone = decide(seen(job(status), here, now=now, findings=findings(consent=yes)))
    assert len(of(gone, Delete)) == 3
    closed = findings(consent=yes, closed=True)
    back = written(decide(seen(job(status), now=now, findings=closed)))
    assert held(back, "BudgetReserved") == ("False", reasons.CLOSED)
    waiting = decide(seen(job(back), now=now + 1, findings=replace(closed, reservation=None)))
    assert not of(waiting, Ask)
    assert of(waiting, Again)


@pytest.mark.parametrize(
    ("one", "reason", "told"),
    [
        (
            pod("mercy", main=Container(reason="ImagePullBackOff", message="no such image")),
            reasons.IMAGE,
            "no such image",
        ),
        (
            pod("mercy", main=Container(reason="CreateContainerConfigError", message="secret not found")),
            reasons.CONTAINER,
            "secret",
        ),
        (
            pod("mercy", main=Container(), ray=Container(reason="CrashLoopBackOff")),
            reasons.CRASH_LOOP,
            "CrashLoopBackOff",
        ),
        (pod("mercy", main=Container(), unschedulable="0/3 nodes"), reasons.UNSCHEDULABLE, "0/3 nodes"),
        (
            pod("mercy", main=Container(), others=(Container(reason="ErrImagePull", message="init"),)),
            reasons.IMAGE,
            "init",
        ),
    ],
    ids=["image", "config", "crash", "unschedulable", "init"],
)
def test_waiting_is_explained_in_the_pods_own_words(one: Any, reason: str, told: str) -> None:
    here = replace(everything(), pods=(pod(""), one, pod("stjude")))
    status = written(decide(seen(job(started()), here)))
    assert held(status, "ClustersReady") == ("False", reason)
    assert told in words(status, "ClustersReady")
    assert words(status, "ClustersReady").startswith("silo mercy: pod rf-mercy-")


def test_a_queue_and_refused_pods_are_explained_too() -> None:
    queued = replace(everything(), pods=(), clusters=(cluster("mercy", queued=True), cluster("stjude")))
    assert held(written(decide(seen(job(started()), queued))), "ClustersReady") == ("False", reasons.QUEUED)
    refused = replace(everything(), pods=(), clusters=(cluster("mercy", trouble="exceeded quota"), cluster("stjude")))
    status = written(decide(seen(job(started()), refused)))
    assert held(status, "ClustersReady") == ("False", reasons.PODS_REFUSED)
    assert "exceeded quota" in words(status, "ClustersReady")


def test_a_write_that_was_refused_is_told_and_not_repeated_at_once() -> None:
    first = written(decide(seen(job(), findings=findings(reservation=None))))
    trouble = findings(trouble=Refused(reasons.CONSENT_MISSING, "forbidden in mercy-ns", NOW - 1))
    actions = decide(seen(job(first), findings=trouble))
    assert not of(actions, Begin)
    assert held(written(actions), "ClustersReady") == ("False", reasons.CONSENT_MISSING)
    assert [one.reason for one in of(actions, Tell)].count(reasons.CONSENT_MISSING) == 1
    assert not of(decide(seen(job(written(actions)), findings=trouble)), Tell)
    assert of(decide(seen(job(first), findings=trouble, now=NOW + 20)), Begin)


def test_progress_is_believed_within_bounds_and_written_seldom() -> None:
    told = (
        '{"round": 2, "etaSeconds": 60, "heartbeat": "2027-01-15T08:00:00+00:00", "metrics": {"auc": 0.75, "bad": "x"}}'
    )
    here = replace(everything(), anchors=(anchor("", progress=told), anchor("mercy"), anchor("stjude")))
    status = written(decide(seen(job(running()), here)))
    assert (status.round, status.eta, status.metrics) == (2, "2027-01-15T08:01:00Z", {"auc": "0.750000"})
    assert status.epsilon is not None
    soon = decide(seen(job(running()), here, findings=findings(wrote=NOW - 4)))
    assert not of(soon, Write)
    assert of(soon, Again)[-1] == Again(6.0)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "{",
        '{"round": -1}',
        '{"round": 99}',
        '{"round": "2"}',
        '{"etaSeconds": 1e99}',
        '{"model": "s3://other/x"}',
        '{"metrics": {"auc": "NaN"}}',
        '{"totals": {"sentBytes": "-1", "rows": "41"}}',
    ],
    ids=["empty", "list", "broken", "negative", "beyond", "text", "endless", "elsewhere", "nan", "totals"],
)
def test_progress_that_is_nonsense_changes_nothing(told: str) -> None:
    here = replace(everything(), anchors=(anchor("", progress=told), anchor("mercy"), anchor("stjude")))
    assert not of(decide(seen(job(running()), here)), Write)


def ended_(reason: str = reasons.QUORUM_LOST, spec: dict[str, Any] | None = None) -> FederatedJobStatus:
    no = {"mercy": Consent(False, "no", NOW), "stjude": Consent(True, "", NOW)}
    return written(decide(seen(job(running(), spec), everything(), findings=findings(consent=no))))


def test_after_the_end_children_go_first_then_reservations_then_credentials_then_the_finalizer() -> None:
    one = job(ended_())
    first = decide(seen(one, everything()))
    assert len(of(first, Delete)) == 3
    assert not of(first, Ask)
    assert of(decide(seen(one)), Ask) == [Ask(Question.CLOSE)]
    assert of(decide(seen(one, findings=findings(closed=True))), Ask) == [Ask(Question.REVOKE)]
    assert of(decide(seen(one, findings=findings(closed=True, revoked=True))), DropFinalizer)


def test_clusters_whose_anchor_is_gone_are_taken_away_by_themselves() -> None:
    left = Children(clusters=(cluster("mercy"),), tasks=(task(),))
    found = of(decide(seen(job(ended_()), left)), Delete)
    assert {(one.kind, one.uid) for one in found} == {("RayCluster", "cluster-mercy-1"), ("Job", "task-1")}


def test_objects_under_names_that_are_not_ours_are_left_alone() -> None:
    foreign = Children(anchors=(anchor("mercy", name="theirs"),), clusters=(cluster("mercy", name="rf-theirs"),))
    actions = decide(seen(job(ended_()), foreign, findings=findings(closed=True, revoked=True)))
    assert not of(actions, Delete)
    assert of(actions, DropFinalizer)


def test_cleanup_that_is_refused_is_told_and_given_up_after_a_bound() -> None:
    no = findings(trouble=Refused(reasons.CONSENT_MISSING, "forbidden", NOW))
    status = written(decide(seen(job(ended_()), everything(), findings=no)))
    assert held(status, "CleanupBlocked") == ("True", reasons.CLEANUP_BLOCKED)
    late = decide(seen(job(ended_()), everything(), findings=no, now=NOW + SETTINGS.limits.cleanup + 1))
    assert of(late, DropFinalizer)
    assert "left behind: objects mercy-ns/rf-mercy-" in words(written(late), "CleanupBlocked")


def test_a_deleted_job_is_cleaned_up_whatever_its_state() -> None:
    for status in (FederatedJobStatus(), started(), running(), ended_()):
        one = job(status, deleted_at=stamp(NOW))
        assert of(decide(seen(one, everything())), Delete)
        assert of(decide(seen(one, findings=findings(closed=True, revoked=True))), DropFinalizer)


def test_a_finished_job_is_deleted_when_its_time_is_over() -> None:
    spec = {"ttlSecondsAfterFinished": 60}
    one = job(ended_(spec=spec), spec, finalizers=())
    assert not of(decide(seen(one, now=NOW + 59)), DeleteJob)
    assert of(decide(seen(one, now=NOW + 61)), DeleteJob)
    assert not of(decide(seen(job(ended_(), finalizers=()), now=NOW + 10**6)), DeleteJob)


def test_every_condition_has_a_reason_of_the_closed_set() -> None:
    for status in (started(), running(), ended_()):
        assert {one.reason for one in status.conditions} <= reasons.ALL


def test_a_pod_counts_as_running_once_its_silo_is_prepared() -> None:
    here = replace(everything(), pods=(pod(""), pod("mercy", main=replace(RUNS, ready=False)), pod("stjude")))
    status = written(decide(seen(job(started()), here)))
    assert [one.state for one in status.silos] == ["Starting", "Training"]
    assert status.silos_ready == "1/2"
