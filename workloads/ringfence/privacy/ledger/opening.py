"""Where a reader begins: at the newest snapshot that it has reason to believe, else at entry 0."""

from __future__ import annotations

from ringfence.errors import LedgerTampered
from ringfence.privacy.ledger import objects, snapshots
from ringfence.privacy.ledger.envelope import Entry, read
from ringfence.privacy.ledger.states import Snapshot, is_sound, restore
from ringfence.privacy.ledger.view import Head, LedgerView
from ringfence.store import Store


def begin(store: Store, first: LedgerView, hinted: int, seen: Head | None) -> LedgerView:
    """The view at the newest snapshot that may be believed; `first`, the view after entry 0, when there is none.

    `hinted` is where to look first (0: nowhere), `seen` the head that this reader's witness remembers. A hint that
    lies costs time, never safety: a snapshot is bound to its ledger and place by its signature.
    """
    newest = _snapshot(store, first, hinted) if hinted else None
    if newest is None or not isinstance(newest.body, Snapshot):
        return first
    for index in (hinted, *reversed(newest.body.snapshots)):
        if seen is not None and index > seen.index:
            continue
        entry = newest if index == hinted else _snapshot(store, first, index)
        if entry is None or not isinstance(entry.body, Snapshot):
            return first
        if snapshots.believed(index, entry.key, owner=first.owner_key, seen=seen):
            view = restore(first, entry.body, Head(index, entry.hash))
            return view if is_sound(view) else first
    return first


def _snapshot(store: Store, first: LedgerView, index: int) -> Entry | None:
    """The entry at `index`, if it is a well-formed snapshot of this ledger made for that place."""
    found = objects.read(store, index)
    if found is None:
        return None
    try:
        entry = read(found.data, where=f"{store.url}/{objects.place(index)}")
    except LedgerTampered:
        return None
    ours = isinstance(entry.body, Snapshot) and entry.body.entry0 == first.entry0 and entry.index == index
    return entry if ours else None
