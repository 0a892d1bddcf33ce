"""Per-example gradient norms and clipped sums from activations and output gradients, one rule a layer.

A layer with input a and output gradient g of one example has a weight gradient that is a sum of outer products over
its positions t. Its norm follows without forming it (Goodfellow 2015, arXiv:1510.01799; Li et al. 2021,
arXiv:2110.05679), and the sum over examples of factor times gradient is one matrix product with g scaled by the factor
(book-keeping: Bu et al. 2022, arXiv:2210.00038).

Shapes: B examples, T positions, D inputs, P outputs, V embedding rows. A rule takes what one call of a layer saw and
gives the squared norms [B] of that layer's trainable gradients and a function that adds their weighted sum, for
weights [B], to the parameters' places in the sum. An example of weight 0 adds exactly 0, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

# Elements of a temporary in one piece of a norm computation (16 MiB of float32).
_PIECE = 1 << 22

Adder = Callable[[Tensor, Tensor | None, Tensor | None], None]
Rule = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Adder]]


def linear(layer: nn.Module, a: Tensor, g: Tensor) -> tuple[Tensor, Adder]:
    """Weight [P, D] and bias [P] of `nn.Linear` for a [B, ..., D], g [B, ..., P]."""
    if a.dim() == 2:
        squares = _row_squares(g) * (_row_squares(a) * _trains(layer, "weight") + _trains(layer, "bias"))
    else:
        a, g = a.reshape(a.shape[0], -1, a.shape[-1]), g.reshape(g.shape[0], -1, g.shape[-1])
        squares = g.new_zeros(g.shape[0])
        if _trains(layer, "weight"):
            squares += _outer_squares(a, g)
        if _trains(layer, "bias"):
            squares += _row_squares(g.sum(1))

    def add(factors: Tensor, weight: Tensor | None, bias: Tensor | None) -> None:
        scaled = _scaled(g, factors).reshape(-1, g.shape[-1])
        if weight is not None:
            weight.addmm_(scaled.T, _finite(a).reshape(-1, a.shape[-1]))
        if bias is not None:
            bias += scaled.sum(0)

    return squares, add


def embedding(layer: nn.Module, a: Tensor, g: Tensor) -> tuple[Tensor, Adder]:
    """Weight [V, D] of `nn.Embedding` for indices a [B, ...], g [B, ..., D]: positions meet where indices agree."""
    index, g = a.reshape(a.shape[0], -1), g.reshape(a.shape[0], -1, g.shape[-1])
    padding = cast(nn.Embedding, layer).padding_idx
    if padding is not None:
        g = g.masked_fill(index.eq(padding).unsqueeze(-1), 0)
    squares = _row_squares(g[:, 0]) if index.shape[1] == 1 else _shared_squares(index, g)

    def add(factors: Tensor, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            weight.index_add_(0, index.reshape(-1), _scaled(g, factors).reshape(-1, g.shape[-1]))

    return squares, add


def layer_norm(layer: nn.Module, a: Tensor, g: Tensor) -> tuple[Tensor, Adder]:
    """Weight and bias [D] of `nn.LayerNorm`, D its flattened shape, for a, g [B, ..., D]: formed outright."""
    norm = cast(nn.LayerNorm, layer)
    normal = functional.layer_norm(a, norm.normalized_shape, eps=norm.eps)
    width = norm.weight.numel()
    weights = (g * normal).reshape(g.shape[0], -1, width).sum(1)
    biases = g.reshape(g.shape[0], -1, width).sum(1)
    squares = _row_squares(weights) * _trains(layer, "weight") + _row_squares(biases) * _trains(layer, "bias")

    def add(factors: Tensor, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            weight += (factors @ _finite(weights)).view_as(weight)
        if bias is not None:
            bias += (factors @ _finite(biases)).view_as(bias)

    return squares, add


RULES: dict[type[nn.Module], Rule] = {nn.Linear: linear, nn.Embedding: embedding, nn.LayerNorm: layer_norm}


def _trains(layer: nn.Module, name: str) -> bool:
    parameter = layer._parameters.get(name)
    return parameter is not None and parameter.requires_grad


def _row_squares(rows: Tensor) -> Tensor:
    """|row|^2 [B] of rows [B, D]."""
    squares: Tensor = torch.linalg.vecdot(rows, rows)
    return squares


def _finite(values: Tensor) -> Tensor:
    """The values with NaN and infinities at 0, because 0 * inf in a matrix product is NaN."""
    return values.nan_to_num(0.0, 0.0, 0.0)


def _scaled(g: Tensor, factors: Tensor) -> Tensor:
    return _finite(g) * factors.view(-1, *[1] * (g.dim() - 1))


def _outer_squares(a: Tensor, g: Tensor) -> Tensor:
    """|sum_t g_t a_t'|^2 [B] for a [B, T, D], g [B, T, P], by the cheaper of two equal forms.

    Long sequences form the gradient itself. Short ones sum (a a')(g g') over pairs of positions, in float64: there
    the terms of a small gradient may cancel, and a norm that came out too small would let an example exceed the clip.
    """
    positions, inputs, outputs = a.shape[1], a.shape[2], g.shape[2]
    if 2 * positions * positions <= inputs * outputs:
        piece = max(1, _PIECE // (2 * positions * (positions + inputs + outputs)))
        pairs = [(x.double(), y.double()) for x, y in _pieces(piece, a, g)]
        return torch.cat([((x @ x.mT) * (y @ y.mT)).sum((1, 2)) for x, y in pairs]).clamp(min=0).to(g.dtype)
    piece = max(1, _PIECE // (inputs * outputs))
    return torch.cat([_row_squares((y.mT @ x).flatten(1)) for x, y in _pieces(piece, a, g)])


def _pieces(size: int, first: Tensor, second: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Both tensors, `size` examples at a time."""
    for start in range(0, first.shape[0], size):
        yield first[start : start + size], second[start : start + size]


def _shared_squares(index: Tensor, g: Tensor) -> Tensor:
    """|sum_t e_index(t) g_t'|^2 [B] for index [B, T], g [B, T, D]: pairs of positions with one index, in float64."""
    piece = max(1, _PIECE // (2 * g.shape[1] * (g.shape[1] + g.shape[2])))
    squares = []
    for i, y in _pieces(piece, index, g):
        same = i.unsqueeze(1) == i.unsqueeze(2)
        squares.append(((y.double() @ y.double().mT) * same).sum((1, 2)))
    return torch.cat(squares).clamp(min=0).to(g.dtype)
