"""The least noise that meets an epsilon: one bracketed search, for the planner and for `ringfence account`."""

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


def _interpolated(low: float, above: float, high: float, below: float, target: float) -> float:
    if not math.isfinite(above) or below <= 0:
        return math.sqrt(low * high)
    # Aim a little below the target, so that the side that ends the search is the one that is hit.
    share = math.log(above / (target * (1 - 5e-6))) / math.log(above / below)
    return low * math.pow(high / low, min(0.999, max(0.001, share)))
