"""One process for each silo on a Ray that is already there: a local one, or a silo's own cluster.

A process gets an `Assignment`, which names its own key files and no other silo's. Rows are opened inside the process
and stay there: nothing is put into Ray's object store, spilling to disk is off, and the process's output goes nowhere,
because a task may print what it sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from ringfence.federation.outcome import Outcome
from ringfence.federation.silo import Assignment
from ringfence.federation.silo_process import SiloProcess

_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


class SiloProcesses:
    """Silo processes, kept by silo name, so that a later job finds them warm."""

    def __init__(self, ray: Any) -> None:
        """`ray` is the module, initialised."""
        self._ray = ray
        self._actor = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(SiloProcess)
        self._processes: dict[str, Any] = {}

    def warm(self, silos: Iterable[str]) -> None:
        """Start the processes of `silos` now, without waiting for them."""
        for silo in silos:
            if silo not in self._processes:
                self._processes[silo] = self._actor.options(runtime_env={"env_vars": _ENVIRONMENT}).remote()

    def prepare(self, assignment: Assignment) -> Any:
        """A reference to the outcome of opening that silo."""
        self.warm([assignment.silo])
        return self._processes[assignment.silo].prepare.remote(assignment)

    def run(self, silo: str) -> Any:
        """A reference to the outcome of that silo's rounds."""
        return self._processes[silo].run.remote()

    def finished(self, references: Mapping[str, Any], timeout: float = 0) -> dict[str, Outcome | None]:
        """Outcomes that are there, by silo; None for a silo whose process died."""
        if not references:
            return {}
        names = {reference: silo for silo, reference in references.items()}
        done, _ = self._ray.wait(list(names), num_returns=len(names), timeout=timeout)
        return {names[reference]: self._outcome(reference) for reference in done}

    def discard(self, silo: str) -> None:
        """End that silo's process; the next job or attempt gets a new one."""
        if process := self._processes.pop(silo, None):
            self._ray.kill(process)

    def close(self) -> None:
        """End every process and leave Ray."""
        self._processes.clear()
        self._ray.shutdown()

    def _outcome(self, reference: Any) -> Outcome | None:
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            return None
        return outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
