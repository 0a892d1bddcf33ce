"""The workers: a key at a time, each turn one look at a job or a budget."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ringfence.errors import RingfenceError
from ringfence_operator.actions import Ask, Question
from ringfence_operator.controller.budgeting import Budgets
from ringfence_operator.controller.cache import Cache
from ringfence_operator.controller.carrying import Hands, NotLeading, carry
from ringfence_operator.controller.keys import Key, Keys
from ringfence_operator.reconcile import reconcile
from ringfence_operator.seen import Seen

JOB, BUDGET = "job", "budget"
_MOVES = (Question.RESERVE, Question.CLOSE)
_LOG = logging.getLogger("ringfence.operator")
_AFTER_A_FAULT = 30.0
_IN_DOUBT = 2.0


@dataclass
class Workers:
    """Runs turns while this replica leads. `slowest` is when the oldest running turn began, for the liveness probe."""

    hands: Hands
    keys: Keys
    budgets: Budgets
    _turns: dict[Key, float] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """This replica leads from now on."""
        if not self._tasks:
            count = self.hands.settings.workers
            self._tasks = [asyncio.create_task(self._work(), name=f"worker {n}") for n in range(count)]

    def stop(self) -> None:
        """It leads no more: turns are cancelled, and what they knew is forgotten, since another works now."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._turns.clear()
        self.hands.notes.clear()

    def slowest(self) -> float:
        """Seconds since the oldest running turn began; 0 when none runs."""
        return time.monotonic() - min(self._turns.values()) if self._turns else 0.0

    async def _work(self) -> None:
        while True:
            key = await self.keys.take()
            self._turns[key] = time.monotonic()
            try:
                await self._turn(key)
            finally:
                self._turns.pop(key, None)
                self.keys.done(key)

    async def _turn(self, key: Key) -> None:
        handlers: dict[str, Callable[[Key], Awaitable[float | None]]] = {JOB: self._job, BUDGET: self._budget}
        began, result = time.monotonic(), "ok"
        try:
            after = await handlers[key[0]](key)
        except NotLeading:  # in doubt for a moment, or for good: then the workers are stopped and the key waits
            self.keys.add_after(key, _IN_DOUBT)
            return
        except RingfenceError as error:  # the API server is away, say: a line tells all of it
            _LOG.warning("a turn of %s %s/%s: %s", *key, error)
            after, result = _AFTER_A_FAULT, "error"
        except Exception:  # one job's fault must not stop the others
            _LOG.exception("a turn of %s %s/%s failed", *key)
            after, result = _AFTER_A_FAULT, "error"
        self.hands.metrics.reconciled(key[0], result, time.monotonic() - began)
        if after is not None:
            self.keys.add_after(key, after) if after > 0 else self.keys.add(key)

    async def _job(self, key: Key) -> float | None:
        uid, cache = key[2], self.hands.cache
        waited = {one.uid for one in cache.waiting_with(uid)}
        seen = look(self.hands, uid, time.time())
        if seen is None:
            self.hands.notes.forget(uid)
            return None
        actions = reconcile(seen, self.hands.settings)
        after = await carry(self.hands, seen, actions)
        if any(isinstance(one, Ask) and one.question in _MOVES for one in actions):
            for budget in seen.budgets.values():
                if budget is not None:
                    self.keys.add((BUDGET, budget.metadata.namespace, budget.metadata.name))
        if uid in waited and uid not in {one.uid for one in cache.waiting_with(uid)}:
            self.budgets.wake(uid)
        return after

    async def _budget(self, key: Key) -> float | None:
        return await self.budgets.turn((key[1], key[2]))


def look(hands: Hands, uid: str, now: float) -> Seen | None:
    """The job as it looks at this time; None when it is not there any more."""
    job = hands.cache.job(uid)
    if job is None:
        return None
    children = hands.cache.children(uid)
    hands.notes.hear(uid, "".join(one.progress for one in children.anchors if not one.silo), now)
    refs = {one.name: one.budget_ref for one in job.resource.spec.silos if one.budget_ref} if job.resource else {}
    return Seen(
        job=job,
        now=now,
        budgets={name: hands.cache.budget((ref.namespace, ref.name)) for name, ref in refs.items()},
        children=children,
        findings=hands.notes.of(uid),
        ahead=ahead(hands.cache, uid, job.created, now),
    )


def ahead(cache: Cache, uid: str, created: str, now: float) -> tuple[str, ...]:
    """Jobs that arrived earlier and wait for room in one of this job's budgets; those that back off let others pass."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return tuple(
        f"{one.namespace}/{one.name}"
        for one in cache.waiting_with(uid)
        if (one.since, one.uid) < (created, uid) and one.after <= stamp
    )
