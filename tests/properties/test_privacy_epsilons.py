"""For all mechanisms: pld is below rdp and below a ledger's grid, and plans never exceed what was asked."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.privacy.account import epsilons
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, epsilon_of
from ringfence.privacy.solve import least_noise


@settings(deadline=None, max_examples=10)
@given(
    noise=st.integers(70, 300),
    rate=st.fractions(Fraction(1, 100), Fraction(1, 5), max_denominator=1000),
    steps=st.integers(1, 200),
    delta=st.sampled_from(("1e-5", "1e-6", "1e-7")),
)
def test_the_sandwich(noise: int, rate: Fraction, steps: int, delta: str) -> None:
    event = PoissonSampledGaussian(Decimal(noise) / 100, rate, steps)
    found = epsilons(event, Decimal(delta))
    grid = epsilon_of(event.cost(DEFAULT_ORDERS), (Decimal(delta),) * len(DEFAULT_ORDERS), DEFAULT_ORDERS)
    assert found["pld"] <= found["rdp"] + 1e-3
    # rdp and the ledger's grid are not ordered: ours has an order 64 that dp_accounting's lacks.
    assert found["pld"] <= grid + 1e-3


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
