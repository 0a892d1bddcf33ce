"""The frame of FedAdagrad, FedYogi and FedAdam: Algorithm 2 of Reddi et al. 2021 (arXiv 2003.00295).

    m <- beta1 m + (1 - beta1) d
    v <- what the algorithm says, from v and d^2
    w <- w + eta m / (sqrt(v) + tau)

with d the weighted mean update, eta `learningRate`, beta1 `momentum` and tau the adaptivity. Before the first round
m = 0 and v = tau^2, the least that the paper allows. There is no bias correction, as there is none in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ringfence.federation.strategies.server import Block, ServerStep
from ringfence.spec.strategy import StrategySpec

SecondMoment = Callable[[Block, Block], Block]
"""(v, d^2) -> the next v, elementwise."""


def adaptive(spec: StrategySpec, second_moment: SecondMoment) -> ServerStep:
    """The server step with `learningRate`, `momentum` and `tau`; its state is m and v."""
    rate, momentum, tau = spec.argument("learningRate"), spec.argument("momentum"), spec.argument("tau")

    def apply(model: Block, mean: Block, state: Mapping[str, Block]) -> tuple[Block, Mapping[str, Block]]:
        direction = momentum * state["momentum"] + (1 - momentum) * mean
        squares = second_moment(state["squares"], mean * mean)
        return model + rate * direction / (np.sqrt(squares) + tau), {"momentum": direction, "squares": squares}

    return ServerStep(apply, {"momentum": 0.0, "squares": tau**2})
