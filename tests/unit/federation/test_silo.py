"""A silo trusts nobody: whoever starts it with other numbers than those reserved is refused before a key is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.audit import charged, output
from support.hospitals import House, patients
from support.threads import ThreadCluster

from ringfence.acceptance.accepted import Participant
from ringfence.errors import CodeNotApproved, LedgerError, LedgerTampered, ManifestUnavailable, RingfenceError
from ringfence.federation import silo as silo_module
from ringfence.federation.run import run_job
from ringfence.privacy.planner import Plan
from ringfence.spec.load import parse_document
from ringfence.tasks.package import package

TASK = """
from torch import nn
from torch.nn import functional
from ringfence.tasks import Task

class Mine(Task):
    def model(self, schema):
        return nn.Linear(len(schema.features), 1)
    def encode(self, rows, schema):
        return {"x": schema.scaled(rows), "y": schema.target(rows)}
    def predict(self, model, batch):
        return model(batch["x"]).squeeze(-1)
    def loss(self, model, batch):
        return functional.binary_cross_entropy_with_logits(self.predict(model, batch), batch["y"], reduction="none")
"""


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path, records=120, job={"rounds": 1}).build()


class Meddler(ThreadCluster):
    """Somebody who starts silo mercy with an assignment of their own."""

    def __init__(self, change) -> None:
        super().__init__()
        self._change = change

    def prepare(self, assignment):
        return super().prepare(self._change(assignment) if assignment.silo == "mercy" else assignment)


def meddled(house: House, monkeypatch, change, error: type[RingfenceError], words: str) -> None:
    load = silo_module.key_of

    def key_of(manifest, keys, where):
        # Only mercy is prepared with a change; the others may read theirs.
        assert "mercy" not in where, f"the key of {where} was read"
        return load(manifest, keys, where)

    monkeypatch.setattr(silo_module, "key_of", key_of)
    with pytest.raises(error, match=words):
        run_job(house.manifests(), house.options(), cluster=Meddler(change))
    assert not any(house.view(silo).charged for silo in house.silos)


@pytest.mark.parametrize(
    "changes",
    [
        {"privacy": {"epsilon": "8", "delta": "1e-5", "maxGradNorm": "1"}},
        {"local": {"epochs": "9", "batchSize": 32, "optimizer": {"name": "sgd", "learningRate": "0.5"}}},
        {"rounds": 50},
    ],
    ids=["epsilon", "epochs", "rounds"],
)
def test_another_job_than_the_reserved_one(house, monkeypatch, changes):
    other = parse_document(house.job_document(**changes), "job")
    words = "the reservation is for another value of the job's spec"
    meddled(house, monkeypatch, lambda a: replace(a, job=other), LedgerError, words)


def test_a_job_that_reserved_nothing(house, monkeypatch):
    meddled(house, monkeypatch, lambda a: replace(a, uid="another"), LedgerError, "no open reservation of job another")


@pytest.mark.parametrize("part", ["sign", "seal"])
def test_a_coordinator_that_was_not_reserved(house, monkeypatch, part):
    def change(assignment):
        stranger = {"sign": assignment.signer, "seal": "x25519:" + "A" * 43}[part]
        return replace(assignment, coordinator=replace(assignment.coordinator, **{part: stranger}))

    meddled(house, monkeypatch, change, LedgerError, "another value of the coordinator's keys")


def test_a_reservation_that_pays_for_some_of_the_shards_only(house, monkeypatch):
    """Else a job could train on all shards and charge one."""
    house.seal("mercy", patients(60, 9), append=True, new_records=True)
    monkeypatch.setattr(Participant, "shards", property(lambda one: (one.manifest.shards[0].id,)))
    meddled(house, monkeypatch, lambda a: a, LedgerError, "another value of the shards")


def test_another_manifest_than_the_accepted_one(house, monkeypatch):
    def change(assignment):
        return replace(assignment, manifest=(1, "sha256:" + "0" * 64))

    meddled(house, monkeypatch, change, ManifestUnavailable, "not the manifest that was accepted")


def test_a_plan_whose_noise_is_not_what_its_cost_says(house, monkeypatch):
    record = Plan.record
    monkeypatch.setattr(Plan, "record", lambda self: replace(record(self), noise_multiplier="0.5"))
    meddled(house, monkeypatch, lambda a: a, LedgerTampered, "the reservation's cost is not what its plan costs")


def test_a_code_package_that_was_changed_after_it_was_approved(tmp_path, monkeypatch):
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text(TASK)
    _, digest = package(code)
    house = House(tmp_path, records=120, allowed=(digest,), job={"rounds": 1, "task": {"class": "mine:Mine"}}).build()

    def change(assignment):
        path = output(house, assignment.uid) / f"code/{digest.removeprefix('sha256:')}.zip"
        path.write_bytes(path.read_bytes() + b"x")
        return assignment

    with pytest.raises(CodeNotApproved, match="the code package is not the approved one"):
        run_job(house.manifests(), house.options(code=code), cluster=Meddler(change))
    assert not charged(house, "mercy", next((tmp_path / "state/jobs").iterdir()).name)


def test_an_approved_package_trains_and_loads_again(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text(TASK)
    _, digest = package(code)
    house = House(tmp_path, records=120, allowed=(digest,), job={"rounds": 1, "task": {"class": "mine:Mine"}}).build()
    result = run_job(house.manifests(), house.options(code=code), cluster=ThreadCluster())
    assert result.statement["statement"]["job"]["code"] == digest
    assert type(result.model().task).__name__ == "Mine"
