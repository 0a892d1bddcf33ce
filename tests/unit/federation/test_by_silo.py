"""Whole jobs whose unit is a silo: trained plainly, clipped as a whole, noised by the coordinator, charged before."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.audit import charged, check_job, output
from support.crashes import Fuse, FusedStores
from support.hospitals import House
from support.threads import Crash, ThreadCluster

from ringfence.acceptance.units import check_together, check_unit, weight
from ringfence.errors import PlanImpossible
from ringfence.federation import envelope, layout, rounds
from ringfence.federation import run as run_module
from ringfence.federation.engines import Training, engine
from ringfence.federation.run import run_job
from ringfence.federation.state import StateDirectory
from ringfence.privacy.ledger.entries import PlanRecord
from ringfence.privacy.planner import verify_plan
from ringfence.schema import DatasetSchema
from ringfence.tasks import Statistics, TabularClassifier
from ringfence.tasks.encode import encode_table
from ringfence.training.flat import FlatModel
from ringfence.training.whole import clipped

CLIP = "0.05"


class Institutions(House):
    """Hospitals whose budgets protect each as a whole."""

    def seal(self, silo, rows, **changes):
        return super().seal(silo, rows, **{"unit": "Silo", **changes} if silo != "public" else changes)

    def budget_document(self, silo):
        document = super().budget_document(silo)
        return {**document, "spec": {**document["spec"], "unit": "Silo"}}


def institutions(root, **changes) -> Institutions:
    privacy = {"epsilon": "8", "delta": "1e-5", "maxGradNorm": CLIP}
    job = {"rounds": 2, "roundDeadlineSeconds": 300, "privacy": privacy, **changes.pop("job", {})}
    return Institutions(root, records=120, job=job, epsilon="20", silos=("mercy", "stjude"), **changes).build()


def test_a_job_by_silo_is_planned_charged_clipped_and_stated_by_silo(tmp_path):
    house = institutions(tmp_path)
    result = run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    check_job(house, result.uid, 2)
    statement = result.statement["statement"]
    assert statement["unit"] == "Silo"
    report = " ".join((output(house, result.uid) / "report.html").read_text().split())
    assert "not against the coordinator" in report and "of the coordinator&#39;s machine" in report
    for silo in house.silos:
        assert charged(house, silo, result.uid) == [1, 2]
        ledger = house.ledger(silo).view
        plan = next(iter(ledger.every_reservation())).reserve
        assert (plan.plan.mechanism, plan.plan.sampling_rate, plan.plan.steps_per_round) == ("gaussian", "1/1", 1)
        verify_plan(plan.plan, plan.cost, ledger.limit.orders)
        assert Decimal(0) < ledger.spent_epsilon() <= Decimal(house.epsilon)
        assert update_norm(house, silo, result.uid) == pytest.approx(float(CLIP), rel=1e-6)


class AtCommit(Fuse):
    """Burns before the first commit of a job."""

    def around(self, name, write):
        if name.endswith("/commit"):
            raise Crash(name)
        return write()


def test_a_run_killed_between_noise_and_commit_releases_that_noise_and_no_other(tmp_path, monkeypatch):
    house = institutions(tmp_path, job={"rounds": 1})
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "Stores", lambda mapping: FusedStores(mapping, AtCommit()))
        with pytest.raises(Crash):
            run_job(house.manifests(), house.options(), cluster=ThreadCluster(lambda silo, given: house.stores))
    uid = next((tmp_path / "state/jobs").iterdir()).name
    drawn = (output(house, uid) / layout.noised(1)).read_bytes()
    checkpoints = {path.name for path in (output(house, uid) / "checkpoints").iterdir()}
    (commit,) = run_job(house.manifests(), house.options(resume=True), cluster=ThreadCluster()).commits
    assert (output(house, uid) / layout.noised(1)).read_bytes() == drawn
    assert checkpoints == {f"1-{commit.model.removeprefix('sha256:')}"}
    check_job(house, uid, 1)
    assert charged(house, "mercy", uid) == [1]


def update_norm(house: House, silo: str, uid: str) -> float:
    """The norm of what the silo published in round 1, opened as the coordinator opens it."""
    keys = StateDirectory(house.root / "state").keys(uid, rounds.COORDINATOR)
    signer = StateDirectory(house.root / "state").keys(uid, silo).public.sign
    data = (output(house, uid) / layout.update(1, silo)).read_bytes()
    address = envelope.Address("update", uid, 1, silo)
    message = envelope.read(data, address, signer=signer, where="update")
    payload = message.open(rounds.COORDINATOR, keys.seal)
    return float(np.linalg.norm(np.frombuffer(payload[8 + int.from_bytes(payload[:8], "little") :], dtype="<f4")))


def test_whole_silos_are_trained_with_nobody_else(tmp_path):
    """Noise is drawn on the sum over all, and a public silo's update has no clip to hold it."""
    house = House(tmp_path, records=120, silos=("mercy",)).build()
    record = house.manifest("mercy")
    silo, public = record.model_copy(update={"unit": "Silo"}), house.manifest("public")
    check_together({"a": silo, "b": silo})
    check_together({"a": record, "b": public})
    for other in (record, public):
        with pytest.raises(PlanImpossible, match="unit of silo a is Silo, and silo b is not behind a budget of tha"):
            check_together({"a": silo, "b": other})
    check_unit(house.manifests().job(), "mercy", silo)
    assert weight(house.manifests().job(), silo) == 1


