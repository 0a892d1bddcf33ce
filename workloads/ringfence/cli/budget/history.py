"""`ringfence budget history`: every entry of a ledger as a story."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import open_ledger
from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url
from ringfence.cli.output import Output, table


@dataclass(frozen=True)
class HistoryOptions:
    url: Url
    signer: Signer = None
    store: StoreDir = None


@command(app, "history")
def history(options: HistoryOptions, out: Output) -> None:
    """Tell every entry of a dataset's ledger: who did what, and the epsilon spent and committed after it."""
    from ringfence.privacy.ledger import story

    _, ledger = open_ledger(options.url, options.store, options.signer, for_reading=True, whole=True)
    rows = story(ledger)
    entries = [
        {
            "index": row.index,
            "kind": row.kind,
            "who": row.who,
            "what": row.what,
            "spent": str(row.epsilon),
            "committed": str(row.committed),
        }
        for row in rows
    ]
    lines = table(("#", "kind", "who", "spent", "committed", "what"), [_cells(entry) for entry in entries])
    fault = None if ledger.fault is None else str(ledger.fault)
    out.result({"entries": entries, "closed": fault}, [*lines, *([f"CLOSED here: {fault}"] if fault else [])])


def _cells(entry: dict[str, object]) -> tuple[object, ...]:
    return tuple(entry[name] for name in ("index", "kind", "who", "spent", "committed", "what"))
