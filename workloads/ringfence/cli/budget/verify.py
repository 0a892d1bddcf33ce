"""`ringfence budget verify`: whether a ledger's chain, signatures and sums hold."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url
from ringfence.cli.output import Output


@dataclass(frozen=True)
class VerifyOptions:
    url: Url
    signer: Signer = None
    store: StoreDir = None


@command(app, "verify")
def verify(options: VerifyOptions, out: Output) -> None:
    """Check a dataset's ledger from entry 0: hashes, signatures, every rule, and the heads seen on this machine.

    Exit 1 and the faulty object's name if anything does not hold.
    """
    _, ledger = open_ledger(options.url, options.store, options.signer)
    head = ledger.view.head
    document = {"url": options.url, "valid": True, "entries": head.index + 1, "head": head.hash}
    out.result(document, [f"{head.index + 1} entries hold together; the last is {head.hash}"])
