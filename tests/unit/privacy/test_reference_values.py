"""Figures that others published, each with its source: matched to their digits, or not above where ours is tighter.

The settings of the TF-Privacy tutorials, of Abadi et al. and of Opacus' first test are in test_account.py.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from scipy.stats import norm

from ringfence.privacy import gdp
from ringfence.privacy.account import Mechanism, pld_epsilon, rdp_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import epsilon_of
from ringfence.privacy.unsampled import Composition, Gaussian, Laplace

DELTA = Decimal("1e-5")
JAX = PoissonSampledGaussian("4", Fraction(1024, 50_000), 10_000)
KOSKELA = PoissonSampledGaussian("4", Fraction(1, 100), 10_000)


@pytest.mark.parametrize(
    ("event", "delta", "published"),
    [
        # tensorflow/privacy, compute_dp_sgd_privacy_test.py: (N, batch, noise, epochs, delta) -> epsilon.
        (PoissonSampledGaussian("1.3", Fraction(150, 60_000), 15 * 400), "1e-5", 0.7242234026109595),
        (PoissonSampledGaussian("1", Fraction(100, 100_000), 30 * 1000), "1e-7", 1.4154988495444845),
    ],
    ids=["tf 15 epochs", "tf 30 epochs"],
)
def test_renyi_epsilons(event: PoissonSampledGaussian, delta: str, published: float) -> None:
    assert rdp_epsilon(event, Decimal(delta)) == pytest.approx(published, rel=1e-9)


def test_no_looser_than_the_same_run_elsewhere() -> None:
    # google-deepmind/jax_privacy, tests/accounting/analysis_test.py, _EPSILON_RDP: on other orders than ours.
    assert 2.27535 * (1 - 1e-3) < rdp_epsilon(JAX, DELTA) <= 2.27535


def test_hardly_any_noise() -> None:
    # The same test of tensorflow/privacy: 1e8 records, batch 1024, noise 0.1, 10 epochs: 5907982.31138195, order 1.25.
    event = PoissonSampledGaussian("0.1", Fraction(1024, 10**8), 976_563)
    found = epsilon_of(event.cost(("1.25", "2")), (Decimal("1e-7"),) * 2, ("1.25", "2"))
    assert found == pytest.approx(5907982.31138195, rel=2e-8)


@pytest.mark.parametrize(
    ("event", "adjacency", "delta", "published", "digits"),
    [
        # jax_privacy, the same file, _EPSILON_PLD.
        (JAX, "zero-out", "1e-5", 2.09245, 2e-5),
        # Koskela, Jalko, Honkela 2020, "Computing tight differential privacy guarantees using FFT" (arXiv 1906.03049),
        # README of DPBayes/PLD-Accountant: add/remove, delta 4.243484012034273e-06 at epsilon 1; then substitution.
        # (Its snippet says 1000 compositions; these are the figures of 10,000.)
        (KOSKELA, "add-or-remove", "4.243484012034273e-06", 1.0, 2e-4),
        (KOSKELA, "replace-one", "1e-5", 1.9931200626285734, 1e-4),
    ],
    ids=["jax", "fft add or remove", "fft substitute"],
)
def test_loss_distribution_epsilons(
    event: PoissonSampledGaussian, adjacency: str, delta: str, published: float, digits: float
) -> None:
    found = pld_epsilon(event, Decimal(delta), adjacency, width=1e-4)
    assert found == pytest.approx(published, rel=digits)


@pytest.mark.parametrize(
    ("steps", "published"),
    # pytorch/opacus, accountants_test.py, get_noise_multiplier for (8, 1e-5) at rate 0.04: 90 epochs, then 2000 steps;
    # to four places, from above the least noise by its own tolerance.
    [(2250, 1.416), (2000, 1.3562)],
)
def test_noise_for_an_epsilon(steps: int, published: float) -> None:
    event = PoissonSampledGaussian(str(published), Fraction(4, 100), steps)
    assert 8 * (1 - 2e-3) < rdp_epsilon(event, DELTA) <= 8 * (1 + 1e-4)


def test_a_renyi_curve() -> None:
    # google/differential-privacy, rdp_privacy_accountant_test.py: noise 2.5, rate 0.01, 50 steps at five orders.
    found = PoissonSampledGaussian("2.5", Fraction(1, 100), 50).rdp(("1.5", "2.5", "5", "50", "100"))
    published = (6.70579741e-04, 1.08548710e-03, 2.18075656e-03, 2.38460375e-02, 1.67416308e02)
    assert found == pytest.approx(published, rel=1e-4)


def test_a_conversion_by_hand() -> None:
    # The same file: RDP 1.1 at every order 2 to 32 (pure DP) reads as 1.32783806176 at delta 1e-5, at order 32.
    orders = tuple(str(order) for order in range(2, 33))
    assert epsilon_of((1_100_000,) * 31, (DELTA,) * 31, orders) == pytest.approx(1.32783806176, abs=1e-10)


@pytest.mark.parametrize(
    ("event", "published", "tolerance"),
    [
        # google/differential-privacy, pld/accountant_test.py: the smallest noise for (epsilon 1, delta):
        # 20 and 500 Laplace mechanisms at 1e-4, to 0.1,
        (Laplace("13.6", 20), "1e-4", 0.01),
        (Laplace("71", 500), "1e-4", 0.01),
        # one Poisson-sampled Gaussian at rate 0.01 and 25 at rate 0.001 (sensitivity 6) at 1e-5, to 7 places.
        (PoissonSampledGaussian("0.67379294682", Fraction(1, 100), 1), "1e-5", 1e-3),
        (PoissonSampledGaussian(Decimal("3.20956502598") / 6, Fraction(1, 1000), 25), "1e-5", 1e-3),
    ],
    ids=["20 laplace", "500 laplace", "one sampled", "25 sampled"],
)
def test_least_noise_by_the_loss_distribution(event: Mechanism, published: str, tolerance: float) -> None:
    assert pld_epsilon(event, Decimal(published)) == pytest.approx(1, rel=tolerance)


def test_the_analytic_gaussian_of_large_delta() -> None:
    # The same file: epsilon 1 at delta 0.78760074 needs noise 1/3.
    assert gdp.epsilon_of(9.0, 0.78760074) == pytest.approx(1, abs=1e-7)


def test_gaussians_of_different_noise_compose_exactly() -> None:
    # microsoft/prv_accountant, tests/test_accountant.py: 50 of noise 10 and 50 of noise 5 are one of
    # mu = sqrt(50/100 + 50/25); its delta at epsilon 4 in closed form.
    (cost,) = Composition((Gaussian("10", 50), Gaussian("5", 50))).cost(("gdp",))
    assert cost == 2_500_000
    mu = math.sqrt(2.5)
    exact = norm.cdf(-4 / mu + mu / 2) - math.exp(4) * norm.cdf(-4 / mu - mu / 2)
    assert float(gdp.delta_of(Decimal(4), Decimal("2.5"))) == pytest.approx(exact, rel=1e-12)


def test_gdp_of_a_table() -> None:
    # Dong, Roth and Su 2022 (arXiv 1905.02383), corollary 1: delta(0) of mu-GDP is the total variation distance
    # 2 Phi(mu / 2) - 1: 0.382925 for mu = 1, 0.682689 for mu = 2.
    assert float(gdp.delta_of(Decimal(0), Decimal(1))) == pytest.approx(0.382925, abs=1e-6)
    assert float(gdp.delta_of(Decimal(0), Decimal(4))) == pytest.approx(0.682689, abs=1e-6)


def test_opacus_gdp_accountant_is_below_the_truth() -> None:
    # pytorch/opacus, accountants_test.py: its gdp accountant (the central limit) says 6.59 to 6.6 for noise 1.5, rate
    # 0.04 and 2249 steps; the certified lower end of PRV is above that. Nothing here reports such a figure.
    from prv_accountant.dpsgd import DPSGDAccountant

    prv = DPSGDAccountant(1.5, 0.04, max_steps=2249, eps_error=0.02, delta_error=1e-9)
    low, _, _ = prv.compute_epsilon(delta=1e-5, num_steps=2249)
    found = pld_epsilon(PoissonSampledGaussian("1.5", Fraction(4, 100), 2249), DELTA, width=1e-3)
    assert 6.6 < low <= found
