"""What other batches, rounds, silos or noise would change, and how many typical jobs fit, as the planner solves it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ringfence.errors import InvalidInput, PlanImpossible
from ringfence.privacy.changes import changes
from ringfence.privacy.given_noise import given_noise
from ringfence.privacy.orders import DEFAULT_ORDERS, GDP_ORDERS, limits, scale, split_delta
from ringfence.privacy.planner import DatasetFacts, plan
from ringfence.privacy.typical import typical_jobs
from ringfence.spec.job import FederatedJob

DELTA = Decimal("1e-6")
DELTAS = split_delta(DELTA, DEFAULT_ORDERS, "10")
FACTS = DatasetFacts("ds-1", "file:///mercy", 3000, "Record", DEFAULT_ORDERS, DELTAS)


def job(batch: int = 100, rounds: int = 10, **local: Any) -> FederatedJob:
    spec = {
        "task": {"class": "ringfence.tasks:TabularClassifier"},
        "silos": [{"name": "a", "budgetRef": {"namespace": "mercy", "name": "patients"}}],
        "rounds": rounds,
        "local": {"batchSize": batch, "optimizer": {"name": "sgd", "learningRate": "0.1"}} | local,
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": "2", "delta": "1e-6", "maxGradNorm": "1"},
        "output": "file:///models",
    }
    document = {"apiVersion": "ringfence.dev/v1alpha1", "kind": "FederatedJob", "spec": spec}
    return FederatedJob.model_validate(document | {"metadata": {"name": "late", "namespace": "research"}})


def test_each_line_is_what_the_planner_solves_for_that_job() -> None:
    found = {change.what: change for change in changes(job(), FACTS, plan(job(), FACTS))}
    for what, changed in {
        "as it is": plan(job(), FACTS),
        "half the batch": plan(job(50), FACTS),
        "twice the batch": plan(job(200), FACTS),
        "half the rounds": plan(job(rounds=5), FACTS),
        "twice the rounds": plan(job(rounds=20), FACTS),
        "a silo of twice the rows": plan(job(), replace(FACTS, records=6000)),
    }.items():
        assert found[what].noise_multiplier == changed.noise_multiplier, what
        assert found[what].steps == changed.steps_per_round * changed.rounds, what
    assert len(found) == 6


def test_the_table_teaches_what_helps() -> None:
    found = {change.what: change for change in changes(job(), FACTS, plan(job(), FACTS))}
    now = found["as it is"]
    assert now.noise_in_mean is not None
    larger, silo = found["twice the batch"].noise_in_mean, found["a silo of twice the rows"].noise_in_mean
    assert larger is not None
    assert silo is not None
    assert larger < now.noise_in_mean
    assert silo < now.noise_in_mean
    assert found["half the batch"].epsilon < now.epsilon < found["twice the rounds"].epsilon


def test_users_and_silos_have_their_own_lines() -> None:
    users = replace(FACTS, unit="User:patient", records=800)
    with_users = job(usersPerRound=20)
    assert [c.what for c in changes(with_users, users, plan(with_users, users))][1:3] == [
        "half the users in a round",
        "twice the users in a round",
    ]
    silo = replace(FACTS, unit="Silo", records=1)
    assert [c.what for c in changes(job(), silo, plan(job(), silo))] == [
        "as it is",
        "half the rounds",
        "twice the rounds",
    ]


def test_in_a_gdp_ledger_everybody_stays_everybody() -> None:
    grid = replace(FACTS, orders=GDP_ORDERS, deltas=(DELTA,))
    full = job(3000)
    found = changes(full, grid, plan(full, grid))
    assert [change.what for change in found][-1] == "a silo of twice the rows"
    assert found[-1].noise_multiplier == found[0].noise_multiplier
    assert given_noise(full, grid, "20").drawn is None


def test_no_noise_that_reaches_it_is_told() -> None:
    greedy = job(3000, rounds=10_000)
    tight = greedy.model_copy(
        update={
            "spec": greedy.spec.model_copy(
                update={"privacy": greedy.spec.privacy.model_copy(update={"epsilon": "0.05"})}
            )
        }  # type: ignore[union-attr]
    )
    found = {change.what: change for change in changes(tight, FACTS, plan(tight, FACTS))}
    assert (found["twice the rounds"].noise_multiplier, found["twice the rounds"].noise_in_mean) == (None, None)


def test_with_a_noise_multiplier_given_the_rest_is_solved() -> None:
    noise = plan(job(), FACTS).noise_multiplier
    same = given_noise(job(), FACTS, noise)
    assert (same.rounds, same.drawn) == (10, 100)
    assert 1.98 < same.epsilon <= 2
    more = given_noise(job(), FACTS, "4")
    assert more.rounds > 10
    assert more.drawn is not None
    assert plan(job(rounds=more.rounds), FACTS).noise_multiplier <= "4"
    assert Decimal(plan(job(rounds=more.rounds + 1), FACTS).noise_multiplier) > 4
    assert given_noise(job(), FACTS, "0.3").rounds == 0


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "two"])
def test_noise_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match="noise multiplier must be"):
        given_noise(job(), FACTS, bad)


def test_a_job_without_privacy_has_no_such_questions() -> None:
    public = job().model_copy(update={"spec": job().spec.model_copy(update={"privacy": None})})
    assert changes(public, FACTS, plan(job(), FACTS)) == ()
    with pytest.raises(PlanImpossible, match="the job asks for no privacy"):
        given_noise(public, FACTS, "1")


@pytest.mark.parametrize(
    ("unit", "units", "orders", "shape"),
    [
        ("Record", 3000, DEFAULT_ORDERS, "10 passes in batches of 30"),
        ("User:patient", 800, DEFAULT_ORDERS, "200 rounds of 8 users"),
        ("Silo", 1, DEFAULT_ORDERS, "50 rounds"),
        ("Record", 3000, GDP_ORDERS, "50 steps over all rows"),
    ],
)
def test_typical_jobs_left(unit: str, units: int, orders: tuple[str, ...], shape: str) -> None:
    parts = DELTAS if orders == DEFAULT_ORDERS else (DELTA,)
    most = limits(Decimal(8), parts, orders)
    empty = typical_jobs(unit, units, ("8", "1e-6"), (orders, most))
    assert [job.epsilon for job in empty] == ["0.8", "2", "4", "8"]
    assert {job.shape for job in empty} == {shape}
    assert [job.admitted for job in empty] == sorted((job.admitted for job in empty), reverse=True)
    assert empty[0].admitted > 10
    full = typical_jobs(unit, units, ("8", "1e-6"), (orders, most), used=scale(most, 1))
    assert {job.admitted for job in full} == {0}
