"""Gaussian, discrete Gaussian, Laplace and compositions: closed forms, a second implementation, and what is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ringfence.errors import InvalidInput, MechanismNotAccounted
from ringfence.privacy.account import epsilons
from ringfence.privacy.events import Event, PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, GDP_ORDERS, MICRO, add
from ringfence.privacy.sampling import refuse
from ringfence.privacy.unsampled import Composition, DiscreteGaussian, Gaussian, Laplace


def integrated(log_p: Any, log_q: Any, order: float, x: Any) -> float:
    """Renyi divergence of order a by numerical integration or summation of p**a q**(1-a)."""
    terms = np.exp(order * log_p(x) + (1 - order) * log_q(x))
    step = x[1] - x[0]
    return float(np.log(np.sum(terms) * step) / (order - 1))


def test_a_gaussian_is_the_unamplified_sampled_one() -> None:
    for grid in (DEFAULT_ORDERS, GDP_ORDERS):
        assert Gaussian("3", 7).cost(grid) == PoissonSampledGaussian("3", Fraction(1), 7).cost(grid)
    assert Gaussian("20", 1190).cost(GDP_ORDERS) == (1190 * 2500,)


def test_a_third_of_a_unit_is_rounded_up_exactly() -> None:
    assert Gaussian("3", 1).cost(GDP_ORDERS) == (111_112,)
    assert Gaussian("3", 9).cost(GDP_ORDERS) == (MICRO,)


@pytest.mark.parametrize(("scale", "order"), [("1", "2"), ("2", "10"), ("0.5", "1.5"), ("5", "64")])
def test_laplace_agrees_with_the_integral(scale: str, order: str) -> None:
    b = float(scale)
    x = np.linspace(-60 * b, 60 * b + 1, 2_000_001)
    truth = integrated(
        lambda x: -np.abs(x) / b - math.log(2 * b), lambda x: -np.abs(x - 1) / b - math.log(2 * b), float(order), x
    )
    (cost,) = Laplace(scale, 1).cost((order,))
    assert truth * (1 - 1e-5) <= cost / MICRO <= truth * (1 + 1e-5) + 2e-6


def test_laplace_never_costs_more_than_pure_dp_allows() -> None:
    costs = Laplace("2", 3).cost(DEFAULT_ORDERS)
    assert all(cost <= 1_500_000 + 1 for cost in costs)
    assert list(costs) == sorted(costs)


@pytest.mark.parametrize(("sigma", "order"), [("0.5", "2"), ("1", "8"), ("3", "32")])
def test_a_discrete_gaussian_costs_no_more_than_it_is_charged(sigma: str, order: str) -> None:
    # The divergence between the two shifted distributions on the integers, summed directly.
    s, x = float(sigma), np.arange(-3000.0, 3001.0)

    def log_p(x: Any, at: float = 0.0) -> Any:
        weights = -((x - at) ** 2) / (2 * s * s)
        return weights - np.log(np.sum(np.exp(weights)))

    truth = integrated(log_p, lambda x: log_p(x, 1.0), float(order), x)
    (cost,) = DiscreteGaussian(sigma, 1).cost((order,))
    assert truth <= cost / MICRO + 1e-12
    assert cost == Gaussian(sigma, 1).cost((order,))[0]


def test_a_composition_is_the_sum_of_its_parts() -> None:
    parts: tuple[Event, ...] = (Gaussian("4", 2), Laplace("9", 1), PoissonSampledGaussian("1", Fraction(1, 100), 10))
    whole = Composition(parts).cost(DEFAULT_ORDERS)
    expected = add(add(parts[0].cost(DEFAULT_ORDERS), parts[1].cost(DEFAULT_ORDERS)), parts[2].cost(DEFAULT_ORDERS))
    assert whole == expected
    with pytest.raises(InvalidInput, match="a composition needs at least one event"):
        Composition(())


@pytest.mark.parametrize(
    "event",
    [
        PoissonSampledGaussian("1", Fraction(1, 100), 10),
        DiscreteGaussian("1", 1),
        Laplace("1", 1),
        Composition((Gaussian("1", 1), Laplace("1", 1))),
    ],
    ids=["sampled", "discrete", "laplace", "composed"],
)
def test_a_gdp_ledger_counts_real_gaussians_only(event: Event) -> None:
    with pytest.raises(MechanismNotAccounted, match="has no place in a gdp ledger"):
        event.cost(GDP_ORDERS)


@pytest.mark.parametrize("kind", [Gaussian, DiscreteGaussian, Laplace])
@pytest.mark.parametrize("bad", ["NaN", "Infinity", "0", "-1", "x"])
def test_noise_that_is_none_is_refused(kind: Any, bad: str) -> None:
    with pytest.raises(InvalidInput, match="noise multiplier must be"):
        kind(bad, 1)


@pytest.mark.parametrize("kind", [Gaussian, DiscreteGaussian, Laplace])
def test_steps_are_counted(kind: Any) -> None:
    with pytest.raises(InvalidInput, match="steps must be an integer of at least 1, not 0"):
        kind("1", 0)


def test_accountants_without_a_bound_are_absent() -> None:
    delta = Decimal("1e-5")
    assert set(epsilons(DiscreteGaussian("5", 1), delta)) == {"rdp"}
    assert set(epsilons(Laplace("5", 1), delta)) == {"rdp", "pld"}
    assert set(epsilons(Gaussian("5", 1), delta)) == {"rdp", "pld", "gdp"}


def test_replacing_one_is_twice_as_far_as_leaving_it_out() -> None:
    # dp_accounting gives an unsampled Gaussian the same epsilon under either relation and leaves the factor to the
    # caller; a unit clipped to C that becomes another one clipped to C moves the sum by up to 2 C.
    delta = Decimal("1e-5")
    twice = epsilons(Gaussian("5", 50), delta, "replace-one")
    half = epsilons(Gaussian("2.5", 50), delta)
    assert twice == half
    # and sampling at a rate near 1 tends to the same, by the library's own reckoning
    nearly = epsilons(PoissonSampledGaussian("5", Fraction(999_999, 10**6), 50), delta, "replace-one")
    assert nearly["pld"] == pytest.approx(twice["gdp"], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("with-replacement", "drawn twice in a step"),
        ("without-replacement", "no such amplification"),
        ("fixed-size", "the true epsilon can be several times the claimed one"),
        ("shuffled", "not Poisson samples"),
        ("gdp-clt", "falls below the true epsilon"),
        ("guess", "it is not known; known are poisson, none, with-replacement"),
    ],
)
def test_what_is_not_accounted_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(MechanismNotAccounted) as refused:
        refuse(name, "--sampling")
    assert why in str(refused.value)
    assert refused.value.remedy.startswith("sample by Poisson")


def test_the_library_refuses_too_what_is_refused_here() -> None:
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    from ringfence.privacy.events import zero_out

    fixed = dp_accounting.SampledWithoutReplacementDpEvent(1000, 10, dp_accounting.GaussianDpEvent(1.0))
    twice = dp_accounting.SampledWithReplacementDpEvent(1000, 10, dp_accounting.GaussianDpEvent(1.0))
    poisson = dp_accounting.PoissonSampledDpEvent(0.01, dp_accounting.GaussianDpEvent(1.0))
    assert not RdpAccountant(neighboring_relation=zero_out()).supports(fixed)
    assert not RdpAccountant(neighboring_relation=zero_out()).supports(twice)
    assert not RdpAccountant(neighboring_relation=dp_accounting.NeighboringRelation.REPLACE_ONE).supports(poisson)
