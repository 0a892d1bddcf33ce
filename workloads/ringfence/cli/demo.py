"""`ringfence demo`: a whole story on real data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output, table
from ringfence.demo.stories import STORIES, tell
from ringfence.errors import InvalidInput

app = typer.Typer()
_NAMES = ", ".join(STORIES)


@dataclass(frozen=True)
class DemoOptions:
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"Which story: {_NAMES}.")] = "traffic"
    dir: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help="Where it is left; default demo-NAME.")] = (
        None
    )


@command(app, "demo")
def demo(options: DemoOptions, out: Output) -> None:
    """A whole story on real data: seal, budget, plan, train, account. Leaves all of it to edit.

    traffic, the first, takes under a minute. The others take two: they compare every silo alone, all together, and all
    together with privacy at several epsilons, over three seeds.
    """
    if options.name not in STORIES:
        remedy = f"choose one of: {_NAMES}"
        raise InvalidInput(f"there is no demo {options.name[:40]!r}", where="ringfence demo", remedy=remedy)
    with out.progress() as progress:
        progress.stage("waking up")  # before the imports, which take a second or two on a cold machine
        ending = tell(options.name, options.dir, progress)
    out.result(ending.document(), ending.lines(table))
    if not ending.held:
        raise typer.Exit(1)
