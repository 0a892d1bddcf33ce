"""What a mechanism costs, or how much noise it needs, by every accountant that applies (`ringfence account`).

Two accountants, named by what they are: `rdp`, Renyi with dp_accounting's own dense orders and the 2020 conversion, and
`pld`, the privacy loss distribution (Koskela et al. 2020, arXiv 1906.03049; Doroshenko et al. 2022, arXiv 2207.04380),
pessimistic and tighter. A ledger admits by rdp on its own grid, so its figures are a little larger than `rdp` here.
pld reports and never admits. GDP's central limit falls below the truth and is not offered.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ringfence.errors import InvalidInput, PlanImpossible
from ringfence.privacy.events import PoissonSampledGaussian, quiet_accountant
from ringfence.privacy.solve import least_noise

ADJACENCIES = ("zero-out", "add-or-remove", "replace-one")
LEAST_NOISE, MOST_NOISE = 0.05, 10_000.0
MOST_PLD_STEPS = 2_000_000
"""Beyond it pld does not apply: composing by the library takes minutes, then hours."""
_FINE = 1e-4
"""Width of pld's buckets: 2.381686 for the MNIST run where a width of 1e-5 gives 2.381598."""


def epsilons(event: PoissonSampledGaussian, delta: Decimal, adjacency: str = "zero-out") -> dict[str, float]:
    """Epsilon at `delta` by each accountant that applies: {"rdp": .., "pld": ..}.

    rdp has no sound bound here for Poisson samples under replace-one, so there the key is absent, rather than a number
    for another question; pld is absent beyond MOST_PLD_STEPS sampled steps. Raises InvalidInput for a delta outside
    (0, 1), an unknown adjacency, or when none applies.
    """
    names = _applicable(event.sampling_rate, event.steps, delta, adjacency)
    return {name: (_rdp_epsilon if name == "rdp" else pld_epsilon)(event, delta, adjacency) for name in names}


def noise_for(
    epsilon: Decimal, delta: Decimal, sampling_rate: Fraction, steps: int, adjacency: str = "zero-out"
) -> dict[str, float]:
    """The least noise multiplier that meets (`epsilon`, `delta`), by each accountant that applies.

    Raises InvalidInput as `epsilons` does, and PlanImpossible if no noise up to 10,000 is enough.
    """
    names = _applicable(sampling_rate, steps, delta, adjacency)
    if not epsilon.is_finite() or epsilon <= 0:
        raise InvalidInput(f"epsilon must be positive and finite, not {epsilon}")
    found: dict[str, float] = {}
    low, high = LEAST_NOISE, MOST_NOISE
    for name in names:
        epsilon_of = _rdp_epsilon if name == "rdp" else pld_epsilon
        found[name] = _solved(
            lambda noise, by=epsilon_of: by(_event(noise, sampling_rate, steps), delta, adjacency), epsilon, low, high
        )
        low, high = max(low, found[name] * 0.5), found[name] * 1.01  # pld is looser by no more than its buckets
    return found


def unamplified(event: PoissonSampledGaussian) -> PoissonSampledGaussian:
    """The same noise if the sample were known to everyone: a record takes part in sampling_rate * steps full steps."""
    return PoissonSampledGaussian(event.noise_multiplier, Fraction(1), math.ceil(event.steps * event.sampling_rate))


@lru_cache(maxsize=256)
def pld_epsilon(
    event: PoissonSampledGaussian, delta: Decimal, adjacency: str = "zero-out", width: float = _FINE
) -> float:
    """Epsilon by the privacy loss distribution, on buckets of `width` (coarser where losses are large), pessimistic.

    A sum of T unamplified Gaussians is computed as one Gaussian with noise divided by sqrt(T), which is exact.
    """
    import dp_accounting
    from dp_accounting.pld import PLDAccountant

    noise = float(Decimal(event.noise_multiplier))
    if event.sampling_rate == 1:
        noise /= math.sqrt(event.steps)
        composed: Any = dp_accounting.GaussianDpEvent(noise)
    else:
        composed = event.dp_event()
    width = _bucket(noise, float(event.sampling_rate), width)
    accountant = PLDAccountant(_relation(adjacency), value_discretization_interval=width)
    accountant.compose(composed)
    return float(accountant.get_epsilon(float(delta)))


def _bucket(noise: float, rate: float, width: float) -> float:
    """A width that is small beside one step's loss, of deviation about rate / noise, within what memory allows.

    Each step rounds its loss up: at a width of several deviations a million steps read as twice their epsilon. One step
    spans about 1/noise + 1/noise**2 of loss: at most some hundred thousand buckets of it.
    """
    fine = min(width, max(2e-5, 0.1 * rate / noise))
    return max(fine, 10.0 ** math.ceil(math.log10((1 / noise + 1 / noise**2) * 1e-5)))


def _rdp_epsilon(event: PoissonSampledGaussian, delta: Decimal, adjacency: str) -> float:
    from dp_accounting.rdp import RdpAccountant

    with quiet_accountant():
        accountant = RdpAccountant(neighboring_relation=_relation(adjacency))
        accountant.compose(event.dp_event())
    return float(accountant.get_epsilon(float(delta)))


def _applicable(rate: Fraction, steps: int, delta: Decimal, adjacency: str) -> list[str]:
    if not delta.is_finite() or not 0 < delta < 1:
        raise InvalidInput(f"delta must lie between 0 and 1, not {delta}")
    if adjacency not in ADJACENCIES:
        raise InvalidInput(f"adjacency {adjacency!r} is not known", remedy=f"use one of {', '.join(ADJACENCIES)}")
    names = [] if adjacency == "replace-one" else ["rdp"]
    if rate == 1 or steps <= MOST_PLD_STEPS:
        names.append("pld")
    if not names:
        raise InvalidInput(
            f"no accountant covers {steps} sampled steps under {adjacency}",
            remedy=f"take at most {MOST_PLD_STEPS} steps",
        )
    return names


def _relation(adjacency: str) -> Any:
    from dp_accounting import NeighboringRelation

    names = {"zero-out": "REPLACE_SPECIAL", "add-or-remove": "ADD_OR_REMOVE_ONE", "replace-one": "REPLACE_ONE"}
    return getattr(NeighboringRelation, names[adjacency])


def _event(noise: float, sampling_rate: Fraction, steps: int) -> PoissonSampledGaussian:
    return PoissonSampledGaussian(Decimal(noise), sampling_rate, steps)


def _solved(epsilon_at: Any, epsilon: Decimal, low: float, high: float) -> float:
    noise = least_noise(epsilon_at, float(epsilon), low=low, high=high)
    if noise is None:
        raise PlanImpossible(
            f"no noise multiplier up to {MOST_NOISE:g} reaches epsilon {epsilon} at this delta",
            remedy="take fewer steps, a smaller sampling rate, a larger epsilon or a larger delta",
        )
    return noise
