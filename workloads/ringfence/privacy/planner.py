"""The planner: what a job will cost a dataset, before it runs.

From the job's (epsilon, delta), the dataset's records N and the ledger's grid it solves the noise:

    sampling rate q = batchSize / N       (exact fraction)
    steps a round T = round(epochs * N / batchSize)
    cost a round  c = PoissonSampledGaussian(noise, q, T).cost(orders)        (integers, rounded up once)
    job's epsilon   = least over orders a of rounds * c[a] / 1e6 + conversion(a, delta)   (delta undivided)

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

from ringfence.errors import InvalidInput, LedgerTampered, PlanImpossible
from ringfence.privacy.account import MOST_NOISE, MOST_PLD_STEPS, pld_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import Cost, epsilon_of, scale
from ringfence.privacy.solve import least_noise

if TYPE_CHECKING:
    from ringfence.privacy.ledger.entries import PlanRecord
    from ringfence.spec.job import FederatedJob, PrivacySpec

MECHANISM = "poisson-gaussian"
_RATE = re.compile(r"[0-9]{1,15}/[0-9]{1,15}")
_LEAST_NOISE = 0.05
_REPORT_WIDTH = 5e-4
"""pld's buckets in a plan: 0.05 s a dataset, 0.1 % above the finest on the 14,062 steps of the MNIST run."""
_SIX_UP = Context(prec=6, rounding=ROUND_CEILING)


@dataclass(frozen=True)
class DatasetFacts:
    """What the pinned manifest and the ledger's first limit declare: `records` are the training records."""

    dataset: str
    url: str
    records: int
    unit: str
    orders: tuple[str, ...]
    deltas: tuple[Decimal, ...]


