"""FedAvg: the records-weighted mean of the silos' updates, added to the model.

    w <- w + sum_k (n_k / sum_j n_j) * delta_k

with n_k the declared number of training records of silo k, which is public. McMahan et al. 2017, Algorithm 1
(arXiv 1602.05629), written on updates instead of weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def step(model: NDArray[np.float32], contributions: Sequence[tuple[int, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """The next model [P]. Sums in float64 in the order given, so that equal inputs give equal bits."""
    total = sum(records for records, _ in contributions)
    mean = np.zeros(model.shape, dtype=np.float64)
    for records, update in contributions:
        mean += (records / total) * update.astype(np.float64)
    return (model.astype(np.float64) + mean).astype(np.float32)
