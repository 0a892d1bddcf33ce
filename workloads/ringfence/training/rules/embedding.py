"""`nn.Embedding`: weight [V, D] for indices a [B, ...], g [B, ..., D]."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.training.rules.rule import Factors, Rule, Terms, pieces, ready, row_squares, scaled

# Elements of a temporary in one piece (4 MiB of float32).
_PIECE = 1 << 20


def _forward(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return functional.embedding(a, weight, cast(nn.Embedding, layer).padding_idx)  # type: ignore[arg-type]


def _terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    index, g = a.reshape(a.shape[0], -1), g.reshape(a.shape[0], -1, g.shape[-1])
    padding = cast(nn.Embedding, layer).padding_idx
    if padding is not None:
        g = g.masked_fill(index.eq(padding).unsqueeze(-1), 0)
    squares = row_squares(g[:, 0]) if index.shape[1] == 1 else _shared_squares(index, g)

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            ready(weight, factors).index_add_(0, index.reshape(-1), scaled(g, factors).flatten(0, 1))

    return Terms(squares, add)


def _covers(layer: nn.Module) -> bool:
    return not cast(nn.Embedding, layer).scale_grad_by_freq  # frequencies in the batch: not a record's own gradient


EMBEDDING = Rule(_forward, _terms, _covers)


def _shared_squares(index: Tensor, g: Tensor) -> Tensor:
    """|sum_t e_index(t) g_t'|^2 [B] for index [B, T], g [B, T, D]: pairs of positions with one index, in float64."""
    squares = []
    for part in pieces(index.shape[0], max(1, _PIECE // (g.shape[1] * (g.shape[1] + g.shape[2])))):
        same = index[part].unsqueeze(1) == index[part].unsqueeze(2)
        y = g[part].double()
        squares.append(((y @ y.mT) * same).sum((1, 2)))
    return torch.cat(squares).clamp(min=0).to(g.dtype)
