"""A cluster of threads in place of Ray's processes: the same Silo code, quick to start, open to injected crashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

import torch

from ringfence.federation.outcome import Outcome
from ringfence.federation.silo import Assignment, Silo
from ringfence.store.open import Stores


class Crash(BaseException):
    """The death of a process: nothing after it runs. A BaseException, so that no handler of ours survives it."""


class ThreadCluster:
    """What Supervisor needs of a LocalCluster. `stores` may wrap the stores that a silo sees, by silo name."""

    def __init__(self, stores: Callable[[str, Stores], Stores] = lambda silo, given: given) -> None:
        torch.set_num_threads(1)
        self._stores = stores
        self._pool = ThreadPoolExecutor(8)
        self._silos: dict[str, Silo] = {}
        self.deaths = 0

    def prepare(self, assignment: Assignment) -> Future[Outcome]:
        given = replace(assignment, stores=self._stores(assignment.silo, assignment.stores))
        return self._pool.submit(self._step, lambda: self._prepare(given))

    def run(self, silo: str) -> Future[Outcome]:
        return self._pool.submit(self._step, lambda: Outcome(published=self._silos[silo].run()))

    def finished(self, references: Mapping[str, Future], timeout: float = 0) -> dict[str, Outcome | None]:
        wait(references.values(), timeout=timeout or 0.005, return_when=FIRST_COMPLETED)
        return {silo: self._outcome(future) for silo, future in references.items() if future.done()}

    def discard(self, silo: str) -> None:
        self._silos.pop(silo, None)

    def _prepare(self, assignment: Assignment) -> Outcome:
        self._silos[assignment.silo] = Silo(assignment)
        return Outcome()

    def _step(self, step: Callable[[], Outcome]) -> Outcome:
        try:
            return step()
        except Exception as error:
            return Outcome.of(error)

    def _outcome(self, future: Future[Outcome]) -> Outcome | None:
        if isinstance(future.exception(), Crash):
            self.deaths += 1
            return None
        return future.result()
