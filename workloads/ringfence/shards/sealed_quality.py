"""The quality report of a version: computed from rows, therefore sealed, and read by the owner alone."""

from __future__ import annotations

from typing import Any

from ringfence import canonical
from ringfence.errors import InvalidInput, ObjectNotFound, ShardUnavailable
from ringfence.shards.binding import quality_binding
from ringfence.shards.container import open_bytes, seal_bytes
from ringfence.shards.fetch import check_key
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import Manifest
from ringfence.store.interface import Store


def quality_key(version: int) -> str:
    """The key of a quality report in the store."""
    return f"quality/{version}"


def seal_quality(report: dict[str, Any], dataset: str, version: int, kek: Kek | None) -> bytes:
    """The report as it is stored: sealed under a key of the owner's, or clear for a public dataset (`kek` None)."""
    data = canonical.encode(report)
    if kek is None:
        return data
    return seal_bytes(data, dek=_quality_dek(kek, dataset), aad=quality_binding(dataset, version))


def open_quality(store: Store, manifest: Manifest, kek: Kek | None) -> dict[str, Any]:
    """The quality report of this version, for the owner. Raises KeyRejected and ShardUnavailable."""
    where = f"{store.url}/{quality_key(manifest.version)}"
    check_key(manifest, kek, where)
    if manifest.quality_digest is None:
        raise ShardUnavailable("this version has no quality report: an erasure destroyed it", where=where)
    try:
        data: bytes | bytearray = store.get(quality_key(manifest.version))
    except ObjectNotFound as error:
        raise ShardUnavailable("the quality report is missing", where=where) from error
    if canonical.digest(bytes(data)) != manifest.quality_digest:
        raise ShardUnavailable("altered: not the quality report that the manifest lists", where=where)
    if kek is not None and not manifest.public:
        binding = quality_binding(manifest.dataset, manifest.version)
        data = open_bytes(data, dek=_quality_dek(kek, manifest.dataset), aad=binding, where=where)
    try:
        report: dict[str, Any] = canonical.decode(bytes(data))
    except InvalidInput as error:
        raise ShardUnavailable("the quality report is malformed", where=where) from error
    return report


def _quality_dek(kek: Kek, dataset: str) -> bytes:
    return kek.derive(b"ringfence/quality/" + dataset.encode())
