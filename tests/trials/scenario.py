"""What happens in a trial, drawn from its seed alone: who acts, who dies at which step, which replies go wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass

DATASETS = ("mercy", "stjude")
MINIO_SHARE, FREE_SHARE = 0.1, 0.15
MOST_LIVES = 3
WHERE = ("before", "written", "linked", "after")
"""Around one call of a store: before it; before its first or second fsync (whole but unnamed; named); after it."""


@dataclass(frozen=True)
class Job:
    """A job over some datasets: `rounds` rounds, each at `cost` of the `capacity` of its datasets' budgets."""

    uid: str
    rounds: int
    datasets: tuple[str, ...]
    shards: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """One actor: a name of its own, a role (a function of `actors`), and what it acts on."""

    name: str
    role: str
    job: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Scenario:
    """A trial. `capacity` is how many rounds a budget has room for. `kills` maps (part, life) to (step, where).

    `stepped`: the director lets one actor at a time make one step, and the seed decides everything. Otherwise all run
    at once, as the machine likes, and are killed from outside after the seconds in `deaths`. `rates` are the chances
    of a fault (a step), of a kill at any step, and of going on with the same actor. `restore`: at which step of the
    director a copy of a ledger is made, and at which it is put back. `witness`: "shared" by all, each its "own", or "".
    `snapshots`: after how many entries a snapshot is due. `broken`: the name of a deliberate break.
    """

    seed: int
    store: str
    stepped: bool
    capacity: int
    jobs: tuple[Job, ...]
    parts: tuple[Part, ...]
    kills: dict[tuple[str, int], tuple[int, str]]
    deaths: dict[tuple[str, int], float]
    fault_rate: float
    stickiness: float
    witness: str
    restore: tuple[int, int] | None
    snapshots: int
    broken: str = ""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Those that some job is over."""
        return tuple(name for name in DATASETS if any(name in job.datasets for job in self.jobs))


def draw(seed: int, *, minio: bool = True, broken: str = "") -> Scenario:
    """The scenario of `seed`; without a MinIO, or with something broken on purpose, on a folder and step by step."""
    rng = random.Random(f"{seed}/scenario")
    remote = rng.random() < MINIO_SHARE and minio and not broken
    stepped = rng.random() >= (0.5 if remote else FREE_SHARE) or bool(broken)
    jobs = _jobs(rng)
    parts = _parts(rng, jobs)
    restore = None
    if stepped and not remote and not broken and rng.random() < 0.15:
        first = rng.randint(5, 60)
        restore = (first, first + rng.randint(5, 120))
    asked = max(sum(job.rounds for job in jobs if dataset in job.datasets) for dataset in DATASETS)
    return Scenario(
        seed=seed,
        store="minio" if remote else "file",
        stepped=stepped,
        capacity=max(*(job.rounds for job in jobs), 1, round(asked * rng.uniform(0.5, 1.3))),
        jobs=jobs,
        parts=parts,
        kills=_kills(rng, parts) if stepped else {},
        deaths={} if stepped else _deaths(rng, parts, 0.6 if remote else 0.15),
        fault_rate=0 if remote else rng.choice((0, 0.03, 0.1)),
        stickiness=rng.choice((0, 0.5, 0.9)),
        witness="shared" if restore else rng.choice(("shared", "shared", "own", "")),
        restore=restore,
        snapshots=rng.choice((256, 2, 4, 8)),
        broken=broken,
    )


def _jobs(rng: random.Random) -> tuple[Job, ...]:
    jobs = []
    for number in range(rng.choice((1, 1, 2, 2, 3))):
        datasets = DATASETS if rng.random() < 0.3 else (rng.choice(DATASETS[: rng.choice((1, 2))]),)
        shards = rng.choice((("s1",), ("s2",), ("s1", "s3"), ("s1", "s2", "s3")))
        jobs.append(Job(f"job-{number}", rng.randint(1, 3), datasets, shards))
    return tuple(jobs)


def _parts(rng: random.Random, jobs: tuple[Job, ...]) -> tuple[Part, ...]:
    """Two controllers, for each job a coordinator or two and for each of its silos a process or two, and others."""
    parts = [Part("controller-1", "controller"), Part("controller-2", "controller")]
    for job in jobs:
        for number in range(rng.choice((1, 1, 1, 2))):
            parts.append(Part(f"coordinator-{job.uid}-{number}", "coordinator", job.uid))
        for dataset in job.datasets:
            for number in range(rng.choice((1, 1, 2))):
                parts.append(Part(f"silo-{job.uid}-{dataset}-{number}", "silo", job.uid, dataset))
            if rng.random() < 0.25:
                parts.append(Part(f"charger-{job.uid}-{dataset}", "charger", job.uid, dataset))
    used = sorted({dataset for job in jobs for dataset in job.datasets})
    parts += [Part(f"opener-{dataset}", "opener", "", dataset) for dataset in used if rng.random() < 0.2]
    return tuple(parts)


def _kills(rng: random.Random, parts: tuple[Part, ...]) -> dict[tuple[str, int], tuple[int, str]]:
    """Who dies at which of its steps; silos most, since theirs is the longest way."""
    kills = {}
    for part in parts:
        chance = 0.5 if part.role == "silo" else 0.2
        for life in range(MOST_LIVES - 1):
            if rng.random() < chance:
                kills[part.name, life] = (rng.randint(1, 12), rng.choice(WHERE))
    return kills


def _deaths(rng: random.Random, parts: tuple[Part, ...], longest: float) -> dict[tuple[str, int], float]:
    """Who is killed how many seconds after its start."""
    lives = [(part.name, life) for part in parts for life in range(MOST_LIVES - 1)]
    return {who: rng.uniform(0, longest) for who in lives if rng.random() < 0.5}
