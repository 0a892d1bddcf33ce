"""Many users in lock-step: each takes its own steps of SGD from the same model, a group of them in one pass.

A group of G users trains on G * W records at a time. Layers with a kernel (`kernels`) keep every user's parameters
apart; a model with any other trained parameter is trained by one user after another (G = 1), that parameter by plain
autograd. What comes out is each user's change of the whole model as a norm and a term of a sum, never as G vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, losses, take
from ringfence.training.flat import FlatModel
from ringfence.training.kernels import Kernel
from ringfence.training.stacks import Sgd, Stack
from ringfence.training.userplan import UserPlan, UserRows


@dataclass(frozen=True)
class Schedule:
    """The records of a group's steps: `index` [S, G, W], with their `weights` [S, G, W] in the mean loss of a batch.

    A user with fewer records or steps than the widest is filled up with its own first record at weight 0; `done` [G]
    counts its real steps.
    """

    index: Tensor
    weights: Tensor
    done: Tensor


def schedule(users: Sequence[int], rows: UserRows, plan: UserPlan) -> Schedule:
    """What every user of the group does in each step."""
    counts = [rows.count(user) for user in users]
    done = np.array([plan.steps(count) for count in counts])
    width = min(plan.batch_size, max(counts))
    index = np.repeat(rows.starts[list(users)][None, :, None], done.max(), axis=0).repeat(width, axis=2)
    weights = np.zeros(index.shape)
    for number, (user, count) in enumerate(zip(users, counts, strict=True)):
        for step, (first, end) in enumerate(plan.batches(count)):
            index[step, number, : end - first] = rows.starts[user] + np.arange(first, end)
            weights[step, number, : end - first] = 1 / (end - first)
    return Schedule(torch.from_numpy(index), torch.from_numpy(weights), torch.from_numpy(done))


@dataclass
class Lockstep:
    """A model and the layers of it that compute for a group; the rest is trained one user at a time.

    `others` are the slots of the trained parameters that no kernel covers. The model's own vector is where they are
    trained: `restore` puts the round's model back.
    """

    model: FlatModel
    task: RecordLoss
    kernels: list[Kernel]
    others: list[int]
    sgd: Sgd
    generator: torch.Generator

    def __post_init__(self) -> None:
        self._round = self.model.copy()
        self._stacks: list[Stack] = []

    def restore(self) -> None:
        """The round's model again, whatever a user or a forward pass wrote into it."""
        self.model.vector.copy_(self._round)

    def train(self, data: Batch, plan: Schedule) -> Tensor:
        """All steps of the group. Whether each user [G] had finite losses throughout."""
        steps, users, width = plan.index.shape
        self.begin(users, steps, width)
        finite = torch.ones(users, dtype=torch.bool)
        for step in range(steps):
            batch = take(data, plan.index[step].flatten())
            values = losses(self.task, self.model.module, batch)
            finite &= values.detach().isfinite().view(users, width).all(1)
            gradients = self.backward(values, plan.weights[step])
            self.step(gradients, plan.done > step)
        return finite

    def begin(self, users: int, steps: int, width: int) -> None:
        """Every user of the next group at the round's model."""
        for kernel in self.kernels:
            kernel.begin(users, steps, width, self.sgd)
        # Frozen parameters too: what a forward pass wrote into one is not carried from user to user.
        trained = len(self.model.trainable)
        self.model.vector[trained:].copy_(self._round[trained:])
        self._stacks = [
            Stack(
                self.model.slots[slot].of(self._round), 1, self.sgd, self.model.parameters[slot].detach().unsqueeze(0)
            )
            for slot in self.others
        ]

    def leaves(self) -> list[Tensor]:
        """What a backward pass is asked for: the kernels' leaves, then the other parameters."""
        kernels = [leaf for kernel in self.kernels for leaf in kernel.leaves()]
        return [*kernels, *(self.model.parameters[slot] for slot in self.others)]

    def backward(self, values: Tensor, weights: Tensor) -> list[Tensor | None]:
        """Gradients of the sum over users of their mean losses, for `leaves`."""
        if not values.requires_grad:
            return [None for _ in self.leaves()]
        return list(torch.autograd.grad((values * weights.flatten()).sum(), self.leaves(), allow_unused=True))

    def step(self, gradients: list[Tensor | None], active: Tensor) -> None:
        """One step of SGD for every user that is active."""
        with torch.no_grad():
            for kernel in self.kernels:
                size = len(kernel.leaves())
                kernel.step(gradients[:size], active)
                gradients = gradients[size:]
            for stack, gradient in zip(self._stacks, gradients, strict=True):
                stack.step(None if gradient is None else gradient.unsqueeze(0), active)

    def squares(self, done: Tensor) -> Tensor:
        """|change of the whole model|^2 [G] of the group just trained, float64."""
        with torch.no_grad():
            parts = [kernel.squares(done) for kernel in self.kernels] + [stack.squares() for stack in self._stacks]
            return torch.stack(parts).sum(0)

    def add(self, factors: Tensor, done: Tensor, total: Tensor) -> None:
        """Add sum_u factors_u change_u to `total` [T]."""
        with torch.no_grad():
            for kernel in self.kernels:
                kernel.add(factors, done, total)
            for slot, stack in zip(self.others, self._stacks, strict=True):
                stack.add(factors, self.model.slots[slot].of(total))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, the module computes through its kernels, and its dropout draws from `generator`."""
        dropouts = [module for module in self.model.module.modules() if type(module) is nn.Dropout]
        patched: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [
            *((kernel.module, kernel.forward) for kernel in self.kernels),
            *((module, _dropout(module, self.generator)) for module in dropouts if "forward" not in module.__dict__),
        ]
        try:
            for module, forward in patched:
                module.__dict__["forward"] = forward
            yield
        finally:
            for module, _ in patched:
                module.__dict__.pop("forward", None)


def _dropout(module: nn.Dropout, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """`nn.Dropout` with a generator of its own, so that threads do not share a stream."""
    keep = 1 - module.p

    def forward(x: Tensor) -> Tensor:
        if not module.training or keep == 1:
            return x
        mask = torch.empty_like(x).bernoulli_(keep, generator=generator)
        return x * mask.div_(keep) if keep else x * 0

    return forward
