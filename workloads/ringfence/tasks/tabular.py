"""Binary classification of records with numeric and categorical columns.

Needs a declared target with two classes (boolean, a category of two values, or an integer from 0 to 1). Released: the
weights. Not protected: what the schema declares, and the number of records.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.tasks.task import Batch, Encoded, Task


class TabularClassifier(Task):
    """Logistic regression (`hidden: []`) or a multi-layer perceptron over scaled numbers and embedded categories.

    `hidden`: widths of the hidden layers, default [64, 32]. `embedding_dim`: numbers a category column is embedded in,
    default 8, never more than it has values.
    """

    def __init__(self, hidden: Sequence[int] = (64, 32), embedding_dim: int = 8) -> None:
        widths = list(hidden) if isinstance(hidden, list | tuple) else [0]
        if not all(type(width) is int and 1 <= width <= 65536 for width in widths):
            raise InvalidTask(f"hidden is a list of layer widths such as [64, 32], not {str(hidden)[:40]!r}")
        if type(embedding_dim) is not int or not 1 <= embedding_dim <= 4096:
            raise InvalidTask(f"embedding_dim is a whole number from 1 to 4096, not {str(embedding_dim)[:40]!r}")
        self.hidden = widths
        self.embedding_dim = embedding_dim

    def model(self, schema: DatasetSchema) -> nn.Module:
        target = schema.target_column
        if target is None or len(target.classes) != 2:
            found = "none is declared" if target is None else f"{target.name!r} is {target.type}"
            raise InvalidTask(
                f"TabularClassifier needs a target of two classes, but {found}",
                remedy="declare it boolean, a category of two values, or an integer from 0 to 1",
            )
        vocabularies = [len(column.values) for column in schema.categorical]
        return TabularNet(len(schema.numeric), vocabularies, self.hidden, self.embedding_dim)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        return {
            "numbers": schema.scaled(rows, schema.numeric),
            "codes": schema.codes(rows),
            "target": schema.target(rows),
        }

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        logits: Tensor = model(batch["numbers"], batch["codes"])
        return logits

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits = self.predict(model, batch)
        return functional.binary_cross_entropy_with_logits(logits, batch["target"], reduction="none")


class TabularNet(nn.Module):
    """Numbers [B, n] and codes [B, c] -> logits [B]."""

    def __init__(self, numbers: int, vocabularies: Sequence[int], hidden: Sequence[int], embedding_dim: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, min(embedding_dim, size)) for size in vocabularies)
        width = numbers + sum(min(embedding_dim, size) for size in vocabularies)
        layers: list[nn.Module] = []
        for wider in hidden:
            layers += [nn.Linear(width, wider), nn.ReLU()]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        parts = [numbers, *(embed(codes[:, position]) for position, embed in enumerate(self.embeddings))]
        logits: Tensor = self.layers(torch.cat(parts, dim=1))
        return logits.squeeze(-1)
