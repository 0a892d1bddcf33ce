"""Probes of encoding, predictions and losses: one value a record, and no record touches another."""

from __future__ import annotations

import copy

import pyarrow as pa
import torch
from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.tasks.encode import encode_batch, name_of
from ringfence.tasks.faults import task_step
from ringfence.tasks.probe_model import INSTEAD_OF_BATCH_NORM
from ringfence.tasks.task import Batch, Task

_RELATIVE, _ABSOLUTE = 1e-3, 1e-5  # float32 kernels sum in another order for another batch size
_JITTER = 0.1  # a model that starts at zero would hide what its layers do


def check_encoding(task: Task, rows: pa.RecordBatch, schema: DatasetSchema) -> dict[str, Tensor]:
    """The encoded batch, if each row's encoding is finite and the same by itself as in a batch."""
    where = name_of(task)
    whole = encode_batch(task, rows, schema, show_text=True)
    for name, values in whole.items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise InvalidTask(f"encode gives values in {name!r} that are not finite", where=where)
    again = encode_batch(task, rows, schema, show_text=True)
    _same_encoding(whole, again, where, "encode gives other values for the same rows a second time")
    for position in range(rows.num_rows):
        alone = encode_batch(task, rows.slice(position, 1), schema, show_text=True)
        _same_encoding(_take(whole, [position]), alone, where, "encode of a row depends on the other rows of its batch")
    return whole


def with_own(task: Task, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The batch with what `personal` works out from each record, as if each were a user's only one."""
    where = name_of(task)
    with torch.no_grad(), task_step("personal", where, show_text=True):
        found = [dict(task.personal(model, _take(batch, [position]))) for position in range(_records(batch))]
        own = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    for name, values in own.items():
        if name in batch:
            raise InvalidTask(f"personal gives {name!r}, which encode gives too", where=where)
        if not bool(torch.isfinite(values).all()):
            raise InvalidTask(f"personal gives values in {name!r} that are not finite", where=where)
    return {**batch, **own}


def check_predictions(task: Task, model: nn.Module, batch: Batch, classes: int | None) -> None:
    """`predict` is finite and [B], or [B, K] for a target of K = `classes` > 2 classes; without a target for any K."""
    was_training = model.training
    model.eval()
    with torch.no_grad(), task_step("predict", name_of(task), show_text=True):
        values = task.predict(model, batch)
    width = values.shape[1] if isinstance(values, Tensor) and values.ndim == 2 else 0
    by_class = width > 2 and classes in (None, width) and len(values) == _records(batch)
    _check_by_record("predict", values[:, 0] if by_class else values, _records(batch), name_of(task))
    model.train(was_training)


def check_loss(task: Task, model: nn.Module, batch: Batch) -> Tensor:
    """Losses [B] in training mode, finite, made from the parameters, and leaving the model's buffers as they were."""
    where = name_of(task)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    losses = _loss(task, model.train(), batch)
    _check_by_record("loss", losses, _records(batch), where)
    if not losses.requires_grad:
        raise InvalidTask("loss does not depend on the model's parameters", where=where, remedy="do not detach")
    for name, buffer in model.named_buffers():
        if name not in before or not torch.equal(before[name], buffer):
            message = f"model keeps statistics of batches in {name!r}, which would leave the silo without noise"
            raise InvalidTask(message, where=where, remedy=INSTEAD_OF_BATCH_NORM)
    return losses


def check_independence(task: Task, model: nn.Module, batch: Batch, others: Batch) -> None:
    """A record's loss stays the same when the other records change, and when there are none.

    The first is tried in training mode with one random state, where dropout falls alike; the second in evaluation mode
    if the loss is random in training mode.
    """
    moved = _jittered(model).train()
    kept = _loss(task, moved, batch, seed=0).detach()
    records = _records(batch)
    half = records // 2
    for stay in (torch.arange(records) < half, torch.arange(records) >= half):
        mixed = {name: _where(stay, values, others[name]) for name, values in batch.items()}
        _same_losses(task, kept[stay], _loss(task, moved, mixed, seed=0)[stay], "when the other records change")
    if not _alike(kept, _loss(task, moved, batch, seed=1)):
        moved.eval()
        kept = _loss(task, moved, batch, seed=0).detach()
        if not _alike(kept, _loss(task, moved, batch, seed=1)):
            return  # random by design: what could be compared has been
    for position in range(4):
        alone = _loss(task, moved, _take(batch, [position]), seed=0)
        _check_by_record("loss", alone, 1, name_of(task))
        _same_losses(task, kept[[position]], alone, "when it is alone in the batch")


def _check_by_record(step: str, values: object, records: int, where: str) -> None:
    if not isinstance(values, Tensor):
        raise InvalidTask(f"{step} returns a {type(values).__name__}, not a tensor", where=where)
    shape = list(values.shape)
    if shape != [records]:
        remedy = f"return one value a record, shape [{records}]"
        if shape == []:
            remedy += ': reduction="none"' if step == "loss" and records > 1 else ": squeeze(-1), not squeeze()"
        elif shape == [records, 1]:
            remedy += ": squeeze(-1)"
        raise InvalidTask(
            f"{step} has shape {shape} for {records} record{'s'[: records > 1]}", where=where, remedy=remedy
        )
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise InvalidTask(f"{step} gives values that are not finite numbers on invented rows", where=where)


def _same_encoding(expected: Batch, found: Batch, where: str, fault: str) -> None:
    for name in sorted({*expected, *found}):
        if name not in expected or name not in found:
            raise InvalidTask(f"encode gives {name!r} for some batches only", where=where)
        here, there = expected[name], found[name]
        same = here.shape == there.shape and here.dtype == there.dtype and _alike(here, there)
        if not same:
            remedy = "use declared constants: schema.scaled(rows), schema.codes(rows)"
            raise InvalidTask(f"{fault} ({name!r})", where=where, remedy=remedy)


def _same_losses(task: Task, expected: Tensor, found: Tensor, when: str) -> None:
    if not _alike(expected, found.detach()):
        raise InvalidTask(
            f"the loss of a record changes {when}",
            where=name_of(task),
            remedy=f"no mean, normalisation or sorting over the batch; {INSTEAD_OF_BATCH_NORM}",
        )


def _alike(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first.double(), second.double(), rtol=_RELATIVE, atol=_ABSOLUTE)


def _loss(task: Task, model: nn.Module, batch: Batch, seed: int | None = None) -> Tensor:
    if seed is not None:
        torch.manual_seed(seed)
    with task_step("loss", name_of(task), show_text=True):
        return task.loss(model, batch)


def _jittered(model: nn.Module) -> nn.Module:
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(_JITTER * torch.randn_like(parameter))
    return moved


def _where(stay: Tensor, values: Tensor, others: Tensor) -> Tensor:
    return torch.where(stay.view(-1, *[1] * (values.ndim - 1)), values, others)


def _take(batch: Batch, positions: list[int]) -> dict[str, Tensor]:
    return {name: values[positions] for name, values in batch.items()}


def _records(batch: Batch) -> int:
    return len(next(iter(batch.values())))
