"""`ringfence budget raise` and `lower`: another limit, by an entry that its owner signs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import KeyFile, StoreDir, Url, amount
from ringfence.cli.output import Output
from ringfence.errors import InvalidInput, LedgerError

if TYPE_CHECKING:
    from ringfence.privacy.ledger import Ledger, Limit


@dataclass(frozen=True)
class RaiseOptions:
    url: Url
    keys: KeyFile
    epsilon: Annotated[str, typer.Option(help="The new limit, larger than the present one.")]
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger and in every later statement.")]
    store: StoreDir = None


@dataclass(frozen=True)
class LowerOptions:
    url: Url
    keys: KeyFile
    epsilon: Annotated[str, typer.Option(help="The new limit, smaller than the present one.")]
    reason: Annotated[str, typer.Option(help="Why, if it is to stand in the ledger.")] = ""
    store: StoreDir = None


@command(app, "raise")
def raise_(options: RaiseOptions, out: Output) -> None:
    """Raise a dataset's limit. Guarantees given under the lower limit end, and every later statement says so."""
    epsilon = amount(options.epsilon, "--epsilon")
    ledger, limit = _opened(options)
    if epsilon <= Decimal(limit.epsilon):
        raise InvalidInput(
            f"{epsilon} does not raise the limit of {limit.epsilon}", where="--epsilon", remedy="see: budget lower"
        )
    _set(options, ledger, epsilon)
    document = {"url": options.url, "from": limit.epsilon, "to": str(epsilon), "delta": limit.delta}
    line = f"limit raised from epsilon {limit.epsilon} to {epsilon}; set epsilon in the PrivacyBudget too and apply it"
    out.result(document, [line])


@command(app, "lower")
def lower(options: LowerOptions, out: Output) -> None:
    """Lower a dataset's limit. What is spent stays spent; open reservations may still be charged, and nothing is
    admitted above the new limit."""
    epsilon = amount(options.epsilon, "--epsilon")
    ledger, limit = _opened(options)
    if epsilon >= Decimal(limit.epsilon):
        raise InvalidInput(
            f"{epsilon} does not lower the limit of {limit.epsilon}", where="--epsilon", remedy="see: budget raise"
        )
    _set(options, ledger, epsilon)
    view = ledger.view
    document = {"url": options.url, "from": limit.epsilon, "to": str(epsilon), "delta": limit.delta}
    document["effective"] = f"{view.effective_epsilon():f}"
    line = f"limit lowered from epsilon {limit.epsilon} to {epsilon}; set epsilon in the PrivacyBudget too and apply it"
    over = view.committed_epsilon() > epsilon
    held = f"{view.committed_epsilon():f} is spent or reserved already: nothing more is admitted" if over else ""
    out.result(document, [line, *([held] if held else [])])


def _opened(options: RaiseOptions | LowerOptions) -> tuple[Ledger, Limit]:
    from ringfence.shards.keys import load_public

    _, ledger = open_ledger(options.url, options.store, load_public(options.keys))
    if ledger.view.limit is None:
        remedy = "open it with: ringfence budget open"
        raise LedgerError("the ledger has no limit yet", where=options.url, remedy=remedy)
    return ledger, ledger.view.limit


def _set(options: RaiseOptions | LowerOptions, ledger: Ledger, epsilon: Decimal) -> None:
    from ringfence.privacy.ledger import set_limit
    from ringfence.shards.keys import load_signer

    set_limit(ledger, load_signer(options.keys), epsilon=epsilon, reason=options.reason)
