"""FedAdam: a moving average of squared updates.

    v <- beta2 v + (1 - beta2) d^2

in the frame of `adaptive`. Reddi et al. 2021 (arXiv 2003.00295), Algorithm 2; they take beta1 = 0.9, beta2 = 0.99.
"""

from __future__ import annotations

from ringfence.federation.strategies.adaptive import adaptive
from ringfence.federation.strategies.server import ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """The server step with `learningRate`, `momentum`, `beta2` and `tau`."""
    beta2 = spec.argument("beta2")
    return adaptive(spec, lambda squares, square: beta2 * squares + (1 - beta2) * square)
