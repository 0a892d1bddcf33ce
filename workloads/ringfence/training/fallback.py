"""Per-example gradients of any parameters of any model, outright and in bounded pieces.

`torch.func.vmap(grad)` where the model allows it, else one example after another. Each example runs alone, as a batch
of one, so tied, reused and recurrent layers need no thought.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses, take
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


def piece_size(elements: int) -> int:
    """Records whose gradients of so many elements fit into the bound."""
    return max(1, min(_LARGEST_PIECE, _ELEMENTS // max(1, elements)))


def per_example(model: FlatModel, task: RecordLoss, batch: Batch, slots: Sequence[int]) -> tuple[list[Tensor], Tensor]:
    """Of each record b: its gradient of the parameters in `slots`, [b, size] each, and its loss [b]."""
    try:
        return _vectorised(model, task, batch, slots)
    except (RuntimeError, NotImplementedError, ValueError):  # vmap has no rule, or the task branches on values
        return _one_by_one(model, task, batch, slots)


def _vectorised(model: FlatModel, task: RecordLoss, batch: Batch, slots: Sequence[int]) -> tuple[list[Tensor], Tensor]:
    wrapped = _Loss(model.module, task)
    parameters = {f"model.{model.slots[slot].name}": model.parameters[slot].detach() for slot in slots}

    def loss(chosen: dict[str, Tensor], record: Batch) -> Tensor:
        single = {name: tensor.unsqueeze(0) for name, tensor in record.items()}
        value: Tensor = functional_call(wrapped, chosen, (single,))
        return value.squeeze(0)

    over_records = vmap(grad_and_value(loss), in_dims=(None, 0), randomness="different")
    with warnings.catch_warnings():
        # An operation without a batching rule is slower and as right; a report to PyTorch is not the user's to make.
        warnings.filterwarnings("ignore", message="There is a performance drop")
        gradients, values = over_records(parameters, dict(batch))
    return [gradients[name].flatten(1) for name in parameters], values.detach()


def _one_by_one(model: FlatModel, task: RecordLoss, batch: Batch, slots: Sequence[int]) -> tuple[list[Tensor], Tensor]:
    chosen = [model.parameters[slot] for slot in slots]
    rows = [parameter.new_empty(count(batch), parameter.numel()) for parameter in chosen]
    values = []
    for record in range(count(batch)):
        value = losses(task, model.module, take(batch, slice(record, record + 1)))
        for row, gradient in zip(rows, _gradients(value.sum(), chosen), strict=True):
            row[record] = gradient.reshape(-1)
        values.append(value.detach())
    return rows, torch.cat(values)


def flat_gradient(model: FlatModel, value: Tensor) -> Tensor:
    """d(value)/d(trainable) [T] by plain autograd; 0 where the value does not depend on a parameter."""
    return torch.cat([gradient.reshape(-1) for gradient in _gradients(value, model.parameters)])


def _gradients(value: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor]:
    if not value.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    return torch.autograd.grad(value, list(parameters), allow_unused=True, materialize_grads=True)
