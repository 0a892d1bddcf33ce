"""The planner: never above the epsilon asked, within 1 % of it, the same on every machine, and clear when it cannot."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ringfence.errors import LedgerTampered, MechanismNotAccounted, PlanImpossible
from ringfence.privacy.events import PoissonSampledGaussian
from ringfence.privacy.orders import DEFAULT_ORDERS, GDP_ORDERS, MICRO, gaussian_order, scale, split_delta
from ringfence.privacy.planner import DatasetFacts, Plan, plan, verify_plan
from ringfence.spec.job import FederatedJob

DELTA = Decimal("1e-6")
FULL_BATCHES = {"epsilon": "0.5", "rounds": 10000, "batch": 110_000, "epochs": "1000"}


def job(**changed: Any) -> FederatedJob:
    asked = {"epsilon": "2", "delta": "1e-6", "batch": 1024, "rounds": 20, "epochs": "1"} | changed
    spec = {
        "task": {"class": "ringfence.tasks:TabularClassifier"},
        "silos": [
            {"name": f"a{n}", "budgetRef": {"namespace": "mercy", "name": f"patients{n}"}}
            for n in range(asked.get("silos", 1))
        ],
        "rounds": asked["rounds"],
        "local": {
            "epochs": asked["epochs"],
            "batchSize": asked["batch"],
            "optimizer": {"name": "sgd", "learningRate": "0.1"},
        }
        | ({"usersPerRound": asked["users"]} if "users" in asked else {}),
        "strategy": {"name": "fedavg"},
        "privacy": {"epsilon": asked["epsilon"], "delta": asked["delta"], "maxGradNorm": "1.5"},
        "output": "file:///models",
    }
    meta = {"name": "late", "namespace": "research"}
    return FederatedJob.model_validate(
        {"apiVersion": "ringfence.dev/v1alpha1", "kind": "FederatedJob", "metadata": meta, "spec": spec}
    )


def facts(records: int = 110_000, unit: str = "Record") -> DatasetFacts:
    deltas = split_delta(DELTA, DEFAULT_ORDERS, gaussian_order(Decimal(8), DELTA, DEFAULT_ORDERS))
    return DatasetFacts("ds-1", "file:///mercy", records, unit, DEFAULT_ORDERS, deltas)


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(job(), facts())


@pytest.mark.parametrize(
    ("asked", "records"),
    [
        ({}, 110_000),
        ({"epsilon": "0.5", "rounds": 50}, 110_000),
        ({"epsilon": "8", "batch": 64}, 20_000),
        ({"epsilon": "8", "batch": 5000, "rounds": 50}, 5000),
        ({"epsilon": "50", "batch": 1000}, 5000),
        ({"epsilon": "1", "epochs": "0.3", "delta": "1e-7"}, 30_000),
    ],
)
def test_the_jobs_epsilon_is_at_most_what_was_asked_and_within_1_percent(asked: dict[str, Any], records: int) -> None:
    wanted = job(**asked)
    found = plan(wanted, facts(records))
    assert wanted.spec.privacy is not None
    epsilon = float(wanted.spec.privacy.epsilon)
    assert 0.99 * epsilon <= found.job_epsilon <= epsilon
    assert found.pld_epsilon < found.job_epsilon
    assert Decimal(found.record().job_epsilon) <= Decimal(wanted.spec.privacy.epsilon)


def test_a_plan_says_what_will_be_done(planned: Plan) -> None:
    record = planned.record()
    assert (record.mechanism, record.sampling_rate, record.steps_per_round) == ("poisson-gaussian", "1024/110000", 107)
    assert (record.rounds, record.max_grad_norm, record.job_delta) == (20, "1.5", "1e-6")
    assert len(record.noise_multiplier.replace(".", "").lstrip("0")) <= 6
    assert planned.total() == scale(planned.cost, 20)


def test_one_digit_less_noise_would_not_do(planned: Plan) -> None:
    less = Decimal(planned.noise_multiplier) - Decimal("0.0001")
    cost = PoissonSampledGaussian(less, planned.sampling_rate, planned.steps_per_round).cost(DEFAULT_ORDERS)
    with pytest.raises(LedgerTampered, match="the reservation's plan says epsilon"):
        verify_plan(replace(planned.record(), noise_multiplier=str(less)), cost, DEFAULT_ORDERS)


def test_a_silo_finds_the_same_cost_from_the_text_alone(planned: Plan) -> None:
    verify_plan(planned.record(), planned.cost, DEFAULT_ORDERS)
    assert plan(job(), facts()) == planned


def test_the_fraction_of_the_record_is_reduced_or_not_and_costs_the_same(planned: Plan) -> None:
    reduced = Fraction(1024, 110_000)
    text = f"{reduced.numerator}/{reduced.denominator}"
    verify_plan(replace(planned.record(), sampling_rate=text), planned.cost, DEFAULT_ORDERS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mechanism": "laplace"}, "mechanism is 'laplace', not 'poisson-gaussian' or 'gaussian'"),
        ({"mechanism": "gaussian"}, "mechanism is 'gaussian', and it samples 1024/110000"),
        ({"noise_multiplier": "0"}, "the reservation's plan is malformed"),
        ({"noise_multiplier": "NaN"}, "the reservation's plan is malformed"),
        ({"noise_multiplier": "0.5"}, "cost is not what its plan costs, first at order 1.5"),
        ({"sampling_rate": "0.01"}, "sampling rate is not written as batch/records"),
        ({"sampling_rate": "1/0"}, "the reservation's plan is malformed"),
        ({"sampling_rate": "2048/110000"}, "cost is not what its plan costs"),
        ({"steps_per_round": 108}, "cost is not what its plan costs"),
        ({"rounds": 40}, "plan says epsilon 1.99998"),
        ({"job_epsilon": "0.1"}, "plan says epsilon 0.1 and costs 1.99998"),
        ({"job_epsilon": "x"}, "the reservation's plan is malformed"),
        ({"job_delta": "1"}, "the reservation's plan is malformed"),
    ],
)
def test_a_silo_refuses_a_plan_that_differs_from_its_cost(planned: Plan, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(LedgerTampered) as refused:
        verify_plan(replace(planned.record(), **changed), planned.cost, DEFAULT_ORDERS)
    assert said in str(refused.value)


def test_a_silo_refuses_a_cost_one_unit_too_small_at_one_order(planned: Plan) -> None:
    cheaper = (*planned.cost[:-1], planned.cost[-1] - 1)
    with pytest.raises(LedgerTampered, match="first at order 256"):
        verify_plan(planned.record(), cheaper, DEFAULT_ORDERS)
    with pytest.raises(LedgerTampered, match="grids differ in length"):
        verify_plan(planned.record(), planned.cost[:-1], DEFAULT_ORDERS)


@pytest.mark.parametrize(
    ("asked", "records", "unit", "said"),
    [
        ({}, 900, "Record", "local.batchSize 1024 is more than its 900 training records; set local.batchSize to"),
        ({"delta": "1e-5"}, 110_000, "Record", "privacy.delta 1e-5 is at least 1 / 110000 records: publishing a row"),
        ({"delta": "1e-5"}, 110_000, "Record", "would satisfy it; set privacy.delta below 9.1E-6"),
        ({"delta": "1e-5"}, 100_000, "Record", "privacy.delta 1e-5 is at least 1 / 100000 records"),
        ({"epochs": "0.001"}, 110_000, "Record", "local.epochs 0.001 of 110000 records in batches of 1024 round to no"),
        ({"epochs": "0.001"}, 110_000, "Record", "no step; take a smaller local.batchSize or more local.epochs"),
        ({}, 110_000, "User:patient", "its unit is User and the job does not say how many users take part in a round"),
        ({"users": 900}, 800, "User", "local.usersPerRound 900 is more than its 800 users; set local.usersPerRound to"),
        ({"users": 9, "delta": "1e-2"}, 800, "User", "privacy.delta 1e-2 is at least 1 / 800 users: publishing all"),
        ({"delta": "1e-12"}, 1, "Silos", "its unit 'Silos' is not one of Record, User, Silo"),
        ({}, 0, "Record", "it has no training records"),
        ({"epsilon": "0.01"}, 110_000, "Record", "no noise multiplier up to 10000 reaches privacy.epsilon 0.01"),
        ({"epsilon": "0.01"}, 110_000, "Record", "at delta 1e-6: the least on this ledger's orders is 0.0"),
        (FULL_BATCHES, 110_000, "Record", "use more rows, fewer rounds, a smaller local.batchSize, or a larger"),
    ],
)  # fmt: skip
def test_an_impossible_plan_says_why_and_what_to_change(
    asked: dict[str, Any], records: int, unit: str, said: str
) -> None:
    with pytest.raises(PlanImpossible) as refused:
        plan(job(**asked), facts(records, unit))
    assert said in str(refused.value)
    assert str(refused.value).startswith("dataset ds-1 (file:///mercy): ")
    assert refused.value.exit_code == 2


def test_a_round_of_users_is_one_release_of_a_poisson_sample() -> None:
    found = plan(job(users=100, batch=100_000), facts(5000, "User:patient"))
    assert (found.mechanism, found.record().sampling_rate, found.steps_per_round) == ("poisson-gaussian", "100/5000", 1)
    assert found.cost == PoissonSampledGaussian(found.noise_multiplier, Fraction(1, 50), 1).cost(DEFAULT_ORDERS)
    verify_plan(found.record(), found.cost, DEFAULT_ORDERS)


@pytest.mark.parametrize(("everybody", "unit"), [("Records", "Record"), ("Users", "User:patient")])
@pytest.mark.parametrize("units", [900, 4000])
def test_everybody_takes_part_in_silos_of_any_size_and_nothing_is_claimed_for_a_sample(
    everybody: str, unit: str, units: int
) -> None:
    asked = job().to_document()
    asked["spec"]["local"] = {"everybody": everybody, "optimizer": asked["spec"]["local"]["optimizer"]}
    found = plan(FederatedJob.model_validate(asked), facts(units, unit))
    assert (found.mechanism, found.record().sampling_rate, found.steps_per_round) == ("gaussian", f"{units}/{units}", 1)
    verify_plan(found.record(), found.cost, DEFAULT_ORDERS)


def test_a_silo_takes_part_in_every_round_whatever_its_batches_are() -> None:
    found = plan(job(epochs="0.001"), facts(1, "Silo"))
    assert (found.mechanism, found.record().sampling_rate, found.steps_per_round) == ("gaussian", "1/1", 1)
    verify_plan(found.record(), found.cost, DEFAULT_ORDERS)


def test_delta_of_a_silo_level_job_is_below_one_over_its_silos() -> None:
    with pytest.raises(PlanImpossible, match=r"privacy.delta 0.9999 is at least 1 / 2 silos: publishing a silo's"):
        plan(job(delta="0.9999", silos=2), facts(1, "Silo"))
    assert plan(job(delta="0.4", silos=2), facts(1, "Silo")).rounds == 20


def test_a_gdp_ledger_plans_full_participation_by_the_exact_conversion() -> None:
    grid = replace(facts(500), orders=GDP_ORDERS, deltas=(DELTA,))
    found = plan(job(batch=500), grid)
    assert (found.mechanism, found.sampling_rate, found.steps_per_round) == ("gaussian", 1, 1)
    assert found.cost == (math.ceil(MICRO / Fraction(Decimal(found.noise_multiplier)) ** 2),)
    assert 1.98 < found.job_epsilon <= 2
    verify_plan(found.record(), found.cost, GDP_ORDERS)
    by_renyi = plan(job(batch=500), facts(500))
    assert Decimal(found.noise_multiplier) < Decimal(by_renyi.noise_multiplier)


def test_a_gdp_ledger_refuses_a_sampled_plan_with_the_reason() -> None:
    grid = replace(facts(), orders=GDP_ORDERS, deltas=(DELTA,))
    with pytest.raises(MechanismNotAccounted) as refused:
        plan(job(), grid)
    said = str(refused.value)
    assert said.startswith(
        "dataset ds-1 (file:///mercy): a Gaussian sampled at rate 64/6875 has no place in a gdp ledger"
    )
    assert "let every record or user take part in every step" in said


def test_a_silo_refuses_a_sampled_reservation_on_a_gdp_ledger(planned: Plan) -> None:
    with pytest.raises(LedgerTampered, match="the reservation's plan is malformed"):
        verify_plan(planned.record(), (1,), GDP_ORDERS)


def test_a_trillion_steps_are_planned_at_once() -> None:
    # dp_accounting's pld raises its bucket count to the number of steps before anything else: it would never come back.
    found = plan(job(rounds=10_000, batch=1, epochs="1000", epsilon="0.5"), facts())
    assert 0 < found.pld_epsilon == found.job_epsilon <= 0.5


def test_the_last_possible_batch_is_every_record() -> None:
    found = plan(job(batch=500), facts(500))
    assert (found.sampling_rate, found.steps_per_round) == (1, 1)


def test_a_job_without_privacy_never_plans_on_private_data() -> None:
    public = job().model_dump(by_alias=True, exclude_none=True)
    del public["spec"]["privacy"]
    public["spec"]["silos"] = [{"name": "a", "dataset": "file:///public"}]
    with pytest.raises(PlanImpossible, match="the job asks for no privacy and the dataset is private"):
        plan(FederatedJob.model_validate(public), facts())
