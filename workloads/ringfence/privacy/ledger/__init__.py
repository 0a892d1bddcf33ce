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
from ringfence.privacy.ledger.erasure import Erase
from ringfence.privacy.ledger.history import Row, entries, reservations, story
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.operations import (
    add_shards,
    add_writer,
    charge,
    claim,
    close,
    erase,
    keep_short,
    reserve,
    reserve_all,
    set_limit,
    snapshot,
    transfer,
)
from ringfence.privacy.ledger.states import Snapshot
from ringfence.privacy.ledger.verification import Evidence, Verification, verify
from ringfence.privacy.ledger.view import Head, LedgerView, Reservation
from ringfence.privacy.ledger.witness import FileWitness, Witness

__all__ = [
    "Charge", "Close", "Erase", "Evidence", "FileWitness", "Head", "Ledger", "LedgerView", "Limit", "Noop", "Open",
    "Owner", "PlanRecord", "Reservation", "Reserve", "Row", "ShardEntry", "Shards", "Snapshot", "Verification",
    "Witness", "Writer", "add_shards", "add_writer", "charge", "claim", "close", "entries", "erase", "keep_short",
    "reservations", "reserve", "reserve_all", "set_limit", "snapshot", "story", "transfer", "verify",
]  # fmt: skip
