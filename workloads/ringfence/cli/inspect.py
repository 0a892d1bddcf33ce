"""`ringfence inspect`: what a dataset declares, and for its owner the sealed quality report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url, dataset
from ringfence.cli.output import Output, table
from ringfence.cli.outputs import write_file
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.schema import Column
    from ringfence.shards.keys import Kek
    from ringfence.shards.manifest import Manifest
    from ringfence.store.interface import Store

app = typer.Typer()


@dataclass(frozen=True)
class InspectOptions:
    url: Url
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The owner's key: show the quality report too.")] = (
        None
    )
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --key: write the quality report as a page to look at.")
    ] = None
    signer: Signer = None
    store: StoreDir = None


@command(app, "inspect")
def inspect(options: InspectOptions, out: Output) -> None:
    """Show what a dataset declares: schema, unit, counts, ledger. With --key also the sealed quality report."""
    store, manifest = dataset(options.url, options.store, options.signer)
    document: dict[str, Any] = {"url": options.url, "verified": options.signer is not None}
    document["manifest"] = manifest.document()
    if options.key is None and options.html is not None:
        raise InvalidInput("the page shows the sealed quality report", remedy="name the owner's key with --key FILE")
    report = [] if options.key is None else _report(options, store, manifest, document)
    out.result(document, [*_lines(options, manifest), *report])


def _report(options: InspectOptions, store: Store, manifest: Manifest, document: dict[str, Any]) -> list[str]:
    """Adds the opened report to `document` and says what stands out in it; writes the page if one is asked for."""
    from ringfence.observe.quality_page import findings, quality_page
    from ringfence.quality.drift import drift
    from ringfence.shards.keys import load_kek
    from ringfence.shards.sealed_quality import open_quality

    kek = load_kek(options.key) if options.key else None
    quality = open_quality(store, manifest, kek)
    earlier = _before(options, store, manifest, kek)
    moved = drift(earlier, quality) if earlier else {}
    document |= {"quality": quality, "drift": moved}
    if options.html is not None:
        write_file(options.html, quality_page(quality, options.url, moved).encode())
    found = findings(quality, moved) or ["nothing stands out"]
    return ["", "quality report (sealed; all of it with --json or --html FILE):", *(f"- {line}" for line in found)]


def _before(options: InspectOptions, store: Store, manifest: Manifest, kek: Kek | None) -> dict[str, Any] | None:
    """The report of the version before; None where there is none: a reseal and an erasure destroy it, a rotation leaves
    it under the old key."""
    from ringfence.errors import KeyRejected, ManifestUnavailable, ShardUnavailable
    from ringfence.shards.manifest import read_manifest_version
    from ringfence.shards.sealed_quality import open_quality

    if manifest.version == 1:
        return None
    try:
        before = read_manifest_version(store, manifest.version - 1, signer=None, where=options.url)
        return open_quality(store, before, kek)
    except (KeyRejected, ManifestUnavailable, ShardUnavailable):
        return None


def _lines(options: InspectOptions, manifest: Manifest) -> list[str]:
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
    return [*(f"{name:<10}{value}" for name, value in facts), "", *columns]


def _row(column: Column) -> tuple[str, ...]:
    values = f"{len(column.values)} values" if column.values else ""
    values = " x ".join(map(str, column.shape)) if column.shape else values
    values = f"at most {column.max_length} characters" if column.max_length else values
    declared = f"{column.minimum} to {column.maximum}" if column.minimum is not None else values
    unit = f" {column.unit}" if column.unit else ""
    return column.name, str(column.type or ""), column.role, declared + unit, column.missing, column.out_of_range
