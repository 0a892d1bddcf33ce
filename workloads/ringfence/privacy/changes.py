"""What a smaller batch, more rounds or a larger silo would change: a small table, so that people learn.

Every line keeps the rest of the job as it is. At the same epsilon the noise multiplier is solved again; what training
feels is the noise in a mean gradient, sigma / (expected batch, users or silos in the mean), in units of the clip,
together with how many steps there are. With the plan's own noise multiplier instead, the epsilon changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ringfence.errors import PlanImpossible
from ringfence.privacy.planner import DatasetFacts, Plan, job_epsilon, solve_noise
from ringfence.privacy.shape import Shape, drawing, fixed_draw, shape_of
from ringfence.spec.job import FederatedJob


@dataclass(frozen=True)
class Change:
    """One line. `noise_multiplier` and `noise_in_mean` are at the job's epsilon, None where no noise reaches it;
    `epsilon` is with the plan's own noise. `steps` counts all rounds."""

    what: str
    steps: int
    noise_multiplier: str | None
    noise_in_mean: float | None
    epsilon: float


def changes(job: FederatedJob, facts: DatasetFacts, plan: Plan) -> tuple[Change, ...]:
    """The plan as it is, then each change that is possible, in a fixed order; nothing for a job without privacy."""
    privacy = job.spec.privacy
    if privacy is None:
        return ()
    shape = shape_of(job, facts.unit, facts.records, f"dataset {facts.dataset} ({facts.url})")
    drawn = len(job.spec.silos) if shape.unit == "Silo" else int(shape.sampling_rate * facts.records)
    as_it_is = Change(
        "as it is",
        shape.steps * plan.rounds,
        plan.noise_multiplier,
        float(Decimal(plan.noise_multiplier) / drawn),
        plan.job_epsilon,
    )
    others = [
        *_batches(job, facts, shape, drawn, plan.rounds),
        *_rounds(shape, drawn, plan.rounds),
        *_silo(job, facts, shape, drawn, plan.rounds),
    ]
    return (as_it_is, *(_change(case, plan, privacy.epsilon, facts) for case in others))


@dataclass(frozen=True)
class _Case:
    what: str
    shape: Shape
    drawn: int
    rounds: int


def _batches(job: FederatedJob, facts: DatasetFacts, shape: Shape, drawn: int, rounds: int) -> Iterator[_Case]:
    noun = "users in a round" if shape.unit == "User" else "batch"
    for words, count in (("half the", drawn // 2), ("twice the", 2 * drawn)):
        if not fixed_draw(shape, facts.orders) and 1 <= count <= facts.records:
            yield _Case(f"{words} {noun}", drawing(shape, job, count, facts.records), count, rounds)


def _rounds(shape: Shape, drawn: int, rounds: int) -> Iterator[_Case]:
    if rounds > 1:
        yield _Case("half the rounds", shape, drawn, rounds // 2)
    yield _Case("twice the rounds", shape, drawn, 2 * rounds)


def _silo(job: FederatedJob, facts: DatasetFacts, shape: Shape, drawn: int, rounds: int) -> Iterator[_Case]:
    if shape.unit != "Silo":
        noun = "users" if shape.unit == "User" else "rows"
        count = 2 * drawn if shape.sampling_rate == 1 else drawn  # everybody stays everybody
        yield _Case(f"a silo of twice the {noun}", drawing(shape, job, count, 2 * facts.records), count, rounds)


def _change(case: _Case, plan: Plan, asked: str, facts: DatasetFacts) -> Change:
    steps = case.shape.steps * case.rounds
    cost = case.shape.event(plan.noise_multiplier).cost(facts.orders)
    epsilon = job_epsilon(cost, case.rounds, Decimal(plan.delta), facts.orders)
    try:
        noise, _ = solve_noise(case.shape, case.rounds, asked, plan.delta, facts.orders)
    except PlanImpossible:
        return Change(case.what, steps, None, None, epsilon)
    return Change(case.what, steps, noise, float(Decimal(noise) / case.drawn), epsilon)
