"""Aggregation algorithms, one file each; `spec.strategy.name` picks one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringfence.federation.strategies import fedadagrad, fedadam, fedavg, fedavgm, fedprox, fedyogi
from ringfence.federation.strategies.server import ServerStep, State
from ringfence.spec.strategy import StrategySpec

__all__ = ["STRATEGIES", "ServerStep", "State", "server_step"]

STRATEGIES: Mapping[str, Callable[[StrategySpec], ServerStep]] = {
    "fedavg": fedavg.step,
    "fedprox": fedprox.step,
    "fedavgm": fedavgm.step,
    "fedadam": fedadam.step,
    "fedyogi": fedyogi.step,
    "fedadagrad": fedadagrad.step,
}


def server_step(spec: StrategySpec) -> ServerStep:
    """The server optimizer that the job asks for, with its arguments."""
    return STRATEGIES[spec.name](spec)
