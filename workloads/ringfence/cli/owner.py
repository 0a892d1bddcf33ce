"""What commands of a data owner share: keys from files, the witness, what is remembered, a bar for stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringfence.privacy.ledger.witness import Witness
    from ringfence.shards.manifest import Manifest
    from ringfence.shards.request import SealKeys, SealResult


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


class Sealed:
    """The datasets sealed on this machine under one meaning of URLs, so that the next seal compares its persons."""

    def __init__(self, store: Path | None) -> None:
        from ringfence.federation.state import StateDirectory

        self._state, self._root = StateDirectory(), str(store.absolute()) if store else ""

    def others(self, named: list[str]) -> tuple[str, ...]:
        """Their URLs, and those that the owner names."""
        known = (url.rstrip("/") for url in (*self._state.sealed_here(self._root).values(), *named))
        return tuple(dict.fromkeys(known))

    def remember(self, result: SealResult) -> None:
        """This one too, if persons are in it; those that are there no more are forgotten."""
        manifest = result.manifest
        if not manifest.public and manifest.schema_.unit_column is not None:
            self._state.remember_sealed(manifest.dataset, result.url, self._root)
        for dataset, url in self._state.sealed_here(self._root).items():
            if url in result.overlap.gone:
                self._state.forget_sealed(dataset)


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
