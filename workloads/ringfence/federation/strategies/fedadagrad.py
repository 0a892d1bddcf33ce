"""FedAdagrad: squared updates add up, so that step sizes only shrink.

    v <- v + d^2

in the frame of `adaptive`. Reddi et al. 2021 (arXiv 2003.00295), Algorithm 2; they take beta1 = 0.
"""

from __future__ import annotations

from ringfence.federation.strategies.adaptive import adaptive
from ringfence.federation.strategies.server import ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """The server step with `learningRate`, `momentum` and `tau`."""
    return adaptive(spec, lambda squares, square: squares + square)
