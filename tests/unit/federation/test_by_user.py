"""Whole jobs whose unit is a user: sampled, clipped and charged by user, and refused where that cannot be."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from support.audit import charged, check_job
from support.clinic import LOCAL, USERS, clinic
from support.hospitals import House
from support.threads import ThreadCluster

from ringfence.errors import InvalidInput, PlanImpossible
from ringfence.federation import engines, trial
from ringfence.federation.foresee import plan_job
from ringfence.federation.run import run_job
from ringfence.privacy.planner import verify_plan


def test_a_job_by_user_is_planned_charged_and_stated_by_user(tmp_path):
    house = clinic(tmp_path)
    result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    check_job(house, result.uid, 2)
    statement = result.statement["statement"]
    assert statement["unit"] == "User"
    for silo in house.silos:
        assert charged(house, silo, result.uid) == [1, 2]
        ledger = house.ledger(silo).view
        reserve = next(iter(ledger.every_reservation())).reserve
        assert (reserve.plan.sampling_rate, reserve.plan.steps_per_round) == (f"12/{USERS}", 1)
        verify_plan(reserve.plan, reserve.cost, ledger.limit.orders)
        assert ledger.spent_epsilon() <= Decimal(house.epsilon)
    privacy = statement["silos"][0]["privacy"]
    assert Fraction(privacy["samplingRate"]) == Fraction(12, USERS)
    assert privacy["stepsPerRound"] == 1 and Decimal(privacy["jobEpsilon"]) <= 2


def test_users_share_one_block_whatever_the_shards(tmp_path):
    """A user's rows may lie in several shards, so a round is charged once, on everything."""
    house = clinic(tmp_path, job={"rounds": 1})
    run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    view = house.view("mercy")
    assert len(view.blocks) == 1


def test_public_users_train_without_noise_and_repeat_to_the_bit(tmp_path):
    models = []
    for name in ("one", "two"):
        job = {"rounds": 6, "local": {**LOCAL, "optimizer": {"name": "sgd", "learningRate": "1"}}}
        house = clinic(tmp_path / name, private=False, job=job)
        result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
        models.append(result.commits[-1].model)
    assert models[0] == models[1]
    assert Decimal(result.metrics["auc"]) > Decimal("0.6")


def refused(house, words: str, error=PlanImpossible) -> None:
    with pytest.raises(error, match=words):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert not any(list(house.view(silo).every_reservation()) for silo in house.silos)


def test_a_job_that_does_not_say_how_many_users(tmp_path):
    local = {name: value for name, value in LOCAL.items() if name != "usersPerRound"}
    refused(clinic(tmp_path, job={"local": local}), r"local\.usersPerRound")


def test_more_users_than_there_are(tmp_path):
    refused(clinic(tmp_path, job={"local": {**LOCAL, "usersPerRound": 61}}), "61 is more than its 60 users")


def test_users_of_a_dataset_that_knows_none(tmp_path):
    house = House(tmp_path, records=120, job={"rounds": 1, "local": LOCAL}).build()
    refused(house, r"silo mercy: local\.usersPerRound is for datasets of unit User, and this one's is Record")


def test_a_plan_for_more_users_costs_more(tmp_path):
    house = clinic(tmp_path)
    noise = []
    for users in (6, 24):
        (first, *_) = plan_job(
            house.manifests(local={**LOCAL, "usersPerRound": users}), tmp_path / "store", tmp_path / "state"
        )
        noise.append(float(first.plan.noise_multiplier))
    assert noise[0] < noise[1]


def test_rows_of_another_number_of_users_than_declared(tmp_path, monkeypatch):
    """The owner declares by signing; a silo that finds other users does not train by a rate that is not theirs."""
    house = clinic(tmp_path, job={"rounds": 1})
    opened = engines.group_users
    monkeypatch.setattr(engines, "group_users", lambda codes, declared: opened(np.minimum(codes, 58), declared))
    with pytest.raises(InvalidInput, match=r"60 users are declared, and some of them have 0 rows"):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert not charged(house, "mercy", "*")


def test_a_job_by_user_is_tried_on_invented_rows_for_nothing(tmp_path, monkeypatch):
    house = clinic(tmp_path)
    trained = []
    train = trial.train_users
    monkeypatch.setattr(trial, "train_users", lambda *given: trained.append(train(*given)))
    trial.try_synthetic(house.manifests(), store=tmp_path / "store")
    assert len(trained) == 1
