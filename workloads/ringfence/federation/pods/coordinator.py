"""The coordinator's pod: acceptance by pins, all rounds, model and statement; without Ray, rows or shard keys.

Started again at any time, alone or beside another that still runs: one commit a round settles it.
"""

from __future__ import annotations

from ringfence.acceptance.accept import accept
from ringfence.acceptance.accepted import Acceptance
from ringfence.acceptance.code import Code
from ringfence.federation import layout, results
from ringfence.federation.conducting import conductor
from ringfence.federation.finished import Finished
from ringfence.federation.job_code import stored_code
from ringfence.federation.outcome import Outcome
from ringfence.federation.pods.board import Board
from ringfence.federation.pods.config_map import ConfigMap
from ringfence.federation.pods.mounts import Mounts
from ringfence.federation.pods.process import main
from ringfence.privacy import jobkeys
from ringfence.privacy.admission import BUILTIN
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.privacy.ledger.witness import FileWitness, Witness
from ringfence.spec.assignment import CoordinatorAssignment
from ringfence.spec.load import Manifests
from ringfence.store.open import Stores


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
    board = _board(told)
    stores = Stores()
    acceptance = _accept(told, stores, mounts)
    job = conductor(acceptance, told.uid, stores, keys, lambda silo: _public(told, silo))
    job.coordinator.watch(board.lost, board.waiting)
    board.start()
    commits = job.coordinator.run(board.committed)
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


def _board(told: CoordinatorAssignment) -> Board:
    show = ConfigMap.in_cluster(told.progress).patch if told.progress else lambda data: data
    return Board(told.job.spec.rounds, told.members, show)


if __name__ == "__main__":
    main(coordinate)
