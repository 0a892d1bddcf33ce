"""What commands of a data owner share: keys from files, the witness, what is remembered, a bar for stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringfence.privacy.ledger.witness import Witness
    from ringfence.shards.manifest import Manifest
    from ringfence.shards.request import SealKeys


def opened_keys(file: Path, ledger_key: Path | None, *, public: bool = False) -> SealKeys:
    """The owner's keys in FILE and FILE.sign; `ledger_key` names the file whose .sign opened the ledger."""
    from ringfence.shards.keys import load_kek, load_signer
    from ringfence.shards.request import SealKeys

    ledger = None if ledger_key is None else load_signer(ledger_key)
    return SealKeys(None if public else load_kek(file), load_signer(file), ledger)


def witness() -> Witness:
    """The heads of ledgers that this machine has seen."""
    from ringfence.federation.state import StateDirectory
    from ringfence.privacy.ledger import FileWitness

    return FileWitness(StateDirectory().heads)


def remembered(manifest: Manifest) -> None:
    """An older manifest of this dataset is refused on this machine from now on."""
    from ringfence.federation.state import StateDirectory

    StateDirectory().remember_manifest(manifest.dataset, manifest.version)


def stages(progress: Any) -> Any:
    """A bar for what reports (what, done, total): a new stage whenever the first changes."""
    last: dict[str, Any] = {"name": None, "done": 0}

    def report(name: str, done: int, total: int) -> None:
        if name != last["name"]:
            progress.stage(name, total)
            last.update(name=name, done=0)
        progress.advance(done - last["done"])
        last["done"] = done

    return report
