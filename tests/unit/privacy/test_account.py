"""Reference values, each with its source, and the sandwich exact <= pld <= rdp."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from ringfence.errors import InvalidInput
from ringfence.privacy.account import epsilons, unamplified
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, epsilon_of
from ringfence.privacy.unsampled import Gaussian

MNIST = PoissonSampledGaussian("1.1", Fraction(256, 60000), 14062)
DELTA = Decimal("1e-5")


def analytic_epsilon(mu: float, delta: float) -> float:
    """Balle and Wang 2018 (arXiv 1805.06530), theorem 8: a Gaussian's exact epsilon, mu = sensitivity / sigma."""
    import numpy as np

    def excess(e: float) -> float:
        return float(norm.cdf(mu / 2 - e / mu) - np.exp(e + norm.logcdf(-mu / 2 - e / mu)) - delta)

    return float(brentq(excess, 0, 500))


def test_the_mnist_run() -> None:
    # TF-Privacy's tutorial setting; RDP by the 2020 conversion 2.596556, PLD 2.381686, PRV interval 2.3766 to 2.3866.
    found = epsilons(MNIST, DELTA)
    assert found["rdp"] == pytest.approx(2.596556, abs=1e-6)
    assert found["pld"] == pytest.approx(2.381686, abs=1e-6)
    assert found["pld"] > 2.3766


def test_the_cross_silo_run_without_sampling() -> None:
    # 50 full-batch rounds at noise 5: RDP 2020 7.077392; exact 6.572970 (mu = sqrt 2).
    found = epsilons(PoissonSampledGaussian("5", Fraction(1), 50), DELTA)
    assert found["rdp"] == pytest.approx(7.077392, abs=1e-6)
    assert found["pld"] == pytest.approx(6.572970, abs=1e-6)
    assert found["pld"] >= analytic_epsilon(2**0.5, 1e-5) - 1e-9


@pytest.mark.parametrize(
    ("event", "published"),
    [
        # Sources used Mironov's 2017 conversion: ours must not be above.
        (MNIST, 3.01),  # TF-Privacy tutorial: N 60000, batch 256, noise 1.1, 60 epochs
        (PoissonSampledGaussian("0.7", Fraction(256, 60000), 45 * 60000 // 256), 7.10),  # the same, 45 epochs
        (
            PoissonSampledGaussian("4", Fraction(1, 100), 10000),
            1.26,
        ),  # Abadi et al. 2016, section 3: moments accountant
    ],
)
def test_no_looser_than_published(event: PoissonSampledGaussian, published: float) -> None:
    found = epsilons(event, DELTA)
    assert found["pld"] <= found["rdp"] <= published


def test_opacus_value() -> None:
    # Opacus tests/accountants_test.py: noise 1.5, rate 0.04, 90 // 0.04 steps read as 2250: RDP epsilon 7.32911117143.
    found = epsilons(PoissonSampledGaussian("1.5", Fraction(4, 100), 2250), DELTA)
    assert found["rdp"] == pytest.approx(7.32911117143, rel=1e-4)


def test_noise_of_one_gaussian() -> None:
    # dp_accounting's RDP tests: one Gaussian for (1, 1e-6): 4.530877117; closed forms for (1, 1e-5) and (8, 1e-5).
    assert epsilons(Gaussian("4.530877117", 1), Decimal("1e-6"))["rdp"] == pytest.approx(1, rel=2e-5)
    for noise, epsilon in (("3.730632", 1), ("0.600229", 8)):
        found = epsilons(Gaussian(noise, 1), DELTA)
        assert found["pld"] == pytest.approx(epsilon, rel=2e-5)
        assert found["gdp"] == pytest.approx(epsilon, rel=1e-6)


def test_what_the_assumption_costs() -> None:
    # The same MNIST run: replace-one PLD 4.22; without amplification, 60 participations, 54.05.
    assert epsilons(MNIST, DELTA, "replace-one") == {"pld": pytest.approx(4.22, abs=0.005)}
    assert unamplified(MNIST).steps == 60
    assert epsilons(unamplified(MNIST), DELTA)["pld"] == pytest.approx(54.05, abs=0.01)


def test_zero_out_has_the_values_of_add_or_remove() -> None:
    assert epsilons(MNIST, DELTA, "zero-out") == epsilons(MNIST, DELTA, "add-or-remove")


def test_a_ledgers_grid_is_a_little_above_the_dense_one_and_never_below() -> None:
    dense = epsilons(MNIST, DELTA)["rdp"]
    ours = epsilon_of(MNIST.cost(DEFAULT_ORDERS), (DELTA,) * len(DEFAULT_ORDERS), DEFAULT_ORDERS)
    assert dense <= ours <= dense * 1.01


@pytest.mark.parametrize("bad", ["0", "1", "NaN", "-1"])
def test_delta_lies_between_0_and_1(bad: str) -> None:
    with pytest.raises(InvalidInput, match="delta must lie between 0 and 1, not"):
        epsilons(MNIST, Decimal(bad))


def test_an_unknown_adjacency_names_the_known_ones() -> None:
    with pytest.raises(
        InvalidInput, match="adjacency 'swap' is not known; use one of zero-out, add-or-remove, replace-one"
    ):
        epsilons(MNIST, DELTA, "swap")


def test_many_small_steps_are_not_blown_up_by_buckets() -> None:
    # At buckets of 5e-4 this reads 0.135 instead of 0.036.
    event = PoissonSampledGaussian("30", Fraction(1, 1000), 100_000)
    found = epsilons(event, Decimal("1e-6"))
    assert found["pld"] < found["rdp"]


def test_beyond_the_reach_of_pld_only_rdp_answers() -> None:
    event = PoissonSampledGaussian("30", Fraction(1, 10**6), 10**9)
    assert set(epsilons(event, DELTA)) == {"rdp"}
    with pytest.raises(
        InvalidInput, match="no accountant covers 1000000000 sampled steps under replace-one; take at most"
    ):
        epsilons(event, DELTA, "replace-one")
