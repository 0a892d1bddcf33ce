"""The coordinator's pod: acceptance by pins, all rounds, model and statement; without Ray, rows or shard keys.

Started again at any time, alone or beside another that still runs: one commit a round settles it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import ParamSpec

from ringfence.acceptance.accept import accept
from ringfence.acceptance.accepted import Acceptance
from ringfence.acceptance.code import Code
from ringfence.federation import layout, results
from ringfence.federation.board import Board
from ringfence.federation.conducting import conductor
from ringfence.federation.finished import Finished
from ringfence.federation.job_code import stored_code
from ringfence.federation.outcome import Outcome
from ringfence.federation.pods.config_map import ConfigMap
from ringfence.federation.pods.metered import MeteredStores
from ringfence.federation.pods.mounts import Mounts
from ringfence.federation.pods.process import main
from ringfence.federation.pods.serving import serve
from ringfence.federation.rounds_seen import MOVED, RoundsSeen
from ringfence.observe.metrics.workload import coordinator_series
from ringfence.observe.tally import Totals, known
from ringfence.privacy import jobkeys
from ringfence.privacy.admission import BUILTIN
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.privacy.ledger.witness import FileWitness, Witness
from ringfence.spec.assignment import CoordinatorAssignment
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores

P = ParamSpec("P")


class PodMemory:
    """A pod remembers nothing of its own: it is told which manifests to read, and the operator watches the heads."""

    def __init__(self, mounts: Mounts) -> None:
        self._witness = FileWitness(mounts.heads)

    @property
    def witness(self) -> Witness:
        return self._witness

    def seen_manifest(self, dataset: str) -> int:
        return 0

    def remember_manifest(self, dataset: str, version: int) -> None: ...


def coordinate(mounts: Mounts) -> Outcome:
    """Run the job to its end. Raises RingfenceError: what acceptance, a round or a store refused."""
    told = CoordinatorAssignment.read(mounts.assignment)
    keys = jobkeys.load(mounts.job_keys)
    show = ConfigMap.in_cluster(told.progress).patch if told.progress else lambda data: data
    seen = RoundsSeen(told.members, _moved_before(show))
    board = Board(told.job.spec.rounds, told.members, show, seen.totals)
    serve(lambda: coordinator_series(seen.totals(), seen.members()))
    stores = MeteredStores(moved=seen.moved)
    acceptance = _accept(told, stores, mounts)
    job = conductor(acceptance, told.uid, stores, keys, lambda silo: _public(told, silo))
    job.coordinator.watch(board.lost, _both(board.waiting, seen.waiting))
    board.start()
    commits = job.coordinator.run(_both(seen.committed, board.committed))
    finished = Finished(acceptance, told.uid, commits, job.model, told.before, told.image)
    results.write(finished, job.store, keys.sign, None)
    board.finish(
        model=f"{job.url}/{layout.MODEL}",
        statement=f"{job.url}/{layout.STATEMENT}",
        head={
            one.manifest.dataset: {"index": one.ledger.view.head.index, "hash": one.ledger.view.head.hash}
            for one in acceptance.private
            if one.ledger
        },
    )
    return Outcome(published=len(commits))


def _accept(told: CoordinatorAssignment, stores: Stores, mounts: Mounts) -> Acceptance:
    """The acceptance that the operator came to, from the same manifests; the coordinator believes nobody's plan."""
    named = told.job.spec.task.code
    digest = named.rpartition("@")[2] if named else BUILTIN
    output = stores.open(f"{told.job.spec.output.rstrip('/')}/{told.uid}")
    manifests = Manifests((told.job,), told.budgets, "the operator's assignment")
    pins = {silo: (pin.version, pin.digest) for silo, pin in told.manifests.items()}
    return accept(manifests, stores, PodMemory(mounts), Code(digest, stored_code(output, digest)), pins)


def _public(told: CoordinatorAssignment, silo: str) -> PublicKeys:
    return PublicKeys(told.members[silo].sign, told.members[silo].seal)


def _moved_before(show: Callable[[dict[str, str]], dict[str, str]]) -> Totals:
    """The bytes that an earlier process of this coordinator moved, as it told last; commits do not hold them."""
    try:
        told = json.loads(show({}).get("progress") or "{}")
    except (OSError, ValueError):
        return {}
    return known(told.get("totals") if isinstance(told, dict) else None, MOVED)


def _both(one: Callable[P, None], other: Callable[P, None]) -> Callable[P, None]:
    def call(*given: P.args, **named: P.kwargs) -> None:
        one(*given, **named)
        other(*given, **named)

    return call


if __name__ == "__main__":
    main(coordinate)
