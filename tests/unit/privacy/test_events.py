"""Costs of the Poisson-sampled Gaussian: never below the truth, exact in closed form, whole at every order."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ringfence.errors import InvalidInput
from ringfence.privacy.events import SATURATED, PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, MICRO, scale

MNIST = Fraction(256, 60000)


def binomial_rdp(q: float, sigma: float, a: int) -> float:
    """Mironov, Talwar, Zhang 2019 (arXiv 1908.10530), section 3.3, integer orders: a second implementation."""
    terms = (
        math.comb(a, k) * (1 - q) ** (a - k) * q**k * math.expm1((k * k - k) / (2 * sigma**2)) for k in range(a + 1)
    )
    return math.log1p(math.fsum(terms)) / (a - 1)


def integrated_rdp(q: float, sigma: float, a: float) -> float:
    """The same by numerical integration of E[(1 - q + q exp((2x - 1) / 2 sigma^2))^a], any order."""
    x = np.linspace(-14 * sigma, a + 14 * sigma, 400_001)
    density = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    ratio = np.log1p(q * np.expm1((2 * x - 1) / (2 * sigma**2)))
    return float(np.log1p(np.trapezoid(density * np.expm1(a * ratio), x)) / (a - 1))


@pytest.mark.parametrize(("q", "sigma"), [(MNIST, "1.1"), (Fraction(1, 100), "4"), (Fraction(1, 50), "1")])
def test_integer_orders_equal_the_binomial_formula(q: Fraction, sigma: str) -> None:
    orders = [order for order in DEFAULT_ORDERS if "." not in order and int(order) <= 32]
    for order, rdp in zip(orders, PoissonSampledGaussian(sigma, q, 1).rdp(orders), strict=True):
        assert rdp == pytest.approx(binomial_rdp(float(q), float(sigma), int(order)), rel=1e-8)


@pytest.mark.parametrize(
    ("q", "sigma"),
    [
        (MNIST, "1.1"),
        (Fraction(1, 100), "0.8"),
        (Fraction(1, 20), "0.7"),
        (Fraction(1, 5), "3"),
        (Fraction(1, 5), "0.5"),
    ],
)
@pytest.mark.parametrize("order", ["1.5", "2.5"])
def test_fractional_orders_are_bounds_from_above_even_where_the_series_does_not_converge(
    q: Fraction, sigma: str, order: str
) -> None:
    (rdp,) = PoissonSampledGaussian(sigma, q, 1).rdp([order])
    truth = integrated_rdp(float(q), float(sigma), float(order))
    assert truth * (1 - 1e-9) <= rdp <= truth * 3
    assert math.isfinite(rdp)


def test_orders_that_do_not_converge_say_nothing_to_the_user(caplog: pytest.LogCaptureFixture) -> None:
    PoissonSampledGaussian("0.5", Fraction(1, 5), 1).cost(DEFAULT_ORDERS)
    assert not caplog.records


def test_without_sampling_the_cost_is_the_closed_form_exactly() -> None:
    # Mironov 2017, corollary 3: D_a = a / (2 sigma^2) a step; sigma 5, 50 steps: a micro-units.
    assert PoissonSampledGaussian("5", Fraction(1), 50).cost(("2", "2.5", "64")) == (2 * MICRO, 2_500_000, 64 * MICRO)
    (third,) = PoissonSampledGaussian("3", Fraction(1), 1).cost(("2",))
    assert third == math.ceil(Fraction(MICRO, 9))


def test_a_cost_is_never_below_the_rdp_it_stands_for_and_at_most_a_unit_above() -> None:
    event = PoissonSampledGaussian("1.1", MNIST, 14062)
    for cost, rdp in zip(event.cost(DEFAULT_ORDERS), event.rdp(DEFAULT_ORDERS), strict=True):
        assert rdp * MICRO <= cost <= rdp * MICRO * (1 + 2e-8) + 1


def test_a_tiny_mechanism_still_costs_a_unit_at_every_order() -> None:
    assert min(PoissonSampledGaussian("10000", Fraction(1, 10**9), 1).cost(DEFAULT_ORDERS)) == 1


def test_costs_beyond_every_limit_are_written_as_the_largest() -> None:
    assert PoissonSampledGaussian("0.000001", Fraction(1, 2), 1).cost(("64",)) == (SATURATED,)
    assert PoissonSampledGaussian("0.000001", Fraction(1), 10**6).cost(("64",)) == (SATURATED,)


def test_a_cost_is_the_same_for_decimal_and_text_and_on_every_call() -> None:
    first = PoissonSampledGaussian("1.27634", MNIST, 107).cost(DEFAULT_ORDERS)
    assert first == PoissonSampledGaussian(Decimal("1.27634"), MNIST, 107).cost(DEFAULT_ORDERS)


def test_cutting_a_plan_into_rounds_never_costs_less_than_the_whole() -> None:
    whole = PoissonSampledGaussian("1.1", MNIST, 1000).cost(DEFAULT_ORDERS)
    rounds = scale(PoissonSampledGaussian("1.1", MNIST, 100).cost(DEFAULT_ORDERS), 10)
    assert all(w <= r <= w + 20 for w, r in zip(whole, rounds, strict=True))


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "0", "-1", "1e-400", "1e400", "a", None])
def test_a_mechanism_without_real_noise_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match="noise multiplier must be"):
        PoissonSampledGaussian(bad, MNIST, 1)


@pytest.mark.parametrize("bad", [Fraction(0), Fraction(-1, 2), Fraction(3, 2), 0.5])
def test_a_sampling_rate_is_an_exact_fraction(bad: Fraction) -> None:
    with pytest.raises(InvalidInput, match="sampling rate must be a fraction above 0 and at most 1"):
        PoissonSampledGaussian("1", bad, 1)


@pytest.mark.parametrize("bad", [0, -1, 1.0, True])
def test_steps_are_counted(bad: int) -> None:
    with pytest.raises(InvalidInput, match="steps must be an integer of at least 1"):
        PoissonSampledGaussian("1", MNIST, bad)
