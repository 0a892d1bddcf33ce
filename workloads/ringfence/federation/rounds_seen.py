"""What the coordinator counts of its rounds, for its series and for the progress that outlives it.

All of it is what anybody who reads the bucket sees: commits, who is in them, when an update appeared, sizes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from decimal import Decimal

from ringfence.federation.rounds import Commit
from ringfence.observe.tally import Member, Totals, added

MOVED = frozenset({"sentBytes", "receivedBytes"})


class RoundsSeen:
    """Totals over all commits of a job, adopted ones too, so that a restarted coordinator tells of the whole job.

    `before` is what an earlier process of this coordinator moved; bytes stand in no commit.
    """

    def __init__(self, silos: Iterable[str], before: Totals | None = None) -> None:
        self._lock = threading.Lock()
        self._totals: Totals = dict(before or {})
        self._members = dict.fromkeys(sorted(silos), Member())
        self._waits: tuple[int, float, frozenset[str]] = (0, 0.0, frozenset())

    def committed(self, commit: Commit) -> None:
        """A round is over."""
        more = {"rounds": "1", "updates": str(len(commit.members))}
        more["missedUpdates"] = str(len(self._members.keys() - commit.members.keys()))
        for part, seconds in commit.seconds.items():
            more |= {f"{part}Seconds": seconds, f"{part}Count": "1"}
        with self._lock:
            self._totals = added(self._totals, more)
            for name, one in self._members.items():
                here = name in commit.members
                self._members[name] = replace(one, updates=one.updates + here, missed=one.missed + (not here))

    def waiting(self, round_: int, silos: Set[str]) -> None:
        """Round `round_` waits for these silos; who left the set since the last look has answered."""
        now = time.monotonic()
        with self._lock:
            known, began, before = self._waits
            if known != round_:
                began, before = now, frozenset(self._members)
            for name in before - silos:
                one = self._members[name]
                self._members[name] = replace(one, answers=one.answers + 1, seconds=one.seconds + now - began)
            self._waits = (round_, began, frozenset(silos))

    def moved(self, direction: str, size: int) -> None:
        """`size` bytes were `sent` to a store or `received` from one."""
        with self._lock:
            name = f"{direction}Bytes"
            self._totals[name] = str(Decimal(self._totals.get(name, "0")) + size)

    def totals(self) -> Totals:
        with self._lock:
            return added(self._totals, {})

    def members(self) -> Mapping[str, Member]:
        with self._lock:
            return dict(self._members)
