"""The weighted sum of a round's updates, taken up one after another in float64: memory does not grow with their number.

    mean = sum_k n_k delta_k / sum_k n_k

Updates are added in the order of silo names, so equal members give equal bits whatever the order of arrival.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ringfence.federation.strategies.server import BLOCK, Block


class WeightedSum:
    """A running sum [P], in place; beyond it one block of scratch."""

    def __init__(self, parameters: int) -> None:
        self._total = np.zeros(parameters, dtype=np.float64)
        self._scratch = np.empty(BLOCK, dtype=np.float64)
        self._weight = 0

    def __len__(self) -> int:
        return len(self._total)

    def add(self, weight: int, values: NDArray[np.float32], at: int = 0) -> None:
        """Add `weight * values` to the elements from `at` on; `weigh` says once for each update what it weighs."""
        for start in range(0, len(values), BLOCK):
            part = values[start : start + BLOCK]
            scaled = self._scratch[: len(part)]
            np.copyto(scaled, part)  # to float64 before the product: an update's bits and its weight's all count
            scaled *= weight
            self._total[at + start : at + start + len(part)] += scaled

    def weigh(self, weight: int) -> None:
        """An update of this weight has been added whole."""
        self._weight += weight

    def mean(self) -> Block:
        """The weighted mean [P], in the sum's own memory: the sum is used up. At least one update was weighed."""
        self._total /= self._weight
        return self._total
