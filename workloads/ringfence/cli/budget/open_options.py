"""What `ringfence budget open` is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.options import KeyFile, StoreDir, Url

_CONSUMER = "NAMESPACE[=EPSILON[,PER_JOB]]"


@dataclass(frozen=True)
class OpenOptions:
    url: Url
    keys: KeyFile
    epsilon: Annotated[str, typer.Option(help="All that may ever be spent; raised only by a signed entry.")]
    delta: Annotated[str, typer.Option(help="Below 1 / records; fixed for good.")]
    namespace: Annotated[str, typer.Option(help="The owner's namespace, where the PrivacyBudget goes.")]
    name: Annotated[str, typer.Option(help="Name of the PrivacyBudget.")]
    consumer: Annotated[
        list[str], typer.Option(metavar=_CONSUMER, help="Who may spend: all its jobs, and one job, at most so much.")
    ] = field(default_factory=list)
    purpose: Annotated[list[str], typer.Option(help="Allow only jobs with one of these purposes.")] = field(
        default_factory=list
    )
    accountant: Annotated[
        str, typer.Option(help="How costs add up: rdp, or gdp if all jobs let everybody take part in every step.")
    ] = "rdp"
    image: Annotated[str | None, typer.Option(help="Image of the silo's pods in a cluster, by digest.")] = None
    allow_code: Annotated[
        list[str], typer.Option(metavar="DIGEST", help="Allow this package besides the built-in tasks.")
    ] = field(default_factory=list)
    writer: Annotated[
        str | None, typer.Option(metavar="PUBLIC", help="An operator's key that may reserve too (yours always may).")
    ] = None
    expect: Annotated[
        Path | None, typer.Option(metavar="JOB.YAML", help="A job like those to come: delta is split to admit most.")
    ] = None
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the manifest here.")] = (
        None
    )
    store: StoreDir = None
