"""Mechanisms as events: what was done to the units of a dataset, and what it costs on a ledger's grid.

A unit is what one guarantee protects (a record, a user, a silo); its contribution to a release is clipped, and noise is
measured against that clip. Adjacency is zero-out throughout: one unit's contribution replaced by nothing, with the same
values as adding or removing one; the number of units is public, since the sampling rate uses it.

| event | what is released | costs on |
|---|---|---|
| `PoissonSampledGaussian` | sums over Poisson samples, Gaussian noise (DP-SGD, rounds of users) | rdp; gdp at rate 1 |
| `unsampled.Gaussian` | sums over all units, Gaussian noise | rdp, gdp |
| `unsampled.DiscreteGaussian` | integer sums over all units, discrete Gaussian noise | rdp |
| `unsampled.Laplace` | sums over all units, Laplace noise | rdp |
| `unsampled.Composition` | several of these, the same units in each | what its parts do |

Sampling with replacement, shuffled or fixed-size batches are other mechanisms with other costs; they must not be
described by these events, and `sampling.refuse` says why for each.

`dp_accounting` does the mathematics. It is slow to import (about a second), so it is imported where it is used.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

from ringfence.errors import InvalidInput, MechanismNotAccounted
from ringfence.privacy.orders import MICRO, Cost, accountant

SATURATED = 10**14
"""Stands for every larger cost: the most a ledger entry holds, and above any limit (epsilon has at most six digits)."""

_FLOAT_MARGIN = 1e-8
"""Relative margin on float RDP. Integer orders agree with 40-digit integration to 2e-9 (q 1e-4, order 64)."""


class Event(Protocol):
    """One mechanism: what it costs on a grid, and the same for `dp_accounting`."""

    def cost(self, orders: Sequence[str]) -> Cost:
        """Integer micro-units at each order of the grid, rounded up once; never 0. MechanismNotAccounted on a grid that
        has no sound bound for it."""
        ...

    def dp_event(self) -> Any:
        """A `dp_accounting.DpEvent`."""
        ...


@dataclass(frozen=True)
class PoissonSampledGaussian:
    """`steps` sums over Poisson samples at `sampling_rate`, each with noise of `noise_multiplier` times the clip.

    In each step every unit is drawn on its own with the same probability. `noise_multiplier` is a decimal (text or
    Decimal), above 0; `sampling_rate` an exact fraction in (0, 1], where 1 is the unamplified Gaussian; `steps` at
    least 1. Raises InvalidInput otherwise.
    """

    noise_multiplier: Decimal | str
    sampling_rate: Fraction
    steps: int

    def __post_init__(self) -> None:
        check_noise(self.noise_multiplier)
        if not isinstance(self.sampling_rate, Fraction) or not 0 < self.sampling_rate <= 1:
            raise InvalidInput(f"sampling rate must be a fraction above 0 and at most 1, not {self.sampling_rate}")
        check_steps(self.steps)

    def rdp(self, orders: Sequence[str]) -> tuple[float, ...]:
        """RDP of all steps at each order; infinite where even the bound below overflows.

        Mironov, Talwar and Zhang 2019 (arXiv 1908.10530), as `dp_accounting` computes it. Its series for fractional
        orders sums absolute values: an upper bound that can be loose or not converge. Where the chord between the
        neighbouring integer orders is lower it is taken: (a - 1) D_a is convex in a (Hoelder), and 0 at order 1.
        """
        values = [float(order) for order in orders]
        whole = sorted({float(side) for a in values for side in (math.floor(a), math.ceil(a)) if side > 1})
        at = dict(zip(whole, self._library_rdp(whole), strict=True)) | {1.0: 0.0}
        fractional = [a for a in values if a not in at]
        direct = dict(zip(fractional, self._library_rdp(fractional), strict=True))
        return tuple(at[a] if a in at else min(direct[a], _chord(a, at)) for a in values)

    def cost(self, orders: Sequence[str]) -> Cost:
        """Integer micro-units at each order for all steps at once, rounded up once; never 0.

        Without amplification the closed form is rounded exactly (`gaussian_cost`). A sampled Gaussian has no cost on
        the grid ("gdp",): MechanismNotAccounted.
        """
        return _cost(self, tuple(orders))

    def dp_event(self) -> Any:
        """The same mechanism as a `dp_accounting.DpEvent`."""
        import dp_accounting

        event = dp_accounting.GaussianDpEvent(float(Decimal(self.noise_multiplier)))
        if self.sampling_rate != 1:
            event = dp_accounting.PoissonSampledDpEvent(float(self.sampling_rate), event)
        return dp_accounting.SelfComposedDpEvent(event, self.steps)

    def _library_rdp(self, orders: Sequence[float]) -> list[float]:
        from dp_accounting.rdp import RdpAccountant

        if not orders:
            return []
        with quiet_accountant():
            accountant = RdpAccountant(orders, zero_out())
            accountant.compose(self.dp_event())
        return [math.inf if math.isnan(value) else max(0.0, float(value)) for value in accountant.rdp]


def check_noise(value: Decimal | str) -> Decimal:
    """A noise multiplier as a number: positive and finite. Without noise no finite epsilon holds."""
    try:
        noise = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise InvalidInput(f"noise multiplier must be a decimal number, not {value!r}") from error
    if not noise.is_finite() or not float(noise) > 0 or not math.isfinite(float(noise)):
        remedy = "without noise no finite epsilon holds" if noise.is_finite() and not noise else ""
        raise InvalidInput(f"noise multiplier must be positive and finite, not {value}", remedy=remedy)
    return noise


def check_steps(value: int) -> None:
    """Refuse anything but an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInput(f"steps must be an integer of at least 1, not {value!r}")


