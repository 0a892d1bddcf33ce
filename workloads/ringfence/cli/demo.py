"""`ringfence demo`: a whole story on real data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output, table
from ringfence.errors import InvalidInput

app = typer.Typer()
_STORIES = ("traffic",)


@dataclass(frozen=True)
class DemoOptions:
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which story: traffic.")] = "traffic"
    dir: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="Where it is left; default demo-NAME.")] = (
        None
    )


@command(app, "demo")
def demo(options: DemoOptions, out: Output) -> None:
    """A whole story on real data in under a minute: seal, budget, plan, train, account. Leaves all of it to edit.

    traffic: three New York airports learn which flights arrive late; each keeps its rows.
    """
    if options.name not in _STORIES:
        remedy = f"choose one of: {', '.join(_STORIES)}"
        raise InvalidInput(f"there is no demo {options.name[:40]!r}", where="ringfence demo", remedy=remedy)
    with out.progress() as progress:
        progress.stage("waking up")  # before the imports, which take a second or two on a cold machine
        from ringfence.demo.story import tell

        ending = tell(options.dir, progress)
    out.result(ending.document(), ending.lines(table))
    if not ending.held:
        raise typer.Exit(1)
