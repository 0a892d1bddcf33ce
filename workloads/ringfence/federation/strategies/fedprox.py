"""FedProx: FedAvg on the server; on the silos every local step is held near the model that the round started from.

    F_k(w) + mu/2 |w - w_round|^2,    so each local gradient gets  + mu (w - w_round)

Li et al. 2020 (arXiv 1812.06127), equation 2. The term depends on the released model and the silo's own noised steps
only, so with privacy it costs nothing: it is added after clipping and noise (`training.local`), or, for users, within
the local training whose whole outcome is clipped (`training.users`).
"""

from __future__ import annotations

from ringfence.federation.strategies import fedavg
from ringfence.federation.strategies.server import ServerStep
from ringfence.spec.strategy import StrategySpec


def step(spec: StrategySpec) -> ServerStep:
    """FedAvg's server step: mu is an argument of the silos (`federation.locals`)."""
    return fedavg.step(spec)
