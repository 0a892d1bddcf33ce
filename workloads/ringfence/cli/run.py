"""`ringfence run`: the job on this machine, by the same manifests as in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import CodeDir, Files, KeysDir, StoreDir
from ringfence.cli.output import Output, table

if TYPE_CHECKING:
    from ringfence.federation.run import RunResult
    from ringfence.spec.load import Manifests

app = typer.Typer()


@dataclass(frozen=True)
class RunCommandOptions:
    files: Files
    keys: KeysDir = None
    store: StoreDir = None
    code: CodeDir = None
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run of this very job.")] = False
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Try the task on rows invented from a schema: no key, no charge.")
    ] = False
    schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --synthetic: the schema to invent from.")
    ] = None


@command(app, "run")
def run(options: RunCommandOptions, out: Output) -> None:
    """Run a job here: reserve the budgets, train every silo in its own process, leave model, statement and report."""
    from ringfence.spec.load import load_manifests

    manifests = load_manifests(options.files)
    if options.synthetic:
        _try_out(manifests, options, out)
        return
    from ringfence.federation.run import RunOptions, run_job

    chosen = RunOptions(keys=options.keys, store=options.store, code=options.code, resume=options.resume)
    with out.progress() as progress:
        result = run_job(manifests, chosen, progress)
    found = document(result)
    out.result(found, _lines(found))


def document(result: RunResult) -> dict[str, Any]:
    """A finished run as JSON."""
    rounds = [
        {"round": commit.round, "metrics": commit.metrics, "seconds": commit.seconds} for commit in result.commits
    ]
    found = {"uid": result.uid, "output": result.output, "rounds": rounds, "statement": result.statement}
    figures = result.figures()
    return found if figures is None else {**found, "figures": figures}


def _lines(found: dict[str, Any]) -> list[str]:
    scored = [entry for entry in found["rounds"] if entry["metrics"]]
    names = sorted({name for entry in scored for name in entry["metrics"]})
    rows = [(entry["round"], *(entry["metrics"].get(name, "") for name in names)) for entry in scored]
    return [
        *([*table(("round", *names), rows), ""] if rows else []),
        *_figures(found.get("figures", [])),
        f"model, statement and report in {found['output']}",
        f"next: ringfence statement {found['output']}   ringfence report {found['output']} -o report.html",
    ]


def _figures(figures: list[dict[str, str]]) -> list[str]:
    """The table of a job that made one, with its 95 % intervals from the noise."""
    if not figures:
        return []
    heads = ("group", "column", "statistic", "estimate", "95 % by the noise")
    rows = [
        (
            row["group"] or "all",
            row["column"],
            row["statistic"],
            row["value"],
            row["note"] or f"{row['low']} to {row['high']}",
        )
        for row in figures
    ]
    return [*table(heads, rows), ""]


def _try_out(manifests: Manifests, options: RunCommandOptions, out: Output) -> None:
    from ringfence.federation.trial import try_synthetic

    tried = try_synthetic(manifests, store=options.store, code=options.code, schema=options.schema)
    parameters = tried.probe.parameters
    found = {"synthetic": True, "task": tried.task, "code": tried.code, "parameters": parameters, "steps": tried.steps}
    lines = [
        f"{tried.task} holds together: {parameters:,} parameters, {tried.steps} steps on {tried.records} invented rows",
        f"code {tried.code}; nothing was reserved, opened or charged",
    ]
    out.result(found, lines)
