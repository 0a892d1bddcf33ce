"""The planner: what a job will cost a dataset, before it runs.

From the job's (epsilon, delta), its shape on the dataset (sampling rate, steps a round: `shape`) and the ledger's grid
it solves the noise:

    cost a round  c = the mechanism's cost on the ledger's grid          (integers, rounded up once)
    job's epsilon   = least over orders a of rounds * c[a] / 1e6 + conversion(a, delta)   (delta undivided)

The mechanism is "poisson-gaussian", or "gaussian" where every unit takes part (q = 1); a gdp ledger admits the second
only.

The noise multiplier is the least on a lattice of six significant digits whose job's epsilon is at most the one asked,
within 1 % of it (with thousands of rounds of tiny cost, rounding each up to a micro-unit can keep it further below).
Everything recorded is text or integers, and `verify_plan` recomputes the cost from the text alone: a silo trusts
nothing else for noise, sampling, clip and rounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ringfence.errors import InvalidInput, LedgerTampered, MechanismNotAccounted, PlanImpossible
from ringfence.privacy.account import MOST_PLD_STEPS, pld_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.open_value import LEAST_NOISE, MOST_NOISE
from ringfence.privacy.orders import Cost, epsilon_of, scale
from ringfence.privacy.shape import Shape, check_delta, shape_of
from ringfence.privacy.solve import least_noise

if TYPE_CHECKING:
    from ringfence.privacy.ledger.entries import PlanRecord
    from ringfence.spec.job import FederatedJob

POISSON_GAUSSIAN = "poisson-gaussian"
GAUSSIAN = "gaussian"
_RATE = re.compile(r"[0-9]{1,15}/[0-9]{1,15}")
_REPORT_WIDTH = 5e-4
"""pld's buckets in a plan: 0.05 s a dataset, 0.1 % above the finest on the 14,062 steps of the MNIST run."""
_SIX_UP = Context(prec=6, rounding=ROUND_CEILING)


@dataclass(frozen=True)
class DatasetFacts:
    """What the pinned manifest and the ledger's first limit declare.

    `unit` is Record, User (or `User:<column>`) or Silo; `records` counts units: training records, users, or 1 silo.
    """

    dataset: str
    url: str
    records: int
    unit: str
    orders: tuple[str, ...]
    deltas: tuple[Decimal, ...]


@dataclass(frozen=True)
class Plan:
    """What a job costs one dataset. `cost` is one round; `job_epsilon` holds at `delta` for all rounds.

    `records` counts units, as in DatasetFacts; `max_grad_norm` clips one unit's contribution to a release.
    `pld_epsilon` is the same job by the privacy loss distribution: reported beside, never used to admit.
    """

    dataset: str
    noise_multiplier: str
    sampling_rate: Fraction
    steps_per_round: int
    rounds: int
    max_grad_norm: str
    cost: Cost
    job_epsilon: float
    pld_epsilon: float
    delta: str
    records: int

    @property
    def mechanism(self) -> str:
        """As a `reserve` entry names it: whether units are sampled, or all take part in every release."""
        return GAUSSIAN if self.sampling_rate == 1 else POISSON_GAUSSIAN

    def record(self) -> PlanRecord:
        """The part that a `reserve` entry holds."""
        from ringfence.privacy.ledger.entries import PlanRecord

        return PlanRecord(
            mechanism=self.mechanism,
            noise_multiplier=self.noise_multiplier,
            sampling_rate=f"{self.sampling_rate * self.records}/{self.records}",
            steps_per_round=self.steps_per_round,
            rounds=self.rounds,
            max_grad_norm=self.max_grad_norm,
            job_epsilon=_text_up(self.job_epsilon),
            job_delta=self.delta,
        )

    def total(self) -> Cost:
        """The cost of all rounds: exactly `rounds` times one."""
        return scale(self.cost, self.rounds)


def plan(job: FederatedJob, facts: DatasetFacts) -> Plan:
    """Solve the noise of `job` for one dataset. Raises PlanImpossible or MechanismNotAccounted with what to change."""
    privacy = job.spec.privacy
    where = f"dataset {facts.dataset} ({facts.url})"
    if privacy is None:
        raise PlanImpossible("the job asks for no privacy and the dataset is private", where=where)
    shape, rounds = shape_of(job, facts.unit, facts.records, where), job.spec.rounds
    check_delta(privacy.delta, job, shape, facts.records, where)
    delta = Decimal(privacy.delta)
    try:
        noise, cost = solve_noise(shape, rounds, privacy.epsilon, privacy.delta, facts.orders)
    except (PlanImpossible, MechanismNotAccounted) as error:
        raise type(error)(error.message, where=where, remedy=error.remedy) from error
    epsilon = job_epsilon(cost, rounds, delta, facts.orders)
    return Plan(
        dataset=facts.dataset,
        noise_multiplier=noise,
        sampling_rate=shape.sampling_rate,
        steps_per_round=shape.steps,
        rounds=rounds,
        max_grad_norm=privacy.max_grad_norm,
        cost=cost,
        job_epsilon=epsilon,
        pld_epsilon=_reported(shape.event(noise, rounds), delta, epsilon),
        delta=privacy.delta,
        records=facts.records,
    )


