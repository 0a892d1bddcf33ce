"""Entries as objects of a store: reading runs of them in order, looking beyond a gap, filling one place for good.

What stands at a place is the *oldest* version of its object: where a store cannot forbid overwriting or deleting, it
keeps every version, so that neither changes a ledger. What came after is evidence.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from ringfence import canonical
from ringfence.errors import InvalidInput, ObjectNotFound, StoreError
from ringfence.store import Original, Store

FOLDER = "ledger"
HINT = f"{FOLDER}/hint"
"""Names the newest snapshot, unsigned: a place to look at first, believed for nothing."""

_NUMBER = re.compile(rf"{FOLDER}/(0|[1-9][0-9]{{0,15}})")
_AT_ONCE = 16  # reads in flight; a remote store answers each in milliseconds
_LARGEST_RUN = 512
_BEYOND = 3  # places beyond a gap that are always looked at
_TRIES = 8
_PAUSE = 0.02  # seconds before the second try, doubled for each further one: about 2.5 s in all
_FAR = tuple(2**n for n in range(3, 12))  # how far beyond the end an opening looks for what a gap has cut off


@dataclass(frozen=True)
class Run:
    """Consecutive objects up to the first that is absent, and what was found beyond that gap, by index."""

    objects: list[Original]
    beyond: dict[int, bytes]


def place(index: int) -> str:
    """The key of entry `index`."""
    return f"{FOLDER}/{index}"


def listed(store: Store) -> tuple[set[int], list[str]]:
    """The indices of all entries that are there, and the names in the folder that are neither entries nor the hint."""
    keys = [found.key for found in store.list(FOLDER)]
    names = {key: _NUMBER.fullmatch(key) for key in keys}
    return (
        {int(name.group(1)) for name in names.values() if name},
        sorted(key for key, name in names.items() if name is None and key != HINT),
    )


def run(store: Store, first: int, size: int) -> Run:
    """The objects `first` to `first + size - 1`, read at the same time, as far as they are there.

    Where they end at a gap, the few places right beyond it are looked at too.
    """
    found = _read(store, range(first, first + size))
    objects = [original for original in takewhile(lambda one: one is not None, found) if original is not None]
    if len(objects) == size:
        return Run(objects, {})
    gap = first + len(objects)
    late = {index: one.data for index, one in enumerate(found[len(objects) :], gap) if one is not None}
    return Run(objects, late | _found(store, range(first + size, gap + 1 + _BEYOND)))


def runs(store: Store, first: int, size: int) -> Iterator[Run]:
    """All runs from `first` on, each twice as long as the one before it, up to and with the one that ends at a gap."""
    while True:
        found = run(store, first, size)
        yield found
        if len(found.objects) < size:
            return
        first, size = first + size, min(_LARGEST_RUN, 2 * size)


def far_beyond(store: Store, hinted: int) -> Callable[[int], dict[int, bytes]]:
    """Looks further and further beyond the gap after `end`, and at the snapshot `hinted`: where many entries were cut
    off, some of these is met."""
    return lambda end: _found(store, [*(end + distance for distance in _FAR), *([hinted] if hinted > end else [])])


def everywhere(store: Store) -> Callable[[int], dict[int, bytes]]:
    """Looks, in a listing of the folder, at everything beyond the gap after `end`."""
    return lambda end: _found(store, sorted(index for index in listed(store)[0] if index > end + 1))


def fill(store: Store, index: int, data: bytes) -> Original:
    """What stands at `index` for good: `data`, or what another put there first.

    No reply settles it: a success may have been lost, a conflict may mean that nothing landed, and where somebody
    deleted the entry a create succeeds behind the marker. Only reading does. Raises StoreError when the place is still
    empty after some seconds: the put may yet land, so the caller must not move on to another place.
    """
    key, last = place(index), ""
    for attempt in range(_TRIES):
        try:
            store.put_if_absent(key, data)
        except StoreError as error:
            last = error.message
        try:
            return store.original(key)
        except ObjectNotFound:
            pass  # "Absent: retry the same bytes at the same n"
        except StoreError as error:
            last = error.message
        time.sleep(_PAUSE * 2**attempt)
    raise StoreError(
        f"cannot tell whether this entry was written{f' ({last})' if last else ''}",
        where=f"{store.url}/{key}",
        remedy="try again: an entry that landed is found, never repeated",
    )


def hinted(store: Store) -> int:
    """The index of a snapshot to look at first; 0 when there is no usable hint."""
    try:
        document = canonical.decode(store.get(HINT))
    except (ObjectNotFound, InvalidInput):
        return 0
    match document:
        case {"snapshot": int(index)} if type(index) is int and 0 < index < 10**15:
            return index
    return 0


def hint(store: Store, snapshot: int) -> None:
    """Lets the next reader look at `snapshot` first."""
    store.put(HINT, canonical.encode({"snapshot": snapshot}))


def _found(store: Store, places: Sequence[int]) -> dict[int, bytes]:
    found = zip(places, _read(store, places), strict=True)
    return {index: original.data for index, original in found if original is not None}


def _read(store: Store, indices: Sequence[int]) -> list[Original | None]:
    if not indices:
        return []
    return list(_pool(os.getpid()).map(lambda index: read(store, index), indices))


@lru_cache(maxsize=1)
def _pool(_process: int) -> ThreadPoolExecutor:
    """One for each process, since a fork inherits no threads."""
    return ThreadPoolExecutor(_AT_ONCE, "ledger")


def read(store: Store, index: int) -> Original | None:
    """What stands at `index`; None for a gap."""
    try:
        return store.original(place(index))
    except ObjectNotFound:
        return None
