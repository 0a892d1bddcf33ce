"""Opening a dataset through MinIO against getting the same rows unencrypted, both decoded to Arrow on four threads.

    PYTHONPATH=tests python tests/bench/shards/bench_minio.py [SHARDS]

Starts a MinIO of its own. Prints ratios of interleaved rounds: wall clock, and processor time of this process, which a
busy machine troubles less. Opening compares the digest that the owner signed, and every tag; the plain side is measured
twice: believing whatever it is given, and comparing the same digest.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.minio_server import running

from ringfence import canonical
from ringfence.schema import DatasetSchema
from ringfence.shards import records
from ringfence.shards.keys import Kek
from ringfence.shards.open import open_shards
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.store import Stores

NAMES = [f"x{number}" for number in range(8)]
SCHEMA = DatasetSchema.model_validate(
    {"columns": [{"name": name, "type": "number", "minimum": "0", "maximum": "1"} for name in NAMES]}
)
KEYS = SealKeys(Kek(b"K" * 32), Ed25519PrivateKey.from_private_bytes(b"S" * 32))
ROWS = 2**17  # of 64 bytes: 8 MiB a shard
ROUNDS = 15


def cost(work: Callable[[], int]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main(shards: int) -> None:
    rows = pa.table({name: np.random.default_rng(0).random(ROWS * shards) for name in NAMES})
    request = SealRequest(source=rows, url="s3://sealed/data", schema=SCHEMA, shard_records=ROWS)
    manifest = seal(request, Stores(), KEYS).manifest
    sealed, plain = Stores().open("s3://sealed/data"), Stores().open("s3://plain/data")
    keys = [f"shards/{number}" for number in range(len(manifest.shards))]
    for key, table in zip(keys, open_shards(sealed, manifest, KEYS.kek), strict=True):
        plain.put(key, bytes(records.encode(table)))

    def ours() -> int:
        return sum(table.num_rows for table in open_shards(sealed, manifest, KEYS.kek))

    digests = {key: canonical.digest(plain.get(key)) for key in keys}

    def fetched(key: str, *, compared: bool) -> int:
        data = plain.get(key)
        assert not compared or canonical.digest(data) == digests[key]
        return records.decode(data).num_rows

    def theirs(*, compared: bool) -> int:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda key: fetched(key, compared=compared), keys))

    assert ours() == theirs(compared=True) == ROWS * shards
    size = 64 * ROWS * shards
    print(f"{len(keys)} shards of {size / len(keys) / 2**20:.1f} MiB")
    rounds = [(cost(ours), cost(lambda: theirs(compared=False)), cost(lambda: theirs(compared=True)))
              for _ in range(ROUNDS)]  # fmt: skip
    for name, place in (("wall clock", 0), ("processor time", 1)):
        speed = size / statistics.median(each[0][place] for each in rounds) / 1e6
        believed, checked = (statistics.median(one[0][place] / one[side][place] for one in rounds) for side in (1, 2))
        print(f"{name}: {speed:.0f} MB/s, x{believed:.2f} of plain bytes, x{checked:.2f} of plain bytes with a digest")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        os.environ.update(server.variables())
        for name in ("sealed", "plain"):
            server.client().make_bucket(name)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
