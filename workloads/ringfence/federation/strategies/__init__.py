"""Aggregation algorithms, one file each; `spec.strategy.name` picks one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ringfence.federation.strategies import fedavg

Contribution = tuple[int, NDArray[np.float32]]
"""(declared number of training records, update [P])."""

Step = Callable[[NDArray[np.float32], Sequence[Contribution]], NDArray[np.float32]]
"""(model [P], contributions in the order of silo names) -> next model [P]."""

STRATEGIES: Mapping[str, Step] = {"fedavg": fedavg.step}
