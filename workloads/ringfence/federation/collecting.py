"""Gathering a round's updates: from sealed objects that anybody may have written, into one sum."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ringfence.errors import DeadlineExceeded, InvalidInput, KeyRejected, QuorumLost, SignatureRejected
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.central import CentralNoise
from ringfence.federation.incoming import add_update
from ringfence.federation.rounds import COORDINATOR
from ringfence.privacy.jobkeys import JobKeys, PublicKeys
from ringfence.spec.strategy import StrategySpec
from ringfence.store.interface import Store

_FIRST_WAIT, _LONGEST_WAIT = 0.01, 0.5


@dataclass(frozen=True)
class Member:
    """A silo as the coordinator knows it: its keys for this job, and what its updates weigh, which is public."""

    keys: PublicKeys
    weight: int


@dataclass(frozen=True)
class Coordination:
    """What a coordinator is started with."""

    job: str
    rounds: int
    quorum: int
    round_deadline: float
    strategy: StrategySpec
    members: Mapping[str, Member]
    every_rounds: int = 1
    noise: CentralNoise | None = None  # unit Silo: the coordinator's own
    deadline: float | None = None  # time.monotonic() at which the whole job is given up


@dataclass
class Received:
    """What a round brought in: the sum, and who is in it, by update digest and ledger head."""

    total: WeightedSum
    members: dict[str, str] = field(default_factory=dict)
    heads: dict[str, dict[str, Any]] = field(default_factory=dict)


class Collector:
    """Gathers the rounds of one job. `lost()` tells which silos will not answer, and why; by default none is known."""

    def __init__(self, coordination: Coordination, store: Store, keys: JobKeys) -> None:
        self._plan, self._store, self._keys = coordination, store, keys
        self.lost: Callable[[], Mapping[str, str]] = dict
        self.waiting: Callable[[int, Set[str]], None] = lambda round_, silos: None

    def collect(self, round_: int, model: str, parameters: int) -> Received:
        """The updates [P] of the round in one sum, once every live silo answered or the deadline came.

        Each is opened and added as soon as all silos before it in the order of names have answered, so that the sum's
        bits do not depend on the order of arrival. Raises QuorumLost, DeadlineExceeded.
        """
        received = Received(WeightedSum(parameters))
        waiting, unopened = set(self._plan.members), sorted(self._plan.members)
        end, pause = time.monotonic() + self._plan.round_deadline, _FIRST_WAIT
        while True:
            lost = self.lost()  # asked first: what a silo published before it ended is then seen below
            arrived = {silo for silo in waiting if self._answered(round_, silo)}
            waiting -= arrived
            self.waiting(round_, waiting)
            while unopened and unopened[0] not in waiting:
                self._receive(round_, unopened.pop(0), model, received)
            if not (waiting - lost.keys()) or time.monotonic() > end:
                break
            if self._plan.deadline is not None and time.monotonic() > self._plan.deadline:
                raise DeadlineExceeded(f"the job's time was up in round {round_}", remedy="--resume continues it")
            pause = _FIRST_WAIT if arrived else min(_LONGEST_WAIT, pause * 1.3)
            time.sleep(pause)
        for silo in unopened:
            if silo not in waiting:
                self._receive(round_, silo, model, received)
        if len(received.members) < self._plan.quorum:
            raise QuorumLost(
                f"round {round_}: {len(received.members)} of {len(self._plan.members)} silos published an update, "
                f"the quorum is {self._plan.quorum} ({_why(waiting, lost)})"
            )
        return received

    def _answered(self, round_: int, silo: str) -> bool:
        """Whether the silo put an update, of whatever worth, or its signed word that it sits the round out."""
        if self._store.exists(layout.update(round_, silo)):
            return True
        key = layout.absence(round_, silo)
        if not self._store.exists(key):
            return False
        expected = {"job": self._plan.job, "round": round_, "silo": silo}
        signer = self._plan.members[silo].keys.sign
        return rounds.is_absence(self._store.get(key), expected, signer=signer, where=f"{self._store.url}/{key}")

    def _receive(self, round_: int, silo: str, model: str, received: Received) -> None:
        """Add the silo's update to the sum, if it sent a usable one."""
        key, member = layout.update(round_, silo), self._plan.members[silo]
        if not self._store.exists(key):
            return
        address, where = envelope.Address("update", self._plan.job, round_, silo), f"{self._store.url}/{key}"
        # Whoever can write there can withhold a silo's update, never forge one.
        with suppress(SignatureRejected, KeyRejected, InvalidInput), self._store.reading(key) as file:
            message = envelope.read(file, address, signer=member.keys.sign, where=where)
            if message.header.get("model") != model:
                raise InvalidInput("an update of another model", where=where)
            longest = self._plan.noise.longest if self._plan.noise else math.inf
            add_update(received.total, member.weight, message, COORDINATOR, self._keys.seal, longest)
            received.members[silo] = message.digest
            if message.header.get("head"):
                received.heads[silo] = message.header["head"]


def _why(waiting: set[str], lost: Mapping[str, str]) -> str:
    """Each missing silo with its reason."""
    if not waiting:
        return "the others sat out or sent what does not open"
    return "; ".join(f"{silo}: {lost.get(silo, 'no answer before the deadline')}" for silo in sorted(waiting))
