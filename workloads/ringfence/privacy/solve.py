"""Searches for what a plan leaves open, over anything that says an epsilon: the least noise, the most of a count."""

from __future__ import annotations

import math
from collections.abc import Callable

_ROUNDS = 80


def least_noise(epsilon_at: Callable[[float], float], target: float, *, low: float, high: float) -> float | None:
    """The least noise multiplier in [low, high] with `epsilon_at(noise) <= target`; None if `high` is too little.

    `epsilon_at` falls as noise rises (steps are allowed: ledgers count in integers). Interpolation on logarithms and
    bisection take turns, three to one, so smooth curves take few calls and steps cannot stall it. Ends within 1e-5 of
    the target from below, or where the bracket is closed to one part in 1e8. The result itself was evaluated: it never
    exceeds.
    """
    above, below = epsilon_at(low), epsilon_at(high)
    if below > target:
        return None
    if above <= target:
        return low
    for turn in range(_ROUNDS):
        if target - below <= 1e-5 * target or high / low < 1 + 1e-8:
            break
        middle = _interpolated(low, above, high, below, target) if turn % 4 < 3 else math.sqrt(low * high)
        value = epsilon_at(middle)
        if value > target:
            low, above = middle, value
        else:
            high, below = middle, value
    return high


def most(epsilon_at: Callable[[int], float], target: float, *, guess: int, high: int) -> int:
    """The largest n in [1, high] with `epsilon_at(n) <= target`, which rises with n; 0 if not even 1 will do.

    For rounds, steps, batches and users: from `guess` by factors of two to a bracket, then by halves of its logarithm
    and interpolation in turns. Both n and n + 1 were evaluated.
    """
    low, below, top = 0, 0.0, min(max(1, guess), high)
    above = epsilon_at(top)
    while above <= target:
        if top == high:
            return high
        low, below, top = top, above, min(high, 2 * top)
        above = epsilon_at(top)
    turn = 0
    while top - low > 1:
        middle = _between(low, below, top, above, target) if turn % 2 == 0 else (low + top) // 2
        value = epsilon_at(middle)
        if value <= target:
            low, below = middle, value
        else:
            top, above = middle, value
        turn += 1
    return low


def _between(low: int, below: float, top: int, above: float, target: float) -> int:
    """Where a power law between the two ends meets `target`; strictly between them."""
    if low == 0 or below <= 0 or not math.isfinite(above):
        return (low + top) // 2
    share = math.log(target / below) / math.log(above / below)
    return min(top - 1, max(low + 1, math.floor(low * math.pow(top / low, share))))


def _interpolated(low: float, above: float, high: float, below: float, target: float) -> float:
    if not math.isfinite(above) or below <= 0:
        return math.sqrt(low * high)
    # Aim a little below the target, so that the side that ends the search is the one that is hit.
    share = math.log(above / (target * (1 - 5e-6))) / math.log(above / below)
    return low * math.pow(high / low, min(0.999, max(0.001, share)))
