"""`ringfence report`: the printable page of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.options import StoreDir, Url
from ringfence.cli.output import Output

app = typer.Typer()


@dataclass(frozen=True)
class ReportOptions:
    url: Url
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the HTML page goes.")]
    store: StoreDir = None


@command(app, "report")
def report(options: ReportOptions, out: Output) -> None:
    """Save a job's report: one self-contained HTML page with its plots, its budgets and its statement."""
    from ringfence.cli.outputs import open_output, read_statement, write_file
    from ringfence.federation import layout

    store = open_output(options.url, options.store)
    read_statement(store)
    write_file(options.output, store.get(layout.REPORT))
    out.result({"file": str(options.output)}, [f"report in {options.output}"])
