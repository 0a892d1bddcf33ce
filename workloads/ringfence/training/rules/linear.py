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
    ready,
    row_squares,
    scaled,
    trains,
    worth_keeping,
)

# Elements formed in one go: the norm of what was just formed is taken from the cache.
_PIECE = 1 << 18

# Products of pairs of positions that take as long as one element of a gradient to be written, read and read again.
_PAIRS = 21


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
    by_pairs = positions * positions * (inputs + outputs) <= _PAIRS * inputs * outputs
    if not by_pairs and worth_keeping(inputs * outputs, positions * (inputs + outputs)):
        squares, kept = _formed(a, g)
        return formed(layer, kept, biases, squares)
    squares = _pair_squares(a, g) if by_pairs else _formed_squares(a, g)
    if trains(layer, "bias"):
        squares += row_squares(biases)

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            weight.addmm_(scaled(g, factors).flatten(0, 1).T, finite(a).flatten(0, 1), beta=factors.held)
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
            weight.addmm_(weighted.T, finite(a), beta=factors.held)
        if bias is not None:
            ready(bias, factors).add_(weighted.sum(0))

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

    The terms of a small gradient may cancel, and a norm that came out too small would let an example exceed the clip.
    Rounding moves the sum by some multiple of (sum_t |a_t||g_t|)^2. T positions that have nothing in common leave a
    T-th of that; examples that keep less than a quarter of a T-th are done again in float64.
    """
    squares = _paired(a, g)
    most = (torch.linalg.vector_norm(a, dim=2) * torch.linalg.vector_norm(g, dim=2)).sum(1).square_()
    cancelled = (squares < most / (4 * a.shape[1])).nonzero().flatten()
    return squares.index_copy_(0, cancelled, _paired(a[cancelled].double(), g[cancelled].double()).to(g.dtype))


def _paired(a: Tensor, g: Tensor) -> Tensor:
    size = max(1, _PIECE // (a.shape[1] * a.shape[1]))
    parts = ((a[part], g[part]) for part in pieces(len(a), size))
    squares = [((x @ x.mT).mul_(y @ y.mT)).sum((1, 2)) for x, y in parts]
    return torch.cat(squares).clamp(min=0) if squares else a.new_empty(0)
