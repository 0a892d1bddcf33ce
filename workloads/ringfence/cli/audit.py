"""`ringfence audit`: who did what to a dataset, verified and told as a story."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from ringfence.cli.command import command
from ringfence.cli.options import Signer, StoreDir, Url, dataset
from ringfence.cli.output import Output

app = typer.Typer()


@dataclass(frozen=True)
class AuditOptions:
    url: Url
    signer: Signer = None
    store: StoreDir = None


@command(app, "audit")
def audit(options: AuditOptions, out: Output) -> None:
    """Verify a dataset's audit log and tell it: seals, opens, refusals, rotations, erasures; releases by the ledger.

    Exits with 1 when an entry is missing or was edited; each is named.
    """
    from ringfence.federation.state import StateDirectory
    from ringfence.privacy.ledger.ledger import Ledger
    from ringfence.privacy.ledger.view import Head
    from ringfence.privacy.ledger.witness import FileWitness
    from ringfence.shards.audit_story import tell
    from ringfence.shards.auditing import examine, head
    from ringfence.store import Stores

    store, manifest = dataset(options.url, options.store, options.signer)
    pin = manifest.ledger
    log = Stores(options.store).open(pin.url) if pin else store
    ledger = Ledger.open(log, pin=pin.entry0, for_reading=True) if pin else None
    witness = FileWitness(StateDirectory().root / "audit-heads")
    seen = witness.remembered(manifest.dataset)
    found = examine(store, log, manifest, ledger, remembered=(seen.index, seen.hash) if seen else None)
    last = head(log)
    if last and not found.faults:
        witness.remember(manifest.dataset, Head(*last))
    lines = list(tell(found, ledger))
    faults = [*found.faults, *([str(ledger.fault)] if ledger and ledger.fault else [])]
    document = {
        "url": options.url,
        "dataset": manifest.dataset,
        "faults": faults,
        "evidence": [str(one) for one in found.evidence],
        "entries": [entry.model_dump(mode="json") for entry in found.entries],
        "story": lines,
    }
    verdict = "nothing is missing, nothing was edited" if not faults else f"{len(faults)} faults"
    seen_too = [f"SEEN   {one}" for one in found.evidence]
    out.result(document, [*lines, *seen_too, *(f"FAULT  {fault}" for fault in faults), verdict])
    if faults:
        raise typer.Exit(1)
