"""What noised sums say: estimates and 95 % intervals that are computed from the known noise and nothing else.

Every sum is its exact value plus independent Gaussian noise of the same known standard deviation s. An interval covers
the exact figure of these rows, by itself, in at least 95 of 100 releases; it says nothing about other rows that might
have been there instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""The normal distribution's 97.5 % point."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval, `low <= value <= high`."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float, shift: float = 0.0) -> Estimate:
        """factor * x + shift, for a factor above 0."""
        return Estimate(factor * self.value + shift, factor * self.low + shift, factor * self.high + shift)


def plain(value: float, std: float) -> Estimate:
    """A sum with noise of standard deviation `std`."""
    return Estimate(value, value - Z * std, value + Z * std)


def says_something(count: float, std: float) -> bool:
    """Whether a noised count can be told from 0; with exact counts, whether there is a row at all."""
    return count > Z * std


def ratio(sum_: float, count: float, std: float) -> Estimate:
    """A mean in [-1, 1], sum / count, both noised by `std`; `says_something` of the count.

    Fieller's interval: m is in it when |sum - m count| <= Z std sqrt(1 + m^2), whose left side is normal with exactly
    that spread at the true m (Fieller 1954). As the count is more than Z std, it is bounded.
    """
    reach = (Z * std) ** 2
    a, b, c = count**2 - reach, -2 * sum_ * count, sum_**2 - reach
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    low, high = (-b - root) / (2 * a), (-b + root) / (2 * a)
    value = min(1.0, max(-1.0, sum_ / count))
    return Estimate(value, min(value, max(-1.0, low)), max(value, min(1.0, high)))


def quantile(counts: Sequence[float], edges: Sequence[float], level: float, std: float) -> Estimate:
    """The value below which a share `level` of the rows lies, from noised counts of bins between `edges`.

    With D_j = sum_{i<=j} counts_i - level * (all of them), the quantile is where D becomes positive. A bin is in the
    interval unless D at its right edge is surely negative or at its left edge surely positive, each by a one-sided test
    of 2.5 %: of D's exact value by the exact spread of its noise. The interval is never narrower than a bin.
    """
    held = np.asarray(counts, dtype=np.float64)
    bins = len(held)
    steps = np.arange(bins + 1)
    above = np.concatenate([[0.0], np.cumsum(held)]) - level * held.sum()
    spread = std * np.sqrt(steps * (1 - level) ** 2 + (bins - steps) * level**2)
    above[0], above[-1], spread[0], spread[-1] = -np.inf, np.inf, 0.0, 0.0
    possible = np.flatnonzero((above[1:] + Z * spread[1:] >= 0) & (above[:-1] - Z * spread[:-1] <= 0))
    first, last = (int(possible[0]), int(possible[-1])) if len(possible) else (0, bins - 1)
    value = _crossing(held, np.asarray(edges), level)
    return Estimate(value, min(value, float(edges[first])), max(value, float(edges[last + 1])))


def _crossing(held: Array, edges: Array, level: float) -> float:
    """Where the cumulated counts, negative ones taken for 0, reach their share; rows are even within a bin."""
    positive = np.maximum(held, 0.0)
    cumulated = np.concatenate([[0.0], np.cumsum(positive)])
    wanted = level * cumulated[-1]
    bin_ = min(int(np.searchsorted(cumulated, wanted, side="left")), len(held)) - 1
    bin_ = max(bin_, 0)
    inside = (wanted - cumulated[bin_]) / positive[bin_] if positive[bin_] > 0 else 0.5
    return float(edges[bin_] + inside * (edges[bin_ + 1] - edges[bin_]))
