"""The built-in tasks on invented rows: they pass the probe, learn what is there, and refuse the wrong target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.tasks import Autoencoder, TabularClassifier, TabularRegressor, Task
from ringfence.tasks.encode import encode_table
from ringfence.tasks.probe import probe

FEATURES = [
    {"name": "age", "type": "number", "minimum": "0", "maximum": "100"},
    {"name": "ward", "type": "category", "values": ["a", "b", "c"]},
]
TARGETS = {
    "number": {"name": "stay", "role": "target", "type": "number", "minimum": "10", "maximum": "30"},
    "three": {"name": "outcome", "role": "target", "type": "category", "values": ["x", "y", "z"]},
    "two": {"name": "died", "role": "target", "type": "boolean"},
}


def schema(target: str = "") -> DatasetSchema:
    return DatasetSchema.model_validate({"columns": [*FEATURES, *([TARGETS[target]] if target else [])]})


def rows(target: str, records: int = 512) -> pa.Table:
    draw = np.random.default_rng(7)
    age, ward = draw.uniform(0, 100, records), draw.integers(0, 3, records)
    columns = {"age": age, "ward": [("a", "b", "c")[code] for code in ward]}
    if target == "number":
        columns["stay"] = 10 + 0.1 * age + 5 * (ward == 1)
    if target == "three":
        columns["outcome"] = [("x", "y", "z")[code] for code in ward]
    if target == "two":
        columns["died"] = age > 50
    return pa.table(columns)


def trained(task: Task, target: str, steps: int = 300):
    torch.manual_seed(0)
    model, data = task.model(schema(target)), encode_table(task, rows(target), schema(target))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        task.loss(model, data).mean().backward()
        optimizer.step()
    return model.eval(), data


@pytest.mark.parametrize(
    ("task", "target"),
    [
        (TabularClassifier([8]), "two"),
        (TabularClassifier([]), "three"),
        (TabularRegressor([8]), "number"),
        (TabularRegressor([]), "number"),
        (Autoencoder([8], code_dim=2), ""),
        (Autoencoder([8], code_dim=2), "two"),
    ],
    ids=["two", "three", "regressor", "linear", "autoencoder", "labels-unseen"],
)
def test_it_passes_the_probe_that_a_users_task_must_pass(task, target):
    assert probe(task, schema(target)).trained > 0


def test_a_regressor_predicts_in_the_targets_own_unit():
    task = TabularRegressor([16])
    model, data = trained(task, "number")
    truth = np.asarray(rows("number")["stay"])
    error = task.predict(model, data).detach().numpy() - truth
    assert float(np.sqrt(np.mean(error**2))) < 1.0 < float(np.std(truth))


def test_three_classes_are_told_apart():
    task = TabularClassifier([])
    model, data = trained(task, "three")
    assert task.predict(model, data).shape == (512, 3)
    assert bool((task.predict(model, data).argmax(dim=1) == data["target"]).all())


def test_an_unusual_record_is_hard_to_reconstruct():
    task = Autoencoder([16], code_dim=1)
    usual = pa.table({"age": np.full(64, 20.0), "ward": ["a"] * 64})
    torch.manual_seed(0)
    model, data = task.model(schema()), encode_table(task, usual, schema())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        task.loss(model, data).mean().backward()
        optimizer.step()
    strange = encode_table(task, pa.table({"age": [95.0], "ward": ["c"]}), schema())
    with torch.no_grad():
        assert float(task.predict(model, strange)) > 10 * float(task.predict(model, data).mean())


@pytest.mark.parametrize(
    ("task", "target", "expected"),
    [
        (TabularClassifier(), "number", "needs a target of two classes or more, but 'stay' is number"),
        (TabularRegressor(), "two", "TabularRegressor needs a target of type number or integer, but 'died' is boolean"),
        (TabularRegressor(), "", "TabularRegressor needs a target of type number or integer, but none is declared"),
    ],
    ids=["number-classified", "class-regressed", "nothing-regressed"],
)
def test_a_target_of_another_kind_is_refused_with_the_task_that_takes_it(task, target, expected):
    with pytest.raises(InvalidTask, match=expected):
        task.model(schema(target))


def test_a_code_of_no_numbers_is_refused():
    with pytest.raises(InvalidTask, match="code_dim is a whole number from 1 to 4096, not '0'"):
        Autoencoder(code_dim=0)
