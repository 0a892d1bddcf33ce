"""Watches a job's silo processes: starts them, starts a dead one again, and says which silos are lost and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringfence.errors import QuorumLost, RingfenceError
from ringfence.federation.local_cluster import LocalCluster
from ringfence.federation.outcome import Outcome
from ringfence.federation.silo import Assignment

ENDED = "it has ended its rounds"
_TICK = 0.2


class Supervisor:
    """One job's silos on a LocalCluster. A process that dies uses up one attempt; a refusal is final."""

    def __init__(self, cluster: LocalCluster, assignments: Sequence[Assignment], attempts: int) -> None:
        self._cluster = cluster
        self._assignments = {assignment.silo: assignment for assignment in assignments}
        self._left = dict.fromkeys(self._assignments, attempts)
        self._preparing: dict[str, Any] = {}
        self._running: dict[str, Any] = {}
        self._lost: dict[str, str] = {}

    def prepare(self) -> None:
        """Open every silo and wait for all. Raises the first refusal by name, before any silo has trained.

        A silo whose process keeps dying is lost; raises QuorumLost when none is left.
        """
        self._preparing = {s: self._cluster.prepare(a) for s, a in self._assignments.items()}
        while self._preparing:
            for silo, outcome in sorted(self._cluster.finished(self._preparing, _TICK).items()):
                del self._preparing[silo]
                if outcome is None:
                    self._again(silo)
                elif error := outcome.exception(silo):
                    raise error
        if len(self._lost) == len(self._assignments):
            raise QuorumLost("no silo's process stayed alive: " + "; ".join(self._lost.values()))

    def start(self) -> None:
        """Begin the rounds in every prepared silo."""
        for silo in self._assignments.keys() - self._lost.keys():
            self._running[silo] = self._cluster.run(silo)

    def lost(self) -> Mapping[str, str]:
        """Silos that will not answer, with the reason; a dead process is started again while it has attempts."""
        for silo, outcome in self._cluster.finished(self._preparing).items():
            del self._preparing[silo]
            if self._settle(silo, outcome):
                self._running[silo] = self._cluster.run(silo)
        for silo, outcome in self._cluster.finished(self._running).items():
            del self._running[silo]
            if self._settle(silo, outcome):
                self._lost[silo] = ENDED
        return self._lost

    def stop(self) -> None:
        """End the processes that still work on this job."""
        for silo in [*self._running, *self._preparing]:
            self._cluster.discard(silo)
        self._running, self._preparing = {}, {}

    def _settle(self, silo: str, outcome: Outcome | None) -> bool:
        """Whether the step went well; else the silo is started again or lost."""
        if outcome is None:
            self._again(silo)
            return False
        error: RingfenceError | None = outcome.exception(silo)
        if error is not None:
            self._lost[silo] = f"{error.reason}: {error}"
        return error is None

    def _again(self, silo: str) -> None:
        self._cluster.discard(silo)
        if self._left[silo] == 0:
            self._lost[silo] = "its process died and no attempt is left"
            return
        self._left[silo] -= 1
        self._preparing[silo] = self._cluster.prepare(self._assignments[silo])
