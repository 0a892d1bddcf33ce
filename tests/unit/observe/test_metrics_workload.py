"""What pods export: totals under names with units, and bounded labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from ringfence.observe.metrics.jobs import Job
from ringfence.observe.metrics.resources import ResourceCollector, Resources
from ringfence.observe.metrics.workload import WorkloadCollector, coordinator_series, silo_series
from ringfence.observe.tally import COORDINATOR_PARTS, SILO_PARTS, Member
from ringfence.spec.status import FederatedJobStatus

SILO_TOTALS = {"rounds": "3", "examples": "1920", "trainSeconds": "2.5", "trainCount": "3", "cpuSeconds": "4"}
TOTALS = {
    "rounds": "3",
    "updates": "5",
    "missedUpdates": "1",
    "sentBytes": "900",
    "waitSeconds": "4.2",
    "waitCount": "3",
}


def scraped(read) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(WorkloadCollector(read))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_silo_shows_its_totals_and_every_part_from_the_start():
    found = scraped(lambda: silo_series(SILO_TOTALS))
    assert found['ringfence_silo_part_seconds_sum{part="train"}'] == 2.5
    assert found['ringfence_silo_part_seconds_count{part="train"}'] == 3
    assert found["ringfence_silo_expected_examples_total"] == 1920
    assert found["ringfence_silo_cpu_seconds_total"] == 4
    parts = {name.partition('"')[2].rstrip('"}') for name in found if "_part_" in name}
    assert parts == set(SILO_PARTS)


def test_a_coordinator_shows_who_was_missed_and_who_kept_it_waiting():
    members = {"mercy": Member(3, 0, 3, 1.5), "stjude": Member(2, 1, 2, 8.0)}
    found = scraped(lambda: coordinator_series(TOTALS, members))
    assert found['ringfence_coordinator_missed_updates_total{member="stjude"}'] == 1
    assert found['ringfence_coordinator_updates_total{member="mercy"}'] == 3
    assert found['ringfence_coordinator_answer_seconds_sum{member="stjude"}'] == 8
    assert found['ringfence_coordinator_moved_bytes_total{direction="sent"}'] == 900
    assert {name.partition('"')[2].rstrip('"}') for name in found if "_part_" in name} == set(COORDINATOR_PARTS)


def test_only_names_of_parts_directions_and_silos_are_labels():
    members = {"mercy": Member()}
    names = [*scraped(lambda: silo_series({})), *scraped(lambda: coordinator_series({}, members))]
    labels = {one.partition("{")[2].partition("=")[0] for one in names} - {""}
    assert labels == {"part", "member", "direction"}


def test_pods_that_are_gone_have_left_their_totals_in_the_status():
    status = FederatedJobStatus.model_validate({"totals": TOTALS, "silos": [{"name": "mercy", "totals": SILO_TOTALS}]})
    registry = CollectorRegistry()
    registry.register(ResourceCollector(lambda: Resources(jobs=[Job("research", "late", "t", "fedavg", status)])))

    def value(name: str, **labels: str) -> float | None:
        of = {"namespace": "research", "job": "late", **labels}
        return registry.get_sample_value(f"ringfence_federated_job_{name}", of)

    assert value("part_seconds", silo="coordinator", part="wait") == 4.2
    assert value("part_seconds", silo="mercy", part="train") == 2.5
    assert value("moved_bytes", direction="sent") == 900
    assert value("moved_bytes", direction="received") is None, "a zero that nobody counted"
    assert value("expected_examples", silo="mercy") == 1920
    assert value("cpu_seconds", silo="mercy") == 4
    assert value("part_seconds", silo="mercy", part="cpu") is None
