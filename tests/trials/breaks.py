"""Four ways to break the rules on purpose, each injected from here: a harness that does not find them is worth nothing.

The product has no switch for any of this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence import canonical
from ringfence.errors import LedgerError
from ringfence.federation import layout
from ringfence.federation.release import Release
from ringfence.privacy.ledger import rules, spending
from ringfence.privacy.ledger.entries import Charge
from ringfence.store import Store

BREAKS = {
    "plain-put": "lost entry",
    "release-first": "second release",
    "computed-again": "second release",
    "close-does-not-fence": "overspent",
}
"""Each break, and the count of the checker that must find it."""


class PlainPut:
    """A store that overwrites; entry 0 and probes are kept, since otherwise the product would notice and stop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if key == "ledger/0" or key.startswith("probe/"):
            return self._store.put_if_absent(key, data)
        self._store.put(key, data)
        return True


@dataclass(frozen=True)
class ReleaseFirst(Release):
    """Publishes, then charges."""

    def once(self, round_: int, compute: Callable[[], bytes]) -> bool:
        if self._charged(round_) is not None:
            return super().once(round_, compute)
        inner = compute()
        self._stage(round_, inner)
        published = self._publish(round_, canonical.digest(inner))
        self._charge(round_, canonical.digest(inner))
        return published


@dataclass(frozen=True)
class ComputedAgain(Release):
    """Takes a charge that it finds for one that pays for whatever it computes now."""

    def once(self, round_: int, compute: Callable[[], bytes]) -> bool:
        if self._charged(round_) is None:
            return super().once(round_, compute)
        return self.job.put_if_absent(layout.update(round_, self.silo), compute())


def release_of(broken: str) -> type[Release]:
    """The class with which silos release."""
    return {"release-first": ReleaseFirst, "computed-again": ComputedAgain}.get(broken, Release)


def store_of(broken: str, store: Store) -> Store:
    """The store as actors see it."""
    return PlainPut(store) if broken == "plain-put" else store


def break_rules(broken: str) -> None:
    """Changes the rules in this process, or puts them right: a charge after its reservation's close is let through."""
    fenced = spending.charge

    def unfenced(view, entry, body):
        held = view.reservations.get((body.job, body.silo))
        if held is None or held.open:
            return fenced(view, entry, body)
        name = (body.job, body.silo)
        if body.round in view.charged.get(name, {}) or entry.key != held.reserve.silo_key:
            raise LedgerError("charged already, or by another key")
        charged = {**view.charged.get(name, {}), body.round: body.digest}
        return replace(view, charged={**view.charged, name: charged})

    rules._RULES[Charge] = unfenced if broken == "close-does-not-fence" else fenced
