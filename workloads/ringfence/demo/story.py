"""The traffic story, top to bottom: rows, keys, seals, budgets, plan, five trainings, one refusal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.demo import ending, jobs
from ringfence.demo.flights import AIRPORTS, Flights, read_flights
from ringfence.demo.folder import Folder, make_folder
from ringfence.errors import BudgetExhausted
from ringfence.observe.progress import Progress, SilentProgress
from ringfence.spec import FederatedJob, Manifests, PrivacyBudget

if TYPE_CHECKING:
    from ringfence.federation.run import RunResult
    from ringfence.shards.manifest import Manifest


def tell(wanted: Path | None, progress: Progress) -> ending.Ending:
    """Run the story in a new folder. Raises InvalidInput when folder or data cannot be used."""
    started = time.monotonic()
    folder = make_folder(wanted, "traffic")
    progress.stage("starting one process for each airport")
    with _cluster() as cluster:
        flights = _prepare(folder, progress)
        manifests = _seal(folder, progress)
        budgets = _open_budgets(folder, manifests, progress)
        _write_manifests(folder, budgets)
        arms = _plain_arms(folder, cluster, progress)
        result = _run(folder, Manifests((jobs.federated(AIRPORTS),), budgets), cluster, progress, "all, with privacy")
        refusal = _refused(folder, budgets, cluster, progress)
    private = ending.Arm("all federated", f"private rows, epsilon {jobs.EPSILON} each", result.metrics["auc"])
    report = folder.root / "report.html"
    report.write_bytes(result.stores.open(result.output).get("report.html"))
    return ending.Ending(
        folder=folder.root,
        arms=(*arms, private),
        accounts=_accounts(folder, budgets),
        refusal=refusal,
        output=result.output,
        report=report,
        records=sum(rows.num_rows for rows in flights.airports.values()),
        dropped=flights.without_arrival,
        seconds=time.monotonic() - started,
    )


@contextmanager
def _cluster() -> Iterator[Any]:
    """One Ray for all trainings, whose processes wake up while the rows are sealed."""
    from ringfence.federation.local_cluster import LocalCluster

    with LocalCluster() as cluster:
        cluster.warm(AIRPORTS)
        yield cluster


def _prepare(folder: Folder, progress: Progress) -> Flights:
    """The rows of every airport and of the hold-out, as files."""
    progress.stage("reading the flights and the weather of 2013")
    flights = read_flights()
    for name, rows in {**flights.airports, "holdout": flights.holdout}.items():
        folder.write_rows(name, rows)
    folder.write_schema()
    return flights


def _seal(folder: Folder, progress: Progress) -> dict[str, Manifest]:
    """Everything sealed; the private manifests by airport."""
    from ringfence.demo.owners import make_keys, seal_one, sealings

    make_keys(folder, (*AIRPORTS, jobs.TEAM))
    todo = sealings(AIRPORTS)
    progress.stage("sealing: each airport its flights and a public copy", total=len(todo))
    found = {}
    for sealing in todo:
        manifest = seal_one(folder, sealing)
        if not sealing.public:
            found[sealing.owner] = manifest
        progress.advance()
    return found


def _open_budgets(folder: Folder, manifests: dict[str, Manifest], progress: Progress) -> tuple[PrivacyBudget, ...]:
    from ringfence.demo.owners import open_budget

    progress.stage("opening the budgets", total=len(AIRPORTS))
    budgets = []
    for airport in AIRPORTS:
        budgets.append(open_budget(folder, airport, manifests[airport], jobs.federated(AIRPORTS)))
        progress.advance()
    return tuple(budgets)


def _write_manifests(folder: Folder, budgets: tuple[PrivacyBudget, ...]) -> None:
    folder.write_manifest("budgets.yaml", *budgets)
    folder.write_manifest("job.yaml", jobs.federated(AIRPORTS))
    folder.write_manifest("greedy.yaml", _greedy())
    folder.write_manifest("own.yaml", jobs.own_task())
    folder.write_task()
    for name, job in _plain_jobs():
        folder.write_manifest(f"{name}.yaml", job)


def _plain_jobs() -> list[tuple[str, FederatedJob]]:
    """The arms without privacy, by name."""
    alone = [(f"alone-{airport}", jobs.open_copies((airport,), f"alone-{airport}")) for airport in AIRPORTS]
    return [*alone, ("federated-public", jobs.open_copies(AIRPORTS, "federated-public"))]


def _greedy() -> FederatedJob:
    return jobs.federated(AIRPORTS, jobs.TOO_GREEDY, "greedy")


def _plain_arms(folder: Folder, cluster: Any, progress: Progress) -> tuple[ending.Arm, ...]:
    arms = []
    for (name, data), (_, job) in zip(ending.labels(AIRPORTS), _plain_jobs(), strict=True):
        result = _run(folder, Manifests((job,), ()), cluster, progress, f"{name}, {data}")
        arms.append(ending.Arm(name, data, result.metrics["auc"]))
    return tuple(arms)


def _run(folder: Folder, manifests: Manifests, cluster: Any, progress: Progress, title: str) -> RunResult:
    from ringfence.federation.run import RunOptions, run_job

    options = RunOptions(keys=folder.keys, store=folder.store, state=folder.state)
    chapter = _Chapter(progress, title, manifests.job().spec.rounds)
    return run_job(manifests, options, chapter, cluster)


def _refused(folder: Folder, budgets: tuple[PrivacyBudget, ...], cluster: Any, progress: Progress) -> str:
    """The one line with which the greedy job is refused; empty if it was not."""
    try:
        _run(folder, Manifests((_greedy(),), budgets), cluster, progress, "a greedy job")
    except BudgetExhausted as error:
        return f"{error.reason}: {error}"
    return ""


def _accounts(folder: Folder, budgets: tuple[PrivacyBudget, ...]) -> tuple[ending.Account, ...]:
    """Each airport's budget after all of it: what the planner says of one more job like the first."""
    from ringfence.federation.foresee import plan_job

    found = plan_job(Manifests((jobs.federated(AIRPORTS),), budgets), store=folder.store, state=folder.state)
    return tuple(
        ending.Account(
            airport=one.silo.upper(),
            limit=one.limit_epsilon,
            spent=f"{float(one.spent_epsilon):.4f}",
            left=f"{float(one.limit_epsilon) - float(one.spent_epsilon):.4f}",
            jobs_left=one.headroom.jobs_left if one.headroom else 0,
        )
        for one in found
    )


class _Chapter(SilentProgress):
    """One training as one bar of its rounds, under the chapter's title; what happens between rounds is not told."""

    def __init__(self, progress: Progress, title: str, rounds: int) -> None:
        self._progress = progress
        progress.stage(title, rounds)

    def advance(self, n: int = 1) -> None:
        self._progress.advance(n)
