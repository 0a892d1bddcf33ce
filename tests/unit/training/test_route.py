"""What is tried before the rules are trusted, and how often."""

from __future__ import annotations

from fractions import Fraction

import torch
from support.random_models import Squares
from torch import Tensor, nn

from ringfence.training import FlatModel, LocalPlan, PrivateStep, train_local
from ringfence.training.route import choose_route, known_route, without_rules

PLAN = LocalPlan(2, 8, 0.1, private=PrivateStep(1.0, Fraction(1), 1.0))


class Gated(nn.Module):
    """Mixes the records of a batch, as soon as its gate is not 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.gate = nn.Linear(5, 3), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return y + self.gate * y.flip(0)


class Counting(Squares):
    def __init__(self) -> None:
        self.records: list[int] = []

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        self.records.append(len(batch["x"]))
        return super().loss(model, batch)


def records(width: int = 5) -> dict[str, Tensor]:
    return {"x": torch.randn(8, width), "y": torch.randn(8)}


def test_mixing_of_records_behind_a_weight_that_is_still_zero_is_noticed() -> None:
    model, batch = FlatModel(Gated()), records()
    before, drawn = model.copy(), torch.get_rng_state()
    assert choose_route(model, Squares(), batch) == without_rules(model)
    assert torch.equal(model.vector, before)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_rules_are_tried_once_for_a_model_and_not_again_every_round() -> None:
    model, task = FlatModel(nn.Linear(5, 3)), Counting()
    train_local(task, model, records(), PLAN)
    assert len(task.records) > 2 and task.records[-2:] == [8, 8]
    task.records.clear()
    train_local(task, model, records(), PLAN)
    assert task.records == [8, 8]


def test_rules_are_tried_again_for_another_task_shape_or_model() -> None:
    model, task = FlatModel(nn.Linear(5, 3)), Counting()
    known_route(model, task, records())
    task.records.clear()
    known_route(model, task, {"x": torch.randn(8, 4, 5), "y": torch.randn(8)})
    assert task.records
    task.records.clear()
    known_route(FlatModel(nn.Linear(5, 3)), task, records())
    assert task.records
    other = Counting()
    known_route(model, other, records())
    assert other.records


def test_an_empty_dataset_decides_nothing_for_the_rounds_to_come() -> None:
    model, task = FlatModel(nn.Linear(5, 3)), Counting()
    nobody = {name: tensor[:0] for name, tensor in records().items()}
    assert known_route(model, task, nobody) == without_rules(model)
    assert known_route(model, task, records()).rest == ()
