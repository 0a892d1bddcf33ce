"""Unit Silo: the noise of a round, drawn by the coordinator on the sum of the silos' clipped updates.

    d = (sum_k delta_k min(1, C / |delta_k|) + N(0, (sigma C)^2 I)) / K

with K the silos of the job, C the clip and sigma the largest noise multiplier that any silo's plan asks for, so that
each has at least the noise that its ledger was charged for (McMahan et al. 2018, arXiv:1710.06963, with every silo in
every round). A silo that sits a round out adds 0 and K stays: the denominator is public and fixed.

The clipped updates reach the coordinator in the clear, which this unit trusts with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.acceptance.accepted import Acceptance

_TOLERANCE = 1e-5
"""By how much a clipped update may be longer than the clip: an update is rounded to float32 after it was clipped."""


@dataclass(frozen=True)
class Charged:
    """What the silos' ledgers hold of a job: the last round that was charged anywhere, 0 before the first, and the
    largest noise multiplier that was reserved."""

    last: int
    noise_multiplier: float


@dataclass(frozen=True)
class CentralNoise:
    """C and K of the formula above; `charged` reads the ledgers anew."""

    max_grad_norm: float
    silos: int
    charged: Callable[[], Charged]

    @property
    def longest(self) -> float:
        """The norm above which an update was not clipped as its silo was charged for."""
        return self.max_grad_norm * (1 + _TOLERANCE)


def central_noise(acceptance: Acceptance, uid: str) -> CentralNoise | None:
    """The coordinator's noise for a job on datasets of unit Silo; None for any other."""
    private = [one for one in acceptance.private if one.manifest.unit == "Silo"]
    plans = [one.plan for one in private if one.plan is not None]
    if not plans:
        return None

    def charged() -> Charged:
        views = [(one.silo, one.ledger.refresh()) for one in private if one.ledger is not None]
        held = [view.reservations.get((uid, silo)) for silo, view in views]
        planned = [one.reserve.plan.noise_multiplier for one in held if one] + [one.noise_multiplier for one in plans]
        last = max([0, *(round_ for silo, view in views for round_ in view.charged_rounds(uid, silo))])
        return Charged(last, max(float(noise) for noise in planned))

    return CentralNoise(max(float(plan.max_grad_norm) for plan in plans), len(private), charged)
