"""What a job could be at a noise multiplier that somebody chose: its epsilon, or the most rounds or units within one.

`planner.plan` solves the noise and leaves the rest as the job says; here the noise is given and each of the others is
solved in turn, on the dataset's own grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ringfence.errors import PlanImpossible
from ringfence.privacy.events import check_noise
from ringfence.privacy.planner import DatasetFacts, job_epsilon
from ringfence.privacy.shape import Shape, drawing, fixed_draw, shape_of
from ringfence.privacy.solve import most
from ringfence.spec.job import FederatedJob

MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class GivenNoise:
    """At `noise_multiplier`: `epsilon` of the job as it is; within privacy.epsilon, the most `rounds`, and the largest
    `drawn` (batch, or users in a round; None where everybody takes part), the rest left as it is; 0 where not even one
    fits."""

    noise_multiplier: str
    epsilon: float
    rounds: int
    drawn: int | None


def given_noise(job: FederatedJob, facts: DatasetFacts, noise: str) -> GivenNoise:
    """Raises InvalidInput for a noise multiplier that is none, PlanImpossible as the planner does.

    With epochs fixed, a larger batch means fewer steps, rounded to whole ones: `drawn` fits, and is the largest where
    epsilon rises with the batch, as it does but for that rounding.
    """
    check_noise(noise)
    where = f"dataset {facts.dataset} ({facts.url})"
    if job.spec.privacy is None:
        raise PlanImpossible("the job asks for no privacy and the dataset is private", where=where)
    shape, delta = shape_of(job, facts.unit, facts.records, where), Decimal(job.spec.privacy.delta)
    asked = float(job.spec.privacy.epsilon)

    def epsilon(shape: Shape, rounds: int) -> float:
        return job_epsilon(shape.event(noise).cost(facts.orders), rounds, delta, facts.orders)

    def with_drawn(count: int) -> float:
        return epsilon(drawing(shape, job, count, facts.records), job.spec.rounds)

    now, fixed = int(shape.sampling_rate * facts.records), fixed_draw(shape, facts.orders)
    return GivenNoise(
        noise_multiplier=noise,
        epsilon=epsilon(shape, job.spec.rounds),
        rounds=most(lambda count: epsilon(shape, count), asked, guess=job.spec.rounds, high=MOST_ROUNDS),
        drawn=None if fixed else most(with_drawn, asked, guess=now, high=facts.records),
    )
