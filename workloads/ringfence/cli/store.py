"""`ringfence store`: setting up a MinIO, and keeping its locks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.store.provision import Provisioner
    from ringfence.store.setup import SiloPlaces

app = typer.Typer(no_args_is_help=True, help="Buckets, users and policies of a MinIO.")


@dataclass(frozen=True)
class InitOptions:
    silo: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=DATASET[,LEDGER]",
            help="A silo's dataset and ledger (s3://...); without LEDGER its bucket is the dataset's with -ledgers.",
        ),
    ]
    output: Annotated[str, typer.Option(metavar="URL", help="Where jobs write (s3://bucket/prefix).")]
    credentials: Annotated[
        Path, typer.Option(metavar="DIR", help="Where each user's credentials go, one NAME.env a user.")
    ]
    holdout: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A dataset sealed --public on which the coordinator scores models."),
    ] = None
    lock_days: Annotated[int, typer.Option(metavar="N", help="Days that an entry of a ledger is locked.")] = 365


@dataclass(frozen=True)
class RenewOptions:
    ledger: Annotated[str, typer.Argument(metavar="LEDGER", help="URL of a ledger (s3://bucket/prefix).")]
    days: Annotated[int, typer.Option(metavar="N", help="Days from now that its entries stay locked.")] = 365


@command(app, "init")
def init(options: InitOptions, out: Output) -> None:
    """Make buckets (ledgers versioned and locked, shards never), and a user with a policy for each party.

    The administrator's credentials come from the AWS_* variables. Calling it again changes nothing that is right.
    """
    from ringfence.store.setup import Setup, locked_buckets, set_up, unlocked_buckets

    setup = Setup(tuple(map(_silo, options.silo)), options.output, options.lock_days, options.holdout)
    users = set_up(_provisioner(), setup, options.credentials)
    files = {name: str(options.credentials / f"{name}.env") for name in users}
    document = {"locked": locked_buckets(setup), "unlocked": unlocked_buckets(setup), "credentials": files}
    lines = [
        f"locked for {options.lock_days} days, versioned: {', '.join(locked_buckets(setup))}",
        f"without a lock: {', '.join(unlocked_buckets(setup))}",
        *(f"{name:<20}{file}" for name, file in files.items()),
    ]
    out.result(document, lines)


@command(app, "renew")
def renew(options: RenewOptions, out: Output) -> None:
    """Prolong the lock of a ledger and of the audit log beside it. Run it before it ends, as long as they live."""
    from ringfence.store.open import location

    place, provisioner = location(options.ledger), _provisioner()
    folders = [f"{place.prefix}/{name}/".removeprefix("/") for name in ("ledger", "audit")]
    count = sum(provisioner.renew(place.bucket, folder, options.days) for folder in folders)
    out.result(
        {"ledger": place.url, "prolonged": count},
        [f"{place.url}: the locks of {count} versions now last {options.days} days"],
    )


def _silo(text: str) -> SiloPlaces:
    from ringfence.store.open import location
    from ringfence.store.setup import SiloPlaces

    name, _, urls = text.partition("=")
    dataset, _, ledger = urls.partition(",")
    if not name or not dataset:
        raise InvalidInput(f"{text[:80]!r} is not NAME=DATASET[,LEDGER]", where="--silo")
    place = location(dataset)
    return SiloPlaces(name, dataset, ledger or f"s3://{place.bucket}-ledgers/{place.prefix}".rstrip("/"))


def _provisioner() -> Provisioner:
    from ringfence.store.connection import endpoint
    from ringfence.store.provision import Provisioner

    address, access, secret = endpoint(), os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not address or not access or not secret:
        raise InvalidInput(
            "the store's address and credentials are not set",
            remedy="set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return Provisioner(address, access, secret)
