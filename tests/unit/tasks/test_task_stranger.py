"""A class written from the documentation alone, verbatim, and what the built-in task promises."""

import itertools

import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, parse_schema
from ringfence.tasks import TabularClassifier
from ringfence.tasks.encode import encode_table
from ringfence.tasks.load import load_task
from ringfence.tasks.package import package
from ringfence.tasks.probe import probe
from ringfence.tasks.synthetic import synthetic_rows

READMISSION = """
import torch.nn.functional as F
from torch import nn
from ringfence.tasks import Task

class Readmission(Task):
    def __init__(self, hidden: int = 64): self.hidden = hidden          # spec.task.args
    def model(self, schema):                                            # the declared schema only
        return nn.Sequential(nn.Linear(len(schema.features), self.hidden), nn.ReLU(), nn.Linear(self.hidden, 1))
    def encode(self, rows, schema):                                     # Arrow batch -> tensors, row by row (probed)
        return {"x": schema.scaled(rows), "y": schema.target(rows)}
    def predict(self, model, batch): return model(batch["x"]).squeeze(-1)
    def loss(self, model, batch):                                       # shape [B]: one value a record
        return F.binary_cross_entropy_with_logits(self.predict(model, batch), batch["y"], reduction="none")
"""

SCHEMA = parse_schema(
    """
columns:
- {name: age, type: integer, minimum: 0, maximum: 110}
- {name: dose, type: number, minimum: 0, maximum: 9.5}
- {name: ward, type: category, values: [a, b, c]}
- {name: smoker, type: boolean}
- {name: patient, type: identifier, role: unit}
- {name: late, type: boolean, role: target}
""",
    "schema",
)


def zipped(tmp_path, source: str, name: str = "readmit.py") -> bytes:
    (tmp_path / name).write_text(source)
    return package(tmp_path)[0]


def test_the_documented_example_works_verbatim_from_a_package(tmp_path) -> None:
    task = load_task("readmit:Readmission", {"hidden": 8}, zipped(tmp_path, READMISSION))
    result = probe(task, SCHEMA)
    assert result.parameters == result.trained == 4 * 8 + 8 + 8 + 1
    assert result.inputs == {"x": (4,), "y": ()}


@pytest.mark.parametrize("hidden", [[], [5], [64, 32]])
def test_the_built_in_task_holds_together(hidden: list[int]) -> None:
    task = load_task("ringfence.tasks:TabularClassifier", {"hidden": hidden})
    result = probe(task, SCHEMA)
    width = 3 + 3  # three numbers, and an embedding of three values in three dimensions
    sizes = [width, *hidden, 1]
    linear = sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert result.parameters == linear + 3 * 3


@pytest.mark.parametrize(
    "columns",
    [
        "{name: a, type: boolean}, {name: y, type: category, values: [n, p], role: target}",
        "{name: a, type: category, values: [n, p]}, {name: y, type: integer, minimum: 0, maximum: 1, role: target}",
    ],
)
def test_the_built_in_task_takes_every_kind_of_binary_target(columns: str) -> None:
    probe(TabularClassifier(), parse_schema(f"columns: [{columns}]", "s"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", "needs a target of two classes or more, but none is declared"),
        (", {name: y, type: number, minimum: 0, maximum: 5, role: target}", "but 'y' is number"),
    ],
)
def test_the_built_in_task_refuses_other_targets(target: str, expected: str) -> None:
    with pytest.raises(InvalidTask) as caught:
        probe(TabularClassifier(), parse_schema(f"columns: [{{name: a, type: boolean}}{target}]", "s"))
    assert expected in str(caught.value) and "declare it boolean" in str(caught.value)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({"hidden": "64"}, "hidden is a list of layer widths such as [64, 32], not '64'"),
        ({"hidden": [0]}, "hidden is a list of layer widths"),
        ({"hidden": [True]}, "hidden is a list of layer widths"),
        ({"embedding_dim": 0}, "embedding_dim is a whole number from 1 to 4096, not '0'"),
    ],
)
def test_wrong_arguments_of_the_built_in_task_are_refused(args: dict[str, object], expected: str) -> None:
    with pytest.raises(InvalidTask) as caught:
        load_task("ringfence.tasks:TabularClassifier", args)
    assert expected in str(caught.value)


def learnable(schema: DatasetSchema, records: int) -> pa.Table:
    rows = synthetic_rows(schema, records, seed=3)
    late = [age > 55 for age in rows.column("age").to_pylist()]
    return rows.set_column(rows.column_names.index("late"), "late", pa.array(late))


def test_plain_gradient_descent_learns_a_plain_rule() -> None:
    task = TabularClassifier(hidden=[])
    torch.manual_seed(0)
    model = task.model(SCHEMA)
    data = encode_table(task, learnable(SCHEMA, 600), SCHEMA)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        task.loss(model, data).mean().backward()
        optimizer.step()
    right = (task.predict(model, data) > 0) == (data["target"] > 0)
    assert right.float().mean() > 0.95
