"""The filters on integers: what they admit stays within some order's limit, and PrivateKube's counts are beaten."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from ringfence.errors import InvalidInput
from ringfence.privacy.account import gdp_epsilon, pld_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.filters import admits, uses_left
from ringfence.privacy.orders import DEFAULT_ORDERS, GDP_ORDERS, fullest_order, limits, split_delta, zero
from ringfence.privacy.unsampled import Gaussian


def test_one_order_within_its_limit_is_enough_and_none_is_not() -> None:
    assert admits((5, 0), (5, 100), (10, 10))
    assert not admits((5, 0), (6, 100), (10, 10))


def test_the_limit_itself_is_admitted_and_one_more_is_not() -> None:
    assert admits((7,), (3,), (10,))
    assert not admits((7,), (4,), (10,))


def test_an_order_with_limit_zero_admits_no_cost() -> None:
    assert not admits((0, 0), (1, 1), (0, 0))


@pytest.mark.parametrize("bad", [-5, float("nan"), 1.0])
def test_negative_and_nan_costs_never_pass_as_room(bad: float) -> None:
    for triple in (((bad,), (1,), (10,)), ((1,), (bad,), (10,)), ((1,), (1,), (bad,))):
        with pytest.raises(InvalidInput, match="a cost must be an integer of at least 0"):
            admits(*triple)  # type: ignore[arg-type]


def test_unequal_grids_are_refused() -> None:
    with pytest.raises(InvalidInput, match="cost has 1 orders and the grid has 2"):
        admits((1, 1), (1, 1), (1,))


def test_uses_left_says_when_not_even_nothing_fits_and_when_nothing_bounds() -> None:
    assert uses_left((11,), (1,), (10,)) == -1
    assert uses_left((10,), (1,), (10,)) == 0
    assert uses_left((0,), (0,), (10,)) is None
    assert uses_left((11, 5), (0, 1), (10, 10)) == 5


@pytest.mark.parametrize(
    ("event", "undivided", "split"),
    [
        # "Jobs one budget (10, 1e-7) admits" with the 2020 conversion; PrivateKube's rule admits 63 and 955.
        (PoissonSampledGaussian("1", Fraction(1, 100), 200), 74, 73),
        (PoissonSampledGaussian("20", Fraction(1), 1), 1075, 1060),
    ],
)
def test_one_budget_admits_more_jobs_than_the_2017_rule(
    event: PoissonSampledGaussian, undivided: int, split: int
) -> None:
    epsilon, delta = Decimal(10), Decimal("1e-7")
    cost, none = event.cost(DEFAULT_ORDERS), zero(DEFAULT_ORDERS)
    whole = limits(epsilon, (delta,) * len(DEFAULT_ORDERS), DEFAULT_ORDERS)
    assert uses_left(none, cost, whole) == undivided
    parts = split_delta(delta, DEFAULT_ORDERS, fullest_order(cost, epsilon, delta, DEFAULT_ORDERS))
    assert uses_left(none, cost, limits(epsilon, parts, DEFAULT_ORDERS)) == split


def test_the_gdp_filter_admits_1190_gaussians_and_the_exact_composition_allows_no_more() -> None:
    # PrivateKube's rule admits 955 of sigma 20 under (10, 1e-7), the Renyi filter 1060.
    epsilon, delta = Decimal(10), Decimal("1e-7")
    cost, most = Gaussian("20", 1).cost(GDP_ORDERS), limits(epsilon, (delta,), GDP_ORDERS)
    assert uses_left((0,), cost, most) == 1190
    assert gdp_epsilon(Gaussian("20", 1190), delta) <= 10 < gdp_epsilon(Gaussian("20", 1191), delta)


def test_what_the_renyi_filter_admits_composes_to_less_than_the_limit() -> None:
    # The exact composition of 73 FL jobs (100 of 10,000 clients, sigma 1, 200 rounds) by the privacy loss distribution:
    # below 10, and so would 82 be, which no filter known may admit.
    delta = Decimal("1e-7")
    admitted = PoissonSampledGaussian("1", Fraction(1, 100), 200 * 73)
    assert pld_epsilon(admitted, delta, width=1e-3) < 10
    assert gdp_epsilon(Gaussian("20", 1060), delta) < 10


def test_different_gaussians_of_a_full_ledger_compose_to_its_limit_and_no_more() -> None:
    delta, most = Decimal("1e-7"), limits(Decimal(10), (Decimal("1e-7"),), GDP_ORDERS)
    spent, exact = (0,), Fraction(0)
    for sigma in [Fraction(n, 7) for n in range(7, 200)] * 3:
        cost = Gaussian(str(float(sigma)), 1).cost(GDP_ORDERS)
        if admits(spent, cost, most):
            spent, exact = (spent[0] + cost[0],), exact + 1 / Fraction(str(float(sigma))) ** 2
    noise = str(float(1 / exact) ** 0.5)
    assert 9.999 < gdp_epsilon(Gaussian(noise, 1), delta) <= 10
