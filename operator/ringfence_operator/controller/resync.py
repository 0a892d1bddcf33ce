"""A LIST of everything that is watched, at the start, when this replica begins to lead, and every few minutes.

A watch that died silently, or an object deleted while we did not watch, is noticed here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from ringfence.errors import ClusterError, RingfenceError
from ringfence_operator.controller.api import Api
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.carrying import Hands
from ringfence_operator.controller.kinds import CLUSTERS, CONFIGS, WATCHED, Kind
from ringfence_operator.controller.watching import Enqueue, namespace_of
from ringfence_operator.controller.working import BUDGET, JOB
from ringfence_operator.names import child

_LOG = logging.getLogger("ringfence.operator")
_RETRY = 5.0


@dataclass
class Resync:
    """`last` is when a LIST of everything last succeeded (monotonic), 0 for never."""

    hands: Hands
    enqueue: Enqueue
    watched: tuple[str, ...]
    last: float = 0.0

    async def once(self) -> None:
        """Replaces the cache by what is there now, and looks at every job and budget. Raises ClusterError."""
        touched: set[str] = set()
        for kind in WATCHED:
            for namespace in self.watched or ("",):
                touched |= await _listed(self.hands.api, self.hands.cache, kind, namespace)
        cache = self.hands.cache
        cache.synced = True
        self.last = time.monotonic()
        for uid in touched | set(cache.uids()):
            self.enqueue((JOB, namespace_of(cache, uid), uid))
        for namespace, name in cache.budgets():
            self.enqueue((BUDGET, namespace, name))

    async def forever(self, seconds: float) -> None:
        """`once` every so many seconds; after a failure soon again."""
        while True:
            try:
                await self.once()
                await self._sweep()
                wait = seconds
            except ClusterError as error:
                _LOG.warning("resync: %s", error)
                wait = _RETRY
            await asyncio.sleep(wait)

    async def _sweep(self) -> None:
        """Removes anchors and store users whose job is gone: one deleted by force, or before its finalizer was
        written."""
        if not self.hands.leading():
            return
        try:
            await self.hands.port.sweep(self._attempts)
        except RingfenceError as error:
            _LOG.warning("store users of jobs that are gone: %s", error)
        for one in self.hands.cache.orphans():
            owner = self.hands.cache.owner_of((one.namespace, one.name))
            if one.name == child(owner, one.silo, one.attempt, coordinator=not one.silo) and not one.deleting:
                await self.hands.api.delete(CONFIGS, one.namespace, one.name, one.uid)

    def _attempts(self) -> dict[str, dict[str, int]]:
        jobs = [job for uid in self.hands.cache.uids() if (job := self.hands.cache.job(uid)) is not None]
        return {job.uid: job.attempts for job in jobs}


async def _listed(api: Api, cache: Cache, kind: Kind, namespace: str) -> set[str]:
    """One kind in one namespace, or in all; a kind that is not installed has no objects."""
    touched: set[str] = set()
    there: set[tuple[str, str]] = set()
    version = 0
    try:
        async for items, version in api.pages(kind, namespace):  # noqa: B007 - all pages are of one version
            for item in items:
                there.add((item["metadata"]["namespace"], item["metadata"]["name"]))
                touched |= cache.put(kind, item)
    except ClusterError as error:
        if error.status != 404 or kind is not CLUSTERS:
            raise
    return touched | cache.sweep(kind, there, version, namespace)
