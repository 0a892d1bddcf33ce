"""A silo's process: a Ray actor that prepares a silo, then runs its rounds, and keeps its output to itself."""

from __future__ import annotations

import os

from ringfence.errors import WorkloadFailed
from ringfence.federation.outcome import Outcome
from ringfence.federation.silo import Assignment, Silo


class SiloProcess:
    """The actor. Every failure comes back as an Outcome without values."""

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
