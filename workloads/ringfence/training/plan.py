"""What one silo does in one round, fixed before it starts: by the job's plan, never by what training finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ringfence.errors import InvalidInput


@dataclass(frozen=True)
class PrivateStep:
    """The mechanism of every step, as it is accounted.

    `noise_multiplier` is sigma: the noise on the sum has standard deviation sigma * C. `sampling_rate` q: each record
    is in a step's sample with probability q, independently. `max_grad_norm` is the clip C.
    """

    noise_multiplier: float
    sampling_rate: Fraction
    max_grad_norm: float

    def __post_init__(self) -> None:
        _positive("noise_multiplier", self.noise_multiplier)
        _positive("max_grad_norm", self.max_grad_norm)
        if not 0 < self.sampling_rate <= 1:
            raise InvalidInput("is not a probability above 0", where="sampling_rate")


@dataclass(frozen=True)
class LocalPlan:
    """`steps` of SGD: w -= learning_rate * v, v = momentum * v + gradient, v = 0 at the start of the round.

    `proximal` mu adds mu (w - w_round) to each gradient, w_round being the model that the round started from (FedProx,
    arXiv:1812.06127); with privacy after the noise, of which it is a function.

    `batch_size` is the expected one (q times the number of records) with `private`, the realised one without.
    `seed` orders the records of a run without privacy; a private run has none, because its sample is secret. `by_layer`
    clips each layer's part of a record's gradient to C / sqrt(number of layers) instead of the whole to C: the sum
    moves by at most C either way, so that noise and cost are the same.
    """

    steps: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.0
    private: PrivateStep | None = None
    seed: int | None = None
    proximal: float = 0.0
    by_layer: bool = False

    def __post_init__(self) -> None:
        _positive("learning_rate", self.learning_rate)
        if not (math.isfinite(self.proximal) and self.proximal >= 0):
            raise InvalidInput("is not a number of at least 0", where="proximal")
        if self.steps < 0:
            raise InvalidInput(f"{self.steps} is negative", where="steps")
        if self.batch_size < 1:
            raise InvalidInput(f"{self.batch_size} is not a positive number of records", where="batch_size")
        if not 0 <= self.momentum < 1:
            raise InvalidInput("is not in [0, 1)", where="momentum")
        if (self.private is None) == (self.seed is None):
            raise InvalidInput("a run has either a seed or privacy: a private sample follows no seed", where="seed")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InvalidInput("is not a positive number", where=name)
