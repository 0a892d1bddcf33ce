"""For all integers: what a filter admits stays within some order's limit, however the jobs were chosen."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.filters import admits, uses_left
from ringfence.privacy.orders import DEFAULT_ORDERS, add, epsilon_of, limits, scale, split_delta, zero

GRID = 4
costs = st.lists(st.integers(0, 10**7), min_size=GRID, max_size=GRID).map(tuple)
positive = st.lists(st.integers(1, 10**7), min_size=GRID, max_size=GRID).map(tuple)
deltas = st.decimals("1e-12", "0.4", places=12, allow_nan=False).filter(lambda d: d > 0)


@settings(deadline=None)
@given(limit=costs, offered=st.lists(costs, max_size=30))
def test_whatever_sequence_is_admitted_some_order_holds_to_the_end(
    limit: tuple[int, ...], offered: list[tuple[int, ...]]
) -> None:
    spent = (0,) * GRID
    for cost in offered:
        if admits(spent, cost, limit):
            spent = add(spent, cost)
    assert any(total <= most for total, most in zip(spent, limit, strict=True))


@settings(deadline=None)
@given(spent=costs, cost=positive, limit=costs)
def test_uses_left_fit_and_one_more_does_not(
    spent: tuple[int, ...], cost: tuple[int, ...], limit: tuple[int, ...]
) -> None:
    n = uses_left(spent, cost, limit)
    assert n is not None
    if n >= 0:
        assert admits(spent, scale(cost, n), limit)
    assert not admits(spent, scale(cost, n + 1), limit)


@settings(deadline=None)
@given(cost=costs, n=st.integers(0, 50))
def test_n_uses_cost_n_times_one(cost: tuple[int, ...], n: int) -> None:
    total = (0,) * GRID
    for _ in range(n):
        total = add(total, cost)
    assert total == scale(cost, n)


@settings(deadline=None)
@given(epsilon=st.decimals("0.01", "100", places=6), delta=deltas, binding=st.sampled_from((None, *DEFAULT_ORDERS)))
def test_a_full_ledger_never_reads_above_its_epsilon(epsilon: Decimal, delta: Decimal, binding: str | None) -> None:
    parts = split_delta(delta, DEFAULT_ORDERS, binding)
    assert sum(parts) <= delta
    full = limits(epsilon, parts, DEFAULT_ORDERS)
    for part, order, limit in zip(parts, DEFAULT_ORDERS, full, strict=True):
        assert limit == 0 or epsilon_of((limit,), (part,), (order,)) <= float(epsilon) * (1 + 1e-12)


@settings(deadline=None, max_examples=25)
@given(
    noise=st.integers(50, 500),
    rate=st.fractions(Fraction(1, 5000), Fraction(1), max_denominator=5000),
    steps=st.integers(1, 5000),
)
def test_cost_falls_with_noise_and_rises_with_rate_and_steps(noise: int, rate: Fraction, steps: int) -> None:
    def cost(noise: int, rate: Fraction, steps: int) -> tuple[int, ...]:
        return PoissonSampledGaussian(Decimal(noise) / 100, rate, steps).cost(DEFAULT_ORDERS)

    base = cost(noise, rate, steps)
    assert all(a >= b for a, b in zip(base, cost(noise + 5, rate, steps), strict=True))
    assert all(a >= b for a, b in zip(base, cost(noise, rate * Fraction(9, 10), steps), strict=True))
    assert all(a <= b for a, b in zip(base, cost(noise, rate, steps + 1), strict=True))
    assert sorted(base) == list(base), "RDP never falls with the order"
    assert min(base) > zero(("2",))[0]
