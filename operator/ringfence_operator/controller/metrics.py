"""What Prometheus scrapes of this replica: its own loop always, budgets and jobs only where it leads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from ringfence.observe.metrics.budgets import Budget
from ringfence.observe.metrics.jobs import Job
from ringfence.observe.metrics.resources import ResourceCollector, Resources
from ringfence_operator.controller.budgeting import status_of
from ringfence_operator.controller.cache import Cache

if TYPE_CHECKING:
    from ringfence_operator.controller.carrying import Hands
    from ringfence_operator.controller.keys import Keys


def register(registry: CollectorRegistry, hands: Hands, keys: Keys, listed: Callable[[], float]) -> None:
    """Connects the gauges with what they show; `listed` is when everything was last listed (monotonic)."""
    hands.metrics.watch(lambda: float(len(keys)), hands.leading, lambda: time.monotonic() - listed())
    registry.register(ResourceCollector(lambda: _resources(hands.cache) if hands.leading() else None))


def _resources(cache: Cache) -> Resources:
    budgets = []
    for namespace, name in cache.budgets():
        document = cache.budget_document((namespace, name)) or {}
        budgets.append(Budget(namespace, name, status_of(document.get("status"))))
    jobs = []
    for uid in cache.uids():
        one = cache.job(uid)
        if one is not None and one.resource is not None:
            spec = one.resource.spec
            jobs.append(Job(one.namespace, one.name, spec.task.class_, spec.strategy.name, one.status))
    return Resources(budgets, jobs)
