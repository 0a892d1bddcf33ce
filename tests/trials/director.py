"""Runs the actors of one trial: decides step by step who goes on, who dies, and what goes wrong.

In a stepped trial the seed decides all of it, so that it can be played again. An actor that was killed is started
again as a new process of the same part.
"""

from __future__ import annotations

import random
import select
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from trials.scenario import MOST_LIVES, Part, Scenario
from trials.stable import DONE, FAILED, Process, Stable
from trials.steps import LARGEST_MESSAGE, LONGEST_STEP, fault

LONGEST_TRIAL = 120.0
_LATE_CHANCE, _AGAIN_CHANCE = 0.1, 0.8
_WRITES = ("put", "put_if_absent", "delete")


class Stuck(Exception):
    """An actor made no step for a long time."""


@dataclass(eq=False)
class Life:
    """A part in its n-th process. `asks` is the step it waits for, `rested_at` how often its store had changed when it
    began to rest, `dies` when it is killed from outside."""

    part: Part
    number: int
    process: Process
    steps: int = 0
    asks: str = ""
    rested_at: int = -1
    dies: float = 0.0


@dataclass
class Directed:
    """What happened: kills by step, faults by kind, and the order of steps for whoever looks into a failure."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    schedule: list[str] = field(default_factory=list)


class Company:
    """The living actors of a trial."""

    def __init__(self, scenario: Scenario, stable: Stable, tell: Callable[[Part, int], str]) -> None:
        self._scenario, self._stable, self._tell = scenario, stable, tell
        self._rng = random.Random(f"{scenario.seed}/company")
        self.lives: list[Life] = []

    def begin(self, part: Part, number: int = 0) -> Life:
        """Starts a part; the text that `tell` gives lets a process play it."""
        life = Life(part, number, self._stable.take(self._tell(part, number)))
        life.dies = time.monotonic() + self._scenario.deaths.get((part.name, number), float("inf"))
        self.lives.append(life)
        return life

    def end(self, life: Life, message: bytes) -> Life | None:
        """Takes note of an actor that is done (`message` says so) or dead; its next life, if it gets one."""
        self.lives.remove(life)
        if message in (DONE, FAILED):
            self._stable.give_back(life.process)
            return None
        life.process.bury()
        again = life.number + 1 < MOST_LIVES and self._rng.random() < _AGAIN_CHANCE
        return self.begin(life.part, life.number + 1) if again else None

    def play(self, part: Part) -> None:
        """Starts a part that asks nothing, and waits for its end."""
        life = self.begin(part)
        if self.hear(life) != DONE:
            raise Stuck(f"{part.name} ended by a defect")
        self.end(life, DONE)

    def hear(self, life: Life) -> bytes:
        """What an actor says next; nothing when it is dead."""
        try:
            return life.process.channel.recv(LARGEST_MESSAGE)
        except TimeoutError:
            raise Stuck(f"{life.part.name} made no step for {LONGEST_STEP} s after {life.asks!r}") from None

    def dismiss(self) -> None:
        """Kills whoever is left."""
        while self.lives:
            self.lives.pop().process.kill()


class Director:
    """The order of a stepped trial. `land` puts a late request; `at_step` is told the number of each step."""

    def __init__(
        self,
        scenario: Scenario,
        company: Company,
        land: Callable[[str, bytes], None],
        at_step: Callable[[int], None],
    ) -> None:
        self._scenario, self._company, self._land, self._at_step = scenario, company, land, at_step
        self._rng = random.Random(f"{scenario.seed}/director")
        self._late: list[tuple[str, bytes]] = []
        self._changes: Counter[str] = Counter()
        self._last: Life | None = None
        self.done = Directed()

    def run(self) -> Directed:
        """Until no actor has anything left to do; what is late then lands with `land_all`."""
        for part in self._scenario.parts:
            self._listen(self._company.begin(part))
        step = 0
        while life := self._next():
            step += 1
            self._at_step(step)
            if self._late and self._rng.random() < _LATE_CHANCE:
                path, data = self._late.pop(self._rng.randrange(len(self._late)))
                self._land(path, data)
                self._changes[split(path)[0]] += 1
            self._grant(life)
        return self.done

    def land_all(self) -> None:
        """Lands every request that is still under way."""
        while self._late:
            self._land(*self._late.pop())

    def _next(self) -> Life | None:
        """Who goes on; an actor that rests does when its store has changed since, or when nobody else can."""
        lives = self._company.lives
        ready = [life for life in lives if not self._rests(life)]
        if self._last not in ready or self._rng.random() >= self._scenario.stickiness:
            self._last = self._rng.choice(ready or lives) if lives else None
        return self._last

    def _rests(self, life: Life) -> bool:
        op, _, store = life.asks.partition(" ")
        return op == "rest" and life.rested_at == self._changes[store]

    def _grant(self, life: Life) -> None:
        """Lets `life` make the step it asks for, and waits until it asks for the next."""
        verdict = self._verdict(life)
        self.done.schedule.append(f"{life.part.name}.{life.number} {life.asks.strip()}: {verdict}")
        op, _, path = life.asks.partition(" ")
        if op in _WRITES:
            self._changes[split(path)[0]] += 1
        life.process.channel.send(verdict.encode())
        self._listen(life)

    def _verdict(self, life: Life) -> str:
        life.steps += 1
        at, where = self._scenario.kills.get((life.part.name, life.number), (0, ""))
        if life.steps == at:
            self.done.kills[f"{where} {step_of(life.asks)}"] += 1
            return where
        if self._rests(life):
            return "over"
        if self._rng.random() < self._scenario.fault_rate:
            verdict = fault(self._rng, life.asks.partition(" ")[0])
            self.done.faults.update([verdict] if verdict != "go" else [])
            return verdict
        return "go"

    def _listen(self, life: Life) -> None:
        """Takes what `life` says next; its end is an event like others."""
        while (message := self._company.hear(life)).startswith(b"late "):
            key, data = message[5:].split(b"\n", 1)
            self._late.append((key.decode(), data))
        if message and message not in (DONE, FAILED):
            life.asks = message.decode()
            op, _, store = life.asks.partition(" ")
            life.rested_at = self._changes[store] if op == "rest" else -1
        elif again := self._company.end(life, message):
            self._listen(again)


def run_free(scenario: Scenario, company: Company) -> Directed:
    """All actors at once, killed from outside at the instants of `scenario.deaths`."""
    done = Directed()
    end = time.monotonic() + LONGEST_TRIAL
    for part in scenario.parts:
        company.begin(part)
    while company.lives:
        now = time.monotonic()
        if now > end:
            raise Stuck(f"{company.lives[0].part.name} did not end within {LONGEST_TRIAL} s")
        channels = {life.process.channel: life for life in company.lives}
        wake = max(0.0, min(life.dies for life in company.lives) - now)
        for channel in select.select(list(channels), [], [], min(wake, 1.0))[0]:
            company.end(channels[channel], channel.recv(LARGEST_MESSAGE))
        for life in [life for life in company.lives if life.dies <= time.monotonic()]:
            done.kills["from outside at a random instant"] += 1
            life.process.signal_kill()
            company.end(life, b"")
    return done


def split(path: str) -> tuple[str, str]:
    """`jobs/job-1/rounds/1/commit` -> the store `jobs/job-1` and its key."""
    parts = path.split("/")
    size = 2 if parts[0] == "jobs" else 1
    return "/".join(parts[:size]), "/".join(parts[size:])


def step_of(asks: str) -> str:
    """`put_if_absent mercy/ledger/7` -> `put_if_absent ledger`: which step of the protocol a call is."""
    op, _, path = asks.partition(" ")
    names = ("ledger", "staging", "updates", "absent", "commit", "probe", "snapshots")
    return f"{op} {next((name for name in names if f'/{name}' in path), '')}".strip()
