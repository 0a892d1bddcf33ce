"""Jobs as series, from the coordinator's progress in their status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from prometheus_client.core import GaugeMetricFamily, Metric

from ringfence.spec.status import FederatedJobStatus

_ENDED = ("Complete", "Failed")


@dataclass(frozen=True)
class Job:
    """A FederatedJob as it is exported."""

    namespace: str
    name: str
    task: str
    strategy: str
    status: FederatedJobStatus


def series(jobs: Sequence[Job]) -> Iterator[Metric]:
    """All series of all jobs."""
    labels = ("namespace", "job")
    info = GaugeMetricFamily(
        "ringfence_federated_job_info", "What a job trains, and how.", labels=(*labels, "task", "strategy")
    )
    phase = GaugeMetricFamily(
        "ringfence_federated_job_phase", "1 for the phase a job is in.", labels=(*labels, "phase")
    )
    silos = GaugeMetricFamily("ringfence_federated_job_silos", "Silos of a job by state.", labels=(*labels, "state"))
    failed = GaugeMetricFamily(
        "ringfence_federated_job_silo_failures", "Attempts of a silo that failed.", labels=(*labels, "silo")
    )
    score = GaugeMetricFamily(
        "ringfence_federated_job_score", "The last score on public rows.", labels=(*labels, "metric")
    )
    eta = GaugeMetricFamily(
        "ringfence_federated_job_eta_timestamp_seconds", "When a job will be done if it goes on as now.", labels=labels
    )
    numbers = {
        "round": GaugeMetricFamily("ringfence_federated_job_round", "Rounds committed.", labels=labels),
        "rounds": GaugeMetricFamily("ringfence_federated_job_rounds", "Rounds asked for.", labels=labels),
        "epsilon": GaugeMetricFamily(
            "ringfence_federated_job_epsilon",
            "The job's own epsilon over its committed rounds, composed.",
            labels=labels,
        ),
    }
    for one in jobs:
        key, status = (one.namespace, one.name), one.status
        info.add_metric((*key, one.task, one.strategy), 1)
        phase.add_metric((*key, status.phase or "Pending"), 1)
        for state in {silo.state for silo in status.silos}:
            silos.add_metric((*key, state), sum(silo.state == state for silo in status.silos))
        for silo in status.silos:
            failed.add_metric((*key, silo.name), silo.failures)
        for metric, value in (status.metrics or {}).items():
            score.add_metric((*key, metric), float(Decimal(value)))
        if status.eta is not None and status.phase not in _ENDED:
            eta.add_metric(key, datetime.fromisoformat(status.eta).timestamp())
        for name, family in numbers.items():
            if (number := getattr(status, name)) is not None:
                family.add_metric(key, float(Decimal(str(number))))
    yield from (info, phase, silos, failed, score, eta, *numbers.values(), *_totals(jobs))


def _totals(jobs: Sequence[Job]) -> Iterator[Metric]:
    """What pods that are gone left in the status: a silo's once its attempt ended, the coordinator's as it goes."""
    labels = ("namespace", "job")
    parts = GaugeMetricFamily(
        "ringfence_federated_job_part_seconds",
        "Seconds by part: of the coordinator, and of each silo's ended attempts.",
        labels=(*labels, "silo", "part"),
    )
    moved = GaugeMetricFamily(
        "ringfence_federated_job_moved_bytes", "Bytes of the coordinator.", labels=(*labels, "direction")
    )
    counts = {
        "examples": GaugeMetricFamily(
            "ringfence_federated_job_expected_examples",
            "Records that the ended attempts of a silo were planned to see.",
            labels=(*labels, "silo"),
        ),
        "cpuSeconds": GaugeMetricFamily(
            "ringfence_federated_job_cpu_seconds",
            "Processor seconds of a silo's ended attempts, coarse.",
            labels=(*labels, "silo"),
        ),
    }
    for one in jobs:
        key, told = (one.namespace, one.name), one.status.totals or {}
        for direction in ("sent", "received"):
            if f"{direction}Bytes" in told:
                moved.add_metric((*key, direction), float(told[f"{direction}Bytes"]))
        for silo, totals in [("coordinator", told), *((silo.name, silo.totals or {}) for silo in one.status.silos)]:
            for name, seconds in totals.items():
                if name.endswith("Seconds") and name not in counts:
                    parts.add_metric((*key, silo, name.removesuffix("Seconds")), float(seconds))
            for name, family in counts.items():
                if name in totals:
                    family.add_metric((*key, silo), float(totals[name]))
    yield from (parts, moved, *counts.values())
