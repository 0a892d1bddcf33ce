"""The table of `Statistics`, from the released cells: one row for every figure, all of it text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from ringfence.tasks.intervals import Estimate, plain, quantile, ratio, says_something
from ringfence.tasks.layout import Layout, frame

Row = dict[str, str]
KINDS = ("sum", "mean", "histogram", "quantiles")


@dataclass(frozen=True)
class Asked:
    """Which of `KINDS` are wanted of which column, and the levels of the quantiles."""

    of: Mapping[str, tuple[str, ...]]
    at: tuple[str, ...]

    def wants(self, column: str, kind: str) -> bool:
        return kind in self.of.get(column, ())

    def columns(self, *kinds: str) -> list[str]:
        """The columns of which one of these kinds is wanted, in the order given."""
        return [column for column, wanted in self.of.items() if set(kinds) & set(wanted)]


@dataclass(frozen=True)
class Released:
    """Sums [K] with noise of standard deviation `std` on each, both in records (in users, where these are the unit)."""

    cells: NDArray[np.float64]
    std: float
    layout: Layout


def rows(asked: Asked, released: Released) -> list[Row]:
    """Each row has statistic, column, group, value, low, high (95 %, of the noise alone) and note.

    A group whose noised count cannot be told from 0 has its count and a note in place of everything else.
    """
    found: list[Row] = []
    for group, name in enumerate(released.layout.names()):
        label = ", ".join(f"{column} {value}" for column, value in name.items())
        found += _group(asked, released, group, label)
    return found


def _group(asked: Asked, released: Released, group: int, label: str) -> Iterator[Row]:
    count = float(released.cells[group])
    yield _row("count", "", label, plain(count, released.std))
    if not says_something(count, released.std):
        yield {**_empty("", "", label), "note": _too_few(count, released.std)}
        return
    at = np.array([group])
    for number, column in enumerate(released.layout.numbers):
        sum_ = float(released.cells[released.layout.sum_cells(number, at)[0]])
        middle, half = frame(column)
        if asked.wants(column.name, "sum"):
            std = released.std * float(np.hypot(middle, half))
            yield _row("sum", column.name, label, plain(half * sum_ + middle * count, std))
        if asked.wants(column.name, "mean"):
            yield _row("mean", column.name, label, ratio(sum_, count, released.std).scaled(half, middle))
    for number, one in enumerate(released.layout.binned):
        counts = released.cells[released.layout.bin_cells(number, at, np.arange(one.bins))]
        if asked.wants(one.column.name, "histogram"):
            for bin_, name in enumerate(one.labels()):
                yield _row(f"count of {name}", one.column.name, label, plain(float(counts[bin_]), released.std))
        if asked.wants(one.column.name, "quantiles"):
            for level in asked.at:
                value = quantile(counts.tolist(), one.edges, float(level), released.std)
                yield _row(f"quantile {level}", one.column.name, label, value)


def _too_few(count: float, std: float) -> str:
    if std == 0:
        return "no rows"
    return f"too few rows to say anything: the noised count is {count:.0f}, give or take {2 * std:.0f}"


def _row(statistic: str, column: str, group: str, estimate: Estimate) -> Row:
    figures = {"value": _text(estimate.value), "low": _text(estimate.low), "high": _text(estimate.high)}
    return {**_empty(statistic, column, group), **figures}


def _empty(statistic: str, column: str, group: str) -> Row:
    blank = {"value": "", "low": "", "high": "", "note": ""}
    return {"statistic": statistic, "column": column, "group": group, **blank}


def _text(value: float) -> str:
    """Six significant digits, never with an exponent."""
    return format(Decimal(f"{value:.6g}") + 0, "f")
