"""`ringfence keys new`: a silo's keys."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="A silo's keys.")


@dataclass(frozen=True)
class NewOptions:
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the key goes; FILE.sign and FILE.pub beside it.")]


@command(app, "new")
def new(options: NewOptions, out: Output) -> None:
    """Make a silo's keys: FILE opens its shards, FILE.sign signs as their owner, FILE.pub may be known to all."""
    from ringfence.shards.keys import new_keys

    with suppress(OSError):  # new_keys says what cannot be written
        options.file.parent.mkdir(parents=True, exist_ok=True)
    public = new_keys(options.file)
    files = [str(options.file) + ending for ending in ("", ".sign", ".pub")]
    lines = [
        f"{files[0]}  opens the shards; a job of this silo mounts it",
        f"{files[1]}  signs manifests and budgets; it never leaves the owner",
        f"{files[2]}  {public}",
    ]
    out.result({"files": files, "public": public}, lines)
