"""How quick a ledger is: the admission check, opening it, and a reservation on a MinIO of this machine.

    python tests/bench/ledger/bench_ledger.py [--entries 1000 100000]

A ledger of n entries is made in a folder, without the store's syncing: jobs of twenty rounds, each reserved, charged
and closed, and a snapshot where one is due. Prints a table; nothing here decides a test.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "ledger"))

from ledger_samples import OWNER, SILO, WRITER, Memory, charge_of, folder, new_ledger, reserve_of
from minio.versioningconfig import ENABLED, VersioningConfig
from support.minio_server import BINARY, running

from ringfence.privacy.ledger import Close, Ledger, objects, reserve, rules, snapshots
from ringfence.privacy.ledger.envelope import new_id, read, write
from ringfence.store import Stores

ROUNDS = 20


class Counting:
    """The store, counting what is read from it."""

    def __init__(self, store):
        self.store, self.reads = store, 0

    def original(self, key):
        self.reads += 1
        return self.store.original(key)

    def get(self, key):
        self.reads += 1
        return self.store.get(key)

    def __getattr__(self, name):
        return getattr(self.store, name)


def bodies():
    """What is said in such a ledger, and by whom, for ever."""
    job = 0
    while True:
        job += 1
        name = f"job-{job:06}"
        yield reserve_of(name, rounds=ROUNDS, unit=1), WRITER
        for number in range(1, ROUNDS + 1):
            yield charge_of(name, number, unit=1), SILO
        yield Close(name, "mercy", "done"), WRITER


def grow(path, entries, snapshots_by):
    """A ledger of `entries` entries in `path`: the pin, and the view at its end. None takes no snapshots."""
    store = folder(path)
    ledger = new_ledger(store)
    view, spoken = ledger.view, bodies()
    while view.head.index + 1 < entries:
        if snapshots_by is not None and snapshots.is_due(view):
            body, key = snapshots.taken(view), snapshots_by
        else:
            body, key = next(spoken)
        index = view.head.index + 1
        data = write(body, key, index=index, previous=view.head.hash, entry_id=new_id())
        (path / "ledger" / str(index)).write_bytes(data)
        view = rules.apply(view, read(data, where=""))
    if view.snapshots:
        objects.hint(store, view.snapshots[-1])
    return ledger.entry0, view


def timed(function, times):
    """Median milliseconds of a call."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def admission(view):
    """Median milliseconds to decide on one more reservation, signature and all rules included."""
    index = view.head.index + 1
    data = write(
        reserve_of("one-more", rounds=ROUNDS, unit=1), WRITER, index=index, previous=view.head.hash, entry_id=new_id()
    )
    return timed(lambda: rules.apply(view, read(data, where="")), 50)


def opening(path, pin, **options):
    """Seconds to open a ledger, and how many objects were asked for."""
    store = Counting(folder(path))
    start = time.perf_counter()
    Ledger.open(store, pin=pin, **options)
    return time.perf_counter() - start, store.reads


def on_disk(entries):
    for by, name in ((OWNER, "snapshots of the owner"), (WRITER, "snapshots of a writer"), (None, "no snapshots")):
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            pin, view = grow(Path(place), entries, by)
            made = time.perf_counter() - start
            row(entries, name, "admission check", f"{admission(view):.2f} ms")
            row(entries, name, "made in", f"{made:.0f} s, {len(view.snapshots)} snapshots")
            witness = Memory(view.head) if by is WRITER else None
            seconds, reads = opening(Path(place), pin, witness=witness)
            row(entries, name, "open" if witness is None else "open, remembered", f"{seconds:.2f} s, {reads} objects")
            if by is OWNER:
                seconds, reads = opening(Path(place), pin, whole=True)
                row(entries, name, "verify whole", f"{seconds:.2f} s, {reads} objects")


def on_minio(place):
    """A reservation on a MinIO of this machine, its look at the head and its confirmation included."""
    with running(place) as server:
        os.environ |= server.variables()
        client = server.client()
        for bucket in ("plain", "versioned"):
            client.make_bucket(bucket_name=bucket)
        client.set_bucket_versioning(bucket_name="versioned", config=VersioningConfig(ENABLED))
        for bucket in ("plain", "versioned"):
            ledger = new_ledger(Stores().open(f"s3://{bucket}/patients"))
            reserving = partial(next, (reserve(ledger, WRITER, reserve_of(f"job-{n}", unit=1)) for n in count()))
            row(ledger.view.head.index + 1, f"MinIO, {bucket} bucket", "reserve", f"{timed(reserving, 60):.1f} ms")


def row(entries, what, measured, figure):
    print(f"{entries:>8}  {what:<24}  {measured:<18}  {figure}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, nargs="*", default=[1_000, 100_000])
    options = parser.parse_args()
    if BINARY.is_file():
        with tempfile.TemporaryDirectory() as place:
            on_minio(Path(place))
    for entries in options.entries:
        on_disk(entries)


if __name__ == "__main__":
    main()
