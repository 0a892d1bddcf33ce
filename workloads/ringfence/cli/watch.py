"""`ringfence watch`: a job while it goes, on this machine or in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output

app = typer.Typer()


@dataclass(frozen=True)
class WatchOptions:
    job: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="Name or uid. Default: the newest run here.", show_default=False),
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Watch the cluster of your kubeconfig instead."),
    ] = None
    every: Annotated[float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="How often to look.")] = 1.0
    once: Annotated[bool, typer.Option("--once", help="Look once and leave.")] = False


@command(app, "watch")
def watch(options: WatchOptions, out: Output) -> None:
    """Watch a job until it ends: rounds, silos, scores, epsilon so far, time left. With --json its last state."""
    import sys

    from ringfence.cli.watched_jobs import in_cluster, on_this_machine
    from ringfence.observe import watching

    look = in_cluster(options.namespace, options.job) if options.namespace else on_this_machine(options.job)
    if options.once:
        found = look()
        out.result(found.document(), watching.lines(found))
    else:
        found = watching.watch(look, options.every, sys.stderr if out.json else out.results)
        if out.json:
            out.result(found.document())
    if found.phase in ("Failed", "Stopped"):
        raise typer.Exit(1)
