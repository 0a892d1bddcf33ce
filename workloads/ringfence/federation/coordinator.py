"""The coordinator: runs the rounds of a job over the bucket and nothing else.

It holds no row and no shard key. Killed at any point and started again, it adopts the last commit and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ringfence import canonical
from ringfence.errors import DeadlineExceeded, InvalidInput, KeyRejected, QuorumLost, RingfenceError, SignatureRejected
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.rounds import COORDINATOR, Commit, model_digest
from ringfence.federation.strategies import STRATEGIES
from ringfence.privacy.jobkeys import JobKeys, PublicKeys
from ringfence.store.interface import Store
from ringfence.training.flat import FlatModel

_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.5


@dataclass(frozen=True)
class Member:
    """A silo as the coordinator knows it: its keys for this job and its declared number of training records."""

    keys: PublicKeys
    records: int


@dataclass(frozen=True)
class Coordination:
    """What a coordinator is started with."""

    job: str
    rounds: int
    quorum: int
    round_deadline: float
    strategy: str
    members: Mapping[str, Member]
    every_rounds: int = 1
    deadline: float | None = None  # time.monotonic() at which the whole job is given up


class Coordinator:
    """Runs rounds 1..R of a job. `evaluate` scores a model on public rows."""

    def __init__(
        self,
        coordination: Coordination,
        store: Store,
        keys: JobKeys,
        model: FlatModel,
        *,
        evaluate: Callable[[FlatModel], dict[str, str]] | None = None,
    ) -> None:
        self._plan, self._store, self._keys, self._model = coordination, store, keys, model
        self._evaluate = evaluate
        self._lost: Callable[[], Mapping[str, str]] = dict

    def watch(self, lost: Callable[[], Mapping[str, str]]) -> None:
        """From now on `lost()` tells which silos will not answer, and why; without it, only the deadline tells."""
        self._lost = lost

    def committed(self) -> int:
        """How many rounds are committed already."""
        count = 0
        while self._store.exists(layout.commit(count + 1)):
            count += 1
        return count

    def run(self, on_commit: Callable[[Commit], None] = lambda commit: None) -> list[Commit]:
        """All commits of the job, in order; `on_commit` is told each one, adopted or new.

        Raises QuorumLost, DeadlineExceeded, StoreError.
        """
        commits = self._adopt()
        for commit in commits:
            on_commit(commit)
        for round_ in range(len(commits) + 1, self._plan.rounds + 1):
            commits.append(self._round(round_))
            on_commit(commits[-1])
        return commits

    def _round(self, round_: int) -> Commit:
        """PROTOCOL 4 from the coordinator's side: publish, collect, aggregate, step, checkpoint, commit."""
        clock = _Stopwatch()
        model = self._publish(round_)
        clock.lap("publish")
        received = self._collect(round_, model)
        clock.lap("wait")
        step = STRATEGIES[self._plan.strategy]
        contributions = [(self._plan.members[silo].records, received[silo].update) for silo in sorted(received)]
        self._model.load(torch.from_numpy(step(self._model.vector.numpy(), contributions)))
        clock.lap("aggregate")
        self._checkpoint(round_)
        clock.lap("checkpoint")
        metrics = self._score(round_)
        clock.lap("evaluate")
        commit = Commit(
            job=self._plan.job,
            round=round_,
            members={silo: received[silo].digest for silo in sorted(received)},
            input=model,
            model=model_digest(self._model),
            heads={silo: received[silo].head for silo in sorted(received) if received[silo].head},
            metrics=metrics,
            seconds=clock.laps,
        )
        return self._commit(commit)

    def _publish(self, round_: int) -> str:
        """Puts the model that the round starts from, sealed to every silo's key; returns its digest.

        A model that an earlier coordinator published for this round is adopted: silos may have answered it already.
        """
        recipients = {silo: member.keys.seal for silo, member in self._plan.members.items()}
        recipients[COORDINATOR] = self._keys.public.seal
        address = envelope.Address("model", self._plan.job, round_, COORDINATOR)
        before = model_digest(self._model)
        message = envelope.seal(address, self._model.to_bytes(), recipients, self._keys.sign, {"model": before})
        if self._store.put_if_absent(layout.model(round_), message):
            return before
        self._load(layout.model(round_), address)
        return model_digest(self._model)

    def _collect(self, round_: int, model: str) -> dict[str, _Received]:
        """Updates of the round, until every live silo answered or the deadline. Raises QuorumLost, DeadlineExceeded."""
        received: dict[str, _Received] = {}
        waiting = set(self._plan.members)
        end, pause = time.monotonic() + self._plan.round_deadline, _FIRST_WAIT
        while True:
            lost = self._lost()  # asked first: what a silo published before it ended is then seen below
            arrived = {silo for silo in waiting if self._answer(round_, silo, model, received)}
            waiting -= arrived
            if not (waiting - lost.keys()) or time.monotonic() > end:
                break
            if self._plan.deadline is not None and time.monotonic() > self._plan.deadline:
                raise DeadlineExceeded(f"the job's time was up in round {round_}", remedy="--resume continues it")
            pause = _FIRST_WAIT if arrived else min(_LONGEST_WAIT, pause * 1.3)
            time.sleep(pause)
        if len(received) < self._plan.quorum:
            raise QuorumLost(
                f"round {round_}: {len(received)} of {len(self._plan.members)} silos published an update, "
                f"the quorum is {self._plan.quorum} ({_why(waiting, lost)})"
            )
        return received

    def _answer(self, round_: int, silo: str, model: str, received: dict[str, _Received]) -> bool:
        """Whether the silo answered; a usable update is added to `received`."""
        where = f"{self._store.url}/{layout.update(round_, silo)}"
        if self._store.exists(layout.update(round_, silo)):
            data = self._store.get(layout.update(round_, silo))
            # Whoever can write there can withhold a silo's update, never forge one.
            with suppress(SignatureRejected, KeyRejected, InvalidInput):
                received[silo] = self._open(round_, silo, data, model, where)
            return True
        key = layout.absence(round_, silo)
        if not self._store.exists(key):
            return False
        expected = {"job": self._plan.job, "round": round_, "silo": silo}
        signer = self._plan.members[silo].keys.sign
        return rounds.is_absence(self._store.get(key), expected, signer=signer, where=where)

    def _open(self, round_: int, silo: str, data: bytes, model: str, where: str) -> _Received:
        address = envelope.Address("update", self._plan.job, round_, silo)
        message = envelope.read(data, address, signer=self._plan.members[silo].keys.sign, where=where)
        if message.header.get("model") != model:
            raise InvalidInput("an update of another model", where=where)
        payload = message.open(COORDINATOR, self._keys.seal)
        update = rounds.unpack_update(payload, len(self._model.vector), where)
        return _Received(canonical.digest(data), update, message.header.get("head") or {})

    def _checkpoint(self, round_: int) -> None:
        address = envelope.Address("checkpoint", self._plan.job, round_, COORDINATOR)
        recipients = {COORDINATOR: self._keys.public.seal}
        data = envelope.seal(address, self._model.to_bytes(), recipients, self._keys.sign)
        self._store.put_if_absent(layout.checkpoint(round_, model_digest(self._model)), data)

    def _score(self, round_: int) -> dict[str, str]:
        due = round_ % self._plan.every_rounds == 0 or round_ == self._plan.rounds
        return self._evaluate(self._model) if self._evaluate and due else {}

    def _commit(self, commit: Commit) -> Commit:
        """Writes the commit, or adopts the one that another coordinator wrote first."""
        if self._store.put_if_absent(layout.commit(commit.round), commit.signed(self._keys.sign)):
            return commit
        winner = self._read_commit(commit.round)
        self._restore(winner)
        return winner

    def _adopt(self) -> list[Commit]:
        """The commits that are there, with the model of the last one restored."""
        commits = [self._read_commit(round_) for round_ in range(1, self.committed() + 1)]
        if commits:
            self._restore(commits[-1])
        return commits

    def _read_commit(self, round_: int) -> Commit:
        key = layout.commit(round_)
        signer = self._keys.public.sign
        where = f"{self._store.url}/{key}"
        return rounds.read_commit(self._store.get(key), signer=signer, job=self._plan.job, round_=round_, where=where)

    def _restore(self, commit: Commit) -> None:
        key = layout.checkpoint(commit.round, commit.model)
        self._load(key, envelope.Address("checkpoint", self._plan.job, commit.round, COORDINATOR))
        if model_digest(self._model) != commit.model:
            raise RingfenceError("the checkpoint is not the model that was committed", where=f"{self._store.url}/{key}")

    def _load(self, key: str, address: envelope.Address) -> None:
        where = f"{self._store.url}/{key}"
        message = envelope.read(self._store.get(key), address, signer=self._keys.public.sign, where=where)
        self._model.load_bytes(message.open(COORDINATOR, self._keys.seal))


@dataclass(frozen=True)
class _Received:
    digest: str
    update: NDArray[np.float32]
    head: dict[str, object]


class _Stopwatch:
    """Seconds between laps, as decimal strings."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, str] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = f"{now - self._last:.3f}"
        self._last = now


def _why(waiting: set[str], lost: Mapping[str, str]) -> str:
    """Each missing silo with its reason."""
    if not waiting:
        return "the others sat out or sent what does not open"
    return "; ".join(f"{silo}: {lost.get(silo, 'no answer before the deadline')}" for silo in sorted(waiting))
