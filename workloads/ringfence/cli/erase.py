"""`ringfence erase` and `ringfence access`: one person's rows, removed or shown; and rows whose retention is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, LedgerKey, StoreDir, Url
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput

app = typer.Typer()


@dataclass(frozen=True)
class EraseOptions:
    url: Url
    keys: KeyFile
    unit: Annotated[str | None, typer.Option(metavar="ID", help="The person: a value of the unit column.")] = None
    expired: Annotated[bool, typer.Option("--expired", help="All rows, once the terms' last day is over.")] = False
    ledger_key: LedgerKey = None
    store: StoreDir = None


@dataclass(frozen=True)
class AccessOptions:
    url: Url
    keys: KeyFile
    unit: Annotated[str, typer.Option(metavar="ID", help="The person: a value of the unit column.")]
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the person's records go, as CSV.")
    ]
    store: StoreDir = None


@command(app, "erase")
def erase(options: EraseOptions, out: Output) -> None:
    """Remove a person from every version of a dataset, and say which models were trained on them.

    Shards with their rows are sealed anew without them; old ones are destroyed. Backups of the store are not reached.
    """
    if (options.unit is None) == (not options.expired):
        raise InvalidInput("name one of --unit ID and --expired", where="ringfence erase")
    if options.unit is None:
        _sweep(options, out)
    else:
        _erase(options, options.unit, out)


@command(app, "access")
def access(options: AccessOptions, out: Output) -> None:
    """Write what is held on a person to a file, and say which jobs had it."""
    from pyarrow import csv

    from ringfence.cli.owner import opened_keys, witness
    from ringfence.shards.subject import Subject, held_on
    from ringfence.store import Stores

    keys = opened_keys(options.keys, None)
    held = held_on(Subject(url=options.url, unit=options.unit, keys=keys, witness=witness()), Stores(options.store))
    try:
        with options.output.open("xb") as file:
            csv.write_csv(held.records, file)
    except OSError as error:
        raise InvalidInput(f"cannot be written ({error.strerror})", where=str(options.output)) from error
    jobs = [job.words() for job in held.jobs]
    document = {"url": options.url, "records": held.records.num_rows, "file": str(options.output), "jobs": jobs}
    out.result(document, [f"{held.records.num_rows} records in {options.output}: plaintext, keep it safe", *jobs])


def _erase(options: EraseOptions, unit: str, out: Output) -> None:
    from ringfence.cli.owner import opened_keys, remembered, stages, witness
    from ringfence.shards.subject import Subject
    from ringfence.shards.subject import erase as erased
    from ringfence.store import Stores

    keys = opened_keys(options.keys, options.ledger_key)
    subject = Subject(url=options.url, unit=unit, keys=keys, witness=witness())
    with out.progress() as progress:
        done = erased(subject, Stores(options.store), stages(progress))
    remembered(done.manifest)
    jobs = [job.words() for job in done.jobs]
    document = {
        "url": options.url,
        "records": done.records,
        "version": done.manifest.version,
        "destroyed": list(done.destroyed),
        "jobs": jobs,
    }
    line = f"{options.url}: {done.records} records removed, version {done.manifest.version}"
    out.result(document, [line, f"{len(done.destroyed)} objects destroyed with every version of theirs", *jobs])


def _sweep(options: EraseOptions, out: Output) -> None:
    from ringfence.cli.owner import opened_keys, witness
    from ringfence.shards.expire import sweep_expired
    from ringfence.store import Stores

    keys = opened_keys(options.keys, options.ledger_key)
    gone = sweep_expired(options.url, Stores(options.store), keys, datetime.now(UTC), witness())
    out.result(
        {"url": options.url, "destroyed": gone}, [f"{options.url}: retention is over, {len(gone)} objects destroyed"]
    )
