"""`ringfence budget transfer`: who spends from a ledger from now on, by an entry that its owner signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, StoreDir, Url
from ringfence.cli.output import Output


@dataclass(frozen=True)
class TransferOptions:
    url: Url
    keys: KeyFile
    to: Annotated[
        str,
        typer.Option(metavar="IDENTITY", help="kube:<cluster uid>/<namespace>/<PrivacyBudget>, or key:ed25519:..."),
    ]
    store: StoreDir = None


@command(app, "transfer")
def transfer(options: TransferOptions, out: Output) -> None:
    """Hand a ledger to another PrivacyBudget or laptop: whoever spent from it before can reserve no more.

    Nothing is forgotten: the new one adopts all that was spent and reserved.
    """
    from ringfence.privacy.ledger import transfer as transfer_ledger
    from ringfence.shards.keys import load_public, load_signer

    _, ledger = open_ledger(options.url, options.store, load_public(options.keys))
    before = ledger.view.owner_identity
    transfer_ledger(ledger, load_signer(options.keys), options.to)
    document = {"url": options.url, "from": before, "to": options.to, "spent": f"{ledger.view.spent_epsilon():f}"}
    out.result(document, [f"{options.to} spends from now on, instead of {before or 'nobody'}"])
