"""The cluster's processes: started with a note of how, so that each can be ended or started again by its name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.devcluster.places import LOGS, RUN

_NOTES = RUN / "processes"


@dataclass(frozen=True)
class Process:
    """A process by id and start time, so that a reused id is never taken for it, and how it was started."""

    name: str
    pid: int
    started: str
    command: list[str]
    environment: dict[str, str]

    def alive(self) -> bool:
        return _start_time(self.pid) == self.started != ""

    def signal(self, how: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, how)


def start(name: str, *command: object, environment: Mapping[str, str] | None = None) -> Process:
    """Start a process in a session of its own, with its output in the log of that name."""
    words, added = [str(word) for word in command], dict(environment or {})
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **added},
        )
    process = Process(name, child.pid, _start_time(child.pid), words, added)
    _NOTES.mkdir(exist_ok=True)
    (_NOTES / f"{name}.json").write_text(json.dumps(asdict(process)))
    return process


def started() -> dict[str, Process]:
    """Every process that was started, by name."""
    notes = (json.loads(path.read_text()) for path in _NOTES.glob("*.json"))
    return {note["name"]: Process(**note) for note in notes}


def restart(name: str, pause: float = 0) -> None:
    """Kill a process as a power cut would, and start it again by the same command after `pause` seconds."""
    process = started()[name]
    end([process], signal.SIGKILL)
    time.sleep(pause)
    start(name, *process.command, environment=process.environment)


def end(processes: list[Process], *how: signal.Signals, seconds: float = 5) -> None:
    """Send each signal in turn to those that are still alive, and wait for them."""
    for what in how:
        for process in processes:
            process.signal(what)
        _until(lambda: not any(process.alive() for process in processes), seconds)


def wait(what: str, ready: Callable[[], object], seconds: float = 60) -> None:
    """Returns once `ready()` is true and raises nothing. Raises SystemExit, naming the logs, after `seconds`."""

    def settled() -> bool:
        try:
            return bool(ready())
        except (OSError, subprocess.SubprocessError):  # not up yet
            return False

    begin = time.monotonic()
    if not _until(settled, seconds):
        raise SystemExit(f"{what} is not ready after {seconds:.0f} s: see {LOGS}")
    print(f"{what}: ready after {time.monotonic() - begin:.1f} s", flush=True)


def _until(settled: Callable[[], bool], seconds: float) -> bool:
    end_ = time.monotonic() + seconds
    while not settled():
        if time.monotonic() > end_:
            return False
        time.sleep(0.2)
    return True


def _start_time(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat, or nothing for a process that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
