"""Gaussian differential privacy: the exact exchange between mu and (epsilon, delta), and its largest whole cost.

A mechanism is mu-GDP when telling two adjacent datasets apart from its output is at least as hard as telling N(0, 1)
from N(mu, 1) (Dong, Roth and Su 2019, arXiv 1905.02383). A Gaussian of noise multiplier sigma is (1 / sigma)-GDP, and
mu-GDP holds exactly when (epsilon, delta) does for every epsilon >= 0 with (corollary 1 of their version of 2022; Balle
and Wang 2018, arXiv 1805.06530, theorem 8, for the Gaussian alone)

    delta = Phi(-s) - e**epsilon * Phi(-t),      s = epsilon / mu - mu / 2,      t = epsilon / mu + mu / 2.

With the Mills ratio M(x) = Phi(-x) / phi(x) and t**2 - s**2 = 2 * epsilon the right side is Phi(-s) - phi(s) * M(t),
in which nothing overflows. Limits are computed in decimal arithmetic, so that every machine finds the same integer;
figures for people in floats. This is the conversion of a sum of real Gaussians, never the central limit of the same
name, which takes any long composition for a Gaussian and falls below the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import TypeVar

Number = TypeVar("Number", float, Decimal)

_PRECISION = Context(prec=70)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899863")
_SERIES_BELOW = 8  # below, the power series of Phi loses under 15 of 70 digits; from here the fraction has 40
_DEPTH = 120


def delta_of(epsilon: Decimal, mu_squared: Decimal) -> Decimal:
    """The delta at which mu-GDP gives `epsilon`, to 30 digits; 0 for mu = 0."""
    if not mu_squared:
        return Decimal(0)
    with localcontext(_PRECISION):
        mu = mu_squared.sqrt()
        s, t = epsilon / mu - mu / 2, epsilon / mu + mu / 2
        density = (-s * s / 2).exp() / (2 * _PI).sqrt()
        if s >= 0:
            return density * (_mills(s) - _mills(t))
        return 1 - density * (_mills(-s) + _mills(t))


@lru_cache(maxsize=256)
def largest_cost(epsilon: Decimal, delta: Decimal, parts: int) -> int:
    """The largest integer m for which mu = sqrt(m / parts) still means (`epsilon`, `delta`): a limit, rounded down."""
    return _largest(lambda m: delta_of(epsilon, Decimal(m) / parts) <= delta)


def least_epsilon(mu_squared: Decimal, delta: Decimal, parts: int) -> Decimal:
    """The least multiple of 1 / `parts` that mu-GDP reaches at `delta`: the same on every machine, rounded up."""
    if not mu_squared or delta_of(Decimal(0), mu_squared) <= delta:
        return Decimal(0)
    return Decimal(_largest(lambda m: delta_of(Decimal(m) / parts, mu_squared) > delta) + 1) / parts


def epsilon_of(mu_squared: float, delta: float) -> float:
    """The epsilon of mu-GDP at `delta`, in floats: for reading and for solving, relative error below 1e-9."""
    if mu_squared <= 0 or _delta_float(0.0, mu_squared) <= delta:
        return 0.0
    low, high = 0.0, 1.0
    while _delta_float(high, mu_squared) > delta:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _delta_float(middle, mu_squared) > delta else (low, middle)
    return high


def _delta_float(epsilon: float, mu_squared: float) -> float:
    mu = math.sqrt(mu_squared)
    s, t = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    density = math.exp(-s * s / 2) / math.sqrt(2 * math.pi)
    if s >= 0:
        return density * (_mills_float(s) - _mills_float(t))
    return 0.5 * math.erfc(s / math.sqrt(2)) - density * _mills_float(t)


def _mills(x: Decimal) -> Decimal:
    """Phi(-x) / phi(x) for x >= 0: from Phi(x) = 1/2 + phi(x) * (x + x**3/3 + x**5/(3*5) + ...), all terms positive."""
    if x >= _SERIES_BELOW:
        return _fraction(x)
    term = total = x
    n = 1
    while term > total.scaleb(-70):
        n += 2
        term = term * x * x / n
        total += term
    return (2 * _PI).sqrt() / 2 * (x * x / 2).exp() - total


def _mills_float(x: float) -> float:
    if x >= 5:
        return _fraction(x)
    return math.sqrt(math.pi / 2) * math.exp(x * x / 2) * math.erfc(x / math.sqrt(2))


def _fraction(x: Number) -> Number:
    """Laplace's continued fraction 1/(x + 1/(x + 2/(x + ...))); its error falls like exp(-2 x sqrt(2 depth))."""
    tail = x
    for n in range(_DEPTH, 0, -1):
        tail = x + n / tail
    return 1 / tail


def _largest(holds: Callable[[int], bool]) -> int:
    """The largest m >= 0 for which `holds(m)`, which is true up to some m and false from there on."""
    high = 1
    while holds(high):
        high *= 2
    low = high // 2 if high > 1 else 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
