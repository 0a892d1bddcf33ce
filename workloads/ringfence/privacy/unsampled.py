"""Mechanisms in which every unit takes part: Gaussian, discrete Gaussian, Laplace, and compositions.

None of them claims amplification by sampling, so nothing depends on who was drawn or on batches having any one size.
Adjacency and units as in `events`; all costs here are closed forms, rounded up exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from ringfence.errors import InvalidInput, MechanismNotAccounted
from ringfence.privacy.events import Event, check_noise, check_steps, gaussian_cost, micro_up
from ringfence.privacy.orders import MICRO, Cost, accountant, add

_PRECISION = Context(prec=60)


@dataclass(frozen=True)
class Gaussian:
    """`steps` sums over all units, each unit's contribution at most the clip in l2 norm, noise `noise_multiplier` times
    the clip in every coordinate. (1 / noise_multiplier)-GDP a step, and a / (2 noise_multiplier**2) at order a."""

    noise_multiplier: Decimal | str
    steps: int

    def __post_init__(self) -> None:
        check_noise(self.noise_multiplier)
        check_steps(self.steps)

    def cost(self, orders: Sequence[str]) -> Cost:
        """Exact on every grid (`events.gaussian_cost`)."""
        return gaussian_cost(self.noise_multiplier, self.steps, orders)

    def dp_event(self) -> Any:
        """The same mechanism as a `dp_accounting.DpEvent`."""
        import dp_accounting

        gaussian = dp_accounting.GaussianDpEvent(float(Decimal(self.noise_multiplier)))
        return dp_accounting.SelfComposedDpEvent(gaussian, self.steps)


@dataclass(frozen=True)
class DiscreteGaussian:
    """`steps` sums of integer vectors, each unit's at most the clip in l2 norm, with independent discrete Gaussian
    noise of parameter `noise_multiplier` times the clip on the integers.

    Its zCDP, and so its RDP, is bounded by the Gaussian's of that parameter (Canonne, Kamath and Steinke 2020, arXiv
    2004.00010; for vectors Kairouz, Liu and Steinke 2021, arXiv 2102.06387). A sum of several parties' discrete
    Gaussians is no discrete Gaussian and is not this event. No GDP bound is known at 1 / noise_multiplier.
    """

    noise_multiplier: Decimal | str
    steps: int

    def __post_init__(self) -> None:
        check_noise(self.noise_multiplier)
        check_steps(self.steps)

    def cost(self, orders: Sequence[str]) -> Cost:
        """The Gaussian's, on grids of Renyi orders; MechanismNotAccounted on ("gdp",)."""
        _refuse_gdp(orders, "discrete Gaussian")
        return gaussian_cost(self.noise_multiplier, self.steps, orders)

    def dp_event(self) -> Any:
        """As zCDP, since `dp_accounting` has no discrete Gaussian: rho = steps / (2 noise_multiplier**2)."""
        import dp_accounting

        return dp_accounting.ZCDpEvent(float(self.steps / (2 * Fraction(Decimal(self.noise_multiplier)) ** 2)))


@dataclass(frozen=True)
class Laplace:
    """`steps` sums over all units, each unit's contribution at most the clip in l1 norm, Laplace noise of scale
    b = `noise_multiplier` times the clip in every coordinate: (1 / b)-DP a step, and at order a > 1

        D_a = log( a / (2a - 1) * exp((a - 1) / b) + (a - 1) / (2a - 1) * exp(-a / b) ) / (a - 1)

    (Mironov 2017, arXiv 1702.07476, proposition 6), at most 1 / b.
    """

    noise_multiplier: Decimal | str
    steps: int

    def __post_init__(self) -> None:
        check_noise(self.noise_multiplier)
        check_steps(self.steps)

    def cost(self, orders: Sequence[str]) -> Cost:
        """The closed form in decimal arithmetic; MechanismNotAccounted on ("gdp",)."""
        _refuse_gdp(orders, "Laplace mechanism")
        with localcontext(_PRECISION):
            inverse = 1 / Decimal(self.noise_multiplier)
            return tuple(micro_up(self.steps * MICRO * _laplace(Decimal(order), inverse)) for order in orders)

    def dp_event(self) -> Any:
        """The same mechanism as a `dp_accounting.DpEvent`."""
        import dp_accounting

        laplace = dp_accounting.LaplaceDpEvent(float(Decimal(self.noise_multiplier)))
        return dp_accounting.SelfComposedDpEvent(laplace, self.steps)


@dataclass(frozen=True)
class Composition:
    """Several events on the same units, in any order, each fixed in advance: costs add up order by order."""

    parts: tuple[Event, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise InvalidInput("a composition needs at least one event")

    def cost(self, orders: Sequence[str]) -> Cost:
        """The sum of the parts' costs."""
        total = self.parts[0].cost(orders)
        for part in self.parts[1:]:
            total = add(total, part.cost(orders))
        return total

    def dp_event(self) -> Any:
        """The same mechanism as a `dp_accounting.DpEvent`."""
        import dp_accounting

        return dp_accounting.ComposedDpEvent([part.dp_event() for part in self.parts])


def _refuse_gdp(orders: Sequence[str], what: str) -> None:
    if accountant(orders) == "gdp":
        raise MechanismNotAccounted(
            f"a {what} has no place in a gdp ledger, which counts real Gaussians only",
            remedy="use a dataset whose ledger is rdp",
        )


def _laplace(order: Decimal, inverse: Decimal) -> Decimal:
    """D_a, with the larger exponential taken out of the logarithm; call it under `_PRECISION`."""
    rest = (order - 1) * (-(2 * order - 1) * inverse).exp()
    return inverse + ((order + rest) / (2 * order - 1)).ln() / (order - 1)
