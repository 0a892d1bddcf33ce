"""Promise 5 in a cluster: everything that can die is killed in the middle of a job, one at a time and then at random.

After each death the job goes on by itself; at its end every round was charged once, released once, and nothing is left.
The operator makes the store's users itself here (`store.credentials: Managed`), so those come and go with the attempts.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

import pytest
from cluster import kills
from cluster.ledgers import Buckets, check
from cluster.stage import Stage
from cluster.watched import Watched

from ringfence.demo import jobs
from ringfence.demo.flights import AIRPORTS
from ringfence.spec import FederatedJob

pytestmark = pytest.mark.local
ROUNDS = 150
RECOVERY = 420
"""Seconds in which a job must go on after a death: a Ray head starts anew in one to two minutes on two cores."""

AT_RANDOM = int(os.environ.get("RINGFENCE_FAULT_SECONDS", "0"))
SEED = random.SystemRandom().randrange(2**32)


def long_job(name: str, rounds: int) -> FederatedJob:
    """Many short rounds for a small part of the budget."""
    job = jobs.federated("0.3", name)
    changes: dict[str, Any] = {"rounds": rounds, "backoff_limit": 100, "evaluation": None}
    return job.model_copy(update={"spec": job.spec.model_copy(update=changes)})


def applied(stage: Stage, name: str, rounds: int) -> Watched:
    if not stage.cluster.ours:
        pytest.skip("processes are killed on the project's own test cluster only")
    stage.manage_credentials()
    job = Watched.apply(stage.cluster, stage.job(long_job(name, rounds)), name)
    job.wait("the first rounds are over", lambda: job.round >= 1, 600)
    return job


def audit(stage: Stage, job: Watched, rounds: int) -> None:
    """A terminal reason, one charge and one release a round, and nothing left behind."""
    job.wait("the job ends", job.ended, 900)
    assert job.condition("Complete").get("status") == "True" or job.condition("Failed")["reason"], job.story()
    job.wait("everything of the job is gone", lambda: not job.left(), 300)
    check(Buckets.of(stage.cluster), AIRPORTS, job.uid, rounds)
    assert set(stage.administrator.users()) == {path.stem for path in stage.credentials.glob("*.env")}


@pytest.fixture(scope="module")
def job(stage: Stage) -> Watched:
    return applied(stage, "faults", ROUNDS)


@pytest.mark.parametrize("kill", kills.ALL.values(), ids=kills.ALL.keys())
def test_the_job_goes_on_after_the_death_of(stage, job, kill):
    """Two more rounds are committed than when the death was over: by the bucket, since the status may lag."""
    uid = job.wait("the API server answers", lambda: job.uid, 60)
    kill(job)
    begun, before = time.monotonic(), committed(stage, uid)
    assert before + 2 <= ROUNDS, "the job was over before all the deaths"
    job.wait(f"round {before + 2}", lambda: committed(stage, uid) >= before + 2, RECOVERY)
    print(f"{kill.__name__}: went on after {time.monotonic() - begun:.0f} s, from round {before}")


def test_after_all_deaths_the_job_is_complete_and_every_round_was_paid_once(stage, job):
    audit(stage, job, ROUNDS)
    assert job.condition("Complete").get("status") == "True", job.story()


def committed(stage: Stage, uid: str) -> int:
    """Rounds that are committed, by the objects in the bucket."""
    names = Buckets.of(stage.cluster).names(jobs.TEAM, f"models/{uid}/rounds/")
    return sum(name.endswith("/commit") for name in names)


@pytest.mark.skipif(not AT_RANDOM, reason="takes minutes: set RINGFENCE_FAULT_SECONDS=600")
@pytest.mark.timeout(AT_RANDOM + 2400)
def test_deaths_at_random(stage):
    print(f"seed {SEED}")
    rng, job = random.Random(SEED), applied(stage, "random-faults", 300)
    end = time.monotonic() + AT_RANDOM
    deaths = []
    while time.monotonic() < end and not job.ended():
        time.sleep(rng.uniform(2, 25))
        name = rng.choice(list(kills.ALL))
        try:
            kills.ALL[name](job)
        except AssertionError:  # what was to die is dead already
            continue
        deaths.append(name)
        time.sleep(5)
    print(f"{len(deaths)} deaths: {', '.join(deaths)}")
    audit(stage, job, 300)
