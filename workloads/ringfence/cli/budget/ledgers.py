"""Reaching the ledger that a dataset's manifest pins, with the heads remembered on this machine as witness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ringfence.cli.options import dataset
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.privacy.ledger import Ledger
    from ringfence.shards.manifest import Manifest


def open_ledger(
    url: str, store: Path | None, signer: str | None, *, for_reading: bool = False
) -> tuple[Manifest, Ledger]:
    """The manifest and the ledger of the dataset at `url`. Raises InvalidInput for a public dataset, which has none."""
    from ringfence.federation.state import StateDirectory
    from ringfence.privacy.ledger import FileWitness, Ledger
    from ringfence.store import Stores

    _, manifest = dataset(url, store, signer)
    if manifest.ledger is None:
        remedy = "seal it without --public to give it a budget"
        raise InvalidInput("was sealed as public, so it has no ledger and no budget", where=url, remedy=remedy)
    place = Stores(store).open(manifest.ledger.url)
    witness = FileWitness(StateDirectory().heads)
    return manifest, Ledger.open(place, pin=manifest.ledger.entry0, witness=witness, for_reading=for_reading)
