"""What every story does: processes that wait, keys and seals and budgets, a training told as one bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ringfence.demo.cast import Cast
from ringfence.demo.ending import Account
from ringfence.demo.folder import Folder
from ringfence.demo.owners import Sealing, open_budget, seal_one
from ringfence.observe.progress import Progress, SilentProgress
from ringfence.spec import FederatedJob, Manifests, PrivacyBudget

if TYPE_CHECKING:
    from ringfence.federation.run import RunResult


@contextmanager
def cluster(silos: Sequence[str]) -> Iterator[Any]:
    """One Ray for all trainings, whose processes wake up while the rows are sealed."""
    from ringfence.federation.local_cluster import LocalCluster

    with LocalCluster() as running:
        running.warm(tuple(silos))
        yield running


def set_up(
    folder: Folder, cast: Cast, expected: FederatedJob, sealings: Sequence[Sealing], progress: Progress
) -> tuple[PrivacyBudget, ...]:
    """Everything in `sealings` sealed, and the budget of every silo, opened for jobs like `expected`."""
    progress.stage("sealing", total=len(sealings))
    manifests = {}
    for sealing in sealings:
        manifest = seal_one(folder, sealing)
        if not sealing.public:
            manifests[sealing.owner] = manifest
        progress.advance()
    progress.stage("opening the budgets", total=len(cast.silos))
    budgets = []
    for silo in cast.silos:
        budgets.append(open_budget(folder, cast, silo, manifests[silo], expected))
        progress.advance()
    return tuple(budgets)


def run(folder: Folder, manifests: Manifests, cluster: Any, progress: Progress, title: str) -> RunResult:
    """One training, as one bar of its rounds under `title`."""
    from ringfence.federation.run import RunOptions, run_job

    options = RunOptions(keys=folder.keys, store=folder.store, state=folder.state)
    chapter = _Chapter(progress, title, manifests.job().spec.rounds)
    return run_job(manifests, options, chapter, cluster)


def accounts(folder: Folder, job: FederatedJob, budgets: tuple[PrivacyBudget, ...]) -> tuple[Account, ...]:
    """Each silo's budget as it is now: what the planner says of one more job like `job`."""
    from ringfence.federation.foresee import plan_job

    found = plan_job(Manifests((job,), budgets), store=folder.store, state=folder.state)
    return tuple(
        Account(
            silo=one.silo.upper(),
            limit=one.limit_epsilon,
            spent=f"{float(one.spent_epsilon):.4f}",
            left=f"{float(one.limit_epsilon) - float(one.spent_epsilon):.4f}",
            jobs_left=one.headroom.jobs_left if one.headroom else 0,
        )
        for one in found
    )


class _Chapter(SilentProgress):
    """A bar of rounds; what happens between rounds is not told."""

    def __init__(self, progress: Progress, title: str, rounds: int) -> None:
        self._progress = progress
        progress.stage(title, rounds)

    def advance(self, n: int = 1) -> None:
        self._progress.advance(n)
