"""Per-user copies of a parameter, and the steps of SGD that many users take at once.

G users are trained in lock-step; a stack holds one parameter for all of them, [G, *shape].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sgd:
    """w -= rate * v, v = momentum * v + gradient + proximal * (w - w_round), v = 0 at first."""

    rate: float
    momentum: float = 0.0
    proximal: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether a step is w -= rate * gradient and nothing else."""
        return not (self.momentum or self.proximal)

    def coefficients(self, steps: int) -> npt.NDArray[np.float64]:
        """c [steps + 1, steps] such that after t steps  w_t = w_round - rate * sum_i c[t, i] gradient_i.

        v_t = sum_i a_t,i gradient_i gives  a_t = momentum a_{t-1} + e_t - proximal rate c_t  and  c_{t+1} = c_t + a_t.
        """
        changes, velocity = np.zeros((steps + 1, steps)), np.zeros(steps)
        for step in range(steps):
            velocity = self.momentum * velocity - self.proximal * self.rate * changes[step]
            velocity[step] += 1
            changes[step + 1] = changes[step] + velocity
        return changes


class Stack:
    """One parameter of G users; it starts from `start` [*shape], the round's model, and is stepped in place.

    `values` may be given to train in place of them, [1, *shape]: the parameter of a module itself.
    """

    def __init__(self, start: Tensor, users: int, sgd: Sgd, values: Tensor | None = None) -> None:
        self._start, self._sgd = start, sgd
        shape = (users, *start.shape)
        self.values = start.expand(shape).clone() if values is None else values.copy_(start.expand(shape))
        self._velocity = torch.zeros_like(self.values) if sgd.momentum else None

    def step(self, gradient: Tensor | None, active: Tensor) -> None:
        """One step with the gradients [G, *shape] of the users; those that are not `active` [G] have finished."""
        if gradient is None:
            gradient = torch.zeros_like(self.values)
        if self._sgd.plain:  # a finished user's gradient is 0
            self.values.sub_(gradient, alpha=self._sgd.rate)
            return
        if self._sgd.proximal:
            gradient = gradient + self._sgd.proximal * (self.values - self._start)
        if self._velocity is not None:
            gradient = self._velocity.mul_(self._sgd.momentum).add_(gradient)
        mask = active.view(-1, *[1] * self._start.dim())
        self.values.sub_(torch.where(mask, gradient, 0.0), alpha=self._sgd.rate)

    def step_outer(self, g: Tensor, a: Tensor, active: Tensor) -> None:
        """`step` with the gradient sum_w g_w a_w' [G, P, D] of g [G, W, P] and a [G, W, D], without forming it."""
        if self._sgd.plain:
            self.values.baddbmm_(g.mT, a, alpha=-self._sgd.rate)
        else:
            self.step(g.mT @ a, active)

    def squares(self) -> Tensor:
        """|w - w_round|^2 [G], in float64."""
        change = (self.values - self._start).flatten(1)
        norms: Tensor = torch.linalg.vector_norm(change, dim=1, dtype=torch.float64)
        return norms.square()

    def add(self, factors: Tensor, total: Tensor) -> None:
        """Add sum_u factors_u (w_u - w_round) to `total` [*shape]; a user of factor 0 adds exactly 0."""
        change = (self.values - self._start).flatten(1)
        counted = factors.ne(0).unsqueeze(1)
        total += (factors @ torch.where(counted, change, 0.0)).view_as(total)
