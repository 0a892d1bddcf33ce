"""The container beside a silo's Ray head: prepares the silo in a process of its cluster, then runs all its rounds.

KubeRay makes a dead head's pod again at any time, driver included. That is safe by the round's own rules: a charged
round is never computed again, and what was charged is published as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringfence.errors import WorkloadFailed
from ringfence.federation.outcome import Outcome
from ringfence.federation.pods.joined_cluster import JoinedCluster
from ringfence.federation.pods.mounts import Mounts
from ringfence.federation.pods.process import main
from ringfence.federation.pods.serving import serve
from ringfence.federation.silo import Assignment
from ringfence.federation.silo_processes import SiloProcesses
from ringfence.observe import tally
from ringfence.observe.metrics.workload import silo_series
from ringfence.privacy.jobkeys import PublicKeys
from ringfence.privacy.ledger.view import Head
from ringfence.privacy.ledger.witness import FileWitness
from ringfence.spec.assignment import RememberedHead, SiloAssignment
from ringfence.store.open import Stores

_TICK = 0.5


def drive(mounts: Mounts) -> Outcome:
    """Prepare and run the silo; its outcome. Raises RingfenceError for what keeps it from being tried."""
    told = SiloAssignment.read(mounts.assignment)
    _remember(mounts, told.heads)
    mounts.ready.unlink(missing_ok=True)
    mounts.tally.unlink(missing_ok=True)
    serve(lambda: silo_series(tally.read(mounts.tally)[2]))
    with JoinedCluster() as cluster:
        prepared = _outcome(cluster, told.silo, cluster.prepare(assignment(told, mounts)))
        if prepared.error:
            return prepared
        mounts.ready.touch()
        return _outcome(cluster, told.silo, cluster.run(told.silo))


def assignment(told: SiloAssignment, mounts: Mounts) -> Assignment:
    """What the silo's process is told: the operator's words, and the paths of its keys in this pod."""
    return Assignment(
        uid=told.uid,
        silo=told.silo,
        job=told.job,
        dataset=told.dataset,
        signer=told.signer,
        manifest=(told.manifest.version, told.manifest.digest),
        kek=mounts.kek if told.private else None,
        keys=mounts.job_keys,
        coordinator=PublicKeys(told.coordinator.sign, told.coordinator.seal),
        code=told.code,
        stores=Stores(),
        heads=mounts.heads,
        tally=mounts.tally,
    )


def _remember(mounts: Mounts, heads: Mapping[str, RememberedHead]) -> None:
    """The pod's witness starts with what the operator has seen: a pod remembers nothing of its own."""
    witness = FileWitness(mounts.heads)
    for dataset, head in heads.items():
        witness.remember(dataset, Head(head.index, head.hash))


def _outcome(cluster: SiloProcesses, silo: str, reference: Any) -> Outcome:
    """The outcome of a step, once it is there; a dead process is an attempt that failed."""
    while True:
        finished = cluster.finished({silo: reference}, timeout=_TICK)
        if silo in finished:
            return finished[silo] or Outcome.of(WorkloadFailed("the silo's process died"))


if __name__ == "__main__":
    main(drive)
