"""The weighted sum of a round's updates, taken up one after another in float64: memory does not grow with their number.

    mean = sum_k n_k delta_k / sum_k n_k

Updates are added in the order of silo names, so equal members give equal bits whatever the order of arrival.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ringfence.federation.strategies.server import Block
from ringfence.privacy.noise import NoiseSource

_BLOCK = 1 << 18
"""Elements added at once: with fewer the calls take longer than the additions, with more they leave the cache."""


class WeightedSum:
    """A running sum [P], in place; beyond it one block of scratch."""

    def __init__(self, parameters: int) -> None:
        self._total = np.zeros(parameters, dtype=np.float64)
        self._scratch = torch.empty(min(_BLOCK, parameters), dtype=torch.float64)
        self._weight = 0

    def __len__(self) -> int:
        return len(self._total)

    def add(self, weight: int, values: NDArray[np.float32], at: int = 0) -> None:
        """Add `weight * values` to the elements from `at` on; `weigh` says once for each update what it weighs.

        Values become float64 before the product, which so is exact for weights below 2**29: fused into the addition or
        not, it has the same bits.
        """
        total, added = torch.from_numpy(self._total[at : at + len(values)]), torch.from_numpy(values)
        for start in range(0, len(values), _BLOCK):
            part = added[start : start + _BLOCK]
            total[start : start + _BLOCK].add_(self._scratch[: len(part)].copy_(part), alpha=weight)

    def weigh(self, weight: int) -> None:
        """An update of this weight has been added whole."""
        self._weight += weight

    def noised(self, noise: NoiseSource, std: float, trainable: int) -> Block:
        """The sum [P] with noise of this standard deviation on the trainable parameters [T], which come first, and 0 on
        frozen ones; in the sum's own memory: the sum is used up."""
        noise.add_in_place(self._total[:trainable], std)
        self._total[trainable:] = 0
        return self._total

    def mean(self) -> Block:
        """The weighted mean [P], in the sum's own memory: the sum is used up. At least one update was weighed."""
        self._total /= self._weight
        return self._total
