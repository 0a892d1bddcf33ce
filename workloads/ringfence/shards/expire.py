"""Sweeping a dataset whose retention is over: its shards and quality reports are destroyed, its manifests stay.

What remains says that there was a dataset, of how many records, under which terms, and what was spent on it.
"""

from __future__ import annotations

from datetime import datetime

from ringfence.errors import InvalidInput
from ringfence.privacy.ledger.witness import Witness
from ringfence.shards.holding import Holding, destroy
from ringfence.shards.request import SealKeys
from ringfence.store import Stores


def sweep_expired(url: str, stores: Stores, keys: SealKeys, now: datetime, witness: Witness | None = None) -> list[str]:
    """The keys of the objects destroyed; none the second time.

    Raises InvalidInput unless the day that the signed terms name is over, LedgerError while a job holds the shards, and
    StoreError naming what a lock keeps.
    """
    holding = Holding.open(url, stores, keys, witness)
    terms = holding.manifest.terms
    if terms is None or not terms.expired(now):
        day = terms.retain_until if terms else None
        raise InvalidInput(
            f"its rows may be kept until {day}" if day else "its terms name no last day",
            where=url,
            remedy="erase one person with --unit, or delete the dataset by the store's own means",
        )
    holding.require_idle("sweeping")
    holding.log.record("expired")
    return destroy(holding, None, "retention is over")
