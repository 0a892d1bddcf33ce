"""`ringfence budget close`: give back what a job reserved and never charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, StoreDir, Url
from ringfence.cli.output import Output
from ringfence.errors import LedgerError


@dataclass(frozen=True)
class CloseOptions:
    url: Url
    keys: KeyFile
    job: Annotated[str, typer.Option(metavar="UID", help="The job whose reservation is closed; see: budget show.")]
    store: StoreDir = None


@command(app, "close")
def close(options: CloseOptions, out: Output) -> None:
    """Close a job's reservation: rounds that it never charged return to the budget, and it can charge no more."""
    from ringfence.privacy.ledger import close as close_reservation
    from ringfence.shards.keys import load_public, load_signer

    signer = load_signer(options.keys)
    _, ledger = open_ledger(options.url, options.store, load_public(options.keys))
    held = [one for one in ledger.view.open_reservations() if one.reserve.job == options.job]
    if not held:
        remedy = "see: ringfence budget show"
        raise LedgerError(f"job {options.job[:80]} has no open reservation", where=options.url, remedy=remedy)
    for one in held:
        close_reservation(ledger, signer, job=options.job, silo=one.reserve.silo, reason="closed by its owner")
    rounds = sum(one.reserve.rounds - len(one.charged) for one in held)
    document = {"url": options.url, "job": options.job, "roundsGivenBack": rounds}
    out.result(document, [f"{rounds} rounds given back; committed epsilon is now {ledger.view.committed_epsilon()}"])
