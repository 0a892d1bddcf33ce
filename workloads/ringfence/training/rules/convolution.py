"""`nn.Conv1d`, `nn.Conv2d`, `nn.Conv3d`: weight [P, C / groups, K...] and bias [P] for a [B, C, ...], g [B, P, ...].

The weight gradients of B examples are the one weight gradient of a convolution with B times the groups, whose input is
all examples' channels side by side: about as fast as the gradient of their sum, and without unfolding patches.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

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

_Convolution: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d

# Elements of gradients formed in one go: few groups at a time stay in the cache, and many are no faster.
_PIECE = 1 << 18


def _forward(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return cast(Tensor, cast(_Convolution, layer)._conv_forward(a, cast(Tensor, weight), bias))


def _terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    conv = cast(_Convolution, layer)
    biases = g.flatten(2).sum(2)
    if not trains(layer, "weight"):
        return formed(layer, None, biases)
    examples, size = a.shape[0], conv.weight.numel()
    together = pieces(examples, max(1, _PIECE // size))
    if worth_keeping(size, (a.numel() + g.numel()) // examples):
        rows = g.new_empty(examples, size)
        for part in together:
            rows[part] = _weights(conv, a[part], g[part])
        return formed(layer, rows, biases)
    squares = torch.cat([row_squares(_weights(conv, a[part], g[part])) for part in together])
    if trains(layer, "bias"):
        squares = squares + row_squares(biases)

    def add(factors: Factors, weight: Tensor | None, bias: Tensor | None) -> None:
        if weight is not None:
            ready(weight, factors).add_(_weight_gradient(conv, finite(a), scaled(g, factors), conv.weight, conv.groups))
        contract(biases, factors, bias)

    return Terms(squares, add)


def _covers(layer: nn.Module) -> bool:
    """Zero padding, the same on both sides: the convolution itself pads, and its gradient knows."""
    conv = cast(_Convolution, layer)
    if conv.padding_mode != "zeros":
        return False
    return conv.padding != "same" or all(
        d * (k - 1) % 2 == 0 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)
    )


CONVOLUTION = Rule(_forward, _terms, _covers)


def _weights(conv: _Convolution, a: Tensor, g: Tensor) -> Tensor:
    """The weight gradient of each example, [B, P C/groups K...]."""
    examples = a.shape[0]
    a, g = a.reshape(1, -1, *a.shape[2:]), g.reshape(1, -1, *g.shape[2:])
    weights = a.new_empty(examples * conv.out_channels, *conv.weight.shape[1:])
    return _weight_gradient(conv, a, g, weights, examples * conv.groups).view(examples, -1)


def _weight_gradient(conv: _Convolution, a: Tensor, g: Tensor, weight: Tensor, groups: int) -> Tensor:
    """sum over examples of the weight gradients; of `weight` only the shape counts."""
    _, gradient, _ = torch.ops.aten.convolution_backward(
        g, a, weight, None, conv.stride, _padding(conv), conv.dilation, False, [0], groups, [False, True, False]
    )
    return cast(Tensor, gradient)


def _padding(conv: _Convolution) -> list[int]:
    if conv.padding == "same":
        return [d * (k - 1) // 2 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    return [0] * len(conv.kernel_size) if conv.padding == "valid" else [int(size) for size in conv.padding]
