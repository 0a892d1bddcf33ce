"""Regression on records with numeric and categorical columns.

Needs a declared target of type number or integer with its range. Released: the weights. Not protected: what the schema
declares (the target's range among it), and the number of records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema, Rows
from ringfence.tasks.nets import TabularNet, Widths
from ringfence.tasks.task import Batch, Encoded, Task


class TabularRegressor(Task):
    """Linear regression (`hidden: []`) or a multi-layer perceptron; predictions are in the target's own unit.

    The model works on the target scaled to [-1, 1] by its declared range, so declare a range that people believe in,
    not the widest thinkable. The loss of a record is Huber's with threshold 1 on that scale: half the squared error up
    to half the range, and linear beyond, so that no record dominates.
    """

    def __init__(self, hidden: Sequence[int] = (64, 32), embedding_dim: int = 8) -> None:
        self.widths = Widths.of(hidden, embedding_dim)

    def model(self, schema: DatasetSchema) -> nn.Module:
        return Regression(self.widths.net(schema, outputs=1), _ranged_target(schema))

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        return {
            "numbers": schema.scaled(rows, schema.numeric),
            "codes": schema.codes(rows),
            "target": schema.scaled(rows, [_ranged_target(schema)])[:, 0],
        }

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        _, values = model(batch["numbers"], batch["codes"])
        return cast(Tensor, values)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        scaled, _ = model(batch["numbers"], batch["codes"])
        return functional.huber_loss(scaled, batch["target"], reduction="none")


class Regression(nn.Module):
    """Numbers [B, n] and codes [B, c] -> predictions [B] on the scale of [-1, 1], and the same in the target's unit."""

    def __init__(self, net: TabularNet, target: Column) -> None:
        super().__init__()
        self.net = net
        self.low, self.high = target.bounds

    def forward(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        scaled: Tensor = self.net(numbers, codes)
        return scaled, scaled * ((self.high - self.low) / 2) + (self.high + self.low) / 2


def _ranged_target(schema: DatasetSchema) -> Column:
    target = schema.target_column
    if target is None or not target.ranged:
        found = "none is declared" if target is None else f"{target.name!r} is {target.type}"
        raise InvalidTask(
            f"TabularRegressor needs a target of type number or integer, but {found}",
            remedy="declare the target with its range; TabularClassifier predicts classes",
        )
    return target
