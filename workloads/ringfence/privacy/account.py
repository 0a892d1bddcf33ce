"""What a mechanism costs, by every accountant that applies (`ringfence account`).

Three accountants, named by what they are: `rdp`, Renyi with dp_accounting's own dense orders and the 2020 conversion;
`pld`, the privacy loss distribution (Koskela et al. 2020, arXiv 1906.03049; Doroshenko et al. 2022, arXiv 2207.04380),
pessimistic and tighter; and `gdp`, exact, for unamplified Gaussians only. A ledger admits by rdp on its own grid, so
its figures are a little larger than `rdp` here, or by gdp. pld reports and never admits.

Adjacency: zero-out (a unit's contribution replaced by nothing) and add-or-remove have the same values. replace-one lets
a unit's contribution become another one, at twice the distance: without sampling that is the same mechanism at half
the noise multiplier, computed so here for every accountant (dp_accounting leaves it to the caller); with sampling only
pld has a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ringfence.errors import InvalidInput
from ringfence.privacy import gdp
from ringfence.privacy.events import PoissonSampledGaussian, quiet_accountant, zero_out
from ringfence.privacy.unsampled import DiscreteGaussian, Gaussian, Laplace

Mechanism = PoissonSampledGaussian | Gaussian | DiscreteGaussian | Laplace

ADJACENCIES = ("zero-out", "add-or-remove", "replace-one")
MOST_PLD_STEPS = 2_000_000
"""Beyond it pld does not apply: composing by the library takes minutes, then hours."""
_FINE = 1e-4
"""Width of pld's buckets: 2.381686 for the MNIST run where a width of 1e-5 gives 2.381598."""


def epsilons(event: Mechanism, delta: Decimal, adjacency: str = "zero-out") -> dict[str, float]:
    """Epsilon at `delta` by each accountant that applies: {"rdp": .., "pld": .., "gdp": ..}.

    An accountant without a sound bound for this question is absent, rather than a number for another question: rdp for
    Poisson samples under replace-one, pld beyond MOST_PLD_STEPS steps and for discrete Gaussians, gdp for all but
    unamplified Gaussians. Raises InvalidInput for a delta outside (0, 1), an unknown adjacency, or when none applies.
    """
    return {name: by(event, delta, adjacency) for name, by in accountants(event, delta, adjacency).items()}


def accountants(
    event: Mechanism, delta: Decimal, adjacency: str
) -> dict[str, Callable[[Mechanism, Decimal, str], float]]:
    """The accountants that have a sound bound for mechanisms like `event`, by name, loosest first."""
    if not delta.is_finite() or not 0 < delta < 1:
        raise InvalidInput(f"delta must lie between 0 and 1, not {delta}")
    if adjacency not in ADJACENCIES:
        raise InvalidInput(f"adjacency {adjacency!r} is not known", remedy=f"use one of {', '.join(ADJACENCIES)}")
    plain = unamplified_gaussian(event)
    found: dict[str, Callable[[Mechanism, Decimal, str], float]] = {}
    if not _sampled(event) or adjacency != "replace-one":
        found["rdp"] = rdp_epsilon
    if not isinstance(event, DiscreteGaussian) and (plain or event.steps <= MOST_PLD_STEPS):
        found["pld"] = pld_epsilon
    if plain:
        found["gdp"] = gdp_epsilon
    if not found:
        raise InvalidInput(
            f"no accountant covers {event.steps} sampled steps under {adjacency}",
            remedy=f"take at most {MOST_PLD_STEPS} steps",
        )
    return found


def unamplified(event: Mechanism) -> Mechanism:
    """The same noise if the sample were known to everyone: a unit takes part in sampling_rate * steps full steps."""
    if not isinstance(event, PoissonSampledGaussian):
        return event
    return PoissonSampledGaussian(event.noise_multiplier, Fraction(1), math.ceil(event.steps * event.sampling_rate))


def unamplified_gaussian(event: Mechanism) -> bool:
    """Whether the event is a Gaussian in which every unit takes part."""
    return isinstance(event, Gaussian) or (isinstance(event, PoissonSampledGaussian) and not _sampled(event))


def gdp_epsilon(event: Mechanism, delta: Decimal, adjacency: str = "zero-out") -> float:
    """Exact: steps unamplified Gaussians are one of mu = sqrt(steps) / noise_multiplier (`gdp`)."""
    noise = float(Decimal(_apart(event, adjacency).noise_multiplier))
    return gdp.epsilon_of(event.steps / noise**2, float(delta))


def rdp_epsilon(event: Mechanism, delta: Decimal, adjacency: str = "zero-out") -> float:
    """Renyi on dp_accounting's own orders, converted by Canonne, Kamath and Steinke 2020."""
    from dp_accounting.rdp import RdpAccountant

    with quiet_accountant():
        accountant = RdpAccountant(neighboring_relation=zero_out())
        accountant.compose(_apart(event, adjacency).dp_event())
    return float(accountant.get_epsilon(float(delta)))


@lru_cache(maxsize=256)
def pld_epsilon(event: Mechanism, delta: Decimal, adjacency: str = "zero-out", width: float = _FINE) -> float:
    """Epsilon by the privacy loss distribution, on buckets of `width` (coarser where losses are large), pessimistic.

    A sum of T unamplified Gaussians is computed as one Gaussian with noise divided by sqrt(T), which is exact.
    """
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    apart = _apart(event, adjacency)
    noise, rate = float(Decimal(apart.noise_multiplier)), 1.0
    if unamplified_gaussian(apart):
        noise /= math.sqrt(apart.steps)
        composed: Any = dp_accounting.GaussianDpEvent(noise)
    else:
        composed = apart.dp_event()
        rate = float(apart.sampling_rate) if isinstance(apart, PoissonSampledGaussian) else 1.0
    relation = _replace_one() if _sampled(event) and adjacency == "replace-one" else zero_out()
    accountant = PLDAccountant(relation, value_discretization_interval=_bucket(noise, rate, width))
    accountant.compose(composed)
    return float(accountant.get_epsilon(float(delta)))


def _bucket(noise: float, rate: float, width: float) -> float:
    """A width that is small beside one step's loss, of deviation about rate / noise, within what memory allows.

    Each step rounds its loss up: at a width of several deviations a million steps read as twice their epsilon. One step
    spans about 1/noise + 1/noise**2 of loss: at most some hundred thousand buckets of it.
    """
    fine = min(width, max(2e-5, 0.1 * rate / noise))
    return max(fine, 10.0 ** math.ceil(math.log10((1 / noise + 1 / noise**2) * 1e-5)))


def _sampled(event: Mechanism) -> bool:
    return isinstance(event, PoissonSampledGaussian) and event.sampling_rate != 1


def _apart(event: Mechanism, adjacency: str) -> Mechanism:
    """The event whose zero-out cost is this one's cost under `adjacency`; sampled ones are left to pld itself."""
    if adjacency != "replace-one" or _sampled(event):
        return event
    return replace(event, noise_multiplier=Decimal(event.noise_multiplier) / 2)


def _replace_one() -> Any:
    from dp_accounting import NeighboringRelation

    return NeighboringRelation.REPLACE_ONE
