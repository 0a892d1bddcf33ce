"""The queue of keys: each at most once, never two turns of one key at a time, and fair between namespaces.

A namespace with a thousand jobs does not make another's one job wait for a thousand turns: namespaces take turns.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable

Key = tuple[str, str, str]
"""(kind, namespace, name or uid)."""


class Keys:
    """For one event loop."""

    def __init__(self, waited: Callable[[float], None] = lambda seconds: None) -> None:
        """`waited` is told how long each key stood in the queue."""
        self._waited = waited
        self._since: dict[Key, float] = {}
        self._waiting: OrderedDict[str, deque[Key]] = OrderedDict()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._dirty: set[Key] = set()
        self._later: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queued)

    def add(self, key: Key) -> None:
        """This key is looked at soon; if it is being looked at now, again after that."""
        if key in self._busy:
            self._dirty.add(key)
            return
        if key in self._queued:
            return
        self._queued.add(key)
        self._since[key] = time.monotonic()
        self._waiting.setdefault(key[1], deque()).append(key)
        self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Looked at after so many seconds at the latest; an earlier time that is known already stays."""
        due = time.monotonic() + max(0.0, seconds)
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, key))
        self._wake.set()

    async def take(self) -> Key:
        """The next key, fair by namespace; `done` must follow."""
        while True:
            self._ripen()
            if self._waiting:
                namespace, keys = next(iter(self._waiting.items()))
                key = keys.popleft()
                self._waiting.move_to_end(namespace)
                if not keys:
                    del self._waiting[namespace]
                self._queued.discard(key)
                self._busy.add(key)
                self._waited(time.monotonic() - self._since.pop(key))
                return key
            self._wake.clear()
            wait = self._later[0][0] - time.monotonic() if self._later else None
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """The turn of a key is over."""
        self._busy.discard(key)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def _ripen(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            due, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