def job_epsilon(cost: Cost, rounds: int, delta: Decimal, orders: tuple[str, ...]) -> float:
    """A job's own epsilon: its own vector at its own delta, undivided. Not a share of any ledger's figure."""
    return epsilon_of(scale(cost, rounds), (delta,) * len(orders), orders)


def verify_plan(record: PlanRecord, cost: Cost, orders: tuple[str, ...]) -> None:
    """What a silo does before it trusts a reservation: compute the cost again from the plan's text.

    Raises LedgerTampered if the mechanism is unknown or contradicts the sampling rate, the plan is malformed, the
    vector differs at any order, or the plan's epsilon is less than its cost means.
    """
    if record.mechanism not in (POISSON_GAUSSIAN, GAUSSIAN):
        raise LedgerTampered(
            f"the reservation's mechanism is {record.mechanism!r}, not {POISSON_GAUSSIAN!r} or {GAUSSIAN!r}"
        )
    if not _RATE.fullmatch(record.sampling_rate):
        raise LedgerTampered("the reservation's sampling rate is not written as batch/records")
    try:
        rate = Fraction(record.sampling_rate)
        if record.mechanism == GAUSSIAN and rate != 1:
            raise LedgerTampered(f"the reservation's mechanism is {GAUSSIAN!r}, and it samples {record.sampling_rate}")
        expected = PoissonSampledGaussian(record.noise_multiplier, rate, record.steps_per_round).cost(orders)
        epsilon = job_epsilon(expected, record.rounds, Decimal(record.job_delta), orders)
        claimed = Decimal(record.job_epsilon)
    except (InvalidInput, ValueError, ArithmeticError, TypeError) as error:
        raise LedgerTampered("the reservation's plan is malformed") from error
    if tuple(cost) != expected:
        wrong = next((o for o, c, e in zip(orders, cost, expected, strict=False) if c != e), "(grids differ in length)")
        raise LedgerTampered(f"the reservation's cost is not what its plan costs, first at order {wrong}")
    if Decimal(epsilon) > claimed + Decimal("1e-9"):
        raise LedgerTampered(f"the reservation's plan says epsilon {claimed} and costs {epsilon:.6g}")


def solve_noise(shape: Shape, rounds: int, epsilon: str, delta: str, orders: tuple[str, ...]) -> tuple[str, Cost]:
    """The least noise multiplier with which `rounds` rounds of `shape` stay within (`epsilon`, `delta`), and a round's
    cost.

    Raises PlanImpossible without a place, MechanismNotAccounted on a grid that does not know the mechanism.
    """
    asked, at = float(Decimal(epsilon)), Decimal(delta)

    def cost_at(noise: float) -> Cost:
        return shape.event(noise_text(noise)).cost(orders)

    def epsilon_at(noise: float) -> float:
        return job_epsilon(cost_at(noise), rounds, at, orders)

    low, high = _bracket(epsilon_at, asked)
    noise = least_noise(epsilon_at, asked, low=low, high=high)
    if noise is None:
        least = epsilon_at(MOST_NOISE)
        raise PlanImpossible(
            f"no noise multiplier up to {MOST_NOISE:g} reaches privacy.epsilon {epsilon} "
            f"at delta {delta}: the least on this ledger's orders is {least:.4g}",
            remedy="use more rows, fewer rounds, a smaller local.batchSize, or a larger privacy.epsilon",
        )
    return noise_text(noise), cost_at(noise)


def _reported(event: PoissonSampledGaussian, delta: Decimal, epsilon: float) -> float:
    """pld's figure for all planned steps; the job's epsilon, a bound on the same, where pld is coarser or too slow."""
    if event.sampling_rate < 1 and event.steps > MOST_PLD_STEPS:
        return epsilon
    return min(epsilon, pld_epsilon(event, delta, width=_REPORT_WIDTH))


def _bracket(epsilon_at: Callable[[float], float], asked: float) -> tuple[float, float]:
    """Noise around the answer, found by factors of four from 1, so that no evaluation is far from where it matters."""
    noise = 1.0
    if epsilon_at(noise) > asked:
        while noise < MOST_NOISE and epsilon_at(noise) > asked:
            noise = min(MOST_NOISE, noise * 4)
        return noise / 4, noise
    while noise > LEAST_NOISE and epsilon_at(noise) <= asked:
        noise = max(LEAST_NOISE, noise / 4)
    return noise, min(1.0, noise * 4)


def noise_text(noise: float) -> str:
    """Six significant digits, rounded up: more noise, never less."""
    return format(_SIX_UP.create_decimal(Decimal(noise)), "f")


def _text_up(value: float) -> str:
    return format(Decimal(value).quantize(Decimal("1e-12"), rounding=ROUND_CEILING).normalize(), "f")
