"""Whatever a question leaves open: the noise, the steps, the sampling rate or the epsilon of one mechanism.

Of noise multiplier, steps, sampling rate and epsilon three are given, and each accountant that applies finds the fourth
so that the epsilon asked for is never exceeded by its own measure. Pure: no ledger, no dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from ringfence.errors import InvalidInput, PlanImpossible
from ringfence.privacy.account import Mechanism, accountants
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.solve import least_noise, most
from ringfence.privacy.unsampled import DiscreteGaussian, Gaussian, Laplace

LEAST_NOISE, MOST_NOISE = 0.05, 10_000.0
MOST_STEPS = 10**9
_RATES = 10**6  # sampling rates without a number of units are solved in millionths

Value = TypeVar("Value", Decimal, Fraction, int)

_UNSAMPLED: dict[str, type[Gaussian | DiscreteGaussian | Laplace]] = {
    "gaussian": Gaussian,
    "discrete-gaussian": DiscreteGaussian,
    "laplace": Laplace,
}
MECHANISMS = ("poisson-gaussian", *_UNSAMPLED)


@dataclass(frozen=True)
class Question:
    """One mechanism at `delta` under `adjacency`; what is None is asked for, by exactly one field.

    `units` is the number of units N where it is known: a solved sampling rate is then a whole number of them.
    """

    mechanism: str
    delta: Decimal
    adjacency: str
    noise: Decimal | None
    rate: Fraction | None
    steps: int | None
    epsilon: Decimal | None
    units: int | None = None

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise InvalidInput(f"mechanism {self.mechanism!r} is not one of {', '.join(MECHANISMS)}")
        if self.mechanism in _UNSAMPLED and self.rate != 1:
            raise InvalidInput(f"every unit takes part in a {self.mechanism} mechanism: it has no sampling rate")
        missing = [name for name in ("noise", "rate", "steps", "epsilon") if getattr(self, name) is None]
        if len(missing) != 1:
            raise InvalidInput(f"exactly one of noise, sampling rate, steps and epsilon is solved, not {len(missing)}")
        if self.epsilon is not None and (not self.epsilon.is_finite() or self.epsilon <= 0):
            raise InvalidInput(f"epsilon must be positive and finite, not {self.epsilon}")

    def event(
        self, *, noise: Decimal | None = None, rate: Fraction | None = None, steps: int | None = None
    ) -> Mechanism:
        """The mechanism with what is open filled in, or standing at some value of its kind."""
        sigma = _first(noise, self.noise, Decimal(1))
        times = _first(steps, self.steps, 1)
        if self.mechanism in _UNSAMPLED:
            return _UNSAMPLED[self.mechanism](sigma, times)
        return PoissonSampledGaussian(sigma, _first(rate, self.rate, Fraction(1, 2)), times)


@dataclass(frozen=True)
class Answer:
    """By one accountant: the mechanism with nothing left open, and the epsilon that it reaches."""

    event: Mechanism
    epsilon: float


def answers(question: Question) -> dict[str, Answer]:
    """The answer of each accountant that applies, by name, loosest first.

    Raises InvalidInput as `account.epsilons` does, and PlanImpossible when nothing within reach meets the epsilon.
    """
    found: dict[str, Answer] = {}
    guess: Mechanism | None = None
    for name, by in accountants(question.event(), question.delta, question.adjacency).items():

        def at(event: Mechanism, by: Callable[[Mechanism, Decimal, str], float] = by) -> float:
            return by(event, question.delta, question.adjacency)

        event = question.event() if question.epsilon is None else _solved(question, at, guess)
        found[name] = Answer(event, at(event))
        guess = event
    return found


def _first(filled: Value | None, given: Value | None, standing: Value) -> Value:
    if filled is not None:
        return filled
    return standing if given is None else given


def _solved(question: Question, at: Callable[[Mechanism], float], guess: Mechanism | None) -> Mechanism:
    target = float(question.epsilon or 0)
    if question.noise is None:
        return question.event(noise=_noise(question, at, target, guess))
    if question.steps is None:
        start = guess.steps if guess else 1
        steps = most(lambda n: at(question.event(steps=n)), target, guess=start, high=MOST_STEPS)
        if steps == 0:
            raise _impossible(question, "not even one step stays within")
        return question.event(steps=steps)
    return question.event(rate=_rate(question, at, target, guess))


def _noise(question: Question, at: Callable[[Mechanism], float], target: float, guess: Mechanism | None) -> Decimal:
    low, high = LEAST_NOISE, MOST_NOISE
    if guess is not None:  # a looser accountant's answer; pld is looser than rdp by no more than its buckets
        high = float(Decimal(guess.noise_multiplier)) * 1.01
        low = max(low, high * 0.5)
    noise = least_noise(lambda sigma: at(question.event(noise=Decimal(sigma))), target, low=low, high=high)
    if noise is None:
        raise _impossible(question, f"no noise multiplier up to {MOST_NOISE:g} reaches")
    return Decimal(noise)


def _rate(question: Question, at: Callable[[Mechanism], float], target: float, guess: Mechanism | None) -> Fraction:
    units = question.units or _RATES
    known = guess.sampling_rate if isinstance(guess, PoissonSampledGaussian) else Fraction(1, 1000)
    start = max(1, int(known * units))
    count = most(lambda n: at(question.event(rate=Fraction(n, units))), target, guess=start, high=units)
    if count == 0:
        raise _impossible(question, f"no sampling rate down to 1/{units} stays within")
    return Fraction(count, units)


def _impossible(question: Question, what: str) -> PlanImpossible:
    return PlanImpossible(
        f"{what} epsilon {question.epsilon} at this delta",
        remedy="take fewer steps, a smaller sampling rate, more noise, a larger epsilon or a larger delta",
    )
