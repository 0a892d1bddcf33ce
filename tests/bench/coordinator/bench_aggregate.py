"""What gathering a round costs the coordinator: `OMP_NUM_THREADS=1 python tests/bench/coordinator/bench_aggregate.py`.

Sealed updates of 1,600,000 parameters lie in a folder; a fresh process verifies, opens and adds 10, 100 and 1,000 of
them. "memory" is the growth of its peak resident set while it does so, over the size of the model (4 bytes a
parameter), which it holds besides. "add" is one update of 25,000,000 parameters into the running sum, as a ratio to one
pass over memory (sum += another float64 vector), "open and add" the same with both decryptions and every check.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence.federation import envelope, layout, rounds
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.collecting import Collector, Coordination, Member
from ringfence.federation.incoming import add_update
from ringfence.privacy import jobkeys
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.open import Stores

_LARGE = 25_000_000
JOB, MODEL = "job-1", "sha256:" + "0" * 64


def sealed(silo: str, parameters: int, key: JobKeys) -> bytes:
    values = np.random.default_rng(0).normal(size=parameters).astype(np.float32)
    address = envelope.Address("update", JOB, 1, silo)
    recipients = {rounds.COORDINATOR: key.public.seal}
    return envelope.seal(address, rounds.pack_update(values), recipients, key.sign, {"model": MODEL})


def resident(field: str) -> int:
    """Bytes of VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def gather(folder: str, parameters: int, silos: int) -> None:
    """In a process of its own: one round's updates into one sum."""
    key = jobkeys.load(Path(folder) / "key")
    members = {f"s{number:04}": Member(key.public, 100) for number in range(silos)}
    plan = Coordination(JOB, 1, silos, 3600.0, StrategySpec(name="fedavg"), members)
    collector = Collector(plan, Stores().open(f"file://{folder}/store"), key)
    model = np.ones(parameters, dtype=np.float32)
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = resident("VmRSS"), time.perf_counter()
    received = collector.collect(1, MODEL, parameters)
    seconds, grown = time.perf_counter() - begun, resident("VmHWM") - before
    assert len(received.members) == silos
    print(json.dumps({"memory": grown / model.nbytes, "seconds": seconds / silos}))


def least(run, times: int = 7) -> float:
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begun)
    return best


def one_update(parameters: int) -> tuple[float, float, float]:
    """Seconds of a pass over memory, of adding an update, and of opening and adding one."""
    key = JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
    data = sealed("s0000", parameters, key)
    address = envelope.Address("update", JOB, 1, "s0000")
    message = envelope.read(data, address, signer=key.public.sign, where="bench")
    total, values = WeightedSum(parameters), np.ones(parameters, dtype=np.float32)
    plain, other = np.zeros(parameters), np.ones(parameters)

    def a_pass() -> None:
        np.add(plain, other, out=plain)

    added = least(lambda: total.add(100, values))
    opened = least(lambda: add_update(total, 100, message, rounds.COORDINATOR, key.seal))
    return least(a_pass), added, opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=1_600_000)
    parser.add_argument("--updates", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--gather", nargs=2, metavar=("FOLDER", "SILOS"))
    options = parser.parse_args()
    if options.gather:
        gather(options.gather[0], options.parameters, int(options.gather[1]))
        return
    a_pass, added, opened = one_update(_LARGE)
    print(f"a pass over memory {a_pass * 1e3:.2f} ms, add {added / a_pass:.2f}x, open and add {opened / a_pass:.2f}x")
    with tempfile.TemporaryDirectory() as folder:
        jobkeys.create(Path(folder) / "key")
        key = jobkeys.load(Path(folder) / "key")
        for number in range(max(options.updates)):
            path = Path(folder) / "store" / layout.update(1, f"s{number:04}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sealed(f"s{number:04}", options.parameters, key))
        for silos in options.updates:
            asked = ["--parameters", str(options.parameters), "--gather", folder, str(silos)]
            command = [sys.executable, __file__, *asked]
            found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
            print(f"{silos:5} updates: {found['memory']:.2f}x the model, {found['seconds'] * 1e3:.1f} ms an update")


if __name__ == "__main__":
    main()
