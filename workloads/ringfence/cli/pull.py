"""`ringfence pull`: a job's model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.options import StoreDir, Url
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput

app = typer.Typer()


@dataclass(frozen=True)
class PullOptions:
    url: Url
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the files; made if absent.")]
    store: StoreDir = None


@command(app, "pull")
def pull(options: PullOptions, out: Output) -> None:
    """Fetch a job's model with its configuration, model card and statement."""
    from ringfence.cli.outputs import open_output, read_statement, write_file
    from ringfence.federation import layout

    store = open_output(options.url, options.store)
    read_statement(store)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"cannot be made ({error.strerror})", where=str(options.output)) from error
    names = (layout.MODEL, layout.CONFIG, layout.CARD, layout.STATEMENT)
    for name in names:
        write_file(options.output / name, store.get(name))
    files = [str(options.output / name) for name in names]
    out.result({"files": files}, files)
