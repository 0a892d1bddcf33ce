"""The port on which a pod of a job is scraped while it lives."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric

from ringfence.observe.metrics.workload import WorkloadCollector

PORT = "RINGFENCE_METRICS_PORT"


def serve(read: Callable[[], Iterable[Metric]]) -> None:
    """Serve what `read` gives at each scrape on the port that the variable names, in a thread of its own; on none
    where it names none. A port that cannot be had is said on stderr and stops no training."""
    port = os.environ.get(PORT, "")
    if not port.isdecimal() or port == "0":
        return
    registry = CollectorRegistry()
    registry.register(WorkloadCollector(read))
    try:
        start_http_server(int(port), registry=registry)
    except OSError as error:
        print(f"no metrics: port {port}: {error.strerror}", file=sys.stderr)  # noqa: T201
