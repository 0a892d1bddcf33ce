"""Mechanisms as events: what was done to the records, and what it costs at each Renyi order.

The one mechanism of this release is DP-SGD's: each step every record is drawn independently with the same probability
(Poisson sampling), the clipped sum gets Gaussian noise of standard deviation noise_multiplier * clip. Adjacency is
zero-out (one record's contribution replaced by nothing; the same values as add or remove one): the number of records is
public, since the sampling rate uses it. Sampling with replacement, shuffled or fixed-size batches are other
mechanisms with other costs; they must not be described by this event.

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
from typing import Any

from ringfence.errors import InvalidInput
from ringfence.privacy.orders import MICRO, Cost

SATURATED = 10**14
"""Stands for every larger cost: the most a ledger entry holds, and above any limit (epsilon has at most six digits)."""

_FLOAT_MARGIN = 1e-8
"""Relative margin on float RDP. Integer orders agree with 40-digit integration to 2e-9 (q 1e-4, order 64)."""


@dataclass(frozen=True)
class PoissonSampledGaussian:
    """`steps` sums over Poisson samples at `sampling_rate`, each with noise of `noise_multiplier` times the clip.

    `noise_multiplier` is a decimal (text or Decimal), above 0; `sampling_rate` an exact fraction in (0, 1], where 1 is
    the unamplified Gaussian; `steps` at least 1. Raises InvalidInput otherwise.
    """

    noise_multiplier: Decimal | str
    sampling_rate: Fraction
    steps: int

    def __post_init__(self) -> None:
        try:
            noise = Decimal(self.noise_multiplier)
        except (InvalidOperation, TypeError, ValueError) as error:
            raise InvalidInput(f"noise multiplier must be a decimal number, not {self.noise_multiplier!r}") from error
        if not noise.is_finite() or not float(noise) > 0 or not math.isfinite(float(noise)):
            raise InvalidInput(f"noise multiplier must be positive and finite, not {self.noise_multiplier}")
        if not isinstance(self.sampling_rate, Fraction) or not 0 < self.sampling_rate <= 1:
            raise InvalidInput(f"sampling rate must be a fraction above 0 and at most 1, not {self.sampling_rate}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise InvalidInput(f"steps must be an integer of at least 1, not {self.steps!r}")

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
        """Integer micro-units of RDP at each order for all steps at once, rounded up once; never 0.

        Without amplification the closed form steps * a / (2 noise_multiplier**2) is rounded exactly, as a fraction.
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


@lru_cache(maxsize=4096)
def _cost(event: PoissonSampledGaussian, orders: tuple[str, ...]) -> Cost:
    """Kept, because a plan, its reservation and each silo's check of it ask for the same vectors again."""
    if event.sampling_rate == 1:
        noise = Fraction(Decimal(event.noise_multiplier))
        exact = (event.steps * Fraction(order) / (2 * noise**2) for order in orders)
        return tuple(min(SATURATED, math.ceil(value * MICRO)) for value in exact)
    return tuple(_micro_up(value) for value in event.rdp(orders))


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


def _micro_up(value: float) -> int:
    scaled = value * MICRO * (1 + _FLOAT_MARGIN)
    return SATURATED if not scaled < SATURATED else max(1, math.ceil(scaled))
