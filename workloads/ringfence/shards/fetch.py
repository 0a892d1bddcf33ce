"""From the store to verified sealed bytes: the signed manifest says which, before a key is used on them.

The digest is what protects a public dataset, whose shard keys everyone has, and what names the fault of any other.
"""

from __future__ import annotations

from ringfence import canonical
from ringfence.errors import KeyRejected, ObjectNotFound, ShardUnavailable
from ringfence.shards.binding import shard_binding, wrapping_binding
from ringfence.shards.container import Buffer, Sealed
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest, ShardInfo
from ringfence.store.interface import Store


def fetch_shard(store: Store, manifest: Manifest, shard: ShardInfo) -> bytes:
    """The sealed object, its size and digest as the manifest lists them. Raises ShardUnavailable, naming the object."""
    where = f"{store.url}/{shard.key}"
    try:
        sealed = store.get(shard.key)
    except ObjectNotFound as error:
        raise ShardUnavailable("the shard is missing", where=where, remedy="restore the object") from error
    found = canonical.digest(sealed)
    if found == shard.digest and len(sealed) == shard.size:
        return sealed
    other = next((other.id for other in manifest.shards if other.digest == found), None)
    if other is not None:
        raise ShardUnavailable(f"swapped: it holds the bytes of shard {other}", where=where)
    if len(sealed) < shard.size:
        raise ShardUnavailable(f"truncated: {len(sealed)} bytes of {shard.size}", where=where)
    raise ShardUnavailable("altered: not the bytes that the manifest lists", where=where)


def unsealed(sealed: Buffer, manifest: Manifest, shard: ShardInfo, kek: Kek | None, where: str) -> Sealed:
    """The object with its key: nothing of it is decrypted yet. Raises KeyRejected and ShardUnavailable."""
    binding = shard_binding(manifest.dataset, shard.id, manifest.schema_.digest(), shard.sealed_version, shard.position)
    return Sealed(sealed, dek=shard_key(manifest, shard, kek, where), aad=binding, where=where)


def shard_key(manifest: Manifest, shard: ShardInfo, kek: Kek | None, where: str) -> bytes:
    """The 32-byte key of one shard. Raises KeyRejected."""
    kek = needed_key(shard, kek, where)
    if kek is None:
        return bytes.fromhex(shard.dek or "")
    return kek.unwrap(shard.wrapped_dek or "", wrapping_binding(manifest.dataset, shard.id, kek.id), where=where)


def check_key(manifest: Manifest, kek: Kek | None, where: str) -> None:
    """Raises KeyRejected, naming `where`, unless `kek` is the key that every shard was sealed under."""
    for shard in manifest.shards:
        needed_key(shard, kek, where)


def needed_key(shard: ShardInfo, kek: Kek | None, where: str) -> Kek | None:
    """The key that unwraps this shard's key, None for a shard of a public dataset. Raises KeyRejected."""
    if shard.kek is None:
        return None
    if kek is None:
        raise KeyRejected(f"a key is needed: sealed under {shard.kek}", where=where, remedy="name the owner's key file")
    if kek.id != shard.kek:
        remedy = "name the key file that the dataset was sealed with; if it is lost, so are these rows: seal them again"
        raise KeyRejected(f"sealed under {shard.kek}, the key given is {kek.id}", where=where, remedy=remedy)
    return kek
