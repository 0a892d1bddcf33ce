"""For all mechanisms: pld is below rdp and below a ledger's grid, and plans never exceed what was asked."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from prv_accountant.dpsgd import DPSGDAccountant

from ringfence.privacy.account import pld_epsilon, rdp_epsilon
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, epsilon_of
from ringfence.privacy.solve import least_noise


def prv_low(noise: float, rate: float, steps: int, delta: float) -> float:
    """The certified lower end of Gopi, Lee and Wutschitz 2021 (arXiv 2106.02848); cases that its own numerical checks
    refuse are left out."""
    try:
        prv = DPSGDAccountant(noise, rate, max_steps=steps, eps_error=0.1, delta_error=delta / 1000)
        return float(prv.compute_epsilon(delta=delta, num_steps=steps)[0])
    except RuntimeError:
        reject()


# Without shrinking: one example costs a tenth of a second, and its numbers are small anyway.
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(deadline=None, max_examples=12, phases=QUICK)
@given(
    noise=st.integers(70, 300),
    rate=st.fractions(Fraction(1, 100), Fraction(1, 5), max_denominator=1000),
    steps=st.integers(1, 200),
    delta=st.sampled_from(("1e-5", "1e-6", "1e-7")),
)
def test_the_sandwich(noise: int, rate: Fraction, steps: int, delta: str) -> None:
    """PRV's certified lower end <= our PLD <= our Renyi, on dp_accounting's orders and on a ledger's grid."""
    event = PoissonSampledGaussian(Decimal(noise) / 100, rate, steps)
    pld = pld_epsilon(event, Decimal(delta), width=1e-3)
    rdp = rdp_epsilon(event, Decimal(delta))
    grid = epsilon_of(event.cost(DEFAULT_ORDERS), (Decimal(delta),) * len(DEFAULT_ORDERS), DEFAULT_ORDERS)
    assert prv_low(noise / 100, float(rate), steps, float(delta)) <= pld
    assert pld <= rdp + 2e-3
    # rdp and the ledger's grid are not ordered: ours has an order 64 that dp_accounting's lacks.
    assert pld <= grid + 2e-3


@settings(deadline=None, max_examples=6, phases=QUICK)
@given(
    noise=st.integers(80, 300),
    rate=st.fractions(Fraction(1, 100), Fraction(1, 5), max_denominator=500),
    steps=st.integers(2, 100),
)
def test_epsilon_rises_with_steps_and_rate_and_falls_with_noise(noise: int, rate: Fraction, steps: int) -> None:
    def both(noise: int, rate: Fraction, steps: int) -> tuple[float, float]:
        event = PoissonSampledGaussian(Decimal(noise) / 100, rate, steps)
        return rdp_epsilon(event, Decimal("1e-6")), pld_epsilon(event, Decimal("1e-6"), width=1e-3)

    base = both(noise, rate, steps)
    for other in (
        both(noise, rate, steps + steps // 2),
        both(noise, rate * Fraction(11, 10), steps),
        both(noise - 8, rate, steps),
    ):
        # pld rounds each loss up to its buckets, so that two readings may differ by as much as their rounding.
        assert other[0] >= base[0] - 1e-9
        assert other[1] >= base[1] - 2e-3


@settings(deadline=None, max_examples=100)
@given(scale=st.floats(0.1, 100), power=st.floats(0.5, 4), jump=st.integers(1, 1000), target=st.floats(0.01, 50))
def test_the_search_never_exceeds_even_on_stairs(scale: float, power: float, jump: int, target: float) -> None:
    def stairs(noise: float) -> float:
        return -(-(scale / noise**power * 1e6) // jump) * jump / 1e6

    found = least_noise(stairs, target, low=1e-3, high=1e6)
    if found is None:
        assert stairs(1e6) > target
    else:
        assert stairs(found) <= target
        assert found <= 1e-3 or stairs(found * 0.98) > target * 0.96 or stairs(found) > target * 0.98
