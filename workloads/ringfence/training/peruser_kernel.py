"""Embeddings and layer norms that compute for many users at once: one copy of the parameters a user."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.training.flat import FlatModel
from ringfence.training.stacks import Sgd, Stack


class PerUserKernel:
    """`nn.Embedding` and `nn.LayerNorm` on [G * W, ...]: one copy of the parameters a user."""

    def __init__(self, module: nn.Module, model: FlatModel, slots: dict[str, int]) -> None:
        self.module, self.calls, self.refused = module, 0, False
        self._slots = {name: model.slots[slot] for name, slot in slots.items()}
        self._starts = {name: slot.of(model.trainable) for name, slot in self._slots.items()}

    def elements(self, slots: int) -> int:
        return 2 * sum(start.numel() for start in self._starts.values())

    def begin(self, users: int, steps: int, width: int, sgd: Sgd) -> None:
        self._users, self._width = users, width
        self._stacks = {name: Stack(start, users, sgd) for name, start in self._starts.items()}
        for stack in self._stacks.values():
            stack.values.requires_grad_()

    def forward(self, a: Tensor) -> Tensor:
        self.calls += 1
        if a.dim() == 0 or len(a) != self._users * self._width:
            self.refused = True
            raise ValueError("the first dimension is not the record")
        match self.module:
            case nn.Embedding(padding_idx=padding):
                return self._embedded(a, padding)
            case nn.LayerNorm(normalized_shape=shape, eps=eps):
                return self._scaled(functional.layer_norm(a, shape, eps=eps))
        raise ValueError("no kernel")

    def _embedded(self, index: Tensor, padding: int | None) -> Tensor:
        weight = self._stacks["weight"].values
        size = weight.shape[1]
        user = torch.arange(len(index), device=index.device).div(self._width, rounding_mode="floor")
        z = functional.embedding(index + size * user.view(-1, *[1] * (index.dim() - 1)), weight.flatten(0, 1))
        if padding is None:
            return z
        return torch.where(index.eq(padding).unsqueeze(-1), z.detach(), z)

    def _scaled(self, normal: Tensor) -> Tensor:
        shape = (
            self._users,
            1,
            *[1] * (normal.dim() - 1 - self._starts["weight"].dim()),
            *self._starts["weight"].shape,
        )
        z = normal.view(self._users, self._width, *normal.shape[1:]) * self._stacks["weight"].values.view(shape)
        if "bias" in self._stacks:
            z = z + self._stacks["bias"].values.view(shape)
        return z.flatten(0, 1)

    def leaves(self) -> list[Tensor]:
        return [stack.values for stack in self._stacks.values()]

    def step(self, gradients: list[Tensor | None], active: Tensor) -> None:
        for stack, gradient in zip(self._stacks.values(), gradients, strict=True):
            stack.step(gradient, active)

    def reached(self, gradients: list[Tensor | None]) -> Tensor:
        found = torch.zeros(self._users, dtype=torch.bool)
        for gradient in gradients:
            if gradient is not None:
                found |= gradient.flatten(1).ne(0).any(1)
        return found

    def squares(self, done: Tensor) -> Tensor:
        return torch.stack([stack.squares() for stack in self._stacks.values()]).sum(0)

    def add(self, factors: Tensor, done: Tensor, total: Tensor) -> None:
        for name, stack in self._stacks.items():
            stack.add(factors, self._slots[name].of(total))
