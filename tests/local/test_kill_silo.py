"""Promise 5 with real processes: a silo's process is killed at random instants; the run starts it again."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from support.audit import check_job, output
from support.commands import silo_processes
from support.hospitals import House

from ringfence.federation.local_cluster import LocalCluster
from ringfence.federation.run import run_job

SEED = random.SystemRandom().randrange(2**32)
KILLS = 5


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster() as running:
        yield running


class Killer(threading.Thread):
    """Kills a random silo process at random instants while a job runs."""

    def __init__(self, house: House, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._models, self._rng, self.kills, self.over = house.root / "store/research", rng, 0, False

    def run(self) -> None:
        while not list(self._models.glob("**/rounds/1/model")):
            time.sleep(0.01)
        while self.kills < KILLS and not self.over:
            time.sleep(self._rng.uniform(0, 0.8))
            alive = silo_processes()
            if len(alive) == 3:
                os.kill(self._rng.choice(alive), signal.SIGKILL)
                self.kills += 1
                while not self.over and len(silo_processes()) == 3:
                    time.sleep(0.01)


@pytest.mark.parametrize("private", [True, False], ids=["private", "public"])
def test_a_killed_silo_is_started_again(tmp_path, cluster, private):
    print(f"seed {SEED}")
    job = {"rounds": 40, "backoffLimit": KILLS, "roundDeadlineSeconds": 300}  # all kills may hit one silo in one round
    job |= {"local": {"epochs": "4", "batchSize": 16, "optimizer": {"name": "sgd", "learningRate": "0.1"}}}
    house = House(tmp_path, records=3000, private=private, epsilon="20", job=job).build()
    killer = Killer(house, random.Random(SEED + private))
    killer.start()
    result = run_job(house.manifests(), house.options(), cluster=cluster)
    killer.over = True
    assert killer.kills == KILLS, "the job was over before all the kills"
    assert all(len(commit.members) == 3 for commit in result.commits)
    if private:
        check_job(house, result.uid, 40)
    else:
        again = run_job(house.manifests(), house.options(), cluster=cluster)
        models = {(output(house, uid) / "model.safetensors").read_bytes() for uid in (result.uid, again.uid)}
        assert len(models) == 1, "a run with killed silos ended with other bits"
