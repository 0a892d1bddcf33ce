"""How a model's clipped sums are computed: which layers by their rules, which parameters without, how many at a time.

Rules are trusted only where they were tried. Each layer is listened to on batches of two and of three records (a model
that turns its data around, time first, say, can pass for one that does not at one size only), with a loss on one of
three records no other record's activation may have a gradient, and a record's loss is the same alone as beside the two
others. A layer that fails gives its parameters to the fallback, where each record runs alone; the others keep their
rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ringfence.tasks.task import Batch
from ringfence.training import fallback
from ringfence.training.batches import RecordLoss, count, take
from ringfence.training.flat import FlatModel
from ringfence.training.tape import RuledLayer, Tape, VoidTape, record, ruled_layers

# Elements of activations and gradients held for one microbatch (96 MiB of float32; with more, fresh memory takes longer
# than the arithmetic), and the most records in one.
_ELEMENTS = 3 << 23
_LARGEST_MICROBATCH = 4096
_MOVED = 0.01  # standard deviation of what is added to each weight while rules are tried

# What was chosen, by model, and for which task.
_KNOWN: WeakKeyDictionary[FlatModel, dict[tuple[object, ...], tuple[RecordLoss, Route]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Route:
    """`layers` by rules, the parameters in the slots `rest` by per-example gradients; `microbatch` records at once."""

    layers: tuple[RuledLayer, ...]
    rest: tuple[int, ...]
    microbatch: int


def without_rules(model: FlatModel) -> Route:
    """Per-example gradients for every parameter: right for every model, and the slowest."""
    return Route((), tuple(range(len(model.parameters))), fallback.piece_size(model.trainable.numel()))


def known_route(model: FlatModel, task: RecordLoss, batch: Batch) -> Route:
    """`choose_route`, asked once for the same model, task, shapes and kinds of number, and remembered."""
    shapes = {name: (tensor.shape[1:], tensor.dtype) for name, tensor in batch.items()}
    kind = (*sorted(shapes.items()), torch.is_autocast_enabled(model.vector.device.type), model.module.training)
    known = _KNOWN.setdefault(model, {})
    asked, route = known.get(kind, (None, None))
    if asked is not task or route is None:
        route = choose_route(model, task, batch)
        if count(batch):
            known[kind] = (task, route)
    return route


def choose_route(model: FlatModel, task: RecordLoss, batch: Batch) -> Route:
    """The rules for all layers that prove them on a few records of `batch`, the fallback for the other parameters.

    They are tried with every trainable weight moved a little at random, because a weight that is still zero (a gate,
    the second factor of an adapter) hides what it leads to. A model that draws random numbers (dropout) takes the
    rules for all of its parameters or for none, because the fallback runs it a second time and would draw others.
    """
    layers = ruled_layers(model) if count(batch) else ()
    while layers:
        try:
            with _moved(model):
                random, held = _tried(model, layers, task, batch)
        except VoidTape as void:
            layers = tuple(layer for layer in layers if void.layers and layer not in void.layers)
            continue
        covered = {slot for layer in layers for slot in layer.slots}
        rest = tuple(slot for slot in range(len(model.parameters)) if slot not in covered)
        if rest and random:
            break
        size = _ELEMENTS // max(1, held)
        if rest:
            size = min(size, fallback.piece_size(sum(model.slots[slot].size for slot in rest)))
        return Route(layers, rest, max(1, min(_LARGEST_MICROBATCH, size)))
    return without_rules(model)


def _tried(model: FlatModel, layers: tuple[RuledLayer, ...], task: RecordLoss, batch: Batch) -> tuple[bool, int]:
    """Whether the model draws random numbers, and the elements that one record holds. Raises VoidTape."""
    before = _random_state(model.vector.device)
    three = _cleaned(take(batch, torch.arange(3) % count(batch)))
    record(model, layers, task, take(three, slice(0, 2)))
    tape = record(model, layers, task, three)
    random = not torch.equal(before, _random_state(model.vector.device))
    for position in range(3):
        gradients = tape.output_gradients(_only(tape, position), again=position < 2)
        _check_apart(tape, gradients, position)
        if not random:
            alone = record(model, layers, task, take(three, slice(position, position + 1))).losses
            _check_same(alone, tape.losses[position : position + 1])
    held = 0
    with torch.no_grad(), torch.autocast(model.vector.device.type, enabled=False):
        for call, g in zip(tape.calls, gradients, strict=True):
            terms = call.layer.rule.terms(call.layer.module, in_dtype(call.a, model.vector.dtype), g.to(model.vector))
            held += call.a.numel() + 2 * call.z.numel() + terms.kept
    return random, held // 3


@contextmanager
def _moved(model: FlatModel) -> Iterator[None]:
    """The model with other weights for a while; nothing is drawn from PyTorch's own generator."""
    weights = model.copy()
    generator = torch.Generator().manual_seed(0)
    try:
        moved = torch.randn(model.trainable.shape, generator=generator, dtype=model.vector.dtype)
        model.trainable.add_(moved.to(model.vector.device), alpha=_MOVED)
        yield
    finally:
        model.load(weights)


def _only(tape: Tape, position: int) -> Tensor:
    cotangent = torch.zeros_like(tape.losses)
    cotangent[position] = 1
    return cotangent


def _check_apart(tape: Tape, gradients: list[Tensor], position: int) -> None:
    """Raise VoidTape, for the layers concerned, if another record's output has a gradient of this one's loss."""
    others = [index for index in range(len(tape.losses)) if index != position]
    calls = zip(tape.calls, gradients, strict=True)
    if mixing := [call.layer for call, gradient in calls if gradient[others].any()]:
        raise VoidTape("records are not apart", mixing)


def _check_same(alone: Tensor, beside: Tensor) -> None:
    """Raise VoidTape, for all layers, unless a record's loss [1] is the same up to the rounding of bf16."""
    if not torch.allclose(alone.detach().double(), beside.detach().double(), rtol=2e-2, atol=1e-4, equal_nan=True):
        raise VoidTape("a record's loss depends on the others")


def in_dtype(a: Tensor, dtype: torch.dtype) -> Tensor:
    """Activations in the dtype of the sum; indices as they are."""
    return a.to(dtype) if a.is_floating_point() else a


def _cleaned(batch: Batch) -> Batch:
    """Without NaN and infinities: whether records are kept apart is asked of the task, not of a broken record."""
    return {name: tensor.nan_to_num(0.0, 0.0, 0.0) for name, tensor in batch.items()}


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
