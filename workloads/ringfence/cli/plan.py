"""`ringfence plan`: what a job would cost every dataset, whether it would be admitted, and what would change it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import CodeDir, Files, StoreDir, decimal
from ringfence.cli.output import Output, table

if TYPE_CHECKING:
    from ringfence.federation.foresee import DatasetPlan
    from ringfence.privacy.changes import Change
    from ringfence.privacy.given_noise import GivenNoise

app = typer.Typer()
_HEADS = (
    *("silo", "units", "noise", "sampling rate", "steps", "epsilon", "PLD", "delta", "limit", "spent", "jobs left"),
)
_CHANGES = ("change", "steps", "noise", "noise in the mean", "epsilon at this plan's noise")


@dataclass(frozen=True)
class PlanOptions:
    files: Files
    store: StoreDir = None
    code: CodeDir = None
    noise_multiplier: Annotated[
        str | None,
        typer.Option(metavar="SIGMA", help="Say too which epsilon, rounds or batch this noise would allow."),
    ] = None


@command(app, "plan")
def plan(options: PlanOptions, out: Output) -> None:
    """Say what a job will cost every dataset: noise, sampling rate, steps, headroom, how many more such jobs fit, and
    what a smaller batch, more rounds or a larger silo would change. Exit 1 if it would be refused."""
    from ringfence.federation.foresee import plan_job
    from ringfence.spec.load import load_manifests

    if options.noise_multiplier is not None:
        decimal(options.noise_multiplier, "--noise-multiplier")
    manifests = load_manifests(options.files)
    job = manifests.job()
    found = plan_job(manifests, store=options.store, code=options.code, noise=options.noise_multiplier)
    silos = [document(silo) for silo in found]
    refusal = next((silo["refusal"] for silo in silos if silo["refusal"]), None)
    whole = {"job": f"{job.metadata.namespace}/{job.metadata.name}", "admitted": refusal is None, "silos": silos}
    out.result(whole, lines(silos, refusal))
    if refusal is not None:
        raise typer.Exit(1)


def document(silo: DatasetPlan) -> dict[str, Any]:
    """One silo's plan as JSON: decimals as strings, counts as integers. A public dataset has no plan."""
    found: dict[str, Any] = {"silo": silo.silo, "dataset": silo.dataset, "url": silo.url, "records": silo.records}
    found["refusal"] = silo.refusal or None
    if silo.plan is not None:
        solved = silo.plan
        found["plan"] = {
            "mechanism": solved.mechanism,
            "units": solved.records,
            "noiseMultiplier": solved.noise_multiplier,
            "samplingRate": str(solved.sampling_rate),
            "stepsPerRound": solved.steps_per_round,
            "rounds": solved.rounds,
            "epsilon": f"{solved.job_epsilon:.6f}",
            "pldEpsilon": f"{solved.pld_epsilon:.6f}",
            "delta": str(solved.delta),
            "roundCost": list(solved.cost),
        }
        found["changes"] = [_change(change) for change in silo.changes]
    if silo.headroom is not None:
        found["budget"] = {
            "limitEpsilon": silo.limit_epsilon,
            "spentEpsilon": silo.spent_epsilon,
            "leftEpsilon": f"{silo.headroom.left_epsilon:.6f}",
            "suchJobsLeft": silo.headroom.jobs_left,
        }
    if silo.given is not None:
        found["atNoiseMultiplier"] = _given(silo.given)
    return found


def _change(change: Change) -> dict[str, Any]:
    return {
        "what": change.what,
        "steps": change.steps,
        "noiseMultiplier": change.noise_multiplier,
        "noiseInMean": None if change.noise_in_mean is None else f"{change.noise_in_mean:.6g}",
        "epsilonAtPlannedNoise": f"{change.epsilon:.6f}",
    }


def _given(given: GivenNoise) -> dict[str, Any]:
    found = asdict(given)
    found["noiseMultiplier"] = found.pop("noise_multiplier")
    return found | {"epsilon": f"{given.epsilon:.6f}"}


def lines(silos: list[dict[str, Any]], refusal: str | None) -> list[str]:
    """A table of the plans, the verdict, then what would change them, once for silos whose answers are the same."""
    verdict = f"would be refused: {refusal}" if refusal else "would be admitted"
    return [*table(_HEADS, map(_row, silos)), "", verdict, *_others(silos), *_givens(silos)]


def _row(silo: dict[str, Any]) -> list[str]:
    plan, budget = silo.get("plan"), silo.get("budget")
    if plan is None or budget is None:
        return [silo["silo"], f"{silo['records']:,}", "none", *["-"] * 8]
    cells = [silo["silo"], f"{plan['units']:,}", plan["noiseMultiplier"], plan["samplingRate"]]
    cells += [f"{plan['rounds']} x {plan['stepsPerRound']}"]
    cells += [f"{float(plan['epsilon']):.4f}", f"{float(plan['pldEpsilon']):.4f}", plan["delta"]]
    return [*cells, budget["limitEpsilon"], budget["spentEpsilon"], str(budget["suchJobsLeft"])]


def _others(silos: list[dict[str, Any]]) -> list[str]:
    """The smallest private silo's table: there noise weighs most."""
    private = [silo for silo in silos if silo.get("changes")]
    if not private:
        return []
    least = min(private, key=lambda silo: int(silo["plan"]["units"]))
    rows = [
        (
            change["what"],
            f"{change['steps']:,}",
            change["noiseMultiplier"] or "none is enough",
            change["noiseInMean"] or "-",
            f"{float(change['epsilonAtPlannedNoise']):.4f}",
        )
        for change in least["changes"]
    ]
    return ["", f"for {least['silo']}, at the same epsilon:", *table(_CHANGES, rows)]


def _givens(silos: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            silo["silo"],
            found["noiseMultiplier"],
            f"{float(found['epsilon']):.4f}",
            found["rounds"],
            found["drawn"] or "-",
        )
        for silo in silos
        if (found := silo.get("atNoiseMultiplier"))
    ]
    heads = ("silo", "at noise", "epsilon as it is", "most rounds", "largest batch or users")
    return ["", *table(heads, rows)] if rows else []
