"""`ringfence inspect`: what a dataset declares, and for its owner the sealed quality report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url, dataset
from ringfence.cli.output import Output, table

if TYPE_CHECKING:
    from ringfence.schema import Column
    from ringfence.shards.manifest import Manifest

app = typer.Typer()


@dataclass(frozen=True)
class InspectOptions:
    url: Url
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The owner's key: show the quality report too.")] = (
        None
    )
    signer: Signer = None
    store: StoreDir = None


@command(app, "inspect")
def inspect(options: InspectOptions, out: Output) -> None:
    """Show what a dataset declares: schema, unit, counts, ledger. With --key also the sealed quality report."""
    from ringfence.shards.keys import load_kek
    from ringfence.shards.open import open_quality

    store, manifest = dataset(options.url, options.store, options.signer)
    quality = None if options.key is None else open_quality(store, manifest, load_kek(options.key))
    document = {"url": options.url, "verified": options.signer is not None, "manifest": manifest.document()}
    if quality is not None:
        document["quality"] = quality
    out.result(document, _lines(options, manifest, quality))


def _lines(options: InspectOptions, manifest: Manifest, quality: dict[str, Any] | None) -> list[str]:
    known = "as pinned" if options.signer else "not verified against a known owner: pin it with --signer"
    ledger = manifest.ledger.url if manifest.ledger else "none: sealed as public"
    facts = [
        ("dataset", manifest.dataset),
        ("version", f"{manifest.version}, {manifest.records:,} records in {len(manifest.shards)} shards"),
        ("unit", manifest.unit),
        ("signed by", f"{manifest.owner} ({known})"),
        ("ledger", ledger),
    ]
    columns = table(
        ("column", "type", "role", "declared", "missing", "out of range"), map(_row, manifest.schema_.columns)
    )
    report = (
        [] if quality is None else ["", "quality report (sealed):", json.dumps(quality, indent=2, ensure_ascii=False)]
    )
    return [*(f"{name:<10}{value}" for name, value in facts), "", *columns, *report]


def _row(column: Column) -> tuple[str, ...]:
    values = f"{len(column.values)} values" if column.values else ""
    declared = f"{column.minimum} to {column.maximum}" if column.minimum is not None else values
    unit = f" {column.unit}" if column.unit else ""
    return column.name, str(column.type or ""), column.role, declared + unit, column.missing, column.out_of_range
