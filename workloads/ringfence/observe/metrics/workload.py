"""What a job's own pods export while they live: how long each part of a round takes, and how much is moved.

Short-lived pods lose nothing: what matters in the end (rounds, scores, costs) stands in commits, ledger and statement.
Namespace, job and silo are labels of the pod and are added by the scrape, not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


class CoordinatorMetrics:
    """The coordinator's series; `registry` is the one that is served."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._parts = Histogram(
            "ringfence_coordinator_round_seconds",
            "Seconds of a round by part: publish, wait, aggregate, checkpoint, evaluate.",
            ("part",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._rounds = Counter("ringfence_coordinator_rounds", "Rounds committed by this process.", registry=registry)
        self._updates = Counter(
            "ringfence_coordinator_updates", "Updates in committed rounds.", ("member",), registry=registry
        )
        self._missed = Counter(
            "ringfence_coordinator_missed_updates",
            "Committed rounds without the update of a silo: it was late, lost, or sat the round out.",
            ("member",),
            registry=registry,
        )
        self._bytes = Counter(
            "ringfence_coordinator_bytes", "Sealed bytes moved.", ("direction",), unit="bytes", registry=registry
        )

    def committed(self, seconds: Mapping[str, str], members: frozenset[str], silos: frozenset[str]) -> None:
        """One round was committed: its seconds by part, as the commit has them, and who of all `silos` took part."""
        self._rounds.inc()
        for part, took in seconds.items():
            self._parts.labels(part).observe(float(took))
        for silo in silos:
            (self._updates if silo in members else self._missed).labels(silo).inc()

    def moved(self, direction: str, size: int) -> None:
        """`size` sealed bytes were `sent` or `received`."""
        self._bytes.labels(direction).inc(size)


class SiloMetrics:
    """A silo's series. Throughput counts the expected batch: how many records were drawn is part of the secret."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._parts = Histogram(
            "ringfence_silo_round_seconds",
            "Seconds of a silo's round by part: wait, train, seal, charge, publish.",
            ("part",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._examples = Counter(
            "ringfence_silo_expected_examples",
            "Expected examples trained on: steps times batchSize.",
            registry=registry,
        )
        self._opened = Gauge(
            "ringfence_silo_opening_seconds", "Seconds that fetching and opening all shards took.", registry=registry
        )
        self._records = Gauge(
            "ringfence_silo_declared_records", "Records that the manifest declares.", registry=registry
        )

    def opened(self, seconds: float, declared_records: int) -> None:
        """The shards are open."""
        self._opened.set(seconds)
        self._records.set(declared_records)

    def part(self, name: str, seconds: float) -> None:
        """One part of a round is done."""
        self._parts.labels(name).observe(seconds)

    def trained(self, expected_examples: float) -> None:
        """One round's training is done."""
        self._examples.inc(expected_examples)
