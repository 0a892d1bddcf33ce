"""The coordinator: runs the rounds of a job over the bucket and nothing else.

It holds no row and no shard key. Killed at any point and started again, it adopts the last commit and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from typing import Any

from ringfence import canonical
from ringfence.errors import RingfenceError
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.collecting import Collector, Coordination
from ringfence.federation.noised import NoisedRounds
from ringfence.federation.once import create
from ringfence.federation.rounds import COORDINATOR, Commit, model_digest
from ringfence.federation.strategies import server_step
from ringfence.privacy.jobkeys import JobKeys
from ringfence.store.interface import Store
from ringfence.training.flat import FlatModel


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
        self._step = server_step(coordination.strategy)
        self._state = self._step.start(len(model.vector))
        self._evaluate = evaluate
        self._collector = Collector(coordination, store, keys)
        noise = coordination.noise
        self._noised = None if noise is None else NoisedRounds(noise, coordination.job, store, keys)

    def watch(
        self,
        lost: Callable[[], Mapping[str, str]],
        waiting: Callable[[int, Set[str]], None] = lambda round_, silos: None,
    ) -> None:
        """From now on `lost()` tells which silos will not answer, and why; without it, only the deadline tells.

        `waiting(round, silos)` is told who has yet to answer, each time the collector looks.
        """
        self._collector.lost, self._collector.waiting = lost, waiting

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
        members, heads = self._aggregate(round_, model, clock)
        state = self._checkpoint(round_)
        clock.lap("checkpoint")
        metrics = self._score(round_)
        clock.lap("evaluate")
        commit = Commit(
            job=self._plan.job,
            round=round_,
            members=members,
            input=model,
            model=model_digest(self._model),
            state=state,
            heads=heads,
            metrics=metrics,
            seconds=clock.laps,
        )
        return self._commit(commit)

    def _aggregate(self, round_: int, model: str, clock: _Stopwatch) -> tuple[dict[str, str], dict[str, Any]]:
        """Steps the model by the round's updates; who is in it, and their heads. The sum is gone when this returns."""
        if self._noised is not None:
            return self._noised_step(self._noised, round_, model, clock)
        received = self._collector.collect(round_, model, len(self._model.vector))
        clock.lap("wait")
        self._step.advance(self._model.vector.numpy(), received.total.mean(), self._state)
        clock.lap("aggregate")
        return received.members, received.heads

    def _noised_step(
        self, noised: NoisedRounds, round_: int, model: str, clock: _Stopwatch
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """`_aggregate` for unit Silo: the noise of a round is drawn once, whatever happens to this process."""
        parameters = len(self._model.vector)
        if not noised.there(round_):
            received = self._collector.collect(round_, model, parameters)
            clock.lap("wait")
            noised.draw(round_, model, received, len(self._model.trainable))
            del received
        found = noised.read(round_, model, parameters)
        self._step.advance(self._model.vector.numpy(), found.mean, self._state)
        clock.lap("aggregate")
        return found.members, found.heads

    def _publish(self, round_: int) -> str:
        """Puts the model that the round starts from, sealed to every silo's key; returns its digest.

        A model that an earlier coordinator published for this round is adopted: silos may have answered it already.
        """
        recipients = {silo: member.keys.seal for silo, member in self._plan.members.items()}
        recipients[COORDINATOR] = self._keys.public.seal
        address = envelope.Address("model", self._plan.job, round_, COORDINATOR)
        model = self._model.to_bytes()
        before = canonical.digest(model)
        message = envelope.seal(address, model, recipients, self._keys.sign, {"model": before})
        if create(self._store, layout.model(round_), message):
            return before
        self._model.load_bytes(self._open(address, layout.model(round_)))
        return model_digest(self._model)

    def _checkpoint(self, round_: int) -> str:
        """Writes the model and the server optimizer's state; the digest of the latter, empty for one without any."""
        model = self._model.to_bytes()
        self._put("checkpoint", round_, layout.checkpoint(round_, canonical.digest(model)), model)
        if not self._state:
            return ""
        state = rounds.pack_state(self._state)
        digest = canonical.digest(state)
        self._put("state", round_, layout.state(round_, digest), state)
        return digest

    def _put(self, kind: str, round_: int, key: str, payload: bytes) -> None:
        """Puts something that only this coordinator reads."""
        address = envelope.Address(kind, self._plan.job, round_, COORDINATOR)
        recipients = {COORDINATOR: self._keys.public.seal}
        create(self._store, key, envelope.seal(address, payload, recipients, self._keys.sign))

    def _score(self, round_: int) -> dict[str, str]:
        due = round_ % self._plan.every_rounds == 0 or round_ == self._plan.rounds
        return self._evaluate(self._model) if self._evaluate and due else {}

    def _commit(self, commit: Commit) -> Commit:
        """Writes the commit, or adopts the one that another coordinator wrote first."""
        if create(self._store, layout.commit(commit.round), commit.signed(self._keys.sign)):
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
        """The model and the server optimizer's state as they were after the commit, to the bit."""
        key = layout.checkpoint(commit.round, commit.model)
        self._model.load_bytes(self._read("checkpoint", commit.round, key, commit.model))
        if commit.state:
            key = layout.state(commit.round, commit.state)
            state = self._read("state", commit.round, key, commit.state)
            rounds.unpack_state(state, self._state, f"{self._store.url}/{key}")

    def _read(self, kind: str, round_: int, key: str, digest: str) -> bytes:
        """What `_put` wrote. Raises RingfenceError unless it is what the commit names."""
        payload = self._open(envelope.Address(kind, self._plan.job, round_, COORDINATOR), key)
        if canonical.digest(payload) != digest:
            raise RingfenceError(f"the {kind} is not the one that was committed", where=f"{self._store.url}/{key}")
        return payload

    def _open(self, address: envelope.Address, key: str) -> bytes:
        """The payload of a message of this coordinator's own."""
        where = f"{self._store.url}/{key}"
        with self._store.reading(key) as file:
            message = envelope.read(file, address, signer=self._keys.public.sign, where=where)
            return message.open(COORDINATOR, self._keys.seal)


class _Stopwatch:
    """Seconds between laps, as decimal strings."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, str] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = f"{now - self._last:.3f}"
        self._last = now
