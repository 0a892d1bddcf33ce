"""Whatever is offered, in whatever order: neither a ledger nor a consumer's share is exceeded, by exact composition."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import BudgetExhausted
from ringfence.privacy import gdp
from ringfence.privacy.admission import check_consumer
from ringfence.privacy.filters import admits
from ringfence.privacy.ledger.entries import Limit
from ringfence.privacy.ledger.view import Head, LedgerView, Share
from ringfence.privacy.orders import (
    DEFAULT_ORDERS,
    GDP_ORDERS,
    MICRO,
    Cost,
    add,
    exact_epsilon,
    limits,
    split_delta,
    zero,
)
from ringfence.privacy.planner import Plan
from ringfence.privacy.unsampled import Gaussian
from ringfence.spec.budget import PrivacyBudget

DELTA = Decimal("1e-6")
KEY = "ed25519:" + "A" * 43
grids = st.sampled_from(
    [(DEFAULT_ORDERS, split_delta(DELTA, DEFAULT_ORDERS, order)) for order in (None, "2", "10", "64")]
    + [(GDP_ORDERS, (DELTA,))]
)
noises = st.lists(st.decimals("0.8", "60", places=2, allow_nan=False), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(grid=grids, epsilon=st.decimals("0.3", "20", places=2), offered=noises)
def test_the_exact_composition_of_all_that_was_admitted_stays_within_the_limit(
    grid: tuple[tuple[str, ...], tuple[Decimal, ...]], epsilon: Decimal, offered: list[Decimal]
) -> None:
    orders, deltas = grid
    most = limits(epsilon, deltas, orders)
    spent, mu_squared = zero(orders), Fraction(0)
    for noise in offered:
        cost = Gaussian(noise, 1).cost(orders)
        if admits(spent, cost, most):
            spent, mu_squared = add(spent, cost), mu_squared + 1 / Fraction(noise) ** 2
    exact = Decimal(mu_squared.numerator) / Decimal(mu_squared.denominator)
    assert gdp.delta_of(epsilon, exact) <= DELTA


@settings(deadline=None, max_examples=60)
@given(cost=st.lists(st.integers(0, 10**7), min_size=16, max_size=16), binding=st.sampled_from((None, "10")))
def test_exact_and_float_readings_agree(cost: list[int], binding: str | None) -> None:
    from ringfence.privacy.orders import epsilon_of

    parts = split_delta(DELTA, DEFAULT_ORDERS, binding)
    exact = exact_epsilon(tuple(cost), parts, DEFAULT_ORDERS)
    assert 0 <= float(exact) - epsilon_of(tuple(cost), parts, DEFAULT_ORDERS) < 1.1 / MICRO


@settings(deadline=None, max_examples=60)
@given(
    grid=grids,
    share=st.decimals("0.5", "8", places=1),
    offered=st.lists(st.tuples(st.sampled_from(("research", "ops")), st.integers(3, 15)), max_size=30),
)
def test_a_consumers_share_is_a_filter_of_its_own(
    grid: tuple[tuple[str, ...], tuple[Decimal, ...]], share: Decimal, offered: list[tuple[str, int]]
) -> None:
    orders, deltas = grid
    budget = _budget(share)
    view = _view(orders, deltas)
    most = limits(share, deltas, orders)
    for consumer, noise in offered:
        plan = _plan(Gaussian(str(noise), 1).cost(orders))
        try:
            check_consumer(view, budget, consumer, plan)
        except BudgetExhausted:
            assert consumer == "research", "a consumer without a share is never refused here"
            assert not admits(view.consumer_committed(consumer), plan.total(), most)
            continue
        before = view.shares.get(consumer, Share(zero(orders), zero(orders)))
        held = replace(before, reserved=add(before.reserved, plan.total()))
        view = replace(view, shares={**view.shares, consumer: held})
        if consumer == "research":
            used = view.consumer_committed("research")
            assert any(total <= limit for total, limit in zip(used, most, strict=True))


def _plan(cost: Cost) -> Plan:
    return Plan("ds-1", "1", Fraction(1), 1, 10, "1", cost, 1.0, 1.0, "1e-6", 100)


def _view(orders: tuple[str, ...], deltas: tuple[Decimal, ...]) -> LedgerView:
    most = limits(Decimal(100), deltas, orders)
    name = "gdp" if orders == GDP_ORDERS else "rdp"
    limit = Limit("100", "1e-6", name, orders, tuple(f"{delta:f}" for delta in deltas), "", most)
    return LedgerView(dataset="ds-1", unit="Record", owner_key=KEY, head=Head(0, "sha256:" + "0" * 64), limit=limit)


def _budget(share: Decimal) -> PrivacyBudget:
    spec = {
        "dataset": "file:///mercy", "signer": KEY, "keySecretRef": {"name": "key"}, "unit": "Record", "epsilon": "100",
        "delta": "1e-6", "consumers": [{"namespace": "research", "maxEpsilon": f"{share:f}"}, {"namespace": "ops"}],
    }  # fmt: skip
    meta = {"name": "patients", "namespace": "mercy"}
    return PrivacyBudget.model_validate(
        {"apiVersion": "ringfence.dev/v1alpha1", "kind": "PrivacyBudget", "metadata": meta, "spec": spec}
    )
