"""Records as a dictionary of tensors whose first dimension is the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from ringfence.errors import InvalidInput, InvalidTask
from ringfence.tasks.task import Batch


class RecordLoss(Protocol):
    """The one thing that training asks of a task: a loss [B], one value a record."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor: ...


def count(batch: Batch) -> int:
    """The number B of records. Raises InvalidInput when the tensors disagree or there are none."""
    sizes = {name: int(tensor.shape[0]) if tensor.dim() else -1 for name, tensor in batch.items()}
    if len(set(sizes.values())) != 1 or -1 in sizes.values():
        raise InvalidInput(f"the encoded columns {sorted(sizes)} do not hold the same number of records", where="batch")
    return next(iter(sizes.values()))


def take(batch: Batch, index: Tensor | slice) -> Batch:
    """The records at `index`."""
    return {name: tensor[index] for name, tensor in batch.items()}


def microbatches(batch: Batch, size: int) -> Iterator[Batch]:
    """The records in order, at most `size` at a time, in parts of like size."""
    records = count(batch)
    if records <= size:
        yield batch
        return
    even = -(-records // -(-records // size))
    for start in range(0, records, even):
        yield take(batch, slice(start, start + even))


def losses(task: RecordLoss, model: nn.Module, batch: Batch) -> Tensor:
    """The task's loss [B]. Raises InvalidTask when its shape is another."""
    values = task.loss(model, batch)
    records = count(batch)
    if not isinstance(values, torch.Tensor) or values.shape != (records,):
        found = list(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
        raise InvalidTask(
            f"loss returned {found} for {records} records, not [{records}]",
            where=type(task).__name__,
            remedy="return one value a record (reduction='none')",
        )
    return values
