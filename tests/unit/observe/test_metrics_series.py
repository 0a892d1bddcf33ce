"""What is exported: composed figures from status, closed sets of labels, nothing of a replica that stands by."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from ringfence.observe.metrics.budgets import Budget
from ringfence.observe.metrics.controller import ControllerMetrics
from ringfence.observe.metrics.jobs import Job
from ringfence.observe.metrics.resources import ResourceCollector, Resources
from ringfence.spec.status import FederatedJobStatus, PrivacyBudgetStatus

BUDGET = PrivacyBudgetStatus.model_validate(
    {
        "limit": "8",
        "spent": "2.583",
        "reserved": "0.4",
        "remaining": "5.017",
        "typicalJobsLeft": 4,
        "waiting": 1,
        "jobs": [
            {
                "namespace": "research",
                "name": "late",
                "uid": "u1",
                "silo": "ewr",
                "open": True,
                "rounds": 5,
                "charged": 3,
            },
            {
                "namespace": "research",
                "name": "late",
                "uid": "u0",
                "silo": "ewr",
                "open": False,
                "rounds": 5,
                "charged": 5,
            },
        ],
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "LedgerTampered",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
)
JOB = FederatedJobStatus.model_validate(
    {
        "phase": "Training",
        "round": 3,
        "rounds": 5,
        "epsilon": "1.5",
        "eta": "2026-01-01T00:00:00Z",
        "metrics": {"auc": "0.716"},
        "silos": [
            {"name": "ewr", "state": "Training", "failures": 2},
            {"name": "jfk", "state": "Lost"},
            {"name": "lga", "state": "Training"},
        ],
    }
)


def scraped(resources: Resources | None) -> set[str]:
    registry = CollectorRegistry()
    registry.register(ResourceCollector(lambda: resources))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_a_budgets_series_are_what_its_ledger_says():
    lines = scraped(Resources(budgets=[Budget("mercy", "patients", BUDGET)]))
    of = 'namespace="mercy"'
    assert lines == {
        f'ringfence_privacy_budget_epsilon_limit{{budget="patients",{of}}} 8.0',
        f'ringfence_privacy_budget_epsilon_spent{{budget="patients",{of}}} 2.583',
        f'ringfence_privacy_budget_epsilon_reserved{{budget="patients",{of}}} 0.4',
        f'ringfence_privacy_budget_epsilon_remaining{{budget="patients",{of}}} 5.017',
        f'ringfence_privacy_budget_typical_jobs_left{{budget="patients",{of}}} 4.0',
        f'ringfence_privacy_budget_waiting{{budget="patients",{of}}} 1.0',
        f'ringfence_privacy_budget_ready{{budget="patients",{of},reason="LedgerTampered"}} 0.0',
        f'ringfence_privacy_budget_charged_rounds{{budget="patients",job="late",job_namespace="research",{of}}} 8.0',
    }


def test_a_jobs_series_are_what_was_committed():
    lines = scraped(Resources(jobs=[Job("research", "late", "ringfence.tasks:TabularClassifier", "fedavg", JOB)]))
    of = 'job="late",namespace="research"'
    assert {
        f"ringfence_federated_job_round{{{of}}} 3.0",
        f"ringfence_federated_job_rounds{{{of}}} 5.0",
        f"ringfence_federated_job_epsilon{{{of}}} 1.5",
        f'ringfence_federated_job_phase{{{of},phase="Training"}} 1.0',
        f'ringfence_federated_job_silos{{{of},state="Training"}} 2.0',
        f'ringfence_federated_job_silos{{{of},state="Lost"}} 1.0',
        f'ringfence_federated_job_silo_failures{{{of},silo="ewr"}} 2.0',
        f"ringfence_federated_job_eta_timestamp_seconds{{{of}}} 1.7672256e+09",
    } <= lines
    assert 'ringfence_federated_job_score{job="late",metric="auc",namespace="research"} 0.716' in lines


def test_an_ended_job_has_no_time_of_arrival():
    ended = JOB.model_copy(update={"phase": "Complete"})
    assert not any("eta" in line for line in scraped(Resources(jobs=[Job("r", "late", "t", "fedavg", ended)])))


def test_a_replica_that_stands_by_exports_no_resource():
    assert scraped(None) == set()


def test_a_status_that_was_never_written_gives_no_false_zeros():
    empty = Resources([Budget("a", "b", PrivacyBudgetStatus())], [Job("a", "j", "t", "fedavg", FederatedJobStatus())])
    assert {line.partition("{")[0] for line in scraped(empty)} == {
        "ringfence_federated_job_info",
        "ringfence_federated_job_phase",
    }


def test_gauges_of_the_controller_are_read_at_the_scrape():
    registry = CollectorRegistry()
    metrics = ControllerMetrics(registry)
    queue: list[str] = []
    metrics.watch(lambda: len(queue), lambda: True, lambda: 12.5)
    queue += ["a", "b"]
    metrics.reserved("BudgetExhausted", 0.02)
    metrics.reconciled("FederatedJob", "ok", 0.01)
    metrics.waited(0.5)
    assert registry.get_sample_value("ringfence_controller_queue_depth") == 2
    assert registry.get_sample_value("ringfence_controller_leader") == 1
    assert registry.get_sample_value("ringfence_controller_resync_age_seconds") == 12.5
    refused = {"result": "BudgetExhausted"}
    assert registry.get_sample_value("ringfence_controller_reservations_total", refused) == 1
