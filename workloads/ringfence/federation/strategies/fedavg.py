"""FedAvg: the mean of the silos' updates, added to the model.

    w <- w + d,    d = sum_k n_k delta_k / sum_k n_k

with n_k the declared number of training records of silo k (of users, where a job trains by user), which is public.
McMahan et al. 2017, Algorithm 1 (arXiv 1602.05629), written on updates instead of weights.
"""

from __future__ import annotations

from ringfence.federation.strategies.server import Block, ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """The server step; it has no argument and no state."""
    return ServerStep(lambda model, mean, state: (_added(model, mean), state))


def _added(model: Block, mean: Block) -> Block:
    added: Block = model + mean
    return added
