"""Stores that kill their process at the n-th write, before or after the write landed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from support.threads import Crash

from ringfence.store.interface import Store
from ringfence.store.open import Stores


@dataclass
class Fuse:
    """Counts the writes of one process; burns at number `at` (from 1), before it or after it. 0 never burns."""

    at: int = 0
    after: bool = False
    writes: int = 0
    log: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, name: str, write):
        with self._lock:
            self.writes += 1
            burn = self.writes == self.at
            self.log.append(name)
        if burn and not self.after:
            raise Crash(name)
        result = write()
        if burn:
            raise Crash(name)
        return result


class FusedStore:
    """A real store behind a fuse; reading is not counted."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse
        self.url = store.url

    def put(self, key, data):
        return self._fuse.around(f"put {key}", lambda: self._store.put(key, data))

    def put_if_absent(self, key, data):
        return self._fuse.around(f"put_if_absent {key}", lambda: self._store.put_if_absent(key, data))

    def delete(self, key):
        return self._fuse.around(f"delete {key}", lambda: self._store.delete(key))

    def __getattr__(self, name):
        return getattr(self._store, name)


@dataclass(frozen=True)
class FusedStores(Stores):
    """Stores whose every store shares one fuse."""

    fuse: Fuse = field(default_factory=Fuse)

    def open(self, url):
        return FusedStore(super().open(url), self.fuse)
