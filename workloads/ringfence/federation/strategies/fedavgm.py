"""FedAvgM: server momentum over rounds.

    v <- beta v + d,    w <- w + eta v,    v = 0 before the first round

with d the weighted mean update, beta `momentum` and eta `learningRate`. Hsu, Qi and Brown 2019 (arXiv 1909.06335),
section 3.3, who take eta 1. With beta 0 and eta 1 it is FedAvg, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping

from ringfence.federation.strategies.server import Block, ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """The server step with `learningRate` and `momentum`; its state is v."""
    rate, momentum = spec.argument("learningRate"), spec.argument("momentum")

    def apply(model: Block, mean: Block, state: Mapping[str, Block]) -> tuple[Block, Mapping[str, Block]]:
        velocity = momentum * state["momentum"] + mean
        return model + rate * velocity, {"momentum": velocity}

    return ServerStep(apply, {"momentum": 0.0})
