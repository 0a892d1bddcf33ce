"""What gathering a round costs the coordinator: `OMP_NUM_THREADS=1 python tests/bench/coordinator/bench_aggregate.py`.

Sealed updates of 1,600,000 parameters lie in a folder. A fresh process verifies, opens and adds 10, 100 and 1,000 of
them ("gathered"); another plays the whole round: publish, gather, step, checkpoint, commit ("round"). Memory is the
growth of the peak resident set meanwhile, over the size of the model (4 bytes a parameter), which is held besides.

"add" is one update of 25,000,000 parameters into the running sum, as a ratio to one pass over memory (sum += another
float64 vector), "open and add" the same with both decryptions and every check. The three take turns; the least time of
each counts, of the processor, since the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence.federation import envelope, layout, rounds
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.collecting import Collector, Coordination, Member
from ringfence.federation.coordinator import Coordinator
from ringfence.federation.incoming import add_update
from ringfence.privacy import jobkeys
from ringfence.privacy.jobkeys import JobKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.open import Stores
from ringfence.training.flat import FlatModel

_LARGE, _TURNS = 25_000_000, 10
JOB = "job-1"


def model_of(parameters: int) -> FlatModel:
    module = torch.nn.Linear(parameters, 1, bias=False)
    torch.nn.init.ones_(module.weight)
    return FlatModel(module)


def sealed(silo: str, parameters: int, key: JobKeys, model: str) -> bytes:
    values = np.random.default_rng(0).normal(size=parameters).astype(np.float32)
    address = envelope.Address("update", JOB, 1, silo)
    recipients = {rounds.COORDINATOR: key.public.seal}
    return envelope.seal(address, rounds.pack_update(values), recipients, key.sign, {"model": model})


def resident(field: str) -> int:
    """Bytes of VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def grown(what: str, folder: str, parameters: int, silos: int) -> None:
    """In a process of its own: one round's updates into one sum, or the whole round."""
    key = jobkeys.load(Path(folder) / "key")
    members = {f"s{number:04}": Member(key.public, 100) for number in range(silos)}
    plan = Coordination(JOB, 1, silos, 3600.0, StrategySpec(name="fedavg"), members)
    store, model = Stores().open(f"file://{folder}/store"), model_of(parameters)
    digest = rounds.model_digest(model)
    for used in (layout.model(1), layout.commit(1)):
        store.delete(used)
    collector, coordinator = Collector(plan, store, key), Coordinator(plan, store, key, model)
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = resident("VmRSS"), time.perf_counter()
    found = collector.collect(1, digest, parameters) if what == "gathered" else coordinator.run()[0]
    seconds, more = time.perf_counter() - begun, resident("VmHWM") - before
    assert len(found.members) == silos
    print(json.dumps({"memory": more / model.vector.nbytes, "seconds": seconds / silos}))


def one_update(parameters: int) -> tuple[float, float, float]:
    """Seconds of a pass over memory, of adding an update, and of opening and adding one."""
    key = JobKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
    data = BytesIO(sealed("s0000", parameters, key, "sha256:" + "0" * 64))
    address = envelope.Address("update", JOB, 1, "s0000")
    message = envelope.read(data, address, signer=key.public.sign, where="bench")
    total, values = WeightedSum(parameters), np.ones(parameters, dtype=np.float32)
    plain, other = np.zeros(parameters), np.ones(parameters)
    ways = {
        "a pass": lambda: np.add(plain, other, out=plain),
        "added": lambda: total.add(100, values),
        "opened": lambda: add_update(total, 100, message, rounds.COORDINATOR, key.seal),
    }
    best = dict.fromkeys(ways, math.inf)
    for _ in range(_TURNS):
        for way, run in ways.items():
            begun = time.process_time()
            run()
            best[way] = min(best[way], time.process_time() - begun)
    return best["a pass"], best["added"], best["opened"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=1_600_000)
    parser.add_argument("--updates", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--grown", nargs=3, metavar=("WHAT", "FOLDER", "SILOS"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.grown:
        grown(*options.grown[:2], options.parameters, int(options.grown[2]))
        return
    a_pass, added, opened = one_update(_LARGE)
    print(f"a pass over memory {a_pass * 1e3:.2f} ms, add {added / a_pass:.2f}x, open and add {opened / a_pass:.2f}x")
    with tempfile.TemporaryDirectory() as folder:
        jobkeys.create(Path(folder) / "key")
        key, digest = jobkeys.load(Path(folder) / "key"), rounds.model_digest(model_of(options.parameters))
        for number in range(max(options.updates)):
            path = Path(folder) / "store" / layout.update(1, f"s{number:04}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sealed(f"s{number:04}", options.parameters, key, digest))
        for silos in options.updates:
            for what in ("gathered", "round"):
                asked = ["--parameters", str(options.parameters), "--grown", what, folder, str(silos)]
                command = [sys.executable, __file__, *asked]
                found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
                print(
                    f"{silos:5} updates, {what:8}: {found['memory']:.2f}x the model, "
                    f"{found['seconds'] * 1e3:.1f} ms an update"
                )


if __name__ == "__main__":
    main()
