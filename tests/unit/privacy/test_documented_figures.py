"""The figures in docs/for-data-protection.md and docs/accounting.md are computed here; the texts must say the same."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from scipy.stats import norm

from ringfence.privacy import gdp
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.filters import uses_left
from ringfence.privacy.orders import (
    DEFAULT_ORDERS,
    GDP_ORDERS,
    MICRO,
    fullest_order,
    limits,
    split_delta,
    zero,
)
from ringfence.privacy.statement import figures
from ringfence.privacy.unsampled import Gaussian

DOCS = Path(__file__).parents[3] / "docs"
DELTA = Decimal("1e-6")


def percent(value: float) -> str:
    """To a tenth, and to a hundredth where a tenth would read as certainty."""
    shown = f"{100 * value:.1f}"
    return f"{100 * value:.2f} %" if shown == "100.0" else f"{shown} %"


@pytest.mark.parametrize("epsilon", ["0.5", "1", "2", "4", "8"])
def test_what_an_epsilon_bounds(epsilon: str) -> None:
    """Odds factor e**epsilon; best guess from 50:50; of people who are in the data, the share that an attacker finds
    who accuses 1 % of the others: at worst min(e**eps a + delta, 1 - e**-eps (1 - a - delta)), and against one Gaussian
    of that (epsilon, delta) exactly Phi(Phi^-1(a) + mu)."""
    value, alarms, delta = Decimal(epsilon), 0.01, float(DELTA)
    odds = float(value.exp())
    worst = min(odds * alarms + delta, 1 - (1 - alarms - delta) / odds)
    mu = (gdp.largest_cost(value, DELTA, MICRO) / MICRO) ** 0.5
    real = float(norm.cdf(norm.ppf(alarms) + mu))
    guess = float((value.exp() + DELTA) / (value.exp() + 1))
    row = f"| {epsilon} | {figures.factor(value)} | {percent(guess)} | {percent(worst)} | {percent(real)} |"
    assert row in (DOCS / "for-data-protection.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("job", "event"),
    [
        ("FL: 100 of 10,000 users, noise 1, 200 rounds", PoissonSampledGaussian("1", Fraction(1, 100), 200)),
        ("one Gaussian over everybody, noise 20", Gaussian("20", 1)),
    ],
    ids=["fl", "gaussian"],
)
def test_how_many_jobs_each_rule_admits(job: str, event: PoissonSampledGaussian | Gaussian) -> None:
    epsilon, delta = Decimal(10), Decimal("1e-7")
    cost, none = event.cost(DEFAULT_ORDERS), zero(DEFAULT_ORDERS)
    whole = uses_left(none, cost, limits(epsilon, (delta,) * len(DEFAULT_ORDERS), DEFAULT_ORDERS))
    even = uses_left(none, cost, limits(epsilon, split_delta(delta, DEFAULT_ORDERS, None), DEFAULT_ORDERS))
    parts = split_delta(delta, DEFAULT_ORDERS, fullest_order(cost, epsilon, delta, DEFAULT_ORDERS))
    ours = uses_left(none, cost, limits(epsilon, parts, DEFAULT_ORDERS))
    exact = "refused"
    if isinstance(event, Gaussian):
        exact = f"{uses_left((0,), event.cost(GDP_ORDERS), limits(epsilon, (delta,), GDP_ORDERS)):,}"
    text = (DOCS / "accounting.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| {job} |"))
    assert [cell.strip() for cell in line.strip("|").split("|")][2:] == [f"{even:,}", f"{ours:,}", f"{whole:,}", exact]
