"""Probes of the model itself: its parameters, its layers, its gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.tasks.encode import name_of
from ringfence.tasks.faults import task_step
from ringfence.tasks.task import Task

INSTEAD_OF_BATCH_NORM = "use nn.LayerNorm or nn.GroupNorm, which look at one record at a time"


def build_model(task: Task, schema: DatasetSchema) -> nn.Module:
    """The task's model, if its parameters are floating point and finite and no layer mixes records."""
    where = name_of(task)
    with task_step("model", where, show_text=True):
        model = task.model(schema)
    if not isinstance(model, nn.Module):
        raise InvalidTask(f"model returns a {type(model).__name__}, not a torch.nn.Module", where=where)
    for name, layer in model.named_modules():
        if isinstance(layer, _BatchNorm):
            message = f"model has {type(layer).__name__} at {name or 'its root'!r}, which mixes the records of a batch"
            raise InvalidTask(message, where=where, remedy=INSTEAD_OF_BATCH_NORM)
    for name, parameter in model.named_parameters():
        _check_parameter(name, parameter, where)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InvalidTask("model has no parameters to train", where=where)
    return model


def check_gradients(model: nn.Module, losses: Tensor, where: str) -> None:
    """Every trained parameter takes part in the loss, with finite gradients."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    with task_step("the gradient of loss", where, show_text=True):
        found = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True)
    gradients = dict(zip(trained, found, strict=True))
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if unused:
        listed = ", ".join(repr(name) for name in unused[:3]) + (", ..." if len(unused) > 3 else "")
        noun = "parameter" if len(unused) == 1 else "parameters"
        remedy = "remove what is not used, or freeze it with requires_grad_(False)"
        raise InvalidTask(f"{noun} {listed} take no part in the loss", where=where, remedy=remedy)
    for name, gradient in gradients.items():
        if gradient is not None and not bool(torch.isfinite(gradient.to_dense()).all()):
            raise InvalidTask(f"the gradient of {name!r} is not finite on invented rows", where=where)


def _check_parameter(name: str, parameter: Tensor, where: str) -> None:
    if is_lazy(parameter) or parameter.is_meta:
        raise InvalidTask(
            f"parameter {name!r} has no size or no values yet",
            where=where,
            remedy="give every layer its sizes from the declared schema",
        )
    if not parameter.is_floating_point():
        raise InvalidTask(f"parameter {name!r} is {_short(parameter.dtype)}, not floating point", where=where)
    if not bool(torch.isfinite(parameter).all()):
        raise InvalidTask(f"parameter {name!r} starts with values that are not finite", where=where)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
