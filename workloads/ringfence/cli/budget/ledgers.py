"""Reaching the ledger that a dataset's manifest pins, with the heads remembered on this machine as witness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ringfence.cli.options import dataset
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.privacy.ledger import Ledger, Verification
    from ringfence.privacy.ledger.witness import FileWitness
    from ringfence.shards.manifest import LedgerPin, Manifest


def open_ledger(
    url: str, store: Path | None, signer: str | None, *, for_reading: bool = False, whole: bool = False
) -> tuple[Manifest, Ledger]:
    """The manifest and the ledger of the dataset at `url`; `whole` reads every entry from the first.

    Raises InvalidInput for a public dataset, which has none.
    """
    from ringfence.privacy.ledger import Ledger
    from ringfence.store import Stores

    manifest, pin = _pinned(url, store, signer)
    place = Stores(store).open(pin.url)
    options = {"for_reading": for_reading, "whole": whole}
    return manifest, Ledger.open(place, pin=pin.entry0, witness=_witness(), **options)


def verify_ledger(url: str, store: Path | None, signer: str | None) -> Verification:
    """The full check of the ledger of the dataset at `url`. Raises as `open_ledger` does."""
    from ringfence.privacy.ledger import verify
    from ringfence.store import Stores

    _, pin = _pinned(url, store, signer)
    return verify(Stores(store).open(pin.url), pin.entry0, _witness())


def _pinned(url: str, store: Path | None, signer: str | None) -> tuple[Manifest, LedgerPin]:
    _, manifest = dataset(url, store, signer)
    if manifest.ledger is None:
        remedy = "seal it without --public to give it a budget"
        raise InvalidInput("was sealed as public, so it has no ledger and no budget", where=url, remedy=remedy)
    return manifest, manifest.ledger


def _witness() -> FileWitness:
    from ringfence.federation.state import StateDirectory
    from ringfence.privacy.ledger import FileWitness

    return FileWitness(StateDirectory().heads)
