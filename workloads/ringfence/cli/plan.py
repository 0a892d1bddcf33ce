"""`ringfence plan`: what a job would cost every dataset, and whether it would be admitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import CodeDir, Files, StoreDir
from ringfence.cli.output import Output, table

if TYPE_CHECKING:
    from ringfence.federation.foresee import DatasetPlan

app = typer.Typer()


@dataclass(frozen=True)
class PlanOptions:
    files: Files
    store: StoreDir = None
    code: CodeDir = None


@command(app, "plan")
def plan(options: PlanOptions, out: Output) -> None:
    """Say what a job will cost every dataset: noise, sampling rate, steps, headroom. Exit 1 if it would be refused."""
    from ringfence.federation.foresee import plan_job
    from ringfence.spec.load import load_manifests

    manifests = load_manifests(options.files)
    job = manifests.job()
    silos = [document(silo) for silo in plan_job(manifests, store=options.store, code=options.code)]
    refusal = next((silo["refusal"] for silo in silos if silo["refusal"]), None)
    found = {"job": f"{job.metadata.namespace}/{job.metadata.name}", "admitted": refusal is None, "silos": silos}
    out.result(found, lines(silos, refusal))
    if refusal is not None:
        raise typer.Exit(1)


def document(silo: DatasetPlan) -> dict[str, Any]:
    """One silo's plan as JSON: decimals as strings, counts as integers. A public dataset has no plan."""
    found: dict[str, Any] = {"silo": silo.silo, "dataset": silo.dataset, "url": silo.url, "records": silo.records}
    found["refusal"] = silo.refusal or None
    if silo.plan is not None:
        solved = silo.plan
        found["plan"] = {
            "noiseMultiplier": solved.noise_multiplier,
            "samplingRate": str(solved.sampling_rate),
            "stepsPerRound": solved.steps_per_round,
            "rounds": solved.rounds,
            "epsilon": f"{solved.job_epsilon:.6f}",
            "pldEpsilon": f"{solved.pld_epsilon:.6f}",
            "delta": str(solved.delta),
            "roundCost": list(solved.cost),
        }
    if silo.headroom is not None:
        found["budget"] = {
            "limitEpsilon": silo.limit_epsilon,
            "spentEpsilon": silo.spent_epsilon,
            "leftEpsilon": f"{silo.headroom.left_epsilon:.6f}",
            "suchJobsLeft": silo.headroom.jobs_left,
        }
    return found


def lines(silos: list[dict[str, Any]], refusal: str | None) -> list[str]:
    """A table of the plans, then the verdict."""
    heads = (
        "silo",
        "records",
        "noise",
        "sampling rate",
        "steps",
        "epsilon",
        "PLD",
        "delta",
        "limit",
        "spent",
        "jobs left",
    )
    return [*table(heads, map(_row, silos)), "", f"would be refused: {refusal}" if refusal else "would be admitted"]


def _row(silo: dict[str, Any]) -> list[str]:
    plan, budget = silo.get("plan"), silo.get("budget")
    cells = [silo["silo"], f"{silo['records']:,}"]
    if plan is None or budget is None:
        return [*cells, "none", *["-"] * 8]
    cells += [plan["noiseMultiplier"], plan["samplingRate"], f"{plan['rounds']} x {plan['stepsPerRound']}"]
    cells += [f"{float(plan['epsilon']):.4f}", f"{float(plan['pldEpsilon']):.4f}", plan["delta"]]
    return [*cells, budget["limitEpsilon"], budget["spentEpsilon"], str(budget["suchJobsLeft"])]
