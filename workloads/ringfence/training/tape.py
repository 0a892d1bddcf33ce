"""One forward pass that remembers each ruled layer's input and output, one backward pass to those outputs only.

During the forward pass a ruled layer computes with detached weights. So the backward pass stops at activations (half
the work of a plain one), and a gradient that still arrives at a parameter has found a way past its layer: a weight
used by hand, or shared. Then, and whenever a layer is called twice, sees a first dimension that is not the record, or
has its input or output overwritten, the tape is void and the records take the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses
from ringfence.training.flat import FlatModel
from ringfence.training.rules import RULES, Rule


class VoidTape(Exception):  # never leaves this package
    """What the forward pass did cannot be attributed to single records by the rules."""


@dataclass(frozen=True)
class RuledLayer:
    """A layer with a rule, and the slots of its trainable parameters in the flat sum (None: absent or frozen)."""

    module: nn.Module
    rule: Rule
    weight: int | None
    bias: int | None


@dataclass(frozen=True)
class Call:
    """What one layer saw: input a and output z [B, ...], and their version counters at that moment."""

    layer: RuledLayer
    a: Tensor
    z: Tensor
    versions: tuple[int, int]


def ruled_layers(model: FlatModel) -> tuple[RuledLayer, ...] | None:
    """The layers whose rules cover every trainable parameter exactly once, or None."""
    slot_of = {id(parameter): slot for slot, parameter in enumerate(model.parameters)}
    layers: list[RuledLayer] = []
    covered: list[int] = []
    for module in model.module.modules():
        slots = {name: slot_of.get(id(parameter)) for name, parameter in module._parameters.items()}
        trained = [slot for slot in slots.values() if slot is not None]
        if not trained:
            continue
        if not _is_plain(module) or not slots.keys() <= {"weight", "bias"}:
            return None
        layers.append(RuledLayer(module, RULES[type(module)], slots.get("weight"), slots.get("bias")))
        covered += trained
    return tuple(layers) if sorted(covered) == list(range(len(model.parameters))) else None


def _is_plain(module: nn.Module) -> bool:
    """Whether the layer computes what its rule says: not a subclass, parametrized, patched, or scaled by the batch."""
    if type(module) not in RULES or "forward" in module.__dict__ or any(True for _ in module.children()):
        return False
    return not (isinstance(module, nn.Embedding) and module.scale_grad_by_freq)


@dataclass
class Tape:
    """The calls of one forward pass over B records, and their losses [B]."""

    model: FlatModel
    calls: list[Call]
    losses: Tensor

    def output_gradients(self, cotangent: Tensor, again: bool = False) -> list[Tensor]:
        """d(cotangent . losses)/dz [B, ...] of every call; `again` keeps the graph for another cotangent.

        Raises VoidTape when a gradient reaches a parameter.
        """
        if not self.losses.requires_grad:
            return [torch.zeros_like(call.z) for call in self.calls]
        outputs = [call.z for call in self.calls]
        gradients = torch.autograd.grad(
            self.losses, [*outputs, *self.model.parameters], cotangent, retain_graph=again, allow_unused=True
        )
        if any(gradient is not None for gradient in gradients[len(outputs) :]):
            raise VoidTape("a parameter is used outside its layer")
        found = zip(gradients, outputs, strict=False)
        return [torch.zeros_like(z) if gradient is None else gradient for gradient, z in found]


def record(model: FlatModel, layers: tuple[RuledLayer, ...], task: RecordLoss, batch: Batch) -> Tape:
    """Run the task's loss over `batch`. Raises VoidTape when a layer's call cannot be attributed to records."""
    calls: list[Call] = []
    with _listening(layers, calls):
        try:
            values = losses(task, model.module, batch)
        except RuntimeError as error:  # a detached weight changed what the task may do; the fallback decides
            raise VoidTape("the forward pass failed") from error
    records = count(batch)
    if len({id(call.layer) for call in calls}) != len(calls):
        raise VoidTape("a layer is called more than once")
    for call in calls:
        if call.a.dim() == 0 or call.a.shape[0] != records or call.z.shape[0] != records:
            raise VoidTape("the first dimension of a layer is not the record")
        if (call.a._version, call.z._version) != call.versions:
            raise VoidTape("the input or output of a layer was overwritten")
    return Tape(model, calls, values)


@contextmanager
def _listening(layers: tuple[RuledLayer, ...], calls: list[Call]) -> Iterator[None]:
    try:
        for layer in layers:
            layer.module.__dict__["forward"] = _listener(layer, calls)
        yield
    finally:
        for layer in layers:
            layer.module.__dict__.pop("forward", None)


def _listener(layer: RuledLayer, calls: list[Call]) -> Callable[[Tensor], Tensor]:
    module = layer.module
    weight, bias = (_detached(module._parameters.get(name)) for name in ("weight", "bias"))

    def forward(input: Tensor) -> Tensor:
        z = _apply(module, input, weight, bias)
        calls.append(Call(layer, input, z, (input._version, z._version)))
        return z

    return forward


def _detached(parameter: nn.Parameter | None) -> Tensor | None:
    """The same numbers as a leaf of their own; it asks for a gradient only to keep its layer in the graph."""
    return None if parameter is None else parameter.detach().requires_grad_()


def _apply(module: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """The layer's function (those of `rules.RULES`) of input a and the given parameters."""
    match module:
        case nn.Embedding():
            return functional.embedding(a, _present(weight), module.padding_idx)
        case nn.LayerNorm():
            return functional.layer_norm(a, module.normalized_shape, weight, bias, module.eps)
        case _:
            return functional.linear(a, _present(weight), bias)


def _present(weight: Tensor | None) -> Tensor:
    if weight is None:
        raise VoidTape("a layer lost its weight")
    return weight
