"""`ringfence budget pardon`: the owner's word that lets readers skip the object that closed a ledger."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, StoreDir, Url
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput


@dataclass(frozen=True)
class PardonOptions:
    url: Url
    keys: KeyFile
    store: StoreDir = None


@command(app, "pardon")
def pardon(options: PardonOptions, out: Output) -> None:
    """Open a ledger again that one faulty object closed: the owner names it by its hash, and readers skip it.

    Nothing that was spent is forgotten; a ledger that is shorter than it was cannot be pardoned. Exit 1 if another
    object is faulty too: look at it, then pardon again.
    """
    from ringfence.shards.keys import load_public, load_signer

    signer = load_public(options.keys)
    _, ledger = open_ledger(options.url, options.store, signer, for_reading=True, whole=True)
    if ledger.fault is None:
        raise InvalidInput("this ledger is not closed", where=options.url, remedy="see: ringfence budget verify")
    skipped = ledger.fault.where
    head = ledger.pardon(load_signer(options.keys))
    if ledger.fault is not None:
        raise ledger.fault
    document = {"url": options.url, "pardoned": skipped, "entries": head.index + 1}
    out.result(document, [f"{skipped} is skipped from now on; the ledger is open again"])
