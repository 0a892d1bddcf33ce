"""Costs are integers, limits are rounded against the spender, and the split of delta never exceeds delta."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from ringfence.errors import InvalidInput
from ringfence.privacy.orders import (
    DEFAULT_ORDERS,
    MICRO,
    add,
    epsilon_of,
    fullest_order,
    gaussian_order,
    limits,
    scale,
    split_delta,
    zero,
)

DELTA = Decimal("1e-6")
EVERY = (DELTA,) * len(DEFAULT_ORDERS)


def test_a_full_ledger_reads_as_its_epsilon_and_never_more() -> None:
    for epsilon in ("0.5", "2", "8", "50"):
        full = limits(Decimal(epsilon), EVERY, DEFAULT_ORDERS)
        for index, (order, limit) in enumerate(zip(DEFAULT_ORDERS, full, strict=True)):
            if limit:
                read = epsilon_of((limit,), EVERY[:1], DEFAULT_ORDERS[index : index + 1])
                assert float(epsilon) - 2 / MICRO < read <= float(epsilon) + 1e-12, order


def test_limits_are_the_2020_conversion_rounded_down() -> None:
    # Balle et al. 2020, theorem 21, at order 10, delta 1e-6, epsilon 2, by hand with floats.
    exact = 2 - math.log(0.9) + (math.log(1e-6) + math.log(10)) / 9
    (limit,) = limits(Decimal(2), (DELTA,), ("10",))
    assert limit == math.floor(exact * MICRO)


def test_an_order_whose_conversion_alone_exceeds_epsilon_admits_nothing() -> None:
    assert limits(Decimal(2), EVERY, DEFAULT_ORDERS)[0] == 0


def test_the_2020_conversion_is_below_the_2017_one() -> None:
    # Mironov 2017, proposition 3: epsilon = rdp + log(1 / delta) / (a - 1).
    for order in DEFAULT_ORDERS:
        a = float(order)
        assert epsilon_of((MICRO,), (DELTA,), (order,)) < 1 + math.log(1e6) / (a - 1)


def test_nothing_spent_reads_as_zero() -> None:
    assert epsilon_of(zero(DEFAULT_ORDERS), EVERY, DEFAULT_ORDERS) == 0.0


@pytest.mark.parametrize("binding", [None, "10", "1.5", "256"])
@pytest.mark.parametrize("delta", ["1e-6", "1e-5", "3.7e-9", "0.123456789012"])
def test_split_deltas_add_up_to_at_most_delta_exactly(delta: str, binding: str | None) -> None:
    parts = split_delta(Decimal(delta), DEFAULT_ORDERS, binding)
    assert sum(parts) <= Decimal(delta)
    assert sum(parts) > Decimal(delta) * Decimal("0.9999")
    if binding:
        assert parts[DEFAULT_ORDERS.index(binding)] == Decimal(delta) * Decimal("0.8")


def test_an_order_off_the_grid_cannot_bind() -> None:
    with pytest.raises(InvalidInput, match=r"order 7 is not on the ledger's grid 2, 3"):
        split_delta(DELTA, ("2", "3"), "7")


def test_larger_budgets_bind_at_smaller_orders() -> None:
    bound = [float(gaussian_order(Decimal(e), DELTA, DEFAULT_ORDERS)) for e in ("0.5", "1", "2", "4", "8", "30")]
    assert bound == sorted(bound, reverse=True)
    assert bound[0] > bound[-1]


def test_the_fullest_order_is_where_most_jobs_fit() -> None:
    assert fullest_order((10, 10, 1), Decimal(20), DELTA, ("2", "3", "4")) == "4"
    assert fullest_order((1, 10, 10), Decimal(20), DELTA, ("2", "3", "4")) == "2"


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "0", "-1"])
def test_limits_refuse_an_epsilon_that_is_no_limit(bad: str) -> None:
    with pytest.raises(InvalidInput, match=r"epsilon must be positive and finite, not "):
        limits(Decimal(bad), EVERY, DEFAULT_ORDERS)


@pytest.mark.parametrize("bad", ["NaN", "0", "1", "-0.1", "Infinity"])
def test_deltas_outside_0_and_1_are_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match=r"delta must lie between 0 and 1, not "):
        limits(Decimal(1), (Decimal(bad),), ("2",))
    with pytest.raises(InvalidInput, match=r"delta must lie between 0 and 1, not "):
        split_delta(Decimal(bad), ("2", "3"), "2")


@pytest.mark.parametrize("orders", [("1",), ("0.5",), ("2", "2"), ("3", "2"), ("NaN",), ("Infinity",), ("two",)])
def test_orders_must_be_above_1_and_rise(orders: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"order"):
        limits(Decimal(1), (DELTA,) * len(orders), orders)


@pytest.mark.parametrize("bad", [-1, 1.0, float("nan"), True, "1", None])
def test_costs_that_are_no_integers_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInput, match=r"a cost must be an integer of at least 0, not "):
        add((1, bad), (1, 1))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"a cost must be an integer of at least 0, not "):
        epsilon_of((bad,), (DELTA,), ("2",))  # type: ignore[arg-type]


def test_costs_of_different_grids_do_not_add() -> None:
    with pytest.raises(InvalidInput, match="cost has 2 orders and the grid has 3"):
        add((1, 2), (1, 2, 3))


@pytest.mark.parametrize("bad", [-1, 1.5, True])
def test_a_number_of_uses_is_an_integer(bad: float) -> None:
    with pytest.raises(InvalidInput, match="a number of uses must be an integer of at least 0, not"):
        scale((1,), bad)  # type: ignore[arg-type]
