"""Many trials on all cores, and what came of them together."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trials.breaks import BREAKS
from trials.checker import COUNTS
from trials.scenario import draw
from trials.servers import Servers, binary
from trials.stable import Play, Stable
from trials.steps import die_with_parent
from trials.trial import Result, Trial, player

_MEMORY = Path("/dev/shm")
_TOLD, _LONGEST = 8, 300  # failures of one trial, and characters of one: a line must fit a pipe's atomic write


@dataclass
class Summary:
    """All trials together."""

    trials: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    races: int = 0
    appended: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failed: list[int] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Counts one trial."""
        self.trials[result.store] += 1
        self.kills.update(result.kills)
        self.faults.update(result.faults)
        self.races += result.races
        self.appended += result.appended
        self.failures.update({kind for kind, _ in result.failures})
        self.failed += [result.seed] if result.failures else []

    def table(self) -> str:
        """What `make trials` prints."""
        rows = [("trials", self.trials.total()), *_by_size(self.trials)]
        rows += [("ledger objects at their ends", self.appended), ("races lost", self.races)]
        rows += [("processes killed", self.kills.total()), *_by_size(self.kills)]
        rows += [("faults injected", self.faults.total()), *_by_size(self.faults)]
        rows += [(f"trials with: {kind}", self.failures[kind]) for kind in COUNTS]
        return "\n".join(f"{name:<46}{count:>10,}" for name, count in rows)


def run(seeds: range, workers: int, minio: bool) -> Summary:
    """Runs the trials of `seeds` in `workers` processes; every failure is told on stderr with its seed."""
    summary = Summary()
    with world(minio) as (folder, servers, play):
        for result in _results(seeds, workers, folder, servers, play):
            for kind, words in result.failures:
                print(f"seed {result.seed} on {result.store}: {kind}: {words}", file=sys.stderr)
            summary.add(result)
        if servers:
            summary.faults.update(servers.faults())
    return summary


def search(broken: str, most: int, first: int) -> int | None:
    """How many trials it takes to find a deliberate break in the count that is made for it; None after `most`."""
    with world(minio=False) as (folder, servers, play):
        stable = Stable(play)
        try:
            for number in range(most):
                scenario = draw(first + number, minio=False, broken=broken)
                result = Trial(scenario, folder / str(number), servers, stable).run()
                if BREAKS[broken] in {kind for kind, _ in result.failures}:
                    return number + 1
        finally:
            stable.close()
    return None


def replay(seed: int, minio: bool, broken: str) -> tuple[str, Result]:
    """One trial alone; its scenario in words, and its result."""
    scenario = draw(seed, minio=minio and binary() is not None, broken=broken)
    with world(scenario.store == "minio") as (folder, servers, play):
        stable = Stable(play)
        try:
            return str(scenario), Trial(scenario, folder / "trial", servers, stable).run()
        finally:
            stable.close()


@contextmanager
def world(minio: bool) -> Iterator[tuple[Path, Servers | None, Play]]:
    """A folder in memory, the servers (None without a MinIO), and how parts are played; all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ringfence-trials-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        program = binary() if minio else None
        servers = Servers(program, Path(folder) / "minio") if program else None
        play = player(servers)
        gc.collect()
        gc.freeze()  # what is never collected is not copied by forks
        try:
            yield Path(folder), servers, play
        finally:
            if servers:
                servers.stop()


def _results(seeds: range, workers: int, folder: Path, servers: Servers | None, play: Play) -> Iterator[Result]:
    """The results of all trials as they come, from forked workers through one pipe."""
    read_end, write_end = os.pipe()
    pids = [_worker(seeds[number::workers], folder, servers, play, write_end) for number in range(workers)]
    os.close(write_end)
    try:
        with os.fdopen(read_end) as results:
            for line in results:
                seed, store, failures, kills, faults, races, appended = json.loads(line)
                failures = [(kind, words) for kind, words in failures]
                yield Result(seed, store, failures, Counter(kills), Counter(faults), races, appended)
    except BaseException:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        raise
    if any(os.waitpid(pid, 0)[1] for pid in pids):
        raise SystemExit("a worker of the harness ended by a defect")


def _worker(seeds: range, folder: Path, servers: Servers | None, play: Play, write_end: int) -> int:
    """Forks a worker for some of the trials; its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status, seed = 1, None
    try:
        die_with_parent(parent)
        stable = Stable(play)
        for seed in seeds:
            result = Trial(draw(seed, minio=servers is not None), folder / str(seed), servers, stable).run()
            failures = [(kind, words[:_LONGEST]) for kind, words in result.failures[:_TOLD]]
            told = (seed, result.store, failures, result.kills, result.faults, result.races, result.appended)
            os.write(write_end, (json.dumps(told) + "\n").encode())
        stable.close()
        status = 0
    except BaseException:
        print(f"in the trial of seed {seed}:", file=sys.stderr)
        traceback.print_exc()
    finally:
        os._exit(status)


def _by_size(counter: Counter[str]) -> list[tuple[str, int]]:
    return [(f"  {name}", count) for name, count in counter.most_common()]
