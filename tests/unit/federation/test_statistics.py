"""A table instead of a model, through the whole path: planned, reserved, charged, stated, and shown."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
import pytest
from support.audit import charged, check_job
from support.clinic import clinic
from support.hospitals import House, patients
from support.threads import ThreadCluster

from ringfence.errors import InvalidTask, PlanImpossible
from ringfence.federation import layout
from ringfence.federation.engines import Training, sum_plan
from ringfence.federation.run import run_job
from ringfence.tasks import Statistics

ASKED = {"by": ["ward"], "of": {"age": ["mean", "quantiles"], "stay": ["histogram"]}, "bins": 400}
LOCAL = {"everybody": "Records", "optimizer": {"name": "sgd", "learningRate": "1"}}


def job(**changes: object) -> dict:
    task = {"class": "ringfence.tasks:Statistics", "args": ASKED}
    return {"task": task, "rounds": 1, "local": LOCAL, "evaluation": None, **changes}


def finished(house: House, **changes: object):
    document = house.job_document(**changes)
    document["spec"] = {name: value for name, value in document["spec"].items() if value is not None}
    house.job_document = lambda: document
    return run_job(house.manifests(), house.options(), cluster=ThreadCluster())


def counts(result) -> np.ndarray:
    return np.array([float(row["value"]) for row in result.figures() if row["column"] == "stay"])


def truth() -> np.ndarray:
    """The exact histogram over the three hospitals, by ward."""
    found = []
    for ward in ("a", "b", "c"):
        rows = [patients(600, seed).filter(pc.equal(patients(600, seed)["ward"], ward)) for seed in range(3)]
        stays = np.concatenate([own["stay"].to_numpy() for own in rows])
        found.append(np.histogram(stays, bins=400, range=(0, 60))[0])
    return np.concatenate(found).astype(float)


def test_the_budget_is_charged_once_and_the_error_is_what_epsilon_says(tmp_path):
    """Three silos, each with its own noise: sigma sqrt(3 silos) sqrt(4 sums a record), and sigma from epsilon."""
    errors, multipliers = [], []
    for epsilon in ("1", "4"):
        house = House(tmp_path / epsilon, job=job()).build()
        result = finished(house, privacy={"epsilon": epsilon, "delta": "1e-5", "maxGradNorm": "1"})
        check_job(house, result.uid, 1)
        for silo in house.silos:
            assert charged(house, silo, result.uid) == [1]
            (found,) = house.view(silo).every_reservation()
            plan = found.reserve.plan
            assert (plan.mechanism, plan.sampling_rate, plan.steps_per_round) == ("gaussian", "600/600", 1)
            assert Decimal(0) < house.view(silo).spent_epsilon()
        errors.append(float(np.sqrt(np.mean((counts(result) - truth()) ** 2))))
        multipliers.append(float(plan.noise_multiplier))
        assert errors[-1] == pytest.approx(multipliers[-1] * np.sqrt(12), rel=0.08)
    assert errors[0] / errors[1] == pytest.approx(multipliers[0] / multipliers[1], rel=0.15)
    assert multipliers[0] > 3 * multipliers[1]


def test_public_rows_give_the_exact_table_and_everything_shows_it(tmp_path):
    house = House(tmp_path, private=False, job=job()).build()
    result = finished(house)
    np.testing.assert_array_equal(counts(result), truth())
    store = house.stores.open(result.output)
    assert json.loads(store.get(layout.FIGURES)) == result.figures()
    page = store.get(layout.REPORT).decode()
    assert "<h2>The figures</h2>" in page
    assert "What the model learned" not in page
    assert "quantile 0.5" in page


def test_by_user_everybody_takes_part_and_counts_once_whatever_the_rows(tmp_path):
    local = {**LOCAL, "everybody": "Users"}
    house = clinic(tmp_path, job=job(local=local, task={"class": "ringfence.tasks:Statistics"}))
    result = finished(house)
    privacy = result.statement["statement"]["silos"][0]["privacy"]
    assert (privacy["mechanism"], Fraction(privacy["samplingRate"])) == ("gaussian", 1)
    (row,) = result.figures()
    spread = float(privacy["noiseMultiplier"]) * np.sqrt(3)
    assert float(row["value"]) == pytest.approx(3 * 60, abs=6 * spread)
    assert float(row["high"]) - float(row["low"]) == pytest.approx(2 * 1.96 * spread, rel=1e-3)


def test_a_job_of_many_rounds_is_refused_before_anything_is_reserved(tmp_path):
    house = House(tmp_path, job=job(rounds=3)).build()
    with pytest.raises(InvalidTask, match="one noised sum over everybody, so it needs rounds: 1"):
        finished(house)
    assert not any(list(house.view(silo).every_reservation()) for silo in house.silos)


def test_the_silo_itself_refuses_a_reservation_for_several_sums():
    """Whatever a coordinator says: two passes over everybody are two releases a round, and a table is one."""
    manifest = SimpleNamespace(unit="Record", units=0, records=600)
    reserved = SimpleNamespace(
        steps_per_round=2, noise_multiplier="1", sampling_rate="600/600", max_grad_norm="1", mechanism="gaussian"
    )
    with pytest.raises(PlanImpossible, match="sums are released once a round, over everybody"):
        sum_plan(Training(None, "mercy", manifest, reserved, Statistics()))
