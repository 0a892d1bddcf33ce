"""`ringfence seal`: rows to a sealed dataset, or to a first schema for a person to review."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import LedgerKey, StoreDir
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.shards.seal import SealResult

app = typer.Typer()


@dataclass(frozen=True)
class SealOptions:
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Parquet, CSV or JSON lines: a file or a folder of them.")
    ]
    to: Annotated[str | None, typer.Option(metavar="URL", help="Where the dataset goes.")] = None
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The owner's key file (see: ringfence keys new).")
    ] = None
    schema: Annotated[Path | None, typer.Option(metavar="FILE", help="The declared schema; it becomes public.")] = None
    unit: Annotated[str, typer.Option(metavar="UNIT", help="Whom it protects: Record, User:COLUMN, or Silo.")] = (
        "Record"
    )
    append: Annotated[bool, typer.Option("--append", help="Add the rows to the dataset at URL.")] = False
    new_records: Annotated[
        bool, typer.Option("--new-records", help="With --append: declare that none of these was in the dataset before.")
    ] = False
    ledger: Annotated[str | None, typer.Option(metavar="URL", help="Keep the ledger here, not beside the data.")] = None
    terms: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Terms of use (YAML): they are signed and become public.")
    ] = None
    split: Annotated[
        str | None, typer.Option(metavar="validation=SHARE", help="Keep this share of units for scores, by keyed hash.")
    ] = None
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Compare people with this dataset of yours, and with those sealed here."),
    ] = None
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Accept that people stand in several of your datasets: guarantees add up.")
    ] = False
    ledger_key: LedgerKey = None
    public: Annotated[
        bool, typer.Option("--public", help="Declare that no person's privacy is at stake: no ledger, no budget.")
    ] = False
    store: StoreDir = None
    propose_schema: Annotated[
        str | None, typer.Option(metavar="FILE", help="Only write a schema to review into FILE (- for stdout).")
    ] = None
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="With --propose-schema: what is predicted.")] = (
        None
    )


@command(app, "seal")
def seal(options: SealOptions, out: Output) -> None:
    """Clean rows by a declared schema, encrypt them into shards, sign the manifest and open the ledger.

    Begin with: ringfence seal rows.csv --propose-schema schema.yaml --target COLUMN; review the file, then seal.
    """
    if options.propose_schema is not None:
        _propose(options, out)
        return
    missing = [f"--{name}" for name in ("to", "keys", "schema") if getattr(options, name) is None]
    if missing:
        raise InvalidInput(f"needs {', '.join(missing)}", where="ringfence seal", remedy="see: ringfence seal --help")
    result = _sealed(options, out)
    manifest = result.manifest
    document = {
        "url": result.url,
        "dataset": manifest.dataset,
        "version": manifest.version,
        "public": manifest.public,
        "records": manifest.records,
        "validationRecords": manifest.validation_records,
        "shards": len(manifest.shards),
        "read": result.read,
        "sealed": result.sealed,
        "dropped": dict(result.dropped),
        "duplicates": result.duplicates,
        "ledger": manifest.ledger.url if manifest.ledger else None,
        "signer": manifest.owner,
        "overlap": asdict(result.overlap),
    }
    passed_over = [f"not compared with {url}: {why}" for url, why in result.overlap.passed_over]
    out.result(document, [*_lines(document), *result.overlap.words(), *passed_over])


def _sealed(options: SealOptions, out: Output) -> SealResult:
    from ringfence.cli.owner import Sealed, opened_keys, remembered, stages, witness
    from ringfence.schema import load_schema
    from ringfence.shards.seal import SealRequest
    from ringfence.shards.seal import seal as seal_rows
    from ringfence.shards.terms import load_terms
    from ringfence.store import Stores

    sealed = Sealed(options.store)
    request = SealRequest(
        source=options.source if "://" in options.source else Path(options.source),
        url=str(options.to),
        schema=load_schema(Path(str(options.schema))),
        unit=options.unit,
        public=options.public,
        append=options.append,
        new_records=options.new_records,
        ledger_url=options.ledger,
        witness=witness(),
        validation=_share(options.split),
        terms=load_terms(options.terms) if options.terms else None,
        beside=tuple(options.beside or ()) if options.public else sealed.others(options.beside or []),
        overlap=options.overlap,
    )
    keys = opened_keys(Path(str(options.keys)), options.ledger_key, public=options.public)
    with out.progress() as progress:
        result = seal_rows(request, Stores(options.store), keys, stages(progress))
    remembered(result.manifest)
    sealed.remember(result)
    return result


def _share(split: str | None) -> str | None:
    if split is None:
        return None
    name, _, share = split.partition("=")
    if name != "validation" or not share:
        raise InvalidInput(f"{split[:40]!r} is not validation=SHARE", where="--split", remedy="write validation=0.2")
    return share


def _propose(options: SealOptions, out: Output) -> None:
    from ringfence.quality import proposal_text, propose_schema
    from ringfence.shards.sources import read_source

    source = options.source if "://" in options.source else Path(options.source)
    unit = options.unit.removeprefix("User:") if options.unit.startswith("User:") else None
    text = proposal_text(propose_schema(read_source(source), target=options.target, unit=unit))
    where = str(options.propose_schema)
    if where == "-":
        out.result({"schema": text}, [text.rstrip("\n")])
        return
    try:
        with Path(where).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidInput("is there already", where=where, remedy="name another file") from error
    except OSError as error:
        raise InvalidInput(f"cannot be written ({error.strerror})", where=where) from error
    sys.stderr.write("Review every line: what stands there becomes public, and every silo must declare the same.\n")
    out.result({"file": where, "schema": text}, [f"schema proposed in {where}"])


def _lines(document: dict[str, Any]) -> list[str]:
    left_out = document["read"] - document["sealed"]
    lines = [
        f"{document['url']}: {document['records']:,} records in {document['shards']} shards, "
        f"version {document['version']}",
        f"dataset {document['dataset']}, signed by {document['signer']}",
    ]
    if left_out:
        lines.append(f"{left_out:,} of {document['read']:,} rows left out; see: ringfence inspect URL --key FILE")
    if document["public"]:
        return [*lines, "sealed as public: anyone with the manifest can read it, and no budget protects it"]
    return [*lines, f"ledger at {document['ledger']}; next: ringfence budget open {document['url']}"]
