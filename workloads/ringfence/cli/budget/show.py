"""`ringfence budget show`: limit, spent, reserved, remaining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url
from ringfence.cli.output import Output, table

if TYPE_CHECKING:
    from ringfence.privacy.ledger import Ledger


@dataclass(frozen=True)
class ShowOptions:
    url: Url
    signer: Signer = None
    store: StoreDir = None


@command(app, "show")
def show(options: ShowOptions, out: Output) -> None:
    """Show what a dataset's budget allows, what is spent and reserved, by whom, and what is left, by shard."""
    manifest, ledger = open_ledger(options.url, options.store, options.signer, for_reading=True)
    found = document(options.url, manifest.dataset, ledger)
    out.result(found, _lines(found))


def document(url: str, dataset: str, ledger: Ledger) -> dict[str, Any]:
    """A ledger's state; every epsilon is a reading of composed costs, as a decimal string."""
    view = ledger.view
    limit = None if view.limit is None else {"epsilon": str(view.effective_epsilon()), "delta": view.limit.delta}
    return {
        "url": url,
        "dataset": dataset,
        "unit": view.unit,
        "limit": limit,
        "spent": str(view.spent_epsilon()),
        "committed": str(view.committed_epsilon()),
        "remaining": str(view.remaining_epsilon()),
        "shards": {name: str(view.reading(cost)) for name, cost in sorted(view.shards.items())},
        "reservations": [
            {
                "job": held.reserve.job,
                "name": held.reserve.job_name,
                "consumer": held.reserve.consumer,
                "silo": held.reserve.silo,
                "uncharged": held.reserve.rounds - len(held.charged),
            }
            for held in view.open_reservations()
        ],
        "head": {"index": view.head.index, "hash": view.head.hash},
        "closed": None if ledger.fault is None else str(ledger.fault),
    }


def _lines(found: dict[str, Any]) -> list[str]:
    limit = found["limit"]
    lines = [f"{found['url']}  (dataset {found['dataset']}, unit {found['unit']})"]
    if found["closed"]:
        lines.append(f"CLOSED for spending: {found['closed']}")
    if limit is None:
        return [*lines, "no limit yet: its owner runs ringfence budget open"]
    lines += [
        f"limit      epsilon {limit['epsilon']} at delta {limit['delta']}",
        f"spent      {found['spent']}",
        f"committed  {found['committed']}  (spent and reserved)",
        f"remaining  {found['remaining']}",
        "",
        *table(("shard", "spent"), found["shards"].items()),
    ]
    held = [(job["name"], job["consumer"], job["silo"], job["uncharged"], job["job"]) for job in found["reservations"]]
    if held:
        lines += ["", *table(("reserved by", "of", "silo", "rounds uncharged", "job uid"), held)]
    return lines
