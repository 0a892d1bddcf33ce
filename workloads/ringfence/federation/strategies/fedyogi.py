"""FedYogi: squared updates move v by at most their own size, so one small update cannot make the next step large.

    v <- v - (1 - beta2) d^2 sign(v - d^2)

in the frame of `adaptive`. Reddi et al. 2021 (arXiv 2003.00295), Algorithm 2; they take beta1 = 0.9, beta2 = 0.99.
v stays positive: where v > d^2 it shrinks by (1 - beta2) d^2 < v, elsewhere it grows.
"""

from __future__ import annotations

import numpy as np

from ringfence.federation.strategies.adaptive import adaptive
from ringfence.federation.strategies.server import ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """The server step with `learningRate`, `momentum`, `beta2` and `tau`."""
    kept = 1 - spec.argument("beta2")
    return adaptive(spec, lambda squares, square: squares - kept * square * np.sign(squares - square))
