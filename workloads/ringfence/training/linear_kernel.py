"""A linear layer that computes for many users at once, each user with weights of its own.

Shapes as in `kernels`; D inputs, P outputs; S slots, the records of all steps of a user.

After t steps of SGD a user's layer differs from the round's by a matrix of low rank, a sum over its records so far of
output gradient times input (the fact that book-keeping clipping uses: Bu et al. 2022, arXiv:2210.00038):

    W_u = W_round - rate * sum_s c_s g_s a_s'

Where D P is large beside S (D + P), W_u is therefore never formed: all users share the product with W_round, and the
rest is two thin products with what was kept. A norm follows from inner products, |sum g a'|^2 = sum (g g') o (a a'),
and the sum over users is one matrix product. Where it is small, each user has its own weights, and a step is one
batched product into them.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from ringfence.training.flat import FlatModel
from ringfence.training.stacks import Sgd, Stack


class LinearKernel:
    """`nn.Linear` on rows [G * W, D]."""

    def __init__(self, module: nn.Module, model: FlatModel, slots: dict[str, int]) -> None:
        self.module, self.calls, self.refused = module, 0, False
        self._weight_slot = model.slots[slots["weight"]]
        self._bias_slot = model.slots[slots["bias"]] if "bias" in slots else None
        self._start = self._weight_slot.of(model.trainable)
        self._bias_start = self._bias_slot.of(model.trainable) if self._bias_slot else None
        self._anchor = torch.zeros(1, requires_grad=True)

    def elements(self, slots: int) -> int:
        outputs, inputs = self._start.shape
        return slots * (outputs + inputs) if self._thin(slots) else outputs * inputs

    def _thin(self, slots: int) -> bool:
        outputs, inputs = self._start.shape
        return 2 * slots * (outputs + inputs) <= outputs * inputs

    def begin(self, users: int, steps: int, width: int, sgd: Sgd) -> None:
        self._users, self._width, self._sgd, self._step = users, width, sgd, 0
        outputs, inputs = self._start.shape
        self._stack = None if self._thin(steps * width) else Stack(self._start, users, sgd)
        self._bias = None if self._bias_start is None else Stack(self._bias_start, users, sgd)
        self._g: Tensor | None = None
        if self._stack is None:
            self._kept_a = self._start.new_zeros(users, steps * width, inputs)
            self._kept_g = self._start.new_zeros(users, steps * width, outputs)
            self._coefficients = torch.from_numpy(sgd.coefficients(steps)).to(self._start)

    def forward(self, a: Tensor) -> Tensor:
        self.calls += 1
        return cast(Tensor, _Apply.apply(a, self._anchor, self))

    def compute(self, a: Tensor) -> Tensor:
        """z [G * W, P] of a [G * W, D], which is kept."""
        if a.dim() != 2 or len(a) != self._users * self._width:
            self.refused = True
            raise ValueError("the first dimension is not the record, or it is not the only one")
        rows = a.view(self._users, self._width, -1)
        self._a = rows
        if self._stack is None:
            z = (a @ self._start.mT).view(self._users, self._width, -1)
            if self._step:
                z.baddbmm_(
                    self._scaled(rows @ self._past(self._kept_a).mT), self._past(self._kept_g), alpha=-self._sgd.rate
                )
            if self._bias is not None:
                z += self._bias.values.unsqueeze(1)
        elif self._bias is not None:
            z = torch.baddbmm(self._bias.values.unsqueeze(1), rows, self._stack.values.mT)
        else:
            z = rows @ self._stack.values.mT
        return z.flatten(0, 1)

    def pull_back(self, gradient: Tensor, wanted: bool) -> Tensor | None:
        """The gradient [G * W, D] of the input where `wanted`; the output's is kept for the step."""
        self._g = gradient.reshape(self._users, self._width, -1)
        if not wanted:
            return None
        if self._stack is not None:
            return (self._g @ self._stack.values).flatten(0, 1)
        pulled = (gradient @ self._start).view(self._users, self._width, -1)
        if self._step:
            thin = self._scaled(self._g @ self._past(self._kept_g).mT)
            pulled.baddbmm_(thin, self._past(self._kept_a), alpha=-self._sgd.rate)
        return pulled.flatten(0, 1)

    def leaves(self) -> list[Tensor]:
        return [self._anchor]

    def step(self, gradients: list[Tensor | None], active: Tensor) -> None:
        if self._g is None:  # the loss does not depend on this layer
            self._g = self._a.new_zeros(self._users, self._width, len(self._start))
        if self._stack is not None:
            self._stack.step_outer(self._g, self._a, active)
        else:
            part = slice(self._step * self._width, (self._step + 1) * self._width)
            self._kept_a[:, part], self._kept_g[:, part] = self._a, self._g
        if self._bias is not None:
            self._bias.step(self._g.sum(1), active)
        self._g, self._step = None, self._step + 1

    def reached(self, gradients: list[Tensor | None]) -> Tensor:
        if self._g is None:
            return torch.zeros(self._users, dtype=torch.bool)
        return self._g.flatten(1).ne(0).any(1)

    def squares(self, done: Tensor) -> Tensor:
        bias = self._bias.squares() if self._bias is not None else 0.0
        if self._stack is not None:
            return self._stack.squares() + bias
        # In float64: the steps of a user may undo one another, and a norm that came out too small would not clip.
        a, g = self._kept_a.double(), self._weighed(done).double()
        pairs = ((a @ a.mT) * (g @ g.mT)).sum((1, 2)).clamp(min=0)
        return pairs * self._sgd.rate**2 + bias

    def add(self, factors: Tensor, done: Tensor, total: Tensor) -> None:
        weight = self._weight_slot.of(total)
        if self._stack is not None:
            self._stack.add(factors, weight)
        else:
            counted = factors.ne(0).view(-1, 1, 1)
            g = self._weighed(done).mul_(factors.view(-1, 1, 1)).masked_fill_(~counted, 0.0)
            a = self._kept_a.masked_fill_(~counted, 0.0)
            weight.addmm_(g.flatten(0, 1).mT, a.flatten(0, 1), alpha=-self._sgd.rate)
        if self._bias is not None and self._bias_slot is not None:
            self._bias.add(factors, self._bias_slot.of(total))

    def _past(self, kept: Tensor) -> Tensor:
        return kept[:, : self._step * self._width]

    def _scaled(self, products: Tensor) -> Tensor:
        """Products [G, W, t * W] with the gradients so far, each times its step's coefficient."""
        if self._sgd.plain:
            return products
        return products * self._coefficients[self._step, : self._step].repeat_interleave(self._width)

    def _weighed(self, done: Tensor) -> Tensor:
        """The kept gradients [G, S, P], each times its coefficient after the steps that its user has `done` [G]."""
        if self._sgd.plain:
            return self._kept_g.clone()
        return self._kept_g * self._coefficients[done].repeat_interleave(self._width, dim=1).unsqueeze(2)


class _Apply(torch.autograd.Function):
    """A linear kernel in the graph. Its anchor asks for a gradient only to keep the layer in."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, anchor: Tensor, kernel: LinearKernel) -> Tensor:
        ctx.kernel = kernel
        ctx.save_for_backward(a)
        return kernel.compute(a)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        (_,) = ctx.saved_tensors  # raises if the input was overwritten
        return ctx.kernel.pull_back(gradients[0], ctx.needs_input_grad[0]), None, None
