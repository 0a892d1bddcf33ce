"""`ringfence package`: a task of one's own as a file that owners approve by digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput

app = typer.Typer()


@dataclass(frozen=True)
class PackageOptions:
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the task's Python files.")]
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the package here.")] = (
        None
    )


@command(app, "package")
def package(options: PackageOptions, out: Output) -> None:
    """Pack a task of your own and print the digest that owners approve. The same files give the same digest."""
    from ringfence.tasks.package import package as pack

    data, digest = pack(options.folder)
    written = None if options.output is None else _write(options.output, data)
    lines = [digest, *([f"written to {written}"] if written else [])]
    out.result({"digest": digest, "bytes": len(data), "file": written}, lines)


def _write(path: Path, data: bytes) -> str:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"cannot be written ({error.strerror})", where=str(path)) from error
    return str(path)
