"""Layers that compute for many users at once, each user with parameters of its own.

Shapes: G users in lock-step, W records of each in a step, so rows [G * W, ...], user after user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn

from ringfence.training.flat import FlatModel
from ringfence.training.linear_kernel import LinearKernel
from ringfence.training.peruser_kernel import PerUserKernel
from ringfence.training.stacks import Sgd


class Kernel(Protocol):
    """A layer for G users: `begin` a group; `forward`, the backward pass and `step` in turns; `squares` and `add`."""

    module: nn.Module
    calls: int
    """How often `forward` ran since somebody set it to 0."""
    refused: bool
    """Whether it was given rows that are not the records."""

    def begin(self, users: int, steps: int, width: int, sgd: Sgd) -> None:
        """Every user at the round's model; so many steps of `width` records each will follow."""

    def forward(self, a: Tensor) -> Tensor:
        """The layer's function of a [G * W, ...]. Raises ValueError for rows that are not those records."""

    def leaves(self) -> list[Tensor]:
        """What a backward pass must be asked the gradients of."""

    def step(self, gradients: list[Tensor | None], active: Tensor) -> None:
        """One step of SGD by the gradients of the leaves, for the users that are `active` [G]."""

    def reached(self, gradients: list[Tensor | None]) -> Tensor:
        """Which users [G] a backward pass with these gradients of the leaves came to."""

    def squares(self, done: Tensor) -> Tensor:
        """|change of this layer's parameters|^2 [G], float64, of users who have `done` [G] steps."""

    def add(self, factors: Tensor, done: Tensor, total: Tensor) -> None:
        """Add sum_u factors_u change_u to `total` [T]; a user of factor 0 adds exactly 0, whatever it holds."""

    def elements(self, slots: int) -> int:
        """Numbers kept for a user with so many records in all its steps."""


def kernel_of(module: nn.Module, model: FlatModel, slots: dict[str, int]) -> Kernel | None:
    """The kernel of a layer whose parameters lie at these slots of the model's, None where there is none."""
    kinds: dict[type[nn.Module], Callable[[nn.Module, FlatModel, dict[str, int]], Kernel]] = {
        nn.Linear: LinearKernel,
        nn.Embedding: PerUserKernel,
        nn.LayerNorm: PerUserKernel,
    }
    kind = kinds.get(type(module))
    plain = "forward" not in module.__dict__ and not any(True for _ in module.children())
    if isinstance(module, nn.Embedding) and module.scale_grad_by_freq:
        plain = False
    return kind(module, model, slots) if kind and plain else None
