"""Which stories there are, and how each is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ringfence.observe.progress import Progress

Table = Callable[[Sequence[str], Iterable[Sequence[object]]], list[str]]

STORIES: Mapping[str, str] = {
    "traffic": "three New York airports learn which flights arrive late; each keeps its rows",
    "medicine": "three sample years of a blood study learn who dies within eight years",
    "finance": "four regions learn who comes to own a home",
    "images": "three post offices learn to read digits; each sees its own writers",
    "ridership": "three operators forecast tomorrow's entries at their stations",
    "recommender": "three film clubs learn what members like; a member's taste stays at home",
    "text": "three food shops learn which reviews are enthusiastic; the language model stays frozen",
}
"""Name -> what happens in it. Each is a module of this package with `tell(folder, progress)`."""


class Told(Protocol):
    """How a story ended; `held` is false when something went wrong that must not."""

    @property
    def held(self) -> bool: ...

    def document(self) -> dict[str, Any]: ...

    def lines(self, table: Table) -> list[str]: ...


def tell(name: str, wanted: Path | None, progress: Progress) -> Told:
    """Runs the story of that name in a new folder."""
    module = import_module(f"ringfence.demo.{name}")
    told: Told = module.tell(wanted, progress)
    return told
