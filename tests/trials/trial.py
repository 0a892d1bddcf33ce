"""One trial from its seed to its verdict: fills a bucket, forks the actors, lets the director run, asks the checker."""

from __future__ import annotations

import json
import random
import shutil
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trials import actors, breaks, world
from trials.bucket import FolderBucket, Found, RemoteBucket
from trials.checker import Evidence, Failure, entries_of, judge
from trials.director import Company, Directed, Director, Stuck, run_free, split
from trials.scenario import Part, Scenario, draw
from trials.servers import Servers
from trials.stable import Play, Stable
from trials.steps import FreeGate, Gate, Journal, Over, SteppedStore, SteppedWitness

from ringfence.privacy.ledger import FileWitness, snapshots

Bucket = FolderBucket | RemoteBucket
FINISHER = Part("finisher", "finisher")


@dataclass(frozen=True)
class Result:
    """What became of a trial."""

    seed: int
    store: str
    failures: list[Failure]
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    races: int = 0
    appended: int = 0
    schedule: list[str] = field(default_factory=list)
    journal: list[dict[str, Any]] = field(default_factory=list)


class Trial:
    """A trial in `folder`, which is gone afterwards."""

    def __init__(self, scenario: Scenario, folder: Path, servers: Servers | None, stable: Stable) -> None:
        self._scenario, self._folder, self._servers, self._stable = scenario, folder, servers, stable
        self._bucket = bucket_of(scenario, folder, servers)
        self._before: dict[str, dict[int, bytes]] = {}
        self._seen: dict[str, int] = {}
        self._copy: set[str] = set()

    def run(self) -> Result:
        """All of it. What goes wrong with the harness itself is raised; what goes wrong in the trial is a failure."""
        self._folder.mkdir(parents=True)
        company = Company(self._scenario, self._stable, self._tell)
        try:
            for dataset in self._scenario.datasets:
                objects = world.ledger_objects(dataset)
                self._bucket.fill({f"{dataset}/{name}": data for name, data in objects.items()})
            return self._verdict(self._act(company))
        except Stuck as stuck:
            return Result(self._scenario.seed, self._scenario.store, [("broken", str(stuck))])
        finally:
            company.dismiss()
            shutil.rmtree(self._folder)

    def _act(self, company: Company) -> Directed:
        """The actors, then the finisher, which has to find every ledger open, then what is still under way."""
        if self._scenario.stepped:
            director = Director(self._scenario, company, self._land, self._at_step)
            done = director.run()
            company.play(FINISHER)
            director.land_all()
        else:
            done = run_free(self._scenario, company)
            company.play(FINISHER)
        if self._scenario.store == "minio" and self._servers:
            self._servers.drain(trial_name(self._scenario))
        return done

    def _tell(self, part: Part, life: int) -> str:
        """What `player` needs to play a part."""
        scenario = self._scenario
        return json.dumps(
            [scenario.seed, self._servers is not None, scenario.broken, part.name, life, str(self._folder)]
        )

    def _land(self, path: str, data: bytes) -> None:
        """A request that was on its way arrives."""
        name, key = split(path)
        breaks.store_of(self._scenario.broken, self._bucket.open(name)).put_if_absent(key, data)

    def _at_step(self, step: int) -> None:
        """Makes the copy of a ledger, and puts it back."""
        copied, restored = self._scenario.restore or (0, 0)
        if step not in (copied, restored) or not isinstance(self._bucket, FolderBucket):
            return
        dataset = self._scenario.datasets[0]
        names = {name for name in self._bucket.read() if name.startswith(f"{dataset}/ledger/")}
        if step == copied:
            self._copy = names
        elif step == restored:
            self._before[dataset] = {n: one.data for n, one in entries_of(self._bucket.read(), dataset).items()}
            self._bucket.remove(names - self._copy)
            remembered = FileWitness(self._folder / "heads" / "all").remembered(world.dataset_id(dataset))
            self._seen[dataset] = remembered.index if remembered else -1
            Journal(self._folder / "journal", "store").write("restored", dataset=dataset)

    def _verdict(self, done: Directed) -> Result:
        lines = (self._folder / "journal").read_text().splitlines()
        journal = [json.loads(line) for line in lines]
        objects: dict[str, Found] = self._bucket.read()
        defects = tuple(f"{e['actor']} ({e['text']})" for e in journal if e["event"] == "defect")
        evidence = Evidence(objects, journal, self._scenario.datasets, self._before, self._seen, defects)
        done.faults.update(event["kind"] for event in journal if event["event"] == "fault")
        return Result(
            self._scenario.seed,
            self._scenario.store,
            judge(evidence),
            done.kills,
            done.faults,
            races=sum(event["event"] == "race" for event in journal),
            appended=sum("/ledger/" in name for name in objects),
            schedule=done.schedule,
            journal=journal,
        )


def player(servers: Servers | None) -> Play:
    """How a process of a stable plays a part: it draws the scenario from the seed again.

    Called before any fork: all processes know the same ledgers.
    """
    world.warm()

    def play(text: str, channel: socket.socket) -> None:
        seed, minio, broken, name, life, folder = json.loads(text)
        scenario = draw(seed, minio=minio, broken=broken)
        part = next(part for part in (*scenario.parts, FINISHER) if part.name == name)
        journal = Journal(Path(folder) / "journal", name)
        try:
            actor = _actor(scenario, part, life, Path(folder), servers, channel)
            actors.ROLES[part.role](actor)
        except Over:
            return
        except Exception as error:  # told to the checker, with its place
            journal.write("defect", text=f"{type(error).__name__}: {error} at {_place(error)}")
            raise

    return play


def _actor(
    scenario: Scenario, part: Part, life: int, folder: Path, servers: Servers | None, channel: socket.socket
) -> actors.Actor:
    """An actor with its stores, its witness and its gate; the finisher has honest replies and no director."""
    rng, journal = random.Random(f"{scenario.seed}/{part.name}/{life}"), Journal(folder / "journal", part.name)
    last, bucket = part == FINISHER, bucket_of(scenario, folder, servers)
    breaks.break_rules(scenario.broken)
    snapshots.INTERVAL = scenario.snapshots  # the ledgers of trials are short
    if servers:
        servers.use(proxy=not last)
    gate: Any = Gate(channel)
    if last or not scenario.stepped:
        gate = FreeGate(rng, 0 if last or scenario.store == "minio" else scenario.fault_rate, journal)
    time.sleep = gate.sleep
    shared = scenario.witness == "shared"
    heads = FileWitness(folder / "heads" / ("all" if shared else part.name))
    witness = SteppedWitness(heads, gate) if shared or (scenario.witness and not last) else None

    def open_(name: str) -> SteppedStore:
        return SteppedStore(breaks.store_of(scenario.broken, bucket.open(name)), name, gate, journal)

    return actors.Actor(scenario, part, rng, open_, journal, witness, gate.rest, breaks.release_of(scenario.broken))


def bucket_of(scenario: Scenario, folder: Path, servers: Servers | None) -> Bucket:
    """Where the trial's objects lie."""
    if scenario.store == "minio" and servers:
        return RemoteBucket(servers.client(), servers.bucket, trial_name(scenario))
    return FolderBucket(folder / "bucket")


def trial_name(scenario: Scenario) -> str:
    """How the proxy knows a trial's requests."""
    return f"t{scenario.seed}"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
