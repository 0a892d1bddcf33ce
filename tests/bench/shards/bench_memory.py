"""Peak memory while sealing and while opening a dataset of any size, each in a process of its own.

    python tests/bench/shards/bench_memory.py [GIBIBYTES] [FOLDER]

Needs about twice that space in FOLDER, which is emptied again. Rows are eight random numbers: 64 bytes each.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ringfence.schema import DatasetSchema
from ringfence.shards.keys import Kek
from ringfence.shards.manifest import read_manifest
from ringfence.shards.open import open_shards
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.store import Stores

NAMES = [f"x{number}" for number in range(8)]
BLOCK = 2**20  # rows of 64 bytes: 64 MiB
SCHEMA = DatasetSchema.model_validate(
    {"columns": [{"name": name, "type": "number", "minimum": "0", "maximum": "1"} for name in NAMES]}
)
KEYS = SealKeys(Kek(b"K" * 32), Ed25519PrivateKey.from_private_bytes(b"S" * 32))


def write_source(path: Path, blocks: int) -> None:
    draw = np.random.default_rng(0)
    with pq.ParquetWriter(path, SCHEMA.arrow_schema(), compression="none", use_dictionary=False) as writer:
        for _ in range(blocks):
            columns = [pa.array(draw.random(BLOCK)) for _ in NAMES]
            writer.write_table(pa.table(columns, schema=SCHEMA.arrow_schema()))


def step(name: str, folder: Path) -> None:
    before, start = peak(), time.perf_counter()
    if name == "seal":
        request = SealRequest(source=folder / "rows.parquet", url=f"file://{folder}/data", schema=SCHEMA)
        rows = seal(request, Stores(), KEYS).manifest.records
    else:
        store = Stores().open(f"file://{folder}/data")
        manifest = read_manifest(store, signer=None)
        rows = sum(table.num_rows for table in open_shards(store, manifest, KEYS.kek))
    took = time.perf_counter() - start
    print(f"{name}: {rows * 64 / 2**30:.1f} GiB in {took:.0f} s, {rows * 64 / took / 1e6:.0f} MB/s; "
          f"peak {peak()} MB, {before} MB of it before it began")  # fmt: skip


def peak() -> int:
    """Megabytes; of this program alone, which what `getrusage` says is not after an exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 // 10**6


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in ("seal", "open"):
        step(sys.argv[1], Path(sys.argv[2]))
    else:
        gibibytes = float(sys.argv[1]) if len(sys.argv) > 1 else 8
        with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
            write_source(Path(name) / "rows.parquet", max(1, round(gibibytes * 16)))
            for one in ("seal", "open"):
                subprocess.run([sys.executable, __file__, one, name], check=True)
