"""The shape of a job on one dataset: who takes part in a release, how often noise is added in a round, and for whom.

| unit | N | sampling rate q | steps a round | delta must stay below |
|---|---|---|---|---|
| Record | training records | batchSize / N | round(epochs * N / batchSize) | 1 / N |
| User | users | usersPerRound / N | 1: the round's sum is the release | 1 / N |
| Silo | 1 | 1: a silo takes part in every round | 1: the round's sum over silos | 1 / silos of the job |

With `local.everybody` the batch (the users of a round) is N: q = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ringfence.errors import PlanImpossible
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import accountant

if TYPE_CHECKING:
    from ringfence.spec.job import FederatedJob

UNITS = ("Record", "User", "Silo")
_PLURAL = {"Record": "records", "User": "users", "Silo": "silos"}
_WHOLE = {"Record": "a row", "User": "all rows of a user", "Silo": "a silo's update"}


@dataclass(frozen=True)
class Shape:
    """`steps` noisy sums in a round, over units drawn at `sampling_rate` (exact; 1 is everybody, unamplified)."""

    unit: str
    sampling_rate: Fraction
    steps: int

    def event(self, noise: str | Decimal, rounds: int = 1) -> PoissonSampledGaussian:
        """The mechanism of `rounds` rounds at this noise multiplier."""
        return PoissonSampledGaussian(noise, self.sampling_rate, self.steps * rounds)


def counted(unit: str, records: int, persons: int) -> int:
    """How many units a dataset of so many training records and persons behind them has: the N of the table above."""
    return {"User": persons, "Silo": 1}.get(unit.partition(":")[0], records)


def shape_of(job: FederatedJob, unit: str, records: int, where: str) -> Shape:
    """The shape of `job` on a dataset of `records` units. Raises PlanImpossible with what to change."""
    unit = unit.partition(":")[0]
    if unit not in UNITS:
        raise PlanImpossible(f"its unit {unit[:40]!r} is not one of {', '.join(UNITS)}", where=where)
    if records < 1:
        raise PlanImpossible(f"it has no training {_PLURAL[unit]}", where=where)
    if unit == "Silo":
        return Shape(unit, Fraction(1), 1)
    if unit == "User":
        return Shape(unit, Fraction(_users(job, records, where), records), 1)
    batch = job.spec.local.batch(records)
    if batch > records:
        raise PlanImpossible(
            f"local.batchSize {batch} is more than its {records} training records",
            where=where,
            remedy=f"set local.batchSize to at most {records}",
        )
    steps = _steps(Fraction(Decimal(job.spec.local.epochs)), batch, records, where)
    return Shape(unit, Fraction(batch, records), steps)


def drawing(shape: Shape, job: FederatedJob, drawn: int, records: int) -> Shape:
    """The same job with `drawn` of `records` units expected in a step; as many passes over rows need other steps."""
    steps = shape.steps
    if shape.unit == "Record":
        steps = max(1, steps_per_round(Fraction(Decimal(job.spec.local.epochs)), records, drawn))
    return replace(shape, sampling_rate=Fraction(drawn, records), steps=steps)


def fixed_draw(shape: Shape, orders: Sequence[str]) -> bool:
    """Whether nothing but everybody may be drawn: for unit Silo, and on a gdp ledger."""
    return shape.unit == "Silo" or accountant(orders) == "gdp"


def steps_per_round(epochs: Fraction, records: int, batch_size: int) -> int:
    """round(epochs * N / batchSize), halves to even: what a silo does in a round, private or not."""
    return round(epochs * records / batch_size)


def check_delta(delta: str, job: FederatedJob, shape: Shape, records: int, where: str) -> None:
    """Refuse a delta of 1/N or more: it would allow publishing one of the N units whole."""
    units = len(job.spec.silos) if shape.unit == "Silo" else records
    if Decimal(delta) * units < 1:
        return
    raise PlanImpossible(
        f"privacy.delta {delta} is at least 1 / {units} {_PLURAL[shape.unit]}: "
        f"publishing {_WHOLE[shape.unit]} would satisfy it",
        where=where,
        remedy=f"set privacy.delta below {Decimal(1) / units:.1E}",
    )


def _users(job: FederatedJob, records: int, where: str) -> int:
    drawn = job.spec.local.users(records)
    if drawn is None:
        raise PlanImpossible(
            "its unit is User and the job does not say how many users take part in a round",
            where=where,
            remedy="set local.usersPerRound, or local.everybody: Users",
        )
    if drawn > records:
        raise PlanImpossible(
            f"local.usersPerRound {drawn} is more than its {records} users",
            where=where,
            remedy=f"set local.usersPerRound to at most {records}",
        )
    return drawn


def _steps(epochs: Fraction, batch: int, records: int, where: str) -> int:
    steps = steps_per_round(epochs, records, batch)
    if steps < 1:
        raise PlanImpossible(
            f"local.epochs {float(epochs):g} of {records} records in batches of {batch} round to no step",
            where=where,
            remedy="take a smaller local.batchSize or more local.epochs",
        )
    return steps
