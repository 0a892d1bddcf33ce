"""One Ray on this machine, with one process for each silo.

A process gets an `Assignment`, which names its own key files and no other silo's. Rows are opened inside the process
and stay there: nothing is put into Ray's object store, spilling to disk is off, and the process's output goes nowhere,
because a task may print what it sees.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from ringfence.errors import WorkloadFailed
from ringfence.federation.outcome import Outcome
from ringfence.federation.silo import Assignment, Silo

_OBJECT_STORE_BYTES = 80 * 1024 * 1024  # only assignments and outcomes pass through it


class SiloProcess:
    """The actor: prepares a silo, then runs its rounds. Every failure comes back as an Outcome without values."""

    def __init__(self) -> None:
        import resource

        import torch

        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        self._silo: Silo | None = None

    def pid(self) -> int:
        """The process id, once the process is ready."""
        return os.getpid()

    def prepare(self, assignment: Assignment) -> Outcome:
        """Verifies ledger, manifest and code, then opens the shards."""
        self._silo = None
        try:
            self._silo = Silo(assignment)
        except BaseException as error:
            return Outcome.of(error)
        return Outcome()

    def run(self) -> Outcome:
        """Takes part in all rounds, then forgets rows and keys."""
        if self._silo is None:
            return Outcome.of(WorkloadFailed("run before prepare"))
        try:
            return Outcome(published=self._silo.run())
        except BaseException as error:
            return Outcome.of(error)
        finally:
            self._silo = None


class LocalCluster:
    """A local Ray and its silo processes. Processes are kept by silo name, so that a later job finds them warm."""

    def __init__(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # An actor that asks for no GPU keeps what the machine shows it, as Ray will do by default.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray: Any = ray
        ray.init(
            num_cpus=1,  # processes below ask for none: a silo is a place, not a share of this machine
            num_gpus=0,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _system_config={"automatic_object_spilling_enabled": False},
        )
        self._actor = ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(SiloProcess)
        self._processes: dict[str, Any] = {}

    def warm(self, silos: Iterable[str]) -> None:
        """Start the processes of `silos` now, without waiting for them."""
        for silo in silos:
            if silo not in self._processes:
                self._processes[silo] = self._actor.options(runtime_env={"env_vars": _environment()}).remote()

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
        """End every process and Ray itself."""
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


def _environment() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1"}
