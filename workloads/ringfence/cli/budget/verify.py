"""`ringfence budget verify`: whether a ledger's chain, signatures and sums hold, and what was done to its objects."""

from __future__ import annotations

from dataclasses import dataclass

from ringfence.cli.budget import app
from ringfence.cli.budget.ledgers import verify_ledger
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
    """Check a dataset's ledger from entry 0: hashes, signatures, every rule, every snapshot, versions put over entries,
    and the heads seen on this machine.

    Exit 1 and the faulty object's name if anything does not hold. What somebody did to objects without changing the
    ledger is told and is no failure.
    """
    found = verify_ledger(options.url, options.store, options.signer)
    if found.fault is not None:
        raise found.fault
    head = found.view.head
    document = {
        "url": options.url,
        "valid": True,
        "entries": found.entries,
        "head": head.hash,
        "snapshots": found.snapshots,
        "evidence": [str(one) for one in found.evidence],
        "pardoned": list(found.pardoned),
        "notEntries": list(found.strangers),
    }
    lines = [f"{found.entries} entries hold together; the last is {head.hash}"]
    if found.snapshots:
        lines.append(f"{found.snapshots} snapshots say what the entries before them say")
    lines += [f"pardoned by the owner, skipped: {key}" for key in found.pardoned]
    lines += [f"no entry, ignored: {key}" for key in found.strangers]
    lines += [f"NOTE {one}" for one in found.evidence]
    out.result(document, lines)
