"""Clipped sums for any model: per-example gradients outright, in bounded pieces.

`torch.func.vmap(grad)` where the model allows it, else one example after another. Each example runs alone, as a batch
of one, so tied, reused and recurrent layers need no thought. Memory is one piece of per-example gradients [b, T].
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses, microbatches, take
from ringfence.training.factors import clip_factors
from ringfence.training.flat import FlatModel

# Elements of per-example gradients held at once (64 MiB of float32).
_ELEMENTS = 1 << 24
_LARGEST_PIECE = 1024


class _Loss(nn.Module):
    """The task's loss as a module, so that its parameters can be exchanged for one call."""

    def __init__(self, model: nn.Module, task: RecordLoss) -> None:
        super().__init__()
        self.model = model
        self._task = task

    def forward(self, batch: Batch) -> Tensor:
        return losses(self._task, self.model, batch)


def add_clipped_sum(model: FlatModel, task: RecordLoss, batch: Batch, max_norm: float, total: Tensor) -> None:
    """Add sum_i g_i min(1, C/|g_i|) over the records of `batch` to `total` [T], without any rule."""
    for piece in microbatches(batch, piece_size(model)):
        gradients, values = _per_example(model, task, piece)
        with torch.autocast(total.device.type, enabled=False):
            factors = clip_factors(torch.linalg.vecdot(gradients, gradients), values, max_norm)
            total += factors @ gradients.nan_to_num_(0.0, 0.0, 0.0)


def piece_size(model: FlatModel) -> int:
    """Records whose gradients fit into the bound."""
    return max(1, min(_LARGEST_PIECE, _ELEMENTS // model.trainable.numel()))


def _per_example(model: FlatModel, task: RecordLoss, batch: Batch) -> tuple[Tensor, Tensor]:
    """Gradients [b, T] and losses [b]."""
    try:
        return _vectorised(model, task, batch)
    except (RuntimeError, NotImplementedError, ValueError):  # vmap has no rule, or the task branches on values
        return _one_by_one(model, task, batch)


def _vectorised(model: FlatModel, task: RecordLoss, batch: Batch) -> tuple[Tensor, Tensor]:
    wrapped = _Loss(model.module, task)
    names = [f"model.{slot.name}" for slot in model.slots if slot.trainable]

    def loss(parameters: dict[str, Tensor], record: Batch) -> Tensor:
        single = {name: tensor.unsqueeze(0) for name, tensor in record.items()}
        value: Tensor = functional_call(wrapped, parameters, (single,))
        return value.squeeze(0)

    parameters = {name: value.detach() for name, value in zip(names, model.parameters, strict=True)}
    over_records = vmap(grad_and_value(loss), in_dims=(None, 0), randomness="different")
    with warnings.catch_warnings():
        # An operation without a batching rule is slower and as right; a report to PyTorch is not the user's to make.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        gradients, values = over_records(parameters, dict(batch))
    return torch.cat([gradients[name].flatten(1) for name in names], dim=1), values.detach()


def _one_by_one(model: FlatModel, task: RecordLoss, batch: Batch) -> tuple[Tensor, Tensor]:
    rows, values = [], []
    for record in range(count(batch)):
        value = losses(task, model.module, take(batch, slice(record, record + 1)))
        rows.append(flat_gradient(model, value.sum()))
        values.append(value.detach())
    return torch.stack(rows), torch.cat(values)


def flat_gradient(model: FlatModel, value: Tensor) -> Tensor:
    """d(value)/d(trainable) [T] by plain autograd; 0 where the value does not depend on a parameter."""
    if not value.requires_grad:
        return torch.zeros_like(model.trainable)
    gradients = torch.autograd.grad(value, model.parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.reshape(-1) for gradient in gradients])
