"""One forward pass that remembers each ruled layer's input and output, one backward pass to those outputs only.

During the forward pass a ruled layer computes with detached weights. So the backward pass stops at activations, and a
gradient that still arrives at one of its parameters has found a way past it: a weight used by hand, or shared. Then,
and whenever a layer is called twice, sees a first dimension that is not the record, or has its input or output
overwritten, the tape is void: it names the layers at fault, whose parameters take the fallback.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ringfence.tasks.task import Batch
from ringfence.training.batches import RecordLoss, count, losses
from ringfence.training.flat import FlatModel
from ringfence.training.rules import rule_of
from ringfence.training.rules.rule import Rule


@dataclass(frozen=True)
class RuledLayer:
    """A layer with a rule, and the slots of its trainable parameters in the flat sum (None: absent or frozen)."""

    module: nn.Module
    rule: Rule
    weight: int | None
    bias: int | None

    @property
    def slots(self) -> list[int]:
        return [slot for slot in (self.weight, self.bias) if slot is not None]


class VoidTape(Exception):  # never leaves this package
    """What the forward pass did cannot be attributed to single records by these layers' rules (all: none named)."""

    def __init__(self, why: str, layers: Iterable[RuledLayer] = ()) -> None:
        super().__init__(why)
        self.layers = frozenset(layers)


@dataclass(frozen=True)
class Call:
    """What one layer saw: input a and output z [B, ...], and their version counters at that moment."""

    layer: RuledLayer
    a: Tensor
    z: Tensor
    versions: tuple[int, int]


def ruled_layers(model: FlatModel) -> tuple[RuledLayer, ...]:
    """The layers with a rule for all their trainable parameters, none of which another layer shares."""
    slot_of = {id(parameter): slot for slot, parameter in enumerate(model.parameters)}
    layers: list[RuledLayer] = []
    users: Counter[int] = Counter()
    for module in model.module.modules():
        slots = {name: slot_of.get(id(parameter)) for name, parameter in module._parameters.items()}
        trained = [slot for slot in slots.values() if slot is not None]
        users.update(trained)
        rule = rule_of(module)
        if trained and rule is not None and slots.keys() <= {"weight", "bias"}:
            layers.append(RuledLayer(module, rule, slots.get("weight"), slots.get("bias")))
    return tuple(layer for layer in layers if all(users[slot] == 1 for slot in layer.slots))


@dataclass
class Tape:
    """The calls of one forward pass over B records, and their losses [B]."""

    model: FlatModel
    calls: list[Call]
    losses: Tensor

    def output_gradients(self, cotangent: Tensor, again: bool = False) -> list[Tensor]:
        """d(cotangent . losses)/dz [B, ...] of every call; `again` keeps the graph for another cotangent.

        Raises VoidTape when a gradient reaches a parameter of a ruled layer.
        """
        watched = [call for call in self.calls if call.z.requires_grad]
        if not self.losses.requires_grad or not watched:
            return [torch.zeros_like(call.z) for call in self.calls]
        owners = [(layer, self.model.parameters[slot]) for layer in self._layers() for slot in layer.slots]
        inputs = [call.z for call in watched] + [parameter for _, parameter in owners]
        gradients = torch.autograd.grad(self.losses, inputs, cotangent, retain_graph=again, allow_unused=True)
        reached = zip(owners, gradients[len(watched) :], strict=True)
        if astray := [layer for (layer, _), gradient in reached if gradient is not None]:
            raise VoidTape("a parameter is used outside its layer", astray)
        found = {id(call): gradient for call, gradient in zip(watched, gradients, strict=False)}
        known = [(call, found.get(id(call))) for call in self.calls]
        return [torch.zeros_like(call.z) if gradient is None else gradient for call, gradient in known]

    def _layers(self) -> list[RuledLayer]:
        return [call.layer for call in self.calls]


def record(model: FlatModel, layers: tuple[RuledLayer, ...], task: RecordLoss, batch: Batch) -> Tape:
    """Run the task's loss over `batch`. Raises VoidTape when a layer's call cannot be attributed to records."""
    calls: list[Call] = []
    with _listening(layers, calls):
        try:
            values = losses(task, model.module, batch)
        except RuntimeError as error:  # a detached weight changed what the task may do; the fallback decides
            raise VoidTape("the forward pass failed") from error
    records = count(batch)
    often = Counter(id(call.layer) for call in calls)
    if twice := [call.layer for call in calls if often[id(call.layer)] > 1]:
        raise VoidTape("a layer is called more than once", twice)
    if turned := [call.layer for call in calls if not _by_record(call, records)]:
        raise VoidTape("the first dimension of a layer is not the record", turned)
    if gone := [call.layer for call in calls if (call.a._version, call.z._version) != call.versions]:
        raise VoidTape("the input or output of a layer was overwritten", gone)
    return Tape(model, calls, values)


def _by_record(call: Call, records: int) -> bool:
    return call.a.dim() > 0 and call.a.shape[0] == records and call.z.shape[0] == records


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
        z = layer.rule.forward(module, input, weight, bias)
        calls.append(Call(layer, input, z, (input._version, z._version)))
        return z

    return forward


def _detached(parameter: nn.Parameter | None) -> Tensor | None:
    """The same numbers as a leaf of their own; it asks for a gradient only to keep its layer in the graph."""
    return None if parameter is None else parameter.detach().requires_grad_()
