"""A dataset's ledger, as sealing sees it: entry 0 before the first shard, the owner's word on every new shard after."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.errors import LedgerOwned, LedgerTampered, ManifestUnavailable, ObjectNotFound
from ringfence.privacy.ledger.entries import Open, ShardEntry
from ringfence.privacy.ledger.envelope import read
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.privacy.ledger.objects import place
from ringfence.privacy.ledger.operations import add_shards
from ringfence.privacy.ledger.witness import Witness
from ringfence.shards.manifest import LedgerPin, ShardInfo
from ringfence.signing import public_name
from ringfence.store import Store


def new_dataset() -> str:
    """A random dataset id."""
    return f"ds-{secrets.token_hex(16)}"


def found_ledger(store: Store, unit: str, owner: Ed25519PrivateKey, witness: Witness | None) -> Ledger:
    """The ledger for a dataset that has no manifest yet: created, or adopted from an attempt of the same key.

    Raises LedgerOwned when the entry 0 there is another owner's, and ManifestUnavailable when something was already
    reserved: then a manifest existed and is gone, and sealing afresh would forget what its rows have spent.
    """
    dataset = _begun(store, owner) or new_dataset()
    ledger = Ledger.create(store, dataset=dataset, unit=unit.partition(":")[0], owner=owner, witness=witness)
    if ledger.view.ever_reserved:
        raise ManifestUnavailable(
            "this ledger has reservations, but the manifest of its dataset is gone",
            where=store.url,
            remedy="restore the manifest, or seal to another URL with a ledger of its own",
        )
    return ledger


def register(ledger: Ledger, owner: Ed25519PrivateKey, shards: Sequence[ShardInfo], *, fresh: bool) -> None:
    """The owner's `shards` entry: new records, or rows that inherit the largest spent of all shards there are."""
    known = tuple(sorted(ledger.refresh().members))
    inherits = None if fresh or not known else known
    add_shards(ledger, owner, [ShardEntry(shard.id, inherits) for shard in shards])


def pin(ledger: Ledger, url: str) -> LedgerPin:
    """What the manifest says of its ledger."""
    return LedgerPin(url=url, entry0=ledger.entry0)


def _begun(store: Store, owner: Ed25519PrivateKey) -> str | None:
    """The dataset of an entry 0 that `owner` wrote; None when there is none."""
    where = f"{store.url}/{place(0)}"
    try:
        entry = read(store.get(place(0)), where=where)
    except ObjectNotFound:
        return None
    if not isinstance(entry.body, Open):
        raise LedgerTampered("entry 0 does not open a ledger", where=where)
    if entry.body.owner != public_name(owner):
        remedy = "seal to another URL, or with that owner's keys"
        raise LedgerOwned(f"this ledger was opened by {entry.body.owner}", where=where, remedy=remedy)
    return entry.body.dataset
