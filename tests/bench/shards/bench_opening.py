"""Opening against `cryptography`'s raw AES-GCM on the same buffers, and records at random against the plain file.

    python tests/bench/shards/bench_opening.py [MEBIBYTES]

Prints ratios: medians of interleaved rounds of one thread, in processor time, which a busy machine troubles least.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.shards import records
from ringfence.shards.container import SEGMENT, Sealed, seal_bytes

ROUNDS = 15
AAD = b"x" * 200


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Median seconds of both, and the median of the ratios of neighbours."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return mine, other, statistics.median(a / b for a, b in pairs)


def main(mebibytes: int) -> None:
    size = mebibytes * 2**20
    plain, dek = os.urandom(size), os.urandom(32)
    sealed, out = seal_bytes(plain, dek=dek, aad=AAD), bytearray(size)
    view = memoryview(out)

    cipher, count = AESGCM(os.urandom(32)), -(-size // SEGMENT)
    raw = [(n.to_bytes(12, "big"), cipher.encrypt(n.to_bytes(12, "big"), plain[n * SEGMENT :][:SEGMENT], AAD),
            view[n * SEGMENT : (n + 1) * SEGMENT]) for n in range(count)]  # fmt: skip
    whole = cipher.encrypt(bytes(12), plain, AAD)

    def segments() -> None:
        for nonce, text, place in raw:
            cipher.decrypt_into(nonce, text, AAD, place)

    def ours() -> None:
        Sealed(sealed, dek=dek, aad=AAD, where="").open_into(view)

    mine, other, ratio = compare(ours, segments)
    speeds = f"{size / mine / 1e9:.1f} GB/s; raw AES-GCM, same segments {size / other / 1e9:.1f} GB/s"
    print(f"open {mebibytes} MiB: {speeds}; time x{ratio:.3f}")
    mine, other, ratio = compare(ours, lambda: cipher.decrypt_into(bytes(12), whole, AAD, view))
    print(f"open {mebibytes} MiB: one raw call over all of it {size / other / 1e9:.1f} GB/s; time x{ratio:.3f}")
    at_random(dek)


def at_random(dek: bytes) -> None:
    """400 records of about 3 KiB, each alone, from a shard in memory."""
    count = 8_000
    values = pa.array([os.urandom(1500).hex() for _ in range(count)])
    data = records.encode(pa.table({"text": values}))
    sealed = records.RecordFile(Sealed(seal_bytes(data, dek=dek, aad=AAD), dek=dek, aad=AAD, where=""))
    file = pa.ipc.open_file(pa.BufferReader(data))
    per = file.get_batch(0).num_rows
    wanted = [np.array([n]) for n in np.random.default_rng(0).integers(0, count, 400)]

    def plain() -> None:
        for index in wanted:
            file.get_batch(int(index[0]) // per).take(pa.array(index % per))

    mine, other, ratio = compare(lambda: [sealed.take(index) for index in wanted], plain)
    print(f"record at random: {mine / 400 * 1e6:.0f} us sealed, {other / 400 * 1e6:.0f} us plain, x{ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 32)
