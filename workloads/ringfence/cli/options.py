"""Options that several commands share, each with one name, one help text and one reading."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.shards.manifest import Manifest
    from ringfence.store.interface import Store

Url = Annotated[str, typer.Argument(metavar="URL", help="s3://bucket/prefix or file:///folder.", show_default=False)]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="YAML manifests: one FederatedJob and its PrivacyBudgets.", show_default=False
    ),
]
StoreDir = Annotated[
    Path | None, typer.Option("--store", metavar="DIR", help="Use DIR/bucket/prefix for every s3://bucket/prefix.")
]
KeysDir = Annotated[
    Path | None, typer.Option("--keys", metavar="DIR", help="Keys of the silos: DIR/<namespace>/<keySecretRef.name>.")
]
KeyFile = Annotated[
    Path, typer.Option("--keys", metavar="FILE", help="The owner's key file (FILE.sign lies beside it).")
]
LedgerKey = Annotated[
    Path | None,
    typer.Option("--ledger-key", metavar="FILE", help="After a rotation of signers: FILE.sign opened the ledger."),
]
Signer = Annotated[
    str | None, typer.Option("--signer", metavar="PUBLIC", help="Refuse a manifest that another key than this signed.")
]
CodeDir = Annotated[
    Path | None,
    typer.Option("--code", metavar="DIR", help="Folder with a task of your own; its digest must be approved."),
]


def decimal(text: str, where: str) -> Decimal:
    """A finite decimal number from an option. Raises InvalidInput naming the option."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise InvalidInput(
            f"{text[:40]!r} is not a decimal number", where=where, remedy="write 2, 0.5 or 1e-6"
        ) from error
    if not value.is_finite():
        raise InvalidInput(f"{text[:40]!r} is not finite", where=where, remedy="write 2, 0.5 or 1e-6")
    return value


def amount(text: str, where: str) -> Decimal:
    """An epsilon as resources and ledgers take it: positive, at most 6 digits before and 12 after the point.

    Raises InvalidInput naming the option, what is wrong, and the nearest spelling that would do.
    """
    from ringfence.spec.quantities import POSITIVE

    return _written(text, POSITIVE, where)


def small(text: str, where: str) -> Decimal:
    """A delta as resources and ledgers take it: strictly between 0 and 1. Raises InvalidInput as `amount` does."""
    from ringfence.spec.quantities import FRACTION

    return _written(text, FRACTION, where)


def _written(text: str, pattern: str, where: str) -> Decimal:
    from ringfence.spec.quantities import fault

    if len(text) <= 40 and re.fullmatch(pattern, text) and Decimal(text):
        return Decimal(text)
    why, near = fault(text, pattern)
    raise InvalidInput(f"{text[:40]!r} {why}", where=where, remedy=f"write {near or '2, 0.5 or 1e-6'}")


def dataset(url: str, store: Path | None, signer: str | None) -> tuple[Store, Manifest]:
    """The store and the current manifest at a dataset's URL."""
    from ringfence.shards.manifest import read_manifest
    from ringfence.store import Stores

    opened = Stores(store).open(url)
    return opened, read_manifest(opened, signer=signer, where=url)
