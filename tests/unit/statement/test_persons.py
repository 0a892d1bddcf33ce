"""A person in several silos: composition where noise is each silo's own, a larger distance where it is shared."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from statement_samples import ledger, privacy, sample, silo

from ringfence.privacy import gdp
from ringfence.privacy.orders import DEFAULT_ORDERS, GDP_ORDERS, Cost, scale
from ringfence.privacy.planner import job_epsilon
from ringfence.privacy.statement import CostFacts, PrivacyFacts, build, words
from ringfence.privacy.statement.persons import composed
from ringfence.privacy.unsampled import Gaussian

DELTA = Decimal("1e-6")


def gaussian(noise: str, orders: tuple[str, ...] = DEFAULT_ORDERS, rounds: int = 20, **changed: Any) -> PrivacyFacts:
    """What a job of `rounds` unamplified Gaussians states."""
    cost: Cost = Gaussian(noise, 1).cost(orders)
    return privacy(
        mechanism="gaussian",
        sampling_rate="1/1",
        steps_per_round=1,
        rounds_planned=rounds,
        rounds_charged=rounds,
        noise_multiplier=noise,
        cost=CostFacts(orders=orders, round=cost, total=scale(cost, rounds)),
        job_epsilon=f"{job_epsilon(cost, rounds, DELTA, orders):.9f}",
        ledger=ledger(accountant="gdp" if orders == GDP_ORDERS else "rdp"),
        **changed,
    )


def exact(mu_squared: float, delta: float) -> float:
    return gdp.epsilon_of(mu_squared, delta)


def test_own_noise_composes_below_the_sum_and_above_the_exact_figure() -> None:
    costs = [gaussian("20"), gaussian("25"), gaussian("30")]
    for one in composed(costs, "Record"):
        mu_squared = sum(20 / n**2 for n in (20, 25, 30)[: one.silos])
        assert exact(mu_squared, float(one.delta)) <= float(one.epsilon)
        assert float(one.epsilon) < sum(float(cost.job_epsilon) for cost in costs[: one.silos])
        assert one.delta == one.silos * DELTA


def test_gdp_ledgers_compose_exactly() -> None:
    (two,) = composed([gaussian("20", GDP_ORDERS), gaussian("30", GDP_ORDERS)], "User")
    truth = exact(20 / 400 + 20 / 900, 2e-6)
    assert truth <= float(two.epsilon) <= truth + 1e-3


def test_ledgers_of_both_kinds_meet_in_renyi_orders() -> None:
    (mixed,) = composed([gaussian("20"), gaussian("20", GDP_ORDERS)], "Record")
    (renyi,) = composed([gaussian("20"), gaussian("20")], "Record")
    assert mixed.epsilon == renyi.epsilon


def test_ledgers_without_a_common_order_have_the_sum() -> None:
    (apart,) = composed([gaussian("20", ("2", "8")), gaussian("20", ("3", "9"))], "Record")
    assert apart.epsilon == sum(Decimal(gaussian("20", orders).job_epsilon) for orders in (("2", "8"), ("3", "9")))


def test_shared_noise_is_twice_the_distance_and_not_two_mechanisms() -> None:
    (shared,) = composed([gaussian("20"), gaussian("20")], "Silo")
    (own,) = composed([gaussian("20"), gaussian("20")], "Record")
    assert shared.delta == DELTA
    assert float(shared.epsilon) == pytest.approx(exact(4 * 20 / 400, 1e-6), abs=2e-6)
    assert shared.epsilon > own.epsilon
    assert float(shared.epsilon) > exact(2 * 20 / 400, 1e-6)


def test_the_worst_two_of_three_are_told() -> None:
    best, worst = gaussian("40"), gaussian("10")
    assert composed([best, worst, worst], "Record")[0] == composed([worst, worst], "Record")[0]
    assert composed([best, worst, worst], "Silo")[0] == composed([worst, worst], "Silo")[0]


def test_a_silo_level_statement_says_whom_it_trusts() -> None:
    facts = sample(
        unit="Silo", silos=(silo("mercy", privacy=gaussian("20")), silo("stjude", privacy=gaussian("20"))), rounds=()
    )
    said = "\n".join(sentence for section in words(build(facts)) for sentence in section.sentences)
    for phrase in (
        "The guarantee protects one silo at a time",
        "not against the coordinator",
        "the noise is shared, so the distances add up before they are converted",
        "no amplification by sampling is claimed (mercy: rate 1/1",
    ):
        assert phrase in said
    assert "Poisson sampling" not in said
