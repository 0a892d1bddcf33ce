"""Promise 5 with real processes: `kill -9` of the driver at random instants, then `ringfence run --resume`."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from support.audit import check_job, output
from support.commands import ringfence, silo_processes, start, wait_for, write_manifests
from support.hospitals import House

SEED = random.SystemRandom().randrange(2**32)
ROUNDS = 6


def killed(house: House, seconds: float) -> str:
    """Starts a run, kills it `seconds` after its first model appeared; the job's uid."""
    jobs = house.root / "state/jobs"
    before = set(jobs.iterdir()) if jobs.exists() else set()
    process = start(house.root, "run", *write_manifests(house))

    def uid() -> Path | None:
        new = set(jobs.iterdir()) - before if jobs.exists() else set()
        return next(iter(new), None)

    wait_for(lambda: process.poll() is not None or (uid() and (output(house, uid().name) / "rounds/1/model").exists()))
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not silo_processes(), 90)  # no silo outlives its driver
    return uid().name


@pytest.mark.parametrize("private", [True, False], ids=["private", "public"])
def test_a_killed_driver_is_resumed(tmp_path, private):
    print(f"seed {SEED}")
    instants = random.Random(SEED + private)
    job = {"rounds": ROUNDS, "local": {"epochs": "8", "batchSize": 16, "optimizer": SGD}}
    house = House(tmp_path, records=1500, private=private, epsilon="40", job=job).build()
    whole = None if private else ringfence(tmp_path, "run", *write_manifests(house), "--json")
    models = set()
    for _ in range(5):
        uid = killed(house, instants.uniform(0, 3))
        done = ringfence(tmp_path, "run", *write_manifests(house), "--resume")
        assert done.returncode == 0, done.stderr
        if private:
            check_job(house, uid, ROUNDS)
        assert (output(house, uid) / f"rounds/{ROUNDS}/commit").exists()
        models.add((output(house, uid) / "model.safetensors").read_bytes())
    if whole is not None:
        assert whole.returncode == 0, whole.stderr
        models.add(next((output(house, uid) / "model.safetensors").read_bytes() for uid in others(house)))
        assert len(models) == 1, "a resumed run without privacy ended with other bits"


def others(house: House) -> list[str]:
    return [path.name for path in (house.root / "store/research/models/readmission").iterdir()]


SGD = {"name": "sgd", "learningRate": "0.1"}
