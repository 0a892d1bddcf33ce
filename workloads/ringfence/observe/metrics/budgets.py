"""Budgets as series, from the ledgers' mirror in their status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client.core import GaugeMetricFamily, Metric

from ringfence.spec.status import Condition, PrivacyBudgetStatus


@dataclass(frozen=True)
class Budget:
    """A PrivacyBudget as it is exported."""

    namespace: str
    name: str
    status: PrivacyBudgetStatus


def series(budgets: Sequence[Budget]) -> Iterator[Metric]:
    """All series of all budgets."""
    labels = ("namespace", "budget")
    epsilons = {
        "limit": "Greatest epsilon that all jobs together may spend, or what is committed where that is more",
        "spent": "Epsilon of everything charged, composed by the ledger's filter, on the worst shard",
        "reserved": "Epsilon that open reservations would add to what is spent",
        "remaining": "Epsilon between the limit and what is spent and reserved",
    }
    for name, text in epsilons.items():
        family = GaugeMetricFamily(f"ringfence_privacy_budget_epsilon_{name}", f"{text}.", labels=labels)
        for one in budgets:
            if (value := getattr(one.status, name)) is not None:
                family.add_metric((one.namespace, one.name), float(Decimal(value)))
        yield family
    counts = {
        "typical_jobs_left": "Jobs like the newest one that the budget would still admit",
        "waiting": "Jobs that wait for room in the budget",
        "shards": "Shards registered in the ledger",
    }
    for name, text in counts.items():
        family = GaugeMetricFamily(f"ringfence_privacy_budget_{name}", f"{text}.", labels=labels)
        for one in budgets:
            if (count := getattr(one.status, name)) is not None:
                family.add_metric((one.namespace, one.name), count)
        yield family
    ready = GaugeMetricFamily(
        "ringfence_privacy_budget_ready",
        "Whether the ledger is there, whole and open for spending; the reason says why not.",
        labels=(*labels, "reason"),
    )
    charged = GaugeMetricFamily(
        "ringfence_privacy_budget_charged_rounds",
        "Rounds that each of the newest jobs charged to the budget.",
        labels=(*labels, "job_namespace", "job"),
    )
    for one in budgets:
        if (condition := _condition(one.status.conditions, "Ready")) is not None:
            ready.add_metric((one.namespace, one.name, condition.reason), float(condition.status == "True"))
        for job in _newest(one.status):
            charged.add_metric((one.namespace, one.name, job[0], job[1]), job[2])
    yield from (ready, charged)


def _newest(status: PrivacyBudgetStatus) -> Iterator[tuple[str, str, int]]:
    """(namespace, name, charged rounds) of each job once: a name used again is one job to a person who looks."""
    rounds: dict[tuple[str, str], int] = {}
    for job in status.jobs:
        rounds[job.namespace, job.name] = rounds.get((job.namespace, job.name), 0) + job.charged
    return ((namespace, name, count) for (namespace, name), count in rounds.items())


def _condition(conditions: Sequence[Condition], kind: str) -> Condition | None:
    return next((condition for condition in conditions if condition.type == kind), None)
