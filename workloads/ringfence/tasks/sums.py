"""Tasks that learn nothing: each record has a part in some sums, and the sums are what is released.

Such a job is one noised sum. A record's part is a vector x with |x| <= 1, known from the declared schema alone; a silo
adds up all parts, adds noise and divides by its number N of records (`training.sums`):

    cells = (sum_i x_i + N(0, sigma^2)) / N

which is one step of gradient descent with rate 1, in which every record takes part, on the loss -<cells, x_i>. So it is
planned, reserved, charged and stated as any other job.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import torch
from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.spec.job import FederatedJobSpec
from ringfence.tasks.task import Batch, Task

POSITIONS, PARTS = "positions", "parts"
"""What `encode` gives: the cells [B, M] that a record has a part in, and these parts [B, M], sum of squares <= 1."""


@dataclass(frozen=True)
class Noise:
    """What is known of released sums: over how many units they run, and the standard deviation of the noise on each
    (in the unit of the parts; 0 for rows that were sealed as public)."""

    units: int
    std: float


class Sums(Task):
    """`encode` gives `positions` [B, M], distinct in a row, and `parts` [B, M]; the rest follows.

    With unit Record a record's part counts as it is. With unit User every user counts once: its part is the mean over
    its rows.
    """

    @abstractmethod
    def cells(self, schema: DatasetSchema) -> int:
        """How many sums there are. Raises InvalidTask for what the schema does not have."""

    @abstractmethod
    def figures(self, cells: Sequence[float], schema: DatasetSchema, noise: Noise) -> list[dict[str, str]]:
        """The table that is made of the released cells [K] and of nothing else: a dictionary a row, all of it text."""

    def model(self, schema: DatasetSchema) -> nn.Module:
        return Cells(self.cells(schema))

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        products: Tensor = model(batch[POSITIONS], batch[PARTS])
        return products

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return -self.predict(model, batch)

    def check(self, spec: FederatedJobSpec) -> None:
        faults = list(_not_one_sum(spec))
        if faults:
            raise InvalidTask(
                f"{type(self).__name__} is one noised sum over everybody, so it needs {', '.join(faults)}",
                where="spec",
            )


class Cells(nn.Module):
    """Positions [B, M] and parts [B, M] -> [B]: sum_m cells[positions_m] parts_m."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = nn.Parameter(torch.zeros(cells))

    def forward(self, positions: Tensor, parts: Tensor) -> Tensor:
        return (self.cells[positions] * parts).sum(dim=1)


def _not_one_sum(spec: FederatedJobSpec) -> Iterator[str]:
    """What the job must say instead, as manifests say it."""
    local, optimizer = spec.local, spec.local.optimizer
    if spec.rounds != 1:
        yield "rounds: 1"
    if local.everybody is None:
        yield "local.everybody: Records (or Users)"
    if local.everybody == "Users" and local.batch_size is not None:
        yield "no local.batchSize"
    if Decimal(local.epochs) != 1:
        yield 'local.epochs: "1"'
    if Decimal(optimizer.learning_rate) != 1 or Decimal(optimizer.momentum):
        yield 'local.optimizer: {name: sgd, learningRate: "1"}'
    if spec.strategy.name != "fedavg":
        yield "strategy: {name: fedavg}"
    if spec.privacy is not None and Decimal(spec.privacy.max_grad_norm) != 1:
        yield 'privacy.maxGradNorm: "1"'
    if spec.evaluation is not None:
        yield "no evaluation (a table has no score)"
