"""Finding the persons of the rows that are sealed in the owner's other datasets, by keyed hashes.

The hashes are made under a random key that lives as long as the seal and are never stored: nobody can learn from a
dataset, with whatever key, who else is in another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ringfence.errors import InvalidInput, ManifestUnavailable, RingfenceError
from ringfence.privacy.ledger.ledger import Ledger
from ringfence.shards.fingerprints import Hashes, Seen, hashes_of
from ringfence.shards.manifest import Manifest, read_manifest
from ringfence.shards.open import Progress, open_shards
from ringfence.shards.overlap import Overlap, Shared
from ringfence.shards.request import SealKeys, SealRequest
from ringfence.store import Store, Stores


class Comparison:
    """Takes in the rows that are sealed, then opens the owner's other datasets one after another."""

    def __init__(self, request: SealRequest) -> None:
        column = request.schema.unit_column
        self._request = request
        self.column = column.name if column is not None and request.beside and not request.public else ""
        self._seen, self._key = Seen(), os.urandom(32)

    def add(self, rows: pa.Table) -> None:
        """More of the rows that are sealed."""
        if self.column:
            self._seen.new(hashes_of(rows.column(self.column), self._key))

    def result(self, stores: Stores, keys: SealKeys, own: str, progress: Progress | None = None) -> Overlap:
        """What was found in the request's `beside`; `own` is the dataset's own id. Nothing has been written yet.

        Raises InvalidInput when persons of these rows stand in other datasets, unless the unit is a record, which
        promises nothing about persons, or the request accepts it.
        """
        if not self.column:
            return Overlap()
        request, mine = self._request, self._seen.sorted()
        times = np.zeros(len(mine), dtype=np.int64)
        shared, passed_over, gone = [], [], []
        for number, url in enumerate(request.beside):
            try:
                store = stores.open(url)
                manifest = read_manifest(store, signer=None, where=url)
                if manifest.dataset == own or manifest.public:
                    continue
                self._check(manifest, keys)
                theirs = np.isin(mine, self._hashes(store, manifest, keys), assume_unique=True)
            except RingfenceError as error:
                passed_over.append((url, error.message))
                if isinstance(error, ManifestUnavailable) and not stores.open(url).list():
                    gone.append(url)
                continue
            times += theirs
            shared.append(Shared(url, manifest.dataset, int(theirs.sum()), _limit(manifest, stores)))
            if progress:
                progress("comparing persons with other datasets", number + 1, len(request.beside))
        several = tuple(int(count) for count in np.bincount(times, minlength=1)[1:])
        found = Overlap(len(mine), tuple(shared), several, tuple(passed_over), tuple(gone))
        if found.most and request.unit != "Record" and not request.overlap:
            remedy = "append to that dataset, whose one ledger then counts both, or accept it with --overlap"
            raise InvalidInput("; ".join(found.words()), where=request.url, remedy=remedy)
        return found

    def _check(self, manifest: Manifest, keys: SealKeys) -> None:
        """Raises InvalidInput for a dataset whose persons cannot be compared with these."""
        if keys.public not in {manifest.owner, *(handover.key for handover in manifest.handovers)}:
            raise InvalidInput("it is another owner's")
        column = manifest.schema_.unit_column
        if column is None or column.name != self.column:
            named = f"its unit column is {column.name!r}" if column else "it has no unit column"
            raise InvalidInput(f"{named}, and not {self.column!r}")

    def _hashes(self, store: Store, manifest: Manifest, keys: SealKeys) -> Hashes:
        """Sorted hashes of all persons of another dataset, those kept for scores too."""
        seen = Seen()
        for rows in _all_rows(store, manifest, keys):
            seen.new(hashes_of(rows.column(self.column), self._key))
        return seen.sorted()


def _all_rows(store: Store, manifest: Manifest, keys: SealKeys) -> Iterator[pa.Table]:
    yield from open_shards(store, manifest, keys.kek)
    yield from open_shards(store, manifest, keys.kek, "validation")


def _limit(manifest: Manifest, stores: Stores) -> tuple[str, str] | None:
    """The limit of the dataset's ledger, or what is spent and reserved where that is more; None if there is none."""
    pin = manifest.ledger
    if pin is None:
        return None
    try:
        view = Ledger.open(stores.open(pin.url), pin=pin.entry0, for_reading=True).view
    except RingfenceError:
        return None
    if view.limit is None:
        return None
    return f"{view.effective_epsilon():f}", view.limit.delta
