"""`nn.LayerNorm`, `nn.RMSNorm`, `nn.GroupNorm`: weight and bias act on the normalised input n by element or channel.

An example's gradients are the sums of g n and of g over its positions: as small as the parameters, formed outright.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.training.rules.rule import Rule, Terms, formed


def _layer_norm(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    norm = cast(nn.LayerNorm, layer)
    return functional.layer_norm(a, norm.normalized_shape, weight, bias, norm.eps)


def _rms_norm(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    norm = cast(nn.RMSNorm, layer)
    return functional.rms_norm(a, norm.normalized_shape, weight, norm.eps)


def _group_norm(layer: nn.Module, a: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    norm = cast(nn.GroupNorm, layer)
    return functional.group_norm(a, norm.num_groups, weight, bias, norm.eps)


def _layer_norm_terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    return _by_element(layer, g, _layer_norm(layer, a, None, None))


def _rms_norm_terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    return _by_element(layer, g, _rms_norm(layer, a, None, None))


def _by_element(layer: nn.Module, g: Tensor, normal: Tensor) -> Terms:
    """Parameters of D elements, the last ones of g, n [B, ..., D]."""
    shape = (g.shape[0], -1, cast(Tensor, layer.weight).numel())
    return formed(layer, (g * normal).reshape(shape).sum(1), g.reshape(shape).sum(1))


def _group_norm_terms(layer: nn.Module, a: Tensor, g: Tensor) -> Terms:
    """Parameters [C] for a, g [B, C, ...], by the layer's own gradient of one example with B C channels.

    PyTorch's kernel sums g n and g over positions in one pass; written out, it takes ten times as long.
    """
    norm = cast(nn.GroupNorm, layer)
    examples, channels, positions = a.shape[0], norm.num_channels, a[0, 0].numel()
    a, g = a.contiguous(), g.contiguous()
    size, groups = (examples, channels, positions), norm.num_groups
    _, mean, scale = torch.native_group_norm(a, None, None, *size, groups, norm.eps)
    one = (1, examples * channels, positions, examples * groups)
    _, weights, biases = torch.ops.aten.native_group_norm_backward(
        g, a, mean, scale, a.new_ones(examples * channels), *one, [False, True, True]
    )
    return formed(layer, weights.view(examples, channels), biases.view(examples, channels))


LAYER_NORM = Rule(_layer_norm, _layer_norm_terms)
RMS_NORM = Rule(_rms_norm, _rms_norm_terms)
GROUP_NORM = Rule(_group_norm, _group_norm_terms)
