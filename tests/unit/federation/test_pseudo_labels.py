"""A teacher is charged once; its student learns from public rows that nobody labelled, and charges nobody."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.hospitals import SCHEMA, SILOS, House, patients
from support.threads import ThreadCluster

from ringfence.errors import InvalidTask
from ringfence.federation.run import run_job
from ringfence.schema import DatasetSchema
from ringfence.shards.seal import SealKeys, SealRequest, seal
from ringfence.tasks import PseudoLabels, TabularClassifier
from ringfence.tasks.encode import encode_table
from ringfence.tasks.probe import probe
from ringfence.training.flat import FlatModel

POOL = "s3://public/pool"
UNLABELLED = SCHEMA.without_target()


def written(folder: Path, model: FlatModel, schema: DatasetSchema, **changes) -> tuple[str, str]:
    """A folder as `ringfence pull` leaves it, and its digest."""
    folder.mkdir(parents=True)
    task = {"class": "ringfence.tasks:TabularClassifier", "args": {"hidden": []}, "code": "builtin", **changes}
    (folder / "config.json").write_text(json.dumps({"task": task, "schema": schema.document()}))
    (folder / "model.safetensors").write_bytes(model.to_bytes())
    return str(folder), digest(folder)


def digest(folder: Path) -> str:
    return f"sha256:{hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()}"


def linear(schema: DatasetSchema) -> FlatModel:
    return FlatModel(TabularClassifier([]).model(schema))


def of_three() -> DatasetSchema:
    target = {"name": "triage", "type": "category", "values": ["green", "amber", "red"], "role": "target"}
    return DatasetSchema.model_validate({"columns": [*UNLABELLED.document()["columns"], target]})


@pytest.mark.parametrize("schema", [SCHEMA, of_three()], ids=["two", "three"])
def test_it_passes_the_probe_with_and_without_a_target(tmp_path, schema):
    task = PseudoLabels(*written(tmp_path / "teacher", linear(schema), schema), student={"hidden": [4]})
    assert probe(task, schema).inputs == probe(task, schema.without_target()).inputs


def test_the_labels_are_the_teachers_probabilities_and_a_target_in_the_rows_is_not_looked_at(tmp_path):
    model, rows = linear(SCHEMA), patients(40, 0)
    task = PseudoLabels(*written(tmp_path / "teacher", model, SCHEMA))
    data = encode_table(TabularClassifier([]), rows, SCHEMA)
    expected = TabularClassifier([]).predict(model.module, data).sigmoid().detach().numpy()
    for given, schema in ((rows, SCHEMA), (rows.drop_columns("readmitted"), UNLABELLED)):
        np.testing.assert_allclose(encode_table(task, given, schema)["target"], expected, rtol=1e-6)


def test_a_student_learns_from_a_charged_teacher_and_charges_nobody(tmp_path):
    house = House(tmp_path, records=200, silos=SILOS[:2]).build()
    taught = run_job(house.manifests(rounds=2), house.options(), cluster=ThreadCluster())
    spent = [house.view(silo).spent_epsilon() for silo in house.silos]
    store, folder = taught.stores.open(taught.output), tmp_path / "teacher"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(store.get(name))
    pool = patients(400, 9).drop_columns("readmitted")
    request = SealRequest(source=pool, url=POOL, schema=UNLABELLED, public=True)
    seal(request, house.stores, SealKeys(None, house.signer("public")))
    task = {"class": "ringfence.tasks:PseudoLabels", "args": {"teacher": str(folder), "digest": digest(folder)}}
    student = replace(house, private=False).manifests(task=task, silos=[{"name": "pool", "dataset": POOL}])
    learned = run_job(student, house.options(), cluster=ThreadCluster())
    assert min(spent) > 0 and spent == [house.view(silo).spent_epsilon() for silo in house.silos]
    assert float(learned.metrics["auc"]) > 0.5, "it learned from the teacher alone, whatever the noise left of that"


def test_a_pool_behind_a_budget_is_refused_before_anything_is_reserved(tmp_path):
    house = House(tmp_path, records=200, silos=SILOS[:1]).build()
    teacher, found = written(tmp_path / "teacher", linear(SCHEMA), SCHEMA)
    task = {"class": "ringfence.tasks:PseudoLabels", "args": {"teacher": teacher, "digest": found}}
    with pytest.raises(InvalidTask) as refusal:
        run_job(house.manifests(task=task), house.options(), cluster=ThreadCluster())
    assert "PseudoLabels trains on rows sealed as public, and silo 'mercy' is behind a budget" in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code": "sha256:" + "0" * 64}, "a teacher of a task of one's own cannot label"),
        ({"args": {"hidden": [3]}}, "the teacher's weights are not those of its task"),
        ({"class": "ringfence.tasks:TabularRegressor"}, "TabularRegressor needs a target of type number"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(tmp_path, changes, expected):
    with pytest.raises(InvalidTask) as refusal:
        PseudoLabels(*written(tmp_path / "teacher", linear(SCHEMA), SCHEMA, **changes))
    assert expected in str(refusal.value)


def test_another_teacher_or_none_is_refused(tmp_path):
    teacher, found = written(tmp_path / "teacher", linear(SCHEMA), SCHEMA)
    with pytest.raises(InvalidTask, match=f"the teacher has the digest {found}, not sha256:0"):
        PseudoLabels(teacher, "sha256:0")
    with pytest.raises(InvalidTask, match="holds no model that can be read; fetch the model with `ringfence pull"):
        PseudoLabels(str(tmp_path), found)


def test_a_pool_of_other_columns_is_refused_by_name(tmp_path):
    task = PseudoLabels(*written(tmp_path / "teacher", linear(SCHEMA), SCHEMA))
    other = DatasetSchema.model_validate({"columns": [*UNLABELLED.document()["columns"][:2]]})
    with pytest.raises(InvalidTask, match="the teacher knows other columns: column 'ward' is missing"):
        task.model(other)
