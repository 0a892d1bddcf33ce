"""The noised mean of a round, drawn once whatever happens to the coordinator (unit Silo).

What is released is the model that a commit names, once a round. So the noised mean is put, sealed to the coordinator
itself, before anything else is made of it, and only what was put is used: a coordinator that is started again, or a
second one, finds it and draws nothing. Drawing anew whenever something later failed would choose among draws by what
they make of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringfence.errors import RingfenceError
from ringfence.federation import envelope, layout, rounds
from ringfence.federation.central import CentralNoise
from ringfence.federation.collecting import Received
from ringfence.federation.incoming import read_vector
from ringfence.federation.once import create
from ringfence.federation.rounds import COORDINATOR
from ringfence.federation.strategies.server import Block
from ringfence.privacy.jobkeys import JobKeys
from ringfence.privacy.noise import NoiseSource
from ringfence.store.interface import Store


@dataclass(frozen=True)
class Noised:
    """The noised mean [P] of a round, and who is in it, by update digest and ledger head."""

    mean: Block
    members: dict[str, str]
    heads: dict[str, dict[str, Any]]


class NoisedRounds:
    """The noised means of one job, at most one a round."""

    def __init__(self, noise: CentralNoise, job: str, store: Store, keys: JobKeys) -> None:
        self._noise, self._job, self._store, self._keys = noise, job, store, keys

    def there(self, round_: int) -> bool:
        """Whether the round's noise was drawn."""
        return self._store.exists(layout.noised(round_))

    def draw(self, round_: int, model: str, received: Received, trainable: int) -> None:
        """Noises the sum, which is used up, and puts its mean, unless another process put one first.

        Raises RingfenceError when a model of this round was released before: the store forgot its commit.
        """
        charged = self._noise.charged()
        if charged.last > round_:
            raise RingfenceError(
                f"round {round_} was released before: silos were charged for a later one, and its commit is gone",
                where=f"{self._store.url}/{layout.commit(round_)}",
                remedy="restore the job's objects, or run the job anew; a second noise for the same updates would "
                "release more than was charged",
            )
        std = charged.noise_multiplier * self._noise.max_grad_norm
        mean = received.total.noised(NoiseSource(), std, trainable)
        mean /= self._noise.silos
        named = {"model": model, "members": received.members, "heads": received.heads}
        recipients = {COORDINATOR: self._keys.public.seal}
        payload = rounds.pack_update(mean.astype(np.float32))
        create(
            self._store,
            layout.noised(round_),
            envelope.seal(self._address(round_), payload, recipients, self._keys.sign, named),
        )

    def read(self, round_: int, model: str, parameters: int) -> Noised:
        """The one that was put. Raises RingfenceError for one of another model."""
        key = layout.noised(round_)
        where = f"{self._store.url}/{key}"
        with self._store.reading(key) as file:
            message = envelope.read(file, self._address(round_), signer=self._keys.public.sign, where=where)
            if message.header.get("model") != model:
                raise RingfenceError("the noised mean of another model", where=where)
            mean: NDArray[np.float64] = np.zeros(parameters)
            for at, values in read_vector(message, COORDINATOR, self._keys.seal, parameters):
                mean[at : at + len(values)] = values
        return Noised(mean, message.header["members"], message.header["heads"])

    def _address(self, round_: int) -> envelope.Address:
        return envelope.Address("noised", self._job, round_, COORDINATOR)
