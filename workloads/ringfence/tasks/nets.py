"""The network behind the tabular tasks: scaled numbers and embedded categories through a multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema

_WIDEST, _LARGEST_EMBEDDING = 65536, 4096


@dataclass(frozen=True)
class Widths:
    """`hidden`: widths of the hidden layers, [] for none. `embedding_dim`: numbers that a category is embedded in."""

    hidden: tuple[int, ...]
    embedding_dim: int

    @staticmethod
    def of(hidden: Sequence[int], embedding_dim: int) -> Widths:
        """Raises InvalidTask for anything but whole numbers in range, since they come from a job's arguments."""
        widths = tuple(hidden) if isinstance(hidden, list | tuple) else (0,)
        if not all(type(width) is int and 1 <= width <= _WIDEST for width in widths):
            raise InvalidTask(f"hidden is a list of layer widths such as [64, 32], not {str(hidden)[:40]!r}")
        if type(embedding_dim) is not int or not 1 <= embedding_dim <= _LARGEST_EMBEDDING:
            raise InvalidTask(f"embedding_dim is a whole number from 1 to 4096, not {str(embedding_dim)[:40]!r}")
        return Widths(widths, embedding_dim)

    def net(self, schema: DatasetSchema, outputs: int) -> TabularNet:
        """The network of these widths for the schema's features. Raises InvalidTask for images and texts."""
        check_tabular(schema)
        vocabularies = [len(column.values) for column in schema.categorical]
        return TabularNet(len(schema.numeric), vocabularies, self.hidden, self.embedding_dim, outputs)


def check_tabular(schema: DatasetSchema) -> None:
    """Raises InvalidTask for a feature that is an image or a text: a tabular task would not look at it."""
    other = next(iter((*schema.images, *schema.written)), None)
    if other is not None:
        task = "ImageClassifier" if other.type == "image" else "TextClassifier"
        message = f"column {other.name!r} is {other.type}, which a tabular task does not look at"
        raise InvalidTask(message, remedy=f"use {task}, or give it the role ignore")


class Features(nn.Module):
    """Numbers [B, n] and codes [B, c] -> [B, width]: each category of c columns by its own embedding."""

    def __init__(self, numbers: int, vocabularies: Sequence[int], embedding_dim: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, min(embedding_dim, size)) for size in vocabularies)
        self.width = numbers + sum(min(embedding_dim, size) for size in vocabularies)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        parts = [numbers, *(embed(codes[:, position]) for position, embed in enumerate(self.embeddings))]
        return torch.cat(parts, dim=1)


class TabularNet(nn.Module):
    """Numbers [B, n] and codes [B, c] -> [B, outputs], or [B] with one output."""

    def __init__(
        self, numbers: int, vocabularies: Sequence[int], hidden: Sequence[int], embedding_dim: int, outputs: int = 1
    ) -> None:
        super().__init__()
        self.features = Features(numbers, vocabularies, embedding_dim)
        self.layers = perceptron(self.features.width, hidden, outputs)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        values: Tensor = self.layers(self.features(numbers, codes))
        return values.squeeze(-1) if values.shape[-1] == 1 else values


def perceptron(width: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """[B, width] -> [B, outputs] through linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for wider in hidden:
        layers += [nn.Linear(width, wider), nn.ReLU()]
        width = wider
    return nn.Sequential(*layers, nn.Linear(width, outputs))
