"""The operator's own series. Every replica exports them; only the leader adds the resources' (`resources.py`)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class ControllerMetrics:
    """Counts what the controller does; the names follow controller-runtime's, with our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reconciles = Counter(
            "ringfence_controller_reconciles", "Turns of the loop.", ("kind", "result"), registry=registry
        )
        self._reconcile_seconds = Histogram(
            "ringfence_controller_reconcile_seconds",
            "Seconds of one turn, its writes included.",
            ("kind",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._waited = Histogram(
            "ringfence_controller_queue_seconds",
            "Seconds that a key waited in the queue.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._depth = Gauge("ringfence_controller_queue_depth", "Keys that wait in the queue.", registry=registry)
        self._leader = Gauge("ringfence_controller_leader", "1 on the replica that leads.", registry=registry)
        self._resync = Gauge(
            "ringfence_controller_resync_age_seconds", "Seconds since the last full list.", registry=registry
        )
        self._reservations = Counter(
            "ringfence_controller_reservations",
            "Reservations asked of ledgers: Reserved, or the reason of a refusal.",
            ("result",),
            registry=registry,
        )
        self._reserve_seconds = Histogram(
            "ringfence_controller_reserve_seconds",
            "Seconds that reserving a job in all its ledgers took.",
            buckets=_SECONDS,
            registry=registry,
        )

    def watch(self, depth: Callable[[], float], leads: Callable[[], bool], resync_age: Callable[[], float]) -> None:
        """Where the gauges are read at each scrape."""
        self._depth.set_function(depth)
        self._leader.set_function(lambda: float(leads()))
        self._resync.set_function(resync_age)

    def waited(self, seconds: float) -> None:
        """A key was taken from the queue."""
        self._waited.observe(seconds)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One turn for a `kind` ended `ok`, or in `error`."""
        self._reconciles.labels(kind, result).inc()
        self._reconcile_seconds.labels(kind).observe(seconds)

    def reserved(self, result: str, seconds: float) -> None:
        """The ledgers answered a reservation: `Reserved` or a reason of the closed set."""
        self._reservations.labels(result).inc()
        self._reserve_seconds.observe(seconds)
