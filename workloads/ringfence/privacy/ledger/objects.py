"""Entries as objects of a store: which are there, reading them in order, and filling one place for good."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile

from ringfence.errors import ObjectNotFound, StoreError
from ringfence.store import Store

FOLDER = "ledger"
_NUMBER = re.compile(rf"{FOLDER}/(0|[1-9][0-9]{{0,15}})")
_AT_ONCE = 8  # reads in flight; a remote store answers each in milliseconds
_TRIES = 8
_PAUSE = 0.02  # seconds before the second try, doubled for each further one: about 2.5 s in all


def place(index: int) -> str:
    """The key of entry `index`."""
    return f"{FOLDER}/{index}"


def listed(store: Store) -> set[int]:
    """The indices of all entries that are there; other names in the folder are no entries."""
    names = (_NUMBER.fullmatch(found.key) for found in store.list(FOLDER))
    return {int(name.group(1)) for name in names if name}


def read_from(store: Store, first: int, known: set[int]) -> list[bytes]:
    """The objects from `first` on, up to the first that is absent; `known` are indices listed before."""
    run = list(takewhile(known.__contains__, count(first)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda index: _get(store, index), run))
    objects = [data for data in takewhile(lambda data: data is not None, found) if data is not None]
    if len(objects) < len(run):
        return objects
    while (data := _get(store, first + len(objects))) is not None:
        objects.append(data)
    return objects


def fill(store: Store, index: int, data: bytes) -> bytes:
    """What stands at `index` for good: `data`, or what another put there first.

    A reply tells nothing for sure, except that this call created the object. Raises StoreError when the place is still
    empty after some seconds: the put may yet land, so the caller must not move on to another place.
    """
    key, last = place(index), ""
    for attempt in range(_TRIES):
        try:
            if store.put_if_absent(key, data):
                return data  # "On success: done."
        except StoreError as error:
            last = error.message
        try:
            return store.get(key)  # "On *any* error or AlreadyExists: read n."
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


def _get(store: Store, index: int) -> bytes | None:
    try:
        return store.get(place(index))
    except ObjectNotFound:
        return None
