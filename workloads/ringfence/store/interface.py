"""What the rest of Ringfence knows about storage: named bytes under one root URL.

A key is relative to the root, with `/` between its parts (`ledger/17`). Every method raises StoreError, naming URL and
key, when the store cannot be read or written, and InvalidInput for a key that `check_key` refuses.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """One object of a listing: its key relative to the root, and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object; `deleted` marks a delete marker, which has no bytes.

    `when` (ISO 8601) and `who` are the store's word on how it came there; "" where the store does not say.
    """

    version_id: str
    size: int
    deleted: bool = False
    when: str = ""
    who: str = ""


Listing = list[ObjectInfo]
History = list[ObjectVersion]


@dataclass(frozen=True)
class Original:
    """The oldest bytes of an object, and the versions and delete markers beside them: nobody honest left any."""

    data: bytes
    others: tuple[ObjectVersion, ...] = ()


class Store(Protocol):
    """An object store under one root."""

    @property
    def url(self) -> str:
        """The root as the user wrote it, without a slash at the end."""

    def get(self, key: str) -> bytes:
        """The bytes of `key`. Raises ObjectNotFound when there is no such object."""

    def reading(self, key: str) -> AbstractContextManager[BufferedIOBase]:
        """For the block: a seekable file of the bytes that `key` has now, whatever replaces it, for objects that are
        too large for memory. Raises ObjectNotFound when there is no such object."""

    def put(self, key: str, data: bytes) -> None:
        """Creates or replaces `key`; whole and durable when it returns."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Creates `key` only if the name is free: True when this call created it, False when the name is taken.

        A StoreError leaves the outcome unknown, and False may follow a success whose answer was lost: the caller reads.
        """

    def list(self, prefix: str = "") -> Listing:
        """All objects below the folder `prefix`, sorted by key; none when there is no such folder."""

    def versions(self, key: str) -> History:
        """All versions of `key`, oldest first; at most one where the store keeps none."""

    def get_version(self, key: str, version_id: str) -> bytes:
        """The bytes of one version. Raises ObjectNotFound."""

    def original(self, key: str) -> Original:
        """The oldest version of `key`, whatever was put or deleted over it since; the object where none are kept.

        Raises ObjectNotFound when the name never held bytes.
        """

    def exists(self, key: str) -> bool:
        """Whether `key` can be read now."""

    def delete(self, key: str) -> None:
        """Removes `key`; no error when it is absent. Where the store keeps versions, they stay."""

    def purge(self, key: str) -> None:
        """Destroys every version of `key`; no error when there is none. Raises StoreError when one remains, which a
        lock may enforce."""
