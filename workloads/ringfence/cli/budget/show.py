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
    from ringfence.privacy.ledger import Ledger, LedgerView
    from ringfence.shards.manifest import Manifest


@dataclass(frozen=True)
class ShowOptions:
    url: Url
    signer: Signer = None
    store: StoreDir = None


@command(app, "show")
def show(options: ShowOptions, out: Output) -> None:
    """Show what a dataset's budget allows, what is spent and reserved, by whom, and what is left: by shard, by
    consumer, and in typical jobs."""
    manifest, ledger = open_ledger(options.url, options.store, options.signer, for_reading=True)
    found = document(options.url, manifest, ledger)
    out.result(found, _lines(found))


def document(url: str, manifest: Manifest, ledger: Ledger) -> dict[str, Any]:
    """A ledger's state; every epsilon is a reading of composed costs, as a decimal string."""
    view = ledger.view
    return {
        "url": url,
        "dataset": manifest.dataset,
        "unit": view.unit,
        "limit": _limit(view),
        "spender": view.owner_identity,
        "spent": str(view.spent_epsilon()),
        "committed": str(view.committed_epsilon()),
        "remaining": str(view.remaining_epsilon()),
        "shards": {name: str(view.reading(cost)) for name, cost in sorted(view.shards.items())},
        "consumers": {name: str(view.reading(view.consumer_committed(name))) for name in sorted(view.shares)},
        "typicalJobsLeft": _typical(view, manifest),
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


def _limit(view: LedgerView) -> dict[str, str] | None:
    if view.limit is None:
        return None
    return {
        "epsilon": f"{view.effective_epsilon():f}",
        "delta": view.limit.delta,
        "accountant": view.limit.accountant,
        "highestEpsilon": f"{view.highest_epsilon:f}",
    }


def _typical(view: LedgerView, manifest: Manifest) -> list[dict[str, Any]]:
    """How many typical jobs the fullest block still has room for."""
    from ringfence.privacy.shape import counted
    from ringfence.privacy.typical import typical_jobs

    if view.limit is None:
        return []
    used = max((block.committed for block in view.blocks.values()), key=view.reading, default=None)
    units = counted(manifest.unit, manifest.records, manifest.units)
    grid = (view.limit.orders, view.limit.limits)
    found = typical_jobs(view.unit, units, (view.limit.epsilon, view.limit.delta), grid, used)
    return [{"epsilon": one.epsilon, "shape": one.shape, "left": one.admitted} for one in found]


def _lines(found: dict[str, Any]) -> list[str]:
    limit = found["limit"]
    lines = [f"{found['url']}  (dataset {found['dataset']}, unit {found['unit']})"]
    if found["closed"]:
        lines.append(f"CLOSED for spending: {found['closed']}")
    if limit is None:
        return [*lines, "no limit yet: its owner runs ringfence budget open"]
    lines += [
        f"limit      epsilon {limit['epsilon']} at delta {limit['delta']} ({limit['accountant']})" + _raised(limit),
        f"spent      {found['spent']}",
        f"committed  {found['committed']}  (spent and reserved)",
        f"remaining  {found['remaining']}",
        "",
        *table(("shard", "spent"), found["shards"].items()),
    ]
    if found["consumers"]:
        lines += ["", *table(("consumer", "spent and reserved"), found["consumers"].items())]
    left = [(job["left"], job["epsilon"], job["shape"]) for job in found["typicalJobsLeft"]]
    lines += ["", *table(("left", "jobs of epsilon", "one kind alone"), left)]
    held = [(job["name"], job["consumer"], job["silo"], job["uncharged"], job["job"]) for job in found["reservations"]]
    if held:
        lines += ["", *table(("reserved by", "of", "silo", "rounds uncharged", "job uid"), held)]
    return lines


def _raised(limit: dict[str, str]) -> str:
    return "" if limit["highestEpsilon"] == limit["epsilon"] else f"; the highest ever was {limit['highestEpsilon']}"
