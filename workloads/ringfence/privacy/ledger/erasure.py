"""The owner's word that shards were destroyed, for good: nothing is reserved on them any more.

What they spent stays: their heirs inherited it. The entry names shards, never whom it was done for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ringfence.errors import LedgerError
from ringfence.privacy.ledger.fields import Body
from ringfence.privacy.ledger.values import DATASET, distinct, match, text
from ringfence.privacy.ledger.view import LedgerView


@dataclass(frozen=True)
class Erase(Body):
    """Every version of the objects of `shards` is gone; signed by the owner, with a reason in the owner's words."""

    kind: ClassVar[str] = "erase"
    shards: tuple[str, ...]
    reason: str

    def __post_init__(self) -> None:
        for shard in self.shards:
            match(DATASET, shard, "shard id")
        distinct(self.shards, "shards")
        text(self.reason, "reason")


def erase(view: LedgerView, body: Erase) -> LedgerView:
    """The view after `body`. Raises LedgerError for a shard that is not registered, or erased already."""
    unknown = sorted(set(body.shards) - view.members)
    if unknown:
        raise LedgerError(f"shard {unknown[0]} is not registered in this ledger")
    again = sorted(view.erased.intersection(body.shards))
    if again:
        raise LedgerError(f"shard {again[0]} was erased already")
    return replace(view, erased=view.erased.union(body.shards))
