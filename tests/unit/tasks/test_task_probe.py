"""Tasks that would break the guarantee, or the run, are named by the probe in one line."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import parse_schema
from ringfence.tasks import Task
from ringfence.tasks.probe import probe

SCHEMA = parse_schema(
    """
columns:
- {name: a, type: number, minimum: 0, maximum: 5}
- {name: b, type: number, minimum: -1, maximum: 1}
- {name: y, type: boolean, role: target}
""",
    "schema",
)


class Fine(Task):
    """What all the faulty ones below are, but for one thing."""

    def model(self, schema):
        return nn.Sequential(nn.Linear(len(schema.features), 4), nn.ReLU(), nn.Linear(4, 1))

    def encode(self, rows, schema):
        return {"x": schema.scaled(rows), "y": schema.target(rows)}

    def predict(self, model, batch):
        return model(batch["x"]).squeeze(-1)

    def loss(self, model, batch):
        return functional.binary_cross_entropy_with_logits(self.predict(model, batch), batch["y"], reduction="none")


def with_layer(make):
    class WithLayer(Fine):
        def model(self, schema):
            return nn.Sequential(nn.Linear(len(schema.features), 4), make(), nn.Linear(4, 1))

    return WithLayer()


class OwnBatchNorm(nn.Module):
    def forward(self, x):
        return (x - x.mean(0)) / (x.std(0) + 1e-3)


class Smooth(nn.Module):
    def forward(self, x):
        return x + 0.5 * x.roll(1, 0)


class Running(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.zeros(4))

    def forward(self, x):
        self.level += 0.1 * x.detach().mean(0)
        return x


class OwnDropout(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, training=self.training)


class AlwaysNoisy(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x)


@pytest.mark.parametrize(
    "layer", [nn.Identity, lambda: nn.LayerNorm(4), lambda: nn.Dropout(0.5), OwnDropout, AlwaysNoisy, nn.Tanh]
)
def test_honest_layers_pass_also_when_they_are_random(layer) -> None:
    state = torch.random.get_rng_state()
    assert probe(with_layer(layer), SCHEMA).parameters >= 17
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            lambda: nn.BatchNorm1d(4),
            "model has BatchNorm1d at '1', which mixes the records of a batch; use nn.LayerNorm",
        ),
        (OwnBatchNorm, "the loss of a record changes when the other records change"),
        (Smooth, "the loss of a record changes when the other records change"),
        (Running, "model keeps statistics of batches in '1.level'"),
        (lambda: nn.Linear(3, 4), "predict raised RuntimeError"),
        (lambda: nn.LazyLinear(4), "parameter '1.weight' has no size or no values yet"),
    ],
)
def test_layers_that_mix_records_are_found_by_name_or_by_behaviour(layer, expected: str) -> None:
    assert expected in fault(with_layer(layer))


def fault(task: Task) -> str:
    with pytest.raises(InvalidTask) as caught:
        probe(task, SCHEMA)
    line = str(caught.value)
    assert "\n" not in line and type(task).__name__ in line
    return line


def changed(**methods):
    return type("Changed", (Fine,), methods)()


def unreduced(task, model, batch):
    return functional.binary_cross_entropy_with_logits(task.predict(model, batch), batch["y"], reduction="none")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            lambda s, m, b: unreduced(s, m, b).mean(),
            'loss has shape [] for 16 records; return one value a record, shape [16]: reduction="none"',
        ),
        (
            lambda s, m, b: unreduced(s, m, b)[:, None],
            "loss has shape [16, 1] for 16 records; return one value a record, shape [16]: squeeze(-1)",
        ),
        (lambda s, m, b: unreduced(s, m, b)[1:], "loss has shape [15] for 16 records"),
        (lambda s, m, b: (m(b["x"]) - b["y"]) ** 2, "loss has shape [16, 16] for 16 records"),
        (
            lambda s, m, b: unreduced(s, m, b).squeeze(),
            "loss has shape [] for 1 record; return one value a record, shape [1]: squeeze(-1), not squeeze()",
        ),
        (
            lambda s, m, b: unreduced(s, m, b) / len(b["y"]),
            "the loss of a record changes when it is alone in the batch",
        ),
        (
            lambda s, m, b: unreduced(s, m, b) - unreduced(s, m, b).mean(),
            "the loss of a record changes when the other records change",
        ),
        (lambda s, m, b: unreduced(s, m, b).detach(), "loss does not depend on the model's parameters; do not detach"),
        (lambda s, m, b: unreduced(s, m, b) / 0, "loss gives values that are not finite numbers on invented rows"),
        (lambda s, m, b: 1.0, "loss returns a float, not a tensor"),
        (lambda s, m, b: b["z"], "loss raised KeyError at test_task_probe.py:"),
        (
            lambda s, m, b: functional.binary_cross_entropy_with_logits(m(b["x"]), b["y"], reduction="none"),
            "loss raised ValueError at test_task_probe.py:",
        ),
    ],
)
def test_losses_that_are_not_one_value_a_record(loss, expected: str) -> None:
    assert expected in fault(changed(loss=loss))


@pytest.mark.parametrize(
    ("encode", "expected"),
    [
        (
            lambda s, r, d: {"x": d.scaled(r) - d.scaled(r).mean(0), "y": d.target(r)},
            "encode of a row depends on the other rows of its batch ('x'); use declared constants",
        ),
        (
            lambda s, r, d: {"x": torch.rand(r.num_rows, 2), "y": d.target(r)},
            "encode gives other values for the same rows a second time ('x')",
        ),
        (
            lambda s, r, d: {"x": d.scaled(r)[:1], "y": d.target(r)},
            "encode gives 'x' with shape [1, 2] for 16 rows; the first dimension is the record",
        ),
        (lambda s, r, d: d.scaled(r), "encode returns a ndarray, not a dict"),
        (lambda s, r, d: {"x": [1, 2]}, "encode gives 'x' as a list, not an array or a tensor"),
        (lambda s, r, d: {"x": d.scaled(r).astype(str)}, "encode gives 'x' as an array of <U"),
        (lambda s, r, d: {"x": d.scaled(r) / 0}, "encode gives values in 'x' that are not finite"),
        (lambda s, r, d: {"x": d.scaled(r), "y": r.column("late")}, "encode raised KeyError at test_task_probe.py:"),
        (lambda s, r, d: {"x": d.scaled(r.select(["b"]))}, "encode: the rows have no column 'a'"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_encodings_that_are_not_row_by_row(encode, expected: str) -> None:
    assert expected in fault(changed(encode=encode))


def test_an_encoding_that_numbers_rows_by_their_place_is_found() -> None:
    def encode(self, rows, schema):
        place = torch.arange(rows.num_rows) if rows.num_rows > 1 else torch.zeros(1)
        return {"x": torch.tensor(schema.scaled(rows)) * (1 + place[:, None]), "y": schema.target(rows)}

    assert "encode of a row depends on the other rows" in fault(changed(encode=encode))


def with_spare(self, schema):
    model = Fine.model(self, schema)
    model.spare = nn.Linear(2, 2)
    model.forward = lambda x: model[2](model[1](model[0](x)))
    return model


def poisoned(self, schema):
    model = Fine.model(self, schema)
    nn.init.constant_(model[0].bias, float("nan"))
    return model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (with_spare, "parameters 'spare.weight', 'spare.bias' take no part in the loss; remove what is not used"),
        (poisoned, "parameter '0.bias' starts with values that are not finite"),
        (lambda s, d: Fine.model(s, d).requires_grad_(False), "model has no parameters to train"),
        (lambda s, d: nn.Identity(), "model has no parameters to train"),
        (lambda s, d: lambda x: x, "model returns a function, not a torch.nn.Module"),
        (
            lambda s, d: nn.ParameterList([nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)]),
            "parameter '0' is int64, not floating point",
        ),
        (lambda s, d: nn.Linear(len(d.numerics), 1), "model raised AttributeError at test_task_probe.py:"),
        (lambda s, d: nn.Linear(d.column("aa").maximum, 1), "model: the schema declares no column 'aa'; did you mean"),
    ],
)
def test_models_that_cannot_be_trained(model, expected: str) -> None:
    assert expected in fault(changed(model=model))


def test_a_shape_error_shows_both_shapes() -> None:
    class Narrow(Fine):
        def model(self, schema):
            return nn.Linear(64, 1)

    line = fault(Narrow())
    assert "predict raised RuntimeError at test_task_probe.py:" in line
    assert "mat1 and mat2 shapes cannot be multiplied (16x2 and 64x1)" in line


@pytest.mark.parametrize(
    ("predict", "expected"),
    [
        (
            lambda s, m, b: m(b["x"]),
            "predict has shape [16, 1] for 16 records; return one value a record, shape [16]: squeeze(-1)",
        ),
        (lambda s, m, b: m(b["x"]).mean(), "predict has shape [] for 16 records"),
        (lambda s, m, b: m(b["x"]).squeeze(-1) > 0, "predict gives values that are not finite numbers"),
    ],
)
def test_predictions_that_are_not_one_number_a_record(predict, expected: str) -> None:
    assert expected in fault(changed(predict=predict))


def test_records_mixed_behind_a_head_that_starts_at_zero_are_found() -> None:
    class Hidden(Fine):
        def model(self, schema):
            model = nn.Sequential(nn.Linear(2, 4), OwnBatchNorm(), nn.Linear(4, 1))
            nn.init.zeros_(model[2].weight)
            return model

    assert "the loss of a record changes when the other records change" in fault(Hidden())