def gaussian_cost(noise_multiplier: Decimal | str, steps: int, orders: Sequence[str]) -> Cost:
    """`steps` unamplified Gaussians, exactly: steps * a / (2 sigma**2) at order a (Mironov 2017, arXiv 1702.07476).

    On the grid ("gdp",) it is mu**2 = steps / sigma**2 (Dong, Roth and Su 2019, arXiv 1905.02383).
    """
    square = Fraction(Decimal(noise_multiplier)) ** 2
    if accountant(orders) == "gdp":
        exact = [steps / square]
    else:
        exact = [steps * Fraction(order) / (2 * square) for order in orders]
    return tuple(micro_up(value * MICRO) for value in exact)


def micro_up(value: Fraction | Decimal | float) -> int:
    """An amount of micro-units as the cost it is written as: rounded up, at least 1, at most SATURATED."""
    return max(1, math.ceil(value)) if value < SATURATED else SATURATED


@lru_cache(maxsize=4096)
def _cost(event: PoissonSampledGaussian, orders: tuple[str, ...]) -> Cost:
    """Kept, because a plan, its reservation and each silo's check of it ask for the same vectors again."""
    if event.sampling_rate == 1:
        return gaussian_cost(event.noise_multiplier, event.steps, orders)
    if accountant(orders) == "gdp":
        raise MechanismNotAccounted(
            f"a Gaussian sampled at rate {event.sampling_rate} has no place in a gdp ledger: its mu is known by a "
            "central limit only, which falls below the truth",
            remedy="let every record or user take part in every step, or use a dataset whose ledger is rdp",
        )
    return tuple(micro_up(value * MICRO * (1 + _FLOAT_MARGIN)) for value in event.rdp(orders))


def zero_out() -> Any:
    """dp_accounting's name for zero-out adjacency."""
    import dp_accounting

    return dp_accounting.NeighboringRelation.REPLACE_SPECIAL


@contextmanager
def quiet_accountant() -> Iterator[None]:
    """Keep dp_accounting's remarks on orders that did not converge off the user's screen: such orders are replaced."""
    logger = logging.getLogger("absl")

    def drop(record: logging.LogRecord) -> bool:
        return "failed to converge" not in str(record.msg)

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


def _chord(order: float, at: dict[float, float]) -> float:
    low, high = float(math.floor(order)), float(math.ceil(order))
    share = order - low
    return ((1 - share) * (low - 1) * at[low] + share * (high - 1) * at[high]) / (order - 1)
