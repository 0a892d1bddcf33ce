"""Budgets and jobs as series, read from the status of their resources at each scrape.

Only the leader of the operator exports them, so that no series exists twice. A resource that is gone is in no later
scrape; nothing has to be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ringfence.observe.metrics import budgets, jobs


@dataclass(frozen=True)
class Resources:
    """What one scrape shows."""

    budgets: Sequence[budgets.Budget] = field(default_factory=tuple)
    jobs: Sequence[jobs.Job] = field(default_factory=tuple)


class ResourceCollector(Collector):
    """A collector for prometheus_client's registry; `read` gives the resources, or None on a replica that stands by."""

    def __init__(self, read: Callable[[], Resources | None]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()  # else registering it would scrape once

    def collect(self) -> Iterator[Metric]:
        """All series of budgets and jobs."""
        resources = self._read()
        if resources is not None:
            yield from budgets.series(resources.budgets)
            yield from jobs.series(resources.jobs)
