"""Counts, sums, means, histograms and quantiles of declared columns, by group: a table, and no model.

Needs columns with a declared domain: categories or booleans to group by, ranges for numbers. Released: the noised sums
that the table is made of. Not protected: what the schema declares, and the number of records. A number counts within
its declared range only, so declare a range that people believe in: the noise on a sum is as wide as the range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.schema.spelling import hint
from ringfence.tasks import table
from ringfence.tasks.layout import Layout, grouping, histogram, number
from ringfence.tasks.sums import PARTS, POSITIONS, Noise, Sums
from ringfence.tasks.task import Encoded

_MOST_CELLS, _MOST_BINS = 1_000_000, 10_000


class Statistics(Sums):
    """One table over all silos.

    `by`: columns to group by (category or boolean); every combination of their values is a group, none for one group.
    `of`: what to say of which column, such as {delay: [mean, quantiles], carrier: [histogram]}: `sum` and `mean` of
    numbers and booleans (0 or 1), `histogram` of numbers and classes, `quantiles` of numbers, at the levels `at`. A
    number's range is cut into `bins` equal parts for its histogram and its quantiles. The count of each group is always
    there.

    A record has one part in each of M sums: its group's count, one for each column of numbers and one for each
    histogram, each of size at most 1 / sqrt(M), together at most 1. So the noise on a count has standard deviation
    sigma sqrt(M) records, whatever the number of groups and bins: ask for few columns, and small groups drown.
    With unit User every user counts as one record, spread evenly over its rows.
    """

    def __init__(
        self,
        by: Sequence[str] = (),
        of: Mapping[str, Sequence[str]] | None = None,
        at: Sequence[str] = ("0.25", "0.5", "0.75"),
        bins: int = 20,
    ) -> None:
        if type(bins) is not int or not 2 <= bins <= _MOST_BINS:
            raise InvalidTask(f"bins is a whole number from 2 to {_MOST_BINS}, not {str(bins)[:40]!r}")
        self.by, self.bins = _texts("by", by), bins
        levels = tuple(_level(level) for level in _texts("at", at))
        self.asked = table.Asked(_kinds({} if of is None else of), levels)

    def layout(self, schema: DatasetSchema) -> Layout:
        """Which sum stands for what. Raises InvalidTask for a column that cannot be counted so."""
        numbers = [number(schema, name) for name in self.asked.columns("sum", "mean")]
        binned = [histogram(schema, name, self.bins) for name in self.asked.columns("histogram", "quantiles")]
        for one in binned:
            if not one.edges and self.asked.wants(one.column.name, "quantiles"):
                raise InvalidTask(f"quantiles are of numbers, and column {one.column.name!r} is {one.column.type}")
        return Layout(tuple(grouping(schema, name) for name in self.by), tuple(numbers), tuple(binned))

    def cells(self, schema: DatasetSchema) -> int:
        size = self.layout(schema).size
        if size > _MOST_CELLS:
            raise InvalidTask(
                f"{size:,} sums are more than {_MOST_CELLS:,}", remedy="group by fewer columns, or take fewer bins"
            )
        return size

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        layout = self.layout(schema)
        group = layout.group_of(schema.scaled(rows, layout.by))
        whole = np.ones(rows.num_rows, dtype=np.float32)
        positions, parts = [group], [whole]
        for place, values in enumerate(schema.scaled(rows, layout.numbers).T):
            positions.append(layout.sum_cells(place, group))
            parts.append(values)
        for place, one in enumerate(layout.binned):
            positions.append(layout.bin_cells(place, group, one.of(schema.scaled(rows, [one.column])[:, 0])))
            parts.append(whole)
        return {POSITIONS: np.stack(positions, axis=1), PARTS: np.stack(parts, axis=1) * np.float32(_share(layout))}

    def figures(self, cells: Sequence[float], schema: DatasetSchema, noise: Noise) -> list[dict[str, str]]:
        layout = self.layout(schema)
        share = _share(layout)
        sums = np.asarray(cells, dtype=np.float64) * (noise.units / share)
        return table.rows(self.asked, table.Released(sums, noise.std / share, layout))


def _share(layout: Layout) -> float:
    """The size of a record's part in each of its M sums: 1 / sqrt(M), rounded down, so that the whole is within 1."""
    return float(np.nextafter(np.float32(1 / math.sqrt(layout.kinds)), np.float32(0)))


def _kinds(of: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(of, Mapping):
        raise InvalidTask(f"of maps a column to a list such as [mean, quantiles], not {str(of)[:40]!r}")
    kinds = {str(name): _texts(f"of.{name}", listed) for name, listed in of.items()}
    for name, listed in kinds.items():
        for kind in listed:
            if kind not in table.KINDS:
                raise InvalidTask(f"of.{name}: there is no {kind[:40]!r}", remedy=hint(kind, table.KINDS))
    return kinds


def _texts(argument: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InvalidTask(f"{argument} is a list of texts, not {str(value)[:40]!r}")
    if len(set(value)) < len(value):
        raise InvalidTask(f"{argument} names something twice")
    return tuple(value)


def _level(text: str) -> str:
    try:
        level = Decimal(text)
    except InvalidOperation:
        level = Decimal(0)
    if not 0 < level < 1:
        raise InvalidTask(f'at lists levels between 0 and 1 such as "0.5", not {text[:40]!r}')
    return text
