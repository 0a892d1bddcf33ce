"""New keys for a dataset: a new KEK wraps the shard keys anew, a new signing key signs from now on.

Rewrapping reads and writes no shard: one manifest and the small quality report are all. It does not help where the old
KEK leaked, since whoever has it and an old manifest has the shard keys: `reseal` does, by sealing every shard under a
new key of its own and destroying the old objects.
"""

from __future__ import annotations

from dataclasses import dataclass

from ringfence import canonical
from ringfence.errors import InvalidInput, KeyRejected
from ringfence.privacy.ledger.operations import add_writer, transfer
from ringfence.privacy.ledger.witness import Witness
from ringfence.shards.audit_entry import EventName
from ringfence.shards.binding import wrapping_binding
from ringfence.shards.fetch import shard_key
from ringfence.shards.handover import hand_over
from ringfence.shards.holding import Change, Holding, Replaced, destroy, in_place, put_in_place, rewrite
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.shards.open import Progress
from ringfence.shards.publish import Draft
from ringfence.shards.request import SealKeys
from ringfence.shards.sealed_quality import open_quality, quality_key, seal_quality
from ringfence.shards.splitting import rewrapped_split
from ringfence.signing import public_name
from ringfence.store import Stores


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """Which dataset, from which keys to which. `reseal` seals every shard anew and destroys the old objects."""

    url: str
    old: SealKeys
    new: SealKeys
    reseal: bool = False
    witness: Witness | None = None


def rotate(rotation: Rotation, stores: Stores, progress: Progress | None = None) -> Manifest:
    """The manifest of the next version, published. Where the signing keys differ, the old one signs the handover.

    Raises InvalidInput when nothing would change, KeyRejected when `old` are not the dataset's and the ledger's keys,
    LedgerError while a job holds shards that would be destroyed, and StoreError.
    """
    holding = Holding.open(rotation.url, stores, rotation.old, rotation.witness)
    _check(rotation, holding)
    _let_spend(rotation, holding)
    draft = holding.draft(rotation.new.kek)
    replaced: Replaced = {}
    if rotation.reseal:
        replaced = rewrite(holding, draft, holding.manifest.shards, lambda rows: rows, progress)
        shards = in_place(holding.manifest, replaced)
    else:
        shards = tuple(_rewrapped(holding, shard, rotation.new.kek) for shard in holding.manifest.shards)
    manifest = holding.successor(
        shards=shards,
        owner=rotation.new.public,
        handovers=_handovers(rotation, holding),
        split=rewrapped_split(
            holding.manifest.split, draft.dataset, rotation.old.kek, rotation.new.kek, holding.store.url
        ),
        quality_digest=_quality(holding, draft),
    )
    event: EventName = "resealed" if rotation.reseal else "rotated"
    put_in_place(holding, draft, Change(event, manifest, rotation.new.signer, replaced))
    if rotation.reseal:
        destroy(holding, manifest, "resealed under a new key")
    return manifest


def _check(rotation: Rotation, holding: Holding) -> None:
    old, new = rotation.old, rotation.new
    same_kek = holding.manifest.public or (old.kek and new.kek and old.kek.id == new.kek.id)
    if same_kek and old.public == new.public and not rotation.reseal:
        raise InvalidInput("the new keys are the old ones", where=rotation.url, remedy="name other keys, or --reseal")
    if not holding.manifest.public and new.kek is None:
        raise InvalidInput("a new key is needed: name its file", where=rotation.url)
    if rotation.reseal:
        holding.require_idle("resealing")


def _let_spend(rotation: Rotation, holding: Holding) -> None:
    """In the ledger, signed by the key that opened it: a new signing key may write there, and takes the old one's place
    where that one spent from it. Before the manifest, so that no owner is named who cannot run a job.

    Raises KeyRejected when the key that opened the ledger is not given.
    """
    ledger, new = holding.ledger, rotation.new.public
    if ledger is None or new == rotation.old.public:
        return
    opener = rotation.old.ledger_signer
    if public_name(opener) != ledger.view.owner_key:
        raise KeyRejected(
            f"the ledger was opened by {ledger.view.owner_key}, which must let a new key write there",
            where=f"{ledger.store.url}/ledger",
            remedy="name that key's file with --ledger-key",
        )
    if new not in ledger.view.writers:
        add_writer(ledger, opener, new, "the owner's later key")
    if ledger.view.owner_identity == f"key:{rotation.old.public}":
        transfer(ledger, opener, f"key:{new}")


def _handovers(rotation: Rotation, holding: Holding) -> tuple[object, ...]:
    now = holding.manifest
    if rotation.new.public == now.owner:
        return now.handovers
    return (*now.handovers, hand_over(now.dataset, now.version + 1, rotation.old.signer, rotation.new.public))


def _rewrapped(holding: Holding, shard: ShardInfo, new: Kek | None) -> ShardInfo:
    """The shard's key under the new KEK; the object stays as it is."""
    if new is None or shard.kek is None:
        return shard
    manifest = holding.manifest
    dek = shard_key(manifest, shard, holding.keys.kek, f"{holding.store.url}/{shard.key}")
    wrapped = new.wrap(dek, wrapping_binding(manifest.dataset, shard.id, new.id))
    return shard.model_copy(update={"kek": new.id, "wrapped_dek": wrapped})


def _quality(holding: Holding, draft: Draft) -> str | None:
    """The quality report under the new key, beside the manifest of the same version."""
    if holding.manifest.quality_digest is None:
        return None
    report = open_quality(holding.store, holding.manifest, holding.keys.kek)
    data = seal_quality(report, draft.dataset, draft.version, draft.kek)
    holding.store.put(quality_key(draft.version), data)
    return canonical.digest(data)
