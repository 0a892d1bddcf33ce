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
from ringfence.training.route import choose_route

__all__ = ["LocalPlan", "PrivateStep", "train_local"]


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
    weights = model.copy()
    trained = velocity = weights[: model.trainable.numel()]
    start = trained.clone() if plan.proximal else trained
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            for step, gradient in enumerate(_gradients(task, model, data, plan)):
                if plan.proximal:
                    gradient.add_(trained - start, alpha=plan.proximal)
                if plan.momentum and step:
                    gradient.add_(velocity, alpha=plan.momentum)
                velocity = gradient
                trained.add_(velocity, alpha=-plan.learning_rate)
                # The whole vector, from our own copy: what a forward pass wrote into a parameter is undone.
                model.load(weights)
                if on_step is not None:
                    on_step(step)
    finally:
        model.module.train(before)


def _gradients(task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan) -> Iterator[Tensor]:
    """A fresh vector [T] for every step."""
    if plan.private is not None:
        return _private_gradients(task, model, data, plan, plan.private)
    return _plain_gradients(task, model, data, plan)


def _private_gradients(
    task: RecordLoss, model: FlatModel, data: Batch, plan: LocalPlan, private: PrivateStep
) -> Iterator[Tensor]:
    """(clipped sum over a fresh Poisson sample + N(0, (sigma C)^2)) / expected batch size, [T], for every step."""
    torch.seed()  # dropout and the like, from the operating system
    sampler, noise = NoiseSource(), NoiseSource()
    records, clip = count(data), private.max_grad_norm
    with told_by_place(task, 0):
        route = choose_route(model, task, data)
    for step in range(plan.steps):
        sample = torch.from_numpy(sampler.bernoulli_indices(records, private.sampling_rate))
        with told_by_place(task, step):
            total = clipped_sum(model, task, take(data, sample), clip, route=route, by_layer=plan.by_layer)
        noised = total.cpu()
        noise.add_in_place(noised.numpy(), private.noise_multiplier * clip)
        yield noised.to(total.device).div_(plan.batch_size)


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
