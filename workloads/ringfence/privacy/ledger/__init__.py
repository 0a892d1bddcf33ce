"""The ledger of a dataset: what was promised, reserved and spent, as signed entries that only ever grow."""

from ringfence.privacy.ledger.entries import (
    Charge,
    Close,
    Limit,
    Noop,
    Open,
    Owner,
    PlanRecord,
    Reserve,
    ShardEntry,
    Shards,
    Writer,
)
from ringfence.privacy.ledger.history import Row, story
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.operations import (
    add_shards,
    add_writer,
    charge,
    claim,
    close,
    reserve,
    reserve_all,
    set_limit,
)
from ringfence.privacy.ledger.view import Head, LedgerView, Reservation
from ringfence.privacy.ledger.witness import FileWitness, Witness

__all__ = [
    "Charge", "Close", "FileWitness", "Head", "Ledger", "LedgerView", "Limit", "Noop", "Open", "Owner", "PlanRecord",
    "Reservation", "Reserve", "Row", "ShardEntry", "Shards", "Witness", "Writer", "add_shards", "add_writer", "charge",
    "claim", "close", "reserve", "reserve_all", "set_limit", "story",
]  # fmt: skip
