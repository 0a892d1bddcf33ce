"""The sum over examples of clipped gradients: what one record can change in a step is at most the clip C.

    sum_i g_i min(1, C / |g_i|),  g_i the gradient of record i's loss over all trainable parameters together

or, clipped by layer, sum_i of every layer k's part times min(1, C_k / |g_ik|) with C_k = C / sqrt(number of layers).
By the rules (`rules/`, one forward and one backward pass to activations) for the layers they cover, by per-example
gradients (`fallback.py`) for the other parameters. Both give the same sum, in microbatches of a bounded size that do
not change it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ringfence.errors import InvalidInput
from ringfence.tasks.task import Batch
from ringfence.training import fallback
from ringfence.training.batches import RecordLoss, count, microbatches
from ringfence.training.factors import clip_factors
from ringfence.training.flat import FlatModel
from ringfence.training.route import Route, choose_route, in_dtype, without_rules
from ringfence.training.rules.rule import Factors, Terms, contract, row_squares
from ringfence.training.tape import RuledLayer, VoidTape, record


@dataclass
class _Total:
    """The sum [T]: at first memory as it came, later what the microbatches so far have written (`held` 1)."""

    values: Tensor
    held: int = 0


@dataclass(frozen=True)
class _Clip:
    """The clip C, and by slot the number of the part of the gradient that is clipped by itself."""

    max_norm: float
    parts: list[int]

    def factors(self, squares: Tensor, losses: Tensor, held: int) -> list[Factors]:
        """By slot."""
        by_part = clip_factors(squares, losses, self.max_norm, held)
        return [by_part[part] for part in self.parts]


def clipped_sum(
    model: FlatModel,
    task: RecordLoss,
    batch: Batch,
    max_norm: float,
    *,
    route: Route | None = None,
    by_layer: bool = False,
) -> Tensor:
    """sum_i g_i min(1, C/|g_i|) [T] over the records of `batch`; zeros for none.

    Norms and sums are in the model's dtype whatever autocast does. A record whose loss or gradient is not finite adds
    exactly 0. Adding or removing a record moves the sum by at most `max_norm`, up to rounding, also when every layer is
    clipped by itself (`by_layer`). `route` (from `choose_route`) saves choosing one for every batch. Raises
    InvalidInput for a max_norm that is not a positive number, InvalidTask for a loss that is not [B].
    """
    if not (math.isfinite(max_norm) and max_norm > 0):
        raise InvalidInput("the clipping norm is not a positive number", where="max_norm")
    if count(batch) == 0:
        return torch.zeros_like(model.trainable)
    total = _Total(torch.empty_like(model.trainable))
    chosen = choose_route(model, task, batch) if route is None else route
    clip = _Clip(max_norm, _layer_of_slots(model) if by_layer else [0] * len(model.parameters))
    for some in microbatches(batch, chosen.microbatch):
        try:
            _add(model, task, some, chosen, clip, total)
        except VoidTape:
            plain = without_rules(model)
            for piece in microbatches(some, plain.microbatch):
                _add(model, task, piece, plain, clip, total)
    return total.values


def _add(model: FlatModel, task: RecordLoss, batch: Batch, route: Route, clip: _Clip, total: _Total) -> None:
    """Add the clipped sum over `batch` to `total`. Raises VoidTape, with `total` as it was, when the rules fail."""
    terms, values = _by_rules(model, route.layers, task, batch) if route.layers else ([], [])
    rows: Sequence[Tensor] = ()
    if route.rest:
        rows, alone = fallback.per_example(model, task, batch, route.rest)
        values.append(alone)
    places = [model.slots[slot].of(total.values) for slot in range(len(model.parameters))]
    with torch.no_grad(), torch.autocast(total.values.device.type, enabled=False):
        squares = total.values.new_zeros(max(clip.parts) + 1, count(batch))
        for layer, term in terms:
            squares[clip.parts[layer.slots[0]]] += term.squares
        for slot, gradients in zip(route.rest, rows, strict=True):
            squares[clip.parts[slot]] += row_squares(gradients)
        factors = clip.factors(squares, torch.stack(values), total.held)
        for layer, term in terms:
            weight, bias = (None if slot is None else places[slot] for slot in (layer.weight, layer.bias))
            term.add(factors[layer.slots[0]], weight, bias)
        for slot, gradients in zip(route.rest, rows, strict=True):
            contract(gradients, factors[slot], places[slot])
        if not total.held:
            written = {*route.rest, *(slot for layer, _ in terms for slot in layer.slots)}
            for slot in set(range(len(places))) - written:
                places[slot].zero_()
    total.held = 1


def _by_rules(
    model: FlatModel, layers: tuple[RuledLayer, ...], task: RecordLoss, batch: Batch
) -> tuple[list[tuple[RuledLayer, Terms]], list[Tensor]]:
    """The terms of every call, and the losses. Activations are let go as soon as no term needs them."""
    tape = record(model, layers, task, batch)
    gradients = tape.output_gradients(torch.ones_like(tape.losses))
    terms = []
    with torch.no_grad(), torch.autocast(model.vector.device.type, enabled=False):
        while tape.calls:
            call, g = tape.calls.pop(), gradients.pop()
            a = in_dtype(call.a, model.vector.dtype)
            terms.append((call.layer, call.layer.rule.terms(call.layer.module, a, g.to(model.vector))))
    return terms, [tape.losses.detach()]


def _layer_of_slots(model: FlatModel) -> list[int]:
    """The number of the layer (the module) that each trainable parameter belongs to."""
    names = [slot.name.rpartition(".")[0] for slot in model.slots if slot.trainable]
    number = {name: position for position, name in enumerate(dict.fromkeys(names))}
    return [number[name] for name in names]
