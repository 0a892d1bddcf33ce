"""The sum over examples of clipped gradients: what one record can change in a step is at most the clip C.

    sum_i g_i min(1, C / |g_i|),  g_i the gradient of record i's loss over all trainable parameters together

By the rules (`rules.py`, one forward and one backward pass to activations) where they cover the model, by
per-example gradients (`fallback.py`) where not. Both give the same sum, in microbatches of a bounded size that do not
change it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ringfence.errors import InvalidInput
from ringfence.tasks.task import Batch
from ringfence.training import fallback
from ringfence.training.batches import RecordLoss, count, microbatches, take
from ringfence.training.factors import clip_factors
from ringfence.training.flat import FlatModel
from ringfence.training.tape import RuledLayer, Tape, VoidTape, record, ruled_layers

# Elements of activations held for one microbatch (128 MiB of float32), and the most records in one.
_ELEMENTS = 1 << 25
_LARGEST_MICROBATCH = 4096


@dataclass(frozen=True)
class Route:
    """How a model's clipped sums are computed: by these layers' rules, or (None) without rules; records at a time."""

    layers: tuple[RuledLayer, ...] | None
    microbatch: int


def clipped_sum(
    model: FlatModel, task: RecordLoss, batch: Batch, max_norm: float, *, route: Route | None = None
) -> Tensor:
    """sum_i g_i min(1, C/|g_i|) [T] over the records of `batch`; zeros for none.

    Norms and sums are in the model's dtype whatever autocast does. A record whose loss or gradient is not finite adds
    exactly 0. Adding or removing a record moves the sum by at most `max_norm`, up to rounding. `route` (from
    `choose_route`) saves choosing one for every batch. Raises InvalidInput for a max_norm that is not a positive
    number, InvalidTask for a loss that is not [B].
    """
    if not (math.isfinite(max_norm) and max_norm > 0):
        raise InvalidInput("the clipping norm is not a positive number", where="max_norm")
    total = torch.zeros_like(model.trainable)
    if count(batch) == 0:
        return total
    chosen = choose_route(model, task, batch) if route is None else route
    for part in microbatches(batch, chosen.microbatch):
        if chosen.layers is None or not _add_by_rules(model, chosen.layers, task, part, max_norm, total):
            fallback.add_clipped_sum(model, task, part, max_norm, total)
    return total


def choose_route(model: FlatModel, task: RecordLoss, batch: Batch) -> Route:
    """The rules, if they cover the model and the task keeps records apart along the first dimension, else none.

    Tried on batches of two and of three records: a model that turns its data around (time first, say) can pass
    for one that does not only at one size. And with a loss on one of three records, no other record's activation may
    have a gradient.
    """
    without = Route(None, fallback.piece_size(model))
    layers, records = ruled_layers(model), count(batch)
    if layers is None or records == 0:
        return without
    try:
        for size in (2, 3):
            tape = record(model, layers, task, _cleaned(take(batch, torch.arange(size) % records)))
        if not all(_touches_only(tape, position) for position in range(3)):
            return without
    except VoidTape:
        return without
    held = sum(call.a.numel() + 2 * call.z.numel() for call in tape.calls) // 3
    return Route(layers, max(1, min(_LARGEST_MICROBATCH, _ELEMENTS // max(1, held))))


def _touches_only(tape: Tape, position: int) -> bool:
    cotangent = torch.zeros_like(tape.losses)
    cotangent[position] = 1
    others = [index for index in range(len(tape.losses)) if index != position]
    return not any(gradient[others].any() for gradient in tape.output_gradients(cotangent, again=True))


def _cleaned(batch: Batch) -> Batch:
    """Without NaN and infinities: whether records are kept apart is asked of the task, not of a broken record."""
    return {name: tensor.nan_to_num(0.0, 0.0, 0.0) for name, tensor in batch.items()}


def _add_by_rules(
    model: FlatModel, layers: tuple[RuledLayer, ...], task: RecordLoss, part: Batch, max_norm: float, total: Tensor
) -> bool:
    """Add the clipped sum of `part` to `total`, or leave it alone and return False when its tape is void."""
    try:
        tape = record(model, layers, task, part)
        gradients = tape.output_gradients(torch.ones_like(tape.losses))
    except VoidTape:
        return False
    with torch.no_grad(), torch.autocast(total.device.type, enabled=False):
        dtype = total.dtype
        squares = torch.zeros_like(tape.losses, dtype=dtype)
        adders = []
        for call, g in zip(tape.calls, gradients, strict=True):
            a = call.a.to(dtype) if call.a.is_floating_point() else call.a
            norms, add = call.layer.rule(call.layer.module, a, g.to(dtype))
            squares += norms
            adders.append((call.layer, add))
        factors = clip_factors(squares, tape.losses, max_norm)
        for layer, add in adders:
            weight, bias = (
                None if slot is None else model.slots[slot].of(total) for slot in (layer.weight, layer.bias)
            )
            add(factors, weight, bias)
    return True
