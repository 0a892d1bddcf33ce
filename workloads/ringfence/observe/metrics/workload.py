"""What a job's own pods export while they live, from their totals (`observe/tally.py` says why each is safe to show).

Which job, namespace and silo it is, the scrape adds from the pod's labels, which the operator wrote: a pod that
misreports can misreport only itself. What is shown here is in the job's status when the pods are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ringfence.observe.tally import COORDINATOR_PARTS, SILO_PARTS, Member, Totals


def silo_series(totals: Totals) -> Iterator[Metric]:
    """A silo's series."""
    yield _parts("ringfence_silo_part", "Seconds of a silo's work by part, coarse.", SILO_PARTS, totals)
    for name, key, words in (
        ("ringfence_silo_rounds", "rounds", "Rounds trained."),
        ("ringfence_silo_expected_examples", "examples", "Records that its rounds were planned to see."),
        ("ringfence_silo_opened_shards", "shards", "Shards opened, as its manifest lists them."),
        ("ringfence_silo_opened_bytes", "shardBytes", "Sealed bytes of these shards."),
        ("ringfence_silo_cpu_seconds", "cpuSeconds", "Processor seconds of the silo's process, coarse."),
    ):
        yield CounterMetricFamily(name, words, value=_value(totals, key))


def coordinator_series(totals: Totals, members: Mapping[str, Member]) -> Iterator[Metric]:
    """A coordinator's series."""
    yield _parts("ringfence_coordinator_part", "Seconds of rounds by part.", COORDINATOR_PARTS, totals)
    yield CounterMetricFamily("ringfence_coordinator_rounds", "Rounds committed.", value=_value(totals, "rounds"))
    moved = CounterMetricFamily("ringfence_coordinator_moved_bytes", "Bytes to and from stores.", labels=("direction",))
    for direction in ("sent", "received"):
        moved.add_metric((direction,), _value(totals, f"{direction}Bytes"))
    updates = CounterMetricFamily("ringfence_coordinator_updates", "Updates in committed rounds.", labels=("member",))
    missed = CounterMetricFamily(
        "ringfence_coordinator_missed_updates",
        "Committed rounds without an update of a silo: it was late, lost, or sat the round out.",
        labels=("member",),
    )
    answers = SummaryMetricFamily(
        "ringfence_coordinator_answer_seconds",
        "Seconds from a round's model to a silo's answer, as the coordinator saw it in the bucket.",
        labels=("member",),
    )
    for name, one in members.items():
        updates.add_metric((name,), one.updates)
        missed.add_metric((name,), one.missed)
        answers.add_metric((name,), one.answers, one.seconds)
    yield from (moved, updates, missed, answers)


class WorkloadCollector(Collector):
    """A collector for prometheus_client's registry that asks `read` at each scrape."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()  # else registering it would scrape once

    def collect(self) -> Iterator[Metric]:
        """All series, as they are now."""
        yield from self._read()


def _parts(name: str, words: str, parts: Iterable[str], totals: Totals) -> Metric:
    family = SummaryMetricFamily(f"{name}_seconds", words, labels=("part",))
    for part in parts:
        family.add_metric((part,), int(_value(totals, f"{part}Count")), _value(totals, f"{part}Seconds"))
    return family


def _value(totals: Totals, key: str) -> float:
    return float(totals.get(key, "0"))