def test_a_silo_of_another_unit_is_refused_before_anything_is_reserved(tmp_path, monkeypatch):
    house = institutions(tmp_path)
    monkeypatch.setattr(house, "silos", ("mercy",))
    document = house.job_document()
    document["spec"]["silos"].append({"name": "public", "dataset": house.url("public")})
    house.job = {**house.job, "silos": document["spec"]["silos"]}
    with pytest.raises(PlanImpossible, match="train whole silos in a job of their own"):
        run_job(house.manifests(), house.options(), cluster=ThreadCluster())
    assert not list(house.view("mercy").every_reservation())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    house = institutions(tmp_path_factory.mktemp("whole"))
    return house.manifests().job(), house.manifest("mercy"), DatasetSchema.model_validate(house.schema.document())


def reserved(**changes) -> PlanRecord:
    plan = {"mechanism": "gaussian", "noise_multiplier": "5", "sampling_rate": "1/1", "steps_per_round": 1}
    rest = {"rounds": 1, "max_grad_norm": CLIP, "job_epsilon": "1", "job_delta": "1e-5"}
    return PlanRecord(**{**plan, **rest, **changes})


@pytest.mark.parametrize(
    "changes",
    [{"mechanism": "poisson-gaussian"}, {"sampling_rate": "8/120"}, {"steps_per_round": 2}],
    ids=["another mechanism", "sampled", "several steps"],
)
def test_a_whole_silo_is_never_trained_under_another_units_plan(whole, changes):
    job, manifest, _ = whole
    with pytest.raises(PlanImpossible, match="the reservation is not for one sum over whole silos a round"):
        engine(Training(job, "mercy", manifest, reserved(**changes), None), None)


def test_a_task_of_sums_is_not_given_whole_silos(whole):
    job, manifest, _ = whole
    task = Statistics.__new__(Statistics)
    with pytest.raises(PlanImpossible, match="a task of sums protects records or users"):
        engine(Training(job, "mercy", manifest, reserved(), task), None)


class Diverging(TabularClassifier):
    def loss(self, model, batch):
        return super().loss(model, batch) * math.inf


def test_an_update_that_is_not_finite_becomes_nothing(whole):
    job, manifest, schema = whole
    from support.hospitals import patients

    task = Diverging(hidden=[4], embedding_dim=2)
    assert encode_table(task, patients(120, 0), schema)
    update = engine(Training(job, "mercy", manifest, reserved(), task), patients(120, 0))(
        FlatModel(task.model(schema)), 1
    )
    assert update.shape and not update.any()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-(2.0**70), 2.0**70, width=32), min_size=1, max_size=30), st.floats(1e-3, 1e3))
def test_a_silo_more_moves_the_sum_by_at_most_the_clip(values, clip):
    change = torch.tensor(values, dtype=torch.float32)
    bounded = clipped(change, clip)
    assert torch.linalg.vector_norm(bounded, dtype=torch.float64).item() <= clip * (1 + 1e-6)
    if torch.linalg.vector_norm(change, dtype=torch.float64).item() <= clip:
        assert torch.equal(bounded, change)
