"""The traffic story, top to bottom: rows, keys, seals, budgets, plan, five trainings, one refusal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ringfence.demo import ending, jobs, stage
from ringfence.demo.flights import AIRPORTS, Flights, read_flights
from ringfence.demo.folder import Folder, make_folder
from ringfence.demo.owners import make_keys, sealings
from ringfence.errors import BudgetExhausted
from ringfence.observe.progress import Progress
from ringfence.spec import FederatedJob, Manifests, PrivacyBudget


def tell(wanted: Path | None, progress: Progress) -> ending.Ending:
    """Run the story in a new folder. Raises InvalidInput when folder or data cannot be used."""
    started = time.monotonic()
    folder = make_folder(wanted, "traffic")
    progress.stage("starting one process for each airport")
    with stage.cluster(AIRPORTS) as cluster:
        flights = _prepare(folder, progress)
        make_keys(folder, (*AIRPORTS, jobs.TEAM))
        budgets = stage.set_up(folder, jobs.CAST, jobs.federated(), sealings(jobs.CAST), progress)
        _write_manifests(folder, budgets)
        arms = _plain_arms(folder, cluster, progress)
        result = stage.run(folder, Manifests((jobs.federated(),), budgets), cluster, progress, "all, with privacy")
        refusal = _refused(folder, budgets, cluster, progress)
    private = ending.Arm("all federated", f"private rows, epsilon {jobs.EPSILON} each", result.metrics["auc"])
    report = folder.root / "report.html"
    report.write_bytes(result.stores.open(result.output).get("report.html"))
    return ending.Ending(
        folder=folder.root,
        arms=(*arms, private),
        accounts=stage.accounts(folder, jobs.federated(), budgets),
        refusal=refusal,
        output=result.output,
        report=report,
        records=sum(rows.num_rows for rows in flights.airports.values()),
        dropped=flights.without_arrival,
        seconds=time.monotonic() - started,
    )


def _prepare(folder: Folder, progress: Progress) -> Flights:
    """The rows of every airport and of the hold-out, as files."""
    progress.stage("reading the flights and the weather of 2013")
    flights = read_flights()
    for name, rows in {**flights.airports, "holdout": flights.holdout}.items():
        folder.write_rows(name, rows)
    folder.write_schema("traffic")
    return flights


def _write_manifests(folder: Folder, budgets: tuple[PrivacyBudget, ...]) -> None:
    folder.write_manifest("budgets.yaml", *budgets)
    folder.write_manifest("job.yaml", jobs.federated())
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
    return jobs.federated(jobs.TOO_GREEDY, "greedy")


def _plain_arms(folder: Folder, cluster: Any, progress: Progress) -> tuple[ending.Arm, ...]:
    arms = []
    for (name, data), (_, job) in zip(ending.labels(AIRPORTS), _plain_jobs(), strict=True):
        result = stage.run(folder, Manifests((job,), ()), cluster, progress, f"{name}, {data}")
        arms.append(ending.Arm(name, data, result.metrics["auc"]))
    return tuple(arms)


def _refused(folder: Folder, budgets: tuple[PrivacyBudget, ...], cluster: Any, progress: Progress) -> str:
    """The one line with which the greedy job is refused; empty if it was not."""
    try:
        stage.run(folder, Manifests((_greedy(),), budgets), cluster, progress, "a greedy job")
    except BudgetExhausted as error:
        return f"{error.reason}: {error}"
    return ""
