"""`ringfence budget raise`: a larger limit, by an entry that its owner signs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import typer

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, StoreDir, Url, decimal
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput, LedgerError


@dataclass(frozen=True)
class RaiseOptions:
    url: Url
    keys: KeyFile
    epsilon: Annotated[str, typer.Option(help="The new limit, larger than the present one.")]
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger and in every later statement.")]
    store: StoreDir = None


@command(app, "raise")
def raise_(options: RaiseOptions, out: Output) -> None:
    """Raise a dataset's limit. Guarantees given under the lower limit end, and every later statement says so."""
    from ringfence.privacy.ledger import set_limit
    from ringfence.shards.keys import load_public, load_signer

    epsilon, signer = decimal(options.epsilon, "--epsilon"), load_signer(options.keys)
    _, ledger = open_ledger(options.url, options.store, load_public(options.keys))
    limit = ledger.view.limit
    if limit is None:
        remedy = "open it with: ringfence budget open"
        raise LedgerError("the ledger has no limit yet", where=options.url, remedy=remedy)
    if epsilon <= Decimal(limit.epsilon):
        raise InvalidInput(f"{epsilon} does not raise the limit of {limit.epsilon}", where="--epsilon")
    set_limit(ledger, signer, epsilon=epsilon, reason=options.reason)
    document = {"url": options.url, "from": limit.epsilon, "to": str(epsilon), "delta": limit.delta}
    line = f"limit raised from epsilon {limit.epsilon} to {epsilon}; set epsilon in the PrivacyBudget too and apply it"
    out.result(document, [line])