@dataclass(frozen=True)
class Plan:
    """What a job costs one dataset. `cost` is one round; `job_epsilon` holds at `delta` for all rounds.

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

    def record(self) -> PlanRecord:
        """The part that a `reserve` entry holds."""
        from ringfence.privacy.ledger.entries import PlanRecord

        return PlanRecord(
            mechanism=MECHANISM,
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
    """Solve the noise of `job` for one dataset. Raises PlanImpossible with what to change."""
    privacy = job.spec.privacy
    where = f"dataset {facts.dataset} ({facts.url})"
    if privacy is None:
        raise PlanImpossible("the job asks for no privacy and the dataset is private", where=where)
    _check_unit_and_delta(privacy, facts, where)
    batch, rounds = job.spec.local.batch_size, job.spec.rounds
    steps = _steps(Fraction(Decimal(job.spec.local.epochs)), batch, facts, where)
    rate = Fraction(batch, facts.records)
    delta = Decimal(privacy.delta)
    noise, cost = _solve(privacy, facts, PoissonSampledGaussian("1", rate, steps), rounds, where)
    epsilon = job_epsilon(cost, rounds, delta, facts.orders)
    return Plan(
        dataset=facts.dataset,
        noise_multiplier=noise,
        sampling_rate=rate,
        steps_per_round=steps,
        rounds=rounds,
        max_grad_norm=privacy.max_grad_norm,
        cost=cost,
        job_epsilon=epsilon,
        pld_epsilon=_reported(PoissonSampledGaussian(noise, rate, steps * rounds), delta, epsilon),
        delta=privacy.delta,
        records=facts.records,
    )


def steps_per_round(epochs: Fraction, records: int, batch_size: int) -> int:
    """round(epochs * N / batchSize), halves to even: what a silo does in a round, private or not."""
    return round(epochs * records / batch_size)


def job_epsilon(cost: Cost, rounds: int, delta: Decimal, orders: tuple[str, ...]) -> float:
    """A job's own epsilon: its own vector at its own delta, undivided. Not a share of any ledger's figure."""
    return epsilon_of(scale(cost, rounds), (delta,) * len(orders), orders)


def verify_plan(record: PlanRecord, cost: Cost, orders: tuple[str, ...]) -> None:
    """What a silo does before it trusts a reservation: compute the cost again from the plan's text.

    Raises LedgerTampered if the mechanism is unknown, the plan is malformed, the vector differs at any order, or the
    plan's epsilon is less than its cost means.
    """
    if record.mechanism != MECHANISM:
        raise LedgerTampered(f"the reservation's mechanism is {record.mechanism!r}, not {MECHANISM!r}")
    if not _RATE.fullmatch(record.sampling_rate):
        raise LedgerTampered("the reservation's sampling rate is not written as batch/records")
    try:
        rate = Fraction(record.sampling_rate)
        event = PoissonSampledGaussian(record.noise_multiplier, rate, record.steps_per_round)
        expected = event.cost(orders)
        epsilon = job_epsilon(expected, record.rounds, Decimal(record.job_delta), orders)
        claimed = Decimal(record.job_epsilon)
    except (InvalidInput, ValueError, ArithmeticError, TypeError) as error:
        raise LedgerTampered("the reservation's plan is malformed") from error
    if tuple(cost) != expected:
        wrong = next((o for o, c, e in zip(orders, cost, expected, strict=False) if c != e), "(grids differ in length)")
        raise LedgerTampered(f"the reservation's cost is not what its plan costs, first at order {wrong}")
    if Decimal(epsilon) > claimed + Decimal("1e-9"):
        raise LedgerTampered(f"the reservation's plan says epsilon {claimed} and costs {epsilon:.6g}")


def _check_unit_and_delta(privacy: PrivacySpec, facts: DatasetFacts, where: str) -> None:
    if facts.unit != "Record":
        raise PlanImpossible(
            f"its unit is {facts.unit} and this release trains by record only",
            where=where,
            remedy="seal a copy with --unit Record, if one row is all that a person has",
        )
    if facts.records < 1:
        raise PlanImpossible("it has no training records", where=where)
    if Decimal(privacy.delta) * facts.records >= 1:
        raise PlanImpossible(
            f"privacy.delta {privacy.delta} is at least 1 / {facts.records} records: publishing a row would satisfy it",
            where=where,
            remedy=f"set privacy.delta below {Decimal(1) / facts.records:.1E}",
        )


def _steps(epochs: Fraction, batch: int, facts: DatasetFacts, where: str) -> int:
    if batch > facts.records:
        raise PlanImpossible(
            f"local.batchSize {batch} is more than its {facts.records} training records",
            where=where,
            remedy=f"set local.batchSize to at most {facts.records}",
        )
    steps = steps_per_round(epochs, facts.records, batch)
    if steps < 1:
        raise PlanImpossible(
            f"local.epochs {float(epochs):g} of {facts.records} records in batches of {batch} round to no step",
            where=where,
            remedy="take a smaller local.batchSize or more local.epochs",
        )
    return steps


def _solve(
    privacy: PrivacySpec, facts: DatasetFacts, unit: PoissonSampledGaussian, rounds: int, where: str
) -> tuple[str, Cost]:
    asked, delta = float(Decimal(privacy.epsilon)), Decimal(privacy.delta)

    def cost_at(noise: float) -> Cost:
        return PoissonSampledGaussian(_text(noise), unit.sampling_rate, unit.steps).cost(facts.orders)

    def epsilon_at(noise: float) -> float:
        return job_epsilon(cost_at(noise), rounds, delta, facts.orders)

    low, high = _bracket(epsilon_at, asked)
    noise = least_noise(epsilon_at, asked, low=low, high=high)
    if noise is None:
        least = epsilon_at(MOST_NOISE)
        raise PlanImpossible(
            f"no noise multiplier up to {MOST_NOISE:g} reaches privacy.epsilon {privacy.epsilon} "
            f"at delta {privacy.delta}: the least on this ledger's orders is {least:.4g}",
            where=where,
            remedy="use more rows, fewer rounds, a smaller local.batchSize, or a larger privacy.epsilon",
        )
    return _text(noise), cost_at(noise)


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
    while noise > _LEAST_NOISE and epsilon_at(noise) <= asked:
        noise = max(_LEAST_NOISE, noise / 4)
    return noise, min(1.0, noise * 4)


def _text(noise: float) -> str:
    """Six significant digits, rounded up: more noise, never less."""
    return format(_SIX_UP.create_decimal(Decimal(noise)), "f")


def _text_up(value: float) -> str:
    return format(Decimal(value).quantize(Decimal("1e-12"), rounding=ROUND_CEILING).normalize(), "f")
