"""A silo's training in one round: plain SGD, or DP-SGD (Abadi et al. 2016, arXiv:1607.00133), on the flat vector.

Nothing that a private run computes from records leaves it but the noised steps: no loss, no norm, no realised batch
size, no count of dropped records; `on_step` hears the number of the step. One torch thread (the caller's duty) makes a
run without privacy reproducible to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ringfence.errors import InvalidInput
from ringfence.privacy.noise import NoiseSource
from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses, take
from ringfence.training.clipping import clipped_sum
from ringfence.training.failures import told_by_place
from ringfence.training.fallback import flat_gradient
from ringfence.training.flat import FlatModel
from ringfence.training.plan import LocalPlan, PrivateStep
from ringfence.training.route import known_route

__all__ = ["LocalPlan", "PrivateStep", "train_local"]

_PIECE = 1 << 16  # elements stepped at once on a CPU: gradient, weights and model stay in the second level of cache


def train_local(
    task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan, on_step: Callable[[int], None] | None = None
) -> None:
    """Take exactly `plan.steps` steps on `data`, in place; frozen parameters come out as they went in.

    `data` maps names to tensors whose first dimension is the record; it is trained on where the model lies.
    Raises InvalidTask for a loss that is not one value a record, WorkloadFailed for whatever else the task raises (its
    type and place, not its words), InvalidInput for no records without privacy.
    """
    before, device = model.module.training, model.vector.device
    model.module.train()
    data = {name: tensor.to(device) for name, tensor in data.items()}
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            descent = _Descent(model, plan)
            for step, gradient in enumerate(_gradients(task, model, data, plan)):
                descent.step(gradient)
                if on_step is not None:
                    on_step(step)
    finally:
        model.module.train(before)


class _Descent:
    """The model's way down: weights of its own, which every step writes over the whole model.

    So what a forward pass wrote into a parameter is undone. All that is done to an element is done while it lies in the
    processor's cache: passes over memory, one for each operation, would take as long as the noise.
    """

    def __init__(self, model: FlatModel, plan: LocalPlan) -> None:
        self._model, self._plan = model, plan
        self._weights = model.copy()
        self._start = self._weights.clone() if plan.proximal else self._weights
        self._velocity = torch.zeros_like(model.trainable) if plan.momentum else self._weights
        self._noise = NoiseSource()
        on_gpu = model.vector.device.type == "cuda"
        self._piece = max(1, model.trainable.numel()) if on_gpu else _PIECE

    def step(self, gradient: Tensor) -> None:
        """One step along `gradient` [T], which is used up: the mean over records, or the clipped sum without noise."""
        for start in range(0, gradient.numel(), self._piece):
            piece = slice(start, min(start + self._piece, gradient.numel()))
            change = gradient[piece]
            self._move(piece, self._noised(change, self._plan.private) if self._plan.private else change)
        frozen = slice(gradient.numel(), None)
        self._model.vector[frozen].copy_(self._weights[frozen])

    def _noised(self, total: Tensor, private: PrivateStep) -> Tensor:
        """(clipped sum + N(0, (sigma C)^2)) / expected batch size."""
        noised = total.cpu()
        self._noise.add_in_place(noised.numpy(), private.noise_multiplier * private.max_grad_norm)
        return noised.to(total.device).div_(self._plan.batch_size)

    def _move(self, piece: slice, change: Tensor) -> None:
        weights = self._weights[piece]
        if self._plan.proximal:
            change.add_(weights - self._start[piece], alpha=self._plan.proximal)
        if self._plan.momentum:
            change = self._velocity[piece].mul_(self._plan.momentum).add_(change)
        weights.add_(change, alpha=-self._plan.learning_rate)
        self._model.vector[piece].copy_(weights)


def _gradients(task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan) -> Iterator[Tensor]:
    """A vector [T] for every step, valid until the next."""
    if plan.private is not None:
        return _clipped_sums(task, model, data, plan, plan.private)
    return _plain_gradients(task, model, data, plan)


def _clipped_sums(
    task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan, private: PrivateStep
) -> Iterator[Tensor]:
    """The clipped sum over a fresh Poisson sample, [T], for every step."""
    torch.seed()  # dropout and the like, from the operating system
    sampler, records = NoiseSource(), count(data)
    with told_by_place(task, 0):
        route = known_route(model, task, data)
    for step in range(plan.steps):
        sample = torch.from_numpy(sampler.bernoulli_indices(records, private.sampling_rate))
        with told_by_place(task, step):
            batch, clip = take(data, sample), private.max_grad_norm
            total = clipped_sum(model, task, batch, clip, route=route, by_layer=plan.by_layer)
        yield total


def _plain_gradients(task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan) -> Iterator[Tensor]:
    """The gradient of the mean loss over shuffled minibatches, [T], for every step."""
    if count(data) == 0:
        raise InvalidInput("there are no records to train on", where="data")
    generator = torch.Generator().manual_seed(plan.seed or 0)
    torch.manual_seed(plan.seed or 0)
    for step, batch in enumerate(_shuffled(count(data), plan, generator)):
        with told_by_place(task, step):
            gradient = flat_gradient(model, losses(task, model.module, take(data, batch)).mean())
        yield gradient


def _shuffled(records: int, plan: LocalPlan, generator: torch.Generator) -> Iterator[Tensor]:
    """`plan.steps` full batches of indices: one permutation after another, a batch going on into the next."""
    size = min(plan.batch_size, records)
    pool = torch.empty(0, dtype=torch.int64)
    for _ in range(plan.steps):
        if len(pool) < size:
            pool = torch.cat([pool, torch.randperm(records, generator=generator)])
        yield pool[:size]
        pool = pool[size:]
