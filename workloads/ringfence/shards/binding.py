"""What each sealed object is bound to: associated data, the same bytes on both sides.

Fields are length-prefixed, so that no two lists of fields give the same bytes. URLs and buckets are never bound: a
dataset may be copied elsewhere, and still nothing in it can change places.
"""

from __future__ import annotations


def associated(*fields: str) -> bytes:
    """The fields one after another, each as 8 bytes of big-endian length and its UTF-8 text."""
    encoded = (field.encode() for field in fields)
    return b"".join(len(field).to_bytes(8, "big") + field for field in encoded)


def shard_binding(dataset: str, shard: str, schema_digest: str, version: int, position: int) -> bytes:
    """What a shard's segments are bound to; `version` and `position` are those at sealing.

    The manifest lists both for each shard, so that a dataset grows without resealing what it holds.
    """
    return associated(dataset, shard, schema_digest, str(version), str(position))


def wrapping_binding(dataset: str, shard: str, kek_id: str) -> bytes:
    """What a wrapped shard key is bound to."""
    return associated(dataset, shard, kek_id)


def quality_binding(dataset: str, version: int) -> bytes:
    """What a quality report is bound to."""
    return associated(dataset, "quality", str(version))
