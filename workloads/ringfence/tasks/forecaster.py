"""The next value of a series, from a window of what came before.

Needs rows that are windows (`ringfence.quality.windows` makes them): a target of type number or integer, and features
that were known before it, among them the value of one season ago, in the target's own range. Released: the weights.

What is protected is what the dataset's unit says. Unit Record protects a window: where windows do not overlap, every
day in it; where they do, a day is in several windows, and the guarantee for a day is the composition of theirs. Unit
User with the series as its column protects a whole vehicle or station. Not protected: what the schema declares, the
number of windows, and what is the same for all series at one time, such as a holiday: that is what a model is to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema, Rows
from ringfence.tasks.nets import TabularNet, Widths
from ringfence.tasks.task import Batch, Encoded, Task


class Forecaster(Task):
    """value = what it was a season ago + a network's correction, both on the scale [-1, 1] of the declared range.

    `season` names the feature that holds the value of a season ago, such as `lag_7` for days: before anything is
    learned it is the forecast, so that noise is spent on what is better than that. `hidden`, `embedding_dim`: as in
    `TabularRegressor`. The loss of a record is Huber's with threshold 1. `predict` is in the target's unit.
    """

    def __init__(self, season: str, hidden: Sequence[int] = (16,), embedding_dim: int = 8) -> None:
        self.season, self.widths = season, Widths.of(hidden, embedding_dim)

    def model(self, schema: DatasetSchema) -> nn.Module:
        _, target = self._columns(schema)
        return Forecast(self.widths.net(schema, outputs=1), target)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        season, target = self._columns(schema)
        ends = schema.scaled(rows, [season, target])
        numbers = schema.scaled(rows, schema.numeric)
        return {"numbers": numbers, "codes": schema.codes(rows), "season": ends[:, 0], "target": ends[:, 1]}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        forecast = cast(Forecast, model)
        return forecast.middle + forecast.reach * self._scaled(model, batch)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return functional.huber_loss(self._scaled(model, batch), batch["target"], reduction="none")

    def _scaled(self, model: nn.Module, batch: Batch) -> Tensor:
        scaled: Tensor = model(batch["numbers"], batch["codes"], batch["season"])
        return scaled

    def _columns(self, schema: DatasetSchema) -> tuple[Column, Column]:
        """The feature of a season ago, and the target."""
        target = schema.target_column
        if target is None or not target.ranged:
            found = "none is declared" if target is None else f"{target.name!r} is {target.type}"
            raise InvalidTask(f"Forecaster needs a target of type number or integer, but {found}")
        season = schema.column(self.season)
        if season.role != "feature" or season.bounds != target.bounds or not season.ranged:
            raise InvalidTask(
                f"column {season.name!r} is not a feature with the range of the target {target.name!r}",
                remedy=f"declare it from {target.minimum} to {target.maximum}, or name another season",
            )
        return season, target


class Forecast(nn.Module):
    """Numbers [B, n], codes [B, c] and the season's value [B] -> forecasts [B], all on the scale [-1, 1]."""

    def __init__(self, net: TabularNet, target: Column) -> None:
        super().__init__()
        self.net = net
        low, high = target.bounds
        self.middle, self.reach = (low + high) / 2, (high - low) / 2
        last = cast(nn.Linear, net.layers[-1])
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()

    def forward(self, numbers: Tensor, codes: Tensor, season: Tensor) -> Tensor:
        corrected: Tensor = season + self.net(numbers, codes)
        return corrected
