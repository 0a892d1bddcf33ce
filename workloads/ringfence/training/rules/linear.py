"""`nn.Linear`: weight [P, D] and bias [P] for a [B, ..., D], g [B, ..., P]."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.training.rules.rule import (
    Factors,
    Rule,
    Terms,
    contract,
    finite,
    formed,
    pieces,
    row_squares,
    scaled,
    trains,
    worth_keeping,
)

# Elements formed in one go: the norm of what was just formed is taken from the cache.
_PIECE = 1 << 18


def _forward(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return functional.linear(a, weight, bias)  # type: ignore[arg-type]


def _terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    a, g = a.reshape(a.shape[0], -1, a.shape[-1]), g.reshape(g.shape[0], -1, g.shape[-1])
    if a.shape[1] == 1:
        return _one_position(layer, a[:, 0], g[:, 0])
    positions, inputs, outputs = a.shape[1], a.shape[2], g.shape[2]
    biases = g.sum(1)
    if not trains(layer, "weight"):
        return formed(layer, None, biases)
    if worth_keeping(inputs * outputs, positions * (inputs + outputs)):
        squares, kept = _formed(a, g)
        return formed(layer, kept, biases, squares)
    squares = _pair_squares(a, g) if 2 * positions * positions <= inputs * outputs else _formed_squares(a, g)
    if trains(layer, "bias"):
        squares += row_squares(biases)

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            weight.addmm_(scaled(g, factors).flatten(0, 1).T, finite(a).flatten(0, 1))
        contract(biases, factors, bias)

    return Terms(squares, add)


def _one_position(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    """For a [B, D], g [B, P] the gradients are g_i a_i' and g_i, and their norms products."""
    squares = row_squares(g)
    if trains(layer, "weight"):
        squares *= row_squares(a) + trains(layer, "bias")

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        weighted = scaled(g, factors)
        if weight is not None:
            weight.addmm_(weighted.T, finite(a))
        if bias is not None:
            bias += weighted.sum(0)

    return Terms(squares, add)


LINEAR = Rule(_forward, _terms)


def _formed(a: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """|sum_t g_t a_t'|^2 [B] and the gradients themselves [B, P D]."""
    examples, inputs, outputs = a.shape[0], a.shape[2], g.shape[2]
    rows, squares = g.new_empty(examples, outputs, inputs), g.new_empty(examples)
    for part in pieces(examples, max(1, _PIECE // (inputs * outputs))):
        torch.bmm(g[part].mT, a[part], out=rows[part])
        squares[part] = row_squares(rows[part].flatten(1))
    return squares, rows.flatten(1)


def _formed_squares(a: Tensor, g: Tensor) -> Tensor:
    """|sum_t g_t a_t'|^2 [B], the gradients formed and dropped: for long sequences."""
    size = max(1, _PIECE // (a.shape[2] * g.shape[2]))
    return torch.cat([row_squares((g[part].mT @ a[part]).flatten(1)) for part in pieces(a.shape[0], size)])


def _pair_squares(a: Tensor, g: Tensor) -> Tensor:
    """|sum_t g_t a_t'|^2 [B] as the sum of (a a')(g g') over pairs of positions: for short sequences.

    In float64: the terms of a small gradient may cancel, and a norm that came out too small would let an example
    exceed the clip.
    """
    size = max(1, _PIECE // (a.shape[1] * (a.shape[1] + a.shape[2] + g.shape[2])))
    pairs = ((a[part].double(), g[part].double()) for part in pieces(a.shape[0], size))
    return torch.cat([((x @ x.mT) * (y @ y.mT)).sum((1, 2)) for x, y in pairs]).clamp(min=0).to(g.dtype)
