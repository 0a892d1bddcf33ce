"""A lower bound on epsilon from one run of a mechanism (Steinke, Nasr and Jagielski 2023, arXiv:2305.08846).

m canaries are each included by a fair coin; the auditor sees what is released and guesses r of the coins, abstaining on
the others. If the mechanism is (epsilon, delta)-DP, then for every v

    P[at least v right] <= P[N >= v] + 2 m delta max_{1 <= i <= v} P[v - i <= N < v] / i

with N ~ Bin(r, 1 / (1 + e^-epsilon)) (theorem 5.2).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Coins = npt.NDArray[np.bool_]


def probability(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """The largest chance of so many right guesses against an (epsilon, delta)-DP mechanism."""
    correct = stats.binom(guesses, 1 / (1 + math.exp(-epsilon)))
    tail = float(correct.sf(right - 1))
    below = np.cumsum(correct.pmf(right - np.arange(1, right + 1))) / np.arange(1, right + 1) if right else np.zeros(1)
    return min(1.0, tail + 2 * canaries * delta * float(below.max()))


def lower_bound(canaries: int, guesses: int, right: int, delta: float, confidence: float) -> float:
    """The largest epsilon that so many right guesses refute at this confidence; 0 if none."""
    low, high = 0.0, 30.0
    if probability(canaries, guesses, right, low, delta) > 1 - confidence:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        refuted = probability(canaries, guesses, right, middle, delta) <= 1 - confidence
        low, high = (middle, high) if refuted else (low, middle)
    return low


def audit(scores: Floats, included: Coins, delta: float, confidence: float, share: float = 0.2) -> float:
    """The bound when the `share` of highest scores is guessed to be in, as many of the lowest to be out."""
    canaries = len(scores)
    each = int(share * canaries / 2)
    order = np.argsort(scores)
    right = int(np.count_nonzero(included[order[-each:]]) + np.count_nonzero(~included[order[:each]]))
    return lower_bound(canaries, 2 * each, right, delta, confidence)
