"""The stages that an update passes, from a unit's contribution to the next model, and which chains of them are sound.

Each stage says where it runs, whether it is linear in the updates, whether it must see each update by itself, and how
much one unit (a record, a user) can change what comes out of it. A chain is refused at acceptance when

- what leaves a silo of a private dataset is not noised, or noise meets a sum in which no unit is bounded; where the
  silo itself is the unit, what leaves it need only be clipped, and the coordinator, which that unit trusts, noises;
- a stage that is not linear, or that needs single updates, runs on masked ones;
- masks are still on at the end, or noise is drawn for less than what one unit can change.

After noise everything is post-processing: a server optimizer costs nothing, whatever it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction

from ringfence.errors import PlanImpossible

Bound = Fraction | None
"""The most that one unit can change, in l2 norm, as a multiple of the clip; None: nothing bounds it."""


class Place(Enum):
    """Where a stage runs; what passes from a silo to the coordinator is a release."""

    SILO = "silo"
    COORDINATOR = "coordinator"


class Role(Enum):
    """What a stage means to the rules; any other transformation is PLAIN."""

    PLAIN = "plain"
    MASK = "mask"
    UNMASK = "unmask"
    NOISE = "noise"


@dataclass(frozen=True)
class Stage:
    """`linear`: f(a) + f(b) = f(a + b), on a support that does not depend on values, so it may run on masked updates.
    `individual`: it must see every update by itself. `sensitivity`: the bound after it, from the bound before it."""

    name: str
    place: Place
    linear: bool
    individual: bool
    sensitivity: Callable[[Bound], Bound]
    role: Role = Role.PLAIN


def _kept(before: Bound) -> Bound:
    return before


def _clipped(before: Bound) -> Bound:
    return Fraction(1)


CLIP = Stage("clip", Place.SILO, linear=False, individual=True, sensitivity=_clipped)
"""min(1, C / |x|) on each unit's contribution: one unit changes the sum by at most C."""

SUM = Stage("sum", Place.SILO, linear=True, individual=False, sensitivity=_kept)
"""The sum over a silo's units, divided by a number that is public."""

NOISE = Stage("noise", Place.SILO, linear=False, individual=False, sensitivity=_kept, role=Role.NOISE)
"""Gaussian noise of standard deviation sigma C on the sum, drawn inside the silo."""

SUM_OVER_SILOS = replace(SUM, name="sum over silos", place=Place.COORDINATOR)
"""For unit Silo: the sum of the silos' clipped updates, each of weight 1, divided by the number of silos."""

CENTRAL_NOISE = replace(NOISE, name="noise over silos", place=Place.COORDINATOR)
"""For unit Silo: Gaussian noise of standard deviation sigma C on that sum, drawn once a round."""

MEAN = Stage("mean", Place.COORDINATOR, linear=True, individual=False, sensitivity=_kept)
"""The mean over silos, weighted by declared counts: weights are public and at most 1."""

SERVER_STEP = Stage("server step", Place.COORDINATOR, linear=False, individual=False, sensitivity=_kept)
"""The server optimizer (`federation.strategies`), on the mean."""


def chain_of(*, private: bool, whole: bool = False) -> tuple[Stage, ...]:
    """The stages of a job on one dataset. By record and by user they are the same: what is clipped differs. `whole`:
    the silo itself is the unit."""
    if private and whole:
        return (CLIP, SUM_OVER_SILOS, CENTRAL_NOISE, SERVER_STEP)
    inside = (CLIP, SUM, NOISE) if private else (SUM,)
    return (*inside, MEAN, SERVER_STEP)


def check_chain(chain: Sequence[Stage], *, private: bool, where: str, whole: bool = False) -> None:
    """Raises PlanImpossible, naming the stage and what to change, for a chain that does not do what is accounted."""
    bound: Bound = None
    noised = masked = False
    for number, stage in enumerate(chain):
        crosses = number > 0 and (chain[number - 1].place, stage.place) == (Place.SILO, Place.COORDINATOR)
        if crosses and private and whole and (bound is None or bound > 1):
            _refuse(where, f"what reaches {stage.name} at the coordinator is not clipped", "clip last inside the silo")
        if crosses and private and not whole and not noised:
            _refuse(where, f"what reaches {stage.name} at the coordinator is not noised", "add noise inside the silo")
        if masked and stage.role is not Role.UNMASK and (stage.individual or not stage.linear):
            why = "needs single updates" if stage.individual else "is not linear"
            _refuse(where, f"{stage.name} {why} and cannot run on masked ones", f"unmask before {stage.name}")
        masked = stage.role is Role.MASK or (masked and stage.role is not Role.UNMASK)
        if stage.role is Role.NOISE and private and (bound is None or bound > 1):
            what = "nothing bounds" if bound is None else f"{bound} times the clip bounds"
            _refuse(where, f"{what} what one unit changes where {stage.name} is drawn", "clip last before the noise")
        noised = noised or stage.role is Role.NOISE
        bound = stage.sensitivity(bound)
    if private and not noised:
        _refuse(where, "the next model is not noised", "add noise to the sum over silos")
    if masked:
        _refuse(where, "masks are still on at the end", "unmask after the sum")


def _refuse(where: str, message: str, remedy: str) -> None:
    raise PlanImpossible(message, where=where, remedy=remedy)
