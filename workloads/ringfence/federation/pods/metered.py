"""A store that tells how many bytes go through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_END, BufferedIOBase

from ringfence.store.interface import History, Listing, Original, Store
from ringfence.store.open import Stores


@dataclass(frozen=True)
class MeteredStores(Stores):
    """Stores whose bytes are told to `moved("sent" | "received", bytes)`."""

    moved: Callable[[str, int], None] = field(kw_only=True)

    def open(self, url: str) -> Store:
        return Metered(super().open(url), self.moved)


class Metered:
    """`store`, with its bytes told to `moved`. Listings and questions move next to none and are not counted."""

    def __init__(self, store: Store, moved: Callable[[str, int], None]) -> None:
        self._store, self._moved = store, moved

    @property
    def url(self) -> str:
        return self._store.url

    def get(self, key: str) -> bytes:
        return self._received(self._store.get(key))

    @contextmanager
    def reading(self, key: str) -> Iterator[BufferedIOBase]:
        with self._store.reading(key) as file:
            self._moved("received", file.seek(0, SEEK_END))
            file.seek(0)
            yield file

    def put(self, key: str, data: bytes) -> None:
        self._moved("sent", len(data))
        self._store.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._moved("sent", len(data))
        return self._store.put_if_absent(key, data)

    def get_version(self, key: str, version_id: str) -> bytes:
        return self._received(self._store.get_version(key, version_id))

    def original(self, key: str) -> Original:
        found = self._store.original(key)
        self._received(found.data)
        return found

    def list(self, prefix: str = "") -> Listing:
        return self._store.list(prefix)

    def versions(self, key: str) -> History:
        return self._store.versions(key)

    def exists(self, key: str) -> bool:
        return self._store.exists(key)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def purge(self, key: str) -> None:
        self._store.purge(key)

    def _received(self, data: bytes) -> bytes:
        self._moved("received", len(data))
        return data
