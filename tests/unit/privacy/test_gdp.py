"""The exact exchange between mu and (epsilon, delta): closed forms, another implementation, and rounding."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from scipy.special import log_ndtr
from scipy.stats import norm

from ringfence.errors import InvalidInput
from ringfence.privacy import gdp
from ringfence.privacy.orders import (
    GDP_ORDERS,
    GRIDS,
    MICRO,
    accountant,
    exact_epsilon,
    gaussian_order,
    limits,
    split_delta,
)

TEN, DELTA = Decimal(10), Decimal("1e-7")


def by_scipy(epsilon: float, mu: float) -> float:
    return float(norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon + log_ndtr(-epsilon / mu - mu / 2)))


@pytest.mark.parametrize(
    ("epsilon", "mu"), [(0.5, 0.1), (1, 0.2680), (1, 2), (8, 1.666), (10, 1.725), (3, 0.3), (0, 1), (50, 9), (2, 40)]
)
def test_delta_agrees_with_floats_of_another_library(epsilon: float, mu: float) -> None:
    found = gdp.delta_of(Decimal(epsilon), Decimal(mu) ** 2)
    assert float(found) == pytest.approx(by_scipy(epsilon, mu), rel=1e-9)
    assert gdp._delta_float(epsilon, mu * mu) == pytest.approx(float(found), rel=1e-9)


@pytest.mark.parametrize(("epsilon", "sigma"), [("1", "3.730632"), ("8", "0.600229")])
def test_the_analytic_gaussian(epsilon: str, sigma: str) -> None:
    # Balle and Wang 2018, algorithm 1, at delta 1e-5: one Gaussian of sensitivity 1.
    found = gdp.largest_cost(Decimal(epsilon), Decimal("1e-5"), 10**12)
    assert math.sqrt(10**12 / found) == pytest.approx(float(sigma), rel=3e-7)


@pytest.mark.parametrize("epsilon", ["0.1", "1", "8", "10", "300", "999999"])
def test_a_limit_is_the_largest_whole_cost_that_still_means_it(epsilon: str) -> None:
    (most,) = limits(Decimal(epsilon), (DELTA,), GDP_ORDERS)
    assert gdp.delta_of(Decimal(epsilon), Decimal(most) / MICRO) <= DELTA
    assert gdp.delta_of(Decimal(epsilon), Decimal(most + 1) / MICRO) > DELTA


@pytest.mark.parametrize("cost", [1, 40, 2500, 2_976_992, 10**9])
def test_readings_are_the_inverse_and_rounded_up(cost: int) -> None:
    exact = exact_epsilon((cost,), (DELTA,), GDP_ORDERS)
    assert gdp.delta_of(exact, Decimal(cost) / MICRO) <= DELTA
    if exact:
        assert gdp.delta_of(exact - Decimal(1) / MICRO, Decimal(cost) / MICRO) > DELTA
    assert gdp.epsilon_of(cost / MICRO, float(DELTA)) == pytest.approx(float(exact), abs=1.1e-6)


def test_nothing_spent_means_nothing() -> None:
    assert gdp.delta_of(Decimal(1), Decimal(0)) == 0
    assert gdp.epsilon_of(0.0, 1e-6) == 0
    assert exact_epsilon((0,), (DELTA,), GDP_ORDERS) == 0


def test_an_epsilon_too_small_for_one_micro_unit_admits_nothing() -> None:
    assert limits(Decimal("0.0001"), (Decimal("1e-12"),), GDP_ORDERS) == (0,)


def test_the_one_entry_grid_needs_no_split() -> None:
    assert (GRIDS["gdp"], accountant(GDP_ORDERS)) == (GDP_ORDERS, "gdp")
    assert gaussian_order(TEN, DELTA, GDP_ORDERS) == "gdp"
    assert split_delta(DELTA, GDP_ORDERS, "gdp") == (DELTA,)


def test_gdp_is_no_order_among_others() -> None:
    with pytest.raises(InvalidInput, match="order 'gdp' is not a decimal number"):
        limits(TEN, (DELTA, DELTA), ("2", "gdp"))
    with pytest.raises(InvalidInput, match="1 orders and 2 deltas"):
        limits(TEN, (DELTA, DELTA), GDP_ORDERS)
