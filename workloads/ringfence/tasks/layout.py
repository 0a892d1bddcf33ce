"""Which of the released sums of `Statistics` stands for what.

G groups, one cell each for their counts; then for every column of numbers one cell a group (the sum of the column,
scaled to [-1, 1] by its declared range); then for every histogram one cell for each group and bin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Binned:
    """A column cut into `bins`: its classes, or equal parts of its range (an integer stands in the middle of its own).

    `edges` [bins + 1] rise from bin to bin; there are none for classes.
    """

    column: Column
    bins: int
    edges: tuple[float, ...] = ()

    def of(self, scaled: NDArray[np.float32]) -> Codes:
        """The bin of each value [B], from values scaled to [-1, 1]; on an edge the higher one."""
        if not self.edges:
            return codes_of(scaled, self.bins)
        middle, half = frame(self.column)
        places = (middle + half * scaled.astype(np.float64) - self.edges[0]) / (self.edges[1] - self.edges[0])
        nudge = self.bins * 1e-7  # of a bin: more than float32 may have put an edge's own value below it
        return np.clip(np.floor(places + nudge), 0, self.bins - 1).astype(np.int64)

    def labels(self) -> tuple[str, ...]:
        """A name for every bin."""
        if not self.edges:
            return self.column.classes
        return tuple(f"{low:.6g} to {high:.6g}" for low, high in zip(self.edges, self.edges[1:], strict=False))


@dataclass(frozen=True)
class Layout:
    """`by` groups; `numbers` have a sum for each group; `binned` a histogram for each."""

    by: tuple[Column, ...]
    numbers: tuple[Column, ...]
    binned: tuple[Binned, ...]

    @property
    def groups(self) -> int:
        return math.prod(len(column.classes) for column in self.by)

    @property
    def kinds(self) -> int:
        """M: in how many sums a record has a part."""
        return 1 + len(self.numbers) + len(self.binned)

    @property
    def size(self) -> int:
        """How many sums there are in all."""
        return self.groups * (1 + len(self.numbers) + sum(one.bins for one in self.binned))

    def names(self) -> Iterator[dict[str, str]]:
        """The groups in order, each as its columns and values."""
        for values in product(*(column.classes for column in self.by)):
            yield {column.name: value for column, value in zip(self.by, values, strict=True)}

    def group_of(self, scaled: NDArray[np.float32]) -> Codes:
        """The group [B] of each row, from its scaled values [B, len(by)]."""
        group = np.zeros(len(scaled), dtype=np.int64)
        for position, column in enumerate(self.by):
            classes = len(column.classes)
            group = group * classes + codes_of(scaled[:, position], classes)
        return group

    def sum_cells(self, number: int, group: Codes) -> Codes:
        """The cells of these groups for the sum of `numbers[number]`."""
        return self.groups * (1 + number) + group

    def bin_cells(self, number: int, group: Codes, bin_: Codes) -> Codes:
        """The cells of these groups and bins for the histogram of `binned[number]`."""
        before = 1 + len(self.numbers) + sum(one.bins for one in self.binned[:number])
        return self.groups * before + group * self.binned[number].bins + bin_


def frame(column: Column) -> tuple[float, float]:
    """Middle and half-width of the range of a column's numbers; a boolean counts as 0 or 1."""
    low, high = column.bounds if column.ranged else (0.0, 1.0)
    return (low + high) / 2, (high - low) / 2


def codes_of(scaled: NDArray[np.float32], classes: int) -> Codes:
    """Positions among `classes` values that were spread evenly over [-1, 1]."""
    return np.rint((scaled.astype(np.float64) + 1) / 2 * (classes - 1)).astype(np.int64)


def grouping(schema: DatasetSchema, name: str) -> Column:
    """A column to group by."""
    column = schema.column(name)
    if len(column.classes) < 1:
        raise InvalidTask(
            f"rows are grouped by a category or a boolean, and column {name!r} is {column.type or 'ignored'}",
            remedy="take another column, or declare it as a category",
        )
    return column


def number(schema: DatasetSchema, name: str) -> Column:
    """A column to add up."""
    column = schema.column(name)
    if not column.kept or not (column.ranged or column.type == "boolean"):
        raise InvalidTask(f"sums and means are of numbers and booleans, and column {name!r} is {_kind(column)}")
    return column


def histogram(schema: DatasetSchema, name: str, bins: int) -> Binned:
    """A column to count by value or by part of its range."""
    column = schema.column(name)
    if column.kept and column.ranged:
        low, high = column.bounds
        if column.type == "integer":
            bins, low, high = min(bins, int(high - low) + 1), low - 0.5, high + 0.5
        return Binned(column, bins, tuple(float(edge) for edge in np.linspace(low, high, bins + 1)))
    if column.kept and column.classes:
        return Binned(column, len(column.classes))
    raise InvalidTask(f"a histogram needs a declared range or values, and column {name!r} is {_kind(column)}")


def _kind(column: Column) -> str:
    return column.type if column.kept and column.type else "not sealed"
