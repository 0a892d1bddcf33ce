"""Which models can be trained at all: refused here, before anything is charged, with the layer's name and what to use.

A batch of records must be a set of independent examples, and a model must be its parameters and nothing else: whatever
leaves a silo is the noised parameter vector, so state that a forward pass writes (running statistics) has no place.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import UninitializedParameter

from ringfence.errors import InvalidTask


def check_model(module: nn.Module, dtype: torch.dtype) -> None:
    """Raise InvalidTask, naming the layer or parameter, unless `module` can be trained as one vector of `dtype`."""
    for name, layer in module.named_modules():
        _check_layer(name or "model", layer)
    for name, parameter in module.named_parameters():
        _check_parameter(name, parameter, dtype)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise InvalidTask("the model has no parameter to train", where="model")


def _check_layer(name: str, layer: nn.Module) -> None:
    kind = type(layer).__name__
    if isinstance(layer, _BatchNorm):
        raise InvalidTask(
            f"{kind} mixes the records of a batch, so no single record's influence is bounded",
            where=f"layer {name}",
            remedy="use GroupNorm or LayerNorm",
        )
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)) and (layer.max_norm is not None or layer.sparse):
        raise InvalidTask(
            f"{kind} with max_norm rewrites its weights in the forward pass, and with sparse has no dense gradient",
            where=f"layer {name}",
            remedy="leave max_norm and sparse at their defaults",
        )
    kept = [buffer for buffer in layer._buffers if buffer not in layer._non_persistent_buffers_set]
    if kept:
        raise InvalidTask(
            f"{kind} keeps the buffer {kept[0]}; only parameters are trained, noised and sent",
            where=f"layer {name}",
            remedy="register it with persistent=False if the constructor makes it, or as a parameter that needs no "
            "gradient if it is part of the model",
        )


def _check_parameter(name: str, parameter: nn.Parameter, dtype: torch.dtype) -> None:
    if isinstance(parameter, UninitializedParameter):
        raise InvalidTask(
            "its shape is not known before the first batch", where=f"parameter {name}", remedy="give the layer its size"
        )
    if parameter.dtype != dtype:
        raise InvalidTask(
            f"is {parameter.dtype}, and models are trained in {dtype}",
            where=f"parameter {name}",
            remedy=f"make it with dtype={dtype}",
        )
